"""180 rows, 18 subjects, (Days | Subject): a fixed part of plain numeric columns."""

from __future__ import annotations

import partialpool as pp
from peers import compare
from timing import Options, Problem, Row, command_line, median_time

PROBLEM = Problem(
    "sleepstudy (Days | Subject)",
    "Reaction ~ Days + (Days | Subject)",
    pp.load_dataset("sleepstudy"),
    target=0.7e-3,
    factors=("Subject",),
    statsmodels={"formula": "Reaction ~ Days", "groups": "Subject", "re_formula": "~Days"},
)


def measure(options: Options) -> list[Row]:
    """DataFrame → fit, then the optimisation alone."""
    fit = pp.lmer(PROBLEM.formula, PROBLEM.data)
    seconds, repeats = median_time(lambda: fit._products.fit(fit.reml), options.budget)
    alone = Row(
        "sleepstudy, optimisation alone",
        "partialpool",
        seconds,
        target=0.2e-3,
        repeats=repeats,
        criterion=fit._native.criterion,
        note=f"{fit.convergence.evaluations} evaluations",
    )
    return [*compare(PROBLEM, options), alone]


if __name__ == "__main__":
    command_line(__doc__, measure)
