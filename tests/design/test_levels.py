"""Levels keep their type, are found again, and are refused by name where they cannot be."""

import datetime
import pickle
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from partialpool.design.levels import find_levels, members_of, restore_level, store_level
from partialpool.errors import DataError, DesignError, NewDataError

CLASHES: dict[str, list[Any]] = {
    "a number and its text": [1, "1", 2, "x"],
    "True and its text": [True, "True", False, "x"],
    "a tuple and its text": [(1, 2), "(1, 2)", (3, 4), "x"],
    "bytes and their text": [b"a", "b'a'", b"b", "x"],
}


def with_groups(table: pd.DataFrame, values: list[Any]) -> pd.DataFrame:
    which = np.arange(len(table)) % len(values)
    column = pd.Series([values[i] for i in which], index=table.index, dtype=object)
    return table.assign(f=column, y=table["y"] + 10 * which)


def loaded(fit: Any, tmp_path: Path) -> Any:
    fit.save(tmp_path / "fit.pp")
    return pp.load(tmp_path / "fit.pp")


@pytest.mark.parametrize("kind", CLASHES)
def test_levels_equal_as_text_stay_apart_in_a_grouping_factor(
    kind: str, table: pd.DataFrame, tmp_path: Path
) -> None:
    data = with_groups(table, CLASHES[kind])
    fit = pp.lmer("y ~ x + (1 | f)", data)
    assert fit.ngroups == {"f": 4}
    shuffled = data.sample(frac=1.0, random_state=1)
    expected = pd.Series(fit.fitted, index=data.index)[shuffled.index]
    for model in (fit, loaded(fit, tmp_path), pickle.loads(pickle.dumps(fit))):
        assert model.design.factors[0].levels == fit.design.factors[0].levels
        assert [*map(type, model.design.factors[0].levels)] == [
            *map(type, fit.design.factors[0].levels)
        ]
        np.testing.assert_allclose(model.predict(shuffled), expected, rtol=1e-12)


