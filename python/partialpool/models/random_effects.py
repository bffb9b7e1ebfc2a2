"""Random effects by level, and what they add up to with the fixed ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design.frame import to_native

if TYPE_CHECKING:
    from partialpool.models.linear_mixed import LinearMixedModel


def unique_names(names: Sequence[str]) -> list[str]:
    """Column names made distinct: a second `x` of another term on the factor is `x.1`."""
    taken = set(names)
    out: list[str] = []
    for name in names:
        own, count = name, 0
        while own in out or (count and own in taken):  # another column may be called `x.1`
            count += 1
            own = f"{name}.{count}"
        out.append(own)
    return out


def by_group(fit: LinearMixedModel) -> dict[str, int]:
    """Grouping factors, most levels first, with their index in the design."""
    return {t.factor.name: t.index for t in fit.terms}


def conditional_sds(fit: LinearMixedModel) -> list[NDArray[np.float64]]:
    """Per factor (design order) standard deviations given the data, (levels, k)."""
    out = []
    flat = fit._native.conditional_covariances()
    for values, factor in zip(flat, fit.design.factors, strict=True):
        k = len(factor.names)
        blocks = values.reshape(len(factor.levels), k, k)
        variances = np.maximum(np.diagonal(blocks, axis1=1, axis2=2), 0.0)
        out.append(fit.sigma * np.sqrt(variances))
    return out


def ranef(fit: LinearMixedModel, *, condsd: bool) -> dict[str, Any]:
    """See `LinearMixedModel.ranef`."""
    sds = conditional_sds(fit) if condsd else None
    out = {}
    for name, index in by_group(fit).items():
        factor = fit.design.factors[index]
        names = unique_names(factor.names)
        effects = fit._effects[index]
        columns = {n: effects[:, j] for j, n in enumerate(names)}
        if sds is not None:
            both = unique_names([*names, *(f"{n}_condsd" for n in names)])
            columns |= {n: sds[index][:, j] for j, n in enumerate(both[len(names) :])}
        out[name] = to_native(columns, fit.design.kind, index=("level", factor.levels))
    return out


def coef(fit: LinearMixedModel) -> dict[str, Any]:
    """See `LinearMixedModel.coef`."""
    fixed = dict(zip(fit.fixed_names, fit.beta.tolist(), strict=True))
    out = {}
    for name, index in by_group(fit).items():
        factor = fit.design.factors[index]
        size = len(factor.levels)
        columns = {n: np.full(size, v) for n, v in fixed.items()}
        for j, column in enumerate(factor.names):
            columns[column] = columns.get(column, np.zeros(size)) + fit._effects[index][:, j]
        out[name] = to_native(columns, fit.design.kind, index=("level", factor.levels))
    return out
