"""The profiled deviance again, dense and in 50 digits, written from Bates et al. (2015) alone.

Nothing is shared with the package but the rows: no blocks, no working basis, no derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import partialpool as pp
from mpmath import mp, mpf

mp.dps = 50
#: Of central differences; their error is of the order of its square.
STEP = mpf(10) ** -14

Matrix = list[list[Any]]


class Deviance:
    """-2 log (restricted) likelihood of a fit's rows.

    `lambdas` are k x k matrices, one a factor of the design; any square root of the relative
    covariance will do, triangular or not.
    """

    def __init__(self, fit: pp.LinearMixedModel) -> None:
        design = fit.design
        assert design.y is not None
        self.n, self.reml = design.n, fit.reml
        self.sizes = [(len(f.names), len(f.levels)) for f in design.factors]
        self.q = sum(k * levels for k, levels in self.sizes)
        self.p = len(fit.beta)
        kept = [design.fixed.names.index(name) for name in fit.fixed_names]
        fixed = [np.broadcast_to(np.asarray(design.x[i], dtype=float), (self.n,)) for i in kept]
        random = [
            [np.broadcast_to(np.asarray(c, dtype=float), (self.n,)) for c in f.columns]
            for f in design.factors
        ]
        size = self.q + self.p + 1
        self.products = [[mpf(0)] * size for _ in range(size)]
        self.log_weights = mpf(0)
        for row in range(self.n):
            entries: list[tuple[int, Any]] = []
            start = 0
            for factor, columns, (k, levels) in zip(
                design.factors, random, self.sizes, strict=True
            ):
                assert factor.codes is not None
                first = start + int(factor.codes[row]) * k
                entries += [(first + j, mpf(float(c[row]))) for j, c in enumerate(columns)]
                start += k * levels
            entries += [(self.q + j, mpf(float(c[row]))) for j, c in enumerate(fixed)]
            entries.append((size - 1, mpf(float(design.y[row]))))
            weight = mpf(1) if design.weights is None else mpf(float(design.weights[row]))
            self.log_weights += mp.log(weight)
            for i, a in entries:
                for j, b in entries:
                    self.products[i][j] += weight * a * b

    def _factor(self, lambdas: Sequence[Matrix]) -> Matrix:
        """Lower Cholesky factor of [ZΛ X y]ᵀW[ZΛ X y] with the identity added to its q part."""
        a = [row[:] for row in self.products]
        start = 0
        for lam, (k, levels) in zip(lambdas, self.sizes, strict=True):
            for first in range(start, start + k * levels, k):
                own = range(first, first + k)
                for row in a:
                    row[first : first + k] = [
                        sum(row[first + i] * lam[i][j] for i in range(k)) for j in range(k)
                    ]
                block = [a[i] for i in own]
                for j in range(k):
                    a[first + j] = [
                        sum(lam[i][j] * block[i][c] for i in range(k)) for c in range(len(a))
                    ]
            start += k * levels
        for i in range(self.q):
            a[i][i] += 1
        return cholesky(a)

    def at(self, lambdas: Sequence[Matrix], sigma: Any = None) -> Any:
        """The criterion; σ is profiled out unless it is given."""
        low = self._factor(lambdas)
        total = 2 * sum(mp.log(low[i][i]) for i in range(self.q))
        df = self.n
        if self.reml:
            total += 2 * sum(mp.log(low[i][i]) for i in range(self.q, self.q + self.p))
            df -= self.p
        rss = low[-1][-1] ** 2
        variance = rss / df if sigma is None else sigma**2
        return total + df * mp.log(2 * mp.pi * variance) + rss / variance - self.log_weights

    def sigma(self, lambdas: Sequence[Matrix]) -> Any:
        """Profiled σ."""
        rss = self._factor(lambdas)[-1][-1] ** 2
        return mp.sqrt(rss / (self.n - self.p if self.reml else self.n))

    def vcov(self, lambdas: Sequence[Matrix], sigma: Any) -> Matrix:
        """Covariance of the fixed effects, (p, p)."""
        low = self._factor(lambdas)
        own = range(self.q, self.q + self.p)
        root = mp.matrix([[low[i][j] if j <= i else mpf(0) for j in own] for i in own])
        inverse = root**-1
        return (sigma**2 * inverse.T * inverse).tolist()


def cholesky(a: Matrix) -> Matrix:
    """Lower-triangular L with LLᵀ = a, skipping what is zero."""
    low = [[mpf(0)] * len(a) for _ in a]
    filled: list[list[int]] = []
    for i, row in enumerate(a):
        filled.append([])
        for j in range(i + 1):
            common = [c for c in filled[j] if low[i][c]]
            left = row[j] - sum(low[i][c] * low[j][c] for c in common)
            if left:
                low[i][j] = mp.sqrt(left) if i == j else left / low[j][j]
                if j < i:
                    filled[i].append(j)
    return low


def gradient(f: Callable[[list[Any]], Any], x: Sequence[Any]) -> list[Any]:
    """Central differences of f, a number."""
    return [(f(moved(x, {i: STEP})) - f(moved(x, {i: -STEP}))) / (2 * STEP) for i in range(len(x))]


def hessian(f: Callable[[list[Any]], Any], x: Sequence[Any]) -> Matrix:
    """Second central differences of f."""
    m, h = len(x), STEP
    centre = f(list(x))
    out = [[mpf(0)] * m for _ in range(m)]
    for i in range(m):
        out[i][i] = (f(moved(x, {i: h})) - 2 * centre + f(moved(x, {i: -h}))) / h**2
        for j in range(i):
            corners = [s * t * f(moved(x, {i: s * h, j: t * h})) for s in (1, -1) for t in (1, -1)]
            out[i][j] = out[j][i] = sum(corners) / (4 * h**2)
    return out


def moved(x: Sequence[Any], by: dict[int, Any]) -> list[Any]:
    """x with some entries moved."""
    return [value + by.get(i, 0) for i, value in enumerate(x)]
