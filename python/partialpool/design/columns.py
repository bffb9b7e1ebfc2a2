"""Columns of numbers, by rows and in slices."""

from __future__ import annotations

from collections.abc import Iterator
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


def rows_of(column: Column, rows: slice) -> Column:
    """Some rows of a column; a number is itself."""
    return column[rows] if isinstance(column, np.ndarray) else column


def take(values: Any, rows: Rows) -> Any:
    """The rows used; all of them, without a copy, where none was dropped."""
    return values if rows is None else values[rows]
