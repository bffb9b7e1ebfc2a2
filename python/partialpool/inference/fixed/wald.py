"""F and t tests of linear hypotheses, whichever method gives their degrees of freedom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import DDF, Ddf, check_choice
from partialpool.errors import ArgumentError
from partialpool.inference.fixed.f_statistic import FTest
from partialpool.inference.fixed.independence import independent_rows
from partialpool.inference.fixed.units import Units, quadratic_forms

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

Array = NDArray[np.float64]

#: How each choice of `ddf` is called in a heading.
METHODS: dict[Ddf, str] = {
    "satterthwaite": "Satterthwaite's method",
    "kenward-roger": "Kenward-Roger's method",
    "asymptotic": "asymptotic tests",
}


def check_ddf(fit: MixedFit, ddf: Any) -> Ddf:
    """Refuse methods that are not offered, or not for this fit."""
    ddf = check_choice(ddf, "ddf", DDF)
    if ddf == "kenward-roger" and not fit.reml:
        raise ArgumentError(
            "Kenward-Roger's method is for REML fits and this fit is by ML; fit with reml=True"
        )
    return ddf


def units_of(fit: MixedFit) -> Units:
    """The units of a fit's fixed effects."""
    return Units.of(fit.sigma, np.diag(fit.unscaled_covariance))


def scaled_covariance(fit: MixedFit, units: Units) -> Array:
    """Covariance of the fixed effects in their units."""
    return units.covariance(fit.unscaled_covariance, fit.sigma)


def f_test(fit: MixedFit, contrasts: Array, ddf: Ddf, rhs: Array | float = 0.0) -> FTest:
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

    found = None if fit.is_identified else fit.open_contrasts
    if found is not None and found.rows(kept.rows).any():
        return FTest(np.nan, len(kept.rows), np.nan, np.nan)
    half = kept.rows @ root
    root = np.linalg.cholesky(half @ half.T)
    wald = float(np.sum(np.linalg.solve(root, kept.difference) ** 2))
    q = len(kept.rows)
    return FTest(wald / q, q, float("inf"), float(chi2.sf(wald, q)))


def t_rows(
    fit: MixedFit, contrasts: Array | None, rhs: Array | float, ddf: Ddf
) -> dict[str, Array]:
    """Each row by itself: ``estimate, std_error, df, statistic, p_value``, all (k,).

    Each coefficient where there are no contrasts. NaN where the data leave a contrast open.
    """
    from scipy.stats import t as student

    units = units_of(fit)
    lines = np.eye(len(fit.beta)) if contrasts is None else contrasts
    asked = units.contrasts(lines, fit.beta, rhs)
    kenward_roger = ddf == "kenward-roger"
    vcov = fit.kenward_roger.scaled if kenward_roger else scaled_covariance(fit, units)
    std_error = np.sqrt(
        np.diag(asked.rows) ** 2 * np.diag(vcov)
        if contrasts is None
        else quadratic_forms(asked.rows, vcov)
    )
    if ddf == "asymptotic":
        df = np.full(len(lines), np.inf)
    elif ddf == "satterthwaite":
        df = fit.satterthwaite.dfs(contrasts)
    else:
        df = np.array([fit.kenward_roger.df(row) for row in lines])
    hidden = fit.undetermined(lines)
    std_error, df = np.where(hidden, np.nan, std_error), np.where(hidden, np.nan, df)
    statistic = asked.difference / std_error
    return {
        "estimate": asked.raw(asked.estimate, "estimate"),
        "std_error": asked.raw(std_error, "standard error"),
        "df": df,
        "statistic": statistic,
        "p_value": 2.0 * student.sf(np.abs(statistic), df),
    }
