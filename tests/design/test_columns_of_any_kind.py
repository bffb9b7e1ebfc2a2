"""A column of any type is read right, or refused by one line that names it."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pyarrow as pa
import pytest
from partialpool.design import Frame
from partialpool.errors import DataError, PartialPoolError

FORMULAS = ["y ~ x + (1 | f)", "y ~ f + (1 | g)", "y ~ x + (1 | f:g)", "f ~ x + (1 | g)"]


def every(values: list[Any]) -> list[Any]:
    order = np.random.default_rng(1).permutation(48)
    return [values[i % len(values)] for i in order]


def fit_or_refusal(formula: str, data: Any) -> tuple[Any, str]:
    try:
        return pp.lmer(formula, data), ""
    except PartialPoolError as error:
        return None, str(error)


DAYS = [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2), None]
COLUMNS: dict[str, Callable[[], Any]] = {
    "Int64": lambda: pd.array(every([1, 2, None]), dtype="Int64"),
    "boolean": lambda: pd.array(every([True, False, None]), dtype="boolean"),
    "string": lambda: pd.array(every(["a", "b", None]), dtype="string"),
    "sparse": lambda: pd.arrays.SparseArray(every([0.0, 1.5, np.nan])),
    "periods": lambda: pd.period_range("2020-01", periods=4, freq="M").repeat(12),
    "intervals": lambda: pd.interval_range(0, 4).repeat(12),
    "time zone": lambda: pd.date_range("2020", periods=4, tz="Europe/Berlin").repeat(12),
    "timedelta": lambda: pd.timedelta_range("1D", periods=4).repeat(12),
    "tuples": lambda: pd.Series(every([(1, 2), (3, 4)])),
    "tuple categories": lambda: pd.Categorical.from_codes(
        every([0, 1]), pd.Index([(1, 2), (2, 3)], tupleize_cols=False)
    ),
    "huge": lambda: pd.Series(every([2**70, 2**70 + 1, 5]), dtype=object),
    "unsigned": lambda: pd.Series(every([2**63, 2**63 + 1, 5]), dtype=np.uint64),
    "long double": lambda: pd.Series(every([1, 2.5]), dtype=np.longdouble),
    "decimals": lambda: pd.Series(every([Decimal("1.5"), Decimal(2), None])),
    "fractions": lambda: pd.Series(every([Fraction(1, 3), Fraction(2)])),
    "arrow decimal": lambda: pd.Series(
        every([Decimal("1.5"), Decimal(2), None]), dtype=pd.ArrowDtype(pa.decimal128(5, 2))
    ),
    "arrow list": lambda: pd.Series(
        every([[1], [2]]), dtype=pd.ArrowDtype(pa.list_(pa.int64()))
    ),
    "arrow dictionary": lambda: pd.Series(
        every(["a", "b"]), dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
    ),
    "complex": lambda: np.array(every([1j, 2j])),
    "nothing": lambda: None,
    "polars list": lambda: pl.Series(every([[1], [2]])),
    "polars array": lambda: pl.Series(every([[1, 2], [3, 4]]), dtype=pl.Array(pl.Int64, 2)),
    "polars struct": lambda: pl.Series(every([{"a": 1}, {"a": 2}])),
    "polars object": lambda: pl.Series(every([object(), object()]), dtype=pl.Object),
    "polars mixed": lambda: pl.Series(every([1, "b", (1, 2)]), dtype=pl.Object),
    "polars binary": lambda: pl.Series(every([b"a", b"b", None])),
    "polars duration": lambda: pl.Series(every([datetime.timedelta(1), datetime.timedelta(2)])),
    "polars time": lambda: pl.Series(every([datetime.time(1), datetime.time(2)])),
    "polars date": lambda: pl.Series(every(DAYS)),
    "polars decimal": lambda: pl.Series(every([Decimal("1.5"), Decimal("2.5"), None])),
    "polars 128 bits": lambda: pl.Series(every([2**100, 2**100 + 1, 3]), dtype=pl.Int128),
    "polars null": lambda: pl.Series(every([None])),
    "polars enum": lambda: pl.Series(every(["b", "a", None]), dtype=pl.Enum(["b", "a", "z"])),
    "structured": lambda: np.array([(i % 2,) for i in range(48)], dtype=[("a", int)]),
    "single words": lambda: np.array(every(["a", "b"])),
    "NumPy bytes": lambda: np.array(every([b"a", b"b"])),
    "half precision": lambda: np.array(every([1, 2]), dtype=np.float16),
}  # fmt: skip


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_is_read_or_refused_by_name(kind: str, formula: str, table: pd.DataFrame) -> None:
    column = COLUMNS[kind]()
    y = table["y"].to_numpy() + 5 * (np.arange(48) % 2)
    data: Any = {"y": y, "x": table["x"].to_numpy(), "g": table["g"].to_numpy(), "f": column}
    if not isinstance(column, pl.Series) and kind != "structured":
        data = table.assign(y=y, f=column.to_numpy() if isinstance(column, pd.Series) else column)
    for own in (data, pl.DataFrame(data)) if isinstance(column, pl.Series) else (data,):
        fit, refusal = fit_or_refusal(formula, own)
        if fit is None:
            assert "'f'" in refusal or "'f:g'" in refusal
            assert "\n" not in refusal
            continue
        rows = slice(None) if fit.design.rows is None else fit.design.rows
        np.testing.assert_allclose(fit.predict(own)[rows], fit.fitted, rtol=1e-9, atol=1e-9)
        assert str(fit.summary())
        fit.ranef(condsd=True)
        fit.tidy("ran_vals")


def test_a_dicts_list_keeps_numbers_text_and_missing_apart(table: pd.DataFrame) -> None:
    frame = Frame(
        {"f": [1, "1", None, float("nan"), pd.NA], "h": ["a", float("nan"), "b", "a", "b"]}
    )
    assert frame.coded("f").levels == (1, "1")
    np.testing.assert_array_equal(frame.coded("f").codes, [0, 1, -1, -1, -1])
    assert frame.coded("h").levels == ("a", "b")
    assert Frame({"f": [(1, 2), (3, 4)]}).coded("f").levels == ((1, 2), (3, 4))


def test_objects_that_are_all_numbers_are_numbers() -> None:
    halves = [Decimal("0.5"), None, Decimal(2)]
    frame = Frame({"a": [1, None, 2.5], "b": halves, "c": [True, None, False]})
    np.testing.assert_array_equal(frame.numeric("a"), [1, np.nan, 2.5])
    np.testing.assert_array_equal(frame.numeric("b"), [0.5, np.nan, 2])
    np.testing.assert_array_equal(frame.numeric("c"), [1, np.nan, 0])
    assert frame.coded("a").levels == (1, 2.5)


@pytest.mark.parametrize("column", ["y", "x", "n", "f", "g"])
def test_masked_entries_are_missing(column: str, table: pd.DataFrame) -> None:
    mask = np.arange(48) % 7 == 3
    data: dict[str, Any] = {str(c): table[c].to_numpy() for c in table}
    data[column] = np.ma.MaskedArray(np.asarray(data[column].tolist()), mask=mask)
    formula = "y ~ x + n + f + (1 | g)"
    fit, expected = pp.lmer(formula, data), pp.lmer(formula, table[~mask])
    assert fit.dropped_rows == mask.sum()
    assert fit.criterion == pytest.approx(expected.criterion, abs=1e-9)


def test_a_masked_id_stays_whole() -> None:
    ids = np.ma.MaskedArray([2**60, 2**60 + 1, 7], mask=[False, False, True])
    assert Frame({"g": ids}).coded("g").levels == (2**60, 2**60 + 1)


def test_a_dicts_series_go_by_their_labels(table: pd.DataFrame) -> None:
    expected = pp.lmer("y ~ x + (1 | g)", table)
    mixed = {"y": table["y"], "x": table["x"].sort_values(), "g": table["g"].iloc[::-1]}
    fit = pp.lmer("y ~ x + (1 | g)", mixed)
    assert fit.criterion == expected.criterion
    np.testing.assert_array_equal(fit.augment()["x"], table["x"])
    with pytest.raises(DataError, match=r"column 'x' .* index differs from that of column 'y'"):
        pp.lmer("y ~ x + (1 | g)", {**mixed, "x": table["x"].set_axis(np.arange(1, 49))})


def test_a_dicts_categories_keep_their_order(table: pd.DataFrame) -> None:
    order = ["top", "low", "mid"]
    for f in (
        pd.Categorical(table["f"], order),
        pd.Series(pd.Categorical(table["f"], order)),
        pl.Series(table["f"].tolist(), dtype=pl.Enum(order)),
    ):
        fit = pp.lmer("y ~ f + (1 | g)", {"y": table["y"], "g": table["g"].to_numpy(), "f": f})
        assert fit.fixed_names == ("Intercept", "f[T.low]", "f[T.mid]")


def test_names_that_are_no_text_are_called_by_it(table: pd.DataFrame) -> None:
    data = table.rename(columns={"g": 7, "x": ("a", 1)})
    fit = pp.lmer("y ~ `('a', 1)` + (1 | `7`)", data)
    assert fit.criterion == pp.lmer("y ~ x + (1 | g)", table).criterion


TABLES: dict[str, tuple[Callable[[], Any], str]] = {
    "pyarrow, twice": (
        lambda: pa.Table.from_arrays([pa.array([1.0])] * 2, names=["y", "y"]),
        "two columns named 'y'",
    ),
    "dict, twice as text": (lambda: {1: [1.0], "1": [2.0]}, "two columns named '1'"),
    "pandas, twice as text": (
        lambda: pd.DataFrame([[1.0, 2.0]], columns=[1, "1"]), "two columns named '1'"
    ),
    "levels of names": (
        lambda: pd.DataFrame([[1.0]], columns=pd.MultiIndex.from_tuples([("a", "y")])), "MultiIndex"
    ),
    "nested": (lambda: {"y": [[1, 2], [3]]}, "column 'y' is no array"),
    "two dimensions": (lambda: {"y": np.ones((3, 2))}, "column 'y' must have one dimension"),
    "a scalar": (lambda: {"y": 5}, "column 'y' must have one dimension"),
    "a frame": (lambda: {"y": pd.DataFrame({"a": [1]})}, "column 'y' must have one dimension"),
    "no rows": (lambda: pl.DataFrame({"y": [], "g": []}), "no rows"),
    "no table": (lambda: np.ones((3, 3)), "must be a dataframe"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TABLES)
def test_tables_that_cannot_be_read_are_refused(kind: str) -> None:
    make, message = TABLES[kind]
    with pytest.raises(DataError, match=message) as caught:
        pp.lmer("y ~ 1 + (1 | g)", make())
    assert "\n" not in str(caught.value)
