"""Observed and predicted values by the cells of a factor design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.arguments import check_count
from partialpool.design.design import group_labels
from partialpool.design.frame import Frame
from partialpool.design.reading import fixed_variables
from partialpool.errors import ArgumentError
from partialpool.figures.labels import with_unit
from partialpool.figures.levels import put_levels
from partialpool.figures.scales import put_scales
from partialpool.figures.style import (
    GREY,
    TEXT,
    Indices,
    Vector,
    check_page,
    factor_index,
    grid_of,
    headed,
    look,
    magnified,
    mark_size,
    new_figure,
    points,
    put_heading,
    put_labels,
    put_legend,
    short_all,
    spread,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from partialpool.models.fit import MixedFit

#: Facets that fit a page.
FACETS = 12


@dataclass(frozen=True, eq=False)
class Cells:
    """Means by cell and group.

    Attributes
    ----------
    x, by, group
        Factors; `by` is None without facets.
    x_levels, by_levels, levels
        `by_levels` is (None,) without facets.
    x_code, by_code, code
        Codes of each mean's cell.
    observed, predicted
        Mean of the response, and of the model with its random effects.
    fixed
        (by, x): the model without random effects, over the cell's rows; NaN where there are none.
    rows
        Largest number of rows in a mean.
    total
        Means that there are.
    """

    x: str
    by: str | None
    group: str
    x_levels: tuple[Any, ...]
    by_levels: tuple[Any, ...]
    levels: tuple[Any, ...]
    x_code: Indices
    by_code: Indices
    code: Indices
    observed: Vector
    predicted: Vector
    fixed: Vector
    rows: int
    total: int


def plot_cells(
    fit: MixedFit,
    *,
    x: str | None = None,
    by: str | None = None,
    group: str | None = None,
    max_points: int = 400,
    ncol: int | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Observed beside predicted values in a design of factors.

    Each group's rows in a cell give one observed and one predicted value (their means where there
    are several), joined by a line; a bar is the fixed effects' mean of the cell.

    Parameters
    ----------
    x
        Factor on the horizontal axis; default the fixed part's first.
    by
        Factor of the facets; default its second, if there is one.
    group
        Grouping factor; default the one with most levels.
    max_points
        With more means, this many spread evenly over them are shown, and the title says so.
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
        If the fixed part has no such factor, or there is no such group.
    DataError
        If the fit was loaded without its rows.
    """
    page = check_page(None, figsize, ncol)
    shown = cells_data(fit, x, by, group, max_points)
    count = min(len(shown.by_levels), FACETS)
    down, across = grid_of(count, 4, ncol)
    panel = float(np.clip(0.5 + 0.55 * len(shown.x_levels), 2.4, 7.0))
    figure = new_figure(max(5.0, panel * across + 0.8), 2.7 * down + 1.3, figsize=page)
    axes = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    handles: list[Any] = []
    response = with_unit(fit.design.source, fit.design.formula.response_name)
    names = short_all([f"{shown.by}: {level}" for level in shown.by_levels], 30)
    for i in range(count):
        ax = axes.flat[i]
        handles = _panel(ax, shown, i)
        put_labels(ax, "", response if i % across == 0 else "")
        put_levels(ax, "x", shown.x_levels, shown.x)
        ax.tick_params(labelbottom=i + across >= count)
        if i + across < count:
            ax.set_xlabel("")
        ax.set_xlim(-0.6, len(shown.x_levels) - 0.4)
        if shown.by is not None:
            ax.set_title(names[i], fontsize=points(TEXT), parse_math=False)
    for ax in axes.flat[count:]:
        ax.set_visible(False)
    some, facets = len(shown.code) < shown.total, count < len(shown.by_levels)
    width = figure.get_size_inches()[0]
    text = headed(
        width,
        f"{fit.formula}, by {shown.group}",
        f"means of up to {shown.rows:,} rows" if shown.rows > 1 else "",
        f"{len(shown.code):,} of {shown.total:,} means" if some else "",
        f"{count} of {len(shown.by_levels)} levels of {shown.by}" if facets else "",
    )
    put_scales(axes.flat[:count])
    put_heading(figure, text)
    drawn = ["observed", "predicted, random effects included", "fixed effects"]
    beside = 3 if width > 5.5 * magnified() else 2
    put_legend(figure, handles, drawn, loc="outside lower center", ncols=beside)
    return figure


