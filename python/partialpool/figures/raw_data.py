"""The data by group, before any model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.arguments import DATA_FIGURES, DataFigure, check_choice, check_count, check_seed
from partialpool.design import Frame, build_design
from partialpool.design.columns import take
from partialpool.design.design import group_labels
from partialpool.design.reading import fixed_variables
from partialpool.errors import ArgumentError
from partialpool.figures.labels import with_unit
from partialpool.figures.style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    Indices,
    Vector,
    check_axes,
    cloud,
    facet_margins,
    few_ticks,
    headed,
    new_figure,
    put_facet,
    put_labels,
    put_levels,
    put_title,
    short,
    spread,
)
from partialpool.formula.model import parse_grouped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Points of a group that are drawn.
POINTS = 200
#: What box plots are (Tukey's).
BOXES = "box: quartiles; whiskers ≤ 1.5 box lengths"


@dataclass(frozen=True, eq=False)
class GroupedRows:
    """Response, predictor and group of the rows that are complete.

    Attributes
    ----------
    y
        (n,)
    y_name, x_name, group
        Names; `x_name` is None without a predictor.
    y_label, x_label
        The same with units.
    x
        (n,); of a factor, its codes.
    x_levels
        Of a factor, else None.
    rows
        Row numbers of each group.
    levels
    dropped
        Rows left out because a value was missing.
    """

    y: Vector
    y_name: str
    y_label: str
    x: Vector | None
    x_name: str | None
    x_label: str
    x_levels: tuple[Any, ...] | None
    group: str
    rows: tuple[Indices, ...]
    levels: tuple[Any, ...]
    dropped: int


def plot_data(
    formula: str,
    data: Any,
    *,
    kind: DataFigure | None = None,
    max_groups: int | None = None,
    seed: int = 1,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Look at the data by group before fitting.

    Parameters
    ----------
    formula
        ``"Reaction ~ Days | Subject"``, or ``"bright ~ 1 | operator"``; as for `lm_list`. The
        first predictor is the horizontal axis.
    data
        Any table that `lmer` takes.
    kind
        "jitter" (points by group, and their mean), "box" (box plots by group), "facets" (a panel a
        group, against the predictor), "pooled" (all rows against the predictor, with one least
        squares line). Default "facets" with a predictor, else "jitter".
    max_groups
        With more groups, this many spread evenly over the levels are shown, and the title says
        so: default 36 facets, else 120. "pooled" shows all rows.
    seed
        Of the jitter, and of the points drawn where there are more than 200 a group.
    ax
        Draw there (not "facets").

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure

    Raises
    ------
    ArgumentError, FormulaError, DataError
        For arguments, formulas and columns that cannot be drawn.
    """
    read = grouped_rows(formula, data)
    default = "jitter" if read.x is None else "facets"
    kind = default if kind is None else check_choice(kind, "kind", DATA_FIGURES)
    if kind in {"facets", "pooled"} and read.x is None:
        raise ArgumentError(
            f"kind={kind!r} needs a predictor for the horizontal axis: `{read.y_name} ~ x |"
            f" {read.group}`"
        )
    if max_groups is None:
        max_groups = 36 if kind == "facets" else 120
    chosen = spread(len(read.levels), check_count(max_groups, "max_groups"))
    rng = np.random.default_rng(check_seed(seed))
    if kind == "facets":
        if ax is not None:
            raise ArgumentError(
                "facets are panels of their own; leave ax out, or use kind='pooled'"
            )
        return _facets(read, chosen, rng)
    figure = None
    if ax is None:
        wide = 6.0 if kind == "pooled" else float(np.clip(1.5 + 0.3 * len(chosen), 5.0, 12.0))
        figure = new_figure(wide, 4.2)
        ax = figure.subplots()
    else:
        check_axes(ax)
    if kind == "pooled":
        _pooled(ax, read, rng)
    else:
        (_jitter if kind == "jitter" else _boxes)(ax, read, chosen, rng)
    return ax if figure is None else figure


