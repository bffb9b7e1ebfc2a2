"""The posterior object: tables, hypotheses, predictions, files."""

from __future__ import annotations

import numpy as np
import partialpool as pp
import polars as pl
import pytest
from partialpool.bayes.diagnostics import ebfmi
from partialpool.errors import ArgumentError, FileError, NewDataError, PartialPoolError

from tests.bayes.conftest import SLOPE

COLUMNS = ["variable", "mean", "median", "sd", "mad", "q5", "q95", "rhat", "ess_bulk", "ess_tail"]


def test_summary_is_cmdstanrs_table(slope_posterior):
    table = slope_posterior.summary()
    assert list(table.columns) == COLUMNS
    assert list(table["variable"]) == [
        "Intercept",
        "Days",
        "sd_Subject__Intercept",
        "sd_Subject__Days",
        "cor_Subject__Intercept__Days",
        "sigma",
    ]
    days = slope_posterior.draws("Days").ravel()
    row = table.set_index("variable").loc["Days"]
    assert row["mean"] == pytest.approx(days.mean())
    assert row["sd"] == pytest.approx(days.std(ddof=1))
    assert row["mad"] == pytest.approx(1.4826 * np.median(np.abs(days - np.median(days))))
    assert [row["q5"], row["q95"]] == pytest.approx(np.quantile(days, [0.05, 0.95]).tolist())


def test_mixing_is_arvizs(slope_posterior):
    from arviz_stats.base import array_stats

    table = slope_posterior.summary().set_index("variable")
    sigma = np.ascontiguousarray(slope_posterior.draws("sigma"))
    assert table.loc["sigma", "rhat"] == pytest.approx(array_stats.rhat(sigma, 0, 1))
    assert table.loc["sigma", "ess_bulk"] == pytest.approx(array_stats.ess(sigma, 0, 1))
    assert table.loc["sigma", "ess_bulk"] > 1000


def test_the_text_names_formula_priors_and_verdict(slope_posterior):
    text = str(slope_posterior)
    assert SLOPE in text
    assert "half_student_t(3, " in text
    assert slope_posterior.diagnostics.verdict in text
    assert "ess_bulk" in text


def test_frames_are_of_the_kind_that_came_in(sleepstudy):
    frame = pl.from_pandas(sleepstudy)
    post = pp.sample(SLOPE, frame, chains=2, warmup=50, draws=50, seed=1, progress=False)
    assert isinstance(post.summary(), pl.DataFrame)
    assert isinstance(post.ranef()["Subject"], pl.DataFrame)
    assert isinstance(post.predict(), pl.DataFrame)


def test_diagnostics_of_chains_that_did_not_mix(slope_posterior):
    from copy import copy

    broken = copy(slope_posterior)
    broken.__dict__.pop("diagnostics", None)
    broken.values = slope_posterior.values.copy()
    broken.values[0, :, broken.parameters.index["Days"]] += 50
    broken.stats = {**slope_posterior.stats, "diverging": np.ones((4, 1000), dtype=bool)}
    verdict = broken.diagnostics
    assert not verdict.ok
    assert verdict.divergences == 4000
    assert verdict.max_rhat[1] == "Days"
    assert "diverged" in verdict.verdict
    assert "R-hat of Days" in verdict.verdict
    assert slope_posterior.diagnostics.ok


def test_ebfmi_of_independent_and_of_wandering_energies():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=20_000)
    assert ebfmi(noise) == pytest.approx(2.0, abs=0.05)
    assert ebfmi(np.cumsum(noise)) < 0.01


def test_hypotheses(slope_posterior):
    days, sigma = slope_posterior.draws("Days"), slope_posterior.draws("sigma")
    result = slope_posterior.hypothesis("Days > 10.5")
    assert result.probability == np.mean(days > 10.5)
    assert result.estimate == pytest.approx(days.mean() - 10.5)
    assert result.evidence_ratio == pytest.approx(result.probability / (1 - result.probability))
    ratio = slope_posterior.hypothesis("log(sigma) < (Days + 2**2) / 4 - -0.1 * 2")
    assert ratio.probability == np.mean(np.log(sigma) < (days + 4) / 4 + 0.2)
    assert slope_posterior.hypothesis("Days > 0").evidence_ratio == np.inf


