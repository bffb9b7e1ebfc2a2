"""`make_design`: sizes, nesting, balance, and what is refused."""

import numpy as np
import partialpool as pp
import polars as pl
import pyarrow as pa
import pytest
from partialpool.errors import ArgumentError


def test_groups_and_values_within():
    d = pp.make_design({"group": 3}, within={"x": range(1, 11)})
    assert d.shape == (30, 2)
    assert d["group"].nunique() == 3
    assert d["x"].tolist() == list(range(1, 11)) * 3


def test_groups_are_crossed():
    d = pp.make_design({"subject": 12, "item": ["i", "j"]}, within={"c": ["b", "a"]}, replicates=2)
    assert len(d) == 12 * 2 * 2 * 2
    assert (d.groupby(["subject", "item", "c"], observed=False).size() == 2).all()
    assert list(d["c"].cat.categories) == ["b", "a"]
    assert list(d["subject"].cat.categories)[-1] == "subject12"  # padded: sorts as it counts


def test_nested_levels_are_their_own():
    d = pp.make_design({"school": 4, "school/class": 3, "class/pupil": 2})
    assert len(d) == 24
    assert d["class"].nunique() == 12
    assert (d.groupby("class", observed=True)["school"].nunique() == 1).all()
    assert (d.groupby("pupil", observed=True)["class"].nunique() == 1).all()


def test_between_is_constant_within_and_balanced_across():
    d = pp.make_design(
        {"subject": 8, "item": 6},
        within={"t": [0, 1]},
        between={"subject": {"arm": ["a", "b"], "sex": ["f", "m"]}, "item": {"kind": ["u", "v"]}},
    )
    assert (d.groupby("subject", observed=True)["arm"].nunique() == 1).all()
    assert (d.groupby("item", observed=True)["kind"].nunique() == 1).all()
    cells = d.groupby(["arm", "sex", "kind", "t"], observed=False).size()
    assert len(cells) == 16
    assert (cells == 2 * 3).all()


def test_the_only_group_need_not_be_named():
    a = pp.make_design({"g": 4}, between={"arm": ["a", "b"]})
    b = pp.make_design({"g": 4}, between={"g": {"arm": ["a", "b"]}})
    assert a.equals(b)


@pytest.mark.parametrize(("backend", "kind"), [("polars", pl.DataFrame), ("pyarrow", pa.Table)])
def test_backends(backend, kind):
    arguments = ({"g": 4}, {"x": [0.5, 1.5]}, {"arm": ["a", "b"]})
    d = pp.make_design(*arguments, backend=backend)
    assert isinstance(d, kind)
    ours = pp.make_design(*arguments)
    for name in ours:
        assert np.array_equal(np.asarray(d[name]).astype(str), np.asarray(ours[name]).astype(str))


BAD = [
    ({"groups": {}}, "groups is empty"),
    ({"groups": ["g"]}, "groups must be a dict"),
    ({"groups": {"g": 0}}, "'g'"),
    ({"groups": {"g": True}}, "'g'"),
    ({"groups": {"g": ["a", "a"]}}, "the same value twice"),
    ({"groups": {"a/b": 3}}, "'a', which must come before"),
    ({"groups": {"s": ["a", "a.b"], "s/c": ["b.c", "c"]}}, "not unique"),
    ({"groups": {"g": 3}, "within": {"g": [1]}}, "'g' is used twice"),
    ({"groups": {"g": 3}, "within": {"x": 3}}, "'x' must be a list"),
    ({"groups": {"g": 3}, "within": {"x": "abc"}}, "'x' must be a list"),
    ({"groups": {"g": 3}, "within": {"x": []}}, "'x' has no values"),
    ({"groups": {"g": 3}, "within": {"x": [1, "a"]}}, "'x' mixes"),
    ({"groups": {"g": 3}, "between": {"h": {"x": [1, 2]}}}, "'h'"),
    ({"groups": {"g": 3, "h": 2}, "between": {"x": [1, 2]}}, "of which group (g, h)"),
    ({"groups": {"g": 3}, "between": {"arm": range(4)}}, "3 levels for 4 combinations"),
    ({"groups": {"g": 3}, "replicates": 0}, "replicates"),
    ({"groups": {"g": 3}, "backend": "excel"}, "'excel'"),
]


@pytest.mark.parametrize(("arguments", "culprit"), BAD, ids=[c for _, c in BAD])
def test_bad_input_is_named(arguments, culprit):
    with pytest.raises(ArgumentError) as caught:
        pp.make_design(**arguments)
    assert culprit in str(caught.value)
