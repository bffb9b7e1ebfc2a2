"""How a fit must change, or not, when its data are rewritten."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FORMULAS = [
    "y ~ x + (1 | g)",
    "y ~ x + f + (x | g)",
    "y ~ x + (x || g) + (1 | h)",
    "y ~ x * f + (1 | h/f)",
    "y ~ x + (f | g)",
]

few = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
#: Powers of ten and their neighbours, either sign.
scales = st.builds(
    lambda sign, power: sign * 10.0**power, st.sampled_from([-1.0, 1.0]), st.floats(-3, 3)
)
shifts = st.floats(-100, 100)


def assert_same_fit(a: Any, b: Any, rel: float = 1e-7) -> None:
    """The same criterion, covariance of the random effects, coefficients and their covariance."""
    assert a.criterion == pytest.approx(b.criterion, abs=1e-7)
    assert a.sigma == pytest.approx(b.sigma, rel=rel)
    largest = b.varcorr["vcov"].abs().max()
    np.testing.assert_allclose(
        a.varcorr["vcov"], b.varcorr["vcov"], rtol=10 * rel, atol=10 * rel * largest
    )
    pd.testing.assert_series_equal(a.fixef, b.fixef, rtol=rel, atol=rel)
    np.testing.assert_allclose(a.covariance, b.covariance, rtol=10 * rel, atol=10 * rel)


@few
@given(seed=st.integers(0, 2**32 - 1), formula=st.sampled_from(FORMULAS))
def test_order_of_rows_does_not_matter(seed: int, formula: str, table: pd.DataFrame) -> None:
    rows = np.random.default_rng(seed).permutation(len(table))
    fit, shuffled = pp.lmer(formula, table), pp.lmer(formula, table.iloc[rows])
    assert_same_fit(shuffled, fit)
    np.testing.assert_allclose(shuffled.fitted, fit.fitted[rows], rtol=1e-6)
    np.testing.assert_allclose(shuffled.hatvalues, fit.hatvalues[rows], rtol=1e-5)


@few
@given(
    names=st.lists(st.text(min_size=1, max_size=12), min_size=8, max_size=8, unique=True),
    formula=st.sampled_from(FORMULAS),
)
def test_names_of_levels_do_not_matter(names: list[str], formula: str, table: pd.DataFrame) -> None:
    new = dict(zip("abcdefgh", names, strict=True))
    fit = pp.lmer(formula, table)
    renamed = pp.lmer(formula, table.assign(g=table["g"].map(new)))
    assert_same_fit(renamed, fit)
    if "g" in fit.ngroups:
        ours, theirs = renamed.ranef()["g"], fit.ranef()["g"]
        assert set(ours.index) == set(names)
        again = ours.loc[[new[level] for level in theirs.index]]
        np.testing.assert_allclose(again, theirs, rtol=1e-5, atol=1e-6)


@few
@given(scale=scales, shift=shifts, reml=st.booleans(), formula=st.sampled_from(FORMULAS))
def test_response_may_be_scaled_and_shifted(
    scale: float, shift: float, reml: bool, formula: str, table: pd.DataFrame
) -> None:
    fit = pp.lmer(formula, table, reml=reml)
    moved = pp.lmer(formula, table.assign(y=scale * (table["y"] + shift)), reml=reml)
    df = fit.nobs - len(fit.beta) * reml
    expected = fit.criterion + 2 * df * math.log(abs(scale))
    assert moved.criterion == pytest.approx(expected, abs=1e-6)
    assert moved.sigma == pytest.approx(abs(scale) * fit.sigma, rel=1e-6)
    beta = scale * (fit.fixef + shift * (fit.fixef.index == "Intercept"))
    np.testing.assert_allclose(moved.fixef, beta, rtol=1e-6, atol=1e-6 * abs(scale))
    np.testing.assert_allclose(
        moved.summary().coefficients["df"], fit.summary().coefficients["df"], rtol=1e-3
    )


@few
@given(scale=scales, reml=st.booleans(), formula=st.sampled_from(FORMULAS))
def test_predictor_may_be_scaled(
    scale: float, reml: bool, formula: str, table: pd.DataFrame
) -> None:
    fit = pp.lmer(formula, table, reml=reml)
    scaled = pp.lmer(formula, table.assign(x=scale * table["x"]), reml=reml)
    slopes = np.array(["x" in name.split(":") for name in fit.fixed_names])
    factor = np.where(slopes, 1 / scale, 1.0)
    logs = 2 * slopes.sum() * math.log(abs(scale)) if reml else 0.0
    assert scaled.criterion == pytest.approx(fit.criterion + logs, abs=1e-6)
    np.testing.assert_allclose(scaled.fixef, factor * fit.fixef, rtol=1e-6)
    assert scaled.sigma == pytest.approx(fit.sigma, rel=1e-6)
    np.testing.assert_allclose(scaled.fitted, fit.fitted, rtol=1e-6)
    for ours, theirs in zip(scaled.terms, fit.terms, strict=True):
        unit = np.array([1 / scale if name == "x" else 1.0 for name in theirs.names])
        np.testing.assert_allclose(
            ours.covariance / np.outer(unit, unit), theirs.covariance, rtol=1e-4, atol=1e-6
        )


@few
@given(shift=st.floats(-1000, 1000), reml=st.booleans())
def test_predictor_may_be_shifted_where_slope_and_intercept_are_correlated(
    shift: float, reml: bool, table: pd.DataFrame
) -> None:
    formula = "y ~ x + f + (x | g)"
    fit = pp.lmer(formula, table, reml=reml)
    moved = pp.lmer(formula, table.assign(x=table["x"] + shift), reml=reml)
    assert moved.criterion == pytest.approx(fit.criterion, abs=1e-6)
    assert moved.sigma == pytest.approx(fit.sigma, rel=1e-6)
    assert moved.fixef["x"] == pytest.approx(fit.fixef["x"], rel=1e-6)
    intercept = fit.fixef["Intercept"] - shift * fit.fixef["x"]
    assert moved.fixef["Intercept"] == pytest.approx(intercept, rel=1e-6, abs=1e-6)
    back = np.array([[1.0, 0.0], [-shift, 1.0]]).T
    expected = back @ fit.terms[0].covariance @ back.T
    largest = np.abs(expected).max()
    np.testing.assert_allclose(moved.terms[0].covariance, expected, rtol=1e-4, atol=1e-6 * largest)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("coding", ["sum", "helmert", "poly", "SAS", "diff"])
def test_coding_of_a_factor_does_not_change_the_fit(
    formula: str, coding: str, table: pd.DataFrame
) -> None:
    if "f" not in formula.replace("/f", "").partition("~")[2]:
        formula += " + f"
    # By ML, whose criterion does not depend on the basis of the fixed part.
    fit = pp.lmer(formula, table, reml=False)
    coded = pp.lmer(formula, table, reml=False, contrasts={"f": coding})
    assert coded.criterion == pytest.approx(fit.criterion, abs=1e-7)
    assert coded.sigma == pytest.approx(fit.sigma, rel=1e-6)
    np.testing.assert_allclose(coded.fitted, fit.fitted, rtol=1e-5)
    np.testing.assert_allclose(coded.hatvalues, fit.hatvalues, rtol=1e-4, atol=1e-6)


def test_contrasts_in_the_formula_are_those_of_the_argument(table: pd.DataFrame) -> None:
    written = pp.lmer("y ~ C(f, contr.sum) + (1 | g)", table)
    given_ = pp.lmer("y ~ f + (1 | g)", table, contrasts={"f": "sum"})
    assert written.criterion == given_.criterion
    np.testing.assert_array_equal(written.beta, given_.beta)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("(x || g)", "(1 | g) + (0 + x | g)"),
        ("(x + z || g)", "(1 | g) + (0 + x | g) + (0 + z | g)"),
        ("(0 + x + z || g)", "(0 + x | g) + (0 + z | g)"),
        ("(0 + f || h)", "(0 + low | h) + (0 + mid | h) + (0 + top | h)"),
        ("(f || h)", "(1 | h) + (0 + mid | h) + (0 + top | h)"),
        ("(x * z || g)", "(1 | g) + (0 + x | g) + (0 + z | g) + (0 + x:z | g)"),
    ],
)
@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
def test_double_bar_is_its_written_out_expansion(
    short: str, long: str, reml: bool, table: pd.DataFrame
) -> None:
    dummies = {level: (table["f"] == level).astype(float) for level in ("low", "mid", "top")}
    data = table.assign(**dummies)
    a, b = (pp.lmer(f"y ~ x + {random}", data, reml=reml) for random in (short, long))
    assert a.criterion == pytest.approx(b.criterion, abs=1e-8)
    np.testing.assert_allclose(a.beta, b.beta, rtol=1e-7)
    np.testing.assert_allclose(a.theta, b.theta, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(a.fitted, b.fitted, rtol=1e-6)
    assert a.npar == b.npar
    assert list(a.varcorr["grp"]) == list(b.varcorr["grp"])


def test_expansion_of_a_double_bar_is_shown(table: pd.DataFrame) -> None:
    text = str(pp.lmer("y ~ x + (f || h)", table).summary())
    assert "(f || h) is (1 | h) + (0 + f[T.mid] | h) + (0 + f[T.top] | h)" in text


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("(1 | g/f)", "(1 | g) + (1 | f:g)"),
        ("(1 | h) + (x || g)", "(x || g) + (1 | h)"),
        ("(1 + x | g)", "(x | g)"),
        ("(x - 1 | g)", "(0 + x | g)"),
    ],
)
def test_two_ways_to_write_one_model(a: str, b: str, table: pd.DataFrame) -> None:
    assert_same_fit(pp.lmer(f"y ~ x + {a}", table), pp.lmer(f"y ~ x + {b}", table))


@pytest.mark.parametrize("formula", FORMULAS)
def test_constant_weights_leave_the_estimates_alone(formula: str, table: pd.DataFrame) -> None:
    fit, weighted = pp.lmer(formula, table), pp.lmer(formula, table, weights=np.full(48, 4.0))
    assert weighted.criterion == pytest.approx(fit.criterion, abs=1e-7)
    assert weighted.sigma == pytest.approx(2 * fit.sigma, rel=1e-7)
    np.testing.assert_allclose(weighted.beta, fit.beta, rtol=1e-7)
    np.testing.assert_allclose(weighted.covariance, fit.covariance, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(
        weighted.residuals("scaled"), fit.residuals("scaled"), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
def test_an_offset_is_taken_off_the_response(formula: str, reml: bool, table: pd.DataFrame) -> None:
    plain = pp.lmer(formula, table.assign(y=table["y"] - table["w"]), reml=reml)
    by_name = pp.lmer(formula, table, offset="w", reml=reml)
    by_array = pp.lmer(formula, table, offset=table["w"].to_numpy(), reml=reml)
    written = pp.lmer(f"{formula} + offset(w)", table, reml=reml)
    both = pp.lmer(f"{formula} + offset(w)", table, offset=-table["w"].to_numpy(), reml=reml)
    for fit in (by_name, by_array, written):
        assert_same_fit(fit, plain)
        np.testing.assert_allclose(fit.fitted, plain.fitted + table["w"], rtol=1e-7)
        np.testing.assert_allclose(fit.residuals(), plain.residuals(), rtol=1e-5, atol=1e-7)
    assert_same_fit(both, pp.lmer(formula, table, reml=reml))


def test_a_balanced_layout_has_the_variances_of_its_mean_squares(
    fit_of: Callable[[str], Any],
) -> None:
    """One row a cell of treatment and blend: mean squares 66 of blends, 226/12 residual."""
    fit = fit_of("penicillin_faraway")
    assert fit.sigma**2 == pytest.approx(226 / 12, rel=1e-9)
    tau = (66 - 226 / 12) / 4
    assert fit.varcorr["vcov"].iloc[0] == pytest.approx(tau, rel=1e-7)
    assert fit.explained_variance == pytest.approx(tau / (tau + 226 / 12), rel=1e-7)
