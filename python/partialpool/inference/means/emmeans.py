"""Estimated marginal means and trends.

Sources: Searle, Speed & Milliken (1980), The American Statistician 34(4); R's emmeans, whose
conventions and layout are followed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from partialpool.arguments import Adjustment, Ddf, check_level
from partialpool.errors import ArgumentError
from partialpool.formula import Name
from partialpool.inference.fixed.fixed_part import FixedPart, part_with_fixed_effects
from partialpool.inference.means.grid import (
    ReferenceGrid,
    predictors,
    reference_grid,
    slope_rows,
)
from partialpool.inference.means.joint import term_variables
from partialpool.inference.means.marginal_means import (
    MarginalMeans,
    listed,
    read_names,
)
from partialpool.inference.means.multiplicity import check_adjust


def emmeans(
    model: Any,
    specs: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    ddf: Ddf = "satterthwaite",
    at: Mapping[str, Any] | None = None,
    level: float = 0.95,
    adjust: Adjustment = "none",
) -> MarginalMeans:
    """Estimated marginal means: predictions averaged over a balanced grid.

    Parameters
    ----------
    model
        A fit of `lmer` or `lm`.
    specs
        Predictors whose combinations are wanted; ``[]`` for the overall mean.
    by
        Predictors within whose combinations means are compared.
    ddf
        "satterthwaite", "kenward-roger" or "asymptotic"; least squares uses its residual df.
    at
        Values of predictors, {name: value or values}. Default: every level of a factor, the mean
        of a covariate in the rows used; a covariate with two values only counts as a factor.
    level
        Level of the confidence intervals.
    adjust
        For several intervals: "bonferroni", "sidak", … (default "none").

    Returns
    -------
    MarginalMeans
        Prints as R's emmeans; ``.contrast()``, ``.pairs()``, ``.to_frame()``, ``.plot()``.

    Notes
    -----
    Factors that are not named are averaged over with equal weights. Random effects are zero.
    """
    part = part_with_fixed_effects(model, ddf, "marginal means")
    grid = reference_grid(part.design, at)
    return _averaged(part, grid, specs, by, level, adjust, "emmean")


def emtrends(
    model: Any,
    specs: str | Sequence[str],
    var: str,
    *,
    by: str | Sequence[str] | None = None,
    ddf: Ddf = "satterthwaite",
    at: Mapping[str, Any] | None = None,
    level: float = 0.95,
    adjust: Adjustment = "none",
) -> MarginalMeans:
    """Slopes of a covariate, averaged as `emmeans` averages means.

    Parameters
    ----------
    var
        The covariate; its slope is taken at its mean, or at its value in `at`.

    Other parameters and the result are those of `emmeans`.
    """
    part = part_with_fixed_effects(model, ddf, "trends")
    design = part.design
    if var not in predictors(design):
        raise ArgumentError(
            f"var={var!r} is no predictor of the fixed part; it has {listed(predictors(design))}"
        )
    if var in getattr(design.fixed, "levels", {}):
        raise ArgumentError(f"var={var!r} is a factor; a trend needs a numeric predictor")
    grid = reference_grid(design, at, single=(var,))
    grid = replace(grid, rows=slope_rows(design, grid, var), offset=np.zeros_like(grid.offset))
    return _averaged(part, grid, specs, by, level, adjust, f"{var}.trend")


def _averaged(
    part: FixedPart,
    grid: ReferenceGrid,
    specs: str | Sequence[str],
    by: str | Sequence[str] | None,
    level: float,
    adjust: Adjustment,
    name: str,
) -> MarginalMeans:
    wanted, within = read_names(specs, "specs"), read_names(by, "by")
    for n in (*wanted, *within):
        if n not in grid.levels:
            raise ArgumentError(
                f"{n!r} is no predictor of the fixed part; it has {listed(grid.levels)}"
            )
    keep = (*(n for n in wanted if n not in within), *within)
    labels, rows, offset = grid.average(keep)
    averaged = tuple(
        n for n, v in grid.levels.items() if n in grid.factors and n not in keep and len(v) > 1
    )
    if not labels:
        labels = {"overall": ("overall",)}
    groups = prod(len(grid.levels[n]) for n in within)
    return MarginalMeans(
        part=part,
        labels=labels,
        by=within,
        rows=rows,
        offset=offset,
        name=name,
        level=check_level(level),
        adjust=check_adjust(adjust),
        family=len(rows) // groups,
        averaged=averaged,
        notes=_notes(part, keep, averaged),
    )


def _notes(part: FixedPart, keep: Sequence[str], averaged: Sequence[str]) -> tuple[str, ...]:
    out = []
    formula = part.design.formula
    if not isinstance(formula.response, Name):
        function = formula.response_name.partition("(")[0] or formula.response_name
        out.append(f"Results are given on the {function} (not the response) scale.")
    terms = term_variables(part.design)
    if any(t & set(keep) and t & set(averaged) for t in terms):
        out.append("NOTE: Results may be misleading due to involvement in interactions")
    return tuple(out)
