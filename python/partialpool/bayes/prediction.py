"""Posterior of rows: their means, or new observations of them, block of rows by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design.design import group_labels
from partialpool.design.frame import Frame, to_native
from partialpool.errors import ArgumentError
from partialpool.models.native import UNSEEN
from partialpool.models.prediction import included_columns, mask_columns, new_rows

if TYPE_CHECKING:
    from partialpool.bayes.posterior import Posterior

Vector = NDArray[np.float64]
#: Numbers of a block of draws x rows.
BLOCK = 2_000_000


def predict(post: Posterior, new: Any, kind: str, random: str, new_levels: str, draws: bool) -> Any:
    """See `Posterior.predict`."""
    if kind not in {"mean", "response"}:
        raise ArgumentError(f"kind must be 'mean' or 'response', not {kind!r}")
    if new_levels not in {"error", "population", "sample"}:
        raise ArgumentError(
            f"new_levels must be 'error', 'population' or 'sample', not {new_levels!r}"
        )
    fit = post.fit
    wanted = included_columns(fit, random)
    unseen: list[Any] = [None] * len(wanted)
    weights, missing = None, None
    if new is None:
        x, factors = fit._row_arguments()
        factors = [
            (mask_columns(c, w), codes) for (c, codes), w in zip(factors, wanted, strict=True)
        ]
        offset, frame_kind, n = fit.design.offset, fit.design.kind, fit.nobs
        weights = fit.design.weights
    else:
        frame = Frame(new)
        x, factors, offset, frame_kind, n, missing = new_rows(fit, frame, wanted, new_levels)
        if new_levels == "sample":
            labels = [group_labels(frame, f.variables).codes for f in fit.design.factors]
            unseen = _unseen_effects(post, factors, labels, wanted)
    rng = np.random.default_rng([post.settings.seed, 1])
    total = post.values.shape[0] * post.values.shape[1]
    flat = post.values.reshape(total, -1)
    sigma = flat[:, post.parameters.index["sigma"]]
    known = [_effects(post, f) if any(w) else None for f, w in enumerate(wanted)]
    out = np.empty((total, n)) if draws else None
    tables = {name: np.empty(n) for name in ("mean", "sd", "q5", "q95")}
    step = max(1, BLOCK // total)
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        block = flat[:, : len(post.parameters.fixed)] @ _matrix(x, rows, n)
        if offset is not None:
            block += np.asarray(offset)[rows]
        for (columns, codes), effects, fresh in zip(factors, known, unseen, strict=True):
            if effects is not None:
                block += _random_part(columns, codes, effects, fresh, rows, n)
        if kind == "response":
            noise = rng.standard_normal(block.shape) * sigma[:, None]
            block += noise if weights is None else noise / np.sqrt(weights[rows])
        if missing is not None:
            block[:, missing[rows]] = np.nan
        if out is not None:
            out[:, rows] = block
            continue
        tables["mean"][rows] = block.mean(axis=0)
        tables["sd"][rows] = block.std(axis=0, ddof=1)
        tables["q5"][rows], tables["q95"][rows] = np.quantile(block, [0.05, 0.95], axis=0)
    return to_native(tables, frame_kind) if out is None else out


def _matrix(columns: Any, rows: slice, n: int) -> Vector:
    """Columns (numbers or arrays of n) of some rows, shape (columns, rows)."""
    size = rows.stop - rows.start
    if not len(columns):
        return np.zeros((0, size))
    return np.stack(
        [
            np.broadcast_to(np.asarray(c, dtype=float), (n,))[rows]
            if np.ndim(c) == 0
            else np.asarray(c, dtype=float)[rows]
            for c in columns
        ]
    )


def _effects(post: Posterior, factor: int) -> Vector:
    """Draws of a factor's random effects, shape (draws, levels, k)."""
    all_draws = post.random_draws[factor]
    return all_draws.reshape(-1, *all_draws.shape[2:])


def _random_part(
    columns: Any, codes: Any, effects: Vector, fresh: Any, rows: slice, n: int
) -> Vector:
    own = np.asarray(codes)[rows]
    z = _matrix(columns, rows, n)
    seen = own != UNSEEN
    out = np.zeros((effects.shape[0], len(own)))
    out[:, seen] = np.einsum("drk,kr->dr", effects[:, own[seen], :], z[:, seen])
    if fresh is not None and not seen.all():
        values, place = fresh
        at = place[rows][~seen]
        out[:, ~seen] = np.einsum("drk,kr->dr", values[:, at, :], z[:, ~seen])
    return out


def _unseen_effects(
    post: Posterior, factors: Any, labels: list[Any], wanted: list[list[bool]]
) -> list[Any]:
    """For each factor the effects of levels never seen, (draws, new levels, k), and whose rows."""
    rng = np.random.default_rng([post.settings.seed, 2])
    flat = post.values.reshape(-1, post.values.shape[-1])
    out: list[Any] = []
    for factor, (_, codes), label, want in zip(
        post.parameters.factors, factors, labels, wanted, strict=True
    ):
        unknown = np.asarray(codes) == UNSEEN
        if not any(want) or not unknown.any():
            out.append(None)
            continue
        names, inverse = np.unique(np.asarray(label)[unknown], return_inverse=True)
        place = np.zeros(len(unknown), dtype=np.int64)
        place[unknown] = inverse
        lower = np.linalg.cholesky(_covariances(post, factor, flat))
        normal = rng.standard_normal((len(flat), len(names), len(factor.names)))
        out.append((np.einsum("dij,dlj->dli", lower, normal), place))
    return out


def _covariances(post: Posterior, factor: Any, flat: Vector) -> Vector:
    """Covariance of a level's random effects for each draw, (draws, k, k)."""
    parameters = post.parameters
    sd = flat[:, [parameters.index[name] for name in parameters.deviations(factor)]]
    k = sd.shape[1]
    correlation = np.broadcast_to(np.eye(k), (len(flat), k, k)).copy()
    for (i, j), name in zip(parameters.pairs(factor), parameters.correlations(factor), strict=True):
        # Off the boundary by less than anything seen, for the Cholesky factor's sake.
        value = np.clip(flat[:, parameters.index[name]], -1 + 1e-10, 1 - 1e-10)
        correlation[:, i, j] = correlation[:, j, i] = value
    tiny = 1e-12 * np.eye(k)
    return (correlation + tiny) * sd[:, :, None] * sd[:, None, :] + 1e-300 * np.eye(k)
