"""`make_design`: frames of crossed and nested groups, with factors within and between them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from itertools import islice, product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import BACKENDS, Backend, check_choice, check_count
from partialpool.design.frame import to_native
from partialpool.errors import ArgumentError
from partialpool.limits import require_memory

Codes = NDArray[np.int64]
#: Values of one variable at most.
MOST_VALUES = 1_000_000
#: What a cell of a design takes while the frame is made.
BYTES = 64

#: Rows of the largest design.
MOST_ROWS = 10**7


def make_design(
    groups: Mapping[str, Any],
    within: Mapping[str, Any] | None = None,
    between: Mapping[str, Any] | None = None,
    *,
    replicates: int = 1,
    backend: Backend = "pandas",
) -> Any:
    """A balanced design as a frame, one row per observation.

    Parameters
    ----------
    groups
        Grouping factors and their sizes, outermost first: a number of levels or their labels.
        Several are crossed, ``{"subject": 20, "item": 12}``; ``{"school": 10, "school/class": 3}``
        nests three classes, with labels of their own, in each school.
    within
        Variables and their values; every combination of groups sees every combination of them:
        ``{"day": range(10), "dose": ["low", "high"]}``.
    between
        Variables that are constant within a group, ``{"subject": {"arm": ["control", "drug"]}}``.
        Their combinations are dealt to the group's levels in turn, so that they are as balanced as
        the numbers allow. With one grouping factor its name may be left out.
    replicates
        Rows of each combination.
    backend
        "pandas", "polars" or "pyarrow".

    Returns
    -------
    frame
        Columns of groups, between, within. Text becomes categories in the order given (pandas,
        polars), so that the first value is the reference level; pyarrow's stays text.

    Raises
    ------
    ArgumentError
        For sizes below 1, names used twice, unknown groups, or fewer levels of a group than there
        are combinations of what is between them.
    """
    backend = check_choice(backend, "backend", BACKENDS)
    replicates = check_count(replicates, "replicates")
    nests = _nests(groups)
    between = _between(between, nests)
    within = {str(k): _values(v, str(k)) for k, v in _mapping(within or {}, "within").items()}
    names = [*nests, *(v for own in between.values() for v in own), *within]
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise ArgumentError(f"the name {twice[0]!r} is used twice in the design; rename one")
    _check_size(nests, between, within, int(replicates))
    labels, cells = _cells(nests)
    # Rows: each cell of the groups, times the combinations within it, times the replicates.
    combinations = list(product(*within.values()))
    inner = len(combinations) * replicates
    columns: dict[str, Any] = {
        name: _column([labels[name][c] for c in np.repeat(cells[name], inner)], labels[name])
        for name in nests
    }
    for group, variables in between.items():
        dealt = list(product(*variables.values()))
        if len(labels[group]) < len(dealt):
            raise ArgumentError(
                f"{group!r} has {len(labels[group])} levels for {len(dealt)} combinations of"
                f" {', '.join(variables)} between them; give it more"
            )
        codes = np.repeat(cells[group], inner) % len(dealt)
        for i, (name, values) in enumerate(variables.items()):
            columns[name] = _column([dealt[c][i] for c in codes], values)
    codes = np.tile(
        np.repeat(np.arange(len(combinations)), replicates), len(cells[next(iter(nests))])
    )
    for i, (name, values) in enumerate(within.items()):
        columns[name] = _column([combinations[c][i] for c in codes], values)
    return _table(columns, backend)


def _check_size(
    nests: Mapping[str, tuple[str | None, int | list[Any]]],
    between: Mapping[str, Mapping[str, list[Any]]],
    within: Mapping[str, list[Any]],
    replicates: int,
) -> None:
    """Refuse a design of more rows than memory holds, before any is made."""
    sizes = [size if isinstance(size, int) else len(size) for _, size in nests.values()]
    rows = prod(sizes) * prod(len(v) for v in within.values()) * replicates
    dealt = sum(prod(len(v) for v in own.values()) for own in between.values())
    columns = len(nests) + len(within) + sum(len(own) for own in between.values())
    largest = max(rows, sum(sizes), dealt)
    shown = f"{largest:,}" if largest < 10**30 else "more than 10^30"
    require_memory(
        float(min(columns * BYTES * largest, 10**30)),
        f"a design of {shown} rows or combinations",
        "ask for fewer levels or replicates",
    )


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ArgumentError(f"{what} must be a dict by name, not {type(value).__name__}")
    return value


def _values(value: Any, name: str) -> list[Any]:
    """Distinct values in the order given."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ArgumentError(f"{name!r} must be a list of its values, not {value!r}")
    given = islice(value, MOST_VALUES + 1)
    out = [v.item() if isinstance(v, np.generic) else v for v in given]
    if len(out) > MOST_VALUES:
        raise ArgumentError(f"{name!r} may have at most {MOST_VALUES:,} values; give fewer")
    if not out:
        raise ArgumentError(f"{name!r} has no values; give at least one")
    if len({isinstance(v, str) for v in out}) > 1:
        raise ArgumentError(f"{name!r} mixes text and other values; make them all text")
    if not all(isinstance(v, Hashable) for v in out):
        raise ArgumentError(f"{name!r} must be a list of single values, not {out[0]!r}")
    if len(set(out)) < len(out):
        raise ArgumentError(f"{name!r} has the same value twice; use replicates for repeated rows")
    return out


