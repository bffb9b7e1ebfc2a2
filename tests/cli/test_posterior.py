"""`partialpool fit --bayes` and `partialpool simulate`: what they print, write and refuse."""

import json

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool.bayes.prior_text import read_prior
from partialpool.cli.posterior import read_priors
from partialpool.cli.simulate import values_of
from partialpool.errors import ArgumentError

MODEL = "Reaction ~ Days + (Days | Subject)"
SHORT = ["--chains", "2", "--warmup", "200", "--draws", "500", "--seed", "3"]


@pytest.fixture(scope="module")
def post():
    priors = {"sd": pp.half_normal(50), "Days": pp.normal(0, 20)}
    run = {"chains": 2, "warmup": 200, "draws": 500, "seed": 3, "progress": False}
    return pp.sample(MODEL, pp.load_dataset("sleepstudy"), priors=priors, **run)


GIVEN = ["--prior", "sd=half_normal(5e1)", "--prior", "Days = normal( 0,20 )"]


def test_bayes_prints_the_posterior_with_its_priors(run, post):
    code, out, err = run("fit", "sleepstudy", MODEL, "--bayes", *SHORT, *GIVEN)
    assert (code, err) == (0, "")
    assert out.startswith(str(post))
    assert out.splitlines()[-1].startswith("sampled in ")


def test_json_holds_what_the_posterior_holds(run, post):
    code, out, err = run("fit", "sleepstudy", MODEL, "--bayes", *SHORT, *GIVEN, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert (found["method"], found["chains"], found["draws"], found["seed"]) == ("NUTS", 2, 500, 3)
    assert found["priors"]["sd_Subject__Days"] == "half_normal(50)"
    assert found["given"] == ["Days", "sd_Subject__Days", "sd_Subject__Intercept"]
    pd.testing.assert_frame_equal(pd.DataFrame(found["summary"]), post.summary())
    ranef = pd.DataFrame(found["ranef"]["Subject"]).set_index("level")
    expected = post.ranef(spread=True)["Subject"]
    np.testing.assert_allclose(ranef.to_numpy(), expected.to_numpy(), rtol=1e-12)
    assert found["ok"] is True
    assert found["diagnostics"]["divergences"] == 0


def test_figure_and_stored_posterior_are_written(run, post, tmp_path):
    where = ["--figure", tmp_path / "p.png", "--save", tmp_path / "p.zip"]
    code, out, _ = run("fit", "sleepstudy", MODEL, "--bayes", *SHORT, *GIVEN, *where)
    assert code == 0
    assert out.splitlines()[-2:] == [
        f"figure written to {tmp_path / 'p.png'}",
        f"posterior stored in {tmp_path / 'p.zip'}",
    ]
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    again = pp.load_posterior(tmp_path / "p.zip")
    np.testing.assert_array_equal(again.values, post.values)


def test_chains_that_did_not_mix_are_exit_code_three(run):
    few = ["--chains", "2", "--warmup", "0", "--draws", "10", "--seed", "1", "--json"]
    code, out, err = run("fit", "sleepstudy", MODEL, "--bayes", *few)
    assert code == 3
    assert json.loads(out)["ok"] is False
    assert err.startswith("partialpool: Problems: ")


@pytest.mark.parametrize(
    ("text", "prior"),
    [
        ("normal(0, 10)", pp.normal(0, 10)),
        (" student_t( 3,-1.5 ,2e1)", pp.student_t(3, -1.5, 20)),
        ("flat()", pp.flat()),
        ("lkj(2)", pp.lkj(2)),
    ],
)
def test_priors_are_read_as_they_are_printed(text, prior):
    assert read_prior(text) == prior
    assert read_prior(str(prior)) == prior


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("sd", "'sd' must be a name, =, and a prior"),
        ("=normal(0, 1)", "must be a name"),
        ("sd=half_norml(5)", "'half_norml'; choose among flat, normal"),
        ("sd=half_normal(x)", "numbers only"),
        ("sd=half_normal(1 + 1)", "numbers only"),
        ("sd=half_normal(__import__('os').getpid())", "must be a family with numbers"),
        ("sd=half_normal(1).parameters", "must be a family with numbers"),
        ("sd=half_normal(1, 2)", "takes 1 numbers (scale), not 2"),
        ("sd=normal()", "takes 2 numbers (mean, sd), not 0"),
        ("sd=half_normal(-1)", "scale must be positive"),
        ("sd=half_normal(nan)", "must be finite"),
    ],
)
def test_priors_that_are_none_are_named(text, mentioned):
    with pytest.raises(ArgumentError) as caught:
        read_priors([text])
    assert mentioned in str(caught.value)


# ---- simulate ----------------------------------------------------------------------------------

SLOPES = ["simulate", "y ~ x + (x | school)", "--beta", "6,4", "--sd", "school=3,2"]
DESIGN = ["--groups", "school=3", "--within", "x=1..10"]


