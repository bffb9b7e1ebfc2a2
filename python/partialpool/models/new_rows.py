"""Rows of new data as a fit needs them: columns, codes, offset, weights, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design.columns import Rows, take
from partialpool.design.design import Design
from partialpool.design.encoder import Encoder
from partialpool.design.frame import Frame
from partialpool.design.listed import unlisted
from partialpool.errors import DataError, NewDataError
from partialpool.formula import evaluate, variables
from partialpool.models.native import row_arguments

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

Mask = NDArray[np.bool_] | None
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NewRows:
    """New data, n rows.

    Rows with a missing predictor have the values of a complete row, so that every other row is
    worked out as if they were not there; what is said of them is to be made NaN.

    Attributes
    ----------
    x
        Columns of the fixed part that were estimated, numbers or (n,).
    factors
        (columns, codes) of each grouping factor.
    offset, weights
        (n,), or None.
    kind
        Kind of table that came in.
    n
    missing
        Rows without a prediction, (n,); None if there are none.
    unknown
        Rows of which the prediction is known but not the variance of a new observation.
    stand_in
        For each row the one whose values it has; None where each has its own.
    """

    x: list[Any]
    factors: list[Any]
    offset: Vector | None
    weights: Vector | None
    kind: Any
    n: int
    missing: Mask
    unknown: Mask
    stand_in: Rows = None


def new_rows(
    fit: MixedFit,
    frame: Frame,
    wanted: list[list[bool]],
    new_levels: str,
    *,
    weighted: bool = False,
    marginal: bool = False,
) -> NewRows:
    """Read new data.

    Parameters
    ----------
    wanted
        Per factor (design order), which of its columns are included.
    new_levels
        "error" refuses levels never seen.
    weighted
        Whether prior weights are needed: of new observations.
    marginal
        Whether the columns of factors that are not included are needed, for their variance.
    """
    design = fit.design
    n = frame.length
    if n == 0:
        raise NewDataError("the new data have no rows")
    used = [any(use) for use in wanted]
    try:
        _refuse_infinite(design, frame)
        missing = _missing(design, frame, used)
        rows = stand_in(missing, n)
        if missing is not None and missing.all():
            nothing = [([0.0] * len(f.names), np.full(n, -1)) for f in design.factors]
            x, factors = row_arguments([0.0] * len(fit.beta), nothing)
            return NewRows(x, factors, None, None, frame.kind, n, missing, None)
        columns = design.fixed.of(frame, rows)
        weights, unknown = new_weights(design, frame) if weighted else (None, None)
        factors = []
        for factor, use, active in zip(design.factors, wanted, used, strict=True):
            if not active:
                own, unread = _spread_columns(factor, frame, missing) if marginal else (None, None)
                unknown = either(unknown, unread)
                nothing = [0.0] * len(factor.names)
                factors.append((nothing if own is None else own, np.full(n, -1, dtype=np.int64)))
                continue
            codes, strange = factor.code_new(frame, rows)
            if strange and new_levels == "error":
                shown = ", ".join(repr(v) for v in strange[:5]) + (
                    ", …" if len(strange) > 5 else ""
                )
                raise NewDataError(
                    f"{factor.name!r} has levels that were not in the data of the fit: {shown};"
                    " predict for the population with new_levels='population'"
                )
            own = [c for term in factor.terms for c in term.encoder.of(frame, rows)]
            factors.append((mask_columns(own, use), codes))
        offset = new_offset(design, frame, rows)
    except DataError as error:
        raise NewDataError(str(error)) from None
    x, factors = row_arguments([columns[i] for i in fit.kept], factors)
    return NewRows(x, factors, offset, weights, frame.kind, n, missing, unknown, rows)


def mask_columns(columns: Any, wanted: list[bool]) -> list[Any]:
    """Zero in place of the columns not wanted (none wanted: all stay, for their variance)."""
    if not any(wanted):
        return list(columns)
    return [c if w else 0.0 for c, w in zip(columns, wanted, strict=True)]


def fixed_rows(design: Design, frame: Frame) -> tuple[list[Any], Vector | None, Mask]:
    """Columns of the fixed part, the offset and the missing rows, of a model without groups."""
    if frame.length == 0:
        raise NewDataError("the new data have no rows")
    missing = _missing(design, frame, [False] * len(design.factors))
    if missing is not None and missing.all():
        return [0.0] * len(design.fixed.names), None, missing
    rows = stand_in(missing, frame.length)
    return design.fixed.of(frame, rows), new_offset(design, frame, rows), missing


def either(a: Mask, b: Mask) -> Mask:
    """Rows in one mask or the other."""
    if a is None or b is None:
        return b if a is None else a
    return a | b


def stand_in(missing: Mask, n: int) -> Rows:
    """For each row itself, or in the place of one that is incomplete the first complete one."""
    if missing is None:
        return None
    return np.where(missing, int(np.argmin(missing)), np.arange(n))


def missing_of(encoders: Iterable[Encoder], frame: Frame) -> Mask:
    """Rows in which a predictor is missing, or its level left out by a C(f, levels=[…])."""
    out: Mask = None
    for encoder in encoders:
        for name in encoder.variables:
            out = either(out, frame.missing(name))
        for mask in unlisted([encoder.text], frame).values():
            out = either(out, mask)
    return out


def _missing(design: Design, frame: Frame, used: Sequence[bool]) -> Mask:
    active = [f for f, use in zip(design.factors, used, strict=True) if use]
    out = missing_of([design.fixed, *(t.encoder for f in active for t in f.terms)], frame)
    names = [name for factor in active for name in factor.variables]
    names += [v for part in design.formula.offsets for v in variables(part)]
    column = _given_column(design, "offset", "the offset")
    for name in names if column is None else [*names, column]:
        out = either(out, frame.missing(name))
    return out


def _given_column(design: Design, what: str, called: str) -> str | None:
    """The column that weights or an offset were given as; None where there are none.

    Raises
    ------
    NewDataError
        If they were given as an array, which says nothing of new rows.
    """
    given = design.given.get(what)
    if given is None or isinstance(given, str):
        return given
    formula = " or, in the formula, as offset(…)" if what == "offset" else ""
    raise NewDataError(
        f"{called} of this fit came as an array, which new data cannot have; fit the model with"
        f" {called} as a column, {what}='name'{formula}"
    )


def new_offset(design: Design, frame: Frame, rows: Rows) -> Vector | None:
    """The offset of new rows: of the column that the fit was given, and of the formula."""
    column = _given_column(design, "offset", "the offset")
    total = None if column is None else take(frame.numeric(column), rows)
    n = frame.length if rows is None else len(rows)
    for part in design.formula.offsets:
        values = {v: take(frame.numeric(v), rows) for v in variables(part)}
        own = np.broadcast_to(evaluate(part, values), (n,))
        total = own if total is None else total + own
    if total is not None and not np.isfinite(total).all():
        row = int(np.argmin(np.isfinite(total)))
        raise NewDataError(f"the offset of the new data is not finite in row {row}")
    return total


def new_weights(design: Design, frame: Frame) -> tuple[Vector | None, Mask]:
    """Prior weights of new rows, and where they are missing."""
    column = _given_column(design, "weights", "the prior weights")
    if column is None:
        return None, None
    missing = frame.missing(column)
    weights = frame.numeric(column)
    if missing is not None:
        weights = np.where(missing, 1.0, weights)
    usable = np.isfinite(weights) & (weights > 0)
    if not usable.all():
        row = int(np.argmin(usable))
        raise NewDataError(
            f"weights must be positive and finite, that of row {row} of the new data is"
            f" {weights[row]:g}"
        )
    return weights, missing


def _spread_columns(factor: Any, frame: Frame, missing: Mask) -> tuple[list[Any] | None, Mask]:
    """Columns of a factor's terms, for the variance of levels that are not named."""
    own = missing_of([t.encoder for t in factor.terms], frame)
    gone = either(missing, own)
    if gone is not None and gone.all():
        return None, own
    rows = stand_in(gone, frame.length)
    return [c for t in factor.terms for c in t.encoder.of(frame, rows)], own


def _refuse_infinite(design: Design, frame: Frame) -> None:
    encoders = [design.fixed, *(t.encoder for f in design.factors for t in f.terms)]
    for name in dict.fromkeys(v for e in encoders for v in e.variables):
        if name in frame and frame.is_numeric(name) and np.isinf(frame.numeric(name)).any():
            row = int(np.argmax(np.isinf(frame.numeric(name))))
            raise NewDataError(f"column {name!r} of the new data is infinite in row {row}")
