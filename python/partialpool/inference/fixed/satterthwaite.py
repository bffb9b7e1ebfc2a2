"""Satterthwaite's degrees of freedom for contrasts of fixed effects.

Source: Kuznetsova, Brockhoff & Christensen (2017), J. Stat. Software 82(13); derivatives are
analytic here, numeric in lmerTest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from partialpool import _core
from partialpool.inference.results import FTest

#: lmerTest drops directions whose curvature is below this, in its parametrisation.
EIGENVALUE_TOLERANCE = 1e-8
#: Directions of a contrast matrix with less variance than this share of the largest are left out.
RANK_TOLERANCE = 2.0**-26
#: Degrees of freedom closer than this are taken as equal.
EQUAL_DF = 1e-8


@dataclass(frozen=True, eq=False)
class Satterthwaite:
    """What the method needs of a fit.

    Attributes
    ----------
    vcov
        Covariance of the p fixed effects, (p, p).
    jacobian
        Its derivatives in the m covariance parameters and σ, (m + 1, p, p).
    information
        Asymptotic covariance of those parameters, (m + 1, m + 1).
    """

    vcov: NDArray[np.float64]
    jacobian: NDArray[np.float64]
    information: NDArray[np.float64]

    def df(self, contrast: NDArray[np.float64]) -> float:
        """ν = 2 (lᵀVl)² / (gᵀAg), with g the gradient of lᵀVl, for one contrast l, (p,)."""
        return float(self.dfs(contrast[None, :])[0])

    def dfs(self, contrasts: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """ν of each row of L, (k, p); of each coefficient where L is None."""
        if contrasts is None:
            variance = np.diag(self.vcov)
            gradient = np.diagonal(self.jacobian, axis1=1, axis2=2)
        else:
            # a contrast has few coefficients, and there may be thousands
            used = np.flatnonzero(contrasts.any(axis=0))
            rows, block = contrasts[:, used], np.ix_(used, used)
            variance = quadratic_forms(rows, self.vcov[block])
            gradient = np.stack([quadratic_forms(rows, j[block]) for j in self.jacobian])
        spread = np.sum((self.information @ gradient) * gradient, axis=0)
        out = np.full(len(spread), np.inf)
        np.divide(2.0 * variance**2, spread, out=out, where=spread > 0)
        return out

    def f_test(self, contrasts: NDArray[np.float64], difference: NDArray[np.float64]) -> FTest:
        """Test L β = c from L, (q, p), and L b - c, (q,).

        L is turned to independent contrasts by the eigenvectors of L V Lᵀ; their degrees of
        freedom ν give that of F as 2E / (E - q) with E = Σ ν/(ν - 2), and 2 if any ν is not above
        2 (Kuznetsova et al. 2017, section 3.2).
        """
        from scipy.stats import f as fisher

        values, vectors = np.linalg.eigh(contrasts @ self.vcov @ contrasts.T)
        kept = values > max(RANK_TOLERANCE * float(values[-1]), 0.0)
        rotated = vectors[:, kept].T
        q = int(kept.sum())
        statistic = float(np.sum((rotated @ difference) ** 2 / values[kept])) / q
        ddf = joint_df(self.dfs(rotated @ contrasts))
        return FTest(statistic, q, ddf, float(fisher.sf(statistic, q, ddf)))


def quadratic_forms(rows: NDArray[np.float64], m: NDArray[np.float64]) -> NDArray[np.float64]:
    """lᵀMl for each row l of (k, p), by one product."""
    return np.sum((rows @ m) * rows, axis=1)


def joint_df(nu: NDArray[np.float64]) -> float:
    """Denominator degrees of freedom of F from those of its q independent contrasts."""
    if len(nu) == 1:
        return float(nu[0])
    if np.all(np.abs(np.diff(nu)) < EQUAL_DF):
        return float(np.mean(nu))
    if np.any(nu <= 2.0):
        return 2.0
    if np.all(np.isinf(nu)):
        return float("inf")
    excess = float(np.sum(2.0 / (nu - 2.0)))  # E - q, without its cancellation
    return 2.0 * (len(nu) + excess) / excess


def satterthwaite(native: _core.Fit, p: int) -> Satterthwaite:
    """The method's ingredients at a fit's optimum."""
    hessian, jacobian = native.satterthwaite()
    return ingredients(native.sigma, native.unscaled_covariance, hessian, jacobian, p)


def ingredients(
    sigma: float,
    unscaled_covariance: ArrayLike,
    hessian: ArrayLike,
    jacobian: Sequence[ArrayLike],
    p: int,
) -> Satterthwaite:
    """From σ, Cov(β̂) / σ², the deviance's Hessian and Cov(β̂)'s derivatives, all flat."""
    size = len(jacobian)
    values, vectors = np.linalg.eigh(np.reshape(hessian, (size, size)))
    positive = values > EIGENVALUE_TOLERANCE
    inverse = (vectors[:, positive] / values[positive]) @ vectors[:, positive].T
    vcov = sigma**2 * np.reshape(unscaled_covariance, (p, p))
    stacked = np.stack([np.reshape(j, (p, p)) for j in jacobian])
    return Satterthwaite(vcov=vcov, jacobian=stacked, information=2.0 * inverse)


def t_tests(
    estimate: NDArray[np.float64],
    method: Satterthwaite,
    rows: Sequence[NDArray[np.float64]] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """df, t and two-sided p of each coefficient (or of the contrasts given)."""
    from scipy.stats import t as student

    if rows is None:
        df, se = method.dfs(), np.diag(method.vcov) ** 0.5
        statistic = estimate / se
    else:
        contrasts = np.asarray(rows, dtype=np.float64).reshape(-1, len(estimate))
        df = method.dfs(contrasts)
        se = quadratic_forms(contrasts, method.vcov) ** 0.5
        statistic = contrasts @ estimate / se
    return df, statistic, 2.0 * student.sf(np.abs(statistic), df)