def test_simulate_is_simulate_lmm(run, tmp_path):
    path = tmp_path / "sim.csv"
    more = ["--cor", "school=0.7", "--sigma", "1", "--seed", "5", "--out", path]
    code, out, err = run(*SLOPES, *DESIGN, *more)
    assert (code, out, err) == (0, f"30 rows written to {path}\n", "")
    expected = pp.simulate_lmm(
        "y ~ x + (x | school)",
        pp.make_design({"school": 3}, {"x": range(1, 11)}),
        [6, 4],
        {"school": [3, 2]},
        {"school": [0.7]},
        1.0,
        5,
    )
    found = pd.read_csv(path)
    assert list(found.columns) == list(expected.columns)
    # Tutorial 001: Xβ is 10, 14, …, 46 in each group.
    assert found["fixed"].tolist() == [10 + 4 * i for i in range(10)] * 3
    np.testing.assert_allclose(found["y"], expected["y"])


def test_simulate_prints_csv_and_takes_parameters_by_name(run):
    words = ["simulate", "y ~ arm + x + (1 | school/class)", "--sd", "school=1", "--seed", "2"]
    design = ["--groups", "school=4", "--groups", "school/class=2", "--within", "x=-1,0,1"]
    design += ["--between", "school:arm=control,drug", "--replicates", "2"]
    named = ["--beta", "Intercept=1", "--beta", "x=2", "--beta", "arm[T.drug]=-3"]
    code, out, err = run(*words, "--sd", "school:class=0.5", *design, *named)
    assert (code, err) == (0, "")
    found = pd.read_csv(pd.io.common.StringIO(out))
    assert len(found) == 4 * 2 * 3 * 2
    expected = 1 + 2 * found["x"] - 3 * (found["arm"] == "drug")
    np.testing.assert_allclose(found["fixed"], expected)
    assert found.groupby("school")["arm"].nunique().eq(1).all()
    assert found["class"].nunique() == 8


def test_simulate_on_the_rows_of_a_table(run, tmp_path):
    path = tmp_path / "sim.parquet"
    words = ["simulate", MODEL, "--frame", "sleepstudy", "--beta", "250,10", "--sd", "25,6"]
    assert run(*words, "--sigma", "25", "--seed", "1", "--out", path)[0] == 0
    found = pd.read_parquet(path)
    assert found["Subject"].tolist() == pp.load_dataset("sleepstudy")["Subject"].tolist()
    np.testing.assert_allclose(found["fixed"], 250 + 10 * found["Days"])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1..4", [1, 2, 3, 4]),
        ("-1..1", [-1, 0, 1]),
        ("3", [3]),
        ("0.5, 2", [0.5, 2.0]),
        ("low,high", ["low", "high"]),
        ("1,b", ["1", "b"]),
    ],
)
def test_values_are_numbers_where_all_are(text, values):
    found = values_of(text, "--within x")
    assert found == values
    assert [type(v) for v in found] == [type(v) for v in values]


FIT = ["fit", "sleepstudy", MODEL]
BAD = {
    "priors without bayes": ([*FIT, "--prior", "sd=half_normal(5)"], ("--bayes",)),
    "draws without bayes": ([*FIT, "--draws", "10"], ("--draws", "--bayes")),
    "ml with bayes": ([*FIT, "--bayes", "--ml"], ("--ml", "--bayes")),
    "times with bayes": ([*FIT, "--bayes", "--time"], ("--time", "--bayes")),
    "a parameter that is none": ([*FIT, "--bayes", "--prior", "sdd=flat()"], ("'sdd'", "sigma")),
    "no chains": ([*FIT, "--bayes", "--chains", "0"], ("chains",)),
    "no design": (SLOPES, ("--groups", "--frame")),
    "two designs": ([*SLOPES, *DESIGN, "--frame", "sleepstudy"], ("--frame",)),
    "no beta": (["simulate", "y ~ 1 + (1 | school)", *DESIGN, "--sd", "1"], ("--beta",)),
    "a beta that is no number": ([*SLOPES[:2], *DESIGN, "--beta", "6,x"], ("--beta", "6,x")),
    "too many betas": ([*SLOPES, "--beta", "1", *DESIGN], ("3", "2")),
    "a falling range": ([*SLOPES, "--groups", "school=3", "--within", "x=9..1"], ("9..1",)),
    "an empty value": ([*SLOPES, "--groups", "school=3", "--within", "x=1,,2"], ("x=1,,2"[2:],)),
    "a group twice": ([*SLOPES, "--groups", "school=3", *DESIGN], ("school", "twice")),
    "a group without a size": ([*SLOPES, "--groups", "school"], ("--groups", "'school'")),
    "a table of no format": ([*SLOPES, *DESIGN, "--out", "x.docx"], ("x.docx", ".csv")),
    "a table in no directory": ([*SLOPES, *DESIGN, "--out", "/nosuch/x.csv"], ("/nosuch/x.csv",)),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_two(run, case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, mentioned = BAD[case]
    code, _, err = run(*arguments)
    assert code == 2
    assert err.startswith("partialpool: ")
    assert err.count("\n") == 1
    assert [part for part in mentioned if part not in err] == [], err


def test_help_shows_the_new_options(run):
    code, out, _ = run("fit", "--help")
    assert code == 0
    assert all(word in out for word in ("--bayes", "--prior", "--chains", "half_normal(5)"))
    code, out, _ = run("simulate", "--help")
    assert code == 0
    assert all(word in out for word in ("--groups", "--frame", "--cor", "Example: partialpool"))
