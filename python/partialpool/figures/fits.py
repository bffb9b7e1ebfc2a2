"""Facets by group: the data, and the lines of the population, of the model and of no pooling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import check_count
from partialpool.errors import ArgumentError
from partialpool.figures.facets import LEFT, PANEL, facet_grid, facet_margins, few_ticks, put_facet
from partialpool.figures.labels import with_unit
from partialpool.figures.scales import shared_scales
from partialpool.figures.style import (
    DASHES,
    SERIES,
    SMALL,
    TEXT,
    check_name,
    check_page,
    factor_index,
    headed,
    look,
    magnified,
    mark_size,
    new_figure,
    points,
    put_heading,
    put_legend,
    room_for_text,
    short_all,
    spread,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.models.fit import MixedFit

Vector = NDArray[np.float64]

#: In drawing order: field of `GroupLines` and of `LOOKS`, legend.
LINES = {
    "complete": "all groups as one (complete pooling)",
    "population": "population (fixed effects)",
    "partial": "this group in the model (partial pooling)",
    "separate": "this group alone (no pooling)",
}
#: Points of a line; distinct settings of the other predictors that a line is averaged over; points
#: of a facet that are drawn.
GRID, SETTINGS, POINTS = 41, 200, 400


@dataclass(frozen=True, eq=False)
class GroupLines:
    """What one facet shows.

    Attributes
    ----------
    level
        The group.
    x, y
        Its rows; y with the offset.
    grid
        Where the model's lines are evaluated: the range of x in all the data.
    population, partial
        Their heights, averaged over the settings of the other predictors in the group.
    separate
        Of the group's own regression; empty where its rows cannot give one.
    complete
        Heights of least squares without random effects; empty unless asked for.
    others
        Heights of other models' lines for the group.
    averaged
        Other predictors that take several values in the group's rows.
    """

    level: Any
    x: Vector
    y: Vector
    grid: Vector
    population: Vector
    partial: Vector
    separate: Vector
    complete: Vector
    others: tuple[Vector, ...] = ()
    averaged: tuple[str, ...] = ()


def plot_fits(
    fit: MixedFit,
    *,
    x: str | None = None,
    group: str | None = None,
    max_groups: int = 30,
    population: bool = True,
    separate: bool = True,
    complete: bool = False,
    models: Mapping[str, MixedFit] | None = None,
    ncol: int | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Facets by group with the fitted lines.

    All lines are drawn over the range of x in all the data. Of other predictors they are averages
    over the values in the group's rows, and the title says so.

    Parameters
    ----------
    x
        Numeric column on the horizontal axis; default the first predictor with a random slope,
        else the first of the fixed part.
    group
        Grouping factor; default the one with most levels.
    max_groups
        With more groups, this many spread evenly over the levels are shown, and the title says so.
    population, separate
        Whether to draw the fixed effects' line, and each group's own regression on the columns of
        the model, beside the model's line for the group.
    complete
        Whether to draw least squares of the fixed part, as if there were no groups.
    models
        Other fits of the same rows, by the name for the legend: their lines for the group too.
    ncol
        Panels beside each other; default by how many there are.
    figsize
        Width and height of the new figure in inches; default by what it holds.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ArgumentError
        If there is no such group or predictor, the fit was loaded without its data, a model is of
        other rows, or `figsize` has no room.
    """
    page = check_page(None, figsize, ncol)
    facets, name, x_name, total = fits_data(
        fit, x=x, group=group, max_groups=max_groups, complete=complete, models=models
    )
    count = len(facets)
    rows, columns = facet_grid(count, ncol)
    width, height = max(PANEL[0] * columns + 0.8, 4.2), PANEL[1] * rows + 0.6 * magnified()
    width = width if page is None else page[0]
    unwanted = {"population": population, "separate": separate, "complete": complete}
    drawn = [(v, label, look(v)) for v, label in LINES.items() if unwanted.get(v, True)]
    drawn += _other_lines(models or {})
    beside = 3 if width > 8.5 * magnified() else 1
    heading = _heading(fit, facets, name, total, width)
    above = 0.22 * (1 + heading.count("\n")) + 0.18 * np.ceil(len(drawn) / beside)
    above = magnified() * above + 0.12
    height = height if page is None else page[1] - above
    figure = new_figure(width, height + above, None)
    if height <= 0:
        raise ArgumentError("figsize has no room for the text alone; give a larger one")
    # The legend has a strip of its own, clear of the labels.
    halves: Any = figure.subfigures(2, 1, height_ratios=[above, height])
    top, bottom = halves
    axes = bottom.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    handles: dict[str, Any] = {}
    size = mark_size(sum(min(len(f.x), POINTS) for f in facets))
    names = short_all(
        [f.level for f in facets], room_for_text((width - LEFT) / columns - 0.1, SMALL, 6)
    )
    for i, facet in enumerate(facets):
        handles |= _draw(axes.flat[i], facet, drawn, size)
        put_facet(axes.flat[i], names[i], labelled=i + columns >= count)
    # Lines of groups with few rows may run far out: what is seen is the data's range.
    few_ticks(axes.flat[0])
    shown = np.concatenate([v for f in facets for v in (f.y, f.population, f.partial, *f.others)])
    margin = 0.06 * (float(np.ptp(shown)) or 1.0)
    axes.flat[0].set_ylim(shown.min() - margin, shown.max() + margin)
    for ax in axes.flat[count:]:
        ax.set_visible(False)
    facet_margins(bottom, width, height, above=0.25 * magnified(), down=rows)
    source = fit.design.source
    response = with_unit(source, fit.design.formula.response_name)
    on_x, on_y = shared_scales(axes.flat[:count])
    texts = (
        (bottom.supxlabel, with_unit(source, x_name), on_x),
        (bottom.supylabel, response, on_y),
    )
    for put, text, scale in texts:
        put(f"{text} {scale}".strip(), fontsize=points(TEXT), parse_math=False)
    put_heading(top, heading, y=1 - 0.08 / above)
    in_order = [label for _, label, _ in drawn if label in handles]
    put_legend(
        top,
        [handles[label] for label in in_order],
        in_order,
        loc="lower center",
        ncols=beside,
        borderpad=0,
        borderaxespad=0.1,
    )
    return figure


