"""Contrasts of fixed effects whose estimate or variance hangs on what the data do not determine.

Along a direction of the covariance parameters that the data do not determine, V changes by D. With
w the weights of an estimate, l'b = w'y, its variance changes by w'Dw and the estimate itself unless
Dw lies in the span of X. Both are seen in Kenward and Roger's products: the first is l'(ΦPΦ)l, the
second zero where l'Φ(Q - PΦP)Φl is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from partialpool import _core

Array = NDArray[np.float64]

#: Shares of the effect that single parameters have, below which there is none.
CHANGE = 1e-7


@dataclass(frozen=True, eq=False)
class OpenContrasts:
    """What moves along each of d directions, in coordinates where Cov(b) is σ² times identity.

    Attributes
    ----------
    root
        Cholesky factor of Cov(b) / σ², (p, p).
    variance
        Change of the covariance, over what single parameters do, (d, p, p).
    estimate
        Squared change of the estimates, on the same scale, (d, p, p).
    """

    root: Array
    variance: Array
    estimate: Array

    def rows(self, contrasts: ArrayLike) -> NDArray[np.bool_]:
        """Whether each of k contrasts, (k, p), is not determined."""
        lines = np.atleast_2d(np.asarray(contrasts, dtype=np.float64))
        return np.array([self.together(line[None, :]) for line in lines], dtype=bool)

    def together(self, contrasts: Array) -> bool:
        """Whether a joint test of contrasts hangs on what is not determined."""
        seen = contrasts @ self.root
        norms = np.linalg.norm(seen, axis=1)
        if not np.all(np.isfinite(seen)):
            return False
        seen = seen / np.where(norms > 0.0, norms, 1.0)[:, None]
        moved = np.abs(seen @ self.variance @ seen.T).max(initial=0.0) > CHANGE
        shifted = np.abs(seen @ self.estimate @ seen.T).max(initial=0.0) > CHANGE**1.5
        return bool(moved or shifted)


def open_contrasts(native: _core.Fit, directions: Array, p: int) -> OpenContrasts | None:
    """What hangs on directions without information, (d, m + 1); None where there is none."""
    if len(directions) == 0 or p == 0:
        return None
    try:
        _, slopes, curvatures = _core.kenward_roger(native)
    except _core.CoreError:  # at the edge of what can be factored: nothing is claimed there
        return OpenContrasts(np.eye(p), np.eye(p)[None], np.eye(p)[None])
    size = directions.shape[1]
    root = np.asarray(np.linalg.cholesky(native.unscaled_covariance.reshape(p, p)), np.float64)

    def inside(flat: list[Array]) -> Array:
        half = np.linalg.solve(root, np.stack(flat).reshape(-1, p, p))
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
    return OpenContrasts(root, np.array(variance), np.array(estimate))
