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
from partialpool.design.alignment import in_order, is_pandas
from partialpool.design.arrays import (
    AS_OBJECTS,
    as_column,
    floats_of_objects,
    is_object,
    object_array,
)
from partialpool.design.levels import (
    Codes,
    check_levels_readable,
    code_objects,
    labels_of_one_type,
)
from partialpool.errors import DataError


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
        of arrays. Series in a dict go by their labels: they are brought into the first one's
        order, and refused where the labels differ.

    Attributes
    ----------
    index
        Labels of the rows of a pandas table, or of a dict's Series; None where rows have none.
    """

    __slots__ = (
        "_codes", "_data", "_floats", "_get", "_numeric", "_read", "index", "kind", "length",
        "names",
    )  # fmt: skip

    def __init__(self, data: Any) -> None:
        if isinstance(data, Frame):
            data = data._data
        self._data = data
        self._read: dict[str, Any] = {}
        self._codes: dict[str, Coded] = {}
        self._floats: dict[str, NDArray[np.float64] | None] = {}
        self._numeric: dict[str, bool] = {}
        self.index: Any = None
        self.kind: Any = "pandas"
        self.names: Sequence[str]
        if is_pandas(data) and hasattr(data, "columns"):
            self._read_pandas(data)
        elif isinstance(data, Mapping):
            self._read_mapping(data)
        else:
            self._read_by_narwhals(data)

    def _read_pandas(self, data: Any) -> None:
        self.names = data.columns
        self.length = len(data)
        self.index = data.index
        if not data.columns.is_unique:
            twice = data.columns[data.columns.duplicated()][0]
            raise DataError(f"the data have two columns named {_named(twice)!r}; rename one")
        self._get = data.__getitem__
        if data.columns.nlevels > 1:
            raise DataError(
                "the data's columns have names of several levels (a pandas MultiIndex); give each"
                " one name: data.columns = ['_'.join(map(str, c)) for c in data.columns]"
            )
        if data.columns.inferred_type != "string":
            at = _by_text(data.columns)
            self.names = list(at)
            self._get = lambda name: data[at[name]]

    def _read_mapping(self, data: Mapping[Any, Any]) -> None:
        columns = {}
        first = ""
        for name, at in _by_text(data).items():
            values = data[at]
            if is_pandas(values, "Series"):
                if self.index is None:
                    self.index, first = values.index, name
                else:
                    values = in_order(values, self.index, f"column {name!r}", f"column {first!r}")
            columns[name] = as_column(values, name)
        lengths = {k: len(v) for k, v in columns.items()}
        if len(set(lengths.values())) > 1:
            a, m = next(iter(lengths.items()))
            b, n = next((k, n) for k, n in lengths.items() if n != m)
            raise DataError(f"columns differ in length: {a!r} has {m} rows, {b!r} has {n}")
        self.names = list(columns)
        self.length = next(iter(lengths.values()), 0)
        self._get = columns.__getitem__

    def _read_by_narwhals(self, data: Any) -> None:
        import narwhals as nw
        from narwhals.exceptions import NarwhalsError

        _refuse_twice(getattr(data, "column_names", ()))
        try:
            table = nw.from_native(data, eager_only=True)
            self.names = list(table.columns)
        except TypeError:
            hint = "; call .collect() first" if hasattr(data, "collect") else ""
            raise DataError(
                f"data must be a dataframe (pandas, polars, pyarrow, …) or a dict of arrays,"
                f" not {type(data).__name__}{hint}"
            ) from None
        except (NarwhalsError, ValueError) as error:
            raise DataError(f"the data cannot be read: {' '.join(str(error).split())}") from None
        self.kind = table.implementation
        self.length = len(table)
        self._get = table.get_column

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def raw(self, name: str) -> Any:
        """The column in its own type: an array, or a Series of pandas or of narwhals."""
        if name not in self._read:
            if name not in self.names:
                raise DataError(f"the data have no column {name!r}{self._suggestion(name)}")
            column = self._get(name)
            if not is_pandas(column) and str(column.dtype) in AS_OBJECTS:
                column = object_array(column.to_list())
            self._read[name] = column
        return self._read[name]

    def _suggestion(self, name: str) -> str:
        from difflib import get_close_matches

        near = get_close_matches(name, [str(c) for c in self.names], n=1)
        shown = ", ".join(repr(str(c)) for c in list(self.names)[:8])
        more = ", …" if len(self.names) > 8 else ""
        return f"; did you mean {near[0]!r}?" if near else f"; they have {shown}{more}"

    def is_numeric(self, name: str) -> bool:
        """Whether the column holds numbers (or True and False, which count as 1 and 0)."""
        if name not in self._numeric:
            column = self.raw(name)
            self._numeric[name] = (
                self._number_objects(name) is not None
                if is_object(column)
                else _numeric_dtype(column)
            )
        return self._numeric[name]

    def numeric(self, name: str) -> NDArray[np.float64]:
        """The column as contiguous doubles, NaN where missing.

        Raises
        ------
        DataError
            If it does not hold numbers.
        """
        column = self.raw(name)
        if not self.is_numeric(name):
            values = _numbers_and_gaps(column)
            if values is not None:
                return values
            raise DataError(
                f"column {name!r} holds {describe(column)}, not numbers; convert it, or use it as"
                " a factor"
            )
        try:
            numbers = self._number_objects(name) if is_object(column) else None
            return _doubles(column) if numbers is None else numbers
        except (OverflowError, TypeError, ValueError):
            raise DataError(
                f"column {name!r} holds numbers that cannot be floats; convert it"
            ) from None

    def to_pandas(self, names: Sequence[str] | None = None) -> Any:
        """Columns of a dict of arrays as a pandas frame."""
        import pandas as pd

        columns = {n: self.raw(n) for n in (self.names if names is None else names)}
        out = {n: c.array if is_pandas(c) else c for n, c in columns.items()}
        return pd.DataFrame(out, index=self.index)

    def _number_objects(self, name: str) -> NDArray[np.float64] | None:
        if name not in self._floats:
            self._floats[name] = floats_of_objects(np.asarray(self.raw(name)), name)
        return self._floats[name]

    def missing(self, name: str) -> NDArray[np.bool_] | None:
        """Where the column has no value; None where it has one everywhere."""
        column = self.raw(name)
        if not self.is_numeric(name):
            # What is no number will be coded anyway.
            mask = self.coded(name).codes < 0
        elif is_object(column):
            mask = np.isnan(self.numeric(name))
        elif isinstance(column, np.ndarray) or isinstance(column.dtype, np.dtype):
            return _missing_in_numbers(np.asarray(column))
        elif is_pandas(column):
            mask = column.isna().to_numpy()
        else:
            mask = np.asarray(column.is_null().to_numpy(), dtype=bool)
            if column.dtype.is_float():
                mask = mask | np.isnan(_doubles(column))
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
        dtype = column.dtype
        if isinstance(dtype, np.dtype) and dtype.kind in "iu" and _fits_int64(column):
            values = np.ascontiguousarray(np.asarray(column), dtype=np.int64)
            codes, levels = encode(values)
            return Coded(codes.astype(np.int64), tuple(levels.tolist()))
        if is_pandas(dtype, "CategoricalDtype"):
            known: Any = dtype
            coded = _drop_unused(column.array.codes, known.categories.tolist())
            check_levels_readable(coded.levels, name)
            return coded
        if not isinstance(column, np.ndarray) and not is_pandas(column):
            import narwhals as nw

            if dtype == nw.Enum:
                order = list(column.dtype.categories)
                at = {v: i for i, v in enumerate(order)}
                codes = np.array([at.get(v, -1) for v in column.to_list()], dtype=np.int64)
                return _drop_unused(codes, order)
            column = object_array(column.to_list())
        return Coded(*code_objects(column, name))


def _named(name: Any) -> str:
    try:
        return str(name)
    except Exception:  # what an object's own __str__ raises may be anything
        raise DataError(
            f"the data have a column whose name, a {type(name).__name__}, has no text; rename it"
        ) from None


def _refuse_twice(names: Sequence[Any]) -> None:
    if isinstance(names, list) and len(set(names)) < len(names):
        twice = next(n for i, n in enumerate(names) if n in names[:i])
        raise DataError(f"the data have two columns named {twice!r}; rename one")


def _by_text(names: Iterable[Any]) -> dict[str, Any]:
    """Columns by the text of their name, by which a formula calls them."""
    out: dict[str, Any] = {}
    for name in names:
        text = _named(name)
        if text in out:
            raise DataError(
                f"the data have two columns named {text!r}: {out[text]!r} and {name!r}; rename one"
            )
        out[text] = name
    return out


def _fits_int64(column: Any) -> bool:
    values = np.asarray(column)
    largest = np.uint64(np.iinfo(np.int64).max)
    return values.dtype != np.uint64 or not len(values) or bool(values.max() <= largest)


def _missing_in_numbers(array: NDArray[Any]) -> NDArray[np.bool_] | None:
    # One pass without a temporary: the sum is NaN if any value is.
    if array.dtype.kind != "f" or not np.isnan(np.add.reduce(array)):
        return None
    mask = np.isnan(array)
    return mask if mask.any() else None


def _numeric_dtype(column: Any) -> bool:
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return dtype.kind in "iufb"
    if hasattr(dtype, "is_numeric"):
        return bool(dtype.is_numeric()) or str(dtype) == "Boolean"
    kind = getattr(dtype, "kind", "O")
    return kind != "c" and (bool(getattr(dtype, "_is_numeric", False)) or kind in "iufb")


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
    if is_pandas(column):
        return np.ascontiguousarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if column.is_null().any():
        import narwhals as nw

        values = column.cast(nw.Float64).to_list()
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    return np.ascontiguousarray(column.to_numpy(), dtype=np.float64)


def describe(column: Any) -> str:
    """What a column holds, in a word or two."""
    text = str(column.dtype)
    if text == "object":
        return _describe_objects(np.asarray(column))
    if text in {"str", "string", "String", "large_string"}:
        return "text"
    if "categor" in text.lower() or text.startswith("Enum"):
        return "categories"
    return f"values of type {text}"


def _describe_objects(values: NDArray[Any]) -> str:
    types = sorted({type(v).__name__ for v in values.tolist() if v is not None})
    return "text" if "str" in types or not types else f"objects of type {', '.join(types[:3])}"


def _drop_unused(codes: NDArray[np.integer], levels: Sequence[Any]) -> Coded:
    """Codes of any width, -1 where missing, as those of the levels that some row has."""
    used = np.bincount(codes + 1, minlength=len(levels) + 1)[1:] > 0
    if used.all():
        return Coded(codes.astype(np.int64), tuple(levels))
    new = np.append(np.cumsum(used) - 1, -1)
    return Coded(new[codes], tuple(v for v, u in zip(levels, used, strict=True) if u))


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
        table = {label: labels_of_one_type(values), **table}
    return nw.to_native(nw.from_dict(table, backend=kind))


def with_columns(data: Any, columns: Mapping[str, NDArray[np.float64]]) -> Any:
    """The user's table with columns added or replaced; a dict of arrays becomes a pandas frame."""
    frame = Frame(data)
    if frame.kind == "pandas":
        table = frame.to_pandas() if isinstance(data, Mapping) else data
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
