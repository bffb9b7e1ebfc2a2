"""Residuals against fitted values, their spread, and by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.arguments import RESIDUAL_FIGURES, ResidualFigure, check_choice, check_count
from partialpool.figures.labels import with_unit
from partialpool.figures.levels import put_levels
from partialpool.figures.scales import put_scales
from partialpool.figures.style import (
    BLUE,
    GREY,
    ORANGE,
    SKY,
    Vector,
    check_page,
    cloud,
    factor_index,
    grid_of,
    mark_size,
    new_figure,
    put_heading,
    put_labels,
    put_title,
    running_mean,
    spread,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.models.fit import MixedFit

#: Shares of a group's residuals below its marks.
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Rows a group below which its residuals are drawn one by one.
FEW = 30


def plot_residuals(
    fit: MixedFit,
    *,
    kind: ResidualFigure | None = None,
    group: str | None = None,
    max_groups: int = 400,
    ncol: int | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Residuals against fitted values, scale-location, and residuals by group.

    Residuals are Pearson's: those of a weighted fit times the square root of the weight.

    Parameters
    ----------
    kind
        "fitted", "scale-location" (square root of the absolute scaled residual) or "group";
        default all three.
    group
        Grouping factor of the third; default the one with most levels.
    max_groups
        With more groups, this many spread evenly over the order of their medians are shown, and
        the title says so.
    ncol
        Panels beside each other; default by how many there are.
    figsize
        Width and height of the new figure in inches; default by what it holds.
    ax
        Draw there; one kind must be named.

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure

    Raises
    ------
    ArgumentError
        If there is no such kind or group.
    DataError
        If the fit was loaded without its rows.
    """
    index = factor_index(fit, group)
    check_count(max_groups, "max_groups")
    page = check_page(ax, figsize, ncol)
    if kind is not None or ax is not None:
        kind = check_choice(kind, "kind", RESIDUAL_FIGURES)
    kinds = RESIDUAL_FIGURES if kind is None else (kind,)
    residual, fitted = fit.residuals("pearson"), fit.fitted
    order = np.argsort(fitted, kind="stable") if kind != "group" else None
    panels: list[Any]
    if ax is not None:
        panels, figure = [ax], None
    else:
        down, across = grid_of(len(kinds), 3, ncol)
        figure = new_figure(3.6 * across + 0.4, 3.4 * down + 0.4, figsize=page)
        panels = list(figure.subplots(down, across, squeeze=False).flat)
        put_heading(figure, fit.formula)
        for panel in panels[len(kinds) :]:
            panel.set_visible(False)
    for panel, which in zip(panels, kinds, strict=False):
        if which == "fitted":
            _fitted(panel, fit, fitted, residual, order)
        elif which == "scale-location":
            _scale_location(panel, fit, fitted, residual, order)
        else:
            _by_group(panel, fit, residual, index, max_groups)
    put_scales(panels[: len(kinds)])
    return panels[0] if figure is None else figure


def _names(fit: MixedFit) -> tuple[str, str]:
    """Labels of the fitted values and of the residuals, with the response's unit."""
    source, response = fit.design.source, fit.design.formula.response_name
    weighted = fit.design.weights is not None
    residual = "residual × √weight" if weighted else "residual"
    return with_unit(source, response, f"fitted {response}"), with_unit(source, response, residual)


def _fitted(ax: Axes, fit: MixedFit, fitted: Vector, residual: Vector, order: Any) -> None:
    said = cloud(ax, fitted, residual)
    ax.axhline(0, color=GREY, lw=1, ls="--", zorder=3)
    line = _trend(ax, fitted, residual, order)
    put_labels(ax, *_names(fit))
    put_title(ax, f"residuals{line}", said)


def _trend(ax: Axes, x: Vector, y: Vector, order: Any) -> str:
    """A running mean where there is enough for one, and what the title says of it."""
    at, means = running_mean(x, y, order)
    if not len(at):
        return ""
    ax.plot(at, means, color=ORANGE, lw=1.6, zorder=4)
    return "; line: running mean"


def _scale_location(ax: Axes, fit: MixedFit, fitted: Vector, residual: Vector, order: Any) -> None:
    root = np.sqrt(np.abs(residual) / fit.sigma)
    said = cloud(ax, fitted, root)
    line = _trend(ax, fitted, root, order)
    ax.set_ylim(bottom=0)
    put_labels(ax, _names(fit)[0], "√|scaled residual|")
    put_title(ax, f"spread{line}", said)


def _by_group(ax: Axes, fit: MixedFit, residual: Vector, index: int, max_groups: int) -> None:
    factor = fit.design.factors[index]
    assert factor.codes is not None  # fit.residuals() has seen to it
    levels, marks, rows = quantiles_by_group(
        residual, factor.codes.astype(np.intp), len(factor.levels), max_groups
    )
    at = np.arange(len(levels))
    ax.axhline(0, color=GREY, lw=1, ls="--", zorder=1)
    wide = len(at) <= 60
    one_by_one = wide and max(map(len, rows)) <= FEW
    if one_by_one:
        x = np.repeat(at, [len(r) for r in rows])
        area = mark_size(len(x)) ** 2
        ax.scatter(x, np.concatenate(rows), s=area, color=BLUE, alpha=0.6, linewidths=0, zorder=2)
    elif wide:
        ax.vlines(at, marks[:, 0], marks[:, 4], color=BLUE, lw=0.8, zorder=2)
        ax.vlines(at, marks[:, 1], marks[:, 3], color=BLUE, lw=4.0, zorder=2)
    else:
        # Lines this close would run together into stripes that are not in the data.
        for (low, high), colour in (((0, 4), SKY), ((1, 3), BLUE)):
            ends = marks[:, low], marks[:, high]
            ax.fill_between(at, *ends, step="mid", color=colour, alpha=0.55, lw=0, zorder=2)
    if wide:
        ax.plot(at, marks[:, 2], "_", color=ORANGE, ms=9, mew=2, zorder=3)
    else:
        ax.plot(at, marks[:, 2], "-", color=ORANGE, lw=1.4, zorder=3)
    put_labels(ax, "", _names(fit)[1])
    put_levels(ax, "x", [factor.levels[i] for i in levels], factor.name)
    what = "each row and the median" if one_by_one else "median, middle half and middle 90%"
    total = len(factor.levels)
    said = f"{len(levels)} of {total:,} groups" if len(levels) < total else ""
    put_title(ax, f"residuals by group in order of median: {what}", said)


def quantiles_by_group(
    residual: Vector, codes: Any, size: int, most: int
) -> tuple[Any, Vector, list[Vector]]:
    """Groups in order of their medians, at most so many: place, marks at `SHARES`, values."""
    order = np.lexsort((residual, codes))
    ordered = residual[order]
    start = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=size))])
    count = np.diff(start)
    # Type 7, R's default, for all groups at once.
    marks = np.empty((size, len(SHARES)))
    for j, share in enumerate(SHARES):
        place = start[:-1] + (count - 1) * share
        below = np.floor(place).astype(np.intp)
        above = np.minimum(below + 1, start[1:] - 1)
        marks[:, j] = ordered[below] + (place - below) * (ordered[above] - ordered[below])
    shown = np.argsort(marks[:, 2], kind="stable")
    shown = shown[spread(size, most)]
    return shown, marks[shown], [ordered[start[i] : start[i + 1]] for i in shown]
