"""Point hypotheses: the Savage-Dickey ratio of posterior to prior density."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from partialpool.bayes.prior_density import prior_density
from partialpool.errors import ArgumentError

if TYPE_CHECKING:
    from partialpool.bayes.posterior import Posterior

Vector = NDArray[np.float64]
#: Draws within a bandwidth of the point below which the density there is not known.
FEWEST = 10


def savage_dickey(post: Posterior, name: str, value: float, draws: Vector) -> tuple[float, str]:
    """Evidence for ``name = value`` against all other values, and a note where it is a bound.

    Parameters
    ----------
    post
    name
        A parameter with a proper prior.
    value
        A point inside its range.
    draws
        Its draws.

    Returns
    -------
    ratio, note
        Posterior density at the point over prior density. Where fewer than `FEWEST` draws lie
        within a bandwidth of it the ratio is that of as many draws, an upper bound, and the note
        says so.

    References
    ----------
    Dickey & Lientz (1970), Ann. Math. Stat. 41; Wagenmakers et al. (2010), Cognitive Psychology 60.
    """
    prior = post.priors[name]
    if not prior.is_proper:
        raise ArgumentError(
            f"the evidence for {name} = {value:g} depends on the prior of {name}, which is flat;"
            f" sample with a proper one, as priors={{{name!r}: pp.normal(0, 10)}}"
        )
    before = float(prior_density(post, name, np.array([value]))[0])
    low, high = _range(post, name)
    if not low < value < high or not before > 0:
        raise ArgumentError(
            f"{name} = {value:g} is at an end of the values that {name} can have, where a density"
            " says nothing; compare models instead (post.loo, pp.exact_rlrt)"
        )
    flat = draws.ravel()
    width = _bandwidth(flat)
    if not width > 0:
        raise ArgumentError(f"all draws of {name} are equal; its density is not known")
    near = int(np.sum(np.abs(flat - value) <= width))
    if near < FEWEST:
        bound = FEWEST / (2 * width * flat.size)
        return bound / before, f"at most: fewer than {FEWEST} of {flat.size:,} draws lie near it"
    # What a kernel loses beyond an end of the range is reflected there.
    points = [flat, *(2 * end - flat for end in (low, high) if np.isfinite(end))]
    kernel = sum(float(np.exp(-0.5 * ((value - x) / width) ** 2).sum()) for x in points)
    after = kernel / (flat.size * width * np.sqrt(2 * np.pi))
    return after / before, ""


def _range(post: Posterior, name: str) -> tuple[float, float]:
    low, high = post.priors[name].support
    kind = post.parameters.kind(name)
    return (max(low, 0.0), high) if kind in {"sd", "sigma"} else (low, high)


def _bandwidth(draws: Vector) -> float:
    """Silverman's rule (1986, eq. 3.31), in the draws' units."""
    quartiles = np.quantile(draws, [0.25, 0.75])
    spread = min(float(draws.std(ddof=1)), float(np.diff(quartiles)[0]) / 1.349)
    return 0.9 * spread * draws.size ** (-0.2)
