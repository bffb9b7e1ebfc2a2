"""What `plot_data` draws with: points and boxes by place, clouds, facets by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.figures.facets import LEFT, PANEL, facet_grid, facet_margins, few_ticks, put_facet
from partialpool.figures.levels import put_levels
from partialpool.figures.scales import put_scales, shared_scales
from partialpool.figures.style import (
    CLOUD,
    GREY,
    MARKERS,
    SERIES,
    SMALL,
    TEXT,
    Indices,
    Vector,
    cloud,
    headed,
    look,
    magnified,
    mark_size,
    new_figure,
    points,
    put_heading,
    put_labels,
    put_legend,
    put_title,
    room_for_text,
    short_all,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.arguments import DataFigure
    from partialpool.figures.raw_data import GroupedRows

#: Points of a group that are drawn.
POINTS = 200
#: Values beyond the whiskers are drawn of so many rows.
OUTLIERS = 50_000
#: What box plots are (Tukey's).
BOXES = "box: quartiles; whiskers ≤ 1.5 box lengths"
Size = tuple[float, float] | None


def draw_groups(
    read: GroupedRows,
    chosen: Indices,
    rng: np.random.Generator,
    kind: DataFigure,
    page: Size,
    ax: Axes | None,
) -> Figure | Axes:
    """Points or boxes of each group on one panel."""
    wide = float(np.clip(1.5 + 0.3 * len(chosen), 5.0, 12.0))
    figure = None if ax is not None else new_figure(wide, 4.2, figsize=page)
    ax = figure.subplots() if figure is not None else ax
    assert ax is not None
    cells = [(read.rows[code], float(i), None) for i, code in enumerate(chosen)]
    what = _places(ax, read.y, cells, kind, rng, 0.6)
    put_labels(ax, "", read.y_label)
    put_levels(ax, "x", [read.levels[i] for i in chosen], read.group)
    ax.set_xlim(-0.7, len(chosen) - 0.3)
    put_scales([ax])
    put_title(ax, f"{read.y_name} by {read.group}; {what[0]}", *what[1:], *_said(read, chosen))
    return ax if figure is None else figure


def draw_places(
    read: GroupedRows,
    rng: np.random.Generator,
    kind: DataFigure,
    page: Size,
    ax: Axes | None,
) -> Figure | Axes:
    """Points or boxes of each level of the predictor on one panel, all groups together."""
    assert read.x_levels is not None  # plot_data has seen to it
    size = len(read.x_levels) * (1 if read.hue is None else len(read.hue.levels))
    wide = float(np.clip(1.5 + 0.45 * size, 5.0, 12.0))
    figure = None if ax is not None else new_figure(wide, 4.2, figsize=page)
    ax = figure.subplots() if figure is not None else ax
    assert ax is not None
    cells, width = _cells(read, np.arange(len(read.y)))
    what = _places(ax, read.y, cells, kind, rng, width)
    put_labels(ax, "", read.y_label)
    put_levels(ax, "x", read.x_levels, read.x_label)
    ax.set_xlim(-0.7, len(read.x_levels) - 0.3)
    put_scales([ax])
    _put_hues(figure or ax, read, kind)
    put_title(ax, f"{read.y_name} by {read.x_name}; {what[0]}", *what[1:], *_said(read, None))
    return ax if figure is None else figure


def draw_pooled(
    read: GroupedRows, rng: np.random.Generator, page: Size, ax: Axes | None
) -> Figure | Axes:
    """All rows against the predictor, and a line or means of each colour."""
    figure = None if ax is not None else new_figure(6.0, 4.2, figsize=page)
    ax = figure.subplots() if figure is not None else ax
    x = read.x
    assert ax is not None
    assert x is not None  # plot_data has seen to it
    wide = 0.0 if read.x_levels is None else 0.25
    at = x + rng.uniform(-wide, wide, len(x)) if wide else x
    parts = _by_hue(read, np.arange(len(x)))
    if read.hue is None or len(x) > CLOUD:
        said = cloud(ax, at, read.y, color=GREY)
    else:
        said, area = "", mark_size(len(x)) ** 2
        for rows, i in parts:
            form: Any = {"color": SERIES[i], "marker": MARKERS[i]}
            ax.scatter(at[rows], read.y[rows], s=area, alpha=0.6, linewidths=0, zorder=2, **form)
    for rows, i in parts:
        own = {} if read.hue is None else {"color": SERIES[i], "lw": 1.8, "alpha": 1.0}
        (_line if read.x_levels is None else _means)(ax, x[rows], read.y[rows], own)
    put_labels(ax, read.x_label, read.y_label)
    if read.x_levels is not None:
        put_levels(ax, "x", read.x_levels, read.x_label)
    put_scales([ax])
    _put_hues(figure or ax, read, "pooled")
    what = "line: least squares" if read.x_levels is None else "bar: mean"
    all_rows = "all rows (complete pooling)" if read.group else f"{read.y_name} by {read.x_name}"
    put_title(ax, f"{all_rows}; {what}", said, *_said(read, None))
    return ax if figure is None else figure


def _line(ax: Axes, x: Vector, y: Vector, changed: dict[str, Any]) -> None:
    """Least squares, where x varies."""
    centre, spread_x = float(x.mean()), float(((x - x.mean()) ** 2).sum())
    if spread_x > 0:
        slope = float(((x - centre) * (y - y.mean())).sum()) / spread_x
        ends = np.array([x.min(), x.max()])
        ax.plot(ends, y.mean() + slope * (ends - centre), zorder=4, **look("complete", **changed))


def _means(ax: Axes, x: Vector, y: Vector, changed: dict[str, Any]) -> None:
    place, codes = np.unique(x, return_inverse=True)
    means = np.bincount(codes, weights=y) / np.bincount(codes)
    color = look("complete", **changed)["color"]
    ax.plot(place, means, "_", color=color, ms=18, mew=2.4, zorder=4)


def _by_hue(read: GroupedRows, rows: Indices) -> list[tuple[Indices, int]]:
    """Rows of each colour that has any, and its number."""
    if read.hue is None:
        return [(rows, 0)]
    parts = [(rows[read.hue.codes[rows] == i], i) for i in range(len(read.hue.levels))]
    return [(own, i) for own, i in parts if len(own)]


def _cells(read: GroupedRows, rows: Indices) -> tuple[list[tuple[Indices, float, Any]], float]:
    """Rows, place and colour of each level of the predictor; how wide a place is."""
    assert read.x is not None
    assert read.x_levels is not None  # the callers have seen to both
    hues = 1 if read.hue is None else len(read.hue.levels)
    width = 0.8 / hues if hues > 1 else 0.6
    out: list[tuple[Indices, float, Any]] = []
    for own, hue in _by_hue(read, rows):
        codes = read.x[own].astype(np.intp)
        order = np.argsort(codes, kind="stable")
        count = np.bincount(codes, minlength=len(read.x_levels))
        shift = (hue - (hues - 1) / 2) * width if hues > 1 else 0.0
        parts = np.split(own[order], np.cumsum(count)[:-1])
        number = None if read.hue is None else hue
        out += [(part, place + shift, number) for place, part in enumerate(parts) if len(part)]
    return out, (0.85 * width if hues > 1 else width)


def _places(
    ax: Axes,
    y: Vector,
    cells: list[tuple[Indices, float, Any]],
    kind: DataFigure,
    rng: np.random.Generator,
    width: float,
    most: int = POINTS,
    total: int | None = None,
) -> list[str]:
    """Points and means, or boxes, of rows by place; what the title must say."""
    if kind == "box":
        return _boxes(ax, y, cells, width)
    drawn = [r if len(r) <= most else rng.choice(r, most, replace=False) for r, _, _ in cells]
    size = mark_size(sum(map(len, drawn)) if total is None else total)
    for hue in dict.fromkeys(hue for _, _, hue in cells):
        own = [i for i, cell in enumerate(cells) if cell[2] == hue]
        rows = np.concatenate([drawn[i] for i in own])
        at = np.repeat([cells[i][1] for i in own], [len(drawn[i]) for i in own])
        x = at + rng.uniform(-0.36 * width, 0.36 * width, len(at))
        form: Any = {"color": GREY if hue is None else SERIES[hue], "marker": MARKERS[hue or 0]}
        alpha = 0.75 if len(rows) <= 500 else 0.5
        ax.scatter(x, y[rows], s=size**2, alpha=alpha, linewidths=0, zorder=2, **form)
        middle = np.array([cells[i][1] for i in own])
        means = [float(y[cells[i][0]].mean()) for i in own]
        bar = look("separate")["color"] if hue is None else SERIES[hue]
        half = 0.5 * width + 0.06
        ax.hlines(means, middle - half, middle + half, color=bar, lw=2, zorder=3)
    fewer = max(len(rows) for rows, _, _ in cells) > most
    said = f"at most {most} random points per group, means of all" if fewer else ""
    return ["bar: mean", said]


def _boxes(ax: Axes, y: Vector, cells: list[tuple[Indices, float, Any]], width: float) -> list[str]:
    fliers = sum(len(rows) for rows, _, _ in cells) <= OUTLIERS
    for hue in dict.fromkeys(hue for _, _, hue in cells):
        own = [(rows, at) for rows, at, h in cells if h == hue]
        color = GREY if hue is None else SERIES[hue]
        middle = look("separate")["color"] if hue is None else color
        line = {"color": color, "linewidth": 1.2}
        ax.boxplot(
            [y[rows] for rows, _ in own],
            positions=[at for _, at in own],
            widths=width,
            manage_ticks=False,
            showfliers=fliers,
            flierprops={"marker": "o", "markersize": 2.5, "markeredgecolor": color},
            boxprops=line,
            whiskerprops=line,
            capprops=line,
            medianprops={"color": middle, "linewidth": 2},
        )
    return [BOXES] if fliers else [BOXES, "values beyond the whiskers not drawn"]


def _put_hues(owner: Any, read: GroupedRows, kind: DataFigure) -> None:
    """The legend of the second predictor."""
    if read.hue is None:
        return
    from matplotlib.lines import Line2D

    form = "" if kind == "box" else "o"
    handles = [
        Line2D([], [], color=SERIES[i], marker=form and MARKERS[i], ls="-", lw=1.6, ms=5)
        for i in range(len(read.hue.levels))
    ]
    beside = {} if not hasattr(owner, "suptitle") else {"loc": "outside lower center", "ncols": 4}
    legend = put_legend(owner, handles, [str(v) for v in read.hue.levels], **beside)
    legend.set_title(read.hue.name, prop={"size": points(SMALL)})
    legend.get_title().set_parse_math(False)


def _said(read: GroupedRows, chosen: Indices | None) -> list[str]:
    """What of the data is not on the figure."""
    out = []
    if chosen is not None and len(chosen) < len(read.levels):
        out.append(f"{len(chosen)} of {len(read.levels):,} groups")
    if read.dropped:
        out.append(f"{read.dropped:,} rows with missing values left out")
    return out


def draw_facets(
    read: GroupedRows,
    chosen: Indices,
    rng: np.random.Generator,
    kind: DataFigure,
    page: Size,
    ncol: int | None,
) -> Figure:
    """A panel a group."""
    count = len(chosen)
    down, across = facet_grid(count, ncol)
    width = max(PANEL[0] * across + 0.8, 4.2) if page is None else page[0]
    figure = new_figure(width, PANEL[1] * down + 1.0, None, figsize=page)
    axes = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    panel = (width - magnified() * LEFT) / across
    names = short_all([read.levels[i] for i in chosen], room_for_text(panel - 0.1, SMALL, 6))
    shown = sum(min(len(read.rows[i]), POINTS) for i in chosen)
    what: list[str] = []
    for i, code in enumerate(chosen):
        what = _facet(axes.flat[i], read, read.rows[code], kind, rng, shown)
        put_facet(axes.flat[i], names[i], labelled=i + across >= count)
    few_ticks(axes.flat[0], x=read.x_levels is None)
    below, x_label = 0.52, read.x_label
    if read.x_levels is not None:
        depth = 0.0
        for ax in axes.flat[max(0, count - across) : count]:
            depth = put_levels(ax, "x", read.x_levels, read.x_label, panel - 0.1)
            x_label = ax.get_xlabel()
            ax.set_xlabel("")
        below += depth / magnified() - 0.06
        axes.flat[0].set_xlim(-0.6, len(read.x_levels) - 0.4)
    for ax in axes.flat[count:]:
        ax.set_visible(False)
    on_x, on_y = shared_scales(axes.flat[:count])
    bottom = 0.0
    if read.hue is not None:
        _put_facet_hues(figure, read, kind)
        bottom = 0.28 * magnified()
        below += 0.28
    thinned = kind != "box" and max(len(read.rows[i]) for i in chosen) > POINTS
    fewer = f"at most {POINTS} random points a group" if thinned else ""
    relation = "against" if kind == "facets" else "by"
    text = f"{read.y_name} {relation} {read.x_name}, by {read.group}"
    text = headed(width, text, *what, fewer, *_said(read, chosen))
    above = magnified() * (0.3 + 0.17 * (1 + text.count("\n"))) + 0.06
    height = PANEL[1] * down + above + magnified() * below if page is None else page[1]
    figure.set_size_inches(width, height)
    size: Any = {"fontsize": points(TEXT), "parse_math": False}
    figure.supxlabel(f"{x_label} {on_x}".strip(), y=(bottom + 0.06) / height, **size)
    figure.supylabel(f"{read.y_label} {on_y}".strip(), **size)
    put_heading(figure, text, y=1 - 0.08 / height)
    facet_margins(figure, width, height, above=above, down=down, below=below)
    return figure


def _facet(
    ax: Axes,
    read: GroupedRows,
    rows: Indices,
    kind: DataFigure,
    rng: np.random.Generator,
    total: int,
) -> list[str]:
    """One group; what the title must say."""
    x = read.x
    assert x is not None  # plot_data has seen to it
    if kind != "facets":
        cells, width = _cells(read, rows)
        most = max(1, POINTS // max(1, len(cells)))
        return _places(ax, read.y, cells, kind, rng, width, most, total)[: 2 * (kind == "box") or 1]
    some = rows if len(rows) <= POINTS else rng.choice(rows, POINTS, replace=False)
    size = mark_size(total)
    for own, hue in _by_hue(read, some):
        form: Any = {"color": GREY, "marker": "o"}
        if read.hue is not None:
            form = {"color": SERIES[hue], "marker": MARKERS[hue]}
        at = x[own] if read.x_levels is None else x[own] + rng.uniform(-0.2, 0.2, len(own))
        ax.plot(at, read.y[own], ls="", ms=size, mec="none", alpha=0.85, **form)
    return [] if read.x_levels is None else ["moved sideways at random"]


def _put_facet_hues(figure: Figure, read: GroupedRows, kind: DataFigure) -> None:
    """The legend in the strip below the facets."""
    from matplotlib.lines import Line2D

    assert read.hue is not None  # the caller has seen to it
    form: Any = {"ls": "-", "lw": 1.6} if kind == "box" else {"ls": "", "ms": 5}
    handles = [Line2D([], [], color="none", label=read.hue.name)]
    handles += [
        Line2D([], [], color=SERIES[i], marker="" if kind == "box" else MARKERS[i], **form)
        for i in range(len(read.hue.levels))
    ]
    labels = [f"{read.hue.name}:", *map(str, read.hue.levels)]
    put_legend(
        figure,
        handles,
        labels,
        loc="lower center",
        ncols=len(labels),
        borderaxespad=0.2,
        columnspacing=1.2,
        handletextpad=0.4,
    )
