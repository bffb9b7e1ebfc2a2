"""Confidence intervals of a linear mixed model's parameters: Wald, profile, bootstrap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from partialpool.errors import ArgumentError
from partialpool.inference.intervals.bootstrap import (
    KINDS,
    bootstrap,
    check_nsim,
    interval_frame,
    maximum_likelihood,
)
from partialpool.inference.intervals.parameters import Parameter, labels, parameters, select
from partialpool.inference.intervals.profile import check_level, profile_intervals

if TYPE_CHECKING:
    import pandas as pd

    from partialpool.models.linear_mixed import LinearMixedModel

METHODS = ("wald", "profile", "boot")


def confint(
    fit: LinearMixedModel,
    method: str = "wald",
    level: float = 0.95,
    nsim: int = 1000,
    seed: int | None = None,
    parm: str | int | Sequence[str | int] | None = None,
    boot_type: str = "percentile",
    oldnames: bool = True,
) -> pd.DataFrame:
    """See `LinearMixedModel.confint`."""
    level = check_level(level)
    if method not in METHODS:
        raise ArgumentError(
            f"method must be one of {', '.join(map(repr, METHODS))}, not {method!r}"
        )
    if boot_type not in KINDS:
        raise ArgumentError(
            f"boot_type must be one of {', '.join(map(repr, KINDS))}, not {boot_type!r}"
        )
    if method == "boot" and check_nsim(nsim) < 2:
        raise ArgumentError("an interval needs more than one simulation; nsim of 1000 is usual")
    wanted = select(parameters(fit), parm)
    if method == "profile":
        return profile_intervals(maximum_likelihood(fit), wanted, level, oldnames)
    if method == "wald":
        return _wald(fit, wanted, level, oldnames)
    result = bootstrap(fit, nsim=nsim, seed=seed, wanted=wanted, oldnames=oldnames)
    table = result.confint(boot_type, level)
    table.attrs = {"nsim": result.nsim, "seed": result.seed, "failures": dict(result.failures)}
    return table


def _wald(
    fit: LinearMixedModel, wanted: Sequence[Parameter], level: float, oldnames: bool
) -> pd.DataFrame:
    """Normal intervals of the fixed effects; NaN for variances, whose estimates are not normal."""
    from scipy.stats import norm

    half = float(norm.ppf((1 + level) / 2)) * np.sqrt(np.diag(fit.covariance))
    ends = []
    for p in wanted:
        low = high = np.nan
        if p.kind == "fixed":
            (j,) = p.at
            low, high = fit.beta[j] - half[j], fit.beta[j] + half[j]
        ends.append((low, high))
    return interval_frame(labels(wanted, oldnames), ends, level)
