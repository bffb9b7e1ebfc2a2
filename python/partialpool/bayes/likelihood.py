"""Log-likelihood of rows and of whole levels under each draw, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from partialpool.bayes.prediction import BLOCK, covariance_factors, own_rows, spread_draws
from partialpool.errors import ArgumentError

if TYPE_CHECKING:
    from partialpool.bayes.posterior import Posterior

Vector = NDArray[np.float64]
LOG_2_PI = float(np.log(2 * np.pi))


def observed(post: Posterior) -> Vector:
    """The response as it was given, shape (n,)."""
    design = post.fit.design
    return design.response if design.offset is None else design.response + design.offset


def rows_given_effects(post: Posterior) -> Iterator[tuple[slice, Vector]]:
    """log N(y_i | x_i β + z_i u + offset, σ²/w_i) by block of rows, (draws, rows of the block).

    Conditional on the random effects, as of brms and rstanarm.
    """
    y, weights = observed(post), post.fit.design.weights
    sigma = post.draws("sigma").ravel()[:, None]
    log_sigma = np.log(sigma)
    for rows, block in own_rows(post, "all", spread_draws(post, None)).means(post):
        np.subtract(y[rows], block, out=block)
        block /= sigma
        np.square(block, out=block)
        if weights is not None:
            block *= weights[rows]
        block *= -0.5
        block -= log_sigma + 0.5 * LOG_2_PI
        if weights is not None:
            block += 0.5 * np.log(weights[rows])
        yield rows, block


def levels_without_effects(post: Posterior, group: str) -> Iterator[tuple[slice, Vector]]:
    """log p(y_g | β, Σ, σ) of each level's rows by block of levels, its random effects integrated
    out: y_g ~ N(X_g β, Z_g Σ Z_gᵀ + σ² W_g⁻¹). Needs one grouping factor only.
    """
    factors = {f.name: f for f in post.parameters.factors}
    if group not in factors:
        known = ", ".join(factors)
        raise ArgumentError(f"the model has no grouping factor {group!r}; it has {known}")
    if len(factors) > 1:
        raise ArgumentError(
            "leaving out whole levels needs a model with one grouping factor, since a level's rows"
            f" share others' effects; this one has {', '.join(factors)}"
        )
    factor = factors[group]
    design, fit = post.fit.design.with_rows(), post.fit
    codes = factor.codes
    assert codes is not None  # with_rows() has seen to it
    n, levels, k = fit.nobs, len(factor.levels), len(factor.names)
    flat = post.values.reshape(-1, post.values.shape[-1])
    # The response in units of its residual sd, a power of two: squares are ordinary numbers.
    unit = float(np.ldexp(1.0, np.frexp(post.fit.sigma)[1]))
    beta = flat[:, : len(post.parameters.fixed)] / unit
    centre = beta.mean(axis=0)
    x = _columns(list(fit.fixed_columns), n)
    z = _columns(list(factor.columns), n)
    # Residuals at the mean of β: sums of squares about it lose no digits to the size of y.
    r = design.response / unit - x @ centre
    w = np.ones(n) if design.weights is None else design.weights

    def sums(a: Vector, b: Vector) -> Vector:
        """Σ w aᵀb of each level's rows, (levels, columns of a, columns of b)."""
        out = np.empty((levels, a.shape[1], b.shape[1]))
        for i in range(a.shape[1]):
            for j in range(b.shape[1]):
                out[:, i, j] = np.bincount(codes, w * a[:, i] * b[:, j], minlength=levels)
        return out

    rr, xr, xx = sums(r[:, None], r[:, None])[:, 0, 0], sums(x, r[:, None])[:, :, 0], sums(x, x)
    zr, zx, zz = sums(z, r[:, None])[:, :, 0], sums(z, x), sums(z, z)
    size = np.bincount(codes, minlength=levels)
    log_w = np.bincount(codes, np.log(w), minlength=levels)
    sigma2 = (post.draws("sigma").ravel()[:, None] / unit) ** 2
    lower = covariance_factors(post, factor, flat) / unit
    delta = beta - centre
    step = max(1, BLOCK // (len(flat) * max(1, k * k)))
    for start in range(0, levels, step):
        g = slice(start, min(start + step, levels))
        rss = (
            rr[g]
            - 2 * delta @ xr[g].T
            + np.einsum("si,gij,sj->sg", delta, xx[g], delta, optimize=True)
        )
        a = zr[g] - np.einsum("gki,si->sgk", zx[g], delta)
        a = np.einsum("sjk,sgj->sgk", lower, a)
        m = np.einsum("sij,gik,skl->sgjl", lower, zz[g], lower, optimize=True)
        m = np.eye(k) + m / sigma2[:, :, None, None]
        fitted = np.einsum("sgk,sgk->sg", a, np.linalg.solve(m, a[..., None])[..., 0])
        quadratic = (rss - fitted / sigma2) / sigma2
        log_det = size[g] * (np.log(sigma2) + 2 * np.log(unit)) - log_w[g] + np.linalg.slogdet(m)[1]
        yield g, -0.5 * (size[g] * LOG_2_PI + log_det + quadratic)


def _columns(columns: list[object], n: int) -> Vector:
    out = np.empty((n, len(columns)))
    for j, column in enumerate(columns):
        out[:, j] = np.asarray(column, dtype=float)
    return out
