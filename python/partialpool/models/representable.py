"""What double precision holds: variances from 2.2e-308 to 1.8e308.

These are standard deviations from about 1.5e-154 to 1.3e154.

Within that range no unit of the response, the predictors or the weights changes a test or an
interval. Beyond it a variance would be 0 or infinite: the fit is refused, and the column named.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from partialpool.crossproducts.values import largest_of, power_of_ten
from partialpool.errors import DataError

if TYPE_CHECKING:
    from partialpool.models.linear_mixed import LinearMixedModel

Vector = NDArray[np.float64]

LOWEST, HIGHEST = sys.float_info.min, sys.float_info.max
#: Standard deviation of a random effect's part of the response, in units of σ, that counts as zero.
NEGLIGIBLE = 1e-6


def check_variances(fit: LinearMixedModel) -> None:
    """Refuse a fit whose variances double precision does not hold.

    Raises
    ------
    DataError
        Naming the response, the predictor or the random effect.
    """
    design, sigma = fit.design, fit.sigma
    response = design.formula.response_name
    check_residual(response, sigma, weighted=design.weights is not None)
    least, most = fit.optimum.unscaled_variance_bounds
    if any(_lost(v, sigma) for v in (*least.tolist(), *most.tolist())):
        check_coefficients(fit.fixed_names, sigma, np.diag(fit.unscaled_covariance))
    for term in fit.terms:
        for i, name in enumerate(term.names):
            sd = sigma * float(np.abs(term.lam[i]).max())
            if LOWEST <= sd * sd <= HIGHEST:
                continue
            columns = term.factor.columns[term.columns]
            size = largest_of(columns[i]) if columns else 1.0
            heaviest = 1.0 if design.weights is None else float(design.weights.max())
            if size * sd > NEGLIGIBLE * sigma / heaviest**0.5:
                raise DataError(
                    f"the variance of {name} | {term.factor.name} (sd {sd:.1e}) is {_beyond()};"
                    f" rescale `{name}`, or the response"
                )


def check_residual(response: str, sigma: float, *, weighted: bool) -> None:
    """Refuse a residual variance that is no ordinary number."""
    if sigma > 0.0 and _lost(1.0, sigma):
        verb = "divide" if sigma > 1.0 else "multiply"
        size = power_of_ten(sigma if sigma > 1.0 else 1.0 / max(sigma, LOWEST))
        also = ", or rescale the weights" if weighted else ""
        raise DataError(
            f"the residual variance of `{response}` (sd {sigma:.1e}) is {_beyond()}; {verb} the"
            f" response by {size}{also}"
        )


def check_coefficients(names: Iterable[str], sigma: float, unscaled: Vector) -> None:
    """Refuse variances of coefficients that are no ordinary numbers, given them over σ²."""
    for name, variance in zip(names, unscaled.tolist(), strict=True):
        if sigma > 0.0 and _lost(variance, sigma):
            raise DataError(
                f"the variance of the coefficient of `{name}` is {_beyond()}; rescale `{name}`, or"
                " the response"
            )


def _lost(variance: float, sigma: float) -> bool:
    """Whether variance · σ², or a factor of it, is too small for full precision, or infinite."""
    product = variance * sigma * sigma  # Python's floats: no warning where it is infinite
    return not (LOWEST <= product <= HIGHEST and LOWEST <= sigma * sigma <= HIGHEST)


def _beyond() -> str:
    return f"beyond the range of numbers, {LOWEST:.1e} to {HIGHEST:.1e}"
