"""The summary of a fit: plain data, printed in the layout of lme4 and lmerTest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True)
class VarianceRow:
    """One standard deviation of a random-effects term, or the residual one.

    Attributes
    ----------
    group : str
        Grouping factor; ``"Residual"`` for the residual.
    name : str
        Column of the term, ``"Intercept"`` for its intercept; ``""`` for the residual.
    variance, sd : float
        In squared units and units of the response (of the linear predictor).
    correlations : tuple of float
        With the earlier columns of the term; ``()`` starts a new term.
    parameters : tuple of str
        Names of the standard deviation and of the correlations; ``()`` where they have none.
    """

    group: str
    name: str
    variance: float
    sd: float
    correlations: tuple[float, ...] = ()
    parameters: tuple[str, ...] = ()

    def parameter(self, place: int = 0) -> str:
        """Name of the standard deviation, or from 1 on of a correlation; "" where it has none."""
        return self.parameters[place] if self.parameters else ""


@dataclass(frozen=True, eq=False)
class Summary:
    """What is reported of a fit.

    Attributes
    ----------
    title : str
        Model and method, as ``"Linear mixed model fit by REML. t-tests use Satterthwaite's
        method"``. Further lines are printed as they are.
    formula : str
    data_name, weights, offset : str or None
        As the user called them; lines of None are left out.
    criterion : mapping of str to float
        ``{"REML criterion": ...}``, or a row of criteria (AIC, BIC, logLik, deviance, df.resid).
    residual_quantiles : tuple of five float
        Minimum, quartiles and maximum of the scaled residuals.
    variance_rows : tuple of VarianceRow
    nobs : int
        Rows used.
    ngroups : mapping of str to int
        Levels of each grouping factor.
    dropped : int
        Rows left out because of missing values.
    terms : tuple of str
        Names of the p fixed effects, ``"Intercept"`` for the intercept.
    estimate, std_error, statistic : ndarray, shape (p,)
    df, p_value : ndarray, shape (p,), or None
    statistic_name : str
        ``"t value"`` or ``"z value"``.
    correlation : ndarray, shape (p, p)
        Correlation of the fixed effects.
    notes : tuple of str
        A sentence each: dropped columns, a singular fit, convergence.
    """

    title: str
    formula: str
    data_name: str | None
    criterion: Mapping[str, float]
    residual_quantiles: tuple[float, float, float, float, float]
    variance_rows: tuple[VarianceRow, ...]
    nobs: int
    ngroups: Mapping[str, int]
    terms: tuple[str, ...]
    estimate: np.ndarray
    std_error: np.ndarray
    statistic: np.ndarray
    df: np.ndarray | None
    p_value: np.ndarray | None
    correlation: np.ndarray
    dropped: int = 0
    weights: str | None = None
    offset: str | None = None
    statistic_name: str = "t value"
    notes: tuple[str, ...] = ()

    @property
    def coefficients(self) -> DataFrame:
        """Fixed effects: ``term, estimate, std_error, df, statistic, p_value``.

        `df` and `p_value` are NaN where the summary was made without tests.
        """
        from pandas import DataFrame

        missing = np.full(len(self.terms), np.nan)
        return DataFrame(
            {
                "term": list(self.terms),
                "estimate": self.estimate,
                "std_error": self.std_error,
                "df": missing if self.df is None else self.df,
                "statistic": self.statistic,
                "p_value": missing if self.p_value is None else self.p_value,
            }
        )

    @property
    def varcorr(self) -> DataFrame:
        """Variances and covariances, as lme4's ``as.data.frame(VarCorr(fit))``.

        Columns ``grp, var1, var2, vcov, sdcor``: of each term its variances with standard
        deviations, then its covariances with correlations; the residual last. `var2` is None
        for a variance, both are None for the residual. ``parameter`` is the name of `sdcor`.
        """
        return varcorr_frame(self.variance_rows)

    def __str__(self) -> str:
        from partialpool.models.summary_text import summary_text

        return summary_text(self)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from partialpool.models.summary_html import summary_html

        return summary_html(self)


def by_term(rows: Sequence[VarianceRow]) -> list[list[VarianceRow]]:
    """Split rows into terms: one begins at each row without correlations."""
    terms: list[list[VarianceRow]] = []
    for row in rows:
        if row.correlations:
            terms[-1].append(row)
        else:
            terms.append([row])
    return terms


def varcorr_frame(variance_rows: Sequence[VarianceRow]) -> DataFrame:
    """See `Summary.varcorr`."""
    from pandas import DataFrame

    rows: list[tuple[str, str | None, str | None, float, float, str | None]] = []
    for term in by_term(variance_rows):
        rows += [
            (r.group, r.name or None, None, r.variance, r.sd, r.parameter() or None) for r in term
        ]
        for j, first in enumerate(term):
            for second in term[j + 1 :]:
                rho = second.correlations[j]
                sds = first.sd * second.sd
                covariance, name = rho * sds if sds else 0.0, second.parameter(1 + j) or None
                rows.append((first.group, first.name, second.name, covariance, rho, name))
    # object columns, so that what is missing stays None
    columns = ["grp", "var1", "var2", "vcov", "sdcor", "parameter"]
    frame = DataFrame(rows, columns=columns, dtype=object)
    return frame.astype({"vcov": float, "sdcor": float})
