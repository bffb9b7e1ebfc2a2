"""Predictions for old and new rows, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design.frame import Frame, to_native
from partialpool.errors import ArgumentError, DataError, NewDataError
from partialpool.formula import evaluate, parse_random, variables
from partialpool.models.native import row_arguments

if TYPE_CHECKING:
    from partialpool.models.linear_mixed import LinearMixedModel


def predict(
    fit: LinearMixedModel,
    new: Any,
    random: str,
    new_levels: str,
    interval: str | None,
    level: float,
) -> Any:
    """See `LinearMixedModel.predict`."""
    if new_levels not in {"error", "population"}:
        raise ArgumentError(f"new_levels must be 'error' or 'population', not {new_levels!r}")
    if interval not in {None, "confidence", "prediction"}:
        raise ArgumentError(f"interval must be 'confidence' or 'prediction', not {interval!r}")
    if not (isinstance(level, int | float) and 0 < level < 1):
        raise ArgumentError(f"level must lie between 0 and 1, not {level!r}")
    wanted = included_columns(fit, random)
    if new is None:
        x, factors = fit._row_arguments()
        offset, kind, n = fit.design.offset, fit.design.kind, fit.nobs
        factors = [
            (mask_columns(c, w), codes) for (c, codes), w in zip(factors, wanted, strict=True)
        ]
        missing = None
        weights = fit.design.weights
    else:
        x, factors, offset, kind, n, missing = new_rows(fit, Frame(new), wanted, new_levels)
        weights = None
    effects = (fit.beta, [b.ravel() for b in fit._effects])
    active = [any(w) for w in wanted]
    mean = fit._native.linear_predictor(n, x, factors, effects, active)
    if offset is not None:
        mean += offset
    if missing is not None:
        mean[missing] = np.nan
    if interval is None:
        return mean
    return _with_interval(fit, mean, (n, x, factors, active), interval, level, weights, kind)


def _with_interval(
    fit: LinearMixedModel,
    mean: NDArray[np.float64],
    rows: tuple[int, Any, Any, list[bool]],
    interval: str,
    level: float,
    weights: NDArray[np.float64] | None,
    kind: Any,
) -> Any:
    from scipy.stats import norm

    n, x, factors, active = rows
    predicted = interval == "prediction"
    variance = fit._native.prediction_variances(n, x, factors, active, predicted)
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
    lower = mean - half
    return to_native({"fit": mean, "lower": lower, "upper": np.add(mean, half, out=half)}, kind)


def _open_rows(fit: LinearMixedModel, x: Any, n: int, active: list[bool]) -> Any:
    """Rows whose interval hangs on what the data do not determine.

    With all random effects none does: what fixed effects take from a term, or one term from
    another, stays in the sum.
    """
    open_factors = {e.factor for e in fit.identification.open_entries if e.row == e.column}
    if any(active) and open_factors:
        return np.ones(n, dtype=bool)
    columns = [np.broadcast_to(np.asarray(x[i], dtype=float), (n,)) for i in range(len(x))]
    rows, back = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
    return fit.undetermined(rows)[back.ravel()]


def _marginal_variance(fit: LinearMixedModel, index: int, columns: Any, n: int) -> Any:
    factor = fit.design.factors[index]
    k = len(factor.names)
    lam = np.array(fit._native.lambdas[index]).reshape(k, k)
    z = np.column_stack([np.broadcast_to(np.asarray(c, dtype=float), (n,)) for c in columns])
    return np.square(z @ lam).sum(axis=1)


def included_columns(fit: LinearMixedModel, random: str) -> list[list[bool]]:
    """Per factor (design order), which of its columns a `random=` argument includes."""
    if not isinstance(random, str):
        raise ArgumentError(f"random must be 'all', 'none' or random terms, not {random!r}")
    every = [[random == "all"] * len(f.names) for f in fit.design.factors]
    if random in {"all", "none"}:
        return every
    for term in parse_random(random):
        found: set[str] = set()
        for f, factor in enumerate(fit.design.factors):
            for own in factor.terms:
                if own.source.group != term.group:
                    continue
                if own.source.key == term.key:
                    names, found = set(own.names), found | plain_names(term)
                else:
                    names = term_names(term, own.names)
                    found |= {base_name(n) for n in names}
                for j, name in enumerate(own.names):
                    every[f][own.start + j] |= name in names
        if not found or not plain_names(term) <= found:
            known = ", ".join(t.text for t in fit.terms)
            raise ArgumentError(f"the model has no random term {term.text}; it has {known}")
    return every


def base_name(column: str) -> str:
    """A column's variables: `f[T.b]:x` is of `f:x`."""
    return ":".join(part.split("[")[0] for part in column.split(":"))


