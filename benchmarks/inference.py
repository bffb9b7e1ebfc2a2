"""Tests and intervals after the fit, R's packages beside ours.

The fit itself is not counted: each figure is what is asked of a fit that is there. Where R needs
an hour, fewer refits are timed and multiplied, and the note says so.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import partialpool as pp
from timing import Options, Row, command_line, median_time

HERE = Path(__file__).parent
SLEEP = "Reaction ~ Days + (Days | Subject)"
CROSSED = "y ~ service + (1 | s) + (1 | d)"


@dataclass(frozen=True, slots=True)
class Task:
    """One thing asked of a fit.

    Attributes
    ----------
    name
        As it stands in the table of results.
    target
        Seconds that we aim at.
    formula, data
        The model.
    ask
        What is timed; nothing that it leaves with the fit is used again.
    task, peer
        Its name in inference.R and the R package that answers; none where R cannot.
    why_not
        Why R is not asked.
    """

    name: str
    target: float
    formula: str
    data: pd.DataFrame
    ask: Callable[[pp.LinearMixedModel], Any]
    task: str = ""
    peer: str = ""
    why_not: str = ""


def kenward_roger(fit: pp.LinearMixedModel) -> Any:
    """The method's ingredients, which the fit would otherwise keep."""
    fit.__dict__.pop("kenward_roger", None)
    return fit.kenward_roger


def satterthwaite_summary(fit: pp.LinearMixedModel) -> str:
    """The printed summary of a fit that was never asked for one."""
    fresh = pp.LinearMixedModel(fit.design, fit._products, fit._native, reml=fit.reml)
    return str(fresh.summary())


def tasks(quick: bool) -> list[Task]:
    """`quick`: a tenth of the refits and draws, and no large crossed model."""
    sleep, ratings = pp.load_dataset("sleepstudy"), pp.load_dataset("insteval")
    pulp = pp.load_dataset("pulp")
    share = 10 if quick else 1
    refits, draws = 10_000 // share, 1_000_000 // share
    out = [
        Task(
            f"{refits:,} bootstrap refits of sleepstudy",
            1.0 / share,
            SLEEP,
            sleep,
            lambda fit: pp.bootstrap(fit, nsim=refits, seed=1),
            *(() if quick else ("bootstrap", "lme4 (R)")),
        ),
        Task(
            "Kenward-Roger, InstEval's first 3,000 rows",
            0.1,
            CROSSED,
            ratings.head(3000),
            kenward_roger,
            "kr",
            "pbkrtest (R)",
        ),
        Task(
            "profile of sleepstudy, all 6 parameters",
            0.1,
            SLEEP,
            sleep,
            lambda fit: fit.profile(),
            "profile",
            "lme4 (R)",
        ),
        Task(
            f"exact RLRT of pulp, {draws:,} draws",
            1.0 / share,
            "bright ~ 1 + (1 | operator)",
            pulp,
            lambda fit: pp.exact_rlrt(fit, nsim=draws, seed=1),
            *(() if quick else ("rlrt", "RLRsim (R)")),
        ),
    ]
    if quick:
        return out
    whole = f"InstEval, {len(ratings):,} rows"
    square = f"not run: its matrices of {len(ratings):,} x {len(ratings):,} are 43 GB each"
    return [
        *out,
        Task(
            f"Kenward-Roger, {whole}",
            60.0,
            CROSSED,
            ratings,
            kenward_roger,
            peer="pbkrtest (R)",
            why_not=square,
        ),
        Task(
            f"Satterthwaite summary beyond the fit, {whole}",
            0.5,
            CROSSED,
            ratings,
            satterthwaite_summary,
            "satterthwaite",
            "lmerTest (R)",
        ),
    ]


def ours(task: Task, options: Options) -> Row:
    """Ours, in this process."""
    fit = pp.lmer(task.formula, task.data)
    seconds, repeats = median_time(lambda: task.ask(fit), options.budget)
    return Row(task.name, "partialpool", seconds, target=task.target, repeats=repeats)


def theirs(task: Task, options: Options) -> Row:
    """R's, in its own process with the peers' time limit."""
    if task.why_not:
        return Row(task.name, task.peer, None, note=task.why_not)
    rscript = shutil.which("Rscript")
    if rscript is None:
        return Row(task.name, task.peer, None, note="absent: no Rscript on this machine")
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "data.csv"
        task.data.to_csv(table, index=False)
        given = [task.task, str(table), str(options.budget)]
        command = [rscript, "--vanilla", str(HERE / "inference.R"), *given]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=options.limit, check=False
            )
        except subprocess.TimeoutExpired:
            return Row(task.name, task.peer, None, note=f"not done after {options.limit:g} s")
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        last = (done.stderr.strip() or "no answer").splitlines()[-1]
        return Row(task.name, task.peer, None, note=f"failed: {last[:120]}")
    return Row(task.name, task.peer, **answer)


def measure(options: Options) -> list[Row]:
    """`--quick`: a tenth of the refits and draws, no large crossed model."""
    rows: list[Row] = []
    for task in tasks(options.quick):
        rows.append(ours(task, options))
        if options.peers and task.peer:
            rows.append(theirs(task, options))
    return rows


if __name__ == "__main__":
    command_line(__doc__, measure)
