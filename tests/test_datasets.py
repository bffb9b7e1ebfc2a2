"""The shipped data sets are those that R has."""

import pandas as pd
import partialpool as pp
import pytest
from partialpool.datasets import DATASETS
from partialpool.errors import FileError

from tests.references import read_reference

R = read_reference("datasets")["sets"]
SMALL = [name for name in DATASETS if name != "insteval"]


def test_names():
    assert list(pp.list_datasets()) == [
        "sleepstudy",
        "pulp",
        "penicillin",
        "irrigation",
        "solutions",
        "dragons",
        "dyestuff",
        "dyestuff2",
        "pastes",
        "penicillin_assay",
        "cake",
        "insteval",
    ]
    assert all(pp.list_datasets().values())


@pytest.mark.parametrize("name", DATASETS)
def test_rows_and_columns(name):
    frame = pp.load_dataset(name)
    assert list(frame.columns) == list(R[name]["columns"])
    assert len(frame) == R[name]["rows"]
    assert not frame.isna().any().any()
    assert isinstance(frame.index, pd.RangeIndex)


@pytest.mark.parametrize("name", DATASETS)
def test_factors_are_categoricals_with_the_levels_of_r(name):
    frame = pp.load_dataset(name)
    for column, in_r in R[name]["columns"].items():
        values = frame[column]
        assert isinstance(values.dtype, pd.CategoricalDtype) == ("count" in in_r), column
        if "count" not in in_r:
            continue
        ours = [str(v) for v in values.cat.categories]
        assert len(ours) == in_r["count"]
        assert set(values) == set(values.cat.categories)
        assert [str(values.iloc[0]), str(values.iloc[-1])] == [in_r["first_row"], in_r["last_row"]]
        if (name, column) == ("insteval", "dept"):
            # lme4 has the departments in an order of its own: "15", "5", "10", …
            assert sorted(in_r["levels"], key=int) == ours
        elif in_r.get("levels"):
            assert in_r["levels"] == ours


@pytest.mark.parametrize("name", DATASETS)
def test_numbers_are_those_of_r(name):
    frame = pp.load_dataset(name)
    for column, in_r in R[name]["columns"].items():
        if "sum" in in_r:
            values = frame[column]
            assert values.dtype.kind in "if"
            assert values.sum() == pytest.approx(in_r["sum"], rel=1e-13)
            assert (values.astype(float) ** 2).sum() == pytest.approx(
                in_r["sum_of_squares"], rel=1e-13
            )
            ends = [values.iloc[0], values.iloc[-1]]
            assert ends == pytest.approx([in_r["first_row"], in_r["last_row"]], rel=1e-14)


@pytest.mark.parametrize("name", SMALL)
def test_the_usual_model_of_each_can_be_fitted(name):
    fit = pp.lmer(DATASETS[name].formula, pp.load_dataset(name))
    assert fit.convergence.converged
    assert fit.nobs == R[name]["rows"]


def test_a_table_is_the_callers_own():
    frame = pp.load_dataset("pulp")
    frame["bright"] = 0.0
    assert pp.load_dataset("pulp")["bright"].min() > 0


def test_an_unknown_name_is_refused_with_the_list():
    with pytest.raises(FileError) as caught:
        pp.load_dataset("sleep")
    assert "'sleep'" in str(caught.value)
    assert "sleepstudy" in str(caught.value)
