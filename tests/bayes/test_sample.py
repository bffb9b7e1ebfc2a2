"""What the sampler finds, and that it always finds the same."""

from __future__ import annotations

import _thread
import threading

import numpy as np
import partialpool as pp
import pytest
from partialpool.errors import ConvergenceWarning

from tests.bayes.conftest import SLOPE, standard_error


def simulated(groups, seed, *, rho=0.7):
    """Tutorial 001's design: y = 6 + 4 x + b0 + b1 x + e for x = 1, …, 10 in each group."""
    rng = np.random.default_rng(seed)
    covariance = [[9.0, rho * 6], [rho * 6, 4.0]]
    b = rng.multivariate_normal([0, 0], covariance, groups)
    g = np.repeat(np.arange(groups), 10)
    x = np.tile(np.arange(1.0, 11.0), groups)
    return {"y": 6 + b[g, 0] + (4 + b[g, 1]) * x + rng.normal(size=10 * groups), "x": x, "g": g}


def test_the_parameters_of_a_simulation_are_recovered():
    priors = {
        "Intercept": pp.normal(0, 10),
        "b": pp.normal(0, 10),
        "sd": pp.half_normal(5),
        "cor": pp.lkj(2),
        "sigma": pp.half_normal(5),
    }
    post = pp.sample(
        "y ~ x + (x | g)",
        simulated(300, 6),
        priors=priors,
        warmup=300,
        draws=500,
        seed=1,
        progress=False,
    )
    truth = {
        "Intercept": 6,
        "x": 4,
        "sd_g__Intercept": 3,
        "sd_g__x": 2,
        "cor_g__Intercept__x": 0.7,
        "sigma": 1,
    }
    for name, value in truth.items():
        draws = post.draws(name)
        assert abs(draws.mean() - value) < 3.5 * draws.std(), name
    assert post.diagnostics.ok, post.diagnostics.verdict


def test_sleepstudy_agrees_with_lme4(slope_fit, slope_posterior):
    comparison = pp.compare(slope_fit, slope_posterior)
    table = comparison.parameters.set_index("variable")
    assert table.loc["Intercept", "estimate"] == pytest.approx(251.40510, abs=1e-4)
    assert table.loc["Days", "estimate"] == pytest.approx(10.46729, abs=1e-4)
    for name in ("Intercept", "Days"):
        # The means agree up to Monte-Carlo error; the sds are wider for the unknown variances.
        error = standard_error(slope_posterior.draws(name))
        assert abs(table.loc[name, "difference"]) < 4 * error + 0.02 * table.loc[name, "sd"]
        assert 1.0 < table.loc[name, "sd"] / table.loc[name, "std_error"] < 1.3
    for name in ("sd_Subject__Intercept", "sd_Subject__Days", "sigma"):
        assert abs(table.loc[name, "difference"]) < 0.6 * table.loc[name, "sd"]
    random = comparison.random["Subject"]
    assert len(random) == 36
    slopes = random[random["term"] == "Days"]
    assert np.abs(slopes["difference"]).max() < 0.4
    assert np.abs(random["difference"]).max() < 2.5
    assert slope_posterior.diagnostics.ok, slope_posterior.diagnostics.verdict


def test_draws_are_the_same_for_any_number_of_cores(sleepstudy):
    run = {"warmup": 60, "draws": 50, "seed": 9, "chains": 3, "progress": False}
    one = pp.sample(SLOPE, sleepstudy, cores=1, **run)
    three = pp.sample(SLOPE, sleepstudy, cores=3, **run)
    assert np.array_equal(one.values, three.values)
    assert np.array_equal(one.random_draws[0], three.random_draws[0])
    other = pp.sample(SLOPE, sleepstudy, cores=1, **{**run, "seed": 10})
    assert not np.array_equal(one.values, other.values)
    assert not np.array_equal(one.values[0], one.values[1])


