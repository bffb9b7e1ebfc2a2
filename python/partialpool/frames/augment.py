"""The rows of a fit, or new ones, with what the model says of each: broom.mixed's ``augment``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import NewLevels
from partialpool.design import Design, Frame
from partialpool.design.reading import predictor_columns
from partialpool.errors import ArgumentError
from partialpool.formula import evaluate, variables

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

Vector = NDArray[np.float64]


def augment(fit: MixedFit, new: Any, new_levels: NewLevels, prefix: str) -> Any:
    """See `LinearMixedModel.augment`."""
    if not isinstance(prefix, str):
        raise ArgumentError(f"prefix must be text, not {prefix!r}")
    if new is not None:
        frame = Frame(new)
        return augmented(new, None, None, prefixed(_new_columns(fit, frame, new_levels), prefix))
    design = fit.design.with_rows()
    if design.source is None:
        raise ArgumentError("this fit has no data at hand; give them: fit.augment(frame)")
    columns = prefixed(fitted_columns(fit), prefix)
    return augmented(design.source, source_columns(design), design.rows, columns)


def source_columns(design: Design) -> tuple[str, ...]:
    """The columns of `design.source` that the model uses, the response's first."""
    old = variables(design.formula.response)
    if design.replaced is None:
        return design.formula.variables
    used = predictor_columns(design.formula)
    rest = [v for v in design.formula.variables if v not in old or v in used]
    return tuple(dict.fromkeys((*design.response_columns, *rest)))


def fitted_columns(fit: MixedFit) -> dict[str, Vector]:
    """What is stated of each row used, by broom.mixed's names."""
    design = fit.design.with_rows()
    n = fit.nobs
    fitted, resid, hat = fit.fitted, fit.residuals(), fit.hatvalues
    weights = np.ones(n) if design.weights is None else design.weights
    root = np.sqrt(weights)
    return {
        "fitted": fitted,
        "resid": resid,
        "hat": hat,
        "cooksd": hat_cooks_distance(resid * root / fit.sigma, hat, len(fit.beta)),
        "fixed": fit.predict(random="none"),
        "mu": fitted,
        "offset": np.zeros(n) if design.offset is None else np.asarray(design.offset),
        "sqrt_xwt": root,
        "sqrt_rwt": root,
        "weights": weights,
        "wtres": resid * root,
    }


def hat_cooks_distance(scaled: Vector, hat: Vector, p: int) -> Vector:
    """Cook's distance from scaled residuals and leverages (lme4's ``cooks.distance``).

    It judges what a row does to the fitted values, random effects included; what deleting rows
    does to the fixed effects is `LinearMixedModel.influence`.
    """
    if p == 0:
        return np.full(len(hat), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        out = (scaled / (1 - hat)) ** 2 * hat / p
    return np.where(np.isinf(out), np.nan, out)


def _new_columns(fit: MixedFit, frame: Frame, new_levels: NewLevels) -> dict[str, Vector]:
    design = fit.design
    fitted = fit.predict(frame, new_levels=new_levels)
    out = {"fitted": fitted}
    y = response_of(design, frame)
    if y is not None:
        out["resid"] = y - fitted
    out["fixed"] = fit.predict(frame, random="none")
    return out


def response_of(design: Design, frame: Frame) -> Vector | None:
    """The response of new data, where they have it."""
    names = variables(design.formula.response)
    if not all(name in frame and frame.is_numeric(name) for name in names):
        return None
    return evaluate(design.formula.response, {v: frame.numeric(v) for v in names})


def prefixed(columns: dict[str, Vector], prefix: str) -> dict[str, Vector]:
    return {prefix + name: values for name, values in columns.items()}


def augmented(
    source: Any, names: Sequence[str] | None, rows: Any, columns: Mapping[str, Vector]
) -> Any:
    """Some columns and rows of the user's table with ours beside them, in its own kind.

    Raises
    ------
    ArgumentError
        If the table has a column of one of our names.
    """
    frame = Frame(source)
    kept = [str(c) for c in frame.names] if names is None else list(names)
    for name in columns:
        if name in kept:
            raise ArgumentError(
                f"the data have a column {name!r} already; give ours a prefix: augment(prefix='.')"
            )
    if frame.kind == "pandas":
        import pandas as pd

        if isinstance(source, Mapping):
            table = frame.to_pandas(kept)
        else:
            table = source.loc[:, kept] if names is not None else source
        table = table if rows is None else table.iloc[rows]
        # As series that share the arrays: `assign` would copy plain arrays.
        index = table.index
        return table.assign(
            **{k: pd.Series(v, index=index, copy=False) for k, v in columns.items()}
        )
    import narwhals as nw

    table = nw.from_native(source, eager_only=True).select(kept)
    if rows is not None:
        table = table[rows.tolist()]
    ours = [
        nw.new_series(name, values, backend=table.implementation)
        for name, values in columns.items()
    ]
    unknown = [nw.col(name).fill_nan(None) for name in columns]
    return nw.to_native(table.with_columns(*ours).with_columns(*unknown))
