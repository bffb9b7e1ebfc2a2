"""Analysis of variance and the ANOVA estimator of variance components."""

from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pyarrow as pa
import pytest
from partialpool.errors import ArgumentError, DesignError, FormulaError, PartialPoolError

from tests.references import REFERENCE

NIST = REFERENCE / "nist"


def test_pulp_as_in_r(reference: Any) -> None:
    found = pp.aov("bright ~ operator", pp.load_dataset("pulp"))
    rows = reference("tests")["pulp_aov"]
    np.testing.assert_allclose(found.sum_sq, [r["Sum Sq"] for r in rows], rtol=1e-12)
    assert found.statistic[0] == pytest.approx(4.2039, abs=5e-5)
    assert found.p_value[0] == pytest.approx(0.02261, abs=5e-6)
    np.testing.assert_array_equal(found.df, [3, 16])


def test_two_way_penicillin_as_in_r(reference: Any) -> None:
    found = pp.aov("yield ~ blend + treat", pp.load_dataset("penicillin"))
    rows = reference("tests")["penicillin_aov"][:2]
    np.testing.assert_allclose(found.statistic, [r["F value"] for r in rows], rtol=1e-12)
    np.testing.assert_allclose(found.p_value, [r["Pr(>F)"] for r in rows], rtol=1e-10)
    words = [line.split() for line in str(found).split("\n")]
    assert words == [line.split() for line in reference("influence")["aov"]["printed"]]


@pytest.mark.parametrize(
    ("name", "formula", "weighted"),
    [
        ("unbalanced", "angle ~ recipe * temp", False),
        ("weighted", "angle ~ C(temp) + recipe", True),
    ],
)
def test_sequential_sums_of_squares(
    reference: Any, name: str, formula: str, weighted: bool
) -> None:
    data = pp.load_dataset("cake")
    data["temp"] = data["temperature"].astype(float)
    data = data[np.arange(1, len(data) + 1) % 7 != 3]
    data["w"] = 1.0 + data["replicate"].astype(int) % 3
    found = pp.aov(formula, data, weights="w" if weighted else None)
    theirs = reference("influence")["aov"][name]
    np.testing.assert_array_equal(found.df, theirs["df"])
    np.testing.assert_allclose(found.sum_sq, theirs["sum_sq"], rtol=1e-10)
    np.testing.assert_allclose(found.p_value, theirs["p"][:-1], rtol=1e-8)


def read_nist(name: str) -> tuple[pd.DataFrame, list[str]]:
    lines = (NIST / f"{name}.dat").read_text().split("\n")
    rows = [line.split() for line in lines[60:] if line.strip()]
    frame = pd.DataFrame(
        {"g": [r[0] for r in rows], "y": np.array([r[1] for r in rows], dtype=float)}
    )
    return frame, lines


def exact_components(data: pd.DataFrame) -> tuple[Fraction, Fraction]:
    """τ² and σ² in rational arithmetic on the stored doubles."""
    groups = [[Fraction(v) for v in part.tolist()] for _, part in data.groupby("g")["y"]]
    means = [sum(g, Fraction(0)) / len(g) for g in groups]
    size, a = len(groups[0]), len(groups)
    grand = sum(means, Fraction(0)) / a
    between = size * sum(((m - grand) ** 2 for m in means), Fraction(0)) / (a - 1)
    within = sum(
        ((v - m) ** 2 for g, m in zip(groups, means, strict=True) for v in g), Fraction(0)
    ) / (a * (size - 1))
    return (between - within) / size, within


BALANCED = ["SiRstv", "SmLs01", "SmLs02", "SmLs04", "SmLs05", "SmLs07", "SmLs08", "AtmWtAg"]


@pytest.mark.parametrize("name", BALANCED)
def test_components_of_nist_sets_to_nine_digits(name: str) -> None:
    data, _ = read_nist(name)
    found = pp.variance_components("y ~ 1 + (1 | g)", data)
    between, within = exact_components(data)
    assert found.between == pytest.approx(float(between), rel=1e-9)
    assert found.within == pytest.approx(float(within), rel=1e-9)
    table = pp.aov("y ~ g", data)
    assert table.mean_sq[1] == pytest.approx(float(within), rel=1e-9)
    assert table.sum_sq[0] == pytest.approx(found.table.sum_sq[0], rel=1e-9)


@pytest.mark.parametrize(
    ("name", "formula"),
    [("pulp", "bright ~ 1 + (1 | operator)"), ("dyestuff", "Yield ~ 1 + (1 | Batch)")],
)
def test_on_balanced_data_the_anova_estimator_is_reml(name: str, formula: str) -> None:
    data = pp.load_dataset(name)
    anova = pp.variance_components(formula, data)
    reml = pp.variance_components(formula, data, method="reml")
    assert anova.between == pytest.approx(reml.between, rel=1e-8)
    assert anova.within == pytest.approx(reml.within, rel=1e-8)
    assert (anova.levels, anova.size) == (reml.levels, reml.size)


def test_pulp_components_of_the_lecture() -> None:
    found = pp.variance_components("bright ~ 1 + (1 | operator)", pp.load_dataset("pulp"))
    frame = found.to_frame()
    np.testing.assert_allclose(frame["sd"], [0.2609, 0.3260], atol=5e-5)


def test_a_negative_estimate_is_reported_as_such() -> None:
    data = pp.load_dataset("dyestuff2")
    found = pp.variance_components("Yield ~ 1 + (1 | Batch)", data)
    table = pp.aov("Yield ~ Batch", data)
    assert found.is_negative
    assert found.between == pytest.approx((table.mean_sq[0] - table.mean_sq[1]) / 5)
    assert np.isnan(found.to_frame()["sd"][0])
    assert "negative" in str(found)
    assert pp.variance_components("Yield ~ 1 + (1 | Batch)", data, method="reml").between == 0


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames_are_of_the_kind_that_came_in(kind: Any) -> None:
    pulp = pp.load_dataset("pulp")
    data = kind({c: pulp[c].tolist() for c in pulp.columns})
    assert type(pp.aov("bright ~ operator", data).to_frame()) is type(data)
    found = pp.variance_components("bright ~ 1 + (1 | operator)", data)
    assert type(found.to_frame()) is type(data)


PULP = pp.load_dataset("pulp")
BAD: list[tuple[Any, type[PartialPoolError], str]] = [
    (lambda: pp.aov("bright ~ (1 | operator)", PULP), FormulaError, "(1 | operator)"),
    (lambda: pp.aov("bright ~ 1", PULP), DesignError, "no term to test"),
    (
        lambda: pp.variance_components("bright ~ operator", PULP),
        FormulaError,
        "no one-way random-effects model",
    ),
    (
        lambda: pp.variance_components("bright ~ bright + (1 | operator)", PULP),
        FormulaError,
        "no one-way random-effects model",
    ),
    (
        lambda: pp.variance_components("bright ~ 1 + (1 | operator)", PULP, method="minque"),
        ArgumentError,
        "'minque'",
    ),
    (
        lambda: pp.variance_components("bright ~ 1 + (1 | operator)", PULP[1:]),
        DesignError,
        "'operator' have 4 to 5 rows",
    ),
]


@pytest.mark.parametrize(("call", "kind", "words"), BAD, ids=[w for *_, w in BAD])
def test_bad_input_is_named(call: Any, kind: type[PartialPoolError], words: str) -> None:
    with pytest.raises(kind) as error:
        call()
    assert words in str(error.value)