def grouped_rows(formula: str, data: Any) -> GroupedRows:
    """What `plot_data` draws."""
    parsed, group = parse_grouped(formula)
    frame = Frame(data)
    design = build_design(replace(parsed, variables=(*parsed.variables, *group)), frame)
    labels = group_labels(frame, group, design.rows)
    order = np.argsort(labels.codes, kind="stable")
    ends = np.cumsum(np.bincount(labels.codes, minlength=len(labels.levels)))[:-1]
    predictors = fixed_variables(parsed)
    x, x_levels, name = None, None, predictors[0] if predictors else None
    if name is not None and frame.is_numeric(name):
        x = take(frame.numeric(name), design.rows)
    elif name is not None:
        coded = group_labels(frame, (name,), design.rows)
        x, x_levels = coded.codes.astype(np.float64), coded.levels
    offset = 0.0 if design.offset is None else design.offset
    return GroupedRows(
        y=design.response + offset,
        y_name=parsed.response_name,
        y_label=with_unit(data, parsed.response_name),
        x=x,
        x_name=name,
        x_label="" if name is None else with_unit(data, name),
        x_levels=x_levels,
        group=":".join(group),
        rows=tuple(np.split(order, ends)),
        levels=labels.levels,
        dropped=design.dropped,
    )


def _said(read: GroupedRows, chosen: Indices, points: bool) -> list[str]:
    """What of the data is not on the figure."""
    out = []
    if len(chosen) < len(read.levels):
        out.append(f"{len(chosen)} of {len(read.levels):,} groups")
    if points and max(len(read.rows[i]) for i in chosen) > POINTS:
        out.append(f"at most {POINTS} random points a group, means of all")
    if read.dropped:
        out.append(f"{read.dropped:,} rows with missing values left out")
    return out


def _some(rows: Indices, rng: np.random.Generator) -> Indices:
    return rows if len(rows) <= POINTS else rng.choice(rows, POINTS, replace=False)


def _jitter(ax: Axes, read: GroupedRows, chosen: Indices, rng: np.random.Generator) -> None:
    drawn = [_some(read.rows[i], rng) for i in chosen]
    at = np.repeat(np.arange(len(chosen)), [len(r) for r in drawn])
    rows = np.concatenate(drawn)
    size = 16 if len(rows) <= 500 else 4
    x = at + rng.uniform(-0.22, 0.22, len(at))
    ax.scatter(x, read.y[rows], s=size, color=BLUE, alpha=0.55, linewidths=0)
    means = [float(read.y[read.rows[i]].mean()) for i in chosen]
    half = 0.36
    place = np.arange(len(chosen))
    ax.hlines(means, place - half, place + half, color=ORANGE, lw=2)
    _by_group_axes(ax, read, chosen)
    put_title(ax, f"{read.y_name} by {read.group}; bar: mean", *_said(read, chosen, points=True))


def _boxes(ax: Axes, read: GroupedRows, chosen: Indices, rng: np.random.Generator) -> None:
    ax.boxplot(
        [read.y[read.rows[i]] for i in chosen],
        positions=np.arange(len(chosen)),
        widths=0.6,
        manage_ticks=False,
        showfliers=sum(len(read.rows[i]) for i in chosen) <= 50_000,
        flierprops={"marker": "o", "markersize": 2.5, "markeredgecolor": GREY},
        boxprops={"color": BLUE},
        whiskerprops={"color": BLUE},
        capprops={"color": BLUE},
        medianprops={"color": ORANGE, "linewidth": 2},
    )
    _by_group_axes(ax, read, chosen)
    said = [BOXES, *_said(read, chosen, points=False)]
    if sum(len(read.rows[i]) for i in chosen) > 50_000:
        said.append("values beyond the whiskers not drawn")
    put_title(ax, f"{read.y_name} by {read.group}", *said)