def _panel(ax: Any, shown: Cells, i: int) -> list[Any]:
    own = shown.by_code == i
    # Groups keep their place within a cell: a group's points are above each other across facets.
    share = (shown.code[own] + 0.5) / len(shown.levels) - 0.5
    at = shown.x_code[own] + 0.62 * share
    few = own.sum() <= 120
    observed, predicted = shown.observed[own], shown.predicted[own]
    ax.vlines(at, observed, predicted, color=GREY, lw=1 if few else 0.4, zorder=2)
    size = mark_size(int(own.sum()))
    ring = look("observed")["color"]
    (a,) = ax.plot(at, observed, "o", ms=size, mfc="none", mec=ring, mew=1.2, zorder=3)
    model, fixed = look("partial")["color"], look("population", lw=1.4)
    (b,) = ax.plot(at, predicted, "D", ms=size - 0.6, color=model, mec="none", zorder=4)
    place = np.arange(len(shown.x_levels))
    c = ax.hlines(shown.fixed[i], place - 0.38, place + 0.38, zorder=1, **fixed)
    return [a, b, c]


def cells_data(
    fit: MixedFit, x: str | None, by: str | None, group: str | None, max_points: int
) -> Cells:
    """What `plot_cells` draws."""
    check_count(max_points, "max_points")
    index = factor_index(fit, group)
    design = fit.design.with_rows()
    if design.source is None:
        raise ArgumentError("the figure needs the data of the fit, which a pickle leaves out")
    frame = Frame(design.source)
    leveled = getattr(design.fixed, "levels", {})
    factors = [v for v in fixed_variables(design.formula) if v in leveled]
    known = f"it has {', '.join(factors)}" if factors else "it has none; see fit.plot.fits()"
    for name in (x, by):
        if name is not None and name not in factors:
            raise ArgumentError(f"the fixed part has no factor {name!r}; {known}")
    if not factors:
        raise ArgumentError(
            "the fixed part has no factor for the horizontal axis; see fit.plot.fits()"
        )
    x = next(f for f in factors if f != by) if x is None and factors != [by] else x
    if x is None or x == by:
        raise ArgumentError(f"x and by must be two factors, both are {by!r}")
    by = next((f for f in factors if f != x), None) if by is None else by
    on_x = group_labels(frame, (x,), design.rows)
    factor = design.factors[index]
    assert factor.codes is not None  # _rows() has seen to it
    code = factor.codes.astype(np.int64)
    facet, by_levels = np.zeros(fit.nobs, dtype=np.int64), (None,)
    if by is not None:
        labels = group_labels(frame, (by,), design.rows)
        facet, by_levels = labels.codes, labels.levels
    cell = facet * len(on_x.levels) + on_x.codes
    joint = cell * len(factor.levels) + code
    used, place, count = np.unique(joint, return_inverse=True, return_counts=True)
    y = design.response + (0.0 if design.offset is None else design.offset)
    chosen = spread(len(used), max_points)

    def means(values: Vector) -> Vector:
        return (np.bincount(place, weights=values) / count)[chosen]

    size = (len(by_levels), len(on_x.levels))
    rows = np.bincount(cell, minlength=size[0] * size[1])
    fixed = np.bincount(cell, weights=fit.predict(random="none"), minlength=len(rows))
    with np.errstate(invalid="ignore"):
        fixed = (fixed / rows).reshape(size)
    return Cells(
        x=x,
        by=by,
        group=factor.name,
        x_levels=on_x.levels,
        by_levels=tuple(by_levels),
        levels=factor.levels,
        x_code=used[chosen] // len(factor.levels) % len(on_x.levels),
        by_code=used[chosen] // (len(factor.levels) * len(on_x.levels)),
        code=used[chosen] % len(factor.levels),
        observed=means(y),
        predicted=means(fit.fitted),
        fixed=fixed,
        rows=int(count.max()),
        total=len(used),
    )
