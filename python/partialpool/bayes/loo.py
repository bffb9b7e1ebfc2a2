"""Expected log predictive density for new data: PSIS leave-one-out and WAIC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from partialpool.bayes.estimators import array_stats
from partialpool.bayes.likelihood import (
    levels_without_effects,
    observed,
    rows_given_effects,
)
from partialpool.bayes.summaries import FEWEST_DRAWS
from partialpool.cached import cached_property
from partialpool.design.frame import to_native
from partialpool.errors import ArgumentError
from partialpool.progress.bar import progress
from partialpool.tables.printed import Printed

if TYPE_CHECKING:
    from partialpool.bayes.posterior import Posterior

Vector = NDArray[np.float64]
#: Pointwise variance of the log density above which WAIC is not to be trusted.
WAIC_LIMIT = 0.4


@dataclass(frozen=True, eq=False, repr=False)
class Elpd(Printed):
    """Expected log predictive density of new data of the same kind.

    Attributes
    ----------
    kind
        "loo" or "waic".
    unit
        What is left out: "observation", or the grouping factor whose levels are.
    labels
        Labels of the units; None for observations.
    elpd_i, p_i
        Each unit's log predictive density, and its share of the effective number of
        parameters.
    pareto_k
        Shape of the tail of each unit's importance weights; None for WAIC.
    draws
        Used.
    observed
        The response, to tell whether two are of the same data.
    frame_kind
        Kind of the table that came in.
    """

    kind: str
    unit: str
    labels: tuple[Any, ...] | None
    elpd_i: Vector
    p_i: Vector
    pareto_k: Vector | None
    draws: int
    observed: Vector
    frame_kind: Any

    @property
    def elpd(self) -> float:
        """Sum over the units."""
        return float(self.elpd_i.sum())

    @property
    def p(self) -> float:
        """Effective number of parameters."""
        return float(self.p_i.sum())

    @cached_property
    def se(self) -> float:
        """Standard error of `elpd`, from the spread between units."""
        return _standard_error(self.elpd_i)

    @property
    def good_k(self) -> float:
        """Pareto k up to which an estimate from S draws is reliable: min(1 - 1/log10 S, 0.7)."""
        return min(1 - 1 / float(np.log10(self.draws)), 0.7)

    @cached_property
    def doubtful(self) -> NDArray[np.intp]:
        """Indices of the units whose value is not reliable."""
        if self.pareto_k is None:
            return np.flatnonzero(self.p_i > WAIC_LIMIT)
        return np.flatnonzero(~(self.pareto_k <= self.good_k))

    @property
    def verdict(self) -> str:
        """Whether the number can be trusted, in words."""
        some, size = len(self.doubtful), len(self.elpd_i)
        units = "observations" if self.unit == "observation" else f"levels of {self.unit}"
        if self.pareto_k is None:
            if not some:
                return f"No problems: no log density varies by more than {WAIC_LIMIT}."
            return (
                f"{some} of {size} {units} vary by more than {WAIC_LIMIT} in their log"
                " density: WAIC is not reliable here; use loo()"
            )
        worst = float(np.max(self.pareto_k))
        if not some:
            return (
                f"No problems: Pareto k of all {size} {units} is at most {worst:.2f} (limit"
                f" {self.good_k:.2f})."
            )
        fit_again = (
            "sample again without them, or see how well whole levels are predicted with loo(by=...)"
            if self.unit == "observation"
            else "sample again without each of them"
        )
        return (
            f"Pareto k of {some} of {size} {units} is above {self.good_k:.2f} (largest"
            f" {worst:.2f}): without them the posterior is elsewhere than its draws, and their"
            f" part of elpd is too high; {fit_again}"
        )

    def to_frame(self) -> Any:
        """A row for each unit: (level,) elpd, p, and pareto_k of loo."""
        columns: dict[str, Any] = {} if self.labels is None else {"level": list(self.labels)}
        columns |= {"elpd": self.elpd_i, "p": self.p_i}
        if self.pareto_k is not None:
            columns["pareto_k"] = self.pareto_k
        return to_native(columns, self.frame_kind)

    def to_arviz(self) -> Any:
        """ArviZ's ELPDData, as its `compare` and plots take it."""
        from arviz_stats.utils import ELPDData
        from xarray import DataArray

        def labelled(values: Vector) -> Any:
            coords = {"unit": np.arange(len(values)) if self.labels is None else list(self.labels)}
            return DataArray(values, dims=["unit"], coords=coords)

        return ELPDData(
            self.kind,
            self.elpd,
            self.se,
            self.p,
            self.draws,
            len(self.elpd_i),
            "log",
            bool(len(self.doubtful)),
            self.good_k,
            labelled(self.elpd_i),
            cast("Any", None) if self.pareto_k is None else labelled(self.pareto_k),
        )

    def __str__(self) -> str:
        what = "observations" if self.unit == "observation" else f"levels of {self.unit}"
        name, ic = self.kind, f"{self.kind}ic" if self.kind == "loo" else self.kind
        rows = [
            (f"elpd_{name}", self.elpd, self.se),
            (f"p_{name}", self.p, _standard_error(self.p_i)),
            (ic, -2 * self.elpd, 2 * self.se),
        ]
        table = "\n".join(f"{label:<9}{value:>10.1f}{se:>8.1f}" for label, value, se in rows)
        return (
            f"{len(self.elpd_i)} {what}, {self.draws} draws\n\n{'':<9}{'Estimate':>10}{'SE':>8}\n"
            f"{table}\n\n{self.verdict}"
        )


