"""Complete pooling and no pooling, against R's values, NumPy and each other."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pytest
from partialpool.errors import DataError, DesignError, FormulaError, PartialPoolError
from scipy import stats

Get = Callable[[str], Any]


def test_complete_pooling_of_sleepstudy_is_that_of_r(reference: Get) -> None:
    r = reference("tests")["sleep_lm"]
    fit = pp.lm("Reaction ~ Days", pp.load_dataset("sleepstudy"))
    np.testing.assert_allclose(fit.fixef, list(r["coef"].values()), rtol=1e-12)
    assert fit.r_squared == pytest.approx(r["r2"], rel=1e-12)
    assert fit.sigma == pytest.approx(r["sigma"], rel=1e-12)
    assert (fit.nobs, fit.df_residual, fit.npar) == (180, 178, 3)


def test_no_pooling_of_sleepstudy_is_that_of_r(reference: Get) -> None:
    r = pd.DataFrame(reference("tests")["sleep_lmlist"]).set_index("term")
    fit = pp.lm_list("Reaction ~ Days | Subject", pp.load_dataset("sleepstudy"))
    coef = fit.coef()
    assert [str(level) for level in coef.index] == list(r.index)
    np.testing.assert_allclose(coef["Intercept"], r["(Intercept)"], rtol=1e-12)
    np.testing.assert_allclose(coef["Days"], r["Days"], rtol=1e-12)
    assert fit.failed == {}


def test_fixed_effects_of_operators_are_those_of_r(reference: Get) -> None:
    fit = pp.lm("bright ~ operator", pp.load_dataset("pulp"), contrasts={"operator": "sum"})
    r = reference("tests")["pulp_fixed_effects"]
    ours = {level: fit.fixef[f"operator[S.{level}]"] for level in "abc"}
    ours["d"] = -sum(ours.values())
    assert ours == pytest.approx(r, rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_least_squares_is_that_of_scipy_and_numpy(weighted: bool, table: pd.DataFrame) -> None:
    fit = pp.lm("y ~ x * z", table, weights="w" if weighted else None)
    w = table["w"].to_numpy() if weighted else np.ones(48)
    x = np.column_stack([np.ones(48), table["x"], table["z"], table["x"] * table["z"]])
    root = np.sqrt(w)
    beta, rss, _, _ = np.linalg.lstsq(x * root[:, None], table["y"] * root, rcond=None)
    np.testing.assert_allclose(fit.beta, beta, rtol=1e-10)
    assert fit.sigma**2 == pytest.approx(rss[0] / 44, rel=1e-10)
    vcov = rss[0] / 44 * np.linalg.inv((x * w[:, None]).T @ x)
    np.testing.assert_allclose(fit.vcov, vcov, rtol=1e-9)
    # log-likelihood: normal densities at the maximum-likelihood variance
    sd = np.sqrt(rss[0] / 48 / w)
    loglik = stats.norm.logpdf(table["y"], x @ beta, sd).sum()
    assert fit.loglik == pytest.approx(loglik, rel=1e-10)
    assert fit.aic == pytest.approx(-2 * loglik + 10)
    assert fit.bic == pytest.approx(-2 * loglik + 5 * np.log(48))
    centre = np.average(table["y"], weights=w)
    assert fit.r_squared == pytest.approx(1 - rss[0] / (w @ (table["y"] - centre) ** 2))
    coefficients = fit.coefficients()
    t = beta / np.sqrt(np.diag(vcov))
    np.testing.assert_allclose(coefficients["statistic"], t, rtol=1e-9)
    np.testing.assert_allclose(coefficients["p_value"], 2 * stats.t.sf(abs(t), 44), rtol=1e-8)


def test_a_line_is_that_of_linregress(table: pd.DataFrame) -> None:
    fit, known = pp.lm("y ~ x", table), stats.linregress(table["x"], table["y"])
    row = fit.coefficients().set_index("term").loc["x"]
    assert row["estimate"] == pytest.approx(known.slope, rel=1e-12)
    assert row["std_error"] == pytest.approx(known.stderr, rel=1e-12)
    assert row["p_value"] == pytest.approx(known.pvalue, rel=1e-10)
    assert fit.r_squared == pytest.approx(known.rvalue**2, rel=1e-12)


def test_offset_of_least_squares(table: pd.DataFrame) -> None:
    plain = pp.lm("y ~ x", table.assign(y=table["y"] - table["z"]))
    for fit in (pp.lm("y ~ x", table, offset="z"), pp.lm("y ~ x + offset(z)", table)):
        np.testing.assert_allclose(fit.beta, plain.beta, rtol=1e-12)
        np.testing.assert_allclose(fit.fitted, plain.fitted + table["z"], rtol=1e-12)
        np.testing.assert_allclose(fit.residuals(), plain.residuals(), atol=1e-12)
    # R includes the formula's offset in predictions for new data.
    fit = pp.lm("y ~ x + offset(z)", table)
    np.testing.assert_allclose(fit.predict(table), fit.fitted, rtol=1e-12)


def test_residuals_and_predictions(table: pd.DataFrame) -> None:
    fit = pp.lm("y ~ poly(x, 2) + f", table)
    np.testing.assert_allclose(fit.fitted + fit.residuals(), table["y"])
    np.testing.assert_allclose(fit.predict(table.iloc[[40, 3]]), fit.fitted[[40, 3]], rtol=1e-10)
    np.testing.assert_array_equal(fit.predict(), fit.fitted)


def test_aliased_columns_are_named_and_dropped(table: pd.DataFrame) -> None:
    data = table.assign(twice=2 * table["x"] - 1)
    fit, without = pp.lm("y ~ x + twice + z", data), pp.lm("y ~ x + z", data)
    assert fit.aliased == ("twice",)
    assert fit.names == ("Intercept", "x", "z")
    np.testing.assert_allclose(fit.beta, without.beta, rtol=1e-9)
    assert "rank deficient: dropped twice" in str(fit)
    np.testing.assert_allclose(fit.predict(data), without.fitted, rtol=1e-9)


def test_missing_rows_are_dropped_and_counted(table: pd.DataFrame) -> None:
    holes = table.copy()
    holes.loc[[1, 5], "x"] = np.nan
    fit = pp.lm("y ~ x", holes)
    assert (fit.nobs, fit.design.dropped) == (46, 2)
    np.testing.assert_allclose(fit.beta, pp.lm("y ~ x", table.drop([1, 5])).beta, rtol=1e-12)
    with pytest.raises(DataError, match=r"'x' \(2\)"):
        pp.lm("y ~ x", holes, na_action="error")


def test_no_pooling_is_one_regression_a_group(table: pd.DataFrame) -> None:
    fit = pp.lm_list("y ~ x | g", table)
    assert list(fit.models) == list("abcdefgh")
    rss = 0.0
    for level, model in fit.models.items():
        alone = pp.lm("y ~ x", table[table["g"] == level])
        np.testing.assert_allclose(model.beta, alone.beta, rtol=1e-9)
        np.testing.assert_allclose(fit.coef().loc[level], alone.beta, rtol=1e-9)
        rss += alone.rss
    assert fit.sigma == pytest.approx(np.sqrt(rss / (48 - 16)), rel=1e-10)


def test_groups_share_one_encoding(table: pd.DataFrame) -> None:
    fit = pp.lm_list("y ~ scale(x) | f", table)
    whole = pp.lm("y ~ f / scale(x) - 1", table)
    for level in ("low", "mid", "top"):
        slope = fit.coef().loc[level, "scale(x)"]
        assert slope == pytest.approx(whole.fixef[f"f[{level}]:scale(x)"], rel=1e-9)


def test_a_group_too_small_is_missing_not_fatal(table: pd.DataFrame) -> None:
    few = table[(table["g"] != "c") | (np.arange(48) == 2)]
    fit = pp.lm_list("y ~ x | g", few)
    assert np.isnan(fit.coef().loc["c", "x"])
    assert not np.isnan(fit.coef().drop("c").to_numpy()).any()


def test_missing_rows_and_frames_of_no_pooling(table: pd.DataFrame) -> None:
    holes = table.copy()
    holes.loc[3, "x"] = np.nan
    holes.loc[4, "g"] = None
    expected = pp.lm_list("y ~ x | g", table.drop([3, 4])).coef()
    pd.testing.assert_frame_equal(pp.lm_list("y ~ x | g", holes).coef(), expected)
    coef = pp.lm_list("y ~ x | g", pl.from_pandas(table)).coef()
    assert isinstance(coef, pl.DataFrame)
    assert coef.columns == ["level", "Intercept", "x"]


def test_partial_pooling_lies_between_the_baselines(fit_of: Get) -> None:
    """BLUPs shrink the no-pooling intercepts towards the complete-pooling one."""
    data = pp.load_dataset("dyestuff")
    none = pp.lm_list("Yield ~ 1 | Batch", data).coef()["Intercept"]
    complete = pp.lm("Yield ~ 1", data).fixef["Intercept"]
    partial = fit_of("dyestuff").coef()["Batch"]["Intercept"]
    ratio = (partial - complete) / (none - complete)
    np.testing.assert_allclose(ratio, ratio.iloc[0], rtol=1e-8)
    assert 0 < ratio.iloc[0] < 1


@pytest.mark.parametrize(
    ("call", "error", "mentioned"),
    [
        (lambda d: pp.lm("y ~ x + (1 | g)", d), FormulaError, "(1 | g)"),
        (lambda d: pp.lm("y ~ 0", d), DesignError, "y ~ 0"),
        (lambda d: pp.lm("y ~ nope", d), DataError, "'nope'"),
        (lambda d: pp.lm("f ~ x", d), DataError, "'f'"),
        (lambda d: pp.lm("y ~ x", d, weights=-d["w"]), DataError, "weights"),
        (lambda d: pp.lm_list("y ~ x", d), FormulaError, "|"),
        (lambda d: pp.lm_list("y ~ x | nope", d), DataError, "'nope'"),
        (lambda d: pp.lm_list("y ~ x | g/h", d), FormulaError, "g / h"),
        (lambda d: pp.lm_list("y ~ (x | g)", d), FormulaError, "(x | g)"),
        (lambda d: pp.lm("y ~ x", d.head(0)), DataError, "no rows"),
    ],
)
def test_baselines_refuse_in_one_line(
    call: Callable[[pd.DataFrame], Any],
    error: type[PartialPoolError],
    mentioned: str,
    table: pd.DataFrame,
) -> None:
    with pytest.raises(error) as caught:
        call(table)
    assert mentioned in str(caught.value)
    assert "\n" not in str(caught.value)
