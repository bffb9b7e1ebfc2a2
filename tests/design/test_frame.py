"""Whatever holds the table, and whatever type a factor has, the model is the same."""

import enum
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pyarrow as pa
import pytest
from partialpool.design import Frame
from partialpool.errors import DataError

FORMULA = "y ~ x + n + f + (x | g)"


def as_dict_of_lists(table: pd.DataFrame) -> dict[str, list[Any]]:
    return {str(name): column.tolist() for name, column in table.items()}


KINDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda d: d,
    "pandas with an index": lambda d: d.set_axis(np.arange(48)[::-1] * 7),
    "pandas, pyarrow types": lambda d: d.convert_dtypes(dtype_backend="pyarrow"),
    "pandas, nullable types": lambda d: d.convert_dtypes(dtype_backend="numpy_nullable"),
    "pandas, object text": lambda d: d.astype({"f": object, "g": object}),
    "pandas, categories": lambda d: d.astype({"f": "category", "g": "category"}),
    "polars": lambda d: pl.from_pandas(d),
    "polars categoricals": lambda d: pl.from_pandas(d).with_columns(
        pl.col("f", "g").cast(pl.Categorical)
    ),
    "polars enums": lambda d: pl.from_pandas(d).with_columns(
        pl.col("f").cast(pl.Enum(["low", "mid", "top"])),
        pl.col("g").cast(pl.Enum(list("abcdefgh"))),
    ),
    "pyarrow": lambda d: pa.Table.from_pandas(d),
    "pyarrow in chunks": lambda d: pa.concat_tables(
        [pa.Table.from_pandas(d.iloc[:20]), pa.Table.from_pandas(d.iloc[20:])]
    ),
    "pyarrow dictionaries": lambda d: pa.Table.from_pandas(
        d.astype({"f": "category", "g": "category"})
    ),
    "dict of arrays": lambda d: {name: d[name].to_numpy() for name in d},
    "dict of lists": as_dict_of_lists,
    "dict of series": lambda d: dict(d.items()),
    "single precision": lambda d: d.assign(n=d["n"].astype(np.int8)),
    "strided arrays": lambda d: {name: np.repeat(d[name].to_numpy(), 2)[::2] for name in d},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_gives_the_same_fit(kind: str, table: pd.DataFrame) -> None:
    expected, fit = pp.lmer(FORMULA, table), pp.lmer(FORMULA, KINDS[kind](table))
    assert fit.criterion == expected.criterion
    assert fit.fixed_names == expected.fixed_names
    np.testing.assert_array_equal(fit.beta, expected.beta)
    np.testing.assert_array_equal(fit.theta, expected.theta)
    np.testing.assert_array_equal(fit.fitted, expected.fitted)
    assert [str(v) for v in fit.design.factors[0].levels] == list("abcdefgh")
    np.testing.assert_array_equal(fit.predict(KINDS[kind](table)), expected.predict(table))


@pytest.mark.parametrize("kind", [k for k in KINDS if "dict" not in k and "strided" not in k])
def test_missing_values_of_every_kind_of_table(kind: str, table: pd.DataFrame) -> None:
    holes = table.astype({"n": float})
    holes.loc[4, "x"] = np.nan
    holes.loc[9, "g"] = None
    holes.loc[13, "f"] = None
    holes.loc[20, "y"] = np.nan
    fit = pp.lmer(FORMULA, make(kind, holes))
    expected = pp.lmer(FORMULA, table.drop([4, 9, 13, 20]))
    assert fit.dropped_rows == 4
    assert fit.nobs == 44
    assert fit.criterion == pytest.approx(expected.criterion, abs=1e-10)
    np.testing.assert_allclose(fit.beta, expected.beta, rtol=1e-10)


def make(kind: str, table: pd.DataFrame) -> Any:
    if kind == "single precision":
        return table
    return KINDS[kind](table)


def test_missing_values_in_a_dict(table: pd.DataFrame) -> None:
    columns: dict[str, Any] = as_dict_of_lists(table)
    columns["x"][4], columns["g"][9] = float("nan"), None
    assert pp.lmer(FORMULA, columns).dropped_rows == 2


class Site(enum.Enum):
    north = "n"
    south = "s"


