"""Posterior sampling: seconds, effective draws, peak memory, beside other samplers of one model.

    python benchmarks/sampling.py [--stan-python PATH] [--peer-python PATH] [--only NAME] [--save]

Each run is a process of its own. Seconds are those of `pp.sample`, table → posterior (design,
likelihood fit, warm-up and draws), imports apart; the effective sample size is the smallest bulk
one of a parameter (Vehtari et al. 2021), also for peers. `--save` writes the table to README.md.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
from partialpool.bayes.summaries import mixing
from timing import machine

HERE = Path(__file__)
MARKS = ("<!-- sampling -->", "<!-- /sampling -->")
#: pystan and NumPyro may take that many seconds.
LIMIT = 1800


def coffee() -> pd.DataFrame:
    """1,000 scores of 100 groups drawn at random, as in the first tutorial."""
    rng = np.random.default_rng(123)
    g, x = rng.integers(0, 100, 1000), rng.normal(size=1000)
    b0, b1 = rng.normal(0, 10, 100), rng.normal(0, 1, 100)
    return pd.DataFrame(
        {"y": 3 + b0[g] + (0.5 + b1[g]) * x + rng.normal(size=1000), "x": x, "g": g}
    )


def many_rows() -> pd.DataFrame:
    """10⁵ rows in 10⁴ groups."""
    rng = np.random.default_rng(5)
    g, x = np.repeat(np.arange(10_000), 10), rng.normal(size=100_000)
    b = rng.multivariate_normal([0, 0], [[1.0, 0.3], [0.3, 0.5]], 10_000)
    y = 2 + b[g, 0] + (1 + b[g, 1]) * x + rng.normal(size=100_000)
    return pd.DataFrame({"y": y, "x": x, "g": g})


@dataclass(frozen=True, slots=True)
class Problem:
    """A model, how much of it is sampled, and the seconds aimed at."""

    formula: str
    table: Callable[[], pd.DataFrame]
    warmup: int
    draws: int
    target: float
    priors: dict[str, Any] = field(default_factory=dict)
    method: str = "auto"
    chains: int = 4


UNIFORM = {"sd": pp.uniform(0, 100), "Intercept": pp.flat(), "b": pp.flat(), "sigma": pp.flat()}
INSTEVAL = "y ~ service + (1 | s) + (1 | d)"
PROBLEMS = {
    "coffee": Problem("y ~ x + (x || g)", coffee, 1000, 2000, 1.0, UNIFORM),
    "sleepstudy": Problem(
        "Reaction ~ Days + (Days | Subject)",
        lambda: pp.load_dataset("sleepstudy"),
        1000,
        2000,
        1.0,
    ),
    "many rows": Problem("y ~ x + (x | g)", many_rows, 1000, 2000, 40.0),
    "InstEval": Problem(INSTEVAL, lambda: pp.load_dataset("insteval"), 500, 500, 300.0),
    "InstEval, collapsed": Problem(
        INSTEVAL, lambda: pp.load_dataset("insteval"), 100, 100, 0.0, {}, "collapsed", 2
    ),
}
COLUMNS = (
    "model", "sampler", "chains x (warm-up + draws)", "seconds", "target", "min bulk ESS",
    "max R-hat", "ESS / s", "times ours", "peak MiB", "note",
)  # fmt: skip


def child(name: str) -> dict[str, Any]:
    """In a process of its own."""
    problem = PROBLEMS[name]
    small = pp.load_dataset("sleepstudy")
    pp.sample("Reaction ~ 1 + (1 | Subject)", small, warmup=5, draws=5, seed=1, progress=False)
    data = problem.table()
    begun = time.perf_counter()
    post = pp.sample(
        problem.formula,
        data,
        priors=problem.priors,
        chains=problem.chains,
        warmup=problem.warmup,
        draws=problem.draws,
        seed=1,
        method=problem.method,
        progress=False,
    )
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = post.diagnostics
    return {
        "seconds": seconds,
        "ess": found.min_ess_bulk[0],
        "rhat": found.max_rhat[0],
        "peak": peak,
        "note": f"{post.settings.why}; {found.divergences} divergences",
    }


def peer(which: str, python: str | None, problem: Problem) -> dict[str, Any]:
    """The coffee model in a peer, or why not."""
    if python is None or not Path(python).exists():
        return {"note": f"absent: no interpreter with {which} was given"}
    data = problem.table()
    given = {
        **{name: data[name].tolist() for name in ("y", "x", "g")},
        "chains": problem.chains,
        "warmup": problem.warmup,
        "draws": problem.draws,
        "seed": 1,
    }
    try:
        done = subprocess.run(
            [python, str(HERE.with_name("sampling_peers.py")), which],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"note": f"not done in {LIMIT} s"}
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"note": f"absent or failed: {last}"}
    answer = json.loads(done.stdout)
    mixed = [mixing(np.array(draws)) for draws in answer["draws"].values()]
    compiling = answer["compiling"]
    note = answer["version"] + (f", and {compiling:.0f} s of compiling" if compiling else "")
    return {
        "seconds": answer["seconds"],
        "ess": min(m["ess_bulk"] for m in mixed),
        "rhat": max(m["rhat"] for m in mixed),
        "peak": answer["peak"],
        "note": note,
    }


def row(name: str, sampler: str, found: dict[str, Any], ours: dict[str, Any] | None) -> str:
    """A line of the table."""
    problem = PROBLEMS[name]
    plan = f"{problem.chains} x ({problem.warmup:,} + {problem.draws:,})"
    cells = [f"{name}: `{problem.formula}`".replace("|", "\\|"), sampler, plan]
    if "seconds" not in found:
        return "| " + " | ".join([*cells, *["–"] * 7, found["note"]]) + " |"
    rate = found["ess"] / found["seconds"]
    target = ratio = ""
    if ours is None and problem.target:
        met = "met" if found["seconds"] <= problem.target else "MISSED"
        target = f"≤ {problem.target:g} {met}"
    if ours is not None:
        ratio = f"1/{ours['ess'] / ours['seconds'] / rate:.3g}"
    cells += [f"{found['seconds']:.3g}", target, f"{found['ess']:.0f}", f"{found['rhat']:.3f}"]
    cells += [f"{rate:.3g}", ratio, f"{found['peak']:.0f}", found["note"].replace("|", "\\|")]
    return "| " + " | ".join(cells) + " |"


def table(names: list[str], pythons: dict[str, str | None]) -> list[str]:
    """Everything, line by line as it comes."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    print("\n".join(lines), flush=True)
    first: dict[str, dict[str, Any]] = {}
    for name in names:
        done = subprocess.run(
            [sys.executable, str(HERE), "--child", name],
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout)
        ours = first.get(PROBLEMS[name].formula)
        first.setdefault(PROBLEMS[name].formula, found)
        lines.append(row(name, "partialpool", found, ours))
        print(lines[-1], flush=True)
        for which, python in pythons.items() if name == "coffee" else ():
            lines.append(row(name, which, peer(which, python, PROBLEMS[name]), found))
            print(lines[-1], flush=True)
    return lines


def save(lines: list[str]) -> None:
    """Put the table between its marks in README.md."""
    about = machine()
    where = f"{about['date']}, {about['processor']}, {about['cores']} cores."
    readme = HERE.with_name("README.md")
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    body = "\n".join([MARKS[0], where, "", *lines, MARKS[1]])
    readme.write_text(before + body + after, encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stan-python", help="interpreter that has pystan")
    parser.add_argument("--peer-python", help="interpreter that has NumPyro")
    parser.add_argument("--only", choices=PROBLEMS, action="append")
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--child", choices=PROBLEMS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(child(given.child)))
        return
    pythons = {"stan": given.stan_python, "numpyro": given.peer_python}
    lines = table(given.only or list(PROBLEMS), pythons)
    if given.save:
        save(lines)


if __name__ == "__main__":
    main()
