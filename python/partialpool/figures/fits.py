"""Facets by group: the data, and the lines of the population, of the model and of no pooling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import check_count
from partialpool.errors import ArgumentError
from partialpool.figures.labels import with_unit
from partialpool.figures.style import (
    AMBER,
    BLACK,
    BLUE,
    DASHES,
    GREY,
    ORANGE,
    SERIES,
    check_name,
    facet_margins,
    factor_index,
    few_ticks,
    headed,
    put_facet,
    put_legend,
    spread,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.models.fit import MixedFit

Vector = NDArray[np.float64]

#: In drawing order: field of `GroupLines`, legend, style.
LINES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    # Wide and light: it shows under the population's line, which often lies upon it.
    ("complete", "all groups as one (complete pooling)", {"lw": 4.0, "color": AMBER, "alpha": 0.6}),
    ("population", "population (fixed effects)", {"ls": "--", "lw": 1.0, "color": BLACK}),
    ("partial", "this group in the model (partial pooling)", {"lw": 1.5, "color": BLUE}),
    ("separate", "this group alone (no pooling)", {"ls": ":", "lw": 1.9, "color": ORANGE}),
)
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
    own_grid, separate
        The group's own regression over its own range; empty where its rows cannot give one.
    complete
        Heights of least squares without random effects; empty unless asked for.
    others
        Heights of other models' lines for the group.
    """

    level: Any
    x: Vector
    y: Vector
    grid: Vector
    population: Vector
    partial: Vector
    own_grid: Vector
    separate: Vector
    complete: Vector
    others: tuple[Vector, ...] = ()


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
) -> Figure:
    """Facets by group with the fitted lines.

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

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ArgumentError
        If there is no such group or predictor, the fit was loaded without its data, or a model is
        of other rows.
    """
    from matplotlib.figure import Figure

    facets, name, x_name, total = fits_data(
        fit, x=x, group=group, max_groups=max_groups, complete=complete, models=models
    )
    count = len(facets)
    columns = count if count <= 6 else min(6, int(np.ceil(np.sqrt(1.5 * count))))
    rows = int(np.ceil(count / columns))
    width, height = max(1.6 * columns + 0.8, 4.2), 1.5 * rows + 0.6
    unwanted = {"population": population, "separate": separate, "complete": complete}
    drawn = [line for line in LINES if unwanted.get(line[0], True)]
    drawn += _other_lines(models or {})
    beside = 3 if width > 8.5 else 1
    heading = _heading(fit, facets, name, total, width)
    above = 0.2 * (1 + heading.count("\n")) + 0.18 * np.ceil(len(drawn) / beside) + 0.08
    figure = Figure(figsize=(width, height + above))
    # The legend has a strip of its own, clear of the labels.
    halves: Any = figure.subfigures(2, 1, height_ratios=[above, height])
    top, bottom = halves
    axes = bottom.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    handles: dict[str, Any] = {}
    for i, facet in enumerate(facets):
        handles |= _draw(axes.flat[i], facet, drawn)
        put_facet(axes.flat[i], facet.level, labelled=i + columns >= count)
    # Lines of groups with few rows may run far out: what is seen is the data's range.
    few_ticks(axes.flat[0])
    shown = np.concatenate([v for f in facets for v in (f.y, f.population, f.partial, *f.others)])
    margin = 0.06 * (float(np.ptp(shown)) or 1.0)
    axes.flat[0].set_ylim(shown.min() - margin, shown.max() + margin)
    for ax in axes.flat[count:]:
        ax.set_visible(False)
    facet_margins(bottom, width, height, above=0.25, down=rows)
    source = fit.design.source
    bottom.supxlabel(with_unit(source, x_name), fontsize=9, parse_math=False)
    response = with_unit(source, fit.design.formula.response_name)
    bottom.supylabel(response, fontsize=9, parse_math=False)
    top.suptitle(heading, fontsize=9, parse_math=False)
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
    colours = [c for c in SERIES if c not in {BLACK, BLUE, ORANGE}]
    return [
        (i, f"this group in {name}", {"ls": DASHES[1 + i % 4], "lw": 1.5, "color": colours[i % 4]})
        for i, name in enumerate(models)
    ]


def _heading(fit: MixedFit, facets: list[GroupLines], name: str, total: int, width: float) -> str:
    """Formula, group and what was left out, in lines that fit the figure."""
    some = f"{len(facets)} of {total:,} levels" if len(facets) < total else ""
    thinned = any(len(f.x) > POINTS for f in facets)
    points = f"at most {POINTS} points a group drawn" if thinned else ""
    return headed(width, f"{fit.formula}, by {name}", some, points)


def _draw(ax: Axes, facet: GroupLines, lines: list[Any]) -> dict[str, Any]:
    some = np.linspace(0, len(facet.x) - 1, min(len(facet.x), POINTS)).round().astype(int)
    ax.plot(
        facet.x[some],
        facet.y[some],
        "o",
        ms=2.8,
        color=GREY,
        mec="none",
        alpha=1 if len(some) <= 60 else 0.4,
        zorder=1,
    )
    handles = {}
    for order, (field, label, style) in enumerate(lines, start=2):
        grid = facet.own_grid if field == "separate" else facet.grid
        if len(grid):
            heights = facet.others[field] if isinstance(field, int) else getattr(facet, field)
            (handles[label],) = ax.plot(grid, heights, zorder=order, **style)
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
        own_grid = np.linspace(own.min(), own.max(), GRID)
        separate = data.own_regression(index, rows, settings[i], own_grid)
        facets.append(
            GroupLines(
                level=factor.levels[code],
                x=own,
                y=data.y[rows],
                grid=grid,
                population=population[i],
                partial=partial[i],
                own_grid=own_grid if separate is not None else np.empty(0),
                separate=np.empty(0) if separate is None else separate,
                complete=np.empty(0) if pooled is None else complete_heights[i],
                others=tuple(heights[i] for heights in other_heights),
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
