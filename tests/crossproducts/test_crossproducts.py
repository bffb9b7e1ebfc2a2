"""Cross-products of parts add up to those of the whole; the fit needs nothing else."""

from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from partialpool.errors import DataError, DesignError, FormulaError, PartialPoolError

FORMULAS = [
    "y ~ x + (1 | g)",
    "y ~ x * z + (x | g)",
    "y ~ f + x + (x || g) + (1 | h)",
    "y ~ 1 + (0 + f | h)",
    "y ~ x + (1 | h/f)",
    "log(y + 20) ~ x + offset(z) + (1 | g) + (0 + x | h)",
]


@pytest.fixture
def table() -> pd.DataFrame:
    """96 rows whose factor f is a categorical, so that each part knows all its levels."""
    rng = np.random.default_rng(77)
    rows = np.arange(96)
    x, z = rng.normal(size=(2, 96))
    g, h = rng.integers(0, 12, 96), rng.integers(0, 7, 96)
    y = 3 + x + rng.normal(size=12)[g] + 0.5 * rng.normal(size=7)[h] * x + rng.normal(size=96)
    f = pd.Categorical(np.array(["low", "mid", "top"])[rows % 3])
    return pd.DataFrame({"y": y, "x": x, "z": z, "f": f, "g": g, "h": h})


