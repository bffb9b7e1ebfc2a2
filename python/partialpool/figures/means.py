"""Marginal means, trends or contrasts with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from partialpool.errors import ArgumentError
from partialpool.figures.labels import coefficient_unit, in_unit
from partialpool.figures.style import (
    BLUE,
    GREY,
    SMALL,
    TEXT,
    check_axes,
    new_figure,
    put_labels,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.inference.means.marginal_means import MarginalMeans

#: Rows above which labels would overlap and are left out.
MAX_LABELS = 80


def plot_means(means: MarginalMeans, *, ax: Axes | None = None) -> Figure | Axes:
    """A point and an interval for each row, the first on top.

    Parameters
    ----------
    means
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
    size, figure = len(means.rows), None
    if ax is None:
        figure = new_figure(6.4, min(1.2 + 0.24 * max(size, 2), 14))
        ax = figure.subplots()
    check_axes(ax)
    shown = means.confint()
    at = np.arange(size)[::-1]
    known = ~np.isnan(shown.estimate)
    low, high = shown.estimate - shown.half_width, shown.estimate + shown.half_width
    many = size > MAX_LABELS
    ax.hlines(at[known], low[known], high[known], color=BLUE, lw=0.6 if many else 1.8, zorder=2)
    ax.plot(shown.estimate[known], at[known], "o", color=BLUE, ms=2 if many else 5, zorder=3)
    if "contrast" in means.labels:
        ax.axvline(0, color=GREY, lw=1, ls="--", zorder=1)
    put_labels(ax, "", "")
    ax.set_xlabel(_quantity(means), fontsize=TEXT, parse_math=False)
    _name_rows(ax, means, at)
    ax.set_ylim(-0.7, size - 0.3)
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


def _name_rows(ax: Axes, means: MarginalMeans, at: np.ndarray) -> None:
    """Labels beside the rows while there is room."""
    from partialpool.inference.means.marginal_means import level_text

    names = [*means.by, *(n for n in means.labels if n not in means.by)]
    size = len(at)
    if size > MAX_LABELS:
        ax.set_yticks([])
        text = f"{size:,} rows of {', '.join(short(n) for n in names)}, the first on top"
        ax.set_ylabel(text, fontsize=TEXT, parse_math=False)
        return
    columns = [[short(level_text(v)) for v in means.labels[n]] for n in names]
    texts = [", ".join(parts) for parts in zip(*columns, strict=True)]
    ax.set_yticks(at, texts, fontsize=SMALL if size <= 30 else 6, parse_math=False)
    ax.set_ylabel(" and ".join(short(n) for n in names), fontsize=TEXT, parse_math=False)
