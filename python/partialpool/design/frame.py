"""One way to read columns from whatever table the user has, and to give tables back in kind.

pandas frames and dicts are read directly (narwhals costs 0.4 ms a frame, more than a small fit);
everything else goes through narwhals.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool._core import encode
from partialpool.errors import DataError

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Coded:
    """A column as codes: -1 where it is missing, else the index into `levels`."""

    codes: Codes
    levels: tuple[Hashable, ...]


class Frame:
    """Named columns of equal length, read lazily.

    Parameters
    ----------
    data
        A pandas, polars or pyarrow table, anything else that narwhals reads eagerly, or a dict
        of arrays.
    """

    __slots__ = ("_codes", "_data", "_get", "_read", "kind", "length", "names")

    def __init__(self, data: Any) -> None:
        if isinstance(data, Frame):
            data = data._data
        self._data = data
        self._read: dict[str, Any] = {}
        self._codes: dict[str, Coded] = {}
        module = type(data).__module__.partition(".")[0]
        if module == "pandas" and hasattr(data, "columns"):
            self.kind: Any = "pandas"
            self.names: Sequence[str] = data.columns
            self.length = len(data)
            if not data.columns.is_unique:
                twice = data.columns[data.columns.duplicated()][0]
                raise DataError(f"the data have two columns named {twice!r}; rename one")
            self._get = data.__getitem__
        elif isinstance(data, Mapping):
            self.kind = "pandas"
            columns = {str(k): _as_array(v, str(k)) for k, v in data.items()}
            lengths = {k: len(v) for k, v in columns.items()}
            if len(set(lengths.values())) > 1:
                a, m = next(iter(lengths.items()))
                b, n = next((k, n) for k, n in lengths.items() if n != m)
                raise DataError(f"columns differ in length: {a!r} has {m} rows, {b!r} has {n}")
            self.names = list(columns)
            self.length = next(iter(lengths.values()), 0)
            self._get = columns.__getitem__
        else:
            self._read_by_narwhals(data)

    def _read_by_narwhals(self, data: Any) -> None:
        import narwhals as nw

        try:
            table = nw.from_native(data, eager_only=True)
        except TypeError:
            hint = "; call .collect() first" if hasattr(data, "collect") else ""
            raise DataError(
                f"data must be a dataframe (pandas, polars, pyarrow, …) or a dict of arrays,"
                f" not {type(data).__name__}{hint}"
            ) from None
        self.kind = table.implementation
        self.names = table.columns
        self.length = len(table)
        self._get = table.get_column

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def raw(self, name: str) -> Any:
        """The column in its own type."""
        if name not in self._read:
            if name not in self.names:
                raise DataError(f"the data have no column {name!r}{self._suggestion(name)}")
            self._read[name] = self._get(name)
        return self._read[name]

    def _suggestion(self, name: str) -> str:
        from difflib import get_close_matches

        near = get_close_matches(name, [str(c) for c in self.names], n=1)
        shown = ", ".join(repr(str(c)) for c in list(self.names)[:8])
        more = ", …" if len(self.names) > 8 else ""
        return f"; did you mean {near[0]!r}?" if near else f"; they have {shown}{more}"

    def is_numeric(self, name: str) -> bool:
        """Whether the column holds numbers (or True and False, which count as 1 and 0)."""
        return _numeric_kind(self.raw(name))

    def numeric(self, name: str) -> NDArray[np.float64]:
        """The column as contiguous doubles, NaN where missing.

        Raises
        ------
        DataError
            If it does not hold numbers.
        """
        column = self.raw(name)
        if not _numeric_kind(column):
            values = _numbers_and_gaps(column)
            if values is not None:
                return values
            raise DataError(
                f"column {name!r} holds {describe(column)}, not numbers; convert it, or use it as"
                " a factor"
            )
        return _doubles(column)

    def missing(self, name: str) -> NDArray[np.bool_] | None:
        """Where the column has no value; None where it has one everywhere."""
        column = self.raw(name)
        if isinstance(column, np.ndarray):
            return _missing_in_array(column)
        if self.kind != "pandas":
            mask = np.asarray(column.is_null().to_numpy(), dtype=bool)
            if column.dtype.is_float():
                mask = mask | np.isnan(_doubles(column))
            return mask if mask.any() else None
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iubf":
            return _missing_in_array(column.to_numpy())
        # What is no number will be coded anyway.
        numeric = _numeric_kind(column)
        mask = column.isna().to_numpy() if numeric else self.coded(name).codes < 0
        return mask if mask.any() else None

    def coded(self, name: str) -> Coded:
        """The column as a factor, whatever its type.

        Levels follow the order of a pandas categorical or an Enum, else sorted order; those
        that no row has are left out.
        """
        if name not in self._codes:
            self._codes[name] = self._code(name)
        return self._codes[name]

    def _code(self, name: str) -> Coded:
        column = self.raw(name)
        dtype = getattr(column, "dtype", None)
        if isinstance(dtype, np.dtype) and dtype.kind in "iu" and _fits_int64(column):
            values = np.ascontiguousarray(np.asarray(column), dtype=np.int64)
            codes, levels = encode(values)
            return Coded(codes.astype(np.int64), tuple(levels.tolist()))
        if self.kind == "pandas" and hasattr(column, "cat"):
            return _drop_unused(
                column.cat.codes.to_numpy().astype(np.int64), column.cat.categories.tolist()
            )
        if not isinstance(column, np.ndarray) and self.kind != "pandas":
            import narwhals as nw

            if dtype == nw.Enum:
                order = list(column.dtype.categories)
                at = {v: i for i, v in enumerate(order)}
                codes = np.array([at.get(v, -1) for v in column.to_list()], dtype=np.int64)
                return _drop_unused(codes, order)
            column = np.asarray(column.to_list(), dtype=object)
        return _code_objects(column, name)


def _as_array(values: Any, name: str) -> Any:
    if type(values).__module__.startswith("pandas") and hasattr(values, "cat"):
        values = np.asarray(values, dtype=object)
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(f"column {name!r} must have one dimension, it has {array.ndim}")
    if array.dtype.kind in "US":
        array = array.astype(object)
    return array


def _fits_int64(column: Any) -> bool:
    values = np.asarray(column)
    largest = np.uint64(np.iinfo(np.int64).max)
    return values.dtype != np.uint64 or not len(values) or bool(values.max() <= largest)


def _missing_in_array(array: NDArray[Any]) -> NDArray[np.bool_] | None:
    if array.dtype.kind == "f":
        # One pass without a temporary: the sum is NaN if any value is.
        if not np.isnan(np.add.reduce(array)):
            return None
        mask = np.isnan(array)
    elif array.dtype.kind == "O":
        mask = np.array([v is None or v != v for v in array], dtype=bool)
    else:
        return None
    return mask if mask.any() else None


def _numeric_kind(column: Any) -> bool:
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind == "O":
            return False
        return dtype.kind in "iufb"
    if hasattr(dtype, "is_numeric"):
        return bool(dtype.is_numeric()) or str(dtype) == "Boolean"
    return bool(getattr(dtype, "_is_numeric", False)) or getattr(dtype, "kind", "O") in "iufb"


def _numbers_and_gaps(column: Any) -> NDArray[np.float64] | None:
    """Numbers beside None, which no table's type says they are; None for anything else."""
    if str(column.dtype) not in {"object", "Null", "Unknown", "Object"}:
        return None
    values = column.tolist() if hasattr(column, "tolist") else column.to_list()
    out = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        if isinstance(value, int | float | np.number):
            out[i] = value
        elif value is not None and type(value).__name__ not in {"NAType", "NaTType"}:
            return None
    return out


