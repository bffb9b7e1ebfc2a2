"""What the figures have in common: colours, sizes, text that is not read as mathematics, thinning.

Ink and paper are those of the style in force when a figure is drawn (``text.color`` and
``axes.facecolor`` of matplotlib's rcParams), sizes of text are shares of its ``font.size``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import check_count, check_figsize
from partialpool.errors import ArgumentError, shortened
from partialpool.tables.layout import short_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.models.fit import MixedFit

Vector = NDArray[np.float64]
Indices = NDArray[np.intp]

#: Okabe & Ito's colour-blind-safe palette; what differs in colour differs in form too.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#7F7F7F"
GREEN, PINK, SKY, AMBER = "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
#: What a colour and a line mean in every figure; None is the style's ink. A group's estimate has
#: the colour of its line.
LOOKS: dict[str, dict[str, Any]] = {
    "observed": {"color": GREY},
    # Wide and light: it shows under the population's line, which often lies upon it.
    "complete": {"color": AMBER, "ls": "-", "lw": 4.0, "alpha": 0.6},
    "population": {"color": None, "ls": "--", "lw": 1.0},
    "partial": {"color": BLUE, "ls": "-", "lw": 1.5},
    "separate": {"color": ORANGE, "ls": ":", "lw": 1.9},
}
#: Of models, chains and levels beside each other: the first is the colour of the model.
SERIES = (BLUE, GREEN, PINK, SKY, ORANGE, AMBER, GREY)
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (5, 1, 1, 1)),
    (0, (3, 1, 1, 1, 1, 1)),
)

#: Rows above which a cloud of points is counted in hexagons.
CLOUD = 5_000
#: Sizes of text as shares of ``font.size``.
TEXT, SMALL, TINY = 0.9, 0.8, 0.7
#: Characters of `TEXT` in an inch, at matplotlib's own ``font.size`` of 10.
DENSITY = 13
#: Rows, and different values of x, below which a trend is not drawn.
TREND = 24


def ink() -> Any:
    """The colour of text in the style in force, which is seen on its ground."""
    from matplotlib import rcParams

    return rcParams["text.color"]


def paper() -> Any:
    """The ground of the style in force."""
    from matplotlib import rcParams

    return rcParams["axes.facecolor"]


def look(role: str, **changed: Any) -> dict[str, Any]:
    """How a line of `LOOKS` is drawn."""
    style = {**LOOKS[role], **changed}
    return {**style, "color": ink() if style["color"] is None else style["color"]}


def magnified() -> float:
    """How large text is, as a multiple of matplotlib's own."""
    from matplotlib import rcParams

    return float(rcParams["font.size"]) / 10


def points(share: float) -> float:
    """Size of text in points: `TEXT`, `SMALL` or `TINY`."""
    return 10 * magnified() * share


def mark_size(count: int) -> float:
    """Diameter in points of so many marks: fewer are larger."""
    return float(np.clip(6.5 * (30 / max(count, 1)) ** 0.25, 2.2, 6.5))


def check_page(
    ax: Any, figsize: tuple[float, float] | None, ncol: int | None = None
) -> tuple[float, float] | None:
    """`figsize` and `ncol` of a new figure, which go with no `ax`."""
    if ax is not None:
        check_axes(ax)
    for name, value in (("figsize", figsize), ("ncol", ncol)):
        if ax is not None and value is not None:
            raise ArgumentError(f"{name} is of a new figure; leave it out, or ax")
    if ncol is not None:
        check_count(ncol, "ncol")
    return check_figsize(figsize)