def test_hypotheses_on_coefficients_with_brackets():
    irrigation = pp.load_dataset("irrigation")
    post = pp.sample(
        "yield ~ irrigation + (1 | field)",
        irrigation,
        warmup=100,
        draws=100,
        chains=2,
        seed=1,
        progress=False,
    )
    result = post.hypothesis("irrigation[T.i4] - irrigation[T.i2] > 0")
    expected = post.draws("irrigation[T.i4]") > post.draws("irrigation[T.i2]")
    assert result.probability == np.mean(expected)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Days", "one of < > ="),
        ("Days >= 0", "one of < > ="),
        ("0 < Days < 3", "one of < > ="),
        ("Days = sigma", "one parameter to a number"),
        ("2 * Days = 3", "one parameter to a number"),
        ("sigma = 0", "at an end"),
        ("cor_Subject__Intercept__Days = 2", "at an end"),
        ("Day > 0", "'Day'"),
        ("Days.real > 0", "Days.real > 0"),
        ("__import__('os') > 0", "holds more than"),
        ("Days + > 0", "cannot read"),
        ("sqrt(Days - 1000) > 0", "finite"),
        ("Days ** (lambda: 3) > 0", "holds more than"),
    ],
)
def test_hypotheses_that_are_none(slope_posterior, text, named):
    with pytest.raises(ArgumentError) as caught:
        slope_posterior.hypothesis(text)
    assert named in str(caught.value)


def test_random_effects_and_coefficients(slope_posterior):
    draws = slope_posterior.random_draws[0]
    assert draws.shape == (4, 1000, 18, 2)
    table = slope_posterior.ranef(spread=True)["Subject"]
    assert list(table.columns[:4]) == [
        "Intercept",
        "Intercept_sd",
        "Intercept_q5",
        "Intercept_q95",
    ]
    np.testing.assert_allclose(table["Days"], draws[:, :, :, 1].mean(axis=(0, 1)))
    coef = slope_posterior.coef()["Subject"]
    expected = table["Days"] + slope_posterior.draws("Days").mean()
    np.testing.assert_allclose(coef["Days"], expected)


def test_predictions_of_the_rows(slope_posterior, slope_fit):
    table = slope_posterior.predict()
    draws = slope_posterior.predict(draws=True)
    assert draws.shape == (4000, 180)
    np.testing.assert_allclose(table["mean"], draws.mean(axis=0))
    np.testing.assert_allclose(table["q95"], np.quantile(draws, 0.95, axis=0))
    assert np.abs(table["mean"] - slope_fit.fitted).max() < 4
    response = slope_posterior.predict(kind="response")
    sigma2 = np.mean(slope_posterior.draws("sigma") ** 2)
    total = np.sqrt(table["sd"] ** 2 + sigma2)
    np.testing.assert_allclose(response["sd"], total, rtol=0.06)


