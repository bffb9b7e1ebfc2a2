"""Random effects by level, and what they add up to with the fixed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.design.frame import to_native
from partialpool.design.names import column_names
from partialpool.errors import ArgumentError
from partialpool.tables.html import frames_html
from partialpool.tables.printed import cut

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit


def beside(columns: dict[str, Any], more: dict[str, Any], what: str) -> dict[str, Any]:
    """Columns and more of them; refused where one of the user's has the name of one of ours."""
    for name in more:
        if name in columns:
            raise ArgumentError(f"{what} would have two columns called {name!r}; rename the data's")
    return {**columns, **more}


def by_group(fit: MixedFit) -> dict[str, int]:
    """Grouping factors, most levels first, with their index in the design."""
    return {t.factor.name: t.index for t in fit.terms}


class GroupFrames(dict[str, Any]):
    """Frames by grouping factor, {group: frame}, each shown under its name."""

    def __repr__(self) -> str:
        return cut("\n\n".join(f"{group}:\n{frame}" for group, frame in self.items()))

    def _repr_html_(self) -> str:
        return frames_html(self.items())


def ranef(fit: MixedFit, *, condsd: bool) -> dict[str, Any]:
    """See `MixedFit.ranef`."""
    sds = fit.conditional_sds() if condsd else None
    out = GroupFrames()
    for name, index in by_group(fit).items():
        factor = fit.design.factors[index]
        names = column_names(factor)
        effects = fit.random_effects[index]
        columns = {n: effects[:, j] for j, n in enumerate(names)}
        if sds is not None:
            spread = {f"{n}_condsd": sds[index][:, j] for j, n in enumerate(names)}
            columns = beside(columns, spread, "ranef(condsd=True)")
        out[name] = to_native(columns, fit.design.kind, index=("level", factor.levels))
    return out


def coef(fit: MixedFit) -> dict[str, Any]:
    """See `MixedFit.coef`."""
    fixed = dict(zip(fit.fixed_names, fit.beta.tolist(), strict=True))
    out = GroupFrames()
    for name, index in by_group(fit).items():
        factor = fit.design.factors[index]
        size = len(factor.levels)
        columns = {n: np.full(size, v) for n, v in fixed.items()}
        for j, column in enumerate(factor.names):
            columns[column] = columns.get(column, np.zeros(size)) + fit.random_effects[index][:, j]
        out[name] = to_native(columns, fit.design.kind, index=("level", factor.levels))
    return out
