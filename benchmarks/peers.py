"""The same model in every package: one adapter each, run in its own process with a time limit.

    python benchmarks/peers.py          # which peers are here, and do they agree on sleepstudy?

The processes use this Python, or the one named by the variable PARTIALPOOL_PEERS_PYTHON.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from timing import Options, Problem, Row, command_line, median_time

HERE = Path(__file__).parent
#: A fit of the problem → its REML criterion, called again and again.
Fit = Callable[[], float]


def partialpool_fit(problem: Problem) -> Fit:
    """DataFrame → fit."""
    import partialpool as pp

    return lambda: pp.lmer(problem.formula, problem.data)._native.criterion


def glmm_fit(problem: Problem) -> Fit:
    """Without its Satterthwaite pass, which ours makes only when asked for."""
    import glmm

    formula = problem.written.get("glmm", problem.formula)
    return lambda: -2 * glmm.fit(problem.data, formula, satterthwaite=False).loglik


def mixedlm_fit(problem: Problem) -> Fit:
    """As it comes."""
    import mixedlm

    return lambda: float(mixedlm.lmer(problem.formula, problem.data).REMLcrit())


def statsmodels_fit(problem: Problem) -> Fit:
    """As it comes."""
    import statsmodels.formula.api as smf

    if problem.statsmodels is None:
        raise NotImplementedError("it would need an n x n matrix for crossed factors")
    model = problem.statsmodels
    return lambda: float(-2 * smf.mixedlm(data=problem.data, **model).fit().llf)


ADAPTERS: dict[str, Callable[[Problem], Fit]] = {
    "partialpool": partialpool_fit,
    "glmm": glmm_fit,
    "mixedlm": mixedlm_fit,
    "statsmodels": statsmodels_fit,
}
LME4 = "lme4 (R)"
PEERS = (*list(ADAPTERS)[1:], LME4)


def compare(problem: Problem, options: Options) -> list[Row]:
    """Ours first, then every peer."""
    ours = replace(run("partialpool", problem, options), target=problem.target)
    if not options.peers:
        return [ours]
    return [ours, *(beside(run(name, problem, options), ours) for name in PEERS)]


def beside(peer: Row, ours: Row) -> Row:
    """The peer's row, with a note if its criterion is not ours."""
    if peer.criterion is None or ours.criterion is None:
        return peer
    above = peer.criterion - ours.criterion
    if abs(above) < 1e-4:
        return peer
    where = "above" if above > 0 else "below"
    note = f"ends {abs(above):.2g} {where} our criterion"
    return replace(peer, note="; ".join(filter(None, [peer.note, note])))


def run(package: str, problem: Problem, options: Options) -> Row:
    """One package in a process of its own; ours may take 300 s whatever the peers' limit."""
    limit = max(options.limit, 300.0) if package == "partialpool" else options.limit
    with tempfile.TemporaryDirectory() as folder:
        try:
            command = _command(package, problem, options, Path(folder))
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=limit, check=False
            )
        except FileNotFoundError as error:
            return Row(problem.name, package, None, note=str(error))
        except subprocess.TimeoutExpired:
            return Row(problem.name, package, None, note=f"not done after {limit:g} s")
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        last = (done.stderr.strip() or "no answer").splitlines()[-1]
        return Row(problem.name, package, None, note=f"failed: {last[:120]}")
    return Row(problem.name, package, **answer)


def _command(package: str, problem: Problem, options: Options, folder: Path) -> list[str]:
    if package == LME4:
        rscript = shutil.which("Rscript")
        if rscript is None:
            raise FileNotFoundError("absent: no Rscript on this machine")
        problem.data.to_csv(folder / "data.csv", index=False)
        factors = ",".join(problem.factors)
        model = [str(folder / "data.csv"), problem.formula, factors, str(options.budget)]
        return [rscript, "--vanilla", str(HERE / "lme4.R"), *model]
    (folder / "problem.pickle").write_bytes(pickle.dumps((package, problem, options.budget)))
    python = os.environ.get("PARTIALPOOL_PEERS_PYTHON", sys.executable)
    return [python, str(HERE / "peers.py"), "--worker", str(folder / "problem.pickle")]


def worker(path: Path) -> dict[str, Any]:
    """In the child process: time the fit; what goes wrong becomes the note."""
    package, problem, budget = pickle.loads(path.read_bytes())
    try:
        fit = ADAPTERS[package](problem)
    except ModuleNotFoundError as error:
        return {"value": None, "note": f"absent: {error}"}
    except NotImplementedError as error:
        return {"value": None, "note": f"not run: {error}"}
    criteria: list[float] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value, repeats = median_time(lambda: criteria.append(fit()), budget)
        except Exception as error:
            return {"value": None, "note": f"refused: {str(error).splitlines()[0][:120]}"}
    return {"value": value, "repeats": repeats, "criterion": criteria[-1]}


def measure(options: Options) -> list[Row]:
    """All packages on sleepstudy."""
    from sleepstudy import PROBLEM

    return compare(PROBLEM, options)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(worker(Path(sys.argv[2]))))
    else:
        command_line("Which peers are here, and do they agree on sleepstudy?", measure)
