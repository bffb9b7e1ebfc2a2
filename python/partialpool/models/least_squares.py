"""Least squares by QR, whatever the units of the columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partialpool.design import Design
from partialpool.design.columns import dense
from partialpool.errors import DesignError
from partialpool.models.representable import check_coefficients, check_residual

Vector = NDArray[np.float64]

#: R's tolerance of `lm` for a column that the earlier ones determine.
ALIAS_TOLERANCE = 1e-7
#: Residuals below this share of the response are rounding errors.
EXACT = 1e-13
#: Columns from which normal equations are tried before a QR decomposition.
MANY = 200
#: Share of the cells, one in so many, below which products skip the zeros.
SPARSE = 16
#: Reciprocal condition number of XᵀX below which its Cholesky factor loses too many digits.
NEARLY_DEPENDENT = 1e-8


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """Solution of a design's fixed part.

    Attributes
    ----------
    kept
        Which of the design's columns were estimated, p of them.
    beta
        (p,)
    unscaled_covariance
        (XᵀWX)⁻¹, (p, p).
    linear
        Xβ, (n,), without the offset.
    rss
        Weighted residual sum of squares.
    """

    kept: tuple[int, ...]
    beta: Vector
    unscaled_covariance: Vector
    linear: Vector
    rss: float


def solve(design: Design) -> LeastSquares:
    """QR of the weighted columns, aliased ones dropped in order."""
    y, n = design.response, design.n
    if not design.x:
        raise DesignError(f"`{design.formula.text}` has no column to estimate")
    x = dense(design.x, n)
    root = np.ones(n) if design.weights is None else np.sqrt(design.weights)
    # Columns near one, by powers of two: their squares are ordinary numbers whatever their units.
    exponents = _exponents(x * root[:, None])
    scaled = np.ldexp(x, -exponents)
    kept, beta, inverse = _solution(scaled * root[:, None], y * root)
    if not kept:
        raise DesignError(f"`{design.formula.text}` has no column to estimate")
    names = design.fixed.names
    linear: Vector = np.asarray(scaled[:, kept] @ beta, dtype=np.float64)
    residual = root * (y - linear)
    size = _exponents(residual)
    unscaled, own = inverse @ inverse.T, exponents[kept]
    with np.errstate(over="ignore", under="ignore"):  # what is lost is refused below
        squares = float(np.sum(np.ldexp(residual, -size) ** 2))
        rss = float(np.ldexp(squares, 2 * size))
        unscaled = np.ldexp(unscaled, -(own[:, None] + own))
    estimated = tuple(names[j] for j in kept)
    # What is left of an exact fit is rounding, in whatever unit.
    if n > len(kept) and np.abs(residual).max() > EXACT * np.abs(y * root).max():
        sigma = float(np.ldexp(np.sqrt(squares / (n - len(kept))), size))
        response = design.formula.response_name
        check_residual(response, sigma, weighted=design.weights is not None)
        check_coefficients(estimated, sigma, np.diag(unscaled))
    return LeastSquares(tuple(kept), np.ldexp(beta, -own), unscaled, linear, rss)


def _exponents(values: Vector) -> NDArray[np.int64]:
    """Power of two of the largest value in each column (or of all values)."""
    return np.frexp(np.abs(values).max(axis=0, initial=0.0))[1].astype(np.int64)


def _solution(x: Vector, y: Vector) -> tuple[list[int], Vector, Vector]:
    """Columns independent of the earlier ones, their coefficients, and R⁻¹ of their QR factors."""
    if x.shape[1] >= MANY:
        found = _by_products(x, y)
        if found is not None:
            return list(range(x.shape[1])), *found
    kept, q, r = _independent(x)
    beta: Vector = np.asarray(np.linalg.solve(r, q.T @ y), dtype=np.float64)
    return kept, beta, np.asarray(np.linalg.inv(r), dtype=np.float64)


def _by_products(x: Vector, y: Vector) -> tuple[Vector, Vector] | None:
    """Coefficients and R⁻¹ by the normal equations, corrected once by the residuals (Björck 1987).

    As exact as by QR where the columns are far from dependent, and None where they are not.
    """
    from scipy.linalg import get_lapack_funcs
    from scipy.sparse import csr_array

    if np.count_nonzero(x) * SPARSE < x.size:
        few = csr_array(x)
        gram, across = (few.T @ few).toarray(), few.T
    else:
        gram, across = x.T @ x, x.T
    potrf, pocon, trtri = get_lapack_funcs(("potrf", "pocon", "trtri"), (gram,))
    root, failed = potrf(gram)
    if failed:
        return None
    near, _ = pocon(root, float(np.abs(gram).sum(axis=0).max()))
    if near < NEARLY_DEPENDENT:
        return None
    inverse, _ = trtri(root)
    beta = inverse @ (inverse.T @ (across @ y))
    return beta + inverse @ (inverse.T @ (across @ (y - x @ beta))), inverse


def _independent(x: Vector) -> tuple[list[int], Vector, Vector]:
    """Columns independent of the earlier ones, and the QR factors of these."""
    q, whole = np.linalg.qr(x)
    kept = list(range(x.shape[1]))
    length = np.linalg.norm(x, axis=0)
    r = whole
    # One column at a time is left out: those after it are seen without its direction only then.
    # R has the columns' lengths and angles, and fewer rows.
    while kept:
        deficient = np.abs(np.diag(r)) <= ALIAS_TOLERANCE * length[kept[: len(r)]]
        if not deficient.any():
            break
        del kept[int(np.argmax(deficient))]
        r = np.linalg.qr(whole[:, kept])[1]
    kept = kept[: x.shape[0]]
    if len(kept) < x.shape[1]:
        q, r = np.linalg.qr(x[:, kept])
    return kept, q, r
