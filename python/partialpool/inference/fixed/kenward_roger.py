"""Kenward and Roger's adjusted covariance, F scaling and degrees of freedom.

Source: Kenward & Roger (1997), Biometrics 53, 983-997, with the details of pbkrtest (Halekoh &
Højsgaard 2014, J. Stat. Software 59(9)). The products of n-row arrays that the method is written
in are formed by blocks in the native module; here is what is left, in p x p matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.errors import ConvergenceError
from partialpool.inference.fixed.open_contrasts import OpenContrasts, open_contrasts
from partialpool.inference.fixed.tails import f_tail
from partialpool.inference.fixed.units import Contrasts, Units

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Directions of the covariance parameters with less information than this, relative to the
#: diagonal, are left out (pbkrtest turns to a pseudo-inverse there too, on an absolute scale).
INFORMATION_TOLERANCE = 1e-10
#: pbkrtest's limits in its degrees of freedom (of V₀; here of each factor) and in the scaling.
ZERO_FACTOR, NEAR_TWO = 1e-10, 0.01
#: Difference of two numbers, over the larger, that is their rounding.
ROUNDING = 1e-14


@dataclass(frozen=True, slots=True)
class KenwardRogerF:
    """A test of q contrasts.

    Attributes
    ----------
    statistic
        Wald statistic over q, with the adjusted covariance and without scaling.
    scaling
        What it is multiplied by (λ) before it is compared with F.
    ndf, ddf
        Degrees of freedom.
    p_value, p_unscaled
        With and without the scaling.
    """

    statistic: float
    scaling: float
    ndf: int
    ddf: float
    p_value: float
    p_unscaled: float


@dataclass(frozen=True, eq=False)
class KenwardRoger:
    """What the method needs of a fit.

    ``vcov`` is the adjusted covariance with names, as R's ``vcovAdj`` gives it.

    Attributes
    ----------
    names
        Names of the p fixed effects.
    units
        The unit of each of them, in which `known`, `scaled` and `slopes` are.
    known
        Their covariance Φ, variances taken as known, (p, p).
    scaled
        Φ_A, which allows for the estimation of the m covariance parameters and σ², (p, p).
    slopes
        ΦP_rΦ = minus the derivative of Φ in σ² and the others over σ², (m + 1, p, p).
    weights
        W, asymptotic covariance of the covariance parameters, (m + 1, m + 1).
    open_contrasts
        Contrasts that the data do not determine; None if there are none.
    """

    names: tuple[str, ...]
    units: Units
    known: Array
    scaled: Array
    slopes: Array
    weights: Array
    open_contrasts: OpenContrasts | None = None

    @property
    def adjusted(self) -> Array:
        """Φ_A as the data's units have it, (p, p)."""
        return self.units.raw(self.scaled)

    @property
    def unadjusted(self) -> Array:
        """Φ as the data's units have it, (p, p): that of ``fit.vcov``."""
        return self.units.raw(self.known)

    @property
    def vcov(self) -> pd.DataFrame:
        """The adjusted covariance of the fixed effects, labelled (pbkrtest's ``vcovAdj``)."""
        import pandas as pd

        names = list(self.names)
        return pd.DataFrame(self.adjusted, index=names, columns=names)

    def df(self, contrast: Array) -> float:
        """Degrees of freedom of one contrast, (p,)."""
        return self._degrees_of_freedom(self.units.rows(contrast)[0])[0]

    def _degrees_of_freedom(self, contrasts: Array) -> tuple[float, float]:
        """Denominator df and scaling of q independent contrasts in the units, (q, p)."""
        if self.open_contrasts is not None and self.open_contrasts.together(contrasts):
            return float("nan"), float("nan")
        q = len(contrasts)
        used = np.flatnonzero(contrasts.any(axis=0))
        rows, block = contrasts[:, used], np.ix_(used, used)
        root = np.linalg.cholesky(rows @ self.known[block] @ rows.T)
        half = np.linalg.solve(root, rows)
        # ΘΦP_rΦ of the source, seen from the contrasts: same traces, q x q
        inner = np.stack([half @ slope[block] @ half.T for slope in self.slopes])
        traces = np.trace(inner, axis1=1, axis2=2)
        a1 = float(traces @ self.weights @ traces)
        a2 = float(np.einsum("rs,rab,sba->", self.weights, inner, inner, optimize=True))
        return _df_and_scaling(q, a1, a2)

    def f_test(self, contrasts: Contrasts) -> KenwardRogerF:
        """Test that L β = c, for independent rows L."""
        rows = contrasts.rows
        q = len(rows)
        ddf, scaling = self._degrees_of_freedom(rows)
        if self.open_contrasts is not None and np.isnan(ddf):
            return KenwardRogerF(np.nan, np.nan, q, np.nan, np.nan, np.nan)
        root = np.linalg.cholesky(rows @ self.scaled @ rows.T)
        statistic = float(np.sum(np.linalg.solve(root, contrasts.difference) ** 2)) / q
        scaled, unscaled = f_tail([scaling * statistic, statistic], q, ddf)
        return KenwardRogerF(statistic, scaling, q, ddf, float(scaled), float(unscaled))


