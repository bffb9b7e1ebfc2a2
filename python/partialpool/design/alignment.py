"""Values given beside a table: a pandas Series goes by its labels, everything else by position."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool.errors import DataError


def is_pandas(value: Any, *names: str) -> bool:
    """Whether this is pandas' own object of one of these types, told without importing pandas."""
    kind = type(value)
    return kind.__module__.partition(".")[0] == "pandas" and (not names or kind.__name__ in names)


def in_order(series: Any, index: Any, what: str, of: str) -> Any:
    """A pandas Series in the order of an index that has the same labels.

    Raises
    ------
    DataError
        If the labels differ, or if repeated labels are in another order.
    """
    own = series.index
    if own is index or own.equals(index) or len(own) != len(index):
        return series  # a wrong length is the caller's to refuse, in its own words
    if own.is_unique and index.is_unique:
        places = own.get_indexer(index)
        if (places >= 0).all():
            return series.iloc[places]
    raise DataError(
        f"{what} is a pandas Series whose index differs from that of {of}; give it the same index,"
        " or pass an array (.to_numpy()), which goes by position"
    )


def doubles_of(value: Any, what: str, or_else: str = "") -> NDArray[np.float64]:
    """Numbers given as any kind of array or list; masked and missing entries are NaN."""
    try:
        if isinstance(value, np.ma.MaskedArray):
            return np.ma.filled(value.astype(np.float64), np.nan)
        if is_pandas(value):
            return np.asarray(value.to_numpy(dtype=np.float64, na_value=np.nan))
        array = np.asarray(value)
        if array.dtype.kind in "cUSmMV":  # text as "1.5" is no number; of a + bi a is not all
            raise TypeError
        return np.asarray(array, dtype=np.float64)
    except Exception:  # what an object's own conversion raises may be anything
        raise DataError(f"{what} must be numbers{or_else}") from None