def test_tables_of_text_tell_levels_apart(table: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ x + (1 | f)", with_groups(table, CLASHES["a number and its text"]))
    for rows in (fit.tidy("ran_vals"), fit.tidy("ran_coefs"), fit.shrinkage()):
        assert {"1", "'1'", "2", "'x'"} == set(rows["level"])


@pytest.mark.parametrize("kind", CLASHES)
@pytest.mark.parametrize("formula", ["y ~ x + (1 | f:g)", "y ~ f + (1 | g)", "y ~ x + (0 + f | g)"])
def test_where_text_is_the_name_a_clash_is_refused(
    kind: str, formula: str, table: pd.DataFrame
) -> None:
    with pytest.raises(DataError, match=r"column 'f' has the levels .* the same as text"):
        pp.lmer(formula, with_groups(table, CLASHES[kind]))


@pytest.mark.parametrize(
    ("fitted", "new"),
    [
        ([1, 2, 3], ["1", "2", "3"]),
        (["1", "2", "3"], [1.0, 2.0, 3.0]),
        ([1.5, 2.0], ["1.5", "2.0"]),
    ],
)
@pytest.mark.parametrize("formula", ["y ~ x + (1 | f)", "y ~ C(f) + (1 | g)", "y ~ x + (1 | f:g)"])
def test_levels_whose_type_changed_are_found_by_their_text(
    fitted: list[Any], new: list[Any], formula: str, table: pd.DataFrame
) -> None:
    if new == ["1.5", "2.0"] and "f:g" in formula:
        new = ["1.5", "2"]
    data = with_groups(table, fitted)
    fit = pp.lmer(formula, data)
    other = data.assign(f=with_groups(table, new)["f"])
    np.testing.assert_allclose(fit.predict(other), fit.fitted, rtol=1e-12)


def test_a_level_that_may_be_two_is_refused(table: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ x + (1 | f)", with_groups(table, ["1", "1.0", "x"]))
    with pytest.raises(NewDataError, match=r"'1.0' \(float\) of 'f' may be '1' \(str\) and '1.0'"):
        fit.predict(table.assign(f=1.0))
    crossed = pp.lmer("y ~ x + (1 | f:g)", with_groups(table, ["1", "1.0", "x"]))
    with pytest.raises(NewDataError, match="may be"):
        crossed.predict(table.assign(f=1.0))


def test_an_id_that_a_float_cannot_hold_is_refused(table: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ x + (1 | f)", with_groups(table, [2**53, 2**53 + 1, 5]))
    with pytest.raises(NewDataError, match="too large for a float"):
        fit.predict(table.assign(f=float(2**53)))


def test_true_and_one_in_a_column_are_refused(table: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"'f' holds 'True' \(bool\) and '1' \(int\)"):
        pp.lmer("y ~ x + (1 | f)", with_groups(table, [True, 1, "x"]))


def test_parts_whose_levels_are_equal_as_text_are_not_merged(table: pd.DataFrame) -> None:
    formula = "y ~ x + (1 | f)"
    a = pp.CrossProducts.of(formula, with_groups(table, [1, 2, 3]))
    b = pp.CrossProducts.of(formula, with_groups(table, ["1", "2", "3"]))
    with pytest.raises(DesignError, match=r"'f' has the level '1' \(int\) in one part"):
        a.merge(b)
    c = pp.CrossProducts.of(formula, with_groups(table, [3.0, 4.0]))
    assert (a + c).design.factors[0].levels == (1, 2, 3, 4)


def test_parts_with_another_reference_level_are_not_merged(table: pd.DataFrame) -> None:
    formula = "y ~ f + (1 | g)"
    a = pp.CrossProducts.of(formula, with_groups(table, ["a", "m", "z"]))
    b = pp.CrossProducts.of(formula, with_groups(table, ["b", "m", "z"]))
    with pytest.raises(DesignError, match="levels of 'f' differ"):
        a.merge(b)


class Mute:
    """Without a text but its address."""


class Hostile:
    """Raises where it is looked at."""

    def __init__(self, where: str) -> None:
        self.where = where

    def _may(self, what: str) -> None:
        if what == self.where:
            raise RuntimeError(what)

    def __hash__(self) -> int:
        self._may("hash")
        return 1

    def __eq__(self, other: object) -> bool:
        self._may("eq")
        return self is other

    def __str__(self) -> str:
        self._may("str")
        return f"hostile {self.where}"

    __repr__ = __str__


NO_LEVELS: dict[str, Callable[[], list[Any]]] = {
    "objects without a text": lambda: [Mute(), Mute()],
    "str raises": lambda: [Hostile("str"), Hostile("str")],
    "hash raises": lambda: [Hostile("hash"), Hostile("hash")],
    "eq raises": lambda: [Hostile("eq"), Hostile("eq")],
    "one text for two": lambda: [Hostile(""), Hostile("")],
    "lists": lambda: [[1], [2, 3]],
    "dicts": lambda: [{1: 2}, {2: 3}],
    "arrays": lambda: [np.arange(2), np.arange(3)],
    "sets": lambda: [frozenset([1]), frozenset([2])],
    "complex": lambda: [1j, 2j],
    "surrogates": lambda: ["\ud800", "a", 1],
    "endless numbers": lambda: [10**5000, 10**5000 + 1],
    "NaN in tuples": lambda: [(1, float("nan")), (1, float("nan"))],
}


@pytest.mark.parametrize("kind", NO_LEVELS)
@pytest.mark.parametrize("formula", ["y ~ x + (1 | f)", "y ~ x + (1 | f:g)", "y ~ f + (1 | g)"])
@pytest.mark.parametrize("frame", [pd.DataFrame, dict])
def test_what_can_be_no_level_is_refused_by_the_columns_name(
    kind: str, formula: str, frame: Any, table: pd.DataFrame
) -> None:
    with pytest.raises(DataError, match="column 'f'") as caught:
        pp.lmer(formula, frame(with_groups(table, NO_LEVELS[kind]())))
    assert "\n" not in str(caught.value)


LEVELS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.binary(max_size=3),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.tuples(st.integers(), st.text(st.characters(exclude_categories=["Cs"]), max_size=2)),
)
KINDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda d: d,
    "category": lambda d: d.astype({"f": "category"}),
    "dict of lists": lambda d: {str(c): d[c].tolist() for c in d},
    "polars": lambda d: pl.DataFrame(
        {str(c): d[c].to_numpy() for c in d if c != "f"}
        | {"f": pl.Series(d["f"].tolist(), dtype=pl.Object)}
    ),
}


def fit_or_refusal(table: Any) -> tuple[Any, str]:
    try:
        return pp.lmer("y ~ x + (1 | f)", table), ""
    except DataError as error:
        return None, str(error)


@pytest.mark.parametrize("kind", KINDS)
@given(levels=st.lists(LEVELS, min_size=2, max_size=5, unique_by=lambda v: (str(v), v)))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_predictions_for_the_rows_of_the_fit_are_its_fitted_values(
    kind: str, levels: list[Any]
) -> None:
    rng = np.random.default_rng(3)
    which = np.arange(40) % len(levels)
    data = pd.DataFrame({"y": rng.normal(size=40) + 5 * which, "x": rng.normal(size=40)})
    data["f"] = pd.Series([levels[i] for i in which], dtype=object)
    table = KINDS[kind](data)
    fit, refusal = fit_or_refusal(table)
    if fit is None:
        assert "'f'" in refusal
        return
    if len(set(levels)) == len(levels):
        assert fit.ngroups == {"f": len(levels)}
    model = pickle.loads(pickle.dumps(fit))
    stored = [restore_level(store_level(v)) for v in fit.design.factors[0].levels]
    np.testing.assert_array_equal(
        find_levels(stored, fit.design.factors[0].levels, "f"), np.arange(len(stored))
    )
    np.testing.assert_allclose(model.predict(table), fit.fitted, rtol=1e-9, atol=1e-9)
    fit.ranef()


ODD = [
    3, -(2**70), 2.5, float("inf"), "a", b"\x00", (1, (2, "b")), Decimal("1.50"), Fraction(1, 3),
    datetime.date(2020, 2, 29), datetime.datetime(2020, 1, 1, 3), datetime.timedelta(1, 2, 3),
    pd.Timestamp("2020-01-01 00:00:00.000000001", tz="UTC"), pd.Timedelta(5, "ns"), True,
]  # fmt: skip


@pytest.mark.parametrize("level", ODD, ids=repr)
def test_stored_levels_keep_their_type(level: Any) -> None:
    back = restore_level(store_level(level))
    assert (back, type(back)) == (level, type(level))


def test_levels_of_other_types_are_found_by_type_and_text() -> None:
    months = list(pd.period_range("2020-01", periods=2, freq="M"))
    back = [restore_level(store_level(v)) for v in [*months, "2020-01"]]
    np.testing.assert_array_equal(find_levels(back, ["2020-01", *months], "f"), [2, 0, 1])


@pytest.mark.parametrize(
    ("label", "members"),
    [("a:b", ["a", "b"]), (r"a\:b:c", ["a:b", "c"]), (":", ["", ""]), (r"\\:b", ["\\", "b"])],
)
def test_members_of_an_interactions_label(label: str, members: list[str]) -> None:
    assert members_of(label) == members
