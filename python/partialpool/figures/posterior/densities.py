"""Densities of the posterior's parameters, with their priors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.arguments import check_level
from partialpool.bayes.prior_density import prior_density
from partialpool.figures.posterior.panels import (
    chosen_variables,
    density,
    kind_of,
    label_of,
    one_variable,
    put_name,
    reach,
)
from partialpool.figures.scales import put_scales
from partialpool.figures.style import (
    BLUE,
    ORANGE,
    SKY,
    check_page,
    grid_of,
    ink,
    new_figure,
    put_heading,
    put_labels,
    put_legend,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.bayes.posterior import Posterior


def plot_densities(
    post: Posterior,
    *,
    variables: str | Sequence[str] | None = None,
    prior: bool = True,
    level: float = 0.9,
    ncol: int | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Density of each parameter, its median and interval below, its prior as a dashed line.

    Parameters
    ----------
    variables
        Names of the summary; default all, at most 24, and the heading says so.
    prior
        Draw the priors, over the range of the posterior only.
    level
        Level of the bars: quantiles that leave out equal tails.
    ncol
        Panels beside each other; default by how many there are.
    figsize
        Width and height of the new figure in inches; default by what it holds.
    ax
        Draw there; one variable must be named.

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure

    Raises
    ------
    ArgumentError
        If there is no such variable.
    """
    page = check_page(ax, figsize, ncol)
    names, fewer = chosen_variables(post, variables)
    level = check_level(level)
    what = f"{kind_of(post)} densities, medians and {100 * level:g}% intervals"
    if ax is not None:
        name = one_variable(names)
        handles, labels = _panel(ax, post, name, level, prior)
        put_labels(ax, label_of(post, name), "")
        put_scales([ax])
        put_legend(ax, handles, labels)
        return ax
    down, across = grid_of(len(names), 3, ncol or min(3, len(names)))
    figure = new_figure(max(4.6, 2.9 * across), 1.9 * down + 0.9, figsize=page)
    axes = figure.subplots(down, across, squeeze=False)
    handles: list[Any] = []
    labels: list[str] = []
    for panel, name in zip(axes.flat, names, strict=False):
        own, texts = _panel(panel, post, name, level, prior)
        if len(own) > len(handles):
            handles, labels = own, texts
        put_labels(panel, "", "")
        put_name(panel, post, name)
    for panel in axes.flat[len(names) :]:
        panel.set_visible(False)
    if fewer:
        what += f" ({fewer})"
    put_scales(axes.flat[: len(names)])
    put_heading(figure, what)
    put_legend(figure, handles, labels, loc="outside lower center", ncols=2)
    return figure


def _panel(
    ax: Axes, post: Posterior, name: str, level: float, prior: bool
) -> tuple[list[Any], list[str]]:
    draws = post.draws(name).ravel()
    grid, height = density(draws)
    top = float(height.max())
    area = ax.fill_between(grid, height, color=SKY, alpha=0.45, linewidth=0, zorder=1)
    ax.plot(grid, height, color=BLUE, lw=1.2, zorder=3)
    low, middle, high = np.quantile(draws, [(1 - level) / 2, 0.5, (1 + level) / 2]).tolist()
    at = -0.07 * top
    ax.hlines(at, low, high, color=ink(), lw=2, zorder=3)
    ax.plot(middle, at, "o", color=ink(), ms=4, zorder=4)
    handles, labels = [area], [kind_of(post) + (" draws" if post.settings.prior_only else "")]
    left, right = reach(draws)
    if prior and post.priors[name].is_proper:
        points = np.linspace(left, right, 301)
        (line,) = ax.plot(
            points, prior_density(post, name, points), color=ORANGE, lw=1.4, ls="--", zorder=2
        )
        handles, labels = [*handles, line], [*labels, "prior"]
    ax.set_xlim(left, right)
    ax.set_ylim(-0.14 * top, 1.08 * top)
    ax.set_yticks([])
    ax.locator_params(axis="x", nbins=5)
    return handles, labels
