"""A posterior seen: frames, predictive accuracy, figures, its Stan program."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from partialpool.bayes.loo import Elpd
    from partialpool.bayes.posterior import Posterior


def as_posterior(view: object) -> Posterior:
    """A base class's `self` by its full type."""
    return cast("Posterior", view)


class PosteriorViews:
    """Base of `Posterior`: loo, waic."""

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
            As of `loo`.

        References
        ----------
        Watanabe (2010), J. Machine Learning Research 11.
        """
        from partialpool.bayes.loo import waic

        return waic(as_posterior(self), by)
