"""The `partialpool` command: what it prints, its exit codes, its JSON."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool.cli.files import plain
from partialpool.cli.timing import duration, timing
from partialpool.datasets import DATASETS

MODEL = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def sleep():
    return pp.lmer(MODEL, pp.load_dataset("sleepstudy"))


def strict(text):
    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


# ---- fit ---------------------------------------------------------------------------------------


def test_fit_prints_the_summary_and_how_long_it_took(run, sleep):
    code, out, err = run("fit", "sleepstudy", MODEL)
    assert (code, err) == (0, "")
    sleep.data_name = "sleepstudy"
    assert out.startswith(str(sleep.summary()))
    assert out.splitlines()[-1].startswith("fitted in ")
    assert "repeats" not in out
    assert "repeats; the first took" in run("fit", "sleepstudy", MODEL, "--time")[1]


@pytest.mark.parametrize(
    ("first", "said"),
    [(0.004, "median of 20 repeats; the first took 4.0 ms"), (2.5, "fitted in 2.50 s, from")],
)
def test_only_short_fits_are_repeated_for_their_timing(first, said):
    calls = []
    line = timing(first, lambda: calls.append(1))
    assert said in line
    assert len(calls) == (20 if first < 1 else 0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.00071, "0.7 ms"), (0.0421, "42 ms"), (0.5678, "568 ms"), (12.345, "12.35 s")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_ml_and_asymptotic(run):
    code, out, _ = run("fit", "sleepstudy", MODEL, "--ml", "--ddf", "asymptotic")
    assert code == 0
    assert "maximum likelihood" in out
    assert "Satterthwaite" not in out
    assert "Pr(>|t|)" not in out


def test_weights_name_a_column(run, tmp_path):
    data = pp.load_dataset("sleepstudy").assign(w=lambda d: 1 + d.Days)
    data.to_csv(tmp_path / "sleep.csv", index=False)
    code, out, _ = run("fit", tmp_path / "sleep.csv", MODEL, "--weights", "w", "--json")
    assert code == 0
    fit = pp.lmer(MODEL, data, weights="w")
    assert strict(out)["criterion"] == pytest.approx(fit.criterion, rel=1e-12)


def test_json_holds_what_the_fit_holds(run, sleep):
    code, out, err = run("fit", "sleepstudy", MODEL, "--json")
    assert (code, err) == (0, "")
    found = strict(out)
    assert (found["data"], found["formula"], found["method"]) == ("sleepstudy", MODEL, "REML")
    assert (found["ddf"], found["converged"]) == ("satterthwaite", True)
    assert (found["nobs"], found["dropped"], found["ngroups"]) == (180, 0, {"Subject": 18})
    for name in ("criterion", "loglik", "deviance", "aic", "bic", "sigma", "npar"):
        assert found[name] == getattr(sleep, name)
    assert found["theta"] == dict(sleep.theta)
    np.testing.assert_array_equal(found["vcov"], sleep.covariance)
    pd.testing.assert_frame_equal(
        pd.DataFrame(found["coefficients"]), sleep.summary().coefficients, rtol=0, atol=0
    )
    pd.testing.assert_frame_equal(
        pd.DataFrame(found["varcorr"], dtype=object), sleep.varcorr.astype(object), rtol=0, atol=0
    )
    ranef = pd.DataFrame(found["ranef"]["Subject"]).set_index("level")
    np.testing.assert_array_equal(ranef.to_numpy(), sleep.ranef(condsd=True)["Subject"].to_numpy())
    assert found["is_singular"] is False
    assert found["convergence"]["gradient_norm"] < 1e-6


def test_json_of_a_singular_fit_has_null_for_what_is_not_a_number(run):
    code, out, _ = run(
        "fit", "dyestuff2", "Yield ~ 1 + (1 | Batch)", "--json", "--ddf", "asymptotic"
    )
    assert code == 0
    found = strict(out)
    assert found["is_singular"] is True
    assert found["singular_directions"] == ["variance of Intercept | Batch is 0"]
    assert found["coefficients"][0]["p_value"] is None


def test_plain_values_are_strict_json():
    value = {1: [np.nan, np.inf, np.float64(2), np.int32(3), np.bool_(True), None, "a"]}
    assert plain(value) == {"1": [None, None, 2.0, 3, True, None, "a"]}
    json.dumps(plain(value), allow_nan=False)


def test_a_stored_fit_can_be_loaded(run, sleep, tmp_path):
    code, out, _ = run("fit", "sleepstudy", MODEL, "--save", tmp_path / "fit.zip")
    assert code == 0
    assert out.splitlines()[-1] == f"fit stored in {tmp_path / 'fit.zip'}"
    assert pp.load(tmp_path / "fit.zip").criterion == pytest.approx(sleep.criterion, rel=1e-12)


@pytest.mark.parametrize(
    ("ending", "starts"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")]
)
def test_figure_is_written(run, tmp_path, ending, starts):
    path = tmp_path / f"lines.{ending}"
    code, out, err = run("fit", "sleepstudy", MODEL, "--figure", path, "--json")
    assert code == 0
    strict(out)
    assert err == f"figure written to {path}\n"
    assert path.read_bytes().startswith(starts)


def write(data, path):
    ending = "".join(path.suffixes)
    if ending in {".csv", ".txt", ".csv.gz", ".CSV"}:
        data.to_csv(path, index=False)
    elif ending == ".tsv":
        data.to_csv(path, index=False, sep="\t")
    elif ending in {".parquet", ".pq"}:
        data.to_parquet(path)
    elif ending == ".feather":
        data.to_feather(path)
    else:
        import pyarrow as pa

        table = pa.Table.from_pandas(data)
        new = pa.ipc.new_file if ending == ".arrow" else pa.ipc.new_stream
        with pa.OSFile(str(path), "wb") as file, new(file, table.schema) as writer:
            writer.write_table(table)


@pytest.mark.parametrize(
    "ending",
    ["csv", "CSV", "txt", "csv.gz", "tsv", "parquet", "pq", "arrow", "ipc", "feather"],
)
def test_every_kind_of_file_gives_the_same_fit(run, sleep, tmp_path, ending):
    path = tmp_path / f"sleep.{ending}"
    write(pp.load_dataset("sleepstudy"), path)
    code, out, err = run("fit", path, MODEL, "--json")
    assert (code, err) == (0, "")
    found = strict(out)
    assert found["criterion"] == pytest.approx(sleep.criterion, rel=1e-12)
    assert found["data"] == "sleep"


# ---- exit codes --------------------------------------------------------------------------------


def broken(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


BAD = {
    "no such data": (["fit", "nosuch.csv", MODEL], ("'nosuch.csv'", "sleepstudy")),
    "no such data set": (["data", "sleep"], ("'sleep'", "sleepstudy")),
    "a column that is not there": (
        ["fit", "sleepstudy", "Reaction ~ Day + (1 | Subject)"],
        ("'Day'", "'Days'"),
    ),
    "a formula that cannot be read": (["fit", "sleepstudy", "Reaction ~ (1 | "], ("(1 |",)),
    "no random effects": (["fit", "sleepstudy", "Reaction ~ Days"], ("(1 | group)",)),
    "code": (["fit", "sleepstudy", "Reaction ~ Days.sum() + (1 | Subject)"], ("Days.sum",)),
    "an unknown ddf": (
        ["fit", "sleepstudy", MODEL, "--ddf", "exact"],
        ("'exact'", "satterthwaite"),
    ),
    "no such weights": (["fit", "sleepstudy", MODEL, "--weights", "w"], ("'w'",)),
    "a figure in no directory": (
        ["fit", "sleepstudy", MODEL, "--figure", "/nosuch/x.png"],
        ("/nosuch/x.png",),
    ),
    "a figure of no format": (
        ["fit", "sleepstudy", MODEL, "--figure", "x.docx"],
        ("x.docx", "png"),
    ),
    "a figure without a predictor": (
        ["fit", "pulp", "bright ~ 1 + (1 | operator)", "--figure", "x.png"],
        ("no numeric predictor",),
    ),
    "a fit stored in no directory": (
        ["fit", "sleepstudy", MODEL, "--save", "/nosuch/fit"],
        ("/nosuch/fit",),
    ),
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


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n"),
        ("latin.csv", b"a,b\n\xe9,2\n"),
        ("not.parquet", b"PAR1 or not"),
        ("not.arrow", b"ARROW1 or not"),
        ("not.csv.gz", b"not gzip"),
        ("table.xlsx", b"PK"),
        ("noending", b"a,b\n1,2\n"),
        ("packed.parquet.gz", b"PK"),
    ],
)
def test_files_that_cannot_be_read_are_named(run, tmp_path, name, content):
    path = broken(tmp_path, name, content)
    code, out, err = run("fit", path, MODEL)
    assert (code, out) == (2, "")
    assert err.startswith(f"partialpool: {str(path)!r} ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["fit"], ["fit", "sleepstudy"], ["nosuch"], ["fit", "--x"]])
def test_wrong_usage_is_exit_code_two(run, arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert "Usage: " in err


def test_a_fit_that_did_not_converge_is_exit_code_three(run, monkeypatch):
    from partialpool.models import linear_mixed
    from partialpool.models.convergence import Convergence

    verdict = Convergence(False, 0.5, -1.0, 7, "the fit may not have converged: so we say")
    monkeypatch.setattr(linear_mixed, "read_convergence", lambda *_: verdict)
    code, out, err = run("fit", "sleepstudy", MODEL, "--json")
    assert code == 3
    assert strict(out)["converged"] is False
    assert err == "partialpool: the fit may not have converged: so we say\n"


# ---- data, help, the installed command ---------------------------------------------------------


def test_data_lists_every_data_set(run):
    code, out, _ = run("data")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(DATASETS)
    assert list(strict(run("data", "--json")[1])) == list(DATASETS)


@pytest.mark.parametrize("name", ["pulp", "sleepstudy", "cake"])
def test_data_prints_a_table_that_can_be_read_again(run, tmp_path, name):
    shipped = pp.load_dataset(name)
    (tmp_path / "x.csv").write_text(run("data", name)[1])
    again = pd.read_csv(tmp_path / "x.csv")
    records = pd.DataFrame(strict(run("data", name, "--json")[1]))
    for column in shipped:
        assert again[column].tolist() == shipped[column].tolist()
        assert records[column].tolist() == shipped[column].tolist()


def test_help_names_commands_options_and_exit_codes(run):
    code, out, _ = run("--help")
    assert code == 0
    assert all(word in out for word in ("fit", "data", "--version", "Exit codes"))
    code, out, _ = run("fit", "--help")
    assert code == 0
    options = ("--ml", "--ddf", "--weights", "--json", "--figure", "--save", "Example: partialpool")
    assert all(word in out for word in options)


def test_version(run):
    assert run("--version") == (0, f"partialpool {pp.__version__}\n", "")


def test_as_a_process_of_its_own():
    def call(*arguments):
        code = "from partialpool.cli.main import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300
        )

    done = call("fit", "sleepstudy", "Reaction ~ Dayz + (1 | Subject)")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("partialpool: ")
    assert done.stdout == ""