def new_figure(
    width: float,
    height: float,
    layout: Any = "constrained",
    *,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """A figure that pyplot does not keep alive, and that a notebook shows all the same.

    `figsize`, where it is given, in the place of width and height.
    """
    from partialpool.figures.shown import ShownFigure

    return ShownFigure(figsize=figsize or (width, height), layout=layout)


def check_axes(ax: Any) -> Axes:
    """Refuse what is not a single Axes."""
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise ArgumentError(
            f"ax must be a matplotlib Axes, not {type(ax).__name__}; of several, give one"
        )
    return ax


def check_fit(fit: Any, what: str = "the figure") -> MixedFit:
    """Refuse what is no fit of `lmer`."""
    from partialpool.models.fit import MixedFit

    if not isinstance(fit, MixedFit):
        raise ArgumentError(f"{what} is of a fit of lmer, not of {type(fit).__name__}")
    return fit


def check_name(value: Any, what: str) -> str | None:
    """The name of one column or factor, or None."""
    if value is not None and not isinstance(value, str):
        raise ArgumentError(f"{what} must be a name, not {value!r}")
    return value


def check_names(value: Any, what: str) -> list[str]:
    """One name or several."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
        raise ArgumentError(f"{what} must be a list of names, not {value!r}")
    return list(names)


def short(level: Any, width: int = 22) -> str:
    """One name, its middle left out where it would not fit; of several see `short_all`."""
    return shortened(str(level), width)


def short_all(levels: Sequence[Any], width: int = 22) -> list[str]:
    """Names of a figure: the middle of long ones left out, different ones kept different."""
    return short_labels([str(v) for v in levels], width)


def width_of(ax: Axes) -> float:
    """Inches that an Axes is wide, about."""
    figure: Any = ax.get_figure(root=True)
    inches = float(figure.get_size_inches()[0])
    place = ax.get_subplotspec()
    if place is not None and figure.get_constrained_layout():
        # The layout is not made yet: what is left of a column beside ticks and label.
        columns = place.colspan.stop - place.colspan.start
        return max(1.0, inches * columns / place.get_gridspec().ncols - 0.8)
    return float(ax.get_position().width * inches)


def height_of(ax: Axes) -> float:
    """Inches that an Axes is high, about."""
    figure: Any = ax.get_figure(root=True)
    inches = float(figure.get_size_inches()[1])
    place = ax.get_subplotspec()
    if place is not None and figure.get_constrained_layout():
        rows = place.rowspan.stop - place.rowspan.start
        return max(1.0, inches * rows / place.get_gridspec().nrows - 0.8)
    return float(ax.get_position().height * inches)


def room_for_text(inches: float, share: float = TEXT, least: int = 20) -> int:
    """Characters that fit."""
    return max(least, int(DENSITY * inches * TEXT / share / magnified()))


def wrapped(text: str, inches: float) -> str:
    """`TEXT` in lines that fit."""
    return "\n".join(textwrap.wrap(text, width=room_for_text(inches)))


def headed(inches: float, *parts: str) -> str:
    """A heading, its parts in brackets after the first; a part that does not fit begins a line."""
    room = room_for_text(inches)
    lines = [parts[0]]
    for part in parts[1:]:
        if part and len(lines[-1]) + len(part) + 3 <= room:
            lines[-1] += f" ({part})"
        elif part:
            lines.append(f"({part})")
    return "\n".join(wrapped(line, inches) for line in lines)


def put_title(ax: Axes, *parts: str) -> None:
    """A heading, its parts in brackets after the first."""
    text = headed(width_of(ax), *parts)
    # With y given matplotlib need not look for ticks above: half of the time of many panels.
    ax.set_title(text, fontsize=points(TEXT), parse_math=False, y=1.0)


def put_heading(figure: Any, text: str, **options: Any) -> None:
    """What stands above all panels, in lines that fit."""
    text = wrapped(text, figure.bbox.width / figure.dpi) if "\n" not in text else text
    figure.suptitle(text, fontsize=points(TEXT), parse_math=False, **options)


def grid_of(count: int, most: int, ncol: int | None = None) -> tuple[int, int]:
    """Rows and columns of so many panels, the rows about equally long unless `ncol` is given."""
    if ncol is not None:
        return -(-count // ncol), min(count, ncol)
    down = -(-count // most)
    return down, -(-count // down)


def put_labels(ax: Axes, x: str, y: str) -> None:
    """Names of the axes, and no frame on top and right."""
    put_label(ax.xaxis, short(x, 60))
    put_label(ax.yaxis, short(y, 60))
    ax.tick_params(labelsize=points(SMALL))
    ax.spines[["top", "right"]].set_visible(False)


def put_label(axis: Any, text: str, inches: float | None = None) -> None:
    """The name of an axis, in lines that fit beside it; `inches` is its length, where known."""
    if text and inches is None:
        inches = width_of(axis.axes) if axis.axis_name == "x" else height_of(axis.axes)
    if inches is not None:
        lines = textwrap.wrap(
            text, room_for_text(inches + 0.4), break_long_words=False, break_on_hyphens=False
        )
        text = "\n".join(lines)
    axis.set_label_text(text, fontsize=points(TEXT), parse_math=False)


def put_legend(owner: Any, handles: Sequence[Any], labels: Sequence[str], **options: Any) -> Any:
    """A legend in plain text."""
    settings = {"fontsize": points(SMALL), "frameon": False, **options}
    legend = owner.legend(handles, short_all(labels, 60), **settings)
    for mark in legend.legend_handles:
        # Marks of many groups are too small to tell apart.
        if hasattr(mark, "set_markersize"):
            mark.set_markersize(max(mark.get_markersize(), 4.5))
    for text in legend.get_texts():
        text.set_parse_math(False)
    return legend


def spread(size: int, most: int) -> Indices:
    """At most so many of 0 … size - 1, evenly spaced, the ends among them."""
    return np.unique(np.linspace(0, size - 1, min(size, most)).round().astype(np.intp))


def cloud(ax: Axes, x: Vector, y: Vector, *, color: str = BLUE) -> str:
    """Points, or many of them counted in hexagons; what the title must say of it."""
    if len(x) <= CLOUD:
        area = mark_size(len(x)) ** 2
        ax.scatter(x, y, s=area, color=color, alpha=0.55, linewidths=0, zorder=2)
        return ""
    from matplotlib.colors import to_rgb

    # Few must be near the ground, so that many stand out.
    light = sum(to_rgb(paper())) > 1.5
    cmap = ("Greys" if color == GREY else "Blues") + ("" if light else "_r")
    tall = max(8, int(60 * 0.75))
    ax.hexbin(x, y, gridsize=(60, tall), bins="log", mincnt=1, cmap=cmap, linewidths=0.1)
    return f"{len(x):,} points in hexagons; {'dark' if light else 'light'}: many"


def running_mean(x: Vector, y: Vector, order: Indices | None = None) -> tuple[Vector, Vector]:
    """Means of x and y over a moving window of the rows by x; empty where x takes few values.

    `order` sorts x, where that is known.
    """
    order = np.argsort(x, kind="stable") if order is None else order
    n = len(x)
    if n < TREND or np.count_nonzero(np.diff(x[order])) < TREND - 1:
        return np.empty(0), np.empty(0)
    ordered = x[order]
    by_value = np.searchsorted(ordered, np.linspace(ordered[0], ordered[-1], 80))
    at = np.unique(np.concatenate([spread(n, 80), np.minimum(by_value, n - 1)]))
    half = min(n // 8, int(3 * np.sqrt(n)))
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, n)
    # Sums from zero: a large constant in x or y would cost digits.
    centre_x, centre_y = float(x.mean()), float(y.mean())
    sums = [
        np.concatenate([[0.0], np.cumsum(v[order] - c)]) for v, c in ((x, centre_x), (y, centre_y))
    ]
    mean_x, mean_y = ((s[high] - s[low]) / (high - low) for s in sums)
    return mean_x + centre_x, mean_y + centre_y


def triangle(
    figure: Figure,
    size: int,
    diagonal: Callable[[Axes, int], None],
    below: Callable[[Axes, int, int], tuple[str, list[Any]]],
) -> tuple[Any, str, list[Any]]:
    """A figure's axes (size, size), drawn on and below the diagonal; what `below` last returned.

    Parameters
    ----------
    figure, size
    diagonal
        Draws variable i.
    below
        Draws variables x and y against each other; gives a note and what a legend shows.
    """
    axes: Any = figure.subplots(size, size, squeeze=False, sharex="col")
    note, handles = "", []
    for i, j in np.ndindex(size, size):
        if j > i:
            axes[i, j].set_visible(False)
        elif i == j:
            diagonal(axes[i, j], i)
        else:
            note, handles = below(axes[i, j], j, i)
    return axes, note, handles


def factor_index(fit: MixedFit, group: str | None) -> int:
    """Place in the design of the grouping factor named; by default that with most levels."""
    names = {f.name: i for i, f in enumerate(check_fit(fit).design.factors)}
    if check_name(group, "group") is None:
        return fit.terms[0].index
    if group not in names:
        raise ArgumentError(
            f"the model has no grouping factor {group!r}; it has {', '.join(names)}"
        )
    return names[group]


def column_index(fit: MixedFit, index: int, column: str) -> int:
    """Place of a random effect among those of its factor."""
    from partialpool.design.names import column_names

    factor = fit.design.factors[index]
    names = column_names(factor)
    if column not in names:
        raise ArgumentError(
            f"{factor.name!r} has no random effect {column!r}; it has {', '.join(names)}"
        )
    return names.index(column)
