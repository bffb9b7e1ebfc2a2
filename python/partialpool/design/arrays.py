"""One column of a dict as an array or a pandas Series, its values and their types as they were."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design.alignment import is_pandas
from partialpool.errors import DataError

#: What pandas calls objects that are all numbers, missing ones apart.
NUMBERS = frozenset({"integer", "floating", "mixed-integer-float", "decimal", "boolean"})


#: Columns of narwhals that NumPy has no type for.
AS_OBJECTS = frozenset({"Object", "Int128", "UInt128"})


def is_object(column: Any) -> bool:
    """Whether a column holds Python objects, of one type or of many."""
    return isinstance(column.dtype, np.dtype) and column.dtype.kind == "O"


def object_array(values: Iterable[Any]) -> NDArray[Any]:
    """Objects as they are in one dimension; NumPy would make lists and tuples a second one."""
    items = list(values)
    return np.fromiter(items, dtype=object, count=len(items))


def as_column(values: Any, name: str) -> Any:
    """A dict's column: pandas' own kinds as Series, everything else as an array.

    Raises
    ------
    DataError
        If it is no sequence of one dimension.
    """
    try:
        if is_pandas(values):
            column = _of_pandas(values)
        elif isinstance(values, np.ma.MaskedArray):
            column = _of_masked(values)
        elif isinstance(values, list | tuple):
            column = _of_list(values)
        else:
            column = _of_library(values)
        if column.ndim == 1 and isinstance(column, np.ndarray):
            column = _of_array(column)
    except Exception as error:  # what an object's own conversion raises may be anything
        raise DataError(
            f"column {name!r} is no array of one dimension ({type(error).__name__} when it is"
            " read); give one value per row"
        ) from None
    if column.ndim != 1:
        raise DataError(f"column {name!r} must have one dimension, it has {column.ndim}")
    return column


def _of_pandas(values: Any) -> Any:
    import pandas as pd

    return values if isinstance(values, pd.Series | pd.DataFrame) else pd.Series(values)


def _of_masked(values: Any) -> NDArray[Any]:
    """Masked entries are missing; whole numbers stay whole, as an id may be no float."""
    if not np.ma.getmaskarray(values).any():
        return np.asarray(values.data)
    if values.dtype.kind == "f":
        return np.asarray(values.filled(np.nan))
    out = np.array(values.data, dtype=object)  # `filled` would write "?"
    out[np.ma.getmaskarray(values)] = None
    return out


def _of_list(values: list[Any] | tuple[Any, ...]) -> NDArray[Any]:
    """NumPy would write numbers beside text as text, and None too."""
    types = set(map(type, values))
    alike = (len(types) <= 1 and types != {tuple}) or types <= {int, float}
    array = np.asarray(values) if alike else object_array(values)
    if array.dtype.kind == "f" and int in types and np.abs(array).max() >= 2.0**53:
        return object_array(values)  # whole numbers that a float cannot hold
    return array


def _of_library(values: Any) -> Any:
    """An array, or a Series of another library."""
    if isinstance(values, np.ndarray):
        return values
    import narwhals as nw

    series: Any = nw.from_native(values, series_only=True, pass_through=True)
    if not isinstance(series, nw.Series):
        return (
            object_array(values.to_pylist()) if hasattr(values, "to_pylist") else np.asarray(values)
        )
    as_objects = str(series.dtype) in AS_OBJECTS
    if series.dtype.is_numeric() and not as_objects and not series.is_null().any():
        return series.to_numpy()
    if series.dtype == nw.Enum:
        import pandas as pd

        order: Any = series.dtype
        return pd.Series(pd.Categorical(series.to_list(), list(order.categories)))
    return object_array(series.to_list())


def _of_array(array: NDArray[Any]) -> Any:
    if array.dtype.kind in "US":
        return array.astype(object)
    if array.dtype.kind in "mM":  # pandas knows the missing ones, and dates of every unit
        import pandas as pd

        return pd.Series(array)
    return array.astype(np.float64) if array.dtype == np.longdouble else array


def floats_of_objects(values: NDArray[Any], name: str) -> NDArray[np.float64] | None:
    """Objects that are all numbers as doubles, NaN where missing; None if some are none."""
    import pandas as pd

    try:
        kind = pd.api.types.infer_dtype(values, skipna=True)
        if kind not in NUMBERS and kind not in {"mixed", "mixed-integer"}:
            return None
        missing = pd.isna(values)
        present = values[~missing].tolist()
        if kind not in NUMBERS and not all(_is_real(v) for v in present):
            return None
    except Exception:  # what an object's own comparison raises may be anything
        return None
    out = np.full(len(values), np.nan)
    try:
        out[~missing] = [float(v) for v in present]
    except (OverflowError, ValueError):
        raise DataError(
            f"column {name!r} holds numbers that cannot be floats; convert it"
        ) from None
    return out


def _is_real(value: Any) -> bool:
    plain = isinstance(value, int | float | Decimal | Fraction | np.integer | np.floating)
    return plain and not isinstance(value, bool)
