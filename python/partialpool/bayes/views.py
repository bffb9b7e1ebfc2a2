"""A posterior seen: frames, predictive accuracy, figures, its Stan program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from partialpool.arguments import Effect, PosteriorNewLevels

if TYPE_CHECKING:
    from partialpool.bayes.loo import Elpd
    from partialpool.bayes.posterior import Posterior
    from partialpool.figures.posterior.accessor import PosteriorPlots


def as_posterior(view: object) -> Posterior:
    """A base class's `self` by its full type."""
    return cast("Posterior", view)


class PosteriorViews:
    """Base of `Posterior`: tidy, glance, augment, loo, waic, plot, stan_code."""

    @property
    def plot(self) -> PosteriorPlots:
        """Figures of the posterior: ``post.plot.densities()``."""
        from partialpool.figures.posterior.accessor import PosteriorPlots

        return PosteriorPlots(as_posterior(self))

    def report(self, path: str | Path, *, command: str | None = None) -> None:
        """Write one HTML page on the posterior, which needs no network and no other file.

        Parameters
        ----------
        path
            Where the page is written.
        command
            What made the posterior, if not the call of `sample`.
        """
        from partialpool.report.posterior_page import write_posterior_report

        write_posterior_report(as_posterior(self), path, command=command)

    def tidy(
        self,
        effects: Effect | Sequence[Effect] = ("fixed", "ran_pars"),
        *,
        conf_int: bool = False,
        conf_level: float = 0.95,
        robust: bool = False,
        exponentiate: bool = False,
    ) -> Any:
        """The posterior in the frame that ``tidy`` gives of a likelihood fit.

        Parameters
        ----------
        effects
            "fixed", "ran_pars", "ran_vals", "ran_coefs", or several, as of a fit.
        conf_int, conf_level
            Add conf_low and conf_high: the quantiles that leave out equal tails.
        robust
            False: estimate and std_error are the posterior's mean and standard deviation; True: its
            median and mad.
        exponentiate
            Fixed effects as exp(β), std_error by the delta method, as of a fit.

        Returns
        -------
        frame: ``effect, group, (level,) term, estimate, std_error, statistic, df, p_value``
            With ``conf_low, conf_high`` if asked for, and ``parameter``: the one name of a fixed
            effect, standard deviation or correlation, missing for random effects.
            A posterior has no statistic, df and p_value: they are missing.
        """
        from partialpool.frames.posterior import tidy

        return tidy(
            as_posterior(self),
            effects,
            conf_int=conf_int,
            conf_level=conf_level,
            robust=robust,
            exponentiate=exponentiate,
        )

    def glance(self) -> Any:
        """One row: ``algorithm, chains, pss (draws kept), nobs, sigma (its median)``."""
        from partialpool.frames.posterior import glance

        return glance(as_posterior(self))

    def augment(
        self, new: Any = None, *, new_levels: PosteriorNewLevels = "error", prefix: str = ""
    ) -> Any:
        """The data with ``fitted, se_fit, resid, fixed`` beside them.

        Fitted are posterior means of the rows' means, `se_fit` their standard deviations, `fixed`
        the means without random effects.

        Parameters
        ----------
        new
            None: the rows and variables used. A table: its columns, with resid where it has the
            response.
        new_levels
            As `predict`.
        prefix
            Put before our column names, if the data have such a column: ``"."``.
        """
        from partialpool.frames.posterior import augment

        return augment(as_posterior(self), new, new_levels, prefix)

    def loo(self, by: str | None = None) -> Elpd:
        """Leave-one-out predictive accuracy by Pareto-smoothed importance sampling (ArviZ's).

        Parameters
        ----------
        by
            None: each observation is left out in turn, its density conditional on the random
            effects (as of brms and rstanarm). A grouping factor, where it is the model's only one:
            each level is left out with all of its rows, its random effects integrated out; says
            how well new levels are predicted.

        Returns
        -------
        Elpd
            elpd, se, p, pareto_k, verdict; ``.to_frame()``. A block of draws x rows of some
            2 million numbers is held at a time, never all of them.

        Raises
        ------
        ArgumentError
            If random effects were not kept (``keep_random=False``), or the draws are of the prior.

        References
        ----------
        Vehtari, Gelman & Gabry (2017), Statistics and Computing 27; Vehtari, Simpson, Gelman, Yao
        & Gabry (2024), J. Machine Learning Research 25.
        """
        from partialpool.bayes.loo import loo

        return loo(as_posterior(self), by)

    def waic(self, by: str | None = None) -> Elpd:
        """The widely applicable information criterion, by its formula.

        Of each unit the log of the mean density less the variance of the log density (ArviZ no
        longer offers it: `loo` says when it is not to be trusted, and is to be preferred).

        Parameters
        ----------
        by
            As in `loo`.

        References
        ----------
        Watanabe (2010), J. Machine Learning Research 11.
        """
        from partialpool.bayes.loo import waic

        return waic(as_posterior(self), by)

    def stan_code(self) -> str:
        """The Stan program of exactly this model and these priors (see `partialpool.stan_code`).

        Of draws with ``prior_only=True`` the program has no likelihood.

        Raises
        ------
        DataError
            If the posterior was loaded without its rows: whether there are weights is not known.
        """
        from partialpool.bayes.stan import program

        post = as_posterior(self)
        design, kept = post.fit.design.with_rows(), post.fit.kept
        return program(design, kept, post.priors, prior_only=post.settings.prior_only)

    def stan_data(self) -> dict[str, Any]:
        """What the data block of `stan_code` reads, by name: numbers and arrays."""
        from partialpool.bayes.stan import program_data

        fit = as_posterior(self).fit
        return program_data(fit.design.with_rows(), fit.kept)
