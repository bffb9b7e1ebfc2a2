"""A slow search for the best criterion: many random starts, gradients, simplices, own objective."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from partialpool import _core
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.hard_problems.starts import Blocks, Lambdas

Vector = NDArray[np.float64]
IMPOSSIBLE = 1e30


@dataclass(frozen=True, slots=True)
class Found:
    """A point, its criterion, and which search found it."""

    criterion: float
    lambdas: Lambdas
    source: str


def best_known(fit: Any, seed: int, starts: int = 24, own_starts: int = 20) -> tuple[Found, float]:
    """The lowest point of all searches, and the lowest criterion of those that know nothing of us.

    Independent of the core's optimiser: L-BFGS-B from random starts, Nelder-Mead from the best
    of them. Beside those, from near our optimum and with our optimiser from random starts, to
    find whatever is lower still.
    """
    products, reml = fit._products, fit.reml
    blocks = Blocks(fit.design.factors, fit.nobs)
    rng = np.random.default_rng([31, seed])

    def objective(free: Vector) -> tuple[float, Vector]:
        try:
            f, g = products.evaluate(reml, blocks.lambdas(free))
        except _core.CoreError:
            return IMPOSSIBLE, np.zeros(len(free))
        if not np.isfinite(f):
            return IMPOSSIBLE, np.zeros(len(free))
        return f, blocks.pull_back(g)

    points: list[tuple[float, Vector, str]] = []

    def descend(start: Vector, source: str) -> None:
        result = minimize(
            objective,
            start,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 1000, "maxfun": 3000, "ftol": 1e-16, "gtol": 1e-10},
        )
        points.append((float(result.fun), result.x, source))

    draws = (blocks.random, blocks.random_joint)
    for i in range(starts):
        descend(draws[i % 2](rng), f"L-BFGS-B from random start {i}")
    points.sort(key=_first)
    for f, x, _ in points[:2]:
        simplex = minimize(
            lambda v: objective(v)[0],
            x,
            method="Nelder-Mead",
            options={"maxfev": 150 * len(x), "xatol": 1e-9, "fatol": 1e-11},
        )
        if simplex.fun < f:
            descend(simplex.x, "Nelder-Mead, then L-BFGS-B")
    independent = min(points, key=_first)[0]
    here = blocks.free(fit._native.lambdas)
    for i in range(4):
        descend(here + 10.0 ** -(i + 1) * rng.normal(size=len(here)), "L-BFGS-B near ours")
    found = [Found(f, blocks.lambdas(x), source) for f, x, source in points]
    own = [(draws[i % 2](rng), f"our optimiser, random start {i}") for i in range(own_starts)]
    own += [(x, f"our optimiser, from {source}") for _, x, source in sorted(points, key=_first)[:3]]
    for x, source in own:
        try:
            again = products.fit(reml, blocks.lambdas(x))
        except _core.CoreError:
            continue
        found.append(Found(again.criterion, again.lambdas, source))
    return min(found, key=lambda p: p.criterion), independent


def _first(point: tuple[float, Vector, str]) -> float:
    return point[0]


def dense_criterion(fit: Any, lambdas: Lambdas) -> float:
    """-2 log (restricted) likelihood by an n x n covariance matrix: no code of the core."""
    design, n = fit.design, fit.nobs
    v = np.eye(n)
    for factor, flat in zip(design.factors, lambdas, strict=True):
        k = len(factor.columns)
        lam = np.reshape(flat, (k, k))
        z = np.column_stack([np.broadcast_to(np.asarray(c, float), (n,)) for c in factor.columns])
        zl = z @ lam
        v += (zl @ zl.T) * (factor.codes[:, None] == factor.codes[None, :])
    x = np.column_stack(
        [np.broadcast_to(np.asarray(design.x[i], float), (n,)) for i in fit._products.kept]
    )
    q, r = np.linalg.qr(x)
    factor = cho_factor(v, lower=True)
    y = design.y - q @ (q.T @ design.y)
    vq, vy = cho_solve(factor, q), cho_solve(factor, y)
    m = q.T @ vq
    rss = float(y @ vy - (q.T @ vy) @ np.linalg.solve(m, q.T @ vy))
    nu = n - x.shape[1] if fit.reml else n
    out = 2 * np.log(np.diag(factor[0])).sum() + nu * (1 + np.log(2 * np.pi * rss / nu))
    if fit.reml:
        out += np.linalg.slogdet(m)[1] + 2 * np.log(np.abs(np.diag(r))).sum()
    return float(out)
