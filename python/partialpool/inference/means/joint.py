"""Joint tests of the terms of a model, from contrasts among marginal means.

Source: R's emmeans::joint_tests. With factors these are type III tests whatever the coding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import Ddf
from partialpool.design import Design
from partialpool.design.frame import to_native
from partialpool.errors import ArgumentError
from partialpool.formula import variables
from partialpool.formula.expressions import ADD, Chain
from partialpool.formula.parser import parse
from partialpool.inference.fixed.fixed_part import FixedPart, part_with_fixed_effects
from partialpool.inference.fixed.tails import f_tail
from partialpool.inference.means.contrasts import consecutive
from partialpool.inference.means.grid import ReferenceGrid, grid_columns, reference_grid

Vector = NDArray[np.float64]

#: Rows whose remainder is below this after the earlier ones are combinations of them.
DEPENDENT = 1e-7


@dataclass(frozen=True, eq=False)
class JointTests:
    """F tests, one row for each term (and each combination of `by`).

    Attributes
    ----------
    term
        "recipe:temperature".
    by
        Columns of the `by` variables.
    ndf, ddf
        Numerator and denominator degrees of freedom.
    statistic, p_value
        F and its p.
    method
        How the denominator degrees of freedom were found.
    notes
        Which terms could not be tested in full.
    kind
        Kind of frame that came in.
    """

    term: tuple[str, ...]
    by: Mapping[str, tuple[Any, ...]]
    ndf: Vector
    ddf: Vector
    statistic: Vector
    p_value: Vector
    method: str
    notes: tuple[str, ...]
    kind: Any

    def to_frame(self) -> Any:
        """Columns ``term``, the `by` variables, ``ndf, ddf, statistic, p_value``."""
        columns = {"term": list(self.term), **{n: list(v) for n, v in self.by.items()}}
        numbers = {"ndf": self.ndf, "ddf": self.ddf}
        return to_native(
            {**columns, **numbers, "statistic": self.statistic, "p_value": self.p_value}, self.kind
        )

    def __str__(self) -> str:
        from partialpool.inference.means.text import joint_tests_text

        return joint_tests_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from partialpool.inference.means.html import joint_tests_html

        return joint_tests_html(self)


def joint_tests(
    model: Any,
    *,
    by: str | Sequence[str] | None = None,
    ddf: Ddf = "satterthwaite",
    at: Mapping[str, Any] | None = None,
) -> JointTests:
    """Test each term of the fixed part by its interaction contrasts among marginal means.

    Parameters
    ----------
    model
        A fit of `lmer` or `lm`.
    by
        Predictors within whose combinations the others are tested.
    ddf
        "satterthwaite", "kenward-roger" or "asymptotic".
    at
        Values of predictors; covariates are put at their mean minus and plus one by default.

    Notes
    -----
    As in emmeans, the denominator df are the smallest of the orthonormalised contrasts' own.
    """
    part = part_with_fixed_effects(model, ddf, "tests of them")
    grid = reference_grid(part.design, at, spread=True)
    within = (by,) if isinstance(by, str) else tuple(by or ())
    for name in within:
        if name not in grid.levels:
            known = ", ".join(map(repr, grid.levels)) or "none"
            raise ArgumentError(f"by: {name!r} is no predictor of the fixed part; it has {known}")
    names = [n for n in grid.levels if n not in within and len(grid.levels[n]) > 1]
    if not names:
        raise ArgumentError("there are no predictors to test in the fixed part")
    terms = term_variables(part.design)
    wanted = [
        chosen
        for size in range(1, len(names) + 1)
        for chosen in combinations(names, size)
        if any(set(chosen) <= t for t in terms)
    ]
    columns = grid_columns({n: grid.levels[n] for n in within})
    found: dict[str, list[Any]] = {k: [] for k in ("term", "ndf", "ddf", "f", "group")}
    partial: list[str] = []
    for chosen in wanted:
        for group, rows in enumerate(_interaction_rows(grid, chosen, within)):
            q, complete = _orthonormal(part, rows)
            if not complete:
                partial.append(":".join(chosen))
            if not len(q):
                continue
            estimate = q @ part.beta
            covariance = q @ part.vcov @ q.T
            found["term"].append(":".join(chosen))
            found["ndf"].append(float(len(q)))
            found["ddf"].append(float(np.min([part.df(row) for row in q])))
            f = float(estimate @ np.linalg.solve(covariance, estimate)) / len(q)
            found["f"].append(np.nan if part.hidden(q).any() else f)
            found["group"].append(group)
    notes = tuple(
        f"{t}: some of its contrasts are not estimable; its test has fewer df"
        for t in dict.fromkeys(partial)
    )
    ndf, ddf_found, f = (np.array(found[k]) for k in ("ndf", "ddf", "f"))
    return JointTests(
        term=tuple(found["term"]),
        by={n: tuple(v[g] for g in found["group"]) for n, v in columns.items()},
        ndf=ndf,
        ddf=ddf_found,
        statistic=f,
        p_value=f_tail(f, ndf, ddf_found),
        method=part.method,
        notes=notes,
        kind=part.design.kind,
    )


def _interaction_rows(
    grid: ReferenceGrid, chosen: Sequence[str], within: Sequence[str]
) -> list[Vector]:
    """Consecutive differences in every chosen predictor, for each combination of `within`."""
    _, rows, _ = grid.average((*chosen, *within))
    differences = [consecutive(len(grid.levels[n])) for n in reversed(chosen)]
    contrasts = reduce(np.kron, differences)
    size = contrasts.shape[1]
    return [contrasts @ rows[i : i + size] for i in range(0, len(rows), size)]


def _orthonormal(part: FixedPart, rows: Vector) -> tuple[Vector, bool]:
    """Orthonormal basis of the estimable span of rows (m, P), on the kept columns, (r, p)."""
    scale = float(np.abs(rows).max(initial=0.0)) or 1.0
    wanted = rows
    if part.null is not None and part.scale is not None:
        # Combinations of the rows without a component in the null space of X.
        outside = (rows / part.scale) @ part.null
        u, s, _ = np.linalg.svd(outside)
        s = np.concatenate([s, np.zeros(len(rows) - len(s))])
        bad = s > 1e-6 * max(scale, 1.0)
        complete = not bad.any()
        if not complete:
            wanted = u[:, ~bad].T @ rows
    else:
        complete = True
    basis: list[Vector] = []
    for row in wanted[:, list(part.kept)]:
        left = row.copy()
        for _ in range(2):
            for b in basis:
                left -= (left @ b) * b
        size = float(np.linalg.norm(left))
        if size > DEPENDENT * scale:
            basis.append(left / size)
    return np.array(basis).reshape(len(basis), len(part.kept)), complete


def term_variables(design: Design) -> list[set[str]]:
    """The variables of each term of the fixed part."""
    right = parse(f"~ {design.formula.fixed}").right
    if isinstance(right, Chain) and right.level == ADD:
        parts = [right.first, *(part for _, part in right.rest)]
    else:
        parts = [right]
    return [set(variables(part)) for part in parts]
