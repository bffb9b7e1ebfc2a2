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
from partialpool.figures.style import SERIES, Indices, Vector, check_page, spread
from partialpool.formula.model import parse_grouped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.design.design import Design

#: Different values of a number that are taken as places along an axis.
PLACES = 15


@dataclass(frozen=True, eq=False)
class Hue:
    """The second predictor, shown by colour.

    Attributes
    ----------
    name
    codes
        (n,)
    levels
    """

    name: str
    codes: Indices
    levels: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class GroupedRows:
    """Response, predictors and group of the rows that are complete.

    Attributes
    ----------
    y
        (n,)
    y_name, x_name, group
        Names; `x_name` is None without a predictor, `group` is empty without groups.
    y_label, x_label
        The same with units.
    x
        (n,); of a factor, its codes.
    x_levels
        Levels of a factor, else None.
    hue
        The second predictor, if there is one.
    rows
        Row numbers of each group; without groups, all in one.
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
    hue: Hue | None
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
    ncol: int | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Look at the data before fitting: by group, by predictors, or both.

    Parameters
    ----------
    formula
        ``"Reaction ~ Days | Subject"``, ``"bright ~ 1 | operator"``, or without a group
        ``"yield ~ irrigation"``. The first predictor is the horizontal axis, a second one (a
        factor, or a number that takes few values) is shown by colour.
    data
        Any table that `lmer` takes.
    kind
        "facets" (a panel a group, against the predictor), "pooled" (all rows against the predictor,
        with one least squares line), "jitter" (points, and their mean) or "box" (box plots). The
        last two are by group, or where there is a predictor by its levels, in a panel a group.
        Default "facets" with a predictor and a group, "pooled" with a numeric predictor alone,
        else "jitter".
    max_groups
        With more groups, this many spread evenly over the levels are shown, and the title says
        so: default 36 facets, else 120. "pooled" shows all rows.
    seed
        Seed of the jitter, and of the points drawn where a group has more than 200.
    ncol
        Facets beside each other; default by how many there are.
    figsize
        Width and height of the new figure in inches; default by what it holds.
    ax
        Draw there, what is one panel.

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure

    Raises
    ------
    ArgumentError, FormulaError, DataError
        For arguments, formulas and columns that cannot be drawn.
    """
    from partialpool.figures.raw_panels import draw_facets, draw_groups, draw_places, draw_pooled

    read = grouped_rows(formula, data)
    kind = _default(read) if kind is None else check_choice(kind, "kind", DATA_FIGURES)
    _check_kind(read, kind)
    if kind in {"jitter", "box"} and read.x is not None:
        read = _in_places(read, kind)
    faceted = kind == "facets" or (read.group != "" and read.x is not None and kind != "pooled")
    if faceted and ax is not None:
        raise ArgumentError("facets are panels of their own; leave ax out, or use kind='pooled'")
    if ncol is not None and not faceted:
        raise ArgumentError("ncol is of facets, one a group; this figure is one panel")
    page = check_page(ax, figsize, ncol)
    if max_groups is None:
        max_groups = 36 if faceted else 120
    chosen = spread(len(read.levels), check_count(max_groups, "max_groups"))
    rng = np.random.default_rng(check_seed(seed))
    if faceted:
        return draw_facets(read, chosen, rng, kind, page, ncol)
    if kind == "pooled":
        return draw_pooled(read, rng, page, ax)
    if read.x is None:
        return draw_groups(read, chosen, rng, kind, page, ax)
    return draw_places(read, rng, kind, page, ax)


def _default(read: GroupedRows) -> DataFigure:
    if read.x is None:
        return "jitter"
    if read.group:
        return "facets"
    return "pooled" if read.x_levels is None else "jitter"


