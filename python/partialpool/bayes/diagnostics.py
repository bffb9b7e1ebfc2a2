"""Whether the chains can be trusted, in numbers and in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from partialpool.bayes.summaries import FEWEST_DRAWS, mixing
from partialpool.tables.printed import Printed

if TYPE_CHECKING:
    from partialpool.bayes.posterior import Posterior

#: Limits of Vehtari et al. (2021) and of Stan's `diagnose`.
RHAT_LIMIT = 1.01
ESS_PER_CHAIN = 100
EBFMI_LIMIT = 0.3


@dataclass(frozen=True, slots=True, repr=False)
class Diagnostics(Printed):
    """Diagnostics of a run.

    Attributes
    ----------
    divergences
        Draws whose trajectory diverged.
    max_depth_hits
        Draws whose trajectory was cut off at the greatest depth.
    ebfmi
        Energy Bayesian fraction of missing information, by chain.
    max_rhat
        Largest R-hat of a parameter, and which.
    min_ess_bulk, min_ess_tail
        Smallest effective sample sizes of a parameter, and which.
    problems
        One sentence for each check that failed.
    """

    divergences: int
    max_depth_hits: int
    ebfmi: tuple[float, ...]
    max_rhat: tuple[float, str]
    min_ess_bulk: tuple[float, str]
    min_ess_tail: tuple[float, str]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every check was passed."""
        return not self.problems

    @property
    def verdict(self) -> str:
        """The checks in words."""
        if self.ok:
            return (
                f"No problems: no divergences, R-hat at most {self.max_rhat[0]:.3f}, effective"
                f" sample sizes at least {min(self.min_ess_bulk[0], self.min_ess_tail[0]):.0f}."
            )
        return "Problems: " + "; ".join(self.problems) + "."

    def __str__(self) -> str:
        return self.verdict


def ebfmi(energy: np.ndarray) -> float:
    """E-BFMI of one chain's energies (Betancourt 2016)."""
    spread = float(np.sum((energy - energy.mean()) ** 2))
    return float(np.sum(np.diff(energy) ** 2)) / spread if spread > 0 else float("nan")


def diagnose(post: Posterior) -> Diagnostics:
    """See `Posterior.diagnostics`."""
    mixed = {name: mixing(np.ascontiguousarray(post.draws(name))) for name in post.variables}

    def worst(what: str, sign: float) -> tuple[float, str]:
        # NaN (a parameter that did not move) is worse than any number.
        def rank(name: str) -> float:
            value = mixed[name][what]
            return np.inf if np.isnan(value) else sign * value

        name = max(mixed, key=rank)
        return mixed[name][what], name

    rhat, bulk, tail = worst("rhat", 1.0), worst("ess_bulk", -1.0), worst("ess_tail", -1.0)
    chains, draws, _ = post.values.shape
    diverged = int(post.stats["diverging"].sum())
    deep = int(post.stats["reached_max_treedepth"].sum())
    energies = tuple(ebfmi(chain) for chain in post.stats["energy"])
    problems = []
    if diverged:
        problems.append(
            f"{diverged} of {chains * draws} draws diverged: the posterior has a corner that the"
            " sampler cannot follow; give more informative priors of the standard deviations, or"
            " raise target_accept"
        )
    if deep:
        problems.append(
            f"{deep} of {chains * draws} trajectories were cut off at depth"
            f" {post.settings.max_depth}; raise max_depth"
        )
    if draws < FEWEST_DRAWS:
        problems.append(f"{draws} draws per chain are too few to judge the mixing")
    else:
        if not rhat[0] <= RHAT_LIMIT:
            problems.append(
                f"R-hat of {rhat[1]} is {rhat[0]:.3f}, above {RHAT_LIMIT}: the chains have not"
                " mixed; run longer"
            )
        least = ESS_PER_CHAIN * chains
        for value, name, what in ((*bulk, "bulk"), (*tail, "tail")):
            if not value >= least:
                problems.append(
                    f"the effective sample size ({what}) of {name} is {value:.0f}, below {least};"
                    " run longer"
                )
        low = [e for e in energies if not e >= EBFMI_LIMIT]
        if low:
            problems.append(
                f"E-BFMI of {len(low)} chains is below {EBFMI_LIMIT}: the tails are explored badly"
            )
    return Diagnostics(diverged, deep, energies, rhat, bulk, tail, tuple(problems))
