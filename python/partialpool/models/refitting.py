"""The same model of other numbers, or nearly the same model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.design.columns import take
from partialpool.errors import ArgumentError, DataError
from partialpool.formula import update_formula
from partialpool.models.identification import settled
from partialpool.models.native import fit_native

if TYPE_CHECKING:
    from partialpool.models.linear_mixed import LinearMixedModel


def refit(fit: LinearMixedModel, y: Any) -> LinearMixedModel:
    """See `LinearMixedModel.refit`."""
    from partialpool.models.lmer import fit_design

    design = fit._rows()
    try:
        values = np.asarray(y, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        raise DataError("the new response must be numbers") from None
    if len(values) == design.total and design.total != design.n:
        values = take(values, design.rows)
    if len(values) != design.n:
        raise DataError(
            f"the new response has {len(values)} values for {design.n} rows; give one a row used"
        )
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise DataError(f"the new response is not finite in row {row}")
    response = values if design.offset is None else values - design.offset
    new = replace(design, y=np.ascontiguousarray(response))
    return fit_design(new, reml=fit.reml, data_name=fit.data_name)


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
    native = settled(fit._products, native, design, reml)
    model = LinearMixedModel(design, fit._products, native, reml=reml, data_name=fit.data_name)
    model.warn_if_not_converged()
    return model