def _check_kind(read: GroupedRows, kind: DataFigure) -> None:
    """Refuse what the formula has too little for."""
    group = read.group or "g"
    if read.x is None and not read.group:
        raise ArgumentError(
            f"`{read.y_name} ~ 1` has nothing to draw {read.y_name} against; name a predictor, a"
            f" group, or both: `{read.y_name} ~ x | g`"
        )
    if kind in {"facets", "pooled"} and read.x is None:
        raise ArgumentError(
            f"kind={kind!r} needs a predictor for the horizontal axis: `{read.y_name} ~ x |"
            f" {group}`"
        )
    if kind == "facets" and not read.group:
        raise ArgumentError(
            f"kind='facets' needs a group, a panel each: `{read.y_name} ~ {read.x_name} | g`"
        )


def _in_places(read: GroupedRows, kind: DataFigure) -> GroupedRows:
    """A number that takes few values has a place for each along the axis."""
    if read.x_levels is not None:
        return read
    assert read.x is not None  # plot_data has seen to it
    found = _few(read.x, PLACES)
    if found is None:
        instead = f", or {read.y_name} by group: `{read.y_name} ~ 1 | {read.group}`"
        raise ArgumentError(
            f"kind={kind!r} draws by the levels of a factor, and {read.x_name!r} is a number with"
            f" more than {PLACES} different values; use kind='pooled'{instead * bool(read.group)}"
        )
    return replace(read, x=found[0].astype(np.float64), x_levels=found[1])


def _few(values: Vector, most: int) -> tuple[Indices, tuple[Any, ...]] | None:
    """Codes and different values of a number, where there are at most so many."""
    different, codes = np.unique(values, return_inverse=True)
    if len(different) > most:
        return None
    whole = bool(np.all(different == np.round(different)) and np.abs(different).max() < 1e15)
    levels = (int(v) if whole else float(f"{v:.6g}") for v in different)
    return codes.astype(np.intp), tuple(levels)


def grouped_rows(formula: str, data: Any) -> GroupedRows:
    """What `plot_data` draws."""
    parsed, group = parse_grouped(formula, needed=False)
    frame = Frame(data)
    design = build_design(replace(parsed, variables=(*parsed.variables, *group)), frame)
    rows, levels = (np.arange(design.n),), (None,)
    if group:
        labels = group_labels(frame, group, design.rows)
        order = np.argsort(labels.codes, kind="stable")
        ends = np.cumsum(np.bincount(labels.codes, minlength=len(labels.levels)))[:-1]
        rows, levels = tuple(np.split(order, ends)), labels.levels
    name, hue = _predictors(parsed, frame, design)
    x, x_levels = None, None
    if name is not None and _is_number(name, frame, design):
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
        hue=hue,
        group=":".join(group),
        rows=rows,
        levels=levels,
        dropped=design.dropped,
    )


def _is_number(name: str, frame: Frame, design: Design) -> bool:
    """Whether a predictor is a number, also in the formula: `C(x)` is not."""
    return frame.is_numeric(name) and name not in getattr(design.fixed, "levels", {})


def _predictors(parsed: Any, frame: Frame, design: Design) -> tuple[str | None, Hue | None]:
    """The horizontal axis, and the second predictor: that of the two which can be coloured."""
    names = list(fixed_variables(parsed))
    if len(names) > 2:
        raise ArgumentError(
            f"a figure shows two predictors, one along the axis and one by colour; leave out"
            f" {' or '.join(map(repr, names))}"
        )
    if len(names) < 2:
        return (names[0] if names else None), None
    for x, other in (names, names[::-1]):
        hue = _hue(other, frame, design)
        if hue is not None:
            return x, hue
    raise ArgumentError(
        f"colour shows a factor of at most {len(SERIES)} levels, and neither {names[0]!r} nor"
        f" {names[1]!r} is one; leave one of them out"
    )


def _hue(name: str, frame: Frame, design: Design) -> Hue | None:
    """A predictor as colours, where there are enough of them."""
    if _is_number(name, frame, design):
        found = _few(take(frame.numeric(name), design.rows), len(SERIES))
        return None if found is None else Hue(name, *found)
    coded = group_labels(frame, (name,), design.rows)
    few = len(coded.levels) <= len(SERIES)
    return Hue(name, coded.codes.astype(np.intp), tuple(coded.levels)) if few else None
