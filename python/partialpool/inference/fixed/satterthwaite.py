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
from partialpool.inference.fixed.units import Contrasts, Units
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
    units
        The unit of each of the p fixed effects, in which the matrices are.
    vcov
        Covariance of the fixed effects, (p, p).
    jacobian
        Its derivatives in the m covariance parameters and log σ, (m + 1, p, p).
    information
        Asymptotic covariance of those parameters, (m + 1, m + 1).
    """

    units: Units
    vcov: NDArray[np.float64]
    jacobian: NDArray[np.float64]
    information: NDArray[np.float64]

    def df(self, contrast: NDArray[np.float64]) -> float:
        """ν = 2 (lᵀVl)² / (gᵀAg), with g the gradient of lᵀVl, for one contrast l, (p,)."""
        return self._df(self.units.contrasts(contrast, np.zeros(len(contrast))).rows[0])

    def _df(self, contrast: NDArray[np.float64]) -> float:
        """The same for a contrast in the units of the coefficients."""
        variance = float(contrast @ self.vcov @ contrast)
        gradient = np.einsum("i,rij,j->r", contrast, self.jacobian, contrast)
        spread = float(gradient @ self.information @ gradient)
        return 2.0 * variance**2 / spread if spread > 0 else float("inf")

    def f_test(self, contrasts: Contrasts) -> FTest:
        """Test L β = c.

        L is turned to independent contrasts by the eigenvectors of L V Lᵀ; their degrees of
        freedom ν give that of F as 2E / (E - q) with E = Σ ν/(ν - 2), and 2 if any ν is not above
        2 (Kuznetsova et al. 2017, section 3.2).
        """
        from scipy.stats import f as fisher

        rows, difference = self._independent(contrasts)
        q = len(rows)
        variance = np.einsum("ij,jk,ik->i", rows, self.vcov, rows)
        statistic = float(np.sum(difference**2 / variance)) / q
        ddf = joint_df(np.array([self._df(row) for row in rows]))
        return FTest(statistic, q, ddf, float(fisher.sf(statistic, q, ddf)))

    def _independent(self, contrasts: Contrasts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Uncorrelated combinations of the rows, and their values.

        Eigenvectors in the rows' own sizes, as lmerTest has them. Rows whose variance is too small
        beside the largest to be told from rounding are not dropped for that (a coefficient's unit
        would decide): they follow in a further pass, less what the others say of them.
        """
        rows, difference, exponents = contrasts.rows, contrasts.difference, contrasts.exponents
        found: list[tuple[NDArray[np.float64], float]] = []
        while len(rows):
            # Of rows within a pass, nothing is lost that counts beside the largest.
            relative = np.ldexp(1.0, np.maximum(exponents - exponents.max(), -500))
            sized, values_of = rows * relative[:, None], difference * relative
            values, vectors = np.linalg.eigh(sized @ self.vcov @ sized.T)
            kept = values > max(RANK_TOLERANCE * float(values[-1]), 0.0)
            turn = vectors[:, kept].T
            found += zip(turn @ sized, (turn @ values_of).tolist(), strict=True)
            if kept.all():
                break
            rows, difference, left = self._without(rows, difference, found)
            exponents = exponents[left]
        return np.array([row for row, _ in found]), np.array([value for _, value in found])

    def _without(
        self,
        rows: NDArray[np.float64],
        difference: NDArray[np.float64],
        found: list[tuple[NDArray[np.float64], float]],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Rows less their regression on what was found, and which of them that leaves."""
        before = np.einsum("ij,jk,ik->i", rows, self.vcov, rows)
        for _ in range(2):  # once more, for independence to working precision
            for row, value in found:
                along = rows @ self.vcov @ row / float(row @ self.vcov @ row)
                rows, difference = rows - np.outer(along, row), difference - along * value
        after = np.einsum("ij,jk,ik->i", rows, self.vcov, rows)
        left = after > RANK_TOLERANCE * before
        return rows[left], difference[left], left


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
    """From σ, Cov(β̂) / σ², the deviance's Hessian in the m covariance parameters and log σ, and the
    derivatives of Cov(β̂) in these over σ², all flat."""
    size = len(jacobian)
    values, vectors = np.linalg.eigh(np.reshape(hessian, (size, size)))
    positive = values > EIGENVALUE_TOLERANCE
    inverse = (vectors[:, positive] / values[positive]) @ vectors[:, positive].T
    unscaled = np.reshape(unscaled_covariance, (p, p))
    units = Units.of(sigma, np.diag(unscaled))
    stacked = np.stack([np.reshape(j, (p, p)) for j in jacobian])
    return Satterthwaite(
        units=units,
        vcov=units.covariance(unscaled, sigma),
        jacobian=units.covariance(stacked, sigma),
        information=2.0 * inverse,
    )
