"""Contrasts of fixed effects whose estimate or variance hangs on what the data do not determine.

Along a direction of the covariance parameters that the data do not determine, V changes by D. With
w the weights of an estimate, l'b = w'y, its variance changes by w'Dw and the estimate itself unless
Dw lies in the span of X. Both are seen in Kenward and Roger's products: the first is l'(ΦPΦ)l, the
second zero where l'Φ(Q - PΦP)Φl is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.inference.fixed.units import Units, quadratic_forms

Array = NDArray[np.float64]

#: Shares of the effect that single parameters have, below which there is none.
CHANGE = 1e-7


@dataclass(frozen=True, eq=False)
class OpenContrasts:
    """What moves along each of d directions, in coordinates where Cov(b) is the identity.

    Attributes
    ----------
    units
        The unit of each coefficient, in which contrasts are given here.
    root
        Cholesky factor of Cov(b) in them, (p, p).
    variance
        Change of the covariance, over what single parameters do, (d, p, p).
    estimate
        Squared change of the estimates, on the same scale, (d, p, p).
    """

    units: Units
    root: Array
    variance: Array
    estimate: Array

    def rows(self, contrasts: Array) -> NDArray[np.bool_]:
        """Whether each of k contrasts, (k, p), is not determined."""
        seen = self._seen(contrasts)
        out = np.zeros(len(seen), dtype=bool)
        for variance, estimate in zip(self.variance, self.estimate, strict=True):
            out |= np.abs(quadratic_forms(seen, variance)) > CHANGE
            out |= np.abs(quadratic_forms(seen, estimate)) > CHANGE**1.5
        return out

    def together(self, contrasts: Array) -> bool:
        """Whether a joint test of contrasts hangs on what is not determined."""
        seen = self._seen(contrasts)
        moved = np.abs(seen @ self.variance @ seen.T).max(initial=0.0) > CHANGE
        shifted = np.abs(seen @ self.estimate @ seen.T).max(initial=0.0) > CHANGE**1.5
        return bool(moved or shifted)

    def _seen(self, contrasts: Array) -> Array:
        """The contrasts in those coordinates, of unit length; zeros where they are not finite."""
        seen = contrasts @ self.root
        finite = np.all(np.isfinite(seen), axis=1)
        norms = np.linalg.norm(seen, axis=1)
        scaled = seen / np.where(norms > 0.0, norms, 1.0)[:, None]
        return np.where(finite[:, None], scaled, 0.0)


def open_contrasts(native: _core.Fit, directions: Array, p: int) -> OpenContrasts | None:
    """What hangs on directions without information, (d, m + 1); None where there is none."""
    if len(directions) == 0 or p == 0:
        return None
    unscaled, sigma = native.unscaled_covariance.reshape(p, p), native.sigma
    units = Units.of(sigma, np.diag(unscaled))
    try:
        _, slopes, curvatures = _core.kenward_roger(native)
    except _core.CoreError:  # at the edge of what can be factored: nothing is claimed there
        return OpenContrasts(units, np.eye(p), np.eye(p)[None], np.eye(p)[None])
    size = directions.shape[1]
    root = np.asarray(np.linalg.cholesky(units.covariance(unscaled, sigma)), np.float64)

    def inside(flat: list[Array]) -> Array:
        scaled = units.covariance(np.stack(flat).reshape(-1, p, p), sigma)
        half = np.linalg.solve(root, scaled)
        return np.asarray(np.linalg.solve(root, np.swapaxes(half, 1, 2)), dtype=np.float64)

    first, second = inside(slopes), inside(curvatures)
    alone = np.linalg.norm(first, axis=(1, 2))
    r, s = np.triu_indices(size)
    twice = np.where(r == s, 1.0, 2.0)
    variance, estimate = [], []
    for c in directions:
        scale = float(np.abs(c) @ alone) or 1.0
        variance.append(np.einsum("r,rij->ij", c, first) / scale)
        estimate.append(np.einsum("r,rij->ij", twice * c[r] * c[s], second) / scale**2)
    return OpenContrasts(units, root, np.array(variance), np.array(estimate))
