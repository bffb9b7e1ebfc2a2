"""Posterior of the random effects by level, in the likelihood fit's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design.frame import to_native
from partialpool.models.random_effects import GroupFrames, beside, by_group

if TYPE_CHECKING:
    from partialpool.bayes.posterior import Posterior

#: What `spread=True` adds of each effect.
SPREAD = ("sd", "q5", "q95")


def ranef(post: Posterior, spread: bool, *, fixed: bool) -> dict[str, Any]:
    """See `Posterior.ranef` and `Posterior.coef`."""
    out = GroupFrames()
    for group, index in by_group(post.fit).items():
        factor = post.parameters.factors[index]
        effects = post.random_draws[index]
        columns: dict[str, NDArray[np.float64]] = {}
        if fixed:
            size = len(factor.levels)
            draws = {n: post.values[:, :, i, None] for i, n in enumerate(post.parameters.fixed)}
            for j, name in enumerate(factor.names):
                draws[name] = draws.get(name, 0.0) + effects[:, :, :, j]
            names = draws.items()
        else:
            size = len(factor.levels)
            own = post.parameters.columns(factor)
            names = ((name, effects[:, :, :, j]) for j, name in enumerate(own))
        further: dict[str, NDArray[np.float64]] = {}
        for name, values in names:
            columns[name] = np.broadcast_to(values.mean(axis=(0, 1)), (size,))
            if spread:
                low, high = np.quantile(values, [0.05, 0.95], axis=(0, 1))
                more = {"sd": values.std(axis=(0, 1), ddof=1), "q5": low, "q95": high}
                further |= {f"{name}_{k}": np.broadcast_to(v, (size,)) for k, v in more.items()}
        # Each name with its spread beside it.
        every = beside(columns, further, "spread=True")
        order = [k for n in columns for k in (n, *(f"{n}_{s}" for s in SPREAD if spread))]
        columns = {name: np.array(every[name]) for name in order}
        out[group] = to_native(columns, post.fit.design.kind, index=("level", factor.levels))
    return out
