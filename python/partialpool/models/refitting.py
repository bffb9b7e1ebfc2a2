"""The same model of other numbers, or nearly the same model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import check_flag
from partialpool.design import Design
from partialpool.design.alignment import doubles_of, in_order, is_pandas
from partialpool.design.columns import take
from partialpool.design.frame import Frame
from partialpool.design.reading import build_design, fixed_variables
from partialpool.errors import ArgumentError, DataError
from partialpool.formula import Formula, update_formula, variables
from partialpool.formula.expressions import Name
from partialpool.models.identification import settled
from partialpool.models.native import fit_native
from partialpool.models.reporting import given

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit
    from partialpool.models.linear_mixed import LinearMixedModel

Vector = NDArray[np.float64]


def refit(fit: MixedFit, y: Any) -> LinearMixedModel:
    """See `LinearMixedModel.refit`."""
    from partialpool.models.lmer import fit_design

    new = with_response(fit.design, y)
    return fit_design(new, reml=fit.reml, data_name=fit.data_name)


def with_response(design: Design, y: Any) -> Design:
    """The design of another response."""
    design = design.with_rows()
    values, whole = new_response(design, y)
    response = values if design.offset is None else values - design.offset
    return replace(
        design, y=np.ascontiguousarray(response), replaced=_in_all_rows(design, values, whole)
    )


def _in_all_rows(design: Design, values: Vector, whole: Vector) -> Vector:
    """The new response by row of the table, NaN where it is not known or the old one was not."""
    if design.rows is None:
        return values
    if len(whole) == design.total and design.table is not None:
        return np.where(_missing_response(design), np.nan, whole)
    out = np.full(design.total, np.nan)
    out[design.rows] = values
    return out


def _missing_response(design: Design) -> NDArray[np.bool_]:
    """Rows of the table that were dropped for their response, whatever a refit puts there."""
    if design.replaced is not None:
        return np.isnan(design.replaced)
    frame = Frame(design.table)
    masks = [frame.missing(name) for name in variables(design.formula.response)]
    out = np.zeros(design.total, dtype=bool)
    return np.logical_or.reduce([out, *(m for m in masks if m is not None)])


def new_response(design: Design, y: Any) -> tuple[Vector, Vector]:
    """One finite value per row used, (n,), and all that were given, per row used or of the data.

    A pandas Series goes by its labels where the data have them.
    """
    what = "the new response"
    if is_pandas(y, "DataFrame") and y.shape[1] == 1:
        y = y.iloc[:, 0]
    dropped = design.total != design.n
    if is_pandas(y, "Series") and design.index is not None:
        of_data = dropped and len(y) == design.total
        labels = design.index if of_data else design.index_of_rows
        y = in_order(y, labels, what, "the data" if of_data else "the rows used")
    values = doubles_of(y, what)
    if values.ndim == 2 and 1 in values.shape:
        values = values.ravel()
    if values.ndim != 1:
        raise DataError(f"{what} must have one dimension, it has {values.ndim}")
    whole = values
    if len(values) == design.total and dropped:
        values = take(values, design.rows)
    if len(values) != design.n:
        raise DataError(
            f"{what} has {len(values)} values for {design.n} rows; give one per row used"
        )
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise DataError(f"{what} is not finite in row {row}")
    return values, whole


def update(
    fit: MixedFit, formula: str | None, data: Any, changes: dict[str, Any]
) -> LinearMixedModel:
    """See `LinearMixedModel.update`."""
    from partialpool.formula import require_random
    from partialpool.models.lmer import fit_design

    old = fit.design
    parsed = old.formula if formula is None else update_formula(old.formula, formula)
    if data is None and formula is None and set(changes) <= {"reml"}:
        return by_criterion(fit, changes.get("reml", fit.reml))
    require_random(parsed)
    if data is None and old.table is None:
        raise ArgumentError("this fit has no data at hand; give them: update(..., data=frame)")
    arguments = {"contrasts": _contrasts_left(old, parsed), **old.given, **changes}
    reml = arguments.pop("reml", fit.reml)
    if data is not None:
        _refuse_old_arrays(fit, changes)
        design = build_design(parsed, data, **arguments)
    elif old.replaced is None or parsed.response == old.formula.response:
        design = build_design(parsed, old.table, response=old.replaced, **arguments)
    else:
        _refuse_lost_columns(old, parsed)
        design = build_design(parsed, old.source, **arguments)
    return fit_design(design, reml=reml, data_name=fit.data_name if data is None else None)


def _contrasts_left(old: Design, formula: Formula) -> dict[str, str] | None:
    """The contrasts of the factors that a new formula still has."""
    used = {*fixed_variables(formula), *(v for t in formula.random for v in t.variables)}
    return {f: c for f, c in old.contrasts.items() if f in used} or None


def _refuse_old_arrays(fit: MixedFit, changes: dict[str, Any]) -> None:
    """Weights and offsets named by a column are read from other data; arrays are of old rows."""
    old = fit.design
    for what in ("weights", "offset"):
        value = old.given.get(what)
        if old.y is None and value is None and not (what == "offset" and old.formula.offsets):
            value = given(fit, what) and ()  # of a stored fit: an array whose values are not kept
        if value is not None and not isinstance(value, str) and what not in changes:
            raise ArgumentError(
                f"the {what} of this fit are an array for its own rows; give those of the new data:"
                f" update(data=..., {what}=...), or {what}=None to do without"
            )


def _refuse_lost_columns(old: Design, new: Formula) -> None:
    """Refuse a response that would be made of what a refit has replaced in another form."""
    stale = set(variables(old.formula.response))
    if isinstance(old.formula.response, Name) and old.response_columns == tuple(stale):
        return  # the column itself was replaced
    lost = sorted(stale & set(new.variables))
    if lost:
        raise ArgumentError(
            f"refit() gave this fit a new `{old.formula.response_name}`, and {lost[0]!r} still has"
            f" the old values; keep the response as it is, or give data: update(..., data=frame)"
        )


def by_criterion(fit: MixedFit, reml: bool) -> LinearMixedModel:
    """The same rows by REML or by ML; their cross-products are at hand."""
    from partialpool.models.linear_mixed import LinearMixedModel

    reml = check_flag(reml, "reml")
    design = fit.design.with_rows()
    native = fit_native(fit.products, reml, response=design.formula.response_name)
    found = fit.identification
    native = settled(fit.products, native, found, reml)
    model = LinearMixedModel(
        design, fit.products, native, reml=reml, data_name=fit.data_name, identification=found
    )
    model.warn_if_not_converged()
    return model
