"""anova, confint, emmeans, predict, plot, power: the command gives what the library gives."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import partialpool as pp
import pytest

MODEL = "Reaction ~ Days + (Days | Subject)"
CAKE = "angle ~ recipe * temperature + (1 | recipe:replicate)"


@pytest.fixture(scope="module")
def sleep():
    return pp.lmer(MODEL, pp.load_dataset("sleepstudy"))


@pytest.fixture(scope="module")
def cake():
    return pp.lmer(CAKE, pp.load_dataset("cake"))


def csv(text):
    return pd.read_csv(io.StringIO(text))


def records(text):
    return pd.DataFrame(json.loads(text))


# ---- what the library says ---------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--type", "1"], ["--ddf", "kenward-roger"]])
def test_anova_prints_the_table_of_the_library(run, cake, options):
    code, out, err = run("anova", "cake", CAKE, *options)
    assert (code, err) == (0, "")
    kind = 1 if "--type" in options else 3
    ddf = options[1] if "--ddf" in options else "satterthwaite"
    assert out == f"{cake.anova(kind, ddf)}\n"
    code, out, _ = run("anova", "cake", CAKE, *options, "--json")
    found, expected = records(out), cake.anova(kind, ddf).to_frame()
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-12)


def test_anova_of_random_terms_and_against_other_models(run, sleep):
    assert run("anova", "sleepstudy", MODEL, "--random")[1] == f"{sleep.ranova()}\n"
    smaller = "Reaction ~ Days + (1 | Subject)"
    code, out, err = run("anova", "sleepstudy", MODEL, "--against", smaller)
    assert (code, err) == (0, "")
    said = str(pp.anova(sleep, sleep.update(smaller)))
    assert out.replace("Data: sleepstudy\n", "") == f"{said}\n"


def test_confint_profiles_at_the_level_asked_for(run, sleep):
    code, out, err = run("confint", "sleepstudy", MODEL, "--level", "0.9", "--json")
    assert (code, err) == (0, "")
    found, expected = records(out), sleep.confint("profile", 0.9)
    assert found["parameter"].tolist() == expected.index.tolist()
    np.testing.assert_allclose(found.iloc[:, 1:], expected, rtol=1e-9)


def test_emmeans_contrasts_and_trends(run, cake):
    arguments = ["emmeans", "cake", CAKE, "--of", "recipe"]
    assert run(*arguments)[1] == f"{pp.emmeans(cake, ['recipe'])}\n"
    pairs = pp.emmeans(cake, ["recipe"]).pairs()
    assert run(*arguments, "--pairs")[1] == f"{pairs}\n"
    model = "angle ~ recipe * temp + (1 | recipe:replicate)"
    code, out, err = run("emmeans", "cake", model, "--of", "recipe", "--trend", "temp", "--json")
    assert (code, err) == (0, "")
    fit = pp.lmer(model, pp.load_dataset("cake"))
    expected = pp.emtrends(fit, "recipe", "temp").to_frame()
    pd.testing.assert_frame_equal(records(out), expected, check_dtype=False, rtol=1e-12)
    at = run("emmeans", "cake", model, "--of", "recipe", "--at", "temp=175,225")[1]
    assert at == f"{pp.emmeans(fit, ['recipe'], at={'temp': [175, 225]})}\n"


def test_predictions_stand_beside_the_data(run, sleep, tmp_path):
    code, out, err = run("predict", "sleepstudy", MODEL)
    assert (code, err) == (0, "")
    np.testing.assert_allclose(csv(out)["fit"], sleep.fitted, rtol=1e-12)
    new = pd.DataFrame({"Days": [0, 20], "Subject": [308, 999]})
    new.to_csv(tmp_path / "new.csv", index=False)
    options = ["--new", tmp_path / "new.csv", "--new-levels", "population"]
    code, out, err = run("predict", "sleepstudy", MODEL, *options, "--interval", "prediction")
    assert (code, err) == (0, "")
    expected = sleep.predict(new, new_levels="population", interval="prediction")
    pd.testing.assert_frame_equal(csv(out)[["fit", "lower", "upper"]], expected, rtol=1e-12)
    assert csv(out)["Days"].tolist() == [0, 20]


def test_predictions_of_data_with_missing_rows_are_of_the_rows_used(run, tmp_path):
    data = pp.load_dataset("sleepstudy").astype({"Reaction": float})
    data.loc[[3, 100], "Reaction"] = np.nan
    data.to_csv(tmp_path / "holes.csv", index=False)
    fit = pp.lmer(MODEL, data)
    code, out, _ = run("predict", tmp_path / "holes.csv", MODEL)
    assert code == 0
    np.testing.assert_allclose(csv(out)["fit"], fit.fitted, rtol=1e-9)


def test_a_clash_of_names_asks_for_a_prefix(run, tmp_path):
    data = pp.load_dataset("sleepstudy").assign(fit=1)
    data.to_csv(tmp_path / "x.csv", index=False)
    code, _, err = run("predict", tmp_path / "x.csv", MODEL)
    assert (code, err.count("\n")) == (2, 1)
    assert "--prefix" in err
    assert ".fit" in csv(run("predict", tmp_path / "x.csv", MODEL, "--prefix", ".")[1])


@pytest.mark.parametrize("kind", ["fits", "qq", "random-effects-pairs", "caterpillar"])
def test_plot_writes_the_figure_asked_for(run, tmp_path, kind):
    path = tmp_path / "x.png"
    code, out, err = run("plot", "sleepstudy", MODEL, "--kind", kind, "--out", path)
    assert (code, out, err) == (0, f"figure written to {path}\n", "")
    assert path.read_bytes().startswith(b"\x89PNG")


DESIGN = ["--groups", "school=8", "--within", "x=1..4"]
EFFECTS = ["--beta", "6,1", "--sd", "school=1", "--sigma", "1"]


def test_power_is_the_librarys(run):
    call = ["power", "y ~ x + (1 | school)", *DESIGN, *EFFECTS, "--nsim", "50", "--seed", "3"]
    code, out, err = run(*call, "--json")
    assert (code, err) == (0, "")
    design = pp.make_design({"school": 8}, {"x": [1, 2, 3, 4]})
    effects = {"beta": [6, 1], "sd": {"school": [1]}, "sigma": 1}
    expected = pp.power("y ~ x + (1 | school)", design, effects, nsim=50, seed=3)
    assert json.loads(out)["power"] == expected.power
    assert run(*call)[1] == f"{expected}\n"


def test_power_from_a_pilot_study(run):
    call = ["power", MODEL, "--frame", "sleepstudy", "--pilot", "sleepstudy", "--nsim", "20"]
    code, out, err = run(*call, "--seed", "1")
    assert (code, err) == (0, "")
    assert "20 rejections" in out


# ---- stored fits, standard input, formats ------------------------------------------------------


@pytest.mark.parametrize("command", ["anova", "confint", "predict"])
def test_a_stored_fit_stands_for_data_and_formula(run, tmp_path, command):
    run("fit", "sleepstudy", MODEL, "--save", tmp_path / "sleep.fit")
    more = {"predict": ["--new", "sleepstudy"], "confint": ["--method", "wald"]}.get(command, [])
    code, out, err = run(command, tmp_path / "sleep.fit", *more)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == run(command, "sleepstudy", MODEL, *more)[1].splitlines()[0]
    code, _, err = run(command, tmp_path / "sleep.fit", "--ml")
    assert (code, err.count("\n")) == (2, 1)
    assert "--ml" in err


def test_data_without_a_formula_are_refused(run):
    code, _, err = run("anova", "sleepstudy")
    assert (code, err.count("\n")) == (2, 1)
    assert "FORMULA is missing" in err


def process(*arguments, text=""):
    environment = {**os.environ, "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-m", "partialpool", *map(str, arguments)],
        input=text.encode(),
        capture_output=True,
        check=False,
        env=environment,
        timeout=120,
    )


def test_a_dash_reads_standard_input(sleep):
    text = pp.load_dataset("sleepstudy").to_csv(index=False)
    done = process("fit", "-", MODEL, "--json", text=text)
    assert (done.returncode, done.stderr) == (0, b"")
    found = json.loads(done.stdout)
    assert found["criterion"] == pytest.approx(sleep.criterion, rel=1e-12)
    assert found["data"] == "stdin"
    empty = process("fit", "-", MODEL)
    assert empty.returncode == 2
    assert empty.stderr.startswith(b"partialpool: standard input is empty")
    odd = process("fit", "-", MODEL, text="a,b\n1\n1,2,3\n")
    assert odd.returncode == 2
    assert odd.stderr.startswith(b"partialpool: standard input cannot be read as csv: ")


def test_separator_decimal_mark_and_missing_texts(run, sleep, tmp_path):
    data = pp.load_dataset("sleepstudy")
    text = data.to_csv(index=False, sep=";", decimal=",")
    (tmp_path / "x.csv").write_text(text + "?;3;308\n")
    options = ["--sep", ";", "--decimal", ",", "--na", "?", "--json"]
    code, out, err = run("fit", tmp_path / "x.csv", MODEL, *options)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["nobs"], found["dropped"]) == (180, 1)
    assert found["criterion"] == pytest.approx(sleep.criterion, rel=1e-12)
    (tmp_path / "tabs.csv").write_text(data.to_csv(index=False, sep="\t"))
    assert run("fit", tmp_path / "tabs.csv", MODEL, "--sep", "tab")[0] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--sep", "ab"], "--sep"),
        (["--decimal", ","], "--sep"),
        (["--factor", "Tag"], "'Tag'"),
        (["--contrasts", "Days"], "--contrasts"),
        (["--contrasts", "Days=sum", "--contrasts", "Days=poly"], "two codings"),
        (["--contrasts", "Days=sums", "--factor", "Days"], "sums"),
        (["--level", "95"], "--level"),
    ],
)
def test_bad_options_are_one_line(run, tmp_path, options, said):
    pp.load_dataset("sleepstudy").to_csv(tmp_path / "x.csv", index=False)
    code, _, err = run("fit", tmp_path / "x.csv", MODEL, *options)
    assert (code, err.count("\n")) == (2, 1), err
    assert said in err


def test_formats_of_text_are_for_text(run):
    code, _, err = run("fit", "sleepstudy", MODEL, "--sep", ";")
    assert (code, err.count("\n")) == (2, 1)
    assert "--sep is for text data" in err


def test_numbers_can_be_factors_with_contrasts(run):
    options = ["--factor", "Days", "--contrasts", "Days=sum", "--offset", "zero", "--json"]
    data = pp.load_dataset("sleepstudy").assign(zero=0.0)
    formula = "Reaction ~ Days + (1 | Subject)"
    done = process("fit", "-", formula, *options, text=data.to_csv(index=False))
    assert (done.returncode, done.stderr) == (0, b"")
    fit = pp.lmer(
        formula, data.assign(Days=data.Days.astype("category")), contrasts={"Days": "sum"}
    )
    found = json.loads(done.stdout)
    assert [c["term"] for c in found["coefficients"]] == list(fit.fixed_names)
    assert found["criterion"] == pytest.approx(fit.criterion, rel=1e-12)


def test_level_prints_intervals(run, sleep):
    out = run("fit", "sleepstudy", MODEL, "--level", "0.9")[1]
    assert "90% confidence intervals:" in out
    found = json.loads(run("fit", "sleepstudy", MODEL, "--level", "0.9", "--json")[1])
    expected = sleep.tidy("fixed", conf_int=True, conf_level=0.9)
    assert [row["conf_low"] for row in found["intervals"]] == expected["conf_low"].tolist()


def test_a_posterior_has_intervals_and_a_report(run, tmp_path):
    page = tmp_path / "post.html"
    call = ["fit", "pulp", "bright ~ 1 + (1 | operator)", "--bayes", "--seed", "1"]
    code, out, _ = run(*call, "--level", "0.8", "--report", page)
    assert code in {0, 3}
    assert "80% credible intervals (equal tails):" in out
    text = page.read_text("utf-8")
    assert "Report of a posterior distribution" in text
    assert "partialpool fit pulp &#39;bright ~ 1 + (1 | operator)&#39; --bayes" in text
    assert "--seed 1" in text
    assert "sd_operator__Intercept" in text


def test_completion_is_offered():
    # The shell sets such a variable where it asks for a command's words.
    done = subprocess.run(
        [sys.executable, "-m", "partialpool"],
        env={
            **os.environ,
            "_PYTHON _M PARTIALPOOL_COMPLETE": "complete_bash",
            "_PARTIALPOOL_COMPLETE": "complete_bash",
            "COMP_WORDS": "partialpool em",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    assert "--install-completion" in process("--help").stdout.decode()
