"""Posterior of the random effects by level, in the likelihood fit's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design.frame import to_native
from partialpool.models.random_effects import by_group

if TYPE_CHECKING:
    from partialpool.bayes.posterior import Posterior


def ranef(post: Posterior, spread: bool, *, fixed: bool) -> dict[str, Any]:
    """See `Posterior.ranef` and `Posterior.coef`."""
    out = {}
    for group, index in by_group(post.fit).items():
        factor = post.parameters.factors[index]
        effects = post.random_draws[index]
        columns: dict[str, NDArray[np.float64]] = {}
        if fixed:
            size = len(factor.levels)
            draws = {n: post.draws(n)[:, :, None] for n in post.parameters.fixed}
            for j, name in enumerate(factor.names):
                draws[name] = draws.get(name, 0.0) + effects[:, :, :, j]
            names = draws.items()
        else:
            size = len(factor.levels)
            own = post.parameters.columns(factor)
            names = ((name, effects[:, :, :, j]) for j, name in enumerate(own))
        for name, values in names:
            columns[name] = np.broadcast_to(values.mean(axis=(0, 1)), (size,))
            if spread:
                low, high = np.quantile(values, [0.05, 0.95], axis=(0, 1))
                more = {"sd": values.std(axis=(0, 1), ddof=1), "q5": low, "q95": high}
                columns |= {f"{name}_{k}": np.broadcast_to(v, (size,)) for k, v in more.items()}
        columns = {name: np.array(v) for name, v in columns.items()}
        out[group] = to_native(columns, post.fit.design.kind, index=("level", factor.levels))
    return out
