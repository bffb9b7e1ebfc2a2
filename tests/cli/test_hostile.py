"""The command under attack: a line and an exit code, never a traceback, whatever is given."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import partialpool as pp
import pytest
from partialpool.cli.reading import read_table
from partialpool.errors import FileError

MODEL = "Reaction ~ Days + (Days | Subject)"
PULP = "bright ~ 1 + (1 | operator)"


def process(shell: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of shell with `pp` for the command."""
    line = f'pp() {{ "{sys.executable}" -m partialpool "$@"; }}; {shell}'
    return subprocess.run(
        ["bash", "-c", line],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def assert_one_line(code: int, err: str, want: int = 2) -> None:
    assert "Traceback" not in err
    assert code == want, err
    assert err.startswith("partialpool: "), err
    assert err.count("\n") == 1, err


# ---- streams -----------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["data pulp", "--help", f"fit pulp '{PULP}'"])
def test_an_output_that_cannot_be_written(what: str) -> None:
    full = process(f"pp {what} > /dev/full")
    assert_one_line(full.returncode, full.stderr)
    assert "No space left" in full.stderr
    closed = process(f"pp {what} >&-")
    assert_one_line(closed.returncode, closed.stderr)
    assert "closed" in closed.stderr


def test_a_reader_that_leaves() -> None:
    words = [sys.executable, "-m", "partialpool", "data", "insteval", "--json"]
    # Unbuffered, Python itself drops what a broken pipe did not take.
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, env=buffered) as done:
        assert done.stdout is not None
        assert done.stderr is not None
        done.stdout.read(1)
        done.stdout.close()
        assert (done.wait(), done.stderr.read()) == (1, b"")


def test_no_standard_error() -> None:
    done = process(f"pp fit nosuch.csv '{PULP}' 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")
    done = process(f"pp fit nosuch.csv '{PULP}' 2>/dev/full")
    assert (done.returncode, done.stdout) == (2, "")


def test_a_terminal_without_unicode(tmp_path: Path) -> None:
    data = pd.DataFrame({"y": [1.0, 2, 4, 3, 5, 9], "g": ["α", "β", "γ"] * 2})
    data.to_csv(tmp_path / "größe.csv", index=False)
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for formula, code in (("y ~ 1 + (1 | g)", 0), ("y ~ 1 + (1 | ö)", 2), ("`ß` ~ 1 + (1 | g)", 2)):
        for place in ({}, ascii_only):
            done = process(
                f"pp fit {tmp_path / 'größe.csv'} '{formula}'", **place, PYTHONIOENCODING="ascii"
            )
            assert done.returncode == code, done.stderr
            assert "Traceback" not in done.stderr


