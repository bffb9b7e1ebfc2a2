"""Random effects of one factor against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.errors import ArgumentError
from partialpool.figures.covariance import coverage_labels, draw_ellipses
from partialpool.figures.labels import coefficient_unit, in_unit
from partialpool.figures.scales import put_scales
from partialpool.figures.style import (
    SKY,
    Vector,
    check_fit,
    check_names,
    check_page,
    cloud,
    column_index,
    factor_index,
    ink,
    new_figure,
    paper,
    put_heading,
    put_labels,
    put_legend,
    put_title,
    triangle,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.models.fit import MixedFit

#: Panels smaller than those of so many columns cannot be read.
MOST = 6


def plot_random_effects_pairs(
    fit: MixedFit,
    *,
    group: str | None = None,
    columns: Sequence[str] | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Conditional modes in pairs, with ellipses of the fitted covariance; shares on the diagonal.

    Parameters
    ----------
    group
        Grouping factor; default the first with two random effects or more.
    columns
        Random effects to show; default all, of more than six the first six, and the title says so.
    figsize
        Width and height of the new figure in inches; default by what it holds.
    ax
        Draw one pair there; `columns` must name two where the factor has more.

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure

    Raises
    ------
    ArgumentError
        If there is no such group or random effect, or fewer than two.
    """
    from partialpool.design.names import column_names

    page = check_page(ax, figsize)
    index = paired_factor(fit, group)
    factor = fit.design.factors[index]
    names = column_names(factor)
    if isinstance(columns, str):
        raise ArgumentError(f"columns must be a list of names, not {columns!r}")
    columns = names if columns is None else check_names(columns, "columns")
    wanted = [column_index(fit, index, c) for c in columns]
    if len(set(wanted)) < 2 or len(set(wanted)) < len(wanted):
        raise ArgumentError("columns must name two different random effects or more")
    shown = wanted[:MOST]
    modes, covariance = fit.random_effects[index][:, shown], fit.random_covariance(index)
    covariance = covariance[np.ix_(shown, shown)]
    labels = [names[j] for j in shown]
    source, response = fit.design.source, fit.design.formula.response_name
    units = [in_unit(name, coefficient_unit(source, response, name)) for name in labels]
    heading = f"random effects of {factor.name} ({len(factor.levels):,} levels)"
    if ax is not None:
        if len(wanted) > 2:
            raise ArgumentError(f"one Axes holds one pair; name it: columns={labels[:2]!r}")
        said, lines = _pair(ax, modes, covariance, 0, 1)
        put_labels(ax, *units)
        put_scales([ax])
        put_legend(ax, lines, coverage_labels())
        put_title(ax, heading, said)
        return ax
    return _matrix(modes, covariance, units, heading, len(wanted), page)


def _matrix(
    modes: Vector,
    covariance: Vector,
    labels: list[str],
    heading: str,
    total: int,
    page: tuple[float, float] | None,
) -> Figure:
    k = len(labels)
    figure = new_figure(2.3 * k + 0.8, 2.1 * k + 1.1, figsize=page)
    axes, said, lines = triangle(
        figure,
        k,
        lambda ax, i: _share(ax, modes[:, i], float(np.sqrt(covariance[i, i]))),
        lambda ax, x, y: _pair(ax, modes, covariance, x, y),
    )
    for i, j in zip(*np.tril_indices(k), strict=True):
        x, y = labels[j] if i == k - 1 else "", labels[i] if j == 0 and i else ""
        put_labels(axes[i, j], x, y)
    if total > k:
        heading += f"; the first {k} of {total} effects"
    if said:
        heading += f"; {said}"
    put_scales(ax for ax in axes.flat if ax.get_visible())
    put_heading(figure, heading)
    handles = [*lines, axes[0, 0].lines[0]]
    put_legend(
        figure, handles, [*coverage_labels(), "fitted density"], loc="outside lower center", ncols=3
    )
    return figure


def _pair(ax: Axes, modes: Vector, covariance: Vector, x: int, y: int) -> tuple[str, list[Any]]:
    said = cloud(ax, modes[:, x], modes[:, y])
    pair = covariance[np.ix_([x, y], [x, y])]
    return said, draw_ellipses(ax, pair, np.zeros(2))


def _share(ax: Axes, modes: Vector, sd: float) -> None:
    """A histogram and the fitted normal density."""
    classes = int(np.clip(np.sqrt(len(modes)), 5, 60))
    ax.hist(modes, bins=classes, density=True, color=SKY, edgecolor=paper(), linewidth=0.4)
    if sd > 0:
        reach = max(3 * sd, float(np.abs(modes).max()))
        grid = np.linspace(-reach, reach, 121)
        height = np.exp(-0.5 * (grid / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
    else:
        grid, height = np.empty(0), np.empty(0)
    ax.plot(grid, height, color=ink(), lw=1.2)
    ax.set_yticks([])


def paired_factor(fit: MixedFit, group: str | None) -> int:
    """The grouping factor named, or the first with two random effects, which it must have."""
    check_fit(fit)
    if group is not None:
        index = factor_index(fit, group)
        if len(fit.design.factors[index].names) > 1:
            return index
        raise ArgumentError(
            f"{group!r} has one random effect, a pair needs two; see fit.plot.caterpillar()"
        )
    for term in fit.terms:
        if len(term.factor.names) > 1:
            return term.index
    raise ArgumentError(
        "no grouping factor has two random effects; see fit.plot.caterpillar() for single ones"
    )
