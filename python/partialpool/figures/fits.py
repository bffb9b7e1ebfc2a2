"""Facets by group: the data, and the lines of complete, partial and no pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.errors import ArgumentError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from partialpool.models.linear_mixed import LinearMixedModel

Vector = NDArray[np.float64]

#: Okabe & Ito's colour-blind-safe palette.
BLACK, BLUE, GREEN, GREY = "#000000", "#0072B2", "#009E73", "#8C8C8C"


@dataclass(frozen=True, eq=False)
class GroupLines:
    """What one facet shows.

    Attributes
    ----------
    level
        The group.
    x, y
        Its rows.
    grid
        Where the lines are evaluated.
    complete, partial, separate
        Their heights; `separate` is None where the group's own x values cannot give a line.
    """

    level: Any
    x: Vector
    y: Vector
    grid: Vector
    complete: Vector
    partial: Vector
    separate: Vector | None


def plot_fits(
    fit: LinearMixedModel,
    *,
    x: str | None = None,
    group: str | None = None,
    max_groups: int = 36,
    pooled: bool = True,
    separate: bool = True,
) -> Figure:
    """Facets by group with the fitted lines.

    Parameters
    ----------
    x
        Numeric predictor on the horizontal axis; default the first one with a random slope, else
        the first of the fixed part.
    group
        Grouping factor; default the one with most levels.
    max_groups
        With more groups, this many spread evenly over the levels are shown, and the title says so.
    pooled, separate
        Whether to draw the complete-pooling and the no-pooling lines beside the model's.

    Returns
    -------
    matplotlib Figure
    """
    from matplotlib.figure import Figure

    facets, name, x_name, total = fits_data(fit, x=x, group=group, max_groups=max_groups)
    columns = min(6, int(np.ceil(np.sqrt(1.5 * len(facets)))))
    rows = int(np.ceil(len(facets) / columns))
    figure = Figure(figsize=(1.9 * columns + 0.8, 1.75 * rows + 1.3), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    handles: dict[str, Any] = {}
    for ax, facet in zip(axes.flat, facets, strict=False):
        ax.plot(facet.x, facet.y, "o", ms=3, color=GREY, mec="none", zorder=1)
        if pooled:
            (line,) = ax.plot(facet.grid, facet.complete, "--", lw=1.1, color=BLACK, zorder=2)
            handles["complete pooling (fixed effects)"] = line
        if separate and facet.separate is not None:
            (line,) = ax.plot(facet.grid, facet.separate, ":", lw=1.8, color=GREEN, zorder=3)
            handles["no pooling (own regression)"] = line
        (line,) = ax.plot(facet.grid, facet.partial, "-", lw=1.6, color=BLUE, zorder=4)
        handles["partial pooling (this model)"] = line
        ax.set_title(f"{facet.level}"[:24], fontsize=8, pad=3)
        ax.tick_params(labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes.flat[len(facets) :]:
        ax.set_visible(False)
    figure.supxlabel(x_name, fontsize=10)
    figure.supylabel(fit.design.formula.response_name, fontsize=10)
    shown = "" if total == len(facets) else f" ({len(facets)} of {total} levels)"
    figure.suptitle(f"{fit.formula}, by {name}{shown}", fontsize=10)
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=3,
        fontsize=8,
        frameon=False,
    )
    return figure


def fits_data(
    fit: LinearMixedModel, *, x: str | None, group: str | None, max_groups: int
) -> tuple[list[GroupLines], str, str, int]:
    """What `plot_fits` draws: facets, names of group and x, and how many groups there are."""
    design = fit._rows()
    names = {f.name: i for i, f in enumerate(design.factors)}
    name = fit.terms[0].factor.name if group is None else group
    if name not in names:
        raise ArgumentError(f"the model has no grouping factor {name!r}; it has {', '.join(names)}")
    index = names[name]
    factor = design.factors[index]
    x_name = _x_name(fit, index) if x is None else x
    x_rows = _rows_of(fit, x_name)
    levels = len(factor.levels)
    chosen = np.unique(np.linspace(0, levels - 1, min(levels, max_groups)).round().astype(int))
    offset = 0.0 if design.offset is None else design.offset
    y = design.response + offset
    # The model's lines follow the fitted values' dependence on x at each group's own other
    # predictors: rows are moved along x, the other columns averaged over the group.
    facets = []
    for code in chosen:
        rows = np.flatnonzero(factor.codes == code)
        grid = np.linspace(float(x_rows.min()), float(x_rows.max()), 25)
        complete, partial = _lines(fit, index, int(code), rows, x_name, grid)
        own = x_rows[rows]
        separate = None
        if len(np.unique(own)) > 1:
            slope, intercept = np.polyfit(own, y[rows], 1)
            separate = intercept + slope * grid
        facets.append(
            GroupLines(factor.levels[code], own, y[rows], grid, complete, partial, separate)
        )
    return facets, name, x_name, levels


def _x_name(fit: LinearMixedModel, index: int) -> str:
    design = fit.design
    candidates = [v for t in design.factors[index].terms for v in t.source.variables]
    for name in [*candidates, *design.fixed.variables]:
        if _is_numeric(fit, name):
            return name
    raise ArgumentError("the model has no numeric predictor to draw lines along; name one with x=")


def _is_numeric(fit: LinearMixedModel, name: str) -> bool:
    encoders = [fit.design.fixed, *(t.encoder for f in fit.design.factors for t in f.terms)]
    return not any(name in getattr(e, "levels", {}) for e in encoders if name in e.variables)


def _rows_of(fit: LinearMixedModel, name: str) -> Vector:
    from partialpool.design.columns import take
    from partialpool.design.frame import Frame

    if fit.design.source is None:
        raise ArgumentError("the figure needs the data of the fit; fit again or give them to load")
    return take(Frame(fit.design.source).numeric(name), fit.design.rows)


def _lines(
    fit: LinearMixedModel, index: int, code: int, rows: Any, x_name: str, grid: Vector
) -> tuple[Vector, Vector]:
    """Heights of the population's and the group's line, other columns at the group's means."""
    design = fit.design

    def along(encoder: Any, columns: Any) -> list[Vector]:
        moved = _moved(fit, encoder, x_name, rows, grid)
        if moved is not None:
            return moved
        return [
            np.full(len(grid), float(np.mean(np.asarray(c)[rows] if np.ndim(c) else c)))
            for c in columns
        ]

    fixed = along(design.fixed, design.x)
    kept = [fixed[i] for i in fit._products.kept]
    complete = np.zeros(len(grid))
    for column, b in zip(kept, fit.beta, strict=True):
        complete = complete + column * b
    if design.offset is not None:
        complete = complete + float(np.mean(design.offset[rows]))
    partial = complete.copy()
    for f, factor in enumerate(design.factors):
        own = factor.codes
        assert own is not None  # fits_data asked for the rows
        codes = [code] if f == index else np.unique(own[rows])
        effects = fit._effects[f][codes].mean(axis=0)
        for term in factor.terms:
            columns = factor.columns[term.start : term.start + len(term.names)]
            for j, column in enumerate(along(term.encoder, columns)):
                partial = partial + column * effects[term.start + j]
    return complete, partial


def _moved(fit: LinearMixedModel, encoder: Any, x_name: str, rows: Any, grid: Vector) -> Any:
    """The encoder's columns along x, averaged over the group's rows for the other predictors."""
    from partialpool.design.columns import take
    from partialpool.design.frame import Frame

    if x_name not in encoder.variables:
        return None
    source = Frame(fit.design.source)
    used = rows if fit.design.rows is None else fit.design.rows[rows]
    table: dict[str, Any] = {}
    levels = getattr(encoder, "levels", {})
    for name in encoder.variables:
        if name == x_name:
            table[name] = np.repeat(grid, len(used))
        elif name in levels:
            coded = source.coded(name)
            labels = np.array([*coded.levels, None], dtype=object)
            table[name] = np.tile(labels[take(coded.codes, used)], len(grid))
        else:
            table[name] = np.tile(take(source.numeric(name), used), len(grid))
    columns = encoder.of(Frame(table))
    wide = (len(grid), len(used))
    return [
        np.broadcast_to(np.asarray(c, dtype=float), (len(grid) * len(used),))
        .reshape(wide)
        .mean(axis=1)
        for c in columns
    ]
