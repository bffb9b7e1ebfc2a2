"""Marginal means, trends or contrasts with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.figures.fits import BLUE, GREY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from partialpool.inference.marginal_means import MarginalMeans

#: Rows above which labels would overlap and are left out.
MAX_LABELS = 80


def plot_means(means: MarginalMeans, *, ax: Any = None) -> Figure:
    """A point and an interval for each row, the first on top.

    Parameters
    ----------
    means
    ax
        matplotlib Axes to draw on; default a new figure.

    Returns
    -------
    matplotlib Figure
    """
    from matplotlib.figure import Figure as NewFigure

    size = len(means.rows)
    if ax is None:
        figure = NewFigure(figsize=(6.4, min(1.4 + 0.28 * size, 14)), layout="constrained")
        ax = figure.subplots()
    shown = means.confint()
    at = np.arange(size)[::-1]
    known = ~np.isnan(shown.estimate)
    ax.hlines(
        at[known],
        (shown.estimate - shown.half_width)[known],
        (shown.estimate + shown.half_width)[known],
        color=BLUE,
        linewidth=2,
    )
    ax.plot(shown.estimate[known], at[known], "o", color=BLUE, markersize=5)
    if "contrast" in means.labels:
        ax.axvline(0, color=GREY, linewidth=1, linestyle="--")
    names = [n for n in means.labels if n not in means.by]
    parts = [[_text(v) for v in means.labels[n]] for n in (*means.by, *names)]
    labels = [", ".join(p) for p in zip(*parts, strict=True)]
    if size <= MAX_LABELS:
        ax.set_yticks(at, labels)
        ax.set_ylabel(" and ".join((*means.by, *names)))
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{size} rows of {', '.join(means.labels)}, the first on top")
    response = means.part.design.formula.response_name
    what = "marginal mean" if means.name == "emmean" else means.name
    if "contrast" in means.labels:
        what = "difference" if means.pairwise else "contrast"
    ax.set_xlabel(f"{response}: {what} with {means.level * 100:.4g} % confidence interval")
    ax.margins(y=0.5 / max(size, 1))
    return ax.figure


def _text(value: Any) -> str:
    from partialpool.inference.marginal_means import level_text

    # A dollar sign would be read as mathematics.
    return level_text(value).replace("$", r"\$")