def plain_names(term: Any) -> set[str]:
    """The products of plain columns that a term asks for; none where it uses transforms."""
    return {":".join(p) if p else "Intercept" for p in term.products or ()}


def term_names(term: Any, names: tuple[str, ...]) -> set[str]:
    """Which of these columns a term asks for."""
    wanted = plain_names(term)
    return {name for name in names if base_name(name) in wanted}


def mask_columns(columns: Any, wanted: list[bool]) -> list[Any]:
    """Zero in place of the columns not wanted (none wanted: all stay, for their variance)."""
    if not any(wanted):
        return list(columns)
    return [c if w else 0.0 for c, w in zip(columns, wanted, strict=True)]


def new_rows(
    fit: LinearMixedModel, frame: Frame, wanted: list[list[bool]], new_levels: str
) -> tuple[list[Any], list[Any], Any, Any, int, Any]:
    """Columns and codes of new data; rows with missing predictors are predicted as NaN."""
    design = fit.design
    n = frame.length
    if n == 0:
        raise NewDataError("the new data have no rows")
    try:
        _refuse_infinite(fit, frame)
        missing = _missing_predictors(fit, frame, wanted)
        columns = design.fixed.of(frame)
        x = [columns[i] for i in fit._products.kept]
        factors = []
        for factor, use in zip(design.factors, wanted, strict=True):
            if not any(use):
                own = _columns_or_zero(factor, frame)
                factors.append((own, np.full(n, -1, dtype=np.int64)))
                continue
            codes, unknown = factor.code_new(frame)
            if unknown and new_levels == "error":
                shown = ", ".join(repr(v) for v in unknown[:5]) + (
                    ", …" if len(unknown) > 5 else ""
                )
                raise NewDataError(
                    f"{factor.name!r} has levels that were not in the data of the fit: {shown};"
                    " predict for the population with new_levels='population'"
                )
            own = [c for term in factor.terms for c in term.encoder.of(frame)]
            factors.append((mask_columns(own, use), codes))
        offset = None
        for part in design.formula.offsets:
            values = evaluate(part, {v: frame.numeric(v) for v in variables(part)})
            offset = values if offset is None else offset + values
    except DataError as error:
        raise NewDataError(str(error)) from None
    x, factors = row_arguments(x, factors)
    x = [_no_missing(c, missing) for c in x]
    return x, factors, offset, frame.kind, n, missing


def _no_missing(column: Any, missing: Any) -> Any:
    """Rows that will be NaN anyway get a number, so that nothing else is touched."""
    if missing is None or not isinstance(column, np.ndarray):
        return column
    return np.where(missing, 0.0, column)


def _refuse_infinite(fit: LinearMixedModel, frame: Frame) -> None:
    encoders = [fit.design.fixed, *(t.encoder for f in fit.design.factors for t in f.terms)]
    for name in dict.fromkeys(v for e in encoders for v in e.variables):
        if name in frame and frame.is_numeric(name) and np.isinf(frame.numeric(name)).any():
            row = int(np.argmax(np.isinf(frame.numeric(name))))
            raise NewDataError(f"column {name!r} of the new data is infinite in row {row}")


def _columns_or_zero(factor: Any, frame: Frame) -> list[Any]:
    try:
        return [c for term in factor.terms for c in term.encoder.of(frame)]
    except DataError:
        return [0.0] * len(factor.names)


def _missing_predictors(fit: LinearMixedModel, frame: Frame, wanted: list[list[bool]]) -> Any:
    names = list(fit.design.fixed.variables)
    for factor, use in zip(fit.design.factors, wanted, strict=True):
        if any(use):
            names += [*factor.variables, *(v for t in factor.terms for v in t.source.variables)]
    for part in fit.design.formula.offsets:
        names += variables(part)
    out = None
    for name in dict.fromkeys(names):
        mask = frame.missing(name)
        if mask is not None:
            out = mask if out is None else out | mask
    return out
