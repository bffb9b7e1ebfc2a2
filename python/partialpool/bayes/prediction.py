"""Posterior of rows: their means, or new observations of them, block of rows by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import (
    POSTERIOR_NEW_LEVELS,
    PREDICTION_KINDS,
    PosteriorNewLevels,
    PredictionKind,
    check_choice,
    check_count,
    check_seed,
)
from partialpool.bayes.streams import Stream, stream
from partialpool.design.columns import dense, take
from partialpool.design.design import group_labels
from partialpool.design.frame import Frame, to_native
from partialpool.models.native import UNSEEN
from partialpool.models.new_rows import either, new_rows
from partialpool.models.prediction import included_columns
from partialpool.models.prediction import own_rows as rows_of_fit

if TYPE_CHECKING:
    from partialpool.bayes.posterior import Posterior

Vector = NDArray[np.float64]
#: Numbers of a block of draws x rows.
BLOCK = 2_000_000


@dataclass(frozen=True, eq=False)
class RowBlocks:
    """Means of rows for many draws, made a block of rows at a time.

    Attributes
    ----------
    x
        Columns of the fixed part.
    factors
        (columns, codes) of each factor.
    offset
        Shape (n,), or None.
    n
        Rows.
    active
        For each factor, whether its random effects are included.
    unseen
        For each factor what `_unseen_effects` gives, or None.
    chosen
        Indices of the draws used.
    """

    x: Any
    factors: list[Any]
    offset: Any
    n: int
    active: list[bool]
    unseen: list[Any]
    chosen: NDArray[np.intp]

    def means(self, post: Posterior) -> Iterator[tuple[slice, Vector]]:
        """Rows, and their means of shape (draws, rows of the block)."""
        beta = post.values.reshape(-1, post.values.shape[-1])[self.chosen]
        beta = beta[:, : len(post.parameters.fixed)]
        known = [
            _effects(post, f)[self.chosen] if used else None for f, used in enumerate(self.active)
        ]
        step = max(1, BLOCK // len(self.chosen))
        for start in range(0, self.n, step):
            rows = slice(start, min(start + step, self.n))
            block = beta @ _matrix(self.x, rows, self.n)
            if self.offset is not None:
                block += np.asarray(self.offset)[rows]
            for (columns, codes), effects, fresh in zip(
                self.factors, known, self.unseen, strict=True
            ):
                if effects is not None:
                    block += _random_part(columns, codes, effects, fresh, rows, self.n)
            yield rows, block


def own_rows(
    post: Posterior, random: str, chosen: NDArray[np.intp], rows: NDArray[np.intp] | None = None
) -> RowBlocks:
    """The rows of the fit, or some of them."""
    fit = post.fit
    wanted = included_columns(fit, random)
    own = rows_of_fit(fit, wanted)
    x, factors = own.x, own.factors
    active, offset, n = [any(w) for w in wanted], fit.design.offset, fit.nobs
    if rows is not None:
        x = _some(x, rows)
        factors = [(_some(columns, rows), np.asarray(codes)[rows]) for columns, codes in factors]
        offset, n = None if offset is None else np.asarray(offset)[rows], len(rows)
    return RowBlocks(x, factors, offset, n, active, [None] * len(factors), chosen)


def _some(columns: Any, rows: NDArray[np.intp]) -> list[Any]:
    """Columns (numbers or arrays) at some rows."""
    return [c if np.ndim(c) == 0 else np.asarray(c)[rows] for c in columns]


def spread_draws(post: Posterior, most: int | None) -> NDArray[np.intp]:
    """Indices of so many draws, evenly spread over all chains; None for all."""
    total = post.values.shape[0] * post.values.shape[1]
    if most is None or most >= total:
        return np.arange(total)
    return np.linspace(0, total - 1, most).round().astype(np.intp)


def predict(
    post: Posterior,
    new: Any,
    kind: PredictionKind,
    random: str,
    new_levels: PosteriorNewLevels,
    draws: bool | int,
    seed: int | None,
) -> Any:
    """See `Posterior.predict`."""
    kind = check_choice(kind, "kind", PREDICTION_KINDS)
    new_levels = check_choice(new_levels, "new_levels", POSTERIOR_NEW_LEVELS)
    if not isinstance(draws, bool):
        draws = check_count(draws, "draws (True, False or a number)")
    source = post.settings.seed if seed is None else check_seed(seed)
    fit = post.fit
    chosen = spread_draws(post, None if isinstance(draws, bool) else draws)
    weights, missing = None, None
    if new is None:
        blocks = own_rows(post, random, chosen)
        frame_kind, weights = fit.design.kind, fit.design.weights
    else:
        wanted = included_columns(fit, random)
        frame = Frame(new)
        rows_read = new_rows(fit, frame, wanted, new_levels, weighted=kind == "response")
        factors, frame_kind, weights = rows_read.factors, rows_read.kind, rows_read.weights
        missing = either(rows_read.missing, rows_read.unknown)
        unseen: list[Any] = [None] * len(wanted)
        if new_levels == "sample":
            labels = [
                take(group_labels(frame, f.variables).codes, rows_read.stand_in)
                for f in fit.design.factors
            ]
            unseen = _unseen_effects(post, factors, labels, wanted, chosen, source)
        active = [any(w) for w in wanted]
        blocks = RowBlocks(
            rows_read.x, factors, rows_read.offset, rows_read.n, active, unseen, chosen
        )
    rng = stream(source, Stream.RESIDUALS)
    sigma = post.draws("sigma").ravel()[chosen]
    out = np.empty((len(chosen), blocks.n)) if draws else None
    tables = {name: np.empty(blocks.n) for name in ("mean", "sd", "q5", "q95")}
    for rows, block in blocks.means(post):
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
    return np.ascontiguousarray(dense(columns, n, rows).T)


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
    post: Posterior,
    factors: Any,
    labels: list[Any],
    wanted: list[list[bool]],
    chosen: NDArray[np.intp],
    seed: int,
) -> list[Any]:
    """For each factor the effects of levels never seen, (draws, new levels, k), and whose rows."""
    rng = stream(seed, Stream.NEW_LEVELS)
    flat = post.values.reshape(-1, post.values.shape[-1])[chosen]
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
        lower = covariance_factors(post, factor, flat)
        normal = rng.standard_normal((len(flat), len(names), len(factor.names)))
        out.append((np.einsum("dij,dlj->dli", lower, normal), place))
    return out


def covariance_factors(post: Posterior, factor: Any, flat: Vector) -> Vector:
    """Lower root of the covariance of a level's random effects for each draw, (draws, k, k).

    That of the correlations, with rows as large as the standard deviations: nothing is squared.
    """
    parameters = post.parameters
    sd = flat[:, [parameters.index[name] for name in parameters.deviations(factor)]]
    k = sd.shape[1]
    correlation = np.broadcast_to(np.eye(k), (len(flat), k, k)).copy()
    for (i, j), name in zip(parameters.pairs(factor), parameters.correlations(factor), strict=True):
        # Off the boundary by less than anything seen, for the Cholesky factor's sake.
        value = np.clip(flat[:, parameters.index[name]], -1 + 1e-10, 1 - 1e-10)
        correlation[:, i, j] = correlation[:, j, i] = value
    tiny = 1e-12 * np.eye(k)
    return np.linalg.cholesky(correlation + tiny) * sd[:, :, None]
