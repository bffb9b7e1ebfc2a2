"""Marginal means, trends or contrasts with their intervals."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from partialpool.errors import ArgumentError
from partialpool.figures.labels import coefficient_unit, in_unit
from partialpool.figures.scales import scale_of
from partialpool.figures.style import (
    BLUE,
    GREY,
    SMALL,
    TEXT,
    check_page,
    height_of,
    mark_size,
    new_figure,
    points,
    put_label,
    put_labels,
    short,
    short_all,
    width_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.inference.means.marginal_means import MarginalMeans

#: Rows above which labels would overlap and are left out.
MAX_LABELS = 80
#: Characters in a line of a row's name.
WIDE = 36


def plot_means(
    means: MarginalMeans,
    *,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """A point and an interval for each row, the first on top.

    Parameters
    ----------
    means
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
        If `ax` is no matplotlib Axes, or `means` are no marginal means.
    """
    from partialpool.inference.means.marginal_means import MarginalMeans

    if not isinstance(means, MarginalMeans):
        raise ArgumentError(f"the figure is of emmeans or emtrends, not of {type(means).__name__}")
    page = check_page(ax, figsize)
    size, figure = len(means.rows), None
    named = _row_names(means) if size <= MAX_LABELS else []
    if ax is None:
        height = 1.2 + 0.24 * max(size + sum(name.count("\n") for name in named), 2)
        figure = new_figure(6.4, min(height, 14), figsize=page)
        ax = figure.subplots()
    shown = means.confint()
    at = np.arange(size)[::-1]
    known = ~np.isnan(shown.estimate)
    low, high = shown.estimate - shown.half_width, shown.estimate + shown.half_width
    many = size > MAX_LABELS
    ax.hlines(at[known], low[known], high[known], color=BLUE, lw=0.6 if many else 1.8, zorder=2)
    ax.plot(shown.estimate[known], at[known], "o", color=BLUE, ms=mark_size(size), zorder=3)
    if "contrast" in means.labels:
        ax.axvline(0, color=GREY, lw=1, ls="--", zorder=1)
    put_labels(ax, "", "")
    _name_rows(ax, means, at, named)
    ax.set_ylim(-0.7, size - 0.3)
    longest = max((len(line) for name in named for line in name.split("\n")), default=0)
    room = max(1.0, width_of(ax) - 0.6 * points(SMALL) * longest / 72)
    put_label(ax.xaxis, f"{_quantity(means)} {scale_of(ax.xaxis)}".strip(), room)
    return ax if figure is None else figure


def _quantity(means: MarginalMeans) -> str:
    """What is estimated, of which response, in what unit, and what the interval is."""
    design = means.part.design
    response = design.formula.response_name
    what, column = ("marginal mean" if means.name == "emmean" else means.name), "Intercept"
    if means.name.endswith(".trend"):
        column = means.name.removesuffix(".trend")
    if "contrast" in means.labels:
        # A contrast of trends has the trends' unit, which the contrast no longer names.
        what, column = ("difference" if means.pairwise else "contrast"), ""
    unit = coefficient_unit(design.source, response, column) if column else None
    of = in_unit(short(response, 40), unit)
    return f"{of}: {what} with {means.level * 100:.4g}% confidence interval"


def _row_names(means: MarginalMeans) -> list[str]:
    """What each row is of, long ones in two lines."""
    from partialpool.inference.means.marginal_means import level_text

    columns = [short_all([level_text(v) for v in means.labels[n]], 60) for n in _factors(means)]
    names = short_all([", ".join(parts) for parts in zip(*columns, strict=True)], 2 * WIDE - 8)
    return ["\n".join(textwrap.wrap(name, WIDE)) if len(name) > WIDE else name for name in names]


def _factors(means: MarginalMeans) -> list[str]:
    return [*means.by, *(n for n in means.labels if n not in means.by)]


def _name_rows(ax: Axes, means: MarginalMeans, at: np.ndarray, named: list[str]) -> None:
    """Labels beside the rows while there is room."""
    names, size = _factors(means), len(at)
    if not named:
        ax.set_yticks([])
        text = f"{size:,} rows of {', '.join(short(n) for n in names)}, the first on top"
        ax.set_ylabel(text, fontsize=points(TEXT), parse_math=False)
        return
    lines = size + sum(name.count("\n") for name in named)
    # As large as fits between the rows.
    room = 72 * height_of(ax) / (1.2 * lines)
    fontsize = float(np.clip(room, 0.5 * points(SMALL), points(SMALL)))
    ax.set_yticks(at, named, fontsize=fontsize, parse_math=False)
    ax.set_ylabel(" and ".join(short(n) for n in names), fontsize=points(TEXT), parse_math=False)