def test_no_home_and_no_place_for_caches(tmp_path: Path) -> None:
    figure = tmp_path / "x.png"
    done = process(
        f"unset HOME; pp fit sleepstudy '{MODEL}' --figure {figure}",
        MPLCONFIGDIR="/proc/none",
        XDG_CACHE_HOME="/proc/none",
        XDG_CONFIG_HOME="/proc/none",
        RAYON_NUM_THREADS="100000",
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_interruption_and_faults_are_a_line(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from partialpool.models import lmer as module

    for error, want, said in (
        (KeyboardInterrupt(), 130, ""),
        (MemoryError("Unable to allocate 8. TiB"), 2, "not enough memory: Unable"),
        (RecursionError("too deep"), 1, "please report it: RecursionError: too deep"),
        (ZeroDivisionError("a\nb"), 1, "a b"),
        (OSError(5, "Input/output error", "place"), 2, "'place': Input/output error"),
    ):

        def fails(*_: Any, error: BaseException = error, **__: Any) -> Any:
            raise error

        monkeypatch.setattr(module, "lmer", fails)
        code, _, err = run("fit", "pulp", PULP)
        assert code == want
        assert "Traceback" not in err
        assert said in err
        assert err.count("\n") <= 1


# ---- tables ------------------------------------------------------------------------------------


def readable(folder: Path) -> dict[str, Path]:
    """A table in every kind of file."""
    data = pp.load_dataset("pulp").assign(operator=lambda d: d.operator.astype("category"))
    out = {k: folder / f"t.{k}" for k in ("csv", "tsv", "parquet", "feather", "csv.zip", "csv.gz")}
    data.to_csv(out["csv"], index=False)
    data.to_csv(out["tsv"], index=False, sep="\t")
    data.to_csv(out["csv.zip"], index=False)
    data.to_csv(out["csv.gz"], index=False)
    data.to_parquet(out["parquet"])
    data.to_feather(out["feather"])
    return out


def test_damaged_tables_are_named(tmp_path: Path) -> None:
    rng = random.Random(5)
    for kind, path in readable(tmp_path).items():
        assert len(read_table(str(path))[0]) == 20
        whole = path.read_bytes()
        broken = tmp_path / f"broken.{kind}"
        for turn in range(40):
            content = bytearray(whole)
            if turn % 2:
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            else:
                del content[rng.randrange(len(content)) :]
            broken.write_bytes(content)
            said = refusal(broken)
            assert said is None or ("\n" not in said and "broken" in said)


def refusal(path: Path) -> str | None:
    """What is said of a file that cannot be read."""
    try:
        read_table(str(path))
    except FileError as error:
        return str(error)
    return None


CONTENTS = {
    "none.zip.csv.zip": b"no zip",
    "cut.csv.gz": gzip.compress(b"a,b\n1,2\n" * 500)[:40],
    "none.csv.bz2": b"BZh9 no",
    "none.csv.xz": b"\xfd7zXZ no",
    "none.csv.zst": b"no",
    "nul.csv": b"a,b\n\0\0,2\n\0,\0\n",
    "coding.csv": b"\xff\xfe\xfa,b\n1,2\n",
    "ragged.tsv": b"a\tb\n1\t2\t3\t4\n1\n1\t2\t3\t4\t5\t6\n",
    "quote.csv": b'a,b\n"1,2\n',
    "head.csv": b"a,b\n",
    "none.feather": b"FEA1" + bytes(40),
    "end.feather": b"ARROW1\0\0" + bytes(200) + b"ARROW1",
    "end.parquet": b"PAR1" + b"\xff" * 60 + b"PAR1",
    "empty.arrow": b"",
}


@pytest.mark.parametrize("name", CONTENTS)
def test_what_is_no_table_is_named(run: Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(CONTENTS[name])
    code, out, err = run("fit", path, "b ~ 1 + (1 | a)")
    assert_one_line(code, err)
    assert out == ""
    os.remove(path)
    os.mkfifo(path)
    assert_one_line(*run("fit", path, "b ~ 1 + (1 | a)")[::2])


@pytest.mark.parametrize("place", ["/dev/zero", "/", "x" * 5000 + ".csv", "", "a\0b.csv", "-"])
def test_what_is_no_file_is_named(run: Any, place: str) -> None:
    assert_one_line(*run("fit", place, PULP)[::2])


# ---- options -----------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--chains", "--warmup", "--draws", "--seed"])
@pytest.mark.parametrize("value", ["-5", "nan", "9" * 40, "", "1e3", "½"])
def test_numbers_of_the_sampler(run: Any, option: str, value: str) -> None:
    code, _, err = run("fit", "pulp", PULP, "--bayes", option, value)
    assert code == 2
    assert "Traceback" not in err


SIMULATE = {"--groups": "g=4", "--within": "x=1,2", "--beta": "1,2", "--sd": "1", "--sigma": "1"}


@pytest.mark.parametrize("option", [*SIMULATE, "--seed", "--cor", "--between", "--replicates"])
@pytest.mark.parametrize(
    "value", ["-5", "nan", "inf", "1e400", "9" * 40, "", "g=", "=", "g=nan", "g=-1", "g=1..x", "½"]
)
def test_values_of_simulate(run: Any, option: str, value: str) -> None:
    words = [w for pair in {**SIMULATE, option: value}.items() for w in pair]
    code, out, err = run("simulate", "y ~ x + (1 | g)", *words)
    assert code in (0, 2), err
    assert "Traceback" not in err
    assert "fault of partialpool" not in err
    if code == 0:
        assert "nan" not in out.lower()
        assert "inf" not in out.lower()


def test_more_rows_than_memory_holds(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from partialpool.simulate import design

    def full(*_: Any, **__: Any) -> Any:
        raise MemoryError("Unable to allocate 8. TiB")

    monkeypatch.setattr(design, "make_design", full)
    words = ["--groups", "g=10", "--beta", "1", "--sd", "1"]
    code, _, err = run("simulate", "y ~ 1 + (1 | g)", *words)
    assert_one_line(code, err)
    assert "not enough memory" in err


@pytest.mark.parametrize(
    "words",
    [
        ["--groups", "g=100000000000"],
        ["--groups", "g=1000000", "--within", "x=1..1000000"],
        ["--groups", "g=10", "--replicates", "1000000000"],
    ],
)
def test_more_rows_than_a_design_has(run: Any, words: list[str]) -> None:
    code, _, err = run("simulate", "y ~ 1 + (1 | g)", *words, "--beta", "1", "--sd", "1")
    assert_one_line(code, err)
    assert "rows" in err


OUTPUTS = ["/dev/full", "/dev/null", "/nosuch/x{}", ".", "/proc/x{}", "{folder}/pipe{}"]


@pytest.mark.parametrize("place", OUTPUTS)
@pytest.mark.parametrize("option", ["--report", "--figure", "--save"])
def test_places_that_cannot_be_written(run: Any, option: str, place: str, tmp_path: Path) -> None:
    ending = {"--report": ".html", "--figure": ".png", "--save": ".pp"}[option]
    path = place.format(ending, folder=tmp_path) if "folder" not in place else ""
    if not path:
        path = str(tmp_path / f"pipe{ending}")
        os.mkfifo(path)
    code, _, err = run("fit", "sleepstudy", MODEL, option, path)
    assert_one_line(code, err)
    assert [p.name for p in tmp_path.iterdir()] in ([], [f"pipe{ending}"])


@pytest.mark.parametrize("name", ["x.pgf", "x.ps", "x", "x.", ".png", "x.xyz", "x.PNG", "x.svgz"])
def test_endings_of_figures(
    run: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no LaTeX
    monkeypatch.chdir(tmp_path)
    code, _, err = run("fit", "sleepstudy", MODEL, "--figure", name)
    if code == 0:
        assert (tmp_path / name).stat().st_size > 1000
    else:
        assert_one_line(code, err)
        assert not list(tmp_path.iterdir())