GROUPS: dict[str, tuple[list[Any], list[Any]]] = {
    "int": ([30, 4, 100, 20], [4, 20, 30, 100]),
    "negative int": ([3, -4, 10, 0], [-4, 0, 3, 10]),
    "huge int": ([2**60, 2**60 + 1, 5, 7], [5, 7, 2**60, 2**60 + 1]),
    "huge unsigned": ([2**63 + 1, 2**63, 5, 7], [5, 7, 2**63, 2**63 + 1]),
    "float": ([2.5, -1.0, 1e9, 0.0], [-1.0, 0.0, 2.5, 1e9]),
    "text": (["b", "a10", "a9", "B"], ["B", "a10", "a9", "b"]),
    "unicode": (["ß", "é", "z", "🦊"], ["z", "ß", "é", "🦊"]),
    "bool": ([True, False], [False, True]),
    "date": (
        list(pd.to_datetime(["2024-03-01", "2023-01-01"])),
        list(pd.to_datetime(["2023-01-01", "2024-03-01"])),
    ),
    "enum members": ([Site.south, Site.north], [Site.north, Site.south]),
    "text and numbers": (["b", 2, "a", 1], [1, 2, "a", "b"]),
    "a number and its text": ([1, "1"], [1, "1"]),
    "tuples": ([(2, "x"), (1, "y")], [(1, "y"), (2, "x")]),
}


@pytest.mark.parametrize("kind", GROUPS)
def test_groups_of_any_type_are_in_sorted_order(kind: str, table: pd.DataFrame) -> None:
    values, expected = GROUPS[kind]
    column = pd.Series([values[i % len(values)] for i in range(48)], index=table.index)
    fit = pp.lmer("y ~ x + (1 | g)", table.assign(g=column))
    assert list(fit.design.factors[0].levels) == expected
    assert list(fit.ranef()["g"].index) == expected
    by_code = table.assign(g=[expected.index(v) for v in column])
    assert fit.criterion == pp.lmer("y ~ x + (1 | g)", by_code).criterion


@pytest.mark.parametrize("kind", GROUPS)
def test_groups_of_any_type_are_found_again_in_new_data(kind: str, table: pd.DataFrame) -> None:
    values, _ = GROUPS[kind]
    which = np.arange(48) % len(values)
    column = pd.Series([values[i] for i in which], index=table.index)
    data = table.assign(g=column, y=table["y"] + 3 * which)
    fit = pp.lmer("y ~ x + (1 | g)", data)
    np.testing.assert_allclose(fit.predict(data), fit.fitted, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.float64, "Int64", "category"])
def test_whole_numbers_name_the_same_group_whatever_their_type(
    dtype: Any, table: pd.DataFrame
) -> None:
    """One missing group makes pandas store the others as floats: 3.0 is group 3."""
    data = table.assign(g=np.arange(48) % 8)
    fit = pp.lmer("y ~ x + (1 | g)", data)
    np.testing.assert_allclose(fit.predict(data.astype({"g": dtype})), fit.fitted, rtol=1e-12)


ORDER = ["top", "low", "mid"]
ORDERED: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda d: d.assign(f=pd.Categorical(d["f"], ORDER)),
    "pandas ordered": lambda d: d.assign(f=pd.Categorical(d["f"], ORDER, ordered=True)),
    "polars enum": lambda d: pl.from_pandas(d).with_columns(pl.col("f").cast(pl.Enum(ORDER))),
}


@pytest.mark.parametrize("kind", ORDERED)
def test_levels_and_reference_follow_the_categories(kind: str, table: pd.DataFrame) -> None:
    data = ORDERED[kind](table)
    fit = pp.lmer("y ~ f + (1 | g)", data)
    assert fit.fixed_names == ("Intercept", "f[T.low]", "f[T.mid]")
    grouped = pp.lmer("y ~ x + (1 | f)", data)
    assert list(grouped.design.factors[0].levels) == ORDER


@pytest.mark.parametrize(
    "cast",
    [
        lambda d: d,
        lambda d: d.assign(f=d["f"].astype("category")),
        pl.from_pandas,
        lambda d: pl.from_pandas(d).with_columns(pl.col("f").cast(pl.Categorical)),
        pa.Table.from_pandas,
    ],
    ids=["pandas", "pandas category", "polars", "polars Categorical", "pyarrow"],
)
def test_without_an_order_levels_are_sorted(
    cast: Callable[[Any], Any], table: pd.DataFrame
) -> None:
    fit = pp.lmer("y ~ f + (1 | g)", cast(table.iloc[::-1].reset_index(drop=True)))
    assert fit.fixed_names == ("Intercept", "f[T.mid]", "f[T.top]")


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_unused_levels_are_dropped(kind: str, table: pd.DataFrame) -> None:
    names = ["never", "low", "mid", "top", "neither"]
    if kind == "pandas":
        data: Any = table.assign(f=pd.Categorical(table["f"], names))
        data["g"] = pd.Categorical(table["g"], [*"zhgfedcbay"])
    else:
        data = pl.from_pandas(table).with_columns(
            pl.col("f").cast(pl.Enum(names)), pl.col("g").cast(pl.Enum([*"zhgfedcbay"]))
        )
    fit = pp.lmer("y ~ f + (1 | g)", data)
    assert fit.fixed_names == ("Intercept", "f[T.mid]", "f[T.top]")
    assert list(fit.design.factors[0].levels) == list("hgfedcba")
    assert fit.aliased == ()


