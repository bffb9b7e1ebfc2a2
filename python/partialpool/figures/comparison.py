"""Estimates of several fits beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.arguments import check_level
from partialpool.design.frame import Frame
from partialpool.errors import ArgumentError
from partialpool.figures.scales import put_scales
from partialpool.figures.style import (
    GREY,
    MARKERS,
    SERIES,
    SMALL,
    TEXT,
    check_names,
    check_page,
    grid_of,
    new_figure,
    points,
    put_heading,
    put_labels,
    short_all,
)
from partialpool.inference.comparison.comparable import is_least_squares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Estimate, lower and upper end of one term.
Interval = tuple[float, float, float]
#: Panels that fit a page.
PANELS = 24


def plot_compare(
    fits: Mapping[str, Any],
    *,
    terms: str | Sequence[str] | None = None,
    level: float = 0.95,
    ncol: int | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """A forest of several fits: each fixed effect in a panel with its own scale, one row per fit.

    Parameters
    ----------
    fits
        By name: fits of `lmer` and `lm`, and whatever has a ``tidy("fixed", conf_int=True)`` with
        columns term, estimate, conf_low, conf_high, as posteriors.
    terms
        Fixed effects to show; default all that any of the fits has, at most 24, and the title says
        so.
    level
        Level of the intervals: t quantiles for likelihood fits (Satterthwaite's df for `lmer`),
        credible intervals for posteriors.
    ncol
        Panels beside each other; default by how many there are.
    figsize
        Width and height of the new figure in inches; default by what it holds.
    ax
        Draw there; one term must be named.

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure

    Raises
    ------
    ArgumentError
        If there is nothing to compare, an object that has no estimates, or no such term.
    """
    level = check_level(level)
    page = check_page(ax, figsize, ncol)
    if not isinstance(fits, Mapping) or not fits:
        raise ArgumentError("fits must be a dict of fits by name: {'slope': fit_1, 'ML': fit_2}")
    names = [str(name) for name in fits]
    tables = [intervals(name, fit, level) for name, fit in fits.items()]
    known = list(dict.fromkeys(term for table in tables for term in table))
    wanted = known if terms is None else check_names(terms, "terms")
    for term in wanted:
        if term not in known:
            raise ArgumentError(f"none of the fits has a fixed effect {term!r}; they have {known}")
    if not wanted:
        raise ArgumentError("terms is empty; name a fixed effect, or leave it out for all")
    heading = f"fixed effects with {100 * level:g}% intervals"
    if ax is not None:
        if len(wanted) > 1:
            raise ArgumentError(f"one Axes holds one term; name it: terms={wanted[0]!r}")
        _panel(ax, names, [t.get(wanted[0]) for t in tables])
        put_labels(ax, wanted[0], "")
        _name_rows(ax, names)
        put_scales([ax])
        return ax
    shown = wanted[:PANELS]
    if len(shown) < len(wanted):
        heading += f" ({len(shown)} of {len(wanted)})"
    down, across = grid_of(len(shown), 4, ncol)
    side = 0.075 * max(map(len, short_all(names)))
    height = down * (0.75 + 0.24 * max(2, len(names))) + 0.5
    figure = new_figure(max(4.2, 2.4 * across + side), height, figsize=page)
    axes = figure.subplots(down, across, sharey=True, squeeze=False)
    titles = short_all(shown, 30)
    for i, term in enumerate(shown):
        panel = axes.flat[i]
        _panel(panel, names, [t.get(term) for t in tables])
        put_labels(panel, "", "")
        panel.set_title(titles[i], fontsize=points(TEXT), parse_math=False)
        panel.locator_params(axis="x", nbins=4)
    for row in axes:
        _name_rows(row[0], names)
    for panel in axes.flat[len(shown) :]:
        panel.set_visible(False)
    put_scales(axes.flat[: len(shown)])
    put_heading(figure, heading)
    return figure


def _name_rows(ax: Axes, names: list[str]) -> None:
    size = points(SMALL)
    ax.set_yticks(range(len(names)), short_all(names), fontsize=size, parse_math=False)
    ax.set_ylim(len(names) - 0.4, -0.6)


def _panel(ax: Axes, names: list[str], rows: list[Interval | None]) -> None:
    """The first fit on top; a fit without the term leaves its row empty."""
    for i, interval in enumerate(rows):
        if interval is not None:
            estimate, low, high = interval
            color = SERIES[i % len(SERIES)]
            ax.hlines(i, low, high, color=color, lw=1.8, zorder=2)
            ax.plot(estimate, i, MARKERS[i % len(MARKERS)], color=color, ms=5.5, zorder=3)
    lowest, highest = sorted(ax.get_xlim())
    # Zero is drawn where it is near: a far zero would squeeze the intervals into a corner.
    if lowest - 0.25 * (highest - lowest) <= 0 <= highest + 0.25 * (highest - lowest):
        ax.axvline(0, color=GREY, lw=1, ls="--", zorder=1)
    ax.set_ylim(len(names) - 0.4, -0.6)


def intervals(name: str, fit: Any, level: float) -> dict[str, Interval]:
    """Estimate and interval of each fixed effect."""
    if is_least_squares(fit):
        from scipy.stats import t

        df = fit.nobs - len(fit.beta)
        half = t.ppf((1 + level) / 2, df) * np.sqrt(np.diag(fit.covariance))
        ends = (fit.beta, fit.beta - half, fit.beta + half)
        rows = zip(*(e.tolist() for e in ends), strict=True)
        return dict(zip(fit.fixed_names, rows, strict=True))
    if not callable(getattr(fit, "tidy", None)):
        raise ArgumentError(
            f"fits[{name!r}] has no estimates to draw: it is a {type(fit).__name__}, not a fit"
        )
    frame = Frame(fit.tidy("fixed", conf_int=True, conf_level=level))
    columns = [frame.numeric(c).tolist() for c in ("estimate", "conf_low", "conf_high")]
    coded = frame.coded("term")
    terms = [str(coded.levels[c]) for c in coded.codes]
    return dict(zip(terms, zip(*columns, strict=True), strict=True))