def _other_lines(models: Mapping[str, MixedFit]) -> list[tuple[Any, str, dict[str, Any]]]:
    """A colour and dashes for each, none of them the fit's own."""
    return [
        (
            i,
            f"this group in {name}",
            {"ls": DASHES[1 + i % 4], "lw": 1.5, "color": SERIES[1 + i % 3]},
        )
        for i, name in enumerate(models)
    ]


def _heading(fit: MixedFit, facets: list[GroupLines], name: str, total: int, width: float) -> str:
    """Formula, group and what was left out, in lines that fit the figure."""
    some = f"{len(facets)} of {total:,} levels" if len(facets) < total else ""
    thinned = any(len(f.x) > POINTS for f in facets)
    fewer = f"at most {POINTS} points per group drawn" if thinned else ""
    return headed(width, f"{fit.formula}, by {name}", averages(facets), some, fewer)


def averages(facets: list[GroupLines]) -> str:
    """What the heading says where lines are means over other predictors."""
    over = list(dict.fromkeys(name for f in facets for name in f.averaged))
    return f"lines averaged over {', '.join(over)} in each group" if over else ""


def _draw(ax: Axes, facet: GroupLines, lines: list[Any], size: float) -> dict[str, Any]:
    some = spread(len(facet.x), POINTS)
    ax.plot(
        facet.x[some],
        facet.y[some],
        "o",
        ms=size,
        mec="none",
        alpha=0.9 if len(some) <= 60 else 0.4,
        zorder=1,
        **look("observed"),
    )
    handles = {}
    for order, (field, label, style) in enumerate(lines, start=2):
        heights = facet.others[field] if isinstance(field, int) else getattr(facet, field)
        if len(heights):
            (handles[label],) = ax.plot(facet.grid, heights, zorder=order, **style)
    return handles


def fits_data(
    fit: MixedFit,
    *,
    x: str | None,
    group: str | None,
    max_groups: int,
    complete: bool = False,
    models: Mapping[str, MixedFit] | None = None,
) -> tuple[list[GroupLines], str, str, int]:
    """What `plot_fits` draws: facets, names of group and x, and how many groups there are."""
    check_count(max_groups, "max_groups")
    check_name(x, "x")
    if models is not None and not isinstance(models, Mapping):
        raise ArgumentError("models must be a dict of fits by name: {'intercept': other_fit}")
    from partialpool.figures.settings import FitRows

    data = FitRows(fit)
    index = factor_index(fit, group)
    others = [FitRows(same_rows(fit, name, m)) for name, m in (models or {}).items()]
    factor = fit.design.factors[index]
    x_name = data.first_numeric(index) if x is None else x
    x_rows = data.numeric(x_name)
    levels = len(factor.levels)
    grid = np.linspace(float(x_rows.min()), float(x_rows.max()), GRID)
    pooled = data.complete_pooling() if complete else None
    chosen = spread(levels, max_groups)
    members = [np.flatnonzero(factor.codes == code) for code in chosen]
    settings = [data.settings(rows, x_name, SETTINGS) for rows in members]
    population = data.heights(settings, grid, "none")
    partial = data.heights(settings, grid, "all")
    complete_heights = [] if pooled is None else data.pooled(pooled, settings, grid)
    other_heights = [
        o.heights([o.settings(rows, x_name, SETTINGS) for rows in members], grid, "all")
        for o in others
    ]
    facets = []
    for i, (code, rows) in enumerate(zip(chosen, members, strict=True)):
        own = x_rows[rows]
        varies = bool(own.min() < own.max())
        separate = data.own_regression(index, rows, settings[i], grid) if varies else None
        facets.append(
            GroupLines(
                level=factor.levels[code],
                x=own,
                y=data.y[rows],
                grid=grid,
                population=population[i],
                partial=partial[i],
                separate=np.empty(0) if separate is None else separate,
                complete=np.empty(0) if pooled is None else complete_heights[i],
                others=tuple(heights[i] for heights in other_heights),
                averaged=settings[i].averaged(),
            )
        )
    return facets, factor.name, x_name, levels


def same_rows(fit: MixedFit, name: str, other: Any) -> MixedFit:
    """Refuse to lay a model of other rows, or of another response, over a fit."""
    from partialpool.models.fit import MixedFit

    if not isinstance(other, MixedFit):
        raise ArgumentError(f"models[{name!r}] must be a fit of lmer, not {type(other).__name__}")
    mine, theirs = fit.design.with_rows(), other.design.with_rows()
    if theirs.formula.response_name != mine.formula.response_name:
        raise ArgumentError(
            f"models[{name!r}] is of {theirs.formula.response_name}, the fit of"
            f" {mine.formula.response_name}"
        )
    values = [d.response + (0.0 if d.offset is None else d.offset) for d in (mine, theirs)]
    if other.nobs != fit.nobs or not np.allclose(*values, rtol=1e-12, atol=0):
        raise ArgumentError(f"models[{name!r}] was fitted to other rows; fit both to the same data")
    return other
