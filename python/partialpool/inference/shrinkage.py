"""Shrinkage: each level's own effect beside its prediction by partial pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design import Factor
from partialpool.design.columns import ROWS_AT_ONCE, row_slices, rows_of
from partialpool.design.frame import to_native
from partialpool.design.levels import level_texts
from partialpool.design.names import column_names
from partialpool.models.random_effects import by_group

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

Vector = NDArray[np.float64]


def shrinkage(fit: MixedFit) -> Any:
    """See `LinearMixedModel.shrinkage`."""
    design = fit.design.with_rows()
    columns: dict[str, list[Any]] = {n: [] for n in ("group", "level", "term")}
    own, blup = [], []
    for group, index in by_group(fit).items():
        factor = design.factors[index]
        effects = fit.random_effects[index]
        gram, cross = level_products(factor, fit.residuals(), design.weights)
        # residuals plus the level's own effects: Zᵀ W (y - Xβ - other effects)
        cross = cross + np.einsum("lij,lj->li", gram, effects)
        alone = level_least_squares(gram, cross)
        labels = level_texts(factor.levels)
        for j, term in enumerate(column_names(factor)):
            columns["group"] += [group] * len(factor.levels)
            columns["level"] += labels
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
    n, size, k = len(residual), len(factor.levels), len(factor.columns)
    gram, cross = np.zeros((size, k, k)), np.zeros((size, k))
    for rows in row_slices(n, max(ROWS_AT_ONCE, 4 * size)):
        codes = factor.codes[rows]

        def total(values: Any, codes: NDArray[np.uint32] = codes) -> Vector:
            values = np.broadcast_to(np.asarray(values, dtype=np.float64), codes.shape)
            return np.bincount(codes, weights=values, minlength=size).astype(np.float64)

        z = [rows_of(column, rows) for column in factor.columns]
        zw = z if weights is None else [column * weights[rows] for column in z]
        for i in range(k):
            cross[:, i] += total(zw[i] * residual[rows])
            for j in range(i + 1):
                gram[:, i, j] += total(zw[i] * z[j])
    upper = np.triu_indices(k, 1)
    gram[:, upper[0], upper[1]] = gram[:, upper[1], upper[0]]
    return gram, cross


def level_least_squares(gram: Vector, cross: Vector) -> Vector:
    """Solutions by level; NaN where a level's rows cannot tell its effects apart."""
    scale = np.sqrt(np.maximum(np.diagonal(gram, axis1=1, axis2=2), 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = gram / (scale[:, :, None] * scale[:, None, :])
        right = cross / scale
    good = np.flatnonzero((scale > 0).all(axis=1))
    good = good[np.linalg.eigvalsh(unit[good])[:, 0] > 1e-10]
    out = np.full(cross.shape, np.nan)
    out[good] = np.linalg.solve(unit[good], right[good][:, :, None])[:, :, 0] / scale[good]
    return out
