"""The posterior object: draws with names, and what can be asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.arguments import PosteriorNewLevels, PredictionKind
from partialpool.bayes.prior_table import PriorTable
from partialpool.bayes.views import PosteriorViews
from partialpool.cached import cached_property
from partialpool.errors import ArgumentError
from partialpool.models.fit import MixedFit
from partialpool.models.parameters import Parameters

if TYPE_CHECKING:
    from partialpool.bayes.diagnostics import Diagnostics
    from partialpool.bayes.hypotheses import Hypothesis

Vector = NDArray[np.float64]
#: Bytes of random effects that are kept at most.
RANDOM_LIMIT = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked of the sampler."""

    chains: int
    warmup: int
    draws: int
    seed: int
    target_accept: float
    max_depth: int
    keep_random: bool
    prior_only: bool
    #: "collapsed" or "joint": see `sample`.
    method: str = "collapsed"
    #: What became of the random effects, and why.
    why: str = "all random effects are integrated out"


class Posterior(PosteriorViews):
    """Draws from the posterior of a linear mixed model. Made by `partialpool.sample`.

    Attributes
    ----------
    fit
        The likelihood fit of the same design, where the chains started.
    priors
        The prior of every parameter.
    settings
        What was asked of the sampler.
    values
        Draws, shape (chains, draws, parameters), in the order of `parameters.names`.
    stats
        The sampler's statistics, each (chains, draws): lp (log-density on the unconstrained
        scale), energy, tree_depth, reached_max_treedepth, diverging, step_size.
    """

    def __init__(
        self,
        fit: MixedFit,
        native: _core.LogPosterior,
        priors: PriorTable,
        settings: Settings,
        values: Vector,
        stats: dict[str, NDArray[Any]],
    ) -> None:
        self.fit = fit
        self.priors = priors
        self.settings = settings
        self.values = values
        self.stats = stats
        self._log_posterior = native

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_log_posterior"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        priors = self.priors.native(self.parameters)
        prior_only = self.settings.prior_only
        self._log_posterior = _core.LogPosterior(self.fit.products, *priors, prior_only)

    @cached_property
    def parameters(self) -> Parameters:
        """Names and places of the parameters."""
        return self.fit.parameters

    @property
    def formula(self) -> str:
        """The formula as written."""
        return self.fit.formula

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the parameters as tables list them."""
        return self.parameters.shown

    def draws(self, variable: str) -> Vector:
        """Draws of a parameter, shape (chains, draws)."""
        place = self.parameters.index.get(variable) if isinstance(variable, str) else None
        if place is None:
            known = ", ".join(self.variables)
            raise ArgumentError(f"the posterior has no variable {variable!r}; it has {known}")
        return self.values[:, :, place]

    @property
    def interrupted(self) -> str:
        """ "interrupted: 4 chains of 37 draws are kept, of 4 chains of 2,000"; else empty."""
        asked = self.settings.chains, self.settings.draws
        chains, draws, _ = self.values.shape
        if (chains, draws) == asked:
            return ""
        kept = f"{chains} chains of {draws:,} draws are kept"
        return f"interrupted: {kept}, of {asked[0]} chains of {asked[1]:,}"

    # ---- tables ----------------------------------------------------------------------------

    def summary(self) -> Any:
        """Posterior of each parameter, as cmdstanr prints it.

        Returns
        -------
        A frame of the kind that came in: variable, mean, median, sd, mad (times 1.4826), q5, q95,
        rhat (rank-normalised, split), ess_bulk, ess_tail (Vehtari et al. 2021; by ArviZ).
        """
        from partialpool.bayes.summaries import summary

        return summary(self)

    @cached_property
    def diagnostics(self) -> Diagnostics:
        """Divergences, tree depth, E-BFMI, R-hat, effective sample sizes, and the verdict."""
        from partialpool.bayes.diagnostics import diagnose

        return diagnose(self)

    def hypothesis(self, text: str) -> Hypothesis:
        """Posterior probability of an inequality between parameters, or of a point.

        Parameters
        ----------
        text
            As "Days > 0" or "sd_Subject__Days < 0.5 * sigma": names, numbers, ``+ - * / **``,
            parentheses, exp, log, sqrt, abs, and one ``<`` or ``>``. "Days = 0" sets one parameter
            with a proper prior to a number: the Savage-Dickey ratio.
        """
        from partialpool.bayes.hypotheses import hypothesis

        return hypothesis(self, text)

    # ---- random effects --------------------------------------------------------------------

    @cached_property
    def random_draws(self) -> list[Vector]:
        """Random effects of each factor (design order), shape (chains, draws, levels, k)."""
        if not self.settings.keep_random:
            raise ArgumentError(
                "the random effects were not kept; sample with keep_random=True to have them"
            )
        chains, draws, _ = self.values.shape
        q = self.parameters.random_size
        needed = 8 * chains * draws * q
        if needed > RANDOM_LIMIT:
            raise ArgumentError(
                f"{q} random effects of {chains * draws} draws are {needed / 1024**3:.1f} GiB,"
                f" more than {RANDOM_LIMIT // 1024**3}; ask for fewer draws"
            )
        flat = self._log_posterior.random_effects(
            np.ascontiguousarray(self.values).ravel(),
            self.settings.seed,
            0,
            self.settings.prior_only,
        ).reshape(chains, draws, q)
        out, start = [], 0
        for factor in self.parameters.factors:
            levels, k = len(factor.levels), len(factor.names)
            part = flat[:, :, start : start + levels * k]
            out.append(part.reshape(chains, draws, levels, k))
            start += levels * k
        return out

    def ranef(self, *, spread: bool = False) -> dict[str, Any]:
        """Posterior means of the random effects, {group: frame}.

        Parameters
        ----------
        spread
            Add columns ``<name>_sd``, ``<name>_q5``, ``<name>_q95``.
        """
        from partialpool.bayes.random_effects import ranef

        return ranef(self, spread, fixed=False)

    def coef(self, *, spread: bool = False) -> dict[str, Any]:
        """Posterior means of fixed plus random effects of each level, {group: frame}.

        Parameters
        ----------
        spread
            As in `ranef`.
        """
        from partialpool.bayes.random_effects import ranef

        return ranef(self, spread, fixed=True)

    def predict(
        self,
        new: Any = None,
        *,
        kind: PredictionKind = "mean",
        random: str = "all",
        new_levels: PosteriorNewLevels = "error",
        draws: bool | int = False,
        seed: int | None = None,
    ) -> Any:
        """Posterior of the mean of rows, or of new observations of them.

        Parameters
        ----------
        new
            Table with the predictors; None for the rows of the fit.
        kind
            "mean", or "response": the residual is drawn too (posterior predictive; of a posterior
            with ``prior_only=True``, prior predictive).
        random
            "all", "none", or the random terms to include, as ``"(1 | Subject)"``.
        new_levels
            "error"; "population": no random effects for levels never seen; "sample": theirs are
            drawn from the distribution of the levels.
        draws
            True: return the draws instead, an array of shape (chains * draws, rows); a number: of
            so many of them, evenly spread.
        seed
            Seed of the residuals and of unseen levels; None: the sampler's.

        Returns
        -------
        A frame of the kind that came in: mean, sd, q5, q95 of each row, or the array.
        """
        from partialpool.bayes.prediction import predict

        return predict(self, new, kind, random, new_levels, draws, seed)

    # ---- elsewhere -------------------------------------------------------------------------

    def to_arviz(self, *, random: bool = True) -> Any:
        """ArviZ's container (an xarray DataTree): posterior, or prior, and sample_stats.

        Parameters
        ----------
        random
            Include the random effects, as variables "r_<group>" of level and coefficient.
        """
        from partialpool.bayes.storage import to_arviz

        return to_arviz(self, random)

    def save(self, path: str | Path) -> None:
        """Store the posterior without pickle; `partialpool.load_posterior` reads it."""
        from partialpool.bayes.storage import save

        save(self, path)

    def _repr_html_(self) -> str:
        from partialpool.bayes.summaries import html

        return html(self)

    def __str__(self) -> str:
        from partialpool.bayes.summaries import text

        return text(self)

    def __repr__(self) -> str:
        chains, draws, _ = self.values.shape
        what = "Prior" if self.settings.prior_only else "Posterior"
        return f"<{what} of {self.formula}; {chains} chains of {draws} draws>"
