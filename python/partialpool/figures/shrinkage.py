"""Shrinkage: from each group's own estimate to the model's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.arguments import check_count
from partialpool.errors import ArgumentError
from partialpool.figures.covariance import coverage_labels, draw_ellipses
from partialpool.figures.labels import coefficient_unit, in_unit
from partialpool.figures.levels import put_levels
from partialpool.figures.scales import put_scales
from partialpool.figures.style import (
    GREY,
    TINY,
    Vector,
    check_names,
    check_page,
    column_index,
    factor_index,
    look,
    mark_size,
    new_figure,
    paper,
    points,
    put_labels,
    put_legend,
    put_title,
    short_all,
    spread,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.models.fit import MixedFit

#: Groups up to which arrows in the plane are named.
NAMED = 24


@dataclass(frozen=True, eq=False)
class Shrinkage:
    """Coefficients of some levels of one factor, fixed effects added.

    Attributes
    ----------
    group
    names
        Names of the one or two coefficients.
    levels
        Those shown, s of them.
    separate, partial
        (s, 1 or 2): without pooling, and the model's.
    centre
        The fixed effects.
    covariance
        Fitted, of the random effects.
    total, unknown
        Levels that there are, and those shown whose rows give no estimate of their own.
    """

    group: str
    names: tuple[str, ...]
    levels: tuple[Any, ...]
    separate: Vector
    partial: Vector
    centre: Vector
    covariance: Vector
    total: int
    unknown: int


def plot_shrinkage(
    fit: MixedFit,
    *,
    group: str | None = None,
    columns: Sequence[str] | None = None,
    max_groups: int = 400,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Arrows from no pooling to partial pooling, in the plane of two coefficients or along one.

    A group's own estimate is least squares of its rows on the factor's columns, all else as the
    model has it. Ellipses are of the fitted distribution of the groups' coefficients.

    Parameters
    ----------
    group
        Grouping factor; default the one with most levels.
    columns
        One or two random effects of the factor; default the first two, or the only one.
    max_groups
        With more groups, this many spread evenly over the levels are shown, and the title says so.
    figsize
        Width and height of the new figure in inches; default by what it holds.
    ax
        Draw there.

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure

    Raises
    ------
    ArgumentError
        If there is no such group or random effect, or no group's rows give an estimate.
    DataError
        If the fit was loaded without its rows.
    """
    page = check_page(ax, figsize)
    shown = shrinkage_data(fit, group, columns, max_groups)
    figure = None
    if ax is None:
        one = len(shown.names) == 1
        height = float(np.clip(1.3 + 0.2 * len(shown.levels), 2.6, 7.0)) if one else 5.0
        figure = new_figure(6.2, height, figsize=page)
        ax = figure.subplots()
    (_along if len(shown.names) == 1 else _plane)(ax, fit, shown)
    drawn = len(shown.levels) + shown.unknown
    some = f"{drawn} of {shown.total:,} levels" if drawn < shown.total else ""
    unknown = f"{shown.unknown} without an estimate of their own" if shown.unknown else ""
    put_scales([ax])
    put_title(ax, f"shrinkage by {shown.group}", some, unknown)
    return ax if figure is None else figure


def _label(fit: MixedFit, name: str) -> str:
    unit = coefficient_unit(fit.design.source, fit.design.formula.response_name, name)
    return in_unit(name if name == "Intercept" else f"coefficient of {name}", unit)


def _plane(ax: Axes, fit: MixedFit, shown: Shrinkage) -> None:
    few = len(shown.levels) <= 60
    start, end = shown.separate, shown.partial
    ax.quiver(
        *start.T,
        *(end - start).T,
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.0028 if few else 0.0014,
        headwidth=5,
        color=GREY,
        alpha=0.9 if few else 0.5,
        zorder=3,
    )
    a, b = _ends(ax, start.T, end.T)
    colour = look("population")["color"]
    (c,) = ax.plot(*shown.centre, "P", ms=9, color=colour, mec=paper(), zorder=6)
    lines = draw_ellipses(ax, shown.covariance, shown.centre)
    put_labels(ax, _label(fit, shown.names[0]), _label(fit, shown.names[1]))
    put_legend(
        _below(ax),
        [a, b, c, *lines],
        [
            "the group alone (no pooling)",
            "the group in the model (partial pooling)",
            "fixed effects",
            *coverage_labels(),
        ],
        **({"loc": "best"} if _shared(ax) else {"loc": "outside lower center", "ncols": 2}),
    )
    if len(shown.levels) <= NAMED:
        _name_arrows(ax, shown)


def _ends(ax: Axes, start: Any, end: Any) -> tuple[Any, Any]:
    """Marks of no pooling and of partial pooling: a ring where the two are the same."""
    count = len(start[0])
    size = mark_size(count) if count <= 60 else 2.2
    ring = {"mfc": "none", "mec": look("separate")["color"], "mew": 1 if count <= 60 else 0.6}
    (a,) = ax.plot(*start, "o", ms=max(4.2, size), **ring, zorder=4)
    (b,) = ax.plot(*end, "o", ms=size, color=look("partial")["color"], mec="none", zorder=5)
    return a, b


