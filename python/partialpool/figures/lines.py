"""Every group's line on one panel: complete, partial and no pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.arguments import POOLINGS, Pooling, check_choice
from partialpool.errors import ArgumentError
from partialpool.figures.fits import GroupLines, averages, fits_data
from partialpool.figures.labels import with_unit
from partialpool.figures.scales import put_scales
from partialpool.figures.style import (
    Vector,
    check_names,
    check_page,
    grid_of,
    headed,
    look,
    mark_size,
    new_figure,
    put_heading,
    put_labels,
    put_legend,
    put_title,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.models.fit import MixedFit

#: Kind of pooling: heading, field of `GroupLines` and of `LOOKS`, width and order of the lines.
POOLING: dict[Pooling, tuple[str, str, dict[str, Any]]] = {
    "complete": ("complete pooling", "complete", {"lw": 3.0, "zorder": 5}),
    "partial": ("partial pooling", "partial", {"lw": 1.1, "zorder": 4}),
    "none": ("no pooling", "separate", {"lw": 1.1, "zorder": 3}),
}
#: Points of a group that are drawn where there are many groups.
POINTS = 3_000


def plot_lines(
    fit: MixedFit,
    *,
    x: str | None = None,
    group: str | None = None,
    pooling: Pooling | Sequence[Pooling] | None = None,
    max_groups: int = 100,
    ncol: int | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """The lines of all groups together, each over the range of x in all the data.

    Parameters
    ----------
    x, group
        As for `fit.plot.fits`.
    pooling
        Which lines: "complete" (least squares without groups), "partial" (the model), "none"
        (each group alone), or several of them. Default all three, side by side in a new figure
        and together on one Axes.
    max_groups
        With more groups, this many spread evenly over the levels are shown, and the title says so.
    ncol
        Panels beside each other; default by how many there are.
    figsize
        Width and height of the new figure in inches; default by what it holds.
    ax
        Draw there, on one panel.

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure

    Raises
    ------
    ArgumentError
        If there is no such group or predictor, or the fit was loaded without its data.
    """
    page = check_page(ax, figsize, ncol)
    given = tuple(POOLING) if pooling is None else pooling
    names = check_names(given, "pooling")
    if not names:
        raise ArgumentError(f"pooling must name one of {', '.join(map(repr, POOLING))}")
    kinds: list[Pooling] = [check_choice(name, "pooling", POOLINGS) for name in names]
    facets, name, x_name, total = fits_data(
        fit, x=x, group=group, max_groups=max_groups, complete="complete" in kinds
    )
    some = f"{len(facets)} of {total:,} levels" if len(facets) < total else ""
    thinned = sum(len(f.x) for f in facets) > POINTS
    fewer = f"{POINTS:,} of the points" if thinned else ""
    said = (f"{fit.formula}, by {name}", averages(facets), some, fewer)
    limits = _limits(facets)
    labels = [with_unit(fit.design.source, v) for v in (x_name, fit.design.formula.response_name)]
    if ax is not None:
        handles = _panel(ax, facets, kinds, limits)
        put_labels(ax, *labels)
        put_scales([ax])
        put_title(ax, *said)
        put_legend(ax, handles, [POOLING[k][0] for k in kinds])
        return ax
    down, across = grid_of(len(kinds), 3, ncol)
    figure = new_figure(3.1 * across + 1.0, 3.0 * down + 0.6, figsize=page)
    axes = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    for i, (panel, kind) in enumerate(zip(axes, kinds, strict=False)):
        _panel(panel, facets, [kind], limits)
        last = i + across >= len(kinds)
        put_labels(panel, labels[0] if last else "", labels[1] if i % across == 0 else "")
        panel.tick_params(labelbottom=last)
        put_title(panel, POOLING[kind][0])
    for panel in axes[len(kinds) :]:
        panel.set_visible(False)
    put_scales(axes[: len(kinds)])
    put_heading(figure, headed(figure.get_size_inches()[0], *said))
    return figure


def _limits(facets: list[GroupLines]) -> tuple[float, float]:
    """The range of data and model: lines of groups with few rows may run far out."""
    low = min(min(f.y.min(), f.partial.min()) for f in facets)
    high = max(max(f.y.max(), f.partial.max()) for f in facets)
    margin = 0.05 * ((high - low) or 1.0)
    return float(low - margin), float(high + margin)


def _panel(
    ax: Axes, facets: list[GroupLines], kinds: list[Pooling], limits: tuple[float, float]
) -> list[Any]:
    """Points and lines; returns a line of each kind for the legend."""
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

    x, y = (np.concatenate([getattr(f, v) for f in facets]) for v in ("x", "y"))
    shown = np.arange(len(x))
    if len(x) > POINTS:
        shown = np.random.default_rng(1).choice(len(x), POINTS, replace=False)
    size = mark_size(len(shown))
    alpha = 0.8 if len(shown) <= 200 else 0.45
    ax.plot(x[shown], y[shown], "o", ms=size, alpha=alpha, mec="none", zorder=1, **look("observed"))
    handles = []
    for kind in kinds:
        _, field, changed = POOLING[kind]
        style = look(field, **changed)
        lines = _lines(facets, field)
        weight = style["lw"] if len(lines) <= 30 else 0.6 * style["lw"]
        ax.add_collection(
            LineCollection(
                lines,
                colors=style["color"],
                linestyles=style["ls"],
                linewidths=weight,
                alpha=style.get("alpha", 1.0) if len(lines) <= 30 else 0.6,
                zorder=style["zorder"],
            )
        )
        handles.append(Line2D([], [], **{k: v for k, v in style.items() if k != "zorder"}))
    ax.autoscale_view()
    ax.set_ylim(*limits)
    return handles


def _lines(facets: list[GroupLines], field: str) -> list[Vector]:
    """(points, 2) of each line; one of complete pooling where all groups share it."""
    heights = ((f.grid, getattr(f, field)) for f in facets)
    lines = [np.column_stack(line) for line in heights if len(line[1])]
    if field == "complete" and all(np.allclose(line, lines[0], rtol=1e-12) for line in lines):
        return lines[:1]
    return lines
