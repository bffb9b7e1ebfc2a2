"""F and t tests of linear hypotheses, whichever method gives their degrees of freedom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.errors import ArgumentError
from partialpool.inference.fixed.independence import independent_rows
from partialpool.inference.fixed.units import Units
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
    if not isinstance(ddf, str) or ddf not in METHODS:
        raise ArgumentError(f"ddf must be one of {', '.join(map(repr, METHODS))}, not {ddf!r}")
    if ddf == "kenward-roger" and not fit.reml:
        raise ArgumentError(
            "Kenward-Roger's method is for REML fits and this fit is by ML; fit with reml=True"
        )
    return str(ddf)


def units_of(fit: LinearMixedModel) -> Units:
    """The units of a fit's fixed effects."""
    p = len(fit.beta)
    return Units.of(fit.sigma, np.diag(fit._native.unscaled_covariance.reshape(p, p)))


def scaled_covariance(fit: LinearMixedModel, units: Units) -> Array:
    """Covariance of the fixed effects in their units."""
    p = len(fit.beta)
    return units.covariance(fit._native.unscaled_covariance.reshape(p, p), fit.sigma)


def f_test(fit: LinearMixedModel, contrasts: Array, ddf: str, rhs: Array | float = 0.0) -> FTest:
    """Test L β = c from L, (q, p), and c, (q,); rows that say nothing new are left out."""
    units = units_of(fit)
    asked = units.contrasts(contrasts, fit.beta, rhs)
    if ddf == "satterthwaite":
        return fit.satterthwaite.f_test(asked)
    root = np.linalg.cholesky(scaled_covariance(fit, units))
    kept = asked.chosen(independent_rows(asked.rows @ root))
    if ddf == "kenward-roger":
        out = fit.kenward_roger.f_test(kept)
        return FTest(out.statistic, out.ndf, out.ddf, out.p_value, out.scaling)
    from scipy.stats import chi2

    half = kept.rows @ root
    root = np.linalg.cholesky(half @ half.T)
    wald = float(np.sum(np.linalg.solve(root, kept.difference) ** 2))
    q = len(kept.rows)
    return FTest(wald / q, q, float("inf"), float(chi2.sf(wald, q)))


def t_rows(fit: LinearMixedModel, contrasts: Array, rhs: Array, ddf: str) -> dict[str, Array]:
    """Each row by itself: ``estimate, std_error, df, statistic, p_value``, all (k,)."""
    from scipy.stats import t as student

    units = units_of(fit)
    asked = units.contrasts(contrasts, fit.beta, rhs)
    kenward_roger = ddf == "kenward-roger"
    vcov = fit.kenward_roger.scaled if kenward_roger else scaled_covariance(fit, units)
    std_error = np.sqrt(np.einsum("ki,ij,kj->k", asked.rows, vcov, asked.rows))
    if ddf == "asymptotic":
        df = np.full(len(contrasts), np.inf)
    else:
        method = fit.satterthwaite if ddf == "satterthwaite" else fit.kenward_roger
        df = np.array([method.df(row) for row in contrasts])
    statistic = asked.difference / std_error
    return {
        "estimate": asked.raw(asked.estimate, "estimate"),
        "std_error": asked.raw(std_error, "standard error"),
        "df": df,
        "statistic": statistic,
        "p_value": 2.0 * student.sf(np.abs(statistic), df),
    }