def _nests(groups: Any) -> dict[str, tuple[str | None, int | list[Any]]]:
    """By name: the group that it is nested in, and its number of levels (in each) or labels."""
    out: dict[str, tuple[str | None, int | list[Any]]] = {}
    if not _mapping(groups, "groups"):
        raise ArgumentError("groups is empty; name at least one, such as {'subject': 20}")
    for key, size in groups.items():
        parent, _, name = str(key).rpartition("/")
        parent = parent.rpartition("/")[2]
        if parent and parent not in out:
            raise ArgumentError(f"{key!r} is nested in {parent!r}, which must come before it")
        if name in out:
            raise ArgumentError(f"the name {name!r} is used twice in the design; rename one")
        if isinstance(size, Iterable):
            out[name] = (parent or None, _values(size, name))
        else:
            out[name] = (parent or None, check_count(size, f"the number of levels of {name!r}"))
    return out


def _cells(
    nests: Mapping[str, tuple[str | None, int | list[Any]]],
) -> tuple[dict[str, list[Any]], dict[str, Codes]]:
    """Labels of each group, and the level of each in every combination of them."""
    labels: dict[str, list[Any]] = {}
    cells: dict[str, Codes] = {}
    length = 1
    for name, (parent, size) in nests.items():
        count = size if isinstance(size, int) else len(size)
        width = len(str(count))
        own = [f"{name}{i + 1:0{width}d}" for i in range(count)] if isinstance(size, int) else size
        cells = {k: np.repeat(v, count) for k, v in cells.items()}
        position = np.tile(np.arange(count), length)
        length *= count
        if parent is None:
            labels[name], cells[name] = own, position
        else:
            labels[name] = [f"{outer}.{v}" for outer in labels[parent] for v in own]
            cells[name] = cells[parent] * count + position
            if len(set(labels[name])) < len(labels[name]):
                raise ArgumentError(
                    f"the labels of {name!r} within {parent!r} are not unique once they are joined"
                    " by '.'; use labels without dots"
                )
    return labels, cells


def _between(
    between: Any, nests: Mapping[str, tuple[str | None, int | list[Any]]]
) -> dict[str, dict[str, list[Any]]]:
    """By group: its variables and their values."""
    given = _mapping(between or {}, "between")
    if given and not any(isinstance(v, Mapping) for v in given.values()):
        if len(nests) > 1:
            raise ArgumentError(
                f"between must say of which group ({', '.join(nests)}): {{group: {{name: values}}}}"
            )
        given = {next(iter(nests)): given}
    out = {}
    for group, variables in given.items():
        if group not in nests:
            raise ArgumentError(
                f"between names {group!r}, which is no group of the design: {', '.join(nests)}"
            )
        own = _mapping(variables, f"between[{group!r}]")
        out[str(group)] = {str(k): _values(v, str(k)) for k, v in own.items()}
    return out


def _column(values: list[Any], levels: list[Any]) -> tuple[list[Any], list[str] | None]:
    """Values, and the order of their categories where they are text."""
    text = all(isinstance(v, str) for v in levels)
    return values, levels if text else None


def _table(columns: Mapping[str, tuple[list[Any], list[str] | None]], backend: Any) -> Any:
    if backend == "pandas":
        import pandas as pd

        made = {
            name: pd.Categorical(values, categories=levels) if levels else np.array(values)
            for name, (values, levels) in columns.items()
        }
        return to_native(made, "pandas")
    import narwhals as nw

    try:
        table = nw.from_dict({k: values for k, (values, _) in columns.items()}, backend=backend)
    except ImportError:
        raise ArgumentError(f"backend {backend!r} is not installed; use 'pandas'") from None
    if backend == "polars":
        ordered = {k: levels for k, (_, levels) in columns.items() if levels}
        table = table.with_columns(nw.col(k).cast(nw.Enum(v)) for k, v in ordered.items())
    return nw.to_native(table)
