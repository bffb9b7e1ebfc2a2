"""F and t tests of linear hypotheses, whichever method gives their degrees of freedom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import check_choice
from partialpool.errors import ArgumentError
from partialpool.inference.fixed.independence import independent_rows
from partialpool.inference.fixed.satterthwaite import quadratic_forms
from partialpool.inference.results import FTest

if TYPE_CHECKING:
    from partialpool.models.linear_mixed import LinearMixedModel

Array = NDArray[np.float64]

#: How each choice of `ddf` is called in a heading.
METHODS = {
    "satterthwaite": "Satterthwaite's method",
    "kenward-roger": "Kenward-Roger's method",
    "asymptotic": "asymptotic tests",
}


def check_ddf(fit: LinearMixedModel, ddf: Any) -> str:
    """Refuse methods that are not offered, or not for this fit."""
    ddf = check_choice(ddf, "ddf", METHODS)
    if ddf == "kenward-roger" and not fit.reml:
        raise ArgumentError(
            "Kenward-Roger's method is for REML fits and this fit is by ML; fit with reml=True"
        )
    return ddf


def f_test(fit: LinearMixedModel, contrasts: Array, difference: Array, ddf: str) -> FTest:
    """Test L β = c from L, (q, p), and L b - c, (q,); rows that say nothing new are left out."""
    if ddf == "satterthwaite":
        return fit.satterthwaite.f_test(contrasts, difference)
    if ddf == "kenward-roger":
        kept = _independent(fit, contrasts)
        out = fit.kenward_roger.f_test(contrasts[kept], difference[kept])
        return FTest(out.statistic, out.ndf, out.ddf, out.p_value, out.scaling)
    from scipy.stats import chi2

    kept = _independent(fit, contrasts)
    rows = contrasts[kept]
    if fit.undetermined(rows).any():
        return FTest(np.nan, len(kept), np.nan, np.nan)
    root = np.linalg.cholesky(rows @ fit.covariance @ rows.T)
    wald = float(np.sum(np.linalg.solve(root, difference[kept]) ** 2))
    q = len(kept)
    return FTest(wald / q, q, float("inf"), float(chi2.sf(wald, q)))


def t_rows(fit: LinearMixedModel, contrasts: Array, rhs: Array, ddf: str) -> dict[str, Array]:
    """Each row by itself: ``estimate, std_error, df, statistic, p_value``, all (k,)."""
    from scipy.stats import t as student

    vcov = fit.kenward_roger.adjusted if ddf == "kenward-roger" else fit.covariance
    estimate = contrasts @ fit.beta
    std_error = np.sqrt(quadratic_forms(contrasts, vcov))
    if ddf == "asymptotic":
        df = np.full(len(contrasts), np.inf)
    else:
        method = fit.satterthwaite if ddf == "satterthwaite" else fit.kenward_roger
        df = np.array([method.df(row) for row in contrasts])
    hidden = fit.undetermined(contrasts)
    std_error, df = np.where(hidden, np.nan, std_error), np.where(hidden, np.nan, df)
    statistic = (estimate - rhs) / std_error
    return {
        "estimate": estimate,
        "std_error": std_error,
        "df": df,
        "statistic": statistic,
        "p_value": 2.0 * student.sf(np.abs(statistic), df),
    }


def _independent(fit: LinearMixedModel, contrasts: Array) -> list[int]:
    """Rows of L that add to the earlier ones, seen in the metric of the covariance."""
    return independent_rows(contrasts @ np.linalg.cholesky(fit.covariance))