def loo(post: Posterior, by: str | None) -> Elpd:
    """See `Posterior.loo`."""
    _check(post, "loo")
    estimators = array_stats()
    size, blocks, labels = _units(post, by)
    elpd, k, p = np.empty(size), np.empty(size), np.empty(size)
    r_eff = relative_efficiency(post, estimators)
    with progress("leave-one-out", size) as advance:
        for units, block in blocks:
            # One unit at a time: Ctrl-C is heard, and ArviZ's smoothing has copies of its own.
            for i, column in zip(range(units.start, units.stop), block.T, strict=True):
                elpd[i], k[i], p[i] = estimators.loo(
                    np.ascontiguousarray(column)[None, :], r_eff=r_eff
                )
            advance(units.stop - units.start)
    return _made(post, "loo", by, labels, elpd, p, k)


def waic(post: Posterior, by: str | None) -> Elpd:
    """See `Posterior.waic`."""
    _check(post, "waic")
    size, blocks, labels = _units(post, by)
    lppd, p = np.empty(size), np.empty(size)
    for units, block in blocks:
        top = block.max(axis=0)
        lppd[units] = top + np.log(np.exp(block - top).mean(axis=0))
        p[units] = block.var(axis=0, ddof=1)
    return _made(post, "waic", by, labels, lppd - p, p, None)


def _made(
    post: Posterior,
    kind: str,
    by: str | None,
    labels: tuple[Any, ...] | None,
    elpd: Vector,
    p: Vector,
    k: Vector | None,
) -> Elpd:
    draws = post.values.shape[0] * post.values.shape[1]
    unit = "observation" if by is None else by
    frame_kind = post.fit.design.kind
    return Elpd(kind, unit, labels, elpd, p, k, draws, observed(post), frame_kind)


def _check(post: Posterior, what: str) -> None:
    if post.settings.prior_only:
        raise ArgumentError(
            f"{what}() needs draws from the posterior; these are from the priors (prior_only=True)"
        )
    if post.values.shape[1] < FEWEST_DRAWS or post.values.shape[0] * post.values.shape[1] < 25:
        raise ArgumentError(f"{what}() needs more draws than {post.values.shape[1]} a chain")


def _units(
    post: Posterior, by: str | None
) -> tuple[int, Iterator[tuple[slice, Vector]], tuple[Any, ...] | None]:
    """How many units are left out, their log-likelihood in blocks, their labels."""
    if by is None:
        if not post.settings.keep_random:
            raise ArgumentError(
                "the random effects were not kept; sample with keep_random=True, or leave out whole"
                " levels with by=, which needs none"
            )
        return post.fit.nobs, rows_given_effects(post), None
    blocks = levels_without_effects(post, by)
    levels = {f.name: f.levels for f in post.parameters.factors}.get(by, ())
    return len(levels), blocks, tuple(levels)


def relative_efficiency(post: Posterior, estimators: Any) -> float:
    """Mean effective sample size of the parameters' means over the draws, as ArviZ's loo has it."""
    chains, draws, _ = post.values.shape
    if chains == 1:
        return 1.0
    ess = [
        estimators.ess(
            np.ascontiguousarray(post.draws(name)), chain_axis=0, draw_axis=1, method="mean"
        )
        for name in post.variables
    ]
    mean = float(np.mean(ess)) / (chains * draws)
    return mean if np.isfinite(mean) and mean > 0 else 1.0


def _standard_error(values: Vector) -> float:
    return float(np.sqrt(len(values) * np.var(values)))


def loo_compare(models: Mapping[str, Any]) -> Any:
    """Models of the same data by expected log predictive density, the best first.

    Parameters
    ----------
    models
        By name: posteriors (their ``loo()`` is computed), or what ``loo()`` or ``waic()`` gave.

    Returns
    -------
    A frame of the kind that came in: model, elpd, se, p, elpd_diff (from the best), se_diff (of
    the paired differences), doubtful (units whose value is not reliable).

    Raises
    ------
    ArgumentError
        If they are of different data, or of different kinds.

    References
    ----------
    Vehtari, Gelman & Gabry (2017), Statistics and Computing 27.
    """
    from partialpool.bayes.posterior import Posterior

    if not isinstance(models, Mapping) or len(models) < 2:
        raise ArgumentError("models must be a dict of two posteriors or more by name")
    results: dict[str, Elpd] = {}
    for name, model in models.items():
        if not isinstance(model, Elpd | Posterior):
            raise ArgumentError(f"models[{name!r}] is neither a posterior nor its loo(): {model!r}")
        results[str(name)] = model.loo() if isinstance(model, Posterior) else model
    first_name, first = next(iter(results.items()))
    for name, other in results.items():
        if (other.kind, other.unit) != (first.kind, first.unit):
            raise ArgumentError(
                f"{first_name!r} is {first.kind} by {first.unit}, {name!r} {other.kind} by"
                f" {other.unit}; compare like with like"
            )
        same = other.observed.shape == first.observed.shape and np.allclose(
            other.observed, first.observed, rtol=1e-9, atol=0
        )
        if not same or other.labels != first.labels:
            raise ArgumentError(
                f"{first_name!r} and {name!r} are of different rows or responses; elpd can be"
                " compared for the same data only"
            )
    order = sorted(results, key=lambda name: -results[name].elpd)
    best = results[order[0]]
    gaps = [results[name].elpd_i - best.elpd_i for name in order]
    return to_native(
        {
            "model": order,
            "elpd": np.array([results[name].elpd for name in order]),
            "se": np.array([results[name].se for name in order]),
            "p": np.array([results[name].p for name in order]),
            "elpd_diff": np.array([float(gap.sum()) for gap in gaps]),
            "se_diff": np.array([_standard_error(gap) for gap in gaps]),
            "doubtful": np.array([len(results[name].doubtful) for name in order]),
        },
        best.frame_kind,
    )
