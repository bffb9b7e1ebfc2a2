"""Predictions for old and new rows, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import (
    INTERVAL_KINDS,
    NEW_LEVELS,
    IntervalKind,
    NewLevels,
    check_choice,
    check_level,
)
from partialpool.design.columns import dense
from partialpool.design.frame import Frame, to_native
from partialpool.errors import ArgumentError
from partialpool.formula import Expr, RandomTerm, parse_random
from partialpool.formula.model import written_terms
from partialpool.models.native import row_arguments
from partialpool.models.new_rows import NewRows, mask_columns, new_rows

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit


def predict(
    fit: MixedFit,
    new: Any,
    random: str,
    new_levels: NewLevels,
    interval: IntervalKind | None,
    level: float,
) -> Any:
    """See `LinearMixedModel.predict`."""
    new_levels = check_choice(new_levels, "new_levels", NEW_LEVELS)
    if interval is not None:
        interval = check_choice(interval, "interval", INTERVAL_KINDS)
    level = check_level(level)
    wanted = included_columns(fit, random)
    if new is None:
        rows = own_rows(fit, wanted)
    else:
        predicted = interval == "prediction"
        rows = new_rows(fit, Frame(new), wanted, new_levels, weighted=predicted, marginal=predicted)
    effects = (fit.beta, [b.ravel() for b in fit.random_effects])
    active = [any(w) for w in wanted]
    mean = fit.optimum.linear_predictor(rows.n, rows.x, rows.factors, effects, active)
    if rows.offset is not None:
        mean += rows.offset
    if rows.missing is not None:
        mean[rows.missing] = np.nan
    if interval is None:
        return mean
    return _with_interval(fit, mean, rows, active, interval, level)


def own_rows(fit: MixedFit, wanted: list[list[bool]] | None = None) -> NewRows:
    """The rows of the fit, of each factor the columns that are included; all by default."""
    design = fit.design.with_rows()
    x, factors = row_arguments(fit.fixed_columns, [(f.columns, f.codes) for f in design.factors])
    if wanted is not None:
        masked = zip(factors, wanted, strict=True)
        factors = [(mask_columns(columns, w), codes) for (columns, codes), w in masked]
    return NewRows(x, factors, design.offset, design.weights, design.kind, fit.nobs, None, None)


def _with_interval(
    fit: MixedFit,
    mean: NDArray[np.float64],
    rows: NewRows,
    active: list[bool],
    interval: IntervalKind,
    level: float,
) -> Any:
    from scipy.stats import norm

    n, x, factors, weights = rows.n, rows.x, rows.factors, rows.weights
    predicted = interval == "prediction"
    variance = fit.optimum.prediction_variances(n, x, factors, active, predicted)
    # In place, as `mean` and `variance` are nobody else's: at a million rows each array counts.
    if predicted:
        variance += 1.0 if weights is None else 1.0 / weights
        if not all(active):
            # A new observation of an unnamed level: the variance of what is not conditioned on.
            for f, ((columns, _), used) in enumerate(zip(factors, active, strict=True)):
                if not used:
                    variance += _marginal_variance(fit, f, columns, n)
    if not fit.is_identified and not all(active):
        variance[_open_rows(fit, x, n, active)] = np.nan
    half = np.sqrt(variance, out=variance)
    half *= float(norm.ppf(0.5 + level / 2)) * fit.sigma
    if rows.unknown is not None:
        half[rows.unknown] = np.nan
    lower = mean - half
    upper = np.add(mean, half, out=half)
    return to_native({"fit": mean, "lower": lower, "upper": upper}, rows.kind)


def _open_rows(fit: MixedFit, x: Any, n: int, active: list[bool]) -> Any:
    """Rows whose interval hangs on what the data do not determine.

    With all random effects none does: what fixed effects take from a term, or one term from
    another, stays in the sum.
    """
    open_factors = {e.factor for e in fit.identification.open_entries if e.row == e.column}
    if any(active) and open_factors:
        return np.ones(n, dtype=bool)
    rows, back = np.unique(dense(x, n), axis=0, return_inverse=True)
    return fit.undetermined(rows)[back.ravel()]


def _marginal_variance(fit: MixedFit, index: int, columns: Any, n: int) -> Any:
    lam = fit.relative_factors[index]
    return np.square(dense(columns, n) @ lam).sum(axis=1)


def included_columns(fit: MixedFit, random: str) -> list[list[bool]]:
    """Per factor (design order), which of its columns a `random=` argument includes."""
    if not isinstance(random, str):
        raise ArgumentError(f"random must be 'all', 'none' or random terms, not {random!r}")
    every = [[random == "all"] * len(f.names) for f in fit.design.factors]
    if random in {"all", "none"}:
        return every
    for term in parse_random(random):
        asked = _products(term)
        found: set[frozenset[Expr]] = set()
        for f, factor in enumerate(fit.design.factors):
            for own in factor.terms:
                if own.source.group != term.group:
                    continue
                named = _products(own.source)
                for j, t in enumerate(own.encoder.term_of):
                    every[f][own.start + j] |= named[t] in asked
                found.update(named)
        if not found or not found.issuperset(asked):
            known = ", ".join(t.text for t in fit.terms)
            raise ArgumentError(f"the model has no random term {term.text}; it has {known}")
    return every


def _products(term: RandomTerm) -> list[frozenset[Expr]]:
    """The terms of a bar's left side, each as what it multiplies; the intercept first, as none."""
    left = written_terms(term.lhs)
    intercept: list[frozenset[Expr]] = [frozenset()] if left.intercept else []
    return intercept + [frozenset(own) for own in left.terms]
