"""Fits as models of the `marginaleffects` package (version 0.6): its adapter interface, answered.

What it sees is the fixed part, with the covariance of the fixed effects; its df are infinite or
what the caller gives it, for its interface has no place for df by contrast. Tried with
marginaleffects 0.6.0 and polars 1.x; that version itself fails with polars 2 (``is_in`` of floats).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from partialpool.arguments import Ddf
from partialpool.design import Frame
from partialpool.errors import ArgumentError
from partialpool.inference.fixed.fixed_part import FixedPart, fixed_part


def marginaleffects_model(fit: Any, *, ddf: Ddf = "satterthwaite") -> Any:
    """A fit for `marginaleffects`: ``predictions(pp.marginaleffects_model(fit), by="recipe")``.

    Parameters
    ----------
    fit
        A fit by `lmer` or `lm`.
    ddf
        "kenward-roger" gives its adjusted covariance of the fixed effects.

    Returns
    -------
    marginaleffects' ModelAbstract
        Predictions are of the population: random effects are zero.

    Raises
    ------
    ArgumentError
        If marginaleffects is not installed, or the fit has no data at hand.
    """
    try:
        from marginaleffects.classes import (  # pyright: ignore[reportMissingImports]
            ModelAbstract,
            ModelVault,
        )
    except ImportError:
        raise ArgumentError(
            "the package marginaleffects (0.6 or later) is not installed; pip install"
            " marginaleffects"
        ) from None
    import polars as pl

    part = fixed_part(fit, ddf)
    design = part.design
    if design.source is None:
        raise ArgumentError("this fit has no data at hand; fit it again to use marginaleffects")
    names = tuple(dict.fromkeys((*design.response_columns, *design.fixed.variables)))

    hidden = part.hidden(np.eye(len(part.beta)))
    known = np.where(hidden[:, None] | hidden, np.nan, part.vcov)

    class PartialPoolModel(ModelAbstract):
        """The fixed part of a fit."""

        def get_vcov(self, vcov: Any = True) -> Any:
            if vcov is True:
                return known
            if vcov is False or vcov is None:
                return None
            raise ArgumentError(
                f"vcov={vcov!r} is not offered; choose the covariance by ddf= of"
                " marginaleffects_model"
            )

        def get_exog(self, newdata: Any) -> Any:
            return exogenous(part, newdata)

        def get_predict(self, params: Any, newdata: Any) -> Any:
            x = newdata if isinstance(newdata, np.ndarray) else self.get_exog(newdata)
            estimate = x @ np.asarray(params, dtype=np.float64)
            rows = np.arange(len(estimate), dtype=np.int32)
            return pl.DataFrame({"rowid": rows, "estimate": estimate})

    vault = ModelVault(
        coef=part.beta,
        coefnames=np.array([design.fixed.names[i] for i in part.kept]),
        formula=f"{design.formula.response_name} ~ {design.formula.fixed}",
        modeldata=model_data(part, names),
        package="partialpool",
        vcov=known,
        variable_names=list(names),
    )
    return PartialPoolModel(fit, vault)


def exogenous(part: FixedPart, newdata: Any) -> Any:
    """Rows of the model matrix from a polars frame, estimated columns only, (m, p)."""
    levels = part.design.fixed.levels
    table: dict[str, Any] = {"__rows__": np.zeros(len(newdata))}
    for name in part.design.fixed.variables:
        values = newdata[name].to_list()
        if name in levels:
            # marginaleffects sees the texts of the levels
            by_text = {str(v): v for v in levels[name]}
            values = [by_text.get(str(v), v) for v in values]
        table[name] = np.array(values, dtype=object if name in levels else np.float64)
    columns = part.design.fixed.of(Frame(table))
    out = np.empty((len(newdata), len(part.kept)))
    for j, i in enumerate(part.kept):
        out[:, j] = columns[i]
    return out


def model_data(part: FixedPart, names: tuple[str, ...]) -> Any:
    """The rows used as a polars frame; factors as Enum in the order of their levels."""
    import polars as pl

    design = part.design
    frame = Frame(design.source)
    levels = design.fixed.levels
    columns: dict[str, Any] = {}
    for name in names:
        if name in levels:
            coded = frame.coded(name)
            texts = [None if c < 0 else str(coded.levels[c]) for c in coded.codes.tolist()]
            columns[name] = pl.Series(name, texts, dtype=pl.Enum([str(v) for v in levels[name]]))
        else:
            columns[name] = pl.Series(name, frame.numeric(name))
    table = pl.DataFrame(columns)
    return table if design.rows is None else table[design.rows.tolist()]
