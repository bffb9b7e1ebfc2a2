"""Satterthwaite's degrees of freedom for contrasts of fixed effects.

Source: Kuznetsova, Brockhoff & Christensen (2017), J. Stat. Software 82(13); derivatives are
analytic here, numeric in lmerTest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from partialpool import _core
from partialpool.inference.fixed.f_statistic import FTest
from partialpool.inference.fixed.open_contrasts import OpenContrasts
from partialpool.inference.fixed.tails import f_tail
from partialpool.inference.fixed.units import Contrasts, Units, quadratic_forms

#: lmerTest drops directions whose curvature is below this, in its parametrisation.
EIGENVALUE_TOLERANCE = 1e-8
#: Directions of a contrast matrix with less variance than this share of the largest are left out.
RANK_TOLERANCE = 2.0**-26
#: Of a model that is not identified: curvature of a parameter over the largest, and eigenvalues of
#: the Hessian with unit diagonal, that are zero.
NULL_CURVATURE, NULL_EIGENVALUE = 1e-9, 1e-6
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
    open_contrasts
        Contrasts that the data do not determine; None if there are none.
    """

    units: Units
    vcov: NDArray[np.float64]
    jacobian: NDArray[np.float64]
    information: NDArray[np.float64]
    open_contrasts: OpenContrasts | None = None

    def df(self, contrast: NDArray[np.float64]) -> float:
        """ν = 2 (lᵀVl)² / (gᵀAg), with g the gradient of lᵀVl, for one contrast l, (p,)."""
        return float(self.dfs(contrast[None, :])[0])

    def dfs(self, contrasts: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """ν of each row of L, (k, p); of each coefficient where L is None.

        NaN for a contrast that the data do not determine.
        """
        return self._dfs(None if contrasts is None else self.units.rows(contrasts)[0])

    def _dfs(self, contrasts: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """The same for contrasts in the units of the coefficients."""
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
        if self.open_contrasts is not None:
            rows = np.eye(len(self.vcov)) if contrasts is None else contrasts
            out[self.open_contrasts.rows(rows)] = np.nan
        return out

    def f_test(self, contrasts: Contrasts) -> FTest:
        """Test L β = c.

        L is turned to independent contrasts by the eigenvectors of L V Lᵀ; their degrees of
        freedom ν give that of F as 2E / (E - q) with E = Σ ν/(ν - 2), and 2 if any ν is not above
        2 (Kuznetsova et al. 2017, section 3.2).
        """
        rows, difference = self._independent(contrasts)
        q = len(rows)
        if self.open_contrasts is not None and self.open_contrasts.together(contrasts.rows):
            return FTest(np.nan, q, np.nan, np.nan)
        statistic = float(np.sum(difference**2 / quadratic_forms(rows, self.vcov))) / q
        ddf = joint_df(self._dfs(rows))
        return FTest(statistic, q, ddf, float(f_tail(statistic, q, ddf)))

    def _independent(self, contrasts: Contrasts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Uncorrelated combinations of the rows, and their values.

        Eigenvectors in the rows' own sizes, as lmerTest has them. Rows whose variance is too small
        beside the largest to be told from rounding are not dropped for that (a coefficient's unit
        would decide): they follow in a further pass, less what the others say of them.
        """
        rows, difference, exponents = contrasts.rows, contrasts.difference, contrasts.exponents
        found: list[tuple[NDArray[np.float64], float]] = []
        while len(rows):
            # Within a pass, nothing is lost that counts beside the largest row.
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
        before = quadratic_forms(rows, self.vcov)
        for _ in range(2):  # once more, for independence to working precision
            for row, value in found:
                along = rows @ self.vcov @ row / float(row @ self.vcov @ row)
                rows, difference = rows - np.outer(along, row), difference - along * value
        after = quadratic_forms(rows, self.vcov)
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


def satterthwaite(
    native: _core.Fit, p: int, open_contrasts: OpenContrasts | None = None, *, complete: bool = True
) -> Satterthwaite:
    """The method's ingredients at a fit's optimum.

    Parameters
    ----------
    open_contrasts
        Contrasts that the data do not determine.
    complete
        Whether the data determine every parameter: if not, directions without curvature are told
        from others by relative size.
    """
    hessian, jacobian = native.satterthwaite()
    out = ingredients(native.sigma, native.unscaled_covariance, hessian, jacobian, p)
    if complete:
        return out
    information = _without_null(np.reshape(hessian, (len(jacobian), -1)))
    return replace(out, information=information, open_contrasts=open_contrasts)


def _without_null(hessian: NDArray[np.float64]) -> NDArray[np.float64]:
    """Twice the pseudo-inverse of a Hessian that has exact null directions."""
    diagonal = np.diag(hessian)
    seen = diagonal > NULL_CURVATURE * diagonal.max()
    size = np.where(seen, 1.0 / np.sqrt(np.where(seen, diagonal, 1.0)), 0.0)
    values, vectors = np.linalg.eigh(hessian * np.outer(size, size))
    kept = values > NULL_EIGENVALUE
    half = size[:, None] * vectors[:, kept]
    return 2.0 * (half / values[kept]) @ half.T


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
