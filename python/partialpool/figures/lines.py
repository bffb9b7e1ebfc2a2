"""Every group's line on one panel: complete, partial and no pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.arguments import POOLINGS, Pooling, check_choice
from partialpool.errors import ArgumentError
from partialpool.figures.fits import GroupLines, fits_data
from partialpool.figures.labels import with_unit
from partialpool.figures.style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    Vector,
    check_axes,
    check_names,
    headed,
    new_figure,
    put_labels,
    put_legend,
    put_title,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.models.fit import MixedFit

#: Kind of pooling: heading, style of the lines.
POOLING: dict[Pooling, tuple[str, dict[str, Any]]] = {
    "complete": ("complete pooling", {"ls": "--", "lw": 1.8, "color": BLACK, "zorder": 5}),
    "partial": ("partial pooling", {"ls": "-", "lw": 1.1, "color": BLUE, "zorder": 4}),
    "none": ("no pooling", {"ls": ":", "lw": 1.1, "color": ORANGE, "zorder": 3}),
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
    ax: Axes | None = None,
) -> Figure | Axes:
    """The lines of all groups together.

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
    if ax is not None:
        check_axes(ax)
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
    points = f"{POINTS:,} of the points" if thinned else ""
    limits = _limits(facets)
    labels = [with_unit(fit.design.source, v) for v in (x_name, fit.design.formula.response_name)]
    if ax is not None:
        handles = _panel(ax, facets, kinds, limits)
        put_labels(ax, *labels)
        put_title(ax, f"{fit.formula}, by {name}", some, points)
        put_legend(ax, handles, [POOLING[k][0] for k in kinds])
        return ax
    figure = new_figure(3.1 * len(kinds) + 1.0, 3.6)
    axes = figure.subplots(1, len(kinds), sharex=True, sharey=True, squeeze=False)[0]
    for i, (panel, kind) in enumerate(zip(axes, kinds, strict=True)):
        _panel(panel, facets, [kind], limits)
        put_labels(panel, labels[0], labels[1] if i == 0 else "")
        put_title(panel, POOLING[kind][0])
    text = headed(figure.get_size_inches()[0], f"{fit.formula}, by {name}", some, points)
    figure.suptitle(text, fontsize=9, parse_math=False)
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
    ax.plot(x[shown], y[shown], "o", ms=2.2, color=GREY, alpha=0.45, mec="none", zorder=1)
    handles = []
    for kind in kinds:
        style = POOLING[kind][1]
        lines = _lines(facets, kind)
        weight = style["lw"] if len(lines) <= 30 else 0.6 * style["lw"]
        ax.add_collection(
            LineCollection(
                lines,
                colors=style["color"],
                linestyles=style["ls"],
                linewidths=weight,
                alpha=1.0 if len(lines) <= 30 else 0.6,
                zorder=style["zorder"],
            )
        )
        handles.append(Line2D([], [], color=style["color"], ls=style["ls"], lw=style["lw"]))
    ax.autoscale_view()
    ax.set_ylim(*limits)
    return handles


def _lines(facets: list[GroupLines], kind: str) -> list[Vector]:
    """(points, 2) of each line; one of complete pooling where all groups share it."""
    if kind == "complete":
        lines = [np.column_stack([f.grid, f.complete]) for f in facets]
        same = all(np.allclose(line, lines[0], rtol=1e-12) for line in lines)
        return lines[:1] if same else lines
    if kind == "partial":
        return [np.column_stack([f.grid, f.partial]) for f in facets]
    return [np.column_stack([f.own_grid, f.separate]) for f in facets if len(f.separate)]