def test_prior_only_draws_come_from_the_priors(sleepstudy):
    priors = {
        "Intercept": pp.normal(250, 50),
        "b": pp.uniform(-20, 40),
        "sd_Subject__Intercept": pp.half_normal(30),
        "sd_Subject__Days": pp.gamma(4, 0.5),
        "cor": pp.lkj(2),
        "sigma": pp.uniform(5, 60),
    }
    post = pp.sample(SLOPE, sleepstudy, priors=priors, prior_only=True, seed=3, progress=False)
    expected = {  # mean, sd
        "Intercept": (250, 50),
        "Days": (10, 60 / np.sqrt(12)),
        "sd_Subject__Intercept": (30 * np.sqrt(2 / np.pi), 30 * np.sqrt(1 - 2 / np.pi)),
        "sd_Subject__Days": (8, 4),
        "cor_Subject__Intercept__Days": (0, np.sqrt(1 / 5)),
        "sigma": (32.5, 55 / np.sqrt(12)),
    }
    for name, (mean, sd) in expected.items():
        draws = post.draws(name)
        assert abs(draws.mean() - mean) < 4.5 * standard_error(draws), name
        assert draws.std() == pytest.approx(sd, rel=0.08), name
    # Random effects of the prior: their sd is that of a scale mixture.
    effects = post.random_draws[0][:, :, :, 0]
    assert effects.std() == pytest.approx(30, rel=0.08)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("penicillin_assay", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
        ("pastes", "strength ~ 1 + (1 | batch/cask)"),
    ],
)
def test_crossed_and_nested_factors(name, formula):
    data = pp.load_dataset(name)
    post = pp.sample(formula, data, warmup=300, draws=300, chains=2, seed=2, progress=False)
    fit = pp.lmer(formula, data)
    sigma = post.draws("sigma")
    assert abs(sigma.mean() - fit.sigma) < 3 * sigma.std()
    for mean, mode in zip(post.ranef().values(), fit.ranef().values(), strict=True):
        assert mean.shape == mode.shape
        assert np.corrcoef(mean["Intercept"], mode["Intercept"])[0, 1] > 0.99
    assert post.stats["diverging"].sum() <= 3


def test_weights_and_offset_are_used(sleepstudy):
    frame = sleepstudy.assign(w=1.0 + (sleepstudy["Days"] > 4), o=3.0 * sleepstudy["Days"])
    run = {"warmup": 200, "draws": 400, "seed": 2, "progress": False}
    plain = pp.sample(SLOPE, frame, **run)
    shifted = pp.sample(SLOPE, frame, offset="o", **run)
    difference = plain.draws("Days").mean() - shifted.draws("Days").mean()
    assert difference == pytest.approx(3.0, abs=0.4)
    fit = pp.lmer(SLOPE, frame, weights="w")
    weighted = pp.sample(SLOPE, frame, weights="w", **run)
    assert weighted.draws("sigma").mean() == pytest.approx(fit.sigma, rel=0.06)
    assert fit.sigma > 1.1 * plain.draws("sigma").mean()


def test_a_singular_data_set_is_sampled_without_divergences():
    dyestuff2 = pp.load_dataset("dyestuff2")
    assert pp.lmer("Yield ~ 1 + (1 | Batch)", dyestuff2).is_singular
    post = pp.sample("Yield ~ 1 + (1 | Batch)", dyestuff2, seed=5, progress=False)
    assert post.diagnostics.divergences == 0
    assert post.diagnostics.max_rhat[0] < 1.01


@pytest.mark.parametrize("method", ["collapsed", "joint"])
def test_ten_covariance_parameters_of_five_mountains(method):
    """The likelihood fit is singular. The posterior under default priors is proper but has corners
    (sds near 0, correlations near ±1): at the default acceptance rate a few of 4,000 draws may
    diverge, and it is said what to do; done, none does.
    """
    dragons = pp.load_dataset("dragons")
    formula = "intelligence ~ wingspan * scales + (1 + wingspan * scales | mountain)"
    fit = pp.lmer(formula, dragons)
    assert fit.is_singular
    run = {"seed": 1, "draws": 1000, "method": method, "progress": False}
    plain = pp.sample(formula, dragons, **run).diagnostics
    assert plain.divergences < 20
    if plain.divergences:
        assert "raise target_accept" in plain.verdict
    post = pp.sample(formula, dragons, target_accept=0.95, **run)
    assert post.diagnostics.divergences == 0
    assert post.diagnostics.max_rhat[0] < 1.01
    assert post.diagnostics.min_ess_bulk[0] > 400
    # No draw is singular, and the fixed effects are the likelihood fit's within its errors.
    assert min(post.draws(n).min() for n in post.variables if n.startswith("sd_")) > 0
    errors = np.sqrt(np.diag(fit.covariance))
    for name, estimate, error in zip(fit.fixef.index, fit.fixef, errors, strict=True):
        assert abs(np.median(post.draws(name)) - estimate) < error, name


@pytest.mark.filterwarnings("default::partialpool.errors.ConvergenceWarning")
def test_an_interruption_keeps_the_draws(sleepstudy):
    timer = threading.Timer(3.0, _thread.interrupt_main)
    timer.start()
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        post = pp.sample(
            SLOPE, sleepstudy, chains=2, cores=2, warmup=20, draws=10**8, seed=1, progress=False
        )
    assert 0 < post.values.shape[1] < 10**8
    assert np.isfinite(post.values).all()
