"""Shrinkage: each level's own effect beside its prediction by partial pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design import Factor
from partialpool.design.frame import to_native
from partialpool.models.random_effects import by_group, unique_names

if TYPE_CHECKING:
    from partialpool.models.linear_mixed import LinearMixedModel

Vector = NDArray[np.float64]


def shrinkage(fit: LinearMixedModel) -> Any:
    """See `LinearMixedModel.shrinkage`."""
    design = fit._rows()
    residual = fit.residuals()
    weights = design.weights
    columns: dict[str, list[Any]] = {n: [] for n in ("group", "level", "term")}
    own, blup = [], []
    for group, index in by_group(fit).items():
        factor = design.factors[index]
        effects = fit._effects[index]
        gram, cross = level_products(factor, residual, weights)
        # residuals plus the level's own effects: Zᵀ W (y - Xβ - other effects)
        cross = cross + np.einsum("lij,lj->li", gram, effects)
        alone = _least_squares(gram, cross)
        for j, term in enumerate(unique_names(factor.names)):
            columns["group"] += [group] * len(factor.levels)
            columns["level"] += [str(v) for v in factor.levels]
            columns["term"] += [term] * len(factor.levels)
            own.append(alone[:, j])
            blup.append(effects[:, j])
    a, b = np.concatenate(own), np.concatenate(blup)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = a / b
    return to_native({**columns, "no_pooling": a, "blup": b, "ratio": ratio}, design.kind)


def level_products(
    factor: Factor, residual: Vector, weights: Vector | None
) -> tuple[Vector, Vector]:
    """ZᵀWZ, (levels, k, k), and ZᵀW r, (levels, k), of each level."""
    assert factor.codes is not None  # asked of fits that have their rows
    codes = factor.codes.astype(np.intp)
    size, k = len(factor.levels), len(factor.columns)

    def total(values: Any) -> Vector:
        values = np.broadcast_to(np.asarray(values, dtype=np.float64), codes.shape)
        return np.bincount(codes, weights=values, minlength=size).astype(np.float64)

    gram, cross = np.empty((size, k, k)), np.empty((size, k))
    for i, z in enumerate(factor.columns):
        zw = z if weights is None else z * weights
        cross[:, i] = total(zw * residual)
        for j in range(i + 1):
            gram[:, i, j] = gram[:, j, i] = total(zw * factor.columns[j])
    return gram, cross


def _least_squares(gram: Vector, cross: Vector) -> Vector:
    """Solutions by level; NaN where a level's rows cannot tell its effects apart."""
    out = np.full(cross.shape, np.nan)
    scale = np.sqrt(np.maximum(np.diagonal(gram, axis1=1, axis2=2), 0.0))
    for i, (a, b, s) in enumerate(zip(gram, cross, scale, strict=True)):
        if (s > 0).all():
            unit = a / np.outer(s, s)
            if np.linalg.eigvalsh(unit)[0] > 1e-10:
                out[i] = np.linalg.solve(unit, b / s) / s
    return out
