"""Random effects with their intervals, in order of size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.arguments import check_count, check_level
from partialpool.errors import ArgumentError
from partialpool.figures.labels import coefficient_unit, in_unit
from partialpool.figures.levels import put_levels
from partialpool.figures.posterior.panels import kind_of
from partialpool.figures.scales import put_scales
from partialpool.figures.style import (
    BLUE,
    GREY,
    Vector,
    check_page,
    column_index,
    factor_index,
    grid_of,
    mark_size,
    new_figure,
    put_heading,
    put_labels,
    put_title,
    short,
    spread,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.bayes.posterior import Posterior
    from partialpool.models.fit import MixedFit


@dataclass(frozen=True, eq=False)
class Effects:
    """Levels of one grouping factor, the smallest effect first.

    Attributes
    ----------
    group
    names
        Names of the k random effects.
    levels
        Those shown, s of them.
    estimate, low, high
        (s, k): conditional modes, and the ends of their intervals.
    total
        Levels that there are.
    """

    group: str
    names: tuple[str, ...]
    levels: tuple[Any, ...]
    estimate: Vector
    low: Vector
    high: Vector
    total: int

    @property
    def half_width(self) -> Vector:
        """Half of the intervals, (s, k)."""
        return (self.high - self.low) / 2


def plot_caterpillar(
    fit: MixedFit,
    *,
    group: str | None = None,
    column: str | None = None,
    level: float = 0.95,
    max_levels: int = 400,
    ncol: int | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Conditional modes with intervals from their conditional standard deviations.

    Parameters
    ----------
    group
        Grouping factor; default the one with most levels.
    column
        One random effect; default all of the factor, one panel each.
    level
        Level of the intervals: normal quantiles, fixed effects and variances taken as known.
    max_levels
        With more levels, this many spread evenly over their order are shown, and the title says
        so.
    ncol
        Panels beside each other; default by how many there are.
    figsize
        Width and height of the new figure in inches; default by what it holds.
    ax
        Draw there (a factor with several random effects needs `column`).

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure

    Raises
    ------
    ArgumentError
        If there is no such group or random effect.
    """
    page = check_page(ax, figsize, ncol)
    shown = effects(fit, factor_index(fit, group), column, level, max_levels)
    return _draw(fit, shown, f"{100 * level:g}% intervals", ax, page, ncol)


