"""Contrasts of fixed effects in units in which all their numbers are near one.

A coefficient's unit is a power of two near its standard error. In these units variances, their
products and their squares are ordinary numbers whatever the units of the response, the predictors
and the contrasts; and as powers of two lose no bit, nothing changes where they were ordinary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partialpool.errors import ArgumentError

Array = NDArray[np.float64]
Exponents = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Contrasts:
    """Rows L β = c, each in a unit of its own.

    Attributes
    ----------
    rows
        L in the coefficients' units, the largest entry of each of the q rows near one, (q, p).
    exponents
        The powers of two by which each row was divided, (q,).
    estimate, difference
        L b and L b - c, divided likewise, (q,).
    """

    rows: Array
    exponents: Exponents
    estimate: Array
    difference: Array

    def chosen(self, kept: list[int]) -> Contrasts:
        """Some of the rows."""
        return Contrasts(
            self.rows[kept], self.exponents[kept], self.estimate[kept], self.difference[kept]
        )

    def raw(self, values: Array, what: str) -> Array:
        """Numbers of the rows, (q,), as the data have them; NaN where there is none."""
        with np.errstate(over="ignore", under="ignore"):
            out = np.ldexp(values, self.exponents)
        if np.isinf(out).any() or np.any((out == 0.0) & (values != 0.0)):
            raise ArgumentError(
                f"the {what} of a contrast is beyond the range of numbers (1e-308 to 1e308);"
                " rescale the contrast or the data"
            )
        return out


@dataclass(frozen=True, eq=False)
class Units:
    """Powers of two near the standard errors of p coefficients: their exponents, (p,)."""

    exponents: Exponents

    @classmethod
    def of(cls, sigma: float, unscaled: Array) -> Units:
        """From σ and the diagonal of Cov(β̂) / σ², (p,)."""
        parts = np.frexp(np.sqrt(unscaled))[1].astype(np.int64)
        return cls(parts + int(np.frexp(sigma)[1]))

    def covariance(self, matrices: Array, sigma: float) -> Array:
        """Matrices of the kind of Cov(β̂) / σ², (..., p, p), times σ² in these units."""
        fraction, own = np.frexp(sigma)
        shift = 2 * int(own) - self.exponents[:, None] - self.exponents
        return np.ldexp(matrices, shift) * float(fraction) ** 2

    def raw(self, covariance: Array) -> Array:
        """A covariance in these units, (p, p), as the data's units have it."""
        return np.ldexp(covariance, self.exponents[:, None] + self.exponents)

    def rows(self, rows: Array) -> tuple[Array, Exponents]:
        """L, (q, p), in these units, and the exponents by which its rows were divided."""
        fraction, own = np.frexp(np.atleast_2d(rows))
        powers = own.astype(np.int64) + self.exponents
        # The size of a row of zeros is no matter; that of the others is their largest entry's.
        size = np.max(np.where(fraction == 0.0, np.iinfo(np.int32).min, powers), axis=1)
        size = np.where(np.any(fraction != 0.0, axis=1), size, 0)
        scaled = np.ldexp(fraction, np.clip(powers - size[:, None], -1100, 0))
        return scaled, size

    def contrasts(self, rows: Array, beta: Array, rhs: Array | float = 0.0) -> Contrasts:
        """L, (q, p), c and b, (p,), in these units."""
        scaled, size = self.rows(rows)
        estimate = scaled @ np.ldexp(beta, -self.exponents)
        constant = np.ldexp(np.broadcast_to(np.asarray(rhs, dtype=float), size.shape), -size)
        return Contrasts(scaled, size, estimate, estimate - constant)


def quadratic_forms(rows: Array, m: Array) -> Array:
    """lᵀMl for each row l of (k, p), by one product."""
    return np.sum((rows @ m) * rows, axis=1)