def test_predictions_of_new_rows(slope_posterior):
    known = {"Days": [0.0, 3.0], "Subject": [308, 372]}
    table = slope_posterior.predict(known)
    coef = slope_posterior.coef()["Subject"]
    expected = [coef.loc[308, "Intercept"], coef.loc[372] @ [1.0, 3.0]]
    np.testing.assert_allclose(table["mean"], expected)
    new = {"Days": [2.0, 2.0, 2.0], "Subject": ["a", "b", "a"]}
    with pytest.raises(NewDataError, match="'a'"):
        slope_posterior.predict(new)
    population = slope_posterior.predict(new, new_levels="population", draws=True)
    fixed = slope_posterior.draws("Intercept") + 2 * slope_posterior.draws("Days")
    np.testing.assert_allclose(population[:, 0], fixed.ravel())
    sampled = slope_posterior.predict(new, new_levels="sample", draws=True)
    assert np.array_equal(sampled[:, 0], sampled[:, 2])
    assert not np.array_equal(sampled[:, 0], sampled[:, 1])
    d = {name: slope_posterior.draws(name).ravel() for name in slope_posterior.variables}
    s0, s1 = d["sd_Subject__Intercept"], d["sd_Subject__Days"]
    rho = d["cor_Subject__Intercept__Days"]
    variance = fixed.var() + np.mean(s0**2 + 4 * s1**2 + 4 * rho * s0 * s1)
    assert sampled[:, 0].std() == pytest.approx(np.sqrt(variance), rel=0.08)
    none = slope_posterior.predict(new, random="none", draws=True)
    np.testing.assert_allclose(none[:, 1], fixed.ravel())


def test_missing_predictors_are_predicted_as_missing(slope_posterior):
    table = slope_posterior.predict({"Days": [1.0, np.nan], "Subject": [308, 308]})
    assert np.isfinite(table["mean"][0])
    assert np.isnan(table["mean"][1])


def test_arvizs_container(slope_posterior):
    tree = slope_posterior.to_arviz()
    assert tree["posterior"]["Days"].shape == (4, 1000)
    assert tree["posterior"]["r_Subject"].dims == (
        "chain",
        "draw",
        "Subject_level",
        "Subject_coefficient",
    )
    assert tree["sample_stats"]["diverging"].dtype == bool
    assert "r_Subject" not in slope_posterior.to_arviz(random=False)["posterior"]


def test_a_stored_posterior_is_the_same(slope_posterior, tmp_path):
    path = tmp_path / "post.zip"
    slope_posterior.save(path)
    again = pp.load_posterior(path)
    assert np.array_equal(again.values, slope_posterior.values)
    assert np.array_equal(again.random_draws[0], slope_posterior.random_draws[0])
    assert str(again) == str(slope_posterior)
    new = {"Days": [1.0], "Subject": [309]}
    assert again.predict(new).equals(slope_posterior.predict(new))
    with pytest.raises(PartialPoolError, match="data"):
        again.predict()


def test_files_that_are_no_posteriors(slope_fit, tmp_path):
    with pytest.raises(FileError, match="there is no file"):
        pp.load_posterior(tmp_path / "none.zip")
    text = tmp_path / "text.zip"
    text.write_text("no archive")
    with pytest.raises(FileError, match="not a stored posterior"):
        pp.load_posterior(text)
    slope_fit.save(tmp_path / "fit.zip")
    with pytest.raises(FileError, match="not a stored posterior"):
        pp.load_posterior(tmp_path / "fit.zip")


def test_compare_refuses_what_is_not_comparable(slope_fit, slope_posterior, sleepstudy):
    other = pp.lmer("Reaction ~ Days + (1 | Subject)", sleepstudy)
    with pytest.raises(ArgumentError, match="different models"):
        pp.compare(other, slope_posterior)
    fewer = pp.lmer(SLOPE, sleepstudy.iloc[:-1])
    with pytest.raises(ArgumentError, match="179 rows"):
        pp.compare(fewer, slope_posterior)
    with pytest.raises(ArgumentError, match="first"):
        pp.compare(slope_posterior, slope_posterior)
    with pytest.raises(ArgumentError, match="second"):
        pp.compare(slope_fit, slope_fit)


def test_comparison_prints_every_column(slope_fit, slope_posterior):
    lines = str(pp.compare(slope_fit, slope_posterior)).splitlines()
    assert lines[0].split() == ["variable", "estimate", "std_error", "mean", "sd", "difference"]
    assert lines[3].split()[2] == "–"  # no standard error of a standard deviation
    assert len([line for line in lines if line.startswith("308 ")]) == 2