def _doubles(column: Any) -> NDArray[np.float64]:
    dtype = column.dtype
    if isinstance(column, np.ndarray) or isinstance(dtype, np.dtype):
        return np.ascontiguousarray(np.asarray(column), dtype=np.float64)
    if hasattr(column, "isna"):
        return np.ascontiguousarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if column.is_null().any():
        import narwhals as nw

        values = column.cast(nw.Float64).to_list()
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    return np.ascontiguousarray(column.to_numpy(), dtype=np.float64)


def describe(column: Any) -> str:
    """What a column holds, in a word or two."""
    text = str(column.dtype)
    if text in {"object", "str", "string", "String", "large_string"}:
        return "text"
    if "categor" in text.lower() or text.startswith("Enum"):
        return "categories"
    return f"values of type {text}"


def _drop_unused(codes: Codes, levels: Sequence[Any]) -> Coded:
    used = np.bincount(codes[codes >= 0], minlength=len(levels)) > 0
    if used.all():
        return Coded(codes, tuple(levels))
    new = np.cumsum(used) - 1
    kept = tuple(v for v, u in zip(levels, used, strict=True) if u)
    return Coded(np.where(codes >= 0, new[np.maximum(codes, 0)], -1), kept)


def _code_objects(column: Any, name: str) -> Coded:
    import pandas as pd

    try:
        codes, uniques = pd.factorize(column)
    except TypeError:
        raise DataError(f"column {name!r} holds values that cannot be levels of a factor") from None
    values = [v.item() if isinstance(v, np.generic) else v for v in list(uniques)]
    try:
        order = sorted(range(len(values)), key=values.__getitem__)
    except TypeError:
        order = sorted(range(len(values)), key=lambda i: (type(values[i]).__name__, str(values[i])))
    try:
        levels = tuple(values[i] for i in order)
        hash(levels)
    except TypeError:
        raise DataError(f"column {name!r} holds values that cannot be levels of a factor") from None
    place = np.empty(len(values) + 1, dtype=np.int64)
    place[order] = np.arange(len(values))
    place[-1] = -1
    return Coded(place[codes], levels)


