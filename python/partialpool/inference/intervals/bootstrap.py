"""Parametric bootstrap: responses drawn from a fit, the model fitted to each by native threads.

Replicate r has its own counter-based random stream: the same seed gives the same numbers for any
number of threads. Replicates whose fit fails are counted by cause and kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.arguments import (
    BOOTSTRAP_INTERVALS,
    PARAMETER_NAMES,
    BootstrapInterval,
    ParameterNames,
    check_choice,
    check_level,
    check_nsim,
    check_seed,
)
from partialpool.design.columns import dense
from partialpool.errors import ArgumentError, ConvergenceWarning, PartialPoolError
from partialpool.inference.intervals.parameters import estimates, values
from partialpool.limits import require_memory
from partialpool.models.fit import Fit, MixedFit
from partialpool.models.parameters import Parameter, listed
from partialpool.models.simulation import law_of_fit
from partialpool.progress.bar import in_slices
from partialpool.progress.interruption import interruption, marked
from partialpool.tables.printed import Printed

if TYPE_CHECKING:
    import pandas as pd

Vector = NDArray[np.float64]
M = TypeVar("M", bound=MixedFit)

#: What the native module's outcomes mean; the first is success.
CAUSES = ("", "criterion could not be evaluated", "search did not converge")


# ---- what the native module needs ----------------------------------------------------------------


def law_of(model: Fit) -> _core.LawArgs:
    """The distribution of responses (offset taken off) under a fitted model."""
    return law_of_fit(model).native()


def model_of(model: Fit) -> _core.ModelArgs:
    """A model that every simulated response is fitted by."""
    design = model.design.with_rows()
    if not isinstance(model, MixedFit):
        root = np.ones(design.n) if design.weights is None else np.sqrt(design.weights)
        basis = np.linalg.qr(dense(model.fixed_columns, design.n) * root[:, None])[0]
        return None, [np.ascontiguousarray(q) for q in basis.T], [], design.weights
    factors: list[tuple[Sequence[Any], NDArray[np.uint32]]] = []
    for factor in design.factors:
        assert factor.codes is not None  # rows are present
        factors.append((factor.columns, factor.codes))
    return model.optimum, model.fixed_columns, factors, design.weights


def _random_width(model: Fit) -> int:
    """Entries of the Λ of all factors."""
    return sum(len(f.names) ** 2 for f in model.design.factors)


@dataclass(frozen=True, eq=False)
class Refits:
    """Refits of one model to simulated responses.

    Attributes
    ----------
    values
        (r, width): criterion, σ, β, and each factor's Λ flattened.
    outcomes
        (r,): index into `CAUSES`.
    interrupted
        "interrupted after 300 of 1,000"; empty where all were done.
    """

    values: Vector
    outcomes: NDArray[np.uint8]
    interrupted: str = ""

    @property
    def criterion(self) -> Vector:
        """-2 log (restricted) likelihood of each, (r,)."""
        return self.values[:, 0]

    @property
    def failures(self) -> dict[str, int]:
        """Failed refits by cause."""
        counts = np.bincount(self.outcomes, minlength=len(CAUSES))
        return {c: int(n) for c, n in zip(CAUSES, counts, strict=True) if c and n}

    def parameters(self, fit: MixedFit, wanted: Sequence[Parameter]) -> Vector:
        """Parameters of each refit of a mixed model, (r, len(wanted))."""
        p = len(fit.beta)
        lambdas, at = [], 2 + p
        for factor in fit.design.factors:
            k = len(factor.names)
            lambdas.append(self.values[:, at : at + k * k].reshape(-1, k, k))
            at += k * k
        return values(wanted, self.values[:, 1], self.values[:, 2 : 2 + p], lambdas)


def refit_simulated(
    null: Fit | _core.LawArgs,
    models: Sequence[Fit],
    nsim: int,
    seed: int,
    label: str,
) -> list[Refits]:
    """Draw responses from `null` and fit each of the models to every one of them.

    `null` is a fit, or a distribution for the native module.

    Interrupted by Ctrl-C, the replicates done so far are returned and say so.
    """
    width = sum(len(m.design.fixed.names) + 2 + _random_width(m) for m in models)
    require_memory(
        8.0 * nsim * width, f"{nsim:,} simulations", "ask for fewer (nsim)", gradual=True
    )
    law = null if isinstance(null, tuple) else law_of(null)
    arguments = [model_of(m) for m in models]
    parts: list[list[tuple[Vector, NDArray[np.uint8]]]] = []

    def work(first: int, count: int) -> None:
        parts.append(_core.bootstrap_refits(law, arguments, seed, first, count))

    in_slices(nsim, work, label)
    out = []
    for i in range(len(models)):
        outcomes = np.concatenate([part[i][1] for part in parts])
        flat = np.concatenate([part[i][0] for part in parts])
        said = interruption(len(outcomes), nsim)
        out.append(Refits(flat.reshape(len(outcomes), -1), outcomes, said))
    return out


# ---- the bootstrap of a fit ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Bootstrap(Printed):
    """A statistic's values in responses drawn from a fit.

    Attributes
    ----------
    names
        Names of the statistic's parts.
    estimate
        The statistic of the fit itself, (s,).
    replicates
        (nsim, s); NaN where a refit failed.
    nsim
        Replicates done.
    seed
        Gives the same numbers again.
    failures
        Failed refits by cause; they are left out of the intervals.
    method
        What was done.
    interrupted
        "interrupted after 300 of 1,000" where Ctrl-C ended it; else empty.
    """

    names: tuple[str, ...]
    estimate: Vector
    replicates: Vector
    nsim: int
    seed: int
    failures: Mapping[str, int] = field(default_factory=dict)
    method: str = "parametric bootstrap"
    interrupted: str = ""

    @property
    def bias(self) -> Vector:
        """Mean of the replicates less the estimate, (s,)."""
        return np.nanmean(self.replicates, axis=0) - self.estimate

    @property
    def std_error(self) -> Vector:
        """Standard deviation of the replicates, (s,)."""
        return np.nanstd(self.replicates, axis=0, ddof=1)

    def confint(self, kind: BootstrapInterval = "percentile", level: float = 0.95) -> pd.DataFrame:
        """Intervals by name, as R's ``boot.ci``.

        Parameters
        ----------
        kind
            "percentile"; "basic" (2 estimate - quantiles); "normal" (bias-corrected, standard
            deviation of the replicates).
        level
            Coverage aimed at.
        """
        kind, level = check_choice(kind, "kind", BOOTSTRAP_INTERVALS), check_level(level)
        ends = [
            _interval(column[~np.isnan(column)], estimate, kind, level)
            for column, estimate in zip(self.replicates.T, self.estimate, strict=True)
        ]
        return marked(interval_frame(self.names, ends, level), self.interrupted)

    def to_frame(self) -> pd.DataFrame:
        """The replicates: one row each, one column for each part of the statistic."""
        import pandas as pd

        frame = pd.DataFrame(self.replicates, columns=list(self.names))
        return marked(frame, self.interrupted)

    def __str__(self) -> str:
        from partialpool.tables.layout import matrix_lines

        shown = (self.estimate, self.bias, self.std_error)
        cells = [[f"{v:.5g}" for v in column] for column in shown]
        lines = [f"Parametric bootstrap, {self.nsim} replicates (seed {self.seed})", ""]
        header = ("original", "bias", "std. error")
        lines += matrix_lines(self.names, header, cells, right=True)
        return "\n".join(lines + notes_of(self))

    def _repr_html_(self) -> str:
        from partialpool.tables.html import tables_html
        from partialpool.tables.rformat import CellTable

        columns = [
            [f"{v:.5g}" for v in part] for part in (self.estimate, self.bias, self.std_error)
        ]
        cells = CellTable(
            tuple(self.names), ("original", "bias", "std. error"), tuple(map(tuple, columns))
        )
        title = f"Parametric bootstrap, {self.nsim:,} replicates (seed {self.seed})"
        return tables_html(title, [("", cells)], notes=notes_of(self))


def failure_lines(failures: Mapping[str, int]) -> list[str]:
    """One line a cause."""
    return [f"{count} refits failed: {cause}" for cause, count in failures.items()]


def notes_of(result: Any) -> list[str]:
    """Lines under a simulated result: that it was interrupted, and what failed."""
    return [*([result.interrupted] if result.interrupted else []), *failure_lines(result.failures)]


def interval_frame(
    names: Sequence[str], ends: Sequence[tuple[float, float]], level: float
) -> pd.DataFrame:
    """Intervals as R prints them: columns "2.5 %" and "97.5 %"."""
    import pandas as pd

    tails = ((1 - level) / 2, (1 + level) / 2)
    columns = [f"{100 * t:.3g} %" for t in tails]
    table = np.array(ends, dtype=float).reshape(len(names), 2)
    return pd.DataFrame(table, index=list(names), columns=columns)


def _interval(sample: Vector, estimate: float, kind: str, level: float) -> tuple[float, float]:
    from scipy.stats import norm

    if len(sample) < 2 or np.isnan(estimate):
        return np.nan, np.nan
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if kind == "normal":
        centre, spread = 2 * estimate - sample.mean(), sample.std(ddof=1)
        low, high = centre + norm.ppf(tails) * spread
    else:
        quantiles = normal_quantiles(sample, tails)
        low, high = quantiles if kind == "percentile" else 2 * estimate - quantiles[::-1]
    return float(low), float(high)


def normal_quantiles(sample: Vector, tails: Vector) -> Vector:
    """Quantiles at rank (R + 1)α, between order statistics on the normal scale (boot's rule).

    Davison & Hinkley (1997), eq. 5.8.
    """
    from scipy.stats import norm

    ordered, size = np.sort(sample), len(sample)
    rank = (size + 1) * tails
    below = np.clip(np.floor(rank + 1e-9).astype(int), 1, size)
    above = np.minimum(below + 1, size)
    z, z0, z1 = (norm.ppf(v) for v in (tails, below / (size + 1), above / (size + 1)))
    inside = (rank > below + 1e-9) & (above > below)
    share = np.where(inside, (z - z0) / np.where(above > below, z1 - z0, 1.0), 0.0)
    return ordered[below - 1] + share * (ordered[above - 1] - ordered[below - 1])


def bootstrap(
    fit: M,
    statistic: Callable[[M], Any] | None = None,
    *,
    nsim: int = 1000,
    seed: int | None = None,
    wanted: Sequence[Parameter] | None = None,
    names: ParameterNames = "canonical",
) -> Bootstrap:
    """Refit a model to responses drawn from it.

    Parameters
    ----------
    fit
        Random effects are drawn anew in each replicate.
    statistic
        Function of a refit that gives a number, an array, a dict or a Series. None: all
        standard deviations, correlations, σ and fixed effects, by native threads.
    nsim
        Replicates.
    seed
        The same seed gives the same replicates, whatever the number of threads.
    wanted
        Parameters to keep where there is no statistic.
    names
        "canonical" ("sd_Subject__Intercept"), or as lme4 has them by default (".sig01": "lme4") or
        at length ("sd_(Intercept)|Subject": "lme4-long").

    Returns
    -------
    Bootstrap
    """
    if not isinstance(fit, MixedFit):
        raise ArgumentError(f"pp.bootstrap is for fits of pp.lmer, not {type(fit).__name__}")
    nsim, seed = check_nsim(nsim), check_seed(seed)
    names = check_choice(names, "names", PARAMETER_NAMES)
    if statistic is not None:
        return _bootstrap_statistic(fit, statistic, nsim, seed)
    wanted = listed(fit) if wanted is None else wanted
    (refits,) = refit_simulated(fit, [fit], nsim, seed, "Bootstrap")
    replicates = refits.parameters(fit, wanted)
    replicates[refits.outcomes != 0] = np.nan
    called = tuple(p.called(names) for p in wanted)
    estimate, done = estimates(fit, wanted), len(replicates)
    said = refits.interrupted
    return Bootstrap(called, estimate, replicates, done, seed, refits.failures, interrupted=said)


def _bootstrap_statistic(fit: M, statistic: Callable[[M], Any], nsim: int, seed: int) -> Bootstrap:
    if not callable(statistic):
        raise ArgumentError(f"statistic must be a function of a fit, not {statistic!r}")
    names, estimate = _named(statistic(fit))
    law, offset = law_of(fit), fit.design.with_rows().offset
    rows: list[Vector] = []
    failures: dict[str, int] = {}

    def work(first: int, count: int) -> None:
        for replicate in range(first, first + count):
            y = _core.simulated_response(law, seed, replicate)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error", ConvergenceWarning)
                    again = fit.refit(y if offset is None else y + offset)
                    value = _named(statistic(cast("M", again)))[1]
            except (PartialPoolError, ConvergenceWarning) as error:
                cause = str(error)
                failures[cause] = failures.get(cause, 0) + 1
                value = np.full(len(names), np.nan)
            if len(value) != len(names):
                raise ArgumentError(
                    f"the statistic gave {len(value)} numbers for a refit and {len(names)} for the"
                    " fit; it must always give as many"
                )
            rows.append(value)

    in_slices(nsim, work, "Bootstrap", lambda: len(rows))
    said = interruption(len(rows), nsim)
    return Bootstrap(names, estimate, np.vstack(rows), len(rows), seed, failures, interrupted=said)


def _named(value: Any) -> tuple[tuple[str, ...], Vector]:
    """A statistic's parts and their names."""
    if isinstance(value, Mapping):
        names = tuple(str(k) for k in value)
        array = np.array(list(value.values()), dtype=float)
    elif hasattr(value, "index") and hasattr(value, "to_numpy"):
        names, array = tuple(str(k) for k in value.index), value.to_numpy(dtype=float)
    else:
        try:
            array = np.atleast_1d(np.asarray(value, dtype=float))
        except (TypeError, ValueError):
            raise ArgumentError(
                f"the statistic must give numbers, not {type(value).__name__}"
            ) from None
        names = tuple(f"t{i + 1}" for i in range(array.size))
    if array.ndim != 1:
        raise ArgumentError(f"the statistic must give a vector, not an array of {array.ndim} axes")
    return names, array
