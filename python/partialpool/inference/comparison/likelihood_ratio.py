"""Likelihood-ratio tests between fits: lme4's ``anova`` of several models."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.errors import ArgumentError
from partialpool.inference.comparison.comparable import Model, check_same_data
from partialpool.inference.comparison.nesting import (
    check_random_nested,
    restriction,
    same_fixed_part,
)
from partialpool.models.fit import Fit, MixedFit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """Likelihood-ratio tests between models in order of their parameters.

    Attributes
    ----------
    method
    notes
        That models were refitted by ML, and which.
    models, formulas
        Names and formulas, fewest parameters first.
    npar, aic, bic, loglik, deviance
        Figures of each model.
    statistic, df, p_value
        Against the model before; NaN in the first row.
    data_name
    """

    method: str
    notes: tuple[str, ...]
    models: tuple[str, ...]
    formulas: tuple[str, ...]
    npar: Array
    aic: Array
    bic: Array
    loglik: Array
    deviance: Array
    statistic: Array
    df: Array
    p_value: Array
    data_name: str | None = None

    def to_frame(self) -> pd.DataFrame:
        """``model, npar, aic, bic, loglik, deviance, statistic, df, p_value``."""
        import pandas as pd

        names = ("npar", "aic", "bic", "loglik", "deviance", "statistic", "df", "p_value")
        columns: dict[str, Any] = {name: getattr(self, name) for name in names}
        return pd.DataFrame({"model": list(self.models), **columns})

    def shown_columns(self) -> dict[str, Array]:
        """Columns under R's headers."""
        frame = self.to_frame()
        header = ["npar", "AIC", "BIC", "logLik", "deviance", "Chisq", "Df", "Pr(>Chisq)"]
        return {h: frame[c].to_numpy() for h, c in zip(header, frame.columns[1:], strict=True)}

    def __str__(self) -> str:
        from partialpool.tables.anova import anova_lines

        data = [] if self.data_name is None else [f"Data: {self.data_name}"]
        named = [f"{m}: {f}" for m, f in zip(self.models, self.formulas, strict=True)]
        lines = anova_lines(self.models, self.shown_columns())
        return "\n".join([*self.notes, *data, "Models:", *named, *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from partialpool.tables.anova import anova_cells
        from partialpool.tables.html import tables_html

        lines = [] if self.data_name is None else [("Data:", self.data_name)]
        lines += [(f"{m}:", f) for m, f in zip(self.models, self.formulas, strict=True)]
        cells = anova_cells(self.models, self.shown_columns())
        return tables_html(self.method, [("", cells)], lines=lines, notes=self.notes)


def anova(*models: Model, refit: bool = True) -> ModelComparison:
    """Compare nested models by likelihood-ratio tests.

    Parameters
    ----------
    *models
        Fits of `lmer` and `lm` to the same rows and response, in any order: they are sorted by
        number of parameters, and each is tested against the one before.
    refit
        Refit REML fits by maximum likelihood first (and say so). With False the likelihoods are
        compared as they are; restricted ones only between equal fixed parts.

    Raises
    ------
    ArgumentError
        For models of different rows or responses, models that are not nested, and restricted
        likelihoods that do not compare.
    """
    if len(models) == 1 and isinstance(models[0], list | tuple):
        raise ArgumentError("pp.anova takes the fits one after another: pp.anova(small, large)")
    if len(models) < 2:
        raise ArgumentError(
            "pp.anova compares at least two fits; the terms of one are tested by fit.anova() (lmer)"
            " or pp.aov(formula, data) (least squares)"
        )
    for model in models:
        if not isinstance(model, Fit):
            raise ArgumentError(
                f"pp.anova compares fits of pp.lmer and pp.lm, not {type(model).__name__}"
            )
    check_same_data(models)
    labels = _labels(models, sys._getframe(1).f_locals)
    restricted = [m.reml for m in models]
    if not refit and any(restricted):
        _check_restricted(models, restricted)
    order = sorted(range(len(models)), key=lambda i: models[i].npar)
    ordered = [models[i] for i in order]
    for small, large in pairwise(ordered):
        _check_nested(large, small)
    by_ml = refit or not any(restricted)
    loglik = np.array([m.ml_loglik if by_ml else m.loglik for m in ordered])
    notes = ()
    if refit and any(restricted):
        refitted = [labels[i] for i in order if restricted[i]]
        notes = (f"refitted by ML instead of REML: {', '.join(refitted)}",)
    npar = np.array([float(m.npar) for m in ordered])
    nobs = ordered[0].nobs
    statistic, df, p_value = _tests(loglik, npar - [open_parameters(m) for m in ordered])
    return ModelComparison(
        method="Likelihood-ratio tests" + ("" if by_ml else " by restricted likelihood"),
        notes=notes,
        models=tuple(labels[i] for i in order),
        formulas=tuple(m.formula for m in ordered),
        npar=npar,
        aic=-2 * loglik + 2 * npar,
        bic=-2 * loglik + np.log(nobs) * npar,
        loglik=loglik,
        deviance=-2 * loglik,
        statistic=statistic,
        df=df,
        p_value=p_value,
        data_name=next((m.data_name for m in ordered if isinstance(m, MixedFit)), None),
    )


def _tests(loglik: np.ndarray, npar: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from scipy.stats import chi2

    nan = np.array([np.nan])
    statistic = 2 * np.maximum(np.diff(loglik), 0.0)
    df = np.diff(npar)
    p_value = np.where(df > 0, chi2.sf(statistic, np.maximum(df, 1.0)), np.nan)
    return tuple(np.concatenate([nan, v]) for v in (statistic, df, p_value))  # type: ignore[return-value]


def open_parameters(model: Model) -> int:
    """Parameters that the data do not determine: they are no degrees of freedom."""
    return len(model.identification.directions) if isinstance(model, MixedFit) else 0


def _check_restricted(models: Sequence[Model], restricted: Sequence[bool]) -> None:
    if not all(restricted):
        other = models[list(restricted).index(False)]
        raise ArgumentError(
            f"`{other.formula}` was not fitted by REML and others were: their likelihoods do not"
            " compare; use refit=True"
        )
    for model in models[1:]:
        if not same_fixed_part(models[0], model):
            raise ArgumentError(
                f"`{models[0].formula}` and `{model.formula}` differ in their fixed parts, and"
                " restricted likelihoods of different fixed parts are of different data (the"
                " residuals of each); use refit=True to compare them by ML"
            )


def _check_nested(large: Model, small: Model) -> None:
    """Refuse pairs whose likelihood ratio has no χ² distribution."""
    check_random_nested(large, small)
    restriction(large, small)


def _labels(models: Sequence[Model], names: Mapping[str, object]) -> list[str]:
    """What the caller calls each model, else model 1, model 2, …"""
    found = [
        next((n for n, v in names.items() if v is m and not n.startswith("_")), None)
        for m in models
    ]
    unique = len(set(found)) == len(found) and None not in found
    return [n if unique and n else f"model {i}" for i, n in enumerate(found, start=1)]
