"""What the figures have in common: colours, text that is not read as mathematics, thinning."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.errors import ArgumentError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.models.fit import MixedFit

Vector = NDArray[np.float64]
Indices = NDArray[np.intp]

#: Okabe & Ito's colour-blind-safe palette; what differs in colour differs in form too.
BLACK, BLUE, ORANGE, GREY = "#000000", "#0072B2", "#D55E00", "#7F7F7F"
GREEN, PINK, SKY, AMBER = "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
SERIES = (BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK)
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
#: Levels above which their names would overlap.
NAMED = 60
SMALL, TEXT = 8, 9
#: Rows, and different values of x, below which a trend is not drawn.
TREND = 24


def new_figure(width: float, height: float, layout: Any = "constrained") -> Figure:
    """A figure that pyplot does not keep alive, and that a notebook shows all the same."""
    from partialpool.figures.shown import ShownFigure

    return ShownFigure(figsize=(width, height), layout=layout)


def facet_margins(owner: Any, width: float, height: float, *, above: float, down: int) -> None:
    """Room around a grid of panels that share their axes, all in inches.

    matplotlib's constrained layout takes seconds for tens of panels.
    """
    bottom, top = 0.52, height - above
    panel = (top - bottom) / down
    # Between rows: the title of the lower panel.
    gap = 0.3
    owner.subplots_adjust(
        left=0.72 / width,
        right=1 - 0.12 / width,
        bottom=bottom / height,
        top=top / height,
        wspace=0.08,
        hspace=gap / (panel - gap * (down - 1) / down),
    )


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
    """A level's name, cut where it would not fit."""
    text = str(level)
    return text if len(text) <= width else f"{text[: width - 1]}…"


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


def wrapped(text: str, inches: float) -> str:
    """Text of `TEXT` points in lines that fit."""
    return "\n".join(textwrap.wrap(text, width=max(20, int(13 * inches))))


def headed(inches: float, *parts: str) -> str:
    """A heading, its parts in brackets after the first; a part that does not fit begins a line."""
    room = max(20, int(13 * inches))
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
    ax.set_title(text, fontsize=TEXT, parse_math=False, y=1.0)


def put_facet(ax: Axes, level: Any, *, labelled: bool) -> None:
    """A small panel's name; labels of the ticks only in the bottom row."""
    ax.set_title(short(level), fontsize=SMALL, pad=3, parse_math=False, y=1.0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=7, labelbottom=labelled)


def few_ticks(ax: Axes, *, x: bool = True) -> None:
    """Ticks of small panels that share the axes of this one."""
    ax.locator_params(axis="y", nbins=4)
    if x:
        # A label at the end would touch the next panel's.
        ax.locator_params(axis="x", nbins=4, steps=[1, 2, 5, 10])


def grid_of(count: int, most: int) -> tuple[int, int]:
    """Rows and columns of so many panels, the rows about equally long."""
    down = -(-count // most)
    return down, -(-count // down)


def put_labels(ax: Axes, x: str, y: str) -> None:
    """Names of the axes, and no frame on top and right."""
    ax.set_xlabel(short(x, 60), fontsize=TEXT, parse_math=False)
    ax.set_ylabel(short(y, 60), fontsize=TEXT, parse_math=False)
    ax.tick_params(labelsize=SMALL)
    ax.spines[["top", "right"]].set_visible(False)


def put_levels(ax: Axes, axis: str, levels: Iterable[Any], name: str) -> None:
    """Levels at 0, 1, …: by name while there is room, else as so many of them."""
    from matplotlib.text import Text

    texts = [short(v, 18) for v in levels]
    set_ticks = ax.set_xticks if axis == "x" else ax.set_yticks
    label: Any = ax.set_xlabel if axis == "x" else ax.set_ylabel
    if len(texts) > NAMED:
        set_ticks([])
        label(f"{short(name, 40)}: {len(texts)} levels, not named", fontsize=TEXT, parse_math=False)
        return
    crowded = axis == "x" and sum(map(len, texts)) + len(texts) > 13 * width_of(ax)
    size = SMALL if len(texts) <= 30 else 6
    set_ticks(range(len(texts)), texts, fontsize=size, rotation=90 if crowded else 0)
    ticks: list[Text] = (ax.get_xticklabels if axis == "x" else ax.get_yticklabels)()
    for tick in ticks:
        tick.set_parse_math(False)
    label(short(name, 60), fontsize=TEXT, parse_math=False)


def put_legend(owner: Any, handles: Sequence[Any], labels: Sequence[str], **options: Any) -> Any:
    """A legend in plain text."""
    settings = {"fontsize": SMALL, "frameon": False, **options}
    legend = owner.legend(handles, [short(v, 60) for v in labels], **settings)
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
        size = 14 if len(x) <= 400 else 5
        ax.scatter(x, y, s=size, color=color, alpha=0.55, linewidths=0, zorder=2)
        return ""
    tall = max(8, int(60 * 0.75))
    ax.hexbin(x, y, gridsize=(60, tall), bins="log", mincnt=1, cmap="Blues", linewidths=0.1)
    return f"{len(x):,} points in hexagons; dark: many"


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
