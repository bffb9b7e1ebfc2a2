"""The same model of other numbers, or nearly the same model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design import Design
from partialpool.design.alignment import doubles_of, in_order, is_pandas
from partialpool.design.columns import take
from partialpool.errors import ArgumentError, DataError
from partialpool.formula import update_formula
from partialpool.models.native import fit_native

if TYPE_CHECKING:
    from partialpool.models.linear_mixed import LinearMixedModel


def refit(fit: LinearMixedModel, y: Any) -> LinearMixedModel:
    """See `LinearMixedModel.refit`."""
    from partialpool.models.lmer import fit_design

    design = fit._rows()
    values = new_response(design, y)
    response = values if design.offset is None else values - design.offset
    new = replace(design, y=np.ascontiguousarray(response))
    return fit_design(new, reml=fit.reml, data_name=fit.data_name)


def new_response(design: Design, y: Any) -> NDArray[np.float64]:
    """One finite value a row used, (n,), from one a row used or one a row of the data.

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
    if len(values) == design.total and dropped:
        values = take(values, design.rows)
    if len(values) != design.n:
        raise DataError(f"{what} has {len(values)} values for {design.n} rows; give one a row used")
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise DataError(f"{what} is not finite in row {row}")
    return values


def update(
    fit: LinearMixedModel, formula: str | None, data: Any, changes: dict[str, Any]
) -> LinearMixedModel:
    """See `LinearMixedModel.update`."""
    from partialpool.models.lmer import lmer

    known = {"reml", "weights", "offset", "contrasts", "na_action"}
    for name in changes:
        if name not in known:
            raise ArgumentError(
                f"update has no argument {name!r}; it takes {', '.join(sorted(known))}"
            )
    text = fit.formula if formula is None else update_formula(fit.design.formula, formula).text
    if data is None and formula is None and set(changes) <= {"reml"}:
        return by_criterion(fit, changes.get("reml", fit.reml))
    source = fit.design.source if data is None else data
    if source is None:
        raise ArgumentError("this fit has no data at hand; give them: update(..., data=frame)")
    arguments: dict[str, Any] = {"reml": fit.reml, "contrasts": fit.design.contrasts or None}
    # Arrays of weights or offsets belong to the old rows.
    given = {k: v for k, v in fit.design.given.items() if data is None or k == "na_action"}
    new = lmer(text, source, **{**arguments, **given, **changes})
    # What lmer saw is a name of this function, not of the user.
    new.data_name = fit.data_name if data is None else None
    return new


def by_criterion(fit: LinearMixedModel, reml: bool) -> LinearMixedModel:
    """The same rows by REML or by ML; their cross-products are at hand."""
    from partialpool.models.linear_mixed import LinearMixedModel

    if not isinstance(reml, bool):
        raise ArgumentError(f"reml must be True or False, not {reml!r}")
    design = fit._rows()
    native = fit_native(fit._products, reml, response=design.formula.response_name)
    model = LinearMixedModel(design, fit._products, native, reml=reml, data_name=fit.data_name)
    model.warn_if_not_converged()
    return model
