"""Random starting points for a fit, and the map between Λ and a well-scaled parametrisation.

Each covariance block has a basis T that makes its columns orthonormal over the rows; Λ = T L with
L lower-triangular, so that every entry of L is of order one whatever the columns' units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from partialpool.design.covariance import parts

Vector = NDArray[np.float64]
Lambdas = list[list[float]]


class Blocks:
    """The free entries of every covariance block of a design."""

    def __init__(self, factors: Sequence[Any], n: int) -> None:
        self.bases: list[list[Vector]] = []
        self.joint: list[Vector] = []
        for factor in factors:
            columns = [np.broadcast_to(np.asarray(c, dtype=float), (n,)) for c in factor.columns]
            sizes = [len(part) for part in parts(factor.blocks)]
            ends = np.cumsum(sizes)
            self.bases.append(
                [
                    _orthonormal_basis(np.column_stack(columns[end - size : end]))
                    for end, size in zip(ends, sizes, strict=True)
                ]
            )
            self.joint.append(_orthonormal_basis(np.column_stack(columns)))

    @property
    def sizes(self) -> list[int]:
        """Columns of each block, factor by factor."""
        return [len(t) for bases in self.bases for t in bases]

    @property
    def size(self) -> int:
        """Number of free entries."""
        return sum(k * (k + 1) // 2 for k in self.sizes)

    def lambdas(self, free: Vector) -> Lambdas:
        """Raw Λ of every factor, flat."""
        out, at = [], 0
        for bases in self.bases:
            k = sum(len(t) for t in bases)
            full, start = np.zeros((k, k)), 0
            for t in bases:
                m = len(t)
                lower = np.zeros((m, m))
                lower[np.tril_indices(m)] = free[at : at + m * (m + 1) // 2]
                full[start : start + m, start : start + m] = t @ lower
                at += m * (m + 1) // 2
                start += m
            out.append(full.ravel().tolist())
        return out

    def pull_back(self, gradient: Sequence[Sequence[float]]) -> Vector:
        """Gradient in the free entries from the gradient in every entry of each Λ."""
        out = []
        for bases, flat in zip(self.bases, gradient, strict=True):
            k = sum(len(t) for t in bases)
            full, start = np.reshape(flat, (k, k)), 0
            for t in bases:
                m = len(t)
                own = t.T @ full[start : start + m, start : start + m]
                out.append(own[np.tril_indices(m)])
                start += m
        return np.concatenate(out)

    def free(self, lambdas: Sequence[Sequence[float]]) -> Vector:
        """Free entries of given raw Λ."""
        out = []
        for bases, flat in zip(self.bases, lambdas, strict=True):
            k = sum(len(t) for t in bases)
            full, start = np.reshape(flat, (k, k)), 0
            for t in bases:
                m = len(t)
                own = np.linalg.solve(t, full[start : start + m, start : start + m])
                lower = np.linalg.qr(own.T, mode="r").T
                out.append(lower[np.tril_indices(m)])
                start += m
        return np.concatenate(out)

    def random(self, rng: np.random.Generator) -> Vector:
        """A start: standard deviations over four decades, any correlation, some blocks near 0."""
        return np.concatenate([_random_lower(rng, m)[np.tril_indices(m)] for m in self.sizes])

    def random_joint(self, rng: np.random.Generator) -> Vector:
        """A start drawn as if a factor's blocks were one, correlations between them then dropped.

        Independent columns that are nearly collinear (an intercept and an x far from 0) explain
        a centred slope only if both variances are large: no draw of one by one comes near.
        """
        raw = []
        for bases, t in zip(self.bases, self.joint, strict=True):
            wide = t @ _random_lower(rng, len(t))
            full, start = np.zeros_like(wide), 0
            for m in map(len, bases):
                own = slice(start, start + m)
                full[own, own] = np.linalg.qr(wide[own].T, mode="r").T
                start += m
            raw.append(full.ravel().tolist())
        return self.free(raw)


def _random_lower(rng: np.random.Generator, m: int) -> Vector:
    lower = np.tril(rng.normal(size=(m, m)))
    lower /= np.linalg.norm(lower, axis=1)[:, None]
    lower *= 10 ** rng.uniform(-1.5, 2, m)[:, None]
    return lower * 1e-2 if rng.random() < 0.2 else lower


def _orthonormal_basis(columns: Vector) -> Vector:
    """T with columns @ T orthonormal up to √n; a column that adds nothing keeps its own unit."""
    n = len(columns)
    r = np.linalg.qr(columns, mode="r") / np.sqrt(n)
    unit = np.sqrt(np.square(columns).mean(axis=0))
    small = np.abs(np.diag(r)) < 1e-9 * unit
    r[small, small] = np.where(unit[small] > 0, unit[small], 1.0)
    return np.linalg.inv(r)
