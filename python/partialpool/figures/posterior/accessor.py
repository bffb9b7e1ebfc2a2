"""`post.plot`: the figures of a posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.bayes.posterior import Posterior

    Drawn = Figure | Axes


class PosteriorPlots:
    """Figures of one posterior.

    Each takes ``ax=``, a matplotlib Axes to draw on and to return; without it a new Figure is
    returned.
    """

    def __init__(self, post: Posterior) -> None:
        self._post = post

    def densities(self, **options: Any) -> Drawn:
        """Parameters with their priors (`partialpool.figures.posterior.densities`)."""
        from partialpool.figures.posterior.densities import plot_densities

        return plot_densities(self._post, **options)

    def traces(self, **options: Any) -> Drawn:
        """Draws by chain (see `partialpool.figures.posterior.traces.plot_traces`)."""
        from partialpool.figures.posterior.traces import plot_traces

        return plot_traces(self._post, **options)

    def ranks(self, **options: Any) -> Drawn:
        """Ranks by chain (see `partialpool.figures.posterior.traces.plot_ranks`)."""
        from partialpool.figures.posterior.traces import plot_ranks

        return plot_ranks(self._post, **options)

    def pairs(self, **options: Any) -> Drawn:
        """Parameters in pairs (see `partialpool.figures.posterior.pairs.plot_pairs`)."""
        from partialpool.figures.posterior.pairs import plot_pairs

        return plot_pairs(self._post, **options)

    def caterpillar(self, **options: Any) -> Drawn:
        """Random effects (see `partialpool.figures.caterpillar.plot_posterior_caterpillar`)."""
        from partialpool.figures.caterpillar import plot_posterior_caterpillar

        return plot_posterior_caterpillar(self._post, **options)

    def predictive(self, **options: Any) -> Drawn:
        """Observed and replicated (see `partialpool.figures.posterior.predictive`)."""
        from partialpool.figures.posterior.predictive import plot_predictive

        return plot_predictive(self._post, **options)
