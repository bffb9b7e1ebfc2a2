"""Confidence intervals of a linear mixed model's parameters: Wald, profile, bootstrap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from partialpool.arguments import (
    BOOTSTRAP_INTERVALS,
    CONFINT_METHODS,
    PARAMETER_NAMES,
    BootstrapInterval,
    ConfintMethod,
    ParameterNames,
    check_choice,
    check_level,
    check_nsim,
)
from partialpool.errors import ArgumentError, warn
from partialpool.inference.intervals.bootstrap import (
    bootstrap,
    interval_frame,
)
from partialpool.inference.intervals.parameters import select, undetermined
from partialpool.inference.intervals.profile import profile_intervals
from partialpool.models.parameters import Parameter, listed

if TYPE_CHECKING:
    import pandas as pd

    from partialpool.models.fit import MixedFit


def confint(
    fit: MixedFit,
    method: ConfintMethod = "wald",
    level: float = 0.95,
    nsim: int = 1000,
    seed: int | None = None,
    parm: str | int | Sequence[str | int] | None = None,
    boot_type: BootstrapInterval = "percentile",
    names: ParameterNames = "canonical",
) -> pd.DataFrame:
    """See `LinearMixedModel.confint`."""
    level = check_level(level)
    method = check_choice(method, "method", CONFINT_METHODS)
    boot_type = check_choice(boot_type, "boot_type", BOOTSTRAP_INTERVALS)
    if method == "boot" and check_nsim(nsim) < 2:
        raise ArgumentError("an interval needs more than one simulation; nsim of 1000 is usual")
    names = check_choice(names, "names", PARAMETER_NAMES)
    wanted = select(listed(fit), parm, names)
    if method == "profile":
        table = profile_intervals(fit.by_criterion(reml=False), wanted, level, names)
        _warn_if_interrupted(table)
        return table
    if method == "wald":
        return _wald(fit, wanted, level, names)
    result = bootstrap(fit, nsim=nsim, seed=seed, wanted=wanted, names=names)
    table = result.confint(boot_type, level)
    table.loc[[undetermined(fit, p) for p in wanted]] = np.nan
    table.attrs |= {"nsim": result.nsim, "seed": result.seed, "failures": dict(result.failures)}
    _warn_if_interrupted(table)
    return table


def _warn_if_interrupted(table: pd.DataFrame) -> None:
    """Also where only the numbers are taken from the table."""
    said = table.attrs.get("interrupted")
    if said:
        warn(f"the intervals were {said}")


def _wald(
    fit: MixedFit, wanted: Sequence[Parameter], level: float, names: ParameterNames
) -> pd.DataFrame:
    """Normal intervals of the fixed effects; NaN for variances, whose estimates are not normal."""
    from scipy.stats import norm

    half = float(norm.ppf((1 + level) / 2)) * np.sqrt(np.diag(fit.covariance))
    half[fit.undetermined(np.eye(len(half)))] = np.nan
    ends = []
    for p in wanted:
        low = high = np.nan
        if p.kind == "fixed":
            (j,) = p.at
            low, high = fit.beta[j] - half[j], fit.beta[j] + half[j]
        ends.append((low, high))
    return interval_frame([p.called(names) for p in wanted], ends, level)
