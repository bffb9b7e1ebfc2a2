"""How the chains ran: traces, and ranks of each chain's draws among all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.figures.posterior.panels import (
    MARKED,
    chosen_variables,
    kind_of,
    label_of,
    one_variable,
    put_name,
)
from partialpool.figures.scales import put_scales
from partialpool.figures.style import (
    DASHES,
    GREY,
    SERIES,
    check_page,
    grid_of,
    ink,
    new_figure,
    put_heading,
    put_labels,
    put_legend,
    put_title,
    spread,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.bayes.posterior import Posterior

#: Points of a line: more lie within its width.
LINE = 1000
BINS = 20


def plot_traces(
    post: Posterior,
    *,
    variables: str | Sequence[str] | None = None,
    ncol: int | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Draws in their order, one line per chain; divergent ones are marked below.

    Parameters
    ----------
    variables
        Names of the summary; default all, at most 24, and the heading says so.
    ncol
        Panels beside each other; default by how many there are.
    figsize
        Width and height of the new figure in inches; default by what it holds.
    ax
        Draw there; one variable must be named.

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure. Of chains longer than 1,000 draws every
    so many are drawn, and the heading says so.
    """
    page = check_page(ax, figsize, ncol)
    names, fewer = chosen_variables(post, variables)
    chains, draws, _ = post.values.shape
    diverged = int(post.stats["diverging"].sum())
    said = [
        f"{kind_of(post)} draws of {chains} chain{'s' * (chains > 1)}",
        fewer,
        f"{LINE:,} of {draws:,} draws per chain" if draws > LINE else "",
        f"marks below: {diverged:,} divergences" if diverged else "no divergences",
    ]
    return _figure(post, names, said, ax, page, ncol, _trace, "draw")


def plot_ranks(
    post: Posterior,
    *,
    variables: str | Sequence[str] | None = None,
    ncol: int | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Ranks of each chain's draws among those of all: level lines where the chains agree.

    Parameters
    ----------
    variables, ncol, figsize, ax
        As in `plot_traces`.

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), Bayesian Analysis 16.
    """
    page = check_page(ax, figsize, ncol)
    names, fewer = chosen_variables(post, variables)
    said = [f"ranks of each chain's {kind_of(post)} draws", fewer, "dashed: expected in each bin"]
    return _figure(post, names, said, ax, page, ncol, _ranks, "rank among all draws")


def _figure(
    post: Posterior,
    names: list[str],
    said: list[str],
    ax: Axes | None,
    page: tuple[float, float] | None,
    ncol: int | None,
    draw: Callable[[Axes, Posterior, str], list[Any]],
    along: str,
) -> Figure | Axes:
    chains = post.values.shape[0]
    labels = [f"chain {c + 1}" for c in range(chains)]
    if ax is not None:
        name = one_variable(names)
        handles = draw(ax, post, name)
        put_labels(ax, along, label_of(post, name))
        put_scales([ax])
        put_title(ax, *said)
        if 1 < chains <= 8:
            put_legend(ax, handles, labels, loc="upper right")
        return ax
    down, across = grid_of(len(names), 2, ncol or min(2, len(names)))
    figure = new_figure(4.4 * across, 1.5 * down + 1.0, figsize=page)
    axes = figure.subplots(down, across, squeeze=False)
    handles: list[Any] = []
    for i, (panel, name) in enumerate(zip(axes.flat, names, strict=False)):
        handles = draw(panel, post, name)
        put_labels(panel, along if i + across >= len(names) else "", "")
        put_name(panel, post, name)
        panel.locator_params(axis="y", nbins=4)
        panel.locator_params(axis="x", nbins=5)
    for panel in axes.flat[len(names) :]:
        panel.set_visible(False)
    heading = said[0] + "".join(f"; {part}" for part in said[1:] if part)
    put_scales(axes.flat[: len(names)])
    put_heading(figure, heading)
    if 1 < chains <= 8:
        legend = put_legend(
            figure, handles, labels, loc="outside lower center", ncols=min(4, chains)
        )
        for line in legend.get_lines():
            line.set_linewidth(2)
    return figure


def _trace(ax: Axes, post: Posterior, name: str) -> list[Any]:
    values = post.draws(name)
    at = spread(values.shape[1], LINE)
    lines = []
    for c, chain in enumerate(values):
        color = SERIES[c % len(SERIES)]
        lines += ax.plot(at + 1, chain[at], color=color, lw=0.5, alpha=0.75, zorder=2)
    where = np.unique(np.nonzero(post.stats["diverging"])[1])
    low, high = float(values.min()), float(values.max())
    room = 0.08 * (high - low) or 1.0
    if len(where):
        where = where[spread(len(where), MARKED)]
        ax.plot(where + 1, np.full(len(where), low - room / 2), "|", color=ink(), ms=5, mew=0.8)
    ax.set_ylim(low - room, high + room / 2)
    ax.set_xlim(1, max(2, values.shape[1]))
    return lines


def _ranks(ax: Axes, post: Posterior, name: str) -> list[Any]:
    values = post.draws(name)
    total = values.size
    ranks = np.empty(total)
    ranks[np.argsort(values.ravel(), kind="stable")] = np.arange(total)
    bins = min(BINS, values.shape[1])
    edges = np.linspace(0, total, bins + 1)
    lines = []
    for c, own in enumerate(ranks.reshape(values.shape)):
        counts, _ = np.histogram(own, edges)
        lines.append(
            ax.stairs(
                counts,
                edges,
                color=SERIES[c % len(SERIES)],
                lw=1.2,
                ls=DASHES[c // len(SERIES) % len(DASHES)],
                baseline=None,
            )
        )
    expected = values.shape[1] / bins
    ax.axhline(expected, color=GREY, lw=1, ls="--", zorder=1)
    ax.set_ylim(0, max(2 * expected, ax.get_ylim()[1]))
    ax.set_xlim(0, total)
    return lines
