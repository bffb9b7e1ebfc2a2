"""Densities of the posterior's parameters, with their priors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.arguments import check_level
from partialpool.bayes.priors import Prior, lkj
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
    Vector,
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
        Of the bars: quantiles that leave out equal tails.
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


def prior_density(post: Posterior, name: str, points: Vector) -> Vector:
    """Prior density of one parameter: of σ and deviations cut off at zero, of a correlation its
    marginal under LKJ.
    """
    prior = post.priors[name]
    for factor in post.parameters.factors:
        names = post.parameters.correlations(factor)
        if name in names:
            size = _block_size(factor.blocks, names.index(name))
            # Marginal of one correlation of a k x k matrix: (1 - r²) ** (η + k/2 - 2).
            return np.exp(lkj(prior.parameters[0] + size / 2 - 1).log_density(points))
    positive = name == "sigma" or any(
        name in post.parameters.deviations(f) for f in post.parameters.factors
    )
    height = np.exp(prior.log_density(points))
    return np.where(points < 0, 0.0, height) / _share_above_zero(prior) if positive else height


def _block_size(blocks: Sequence[int], place: int) -> int:
    """Size of the covariance block that holds a factor's correlation of this place."""
    for size in blocks:
        place -= size * (size - 1) // 2
        if place < 0:
            return size
    return 2


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