def plot_posterior_caterpillar(
    post: Posterior,
    *,
    group: str | None = None,
    column: str | None = None,
    level: float = 0.9,
    max_levels: int = 400,
    ncol: int | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Posterior medians of random effects with intervals that leave out equal tails.

    Parameters
    ----------
    group, column, max_levels, ncol, figsize, ax
        As in `plot_caterpillar`.
    level
        Level of the intervals, which include the uncertainty of variances and fixed effects.

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure

    Raises
    ------
    ArgumentError
        If there is no such group or random effect, or random effects were not kept.
    """
    page = check_page(ax, figsize, ncol)
    index = factor_index(post.fit, group)
    shown = posterior_effects(post, index, column, level, max_levels)
    said = f"{kind_of(post)} medians and {100 * level:g}% intervals"
    return _draw(post.fit, shown, said, ax, page, ncol)


def _draw(
    fit: MixedFit,
    shown: Effects,
    said: str,
    ax: Axes | None,
    page: tuple[float, float] | None,
    ncol: int | None,
) -> Figure | Axes:
    k = len(shown.names)
    if ax is not None and k > 1:
        raise ArgumentError(f"one Axes holds one random effect; name it: column={shown.names[0]!r}")
    some = len(shown.levels) < shown.total
    heading = f"random effects of {shown.group} with {said}"
    thinned = f"{len(shown.levels)} of {shown.total:,} levels" if some else ""
    if ax is not None:
        _panel(ax, fit, shown, 0, first=True)
        put_scales([ax])
        put_title(ax, heading, thinned)
        return ax
    height = 1.2 + 0.17 * len(shown.levels) if len(shown.levels) <= 60 else 6.5
    down, across = grid_of(k, k, ncol)
    width = max(4.8, 3.0 * across + 0.8)
    figure = new_figure(width, max(2.4, height) * down, figsize=page)
    axes = figure.subplots(down, across, sharey=True, squeeze=False).ravel()
    for panel in axes[k:]:
        panel.set_visible(False)
    for j, panel in enumerate(axes[:k]):
        _panel(panel, fit, shown, j, first=j % across == 0)
        if k > 1:
            put_title(panel, shown.names[j])
    put_scales(axes[:k])
    text = f"{heading}, by {shown.names[0]}" if k > 1 else heading
    text += f" ({thinned})" if thinned else ""
    put_heading(figure, text)
    return figure


def _panel(ax: Axes, fit: MixedFit, shown: Effects, j: int, *, first: bool) -> None:
    at = np.arange(len(shown.levels))
    middle = shown.estimate[:, j]
    few = len(at) <= 60
    ax.axvline(0, color=GREY, lw=1, ls="--", zorder=1)
    ax.hlines(at, shown.low[:, j], shown.high[:, j], color=BLUE, lw=1.4 if few else 0.5, zorder=2)
    ax.plot(middle, at, "o", color=BLUE, ms=0.85 * mark_size(len(at)) if few else 1.4, zorder=3)
    name, response = shown.names[j], fit.design.formula.response_name
    unit = coefficient_unit(fit.design.source, response, name)
    own = "" if len(shown.names) > 1 else f"{short(name, 24)}: "
    put_labels(ax, in_unit(f"{own}deviation from the mean", unit), "")
    ax.set_ylim(-0.8, len(at) - 0.2)
    ax.locator_params(axis="x", nbins=6)
    if first:
        put_levels(ax, "y", shown.levels, shown.group)


def effects(
    fit: MixedFit, index: int, column: str | None, level: float, max_levels: int
) -> Effects:
    """What `plot_caterpillar` draws."""
    from scipy.stats import norm

    from partialpool.design.names import column_names

    level, most = check_level(level), check_count(max_levels, "max_levels")
    factor = fit.design.factors[index]
    names = column_names(factor)
    columns = list(range(len(names))) if column is None else [column_index(fit, index, column)]
    modes = fit.random_effects[index][:, columns]
    order = np.argsort(modes[:, 0], kind="stable")
    order = order[spread(len(order), most)]
    half = float(norm.ppf((1 + level) / 2)) * fit.conditional_sds()[index][order][:, columns]
    return Effects(
        group=factor.name,
        names=tuple(names[j] for j in columns),
        levels=tuple(factor.levels[i] for i in order),
        estimate=modes[order],
        low=modes[order] - half,
        high=modes[order] + half,
        total=len(factor.levels),
    )


def posterior_effects(
    post: Posterior, index: int, column: str | None, level: float, max_levels: int
) -> Effects:
    """What `plot_posterior_caterpillar` draws."""
    level, most = check_level(level), check_count(max_levels, "max_levels")
    factor = post.fit.design.factors[index]
    names = post.parameters.columns(factor)
    columns = list(range(len(names)))
    if column is not None:
        columns = [column_index(post.fit, index, column)]
    draws = post.random_draws[index]
    flat = draws.reshape(-1, *draws.shape[2:])
    order = np.argsort(np.median(flat[:, :, columns[0]], axis=0), kind="stable")
    order = order[spread(len(order), most)]
    at = [(1 - level) / 2, 0.5, (1 + level) / 2]
    low, middle, high = np.quantile(flat[:, order][:, :, columns], at, axis=0)
    return Effects(
        group=factor.name,
        names=tuple(names[j] for j in columns),
        levels=tuple(factor.levels[i] for i in order),
        estimate=middle,
        low=low,
        high=high,
        total=len(factor.levels),
    )