def _shared(ax: Axes) -> bool:
    """Whether the figure has other panels, or a layout in which a legend has no room of its own."""
    figure: Any = ax.get_figure(root=True)
    return len(figure.axes) > 1 or not figure.get_constrained_layout()


def _below(ax: Axes) -> Any:
    return ax if _shared(ax) else ax.get_figure()


def _along(ax: Axes, fit: MixedFit, shown: Shrinkage) -> None:
    order = np.argsort(shown.separate[:, 0], kind="stable")
    at = np.arange(len(order))
    start, end = shown.separate[order, 0], shown.partial[order, 0]
    few = len(at) <= 60
    centre = float(shown.centre[0])
    (c,) = ax.plot([centre, centre], [-0.8, len(at) - 0.2], zorder=1, **look("population"))
    ax.hlines(at, start, end, color=GREY, lw=1.2 if few else 0.5, zorder=2)
    a, b = _ends(ax, (start, at), (end, at))
    ax.set_ylim(-0.8, len(at) - 0.2)
    put_labels(ax, _label(fit, shown.names[0]), "")
    put_levels(ax, "y", [shown.levels[i] for i in order], shown.group)
    names = [
        "the group alone (no pooling)",
        "the group in the model (partial pooling)",
        "fixed effect",
    ]
    where = {"loc": "best"} if _shared(ax) else {"loc": "outside lower center", "ncols": 2}
    put_legend(_below(ax), [a, b, c], names, **where)


def _name_arrows(ax: Axes, shown: Shrinkage) -> None:
    """Names beside the tails, where one of four places is free of other names and of points."""
    figure: Any = ax.get_figure(root=True)
    figure.draw_without_rendering()
    taken: list[Any] = []
    to_pixels = ax.transData.transform
    marks = np.vstack([to_pixels(shown.separate), to_pixels(shown.partial)])
    for name, at in zip(short_all(shown.levels, 14), shown.separate, strict=True):
        for dx, dy, ha, va in (
            (4, 3, "left", "bottom"),
            (-4, 3, "right", "bottom"),
            (4, -3, "left", "top"),
            (-4, -3, "right", "top"),
        ):
            note = ax.annotate(
                name,
                at,
                (dx, dy),
                textcoords="offset points",
                ha=ha,
                va=va,
                fontsize=points(TINY),
                parse_math=False,
                zorder=7,
            )
            box = note.get_window_extent()
            inside = ax.bbox.x0 <= box.x0 and box.x1 <= ax.bbox.x1
            inside &= bool(ax.bbox.y0 <= box.y0 and box.y1 <= ax.bbox.y1)
            x, y = marks.T
            on_point = (x > box.x0) & (x < box.x1) & (y > box.y0) & (y < box.y1)
            if inside and not on_point.any() and not any(box.overlaps(t) for t in taken):
                taken.append(box)
                break
            note.remove()


def shrinkage_data(
    fit: MixedFit, group: str | None, columns: Sequence[str] | None, max_groups: int
) -> Shrinkage:
    """What `plot_shrinkage` draws."""
    from partialpool.design.names import column_names
    from partialpool.inference.shrinkage import level_least_squares, level_products

    check_count(max_groups, "max_groups")
    index = factor_index(fit, group)
    factor = fit.design.with_rows().factors[index]
    names = column_names(factor)
    wanted = names[:2] if columns is None else check_names(columns, "columns")
    if not 1 <= len(wanted) <= 2 or len(set(wanted)) < len(wanted):
        raise ArgumentError(f"columns must name one or two random effects, not {wanted!r}")
    at = [column_index(fit, index, c) for c in wanted]
    chosen = spread(len(factor.levels), max_groups)
    gram, cross = level_products(factor, fit.residuals(), fit.design.weights)
    # What is left of the response without the factor's own effects, given its columns.
    modes = fit.random_effects[index][chosen]
    gram = gram[chosen]
    alone = level_least_squares(gram, cross[chosen] + np.einsum("lij,lj->li", gram, modes))
    fixed = dict(zip(fit.fixed_names, fit.beta.tolist(), strict=True))
    centre = np.array([fixed.get(factor.names[j], 0.0) for j in at])
    known = np.isfinite(alone).all(axis=1)
    if not known.any():
        raise ArgumentError(
            f"no group of {factor.name!r} has rows enough for an estimate of its own; see"
            " fit.plot.caterpillar()"
        )
    return Shrinkage(
        group=factor.name,
        names=tuple(wanted),
        levels=tuple(factor.levels[i] for i in chosen[known]),
        separate=alone[known][:, at] + centre,
        partial=modes[known][:, at] + centre,
        centre=centre,
        covariance=fit.random_covariance(index)[np.ix_(at, at)],
        total=len(factor.levels),
        unknown=int((~known).sum()),
    )
