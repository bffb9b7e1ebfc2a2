"""Priors: small frozen values that know their density. The densities are the native module's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.errors import ArgumentError
from partialpool.tables.printed import Printed

__all__ = [
    "Prior",
    "cauchy",
    "exponential",
    "flat",
    "gamma",
    "half_cauchy",
    "half_normal",
    "half_student_t",
    "inv_gamma",
    "lkj",
    "normal",
    "student_t",
    "uniform",
]

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, repr=False)
class Prior(Printed):
    """A prior density of one parameter, or (LKJ) of a correlation matrix.

    Attributes
    ----------
    name
        Name of the family: "normal", "half_student_t", "lkj", …
    parameters
        In the order of the function that makes it.
    """

    name: str
    parameters: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{p:.6g}' for p in self.parameters)})"

    @property
    def support(self) -> tuple[float, float]:
        """Ends of the interval where the density is positive."""
        if self.name == "uniform":
            return self.parameters[0], self.parameters[1]
        if self.name == "lkj":
            return -1.0, 1.0
        whole = self.name in {"flat", "normal", "student_t", "cauchy"}
        return (-math.inf, math.inf) if whole else (0.0, math.inf)

    @property
    def is_proper(self) -> bool:
        """Whether the density integrates to one."""
        return self.name != "flat"

    def log_density(self, x: Any) -> Vector:
        """Log-density at points, any shape; -inf outside the support.

        For LKJ: of one correlation of a 2 x 2 matrix.
        """
        return self._evaluate(x)[0]

    def gradient(self, x: Any) -> Vector:
        """Derivative of the log-density at points, any shape."""
        return self._evaluate(x)[1]

    def _evaluate(self, x: Any) -> tuple[Vector, Vector]:
        points = np.ascontiguousarray(x, dtype=np.float64)
        if self.name == "lkj":
            (eta,) = self.parameters
            log_norm = (2 * eta - 1) * math.log(2) + 2 * math.lgamma(eta) - math.lgamma(2 * eta)
            with np.errstate(divide="ignore", invalid="ignore"):
                left = np.where(np.abs(points) < 1, 1 - points**2, 0.0)
                value = np.where(left > 0, (eta - 1) * np.log(left) - log_norm, -np.inf)
                return value, np.where(left > 0, -2 * (eta - 1) * points / left, 0.0)
        value, slope = _core.prior_density(self.name, list(self.parameters), points.ravel())
        return value.reshape(points.shape), slope.reshape(points.shape)


def _number(family: str, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise ArgumentError(f"{family}: {name} must be a number, not {value!r}")
    if not math.isfinite(float(value)):
        raise ArgumentError(f"{family}: {name} must be finite, not {value!r}")
    return float(value)


def _positive(family: str, name: str, value: Any) -> float:
    number = _number(family, name, value)
    if number <= 0:
        raise ArgumentError(f"{family}: {name} must be positive, not {value!r}")
    return number


def flat() -> Prior:
    """Constant density: improper, says nothing."""
    return Prior("flat")


def normal(mean: float, sd: float) -> Prior:
    """Normal density. On a standard deviation it is cut off at zero, as in Stan."""
    return Prior("normal", (_number("normal", "mean", mean), _positive("normal", "sd", sd)))


def student_t(df: float, location: float, scale: float) -> Prior:
    """Student's t with location and scale, cut off at zero on a standard deviation."""
    f = "student_t"
    return Prior(
        f, (_positive(f, "df", df), _number(f, "location", location), _positive(f, "scale", scale))
    )


def cauchy(location: float, scale: float) -> Prior:
    """Cauchy density, cut off at zero on a standard deviation."""
    f = "cauchy"
    return Prior(f, (_number(f, "location", location), _positive(f, "scale", scale)))


def half_normal(scale: float) -> Prior:
    """Absolute value of a normal variable with mean 0."""
    return Prior("half_normal", (_positive("half_normal", "scale", scale),))


def half_student_t(df: float, scale: float) -> Prior:
    """Absolute value of a scaled Student's t variable."""
    f = "half_student_t"
    return Prior(f, (_positive(f, "df", df), _positive(f, "scale", scale)))


def half_cauchy(scale: float) -> Prior:
    """Absolute value of a scaled Cauchy variable."""
    return Prior("half_cauchy", (_positive("half_cauchy", "scale", scale),))


def exponential(rate: float) -> Prior:
    """Exponential density with mean 1 / rate."""
    return Prior("exponential", (_positive("exponential", "rate", rate),))


def gamma(shape: float, rate: float) -> Prior:
    """Gamma density with mean shape / rate."""
    return Prior("gamma", (_positive("gamma", "shape", shape), _positive("gamma", "rate", rate)))


def inv_gamma(shape: float, scale: float) -> Prior:
    """Inverse-gamma density with mean scale / (shape - 1)."""
    f = "inv_gamma"
    return Prior(f, (_positive(f, "shape", shape), _positive(f, "scale", scale)))


def uniform(low: float, high: float) -> Prior:
    """Constant density between two ends, zero elsewhere."""
    a, b = _number("uniform", "low", low), _number("uniform", "high", high)
    if a >= b:
        raise ArgumentError(f"uniform: the first end must lie below the second, not ({a:g}, {b:g})")
    return Prior("uniform", (a, b))


def lkj(eta: float) -> Prior:
    """LKJ density of a correlation matrix R, proportional to det(R) ** (eta - 1).

    References
    ----------
    Lewandowski, Kurowicka & Joe (2009), J. Multivariate Analysis 100.
    """
    return Prior("lkj", (_positive("lkj", "eta", eta),))


#: Families by name, to read stored priors.
FAMILIES: dict[str, Callable[..., Prior]] = {
    f.__name__: f
    for f in (
        flat,
        normal,
        student_t,
        cauchy,
        half_normal,
        half_student_t,
        half_cauchy,
        exponential,
        gamma,
        inv_gamma,
        uniform,
        lkj,
    )
}