def _by_group_axes(ax: Axes, read: GroupedRows, chosen: Indices) -> None:
    put_labels(ax, "", read.y_label)
    put_levels(ax, "x", [read.levels[i] for i in chosen], read.group)
    ax.set_xlim(-0.7, len(chosen) - 0.3)


def _pooled(ax: Axes, read: GroupedRows, rng: np.random.Generator) -> None:
    x = read.x
    assert x is not None  # plot_data has seen to it
    wide = 0.0 if read.x_levels is None else 0.25
    said = cloud(ax, x + rng.uniform(-wide, wide, len(x)) if wide else x, read.y)
    if read.x_levels is None:
        centre, spread_x = float(x.mean()), float(((x - x.mean()) ** 2).sum())
        if spread_x > 0:
            slope = float(((x - centre) * (read.y - read.y.mean())).sum()) / spread_x
            ends = np.array([x.min(), x.max()])
            ax.plot(ends, read.y.mean() + slope * (ends - centre), color=BLACK, lw=1.6, zorder=4)
    else:
        count = np.bincount(x.astype(np.intp))
        means = np.bincount(x.astype(np.intp), weights=read.y) / count
        ax.plot(np.arange(len(means)), means, "_", color=BLACK, ms=18, mew=2, zorder=4)
    put_labels(ax, read.x_label, read.y_label)
    if read.x_levels is not None:
        put_levels(ax, "x", read.x_levels, read.x_label)
    dropped = _said(read, np.arange(len(read.levels)), points=False)
    what = "line: least squares" if read.x_levels is None else "bar: mean"
    put_title(ax, f"all rows (complete pooling); {what}", said, *dropped)


def _facets(read: GroupedRows, chosen: Indices, rng: np.random.Generator) -> Figure:
    x = read.x
    assert x is not None  # plot_data has seen to it
    count = len(chosen)
    across = count if count <= 6 else min(6, int(np.ceil(np.sqrt(1.5 * count))))
    down = -(-count // across)
    width, height = max(1.6 * across + 0.8, 4.2), 1.5 * down + 1.0
    said = [s.replace(", means of all", "") for s in _said(read, chosen, points=True)]
    if read.x_levels is not None:
        said.append("moved sideways at random")
    text = headed(width, f"{read.y_name} against {read.x_name}, by {read.group}", *said)
    figure = new_figure(width, height, layout=None)
    axes = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for i, code in enumerate(chosen):
        ax = axes.flat[i]
        rows = _some(read.rows[code], rng)
        at = x[rows] if read.x_levels is None else x[rows] + rng.uniform(-0.2, 0.2, len(rows))
        ax.plot(at, read.y[rows], "o", ms=2.8, color=BLUE, mec="none", alpha=0.8)
        put_facet(ax, read.levels[code], labelled=i + across >= count)
    few_ticks(axes.flat[0], x=read.x_levels is None)
    if read.x_levels is not None:
        _name_places(axes.flat[:count], read.x_levels)
    for ax in axes.flat[count:]:
        ax.set_visible(False)
    figure.supxlabel(read.x_label, fontsize=9, parse_math=False)
    figure.supylabel(read.y_label, fontsize=9, parse_math=False)
    figure.suptitle(text, fontsize=9, parse_math=False, y=1 - 0.05 / height)
    above = 0.35 + 0.16 * (1 + text.count("\n"))
    facet_margins(figure, width, height, above=above, down=down)
    return figure


def _name_places(axes: Any, levels: tuple[Any, ...]) -> None:
    """A factor's levels along the panels' shared axis, all of them or as many as have room."""
    names = [short(v, 8) for v in levels]
    room = max(1, 15 // (1 + max(map(len, names))))
    places = list(range(0, len(names), -(-len(names) // room)))
    axes[0].set_xticks(places)
    axes[0].set_xlim(-0.6, len(names) - 0.4)
    for ax in axes:
        ax.set_xticklabels([names[i] for i in places], parse_math=False)