def _df_and_scaling(q: int, a1: float, a2: float) -> tuple[float, float]:
    """Kenward & Roger (1997), section 3, from A₁ and A₂.

    The df are 4 + (q + 2) / (qρ - 1) with qρ = r² V₀ / V₂; written with one fraction, they pass
    through 4 where V₂ is 0 (ρ infinite), as pbkrtest's do, and through 2 where r is 0 / 0. They are
    NaN where no F distribution has the moments: df that are not positive.
    """
    if a2 <= 0.0:
        return float("inf"), 1.0
    if q == 1:
        # All of the below in closed form, A₁ being A₂: its zeros cancel one another.
        return 2.0 / a2, 1.0
    b = (a1 + 6.0 * a2) / (2.0 * q)
    g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
    d = 3.0 * q + 2.0 * (1.0 - g)
    if d == 0.0:
        return float("nan"), float("nan")
    c1, c2, c3 = g / d, (q - g) / d, (q + 2 - g) / d
    v0, v1, v2 = 1.0 + c1 * b, 1.0 - c2 * b, 1.0 - c3 * b
    rest = 1.0 - a2 / q
    v0, v1, v2, rest = (0.0 if abs(v) < ZERO_FACTOR else v for v in (v0, v1, v2, rest))
    if v1 == 0.0:
        # 0 / 0 is 1, as in pbkrtest; else ρ is infinite, and nothing is left but 4.
        above, below = (v0, v2) if rest == 0.0 else (1.0, 0.0)
    else:
        above, below = (rest / v1) ** 2 * v0, v2
    excess = above - below
    if abs(excess) <= ROUNDING * max(abs(above), abs(below)):
        return (float("inf"), rest) if above else (float("nan"), float("nan"))
    ddf = 4.0 + (q + 2) * below / excess
    if ddf <= 0.0:
        return float("nan"), float("nan")
    return ddf, 1.0 if abs(ddf - 2.0) < NEAR_TWO else ddf * rest / (ddf - 2.0)


def kenward_roger(
    native: _core.Fit, p: int, names: Sequence[str] | None = None, null: Array | None = None
) -> KenwardRoger:
    """The method's ingredients at a REML fit's optimum.

    Parameters
    ----------
    names
        Names of the p fixed effects; they label `vcov`.
    null
        Directions of the parameters that the data do not determine, (d, m + 1).
    """
    labels = tuple(names) if names is not None else tuple(f"b{i}" for i in range(p))
    try:
        information, slopes, curvatures = _core.kenward_roger(native)
    except _core.CoreError as error:
        raise ConvergenceError(
            f"Kenward and Roger's method has no answer at this fit ({error}); simplify the random"
            ' effects, or use ddf="satterthwaite"'
        ) from None
    size = len(slopes)
    sigma = native.sigma
    unscaled = native.unscaled_covariance.reshape(p, p)
    units = Units.of(sigma, np.diag(unscaled))
    known = units.covariance(unscaled, sigma)
    seen = _complement(null, size)
    weights = np.zeros((size, size))
    weights[np.ix_(seen, seen)] = 2.0 * _inverse(
        information.reshape(size, size)[np.ix_(seen, seen)]
    )
    upper = weights[np.triu_indices(size)] * np.where(np.equal(*np.triu_indices(size)), 1.0, 2.0)
    stacked = np.stack(curvatures).reshape(len(curvatures), p, p)
    scaled = known + 2.0 * np.einsum("r,rij->ij", upper, units.covariance(stacked, sigma))
    steps = units.covariance(np.stack(slopes).reshape(size, p, p), sigma)
    found = None if null is None else open_contrasts(native, null, p)
    return KenwardRoger(labels, units, known, scaled, steps, weights, found)


def _complement(null: Array | None, size: int) -> list[int]:
    """Parameters that are determined once the others are held: one less for each direction.

    For what is determined any generalised inverse of the information serves, and this one does
    not mix parameters of different sizes.
    """
    seen = list(range(size))
    rest = np.zeros((0, size)) if null is None else null.copy()
    while len(rest):
        row, column = np.unravel_index(int(np.argmax(np.abs(rest))), rest.shape)
        pivot = rest[row] / rest[row, column]
        rest = np.delete(rest, row, axis=0)
        rest = rest - np.outer(rest[:, column], pivot)
        seen.remove(int(column))
    return seen


def _inverse(information: Array) -> Array:
    """Inverse, or pseudo-inverse where some combination of parameters has no information."""
    scale = np.sqrt(np.maximum(np.diag(information), 0.0))
    scale = np.where(scale > 0.0, scale, 1.0)
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    kept = values > INFORMATION_TOLERANCE
    half = vectors[:, kept] / scale[:, None]
    return (half / values[kept]) @ half.T
