"""Parameters against each other, draw by draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.errors import ArgumentError
from partialpool.figures.posterior.panels import (
    MARKED,
    broken,
    chosen_variables,
    density,
    kind_of,
    label_of,
    reach,
)
from partialpool.figures.scales import put_scales
from partialpool.figures.style import (
    BLUE,
    ORANGE,
    SKY,
    SMALL,
    TINY,
    check_page,
    cloud,
    new_figure,
    points,
    put_heading,
    put_labels,
    put_legend,
    put_title,
    spread,
    triangle,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.bayes.posterior import Posterior

#: Panels smaller than those of so many variables cannot be read.
MOST = 6


def plot_pairs(
    post: Posterior,
    *,
    variables: Sequence[str] | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Draws of parameters in pairs, densities on the diagonal; divergent draws are marked.

    Parameters
    ----------
    variables
        Names of the summary, two or more; default all, of more than six the first six, and the
        heading says so.
    figsize
        Width and height of the new figure in inches; default by what it holds.
    ax
        Draw one pair there; `variables` must name two.

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure. More than 5,000 draws are counted in
    hexagons.
    """
    page = check_page(ax, figsize)
    if isinstance(variables, str):
        raise ArgumentError(f"variables must be a list of names, not {variables!r}")
    names, fewer = chosen_variables(post, variables, MOST)
    if len(names) < 2:
        raise ArgumentError("a pair needs two variables; name two or more")
    diverged = int(post.stats["diverging"].sum())
    heading = f"{kind_of(post)} draws in pairs"
    if ax is not None:
        if len(names) > 2:
            raise ArgumentError(f"one Axes holds one pair; name it: variables={names[:2]!r}")
        said, marks = _pair(ax, post, names[0], names[1])
        put_labels(ax, label_of(post, names[0]), label_of(post, names[1]))
        put_scales([ax])
        put_title(ax, heading, said)
        if marks:
            put_legend(ax, marks, [f"{diverged:,} divergent"])
        return ax
    k = len(names)
    figure = new_figure(max(5.2, 1.75 * k + 0.8), 1.6 * k + 1.1, figsize=page)
    axes, said, marks = triangle(
        figure,
        k,
        lambda panel, i: _share(panel, post, names[i]),
        lambda panel, x, y: _pair(panel, post, names[x], names[y]),
    )
    for i, j in zip(*np.tril_indices(k), strict=True):
        panel = axes[i, j]
        put_labels(panel, "", "")
        if i == k - 1:
            panel.set_xlabel(broken(names[j]), fontsize=points(SMALL), parse_math=False)
        if j == 0 and i:
            panel.set_ylabel(broken(names[i]), fontsize=points(SMALL), parse_math=False)
        panel.tick_params(labelsize=points(TINY), labelleft=bool(j == 0 and i > 0))
        panel.locator_params(nbins=4)
    parts = [fewer, said, "" if diverged else "no divergences"]
    heading += "".join(f"; {part}" for part in parts if part)
    put_scales(ax for ax in axes.flat if ax.get_visible())
    put_heading(figure, heading)
    if marks:
        put_legend(figure, marks, [f"{diverged:,} divergent draws"], loc="outside lower center")
    return figure


def _pair(ax: Axes, post: Posterior, x: str, y: str) -> tuple[str, list[Any]]:
    first, second = post.draws(x).ravel(), post.draws(y).ravel()
    said = cloud(ax, first, second)
    marks: list[Any] = []
    where = np.flatnonzero(post.stats["diverging"].ravel())
    if len(where):
        where = where[spread(len(where), MARKED)]
        marks = ax.plot(first[where], second[where], "x", color=ORANGE, ms=4, mew=1.1, zorder=4)
    ax.set_xlim(*reach(first))
    ax.set_ylim(*reach(second))
    return said, marks


def _share(ax: Axes, post: Posterior, name: str) -> None:
    grid, height = density(post.draws(name))
    ax.fill_between(grid, height, color=SKY, alpha=0.45, linewidth=0)
    ax.plot(grid, height, color=BLUE, lw=1.1)
    ax.set_xlim(*reach(post.draws(name).ravel()))
    ax.set_ylim(0, 1.08 * float(height.max()))
    ax.set_yticks([])
