"""`post.plot`: the figures of a posterior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from partialpool.figures.caterpillar import plot_posterior_caterpillar
from partialpool.figures.documented import documented_by, offered
from partialpool.figures.posterior.densities import plot_densities
from partialpool.figures.posterior.pairs import plot_pairs
from partialpool.figures.posterior.predictive import plot_predictive
from partialpool.figures.posterior.traces import plot_ranks, plot_traces

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.bayes.posterior import Posterior


class PosteriorPlots:
    """Figures of one posterior.

    Each takes ``ax=``, a matplotlib Axes to draw on and to return; without it a new Figure is
    returned.
    """

    def __init__(self, post: Posterior) -> None:
        self._post = post

    def __repr__(self) -> str:
        return offered(type(self))

    @documented_by(plot_densities)
    def densities(
        self,
        *,
        variables: str | Sequence[str] | None = None,
        prior: bool = True,
        level: float = 0.9,
        ncol: int | None = None,
        figsize: tuple[float, float] | None = None,
        ax: Axes | None = None,
    ) -> Figure | Axes:
        """Density of each parameter, its median and interval below, its prior as a dashed line."""
        return plot_densities(
            self._post,
            variables=variables,
            prior=prior,
            level=level,
            ncol=ncol,
            figsize=figsize,
            ax=ax,
        )

    @documented_by(plot_traces)
    def traces(
        self,
        *,
        variables: str | Sequence[str] | None = None,
        ncol: int | None = None,
        figsize: tuple[float, float] | None = None,
        ax: Axes | None = None,
    ) -> Figure | Axes:
        """Draws in their order, one line per chain; divergent ones are marked below."""
        return plot_traces(self._post, variables=variables, ncol=ncol, figsize=figsize, ax=ax)

    @documented_by(plot_ranks)
    def ranks(
        self,
        *,
        variables: str | Sequence[str] | None = None,
        ncol: int | None = None,
        figsize: tuple[float, float] | None = None,
        ax: Axes | None = None,
    ) -> Figure | Axes:
        """Ranks of each chain's draws among those of all: level lines where the chains agree."""
        return plot_ranks(self._post, variables=variables, ncol=ncol, figsize=figsize, ax=ax)

    @documented_by(plot_pairs)
    def pairs(
        self,
        *,
        variables: Sequence[str] | None = None,
        figsize: tuple[float, float] | None = None,
        ax: Axes | None = None,
    ) -> Figure | Axes:
        """Draws of parameters in pairs, densities on the diagonal; divergent draws are marked."""
        return plot_pairs(self._post, variables=variables, figsize=figsize, ax=ax)

    @documented_by(plot_posterior_caterpillar)
    def caterpillar(
        self,
        *,
        group: str | None = None,
        column: str | None = None,
        level: float = 0.9,
        max_levels: int = 400,
        ncol: int | None = None,
        figsize: tuple[float, float] | None = None,
        ax: Axes | None = None,
    ) -> Figure | Axes:
        """Posterior medians of random effects with intervals that leave out equal tails."""
        return plot_posterior_caterpillar(
            self._post,
            group=group,
            column=column,
            level=level,
            max_levels=max_levels,
            ncol=ncol,
            figsize=figsize,
            ax=ax,
        )

    @documented_by(plot_predictive)
    def predictive(
        self,
        *,
        draws: int = 50,
        max_rows: int = 20000,
        seed: int | None = None,
        figsize: tuple[float, float] | None = None,
        ax: Axes | None = None,
    ) -> Figure | Axes:
        """Density of the observed response, and of replicates."""
        return plot_predictive(
            self._post, draws=draws, max_rows=max_rows, seed=seed, figsize=figsize, ax=ax
        )
