"""New responses from a fitted model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.design.frame import to_native
from partialpool.errors import ArgumentError

if TYPE_CHECKING:
    from partialpool.models.linear_mixed import LinearMixedModel


def generator(seed: Any) -> np.random.Generator:
    """NumPy's generator from a seed, or one line that says what a seed may be."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"seed must be a whole number that is not negative, not {seed!r}"
        ) from None


def simulate(fit: LinearMixedModel, n: int, seed: Any, new_random: bool) -> Any:
    """See `LinearMixedModel.simulate`."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ArgumentError(f"n must be a positive whole number of simulations, not {n!r}")
    design = fit._rows()
    x, factors = fit._row_arguments()
    scale = fit.sigma if design.weights is None else fit.sigma / np.sqrt(design.weights)
    # A stream a replicate: the same numbers however many replicates are asked for.
    streams = generator(seed).spawn(n)
    columns = {}
    for i, rng in enumerate(streams):
        effects = []
        for index, factor in enumerate(design.factors):
            k = len(factor.names)
            if new_random:
                lam = np.array(fit._native.lambdas[index]).reshape(k, k)
                draws = rng.standard_normal((len(factor.levels), k)) @ lam.T
                effects.append(np.ascontiguousarray(fit.sigma * draws).ravel())
            else:
                effects.append(fit._effects[index].ravel())
        mean = fit._native.linear_predictor(
            fit.nobs, x, factors, (fit.beta, effects), [True] * len(factors)
        )
        if design.offset is not None:
            mean += design.offset
        noise = rng.standard_normal(fit.nobs)
        noise *= scale
        mean += noise
        columns[f"sim_{i + 1}"] = mean
    return to_native(columns, design.kind)