def assert_same_fit(merged: Any, whole: Any) -> None:
    assert merged.nobs == whole.nobs
    assert merged.ngroups == whole.ngroups
    assert merged.criterion == pytest.approx(whole.criterion, abs=1e-8)
    assert merged.sigma == pytest.approx(whole.sigma, rel=1e-8)
    pd.testing.assert_series_equal(merged.fixef, whole.fixef, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(merged.theta, whole.theta, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(merged.covariance, whole.covariance, rtol=1e-7, atol=1e-9)
    for name, frame in whole.ranef(condsd=True).items():
        ours = merged.ranef(condsd=True)[name].loc[frame.index]
        np.testing.assert_allclose(ours, frame, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(
        merged.summary().coefficients["df"], whole.summary().coefficients["df"], rtol=1e-4
    )


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    formula=st.sampled_from(FORMULAS),
    parts=st.integers(2, 3),
    seed=st.integers(0, 2**32 - 1),
    reml=st.booleans(),
)
def test_merged_parts_fit_as_the_whole(
    formula: str, parts: int, seed: int, reml: bool, table: pd.DataFrame
) -> None:
    rows = np.random.default_rng(seed).permutation(len(table))
    pieces = [table.iloc[rows[i::parts]] for i in range(parts)]
    merged = pp.CrossProducts.of(formula, pieces[0])
    for piece in pieces[1:]:
        merged = merged + pp.CrossProducts.of(formula, piece)
    assert merged.nobs == len(table)
    assert_same_fit(merged.fit(reml=reml), pp.lmer(formula, table, reml=reml))


def test_parts_of_whole_groups_merge(table: pd.DataFrame) -> None:
    formula = "y ~ x + (x | g)"
    low, high = table[table["g"] < 5], table[table["g"] >= 5]
    merged = pp.CrossProducts.of(formula, high) + pp.CrossProducts.of(formula, low)
    assert_same_fit(merged.fit(), pp.lmer(formula, table))


def test_a_part_may_be_too_small_to_be_fitted_alone(table: pd.DataFrame) -> None:
    """Chunks of a table, or one site's only group: the whole can be fitted, and that counts."""
    formula = "y ~ x + (x | g)"
    for pieces in (
        [table.iloc[:90], table.iloc[90:]],
        [table[table["g"] != 3], table[table["g"] == 3]],
    ):
        first, second = (pp.CrossProducts.of(formula, piece) for piece in pieces)
        assert_same_fit((first + second).fit(), pp.lmer(formula, table))


def test_order_of_merging_does_not_matter(table: pd.DataFrame) -> None:
    formula = "y ~ x + (x | g) + (1 | h)"
    a, b, c = (pp.CrossProducts.of(formula, table.iloc[i::3]) for i in range(3))
    assert_same_fit(((a + b) + c).fit(), (c + (b + a)).fit())


def test_parts_need_not_have_groups_in_common(table: pd.DataFrame) -> None:
    formula = "y ~ x + (1 | g)"
    other = table.assign(g=table["g"] + 100)
    merged = pp.CrossProducts.of(formula, table).merge(pp.CrossProducts.of(formula, other))
    fit = merged.fit()
    assert fit.ngroups == {"g": 24}
    assert_same_fit(fit, pp.lmer(formula, pd.concat([table, other])))


def test_the_whole_alone_fits_as_lmer(table: pd.DataFrame) -> None:
    for formula in FORMULAS:
        products = pp.CrossProducts.of(formula, table)
        assert products.nobs == 96
        assert products.fit(reml=False).criterion == pp.lmer(formula, table, reml=False).criterion


@pytest.mark.parametrize("shift", [0.0, 1e6, 1e9, 1e12])
def test_parts_with_a_large_mean_lose_no_digits(shift: float, table: pd.DataFrame) -> None:
    """y and x far from zero, and each part with a mean of its own."""
    # Shifts of eighths are exact in doubles, so that the whole has the same rows.
    y = np.round(table["y"] * 1024) / 1024
    data = table.assign(y=y + shift, x=np.round(table["x"] * 64) / 64 + shift / 1e6)
    data = data.sort_values("y")
    formula = "y ~ x + (x | g)"
    merged = pp.CrossProducts.of(formula, data.head(40))
    merged = (merged + pp.CrossProducts.of(formula, data.tail(56))).fit()
    near = pp.lmer(formula, data.assign(y=data["y"] - shift, x=data["x"] - shift / 1e6))
    assert merged.criterion == pytest.approx(near.criterion, abs=1e-6)
    assert merged.sigma == pytest.approx(near.sigma, rel=1e-7)
    assert merged.fixef["x"] == pytest.approx(near.fixef["x"], rel=1e-7)


def test_a_merged_fit_predicts_and_is_stored(table: pd.DataFrame, tmp_path: Any) -> None:
    formula = "y ~ f + x + (x | g)"
    halves = [pp.CrossProducts.of(formula, table.iloc[i::2]) for i in range(2)]
    fit, whole = (halves[0] + halves[1]).fit(), pp.lmer(formula, table)
    np.testing.assert_allclose(fit.predict(table), whole.fitted, rtol=1e-7)
    fit.save(tmp_path / "fit.pp")
    np.testing.assert_allclose(pp.load(tmp_path / "fit.pp").predict(table), whole.fitted, rtol=1e-7)
    assert "Random effects" in str(fit.summary())
    with pytest.raises(DataError, match="rows"):
        _ = fit.fitted


def test_contrasts_travel_with_the_parts(table: pd.DataFrame) -> None:
    formula, contrasts = "y ~ f + (1 | g)", {"f": "sum"}
    a, b = (pp.CrossProducts.of(formula, table.iloc[i::2], contrasts=contrasts) for i in range(2))
    assert_same_fit((a + b).fit(), pp.lmer(formula, table, contrasts=contrasts))
    with pytest.raises(DesignError, match="differ"):
        _ = a + pp.CrossProducts.of(formula, table.iloc[1::2])


@pytest.mark.parametrize(
    ("left", "right", "mentioned"),
    [
        ("y ~ x + (1 | g)", "y ~ z + (1 | g)", "different models"),
        ("y ~ x + (1 | g)", "y ~ x + (x | g)", "different models"),
        ("y ~ x + (1 | g)", "y ~ x + (1 | h)", "different models"),
    ],
)
def test_different_models_are_not_merged(
    left: str, right: str, mentioned: str, table: pd.DataFrame
) -> None:
    with pytest.raises(DesignError, match=mentioned):
        _ = pp.CrossProducts.of(left, table) + pp.CrossProducts.of(right, table)


def test_parts_with_other_columns_are_not_merged(table: pd.DataFrame) -> None:
    two = table[table["f"] != "top"].assign(f=lambda d: d["f"].astype(str))
    for formula in ("y ~ f + (1 | g)", "y ~ x + (f | h)"):
        whole = pp.CrossProducts.of(formula, table)
        with pytest.raises(DesignError, match="same categories"):
            _ = whole + pp.CrossProducts.of(formula, two)


@pytest.mark.parametrize("transform", ["scale(x)", "poly(x, 2)", "center(x)", "ns(x, 3)"])
def test_transforms_that_look_at_the_data_do_not_merge_in_silence(
    transform: str, table: pd.DataFrame
) -> None:
    """Each part has its own centre or knots, so that columns of one name mean two things."""
    formula = f"y ~ {transform} + (1 | g)"
    low, high = table[table["x"] < 0], table[table["x"] >= 0]
    with pytest.raises(PartialPoolError, match=r"x"):
        _ = pp.CrossProducts.of(formula, low) + pp.CrossProducts.of(formula, high)


def test_an_unmergeable_formula_is_refused_at_once(table: pd.DataFrame) -> None:
    with pytest.raises(FormulaError, match=r"\(1 \| group\)"):
        pp.CrossProducts.of("y ~ x", table)
