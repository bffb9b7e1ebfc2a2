"""Prior densities of single parameters, normalised over what the model lets them be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from partialpool.bayes.priors import Prior, lkj
from partialpool.design.covariance import parts

if TYPE_CHECKING:
    from partialpool.bayes.posterior import Posterior

Vector = NDArray[np.float64]


def prior_density(post: Posterior, name: str, points: Vector) -> Vector:
    """Prior density of one parameter: σ and standard deviations cut off at zero, a correlation's
    marginal under LKJ.
    """
    prior = post.priors[name]
    for factor in post.parameters.factors:
        names = post.parameters.correlations(factor)
        if name in names:
            first, _ = post.parameters.pairs(factor)[names.index(name)]
            size = next(len(part) for part in parts(factor.blocks) if first in part)
            # Marginal of one correlation of a k x k matrix: (1 - r²) ** (η + k/2 - 2).
            return np.exp(lkj(prior.parameters[0] + size / 2 - 1).log_density(points))
    positive = name == "sigma" or any(
        name in post.parameters.deviations(f) for f in post.parameters.factors
    )
    height = np.exp(prior.log_density(points))
    return np.where(points < 0, 0.0, height) / _share_above_zero(prior) if positive else height


def _share_above_zero(prior: Prior) -> float:
    """What a cut at zero leaves of a prior of a standard deviation."""
    from scipy import stats

    p = prior.parameters
    if prior.name == "normal":
        return float(stats.norm.sf(0, p[0], p[1]))
    if prior.name == "student_t":
        return float(stats.t.sf(0, p[0], p[1], p[2]))
    if prior.name == "cauchy":
        return float(stats.cauchy.sf(0, p[0], p[1]))
    if prior.name == "uniform":
        return p[1] / (p[1] - p[0]) if p[0] < 0 else 1.0
    return 1.0