def test_levels_that_only_dropped_rows_have_are_dropped(table: pd.DataFrame) -> None:
    table.loc[table["f"] == "low", "x"] = np.nan
    table.loc[table["g"] == "c", "y"] = np.nan
    fit = pp.lmer("y ~ x + f + (1 | g) + (1 | f:g)", table)
    assert fit.fixed_names == ("Intercept", "x", "f[T.top]")
    assert fit.ngroups == {"f:g": 14, "g": 7}
    assert "c" not in fit.design.factors[0].levels


def test_bools_in_the_fixed_part_are_numbers_of_the_kind_that_came(table: pd.DataFrame) -> None:
    yes = (table["z"] > 0).to_numpy()
    number = pp.lmer("y ~ b + (1 | g)", table.assign(b=yes.astype(float)))
    for frame in (
        table.assign(b=yes),
        pl.from_pandas(table.assign(b=yes)),
        pa.Table.from_pandas(table.assign(b=yes)),
        table.assign(b=pd.array(yes, dtype="boolean")),
    ):
        assert pp.lmer("y ~ b + (1 | g)", frame).criterion == number.criterion


def test_numbers_become_factors_by_request(table: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ C(n) + (1 | g)", table)
    levels = sorted(table["n"].unique())
    assert fit.fixed_names == ("Intercept", *(f"C(n)[T.{v}]" for v in levels[1:]))
    as_text = pp.lmer("y ~ n + (1 | g)", table.assign(n=table["n"].astype(str)))
    assert fit.criterion == pytest.approx(as_text.criterion, abs=1e-9)


def test_the_users_table_is_left_alone(table: pd.DataFrame) -> None:
    before = table.copy(deep=True)
    fit = pp.lmer(FORMULA, table, weights="n", offset="z")
    fit.refit(fit.simulate(1, seed=1)["sim_1"])
    fit.predict(table)
    pd.testing.assert_frame_equal(table, before)


def test_a_narwhals_frame_is_read(table: pd.DataFrame) -> None:
    import narwhals as nw

    wrapped = nw.from_native(pl.from_pandas(table))
    assert pp.lmer(FORMULA, wrapped).criterion == pp.lmer(FORMULA, table).criterion


def test_columns_that_are_not_used_may_hold_anything(table: pd.DataFrame) -> None:
    table["junk"] = [[1, 2]] * 48
    table["hole"] = np.nan
    assert pp.lmer(FORMULA, table).dropped_rows == 0


def test_a_near_name_is_suggested(table: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"'groups'.*did you mean 'group'"):
        pp.lmer("y ~ x + (1 | groups)", table.rename(columns={"g": "group"}))


def test_odd_names_of_columns(table: pd.DataFrame) -> None:
    data = table.rename(columns={"x": "my x", "g": "class", "f": "größe", "y": "total.y"})
    fit = pp.lmer("total.y ~ `my x` + größe + (`my x` | class)", data)
    expected = pp.lmer("y ~ x + f + (x | g)", table)
    assert fit.criterion == expected.criterion
    assert fit.fixed_names == ("Intercept", "my x", "größe[T.mid]", "größe[T.top]")


def test_frame_reads_columns_as_they_are(table: pd.DataFrame) -> None:
    frame = Frame(pl.from_pandas(table))
    assert "x" in frame
    assert "nope" not in frame
    assert frame.length == 48
    assert frame.is_numeric("n")
    assert not frame.is_numeric("f")
    assert frame.missing("x") is None
    coded = frame.coded("f")
    assert coded.levels == ("low", "mid", "top")
    np.testing.assert_array_equal(coded.codes, np.arange(48) % 3)
    np.testing.assert_array_equal(frame.numeric("n"), table["n"])
    with pytest.raises(DataError, match="'f' holds text"):
        frame.numeric("f")
