"""Columns of numbers, by rows and in slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The number of a constant column, or its values, (n,).
Column = float | NDArray[np.float64]
Rows = NDArray[np.intp] | None

#: Rows worked on at a time where arrays of all rows would be more than the fit needed.
ROWS_AT_ONCE = 1 << 14


def row_slices(n: int, size: int = ROWS_AT_ONCE) -> Iterator[slice]:
    """Slices of at most `size` rows that cover 0 … n - 1 in order."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def rows_of(column: Column, rows: slice | NDArray[np.intp]) -> Column:
    """Some rows of a column; a number is itself."""
    return column[rows] if isinstance(column, np.ndarray) else column


def dense(
    columns: Sequence[Column], n: int, rows: slice | NDArray[np.intp] = slice(None)
) -> NDArray[np.float64]:
    """Columns of n rows beside each other, (rows, columns): of all rows or of some."""
    length = len(range(n)[rows]) if isinstance(rows, slice) else len(rows)
    own = [np.asarray(rows_of(c, rows), dtype=np.float64) for c in columns]
    if not own:
        return np.empty((length, 0))
    return np.column_stack([np.broadcast_to(c, (length,)) for c in own])


def take(values: Any, rows: Rows) -> Any:
    """The rows used; all of them, without a copy, where none was dropped."""
    return values if rows is None else values[rows]