def to_native(
    columns: Mapping[str, Any], kind: Any, index: tuple[str, Sequence[Any]] | None = None
) -> Any:
    """A table of the kind that came in.

    Parameters
    ----------
    columns
        Column values by name.
    kind
        `Frame.kind`.
    index
        Name and values of row labels: pandas gets them as its index, others as first column, which
        gets a dot before its name where a column has that.
    """
    if kind == "pandas":
        import pandas as pd

        # The arrays are made for the table: no copy of them is wanted.
        if index is None:
            return pd.DataFrame(dict(columns), copy=False)
        labels = pd.Index(list(index[1]), name=index[0], tupleize_cols=False)
        return pd.DataFrame(dict(columns), index=labels, copy=False)
    import narwhals as nw

    table = dict(columns)
    if index is not None:
        label, values = index
        while label in table:
            label = f".{label}"
        table = {label: list(values), **table}
    return nw.to_native(nw.from_dict(table, backend=kind))


def with_columns(data: Any, columns: Mapping[str, NDArray[np.float64]]) -> Any:
    """The user's table with columns added or replaced; a dict of arrays becomes a pandas frame."""
    frame = Frame(data)
    if frame.kind == "pandas":
        import pandas as pd

        table = pd.DataFrame(dict(data)) if isinstance(data, Mapping) else data
        return table.assign(**columns)
    import narwhals as nw

    table = nw.from_native(data, eager_only=True)
    series = [nw.new_series(name, v, backend=frame.kind) for name, v in columns.items()]
    return nw.to_native(table.with_columns(*series))


def replace_columns(
    data: Any, gone: Iterable[str], columns: Mapping[str, NDArray[np.float64]]
) -> Any:
    """The user's table, a dict too, without some columns and with others added or replaced."""
    gone = set(gone)
    if isinstance(data, Mapping):
        return {k: v for k, v in data.items() if str(k) not in gone} | dict(columns)
    frame = Frame(data)
    if frame.kind == "pandas":
        return data.drop(columns=list(gone)).assign(**columns)
    import narwhals as nw

    table = nw.from_native(data, eager_only=True)
    return with_columns(nw.to_native(table.drop(*gone) if gone else table), columns)
