"""Bootstrap refits and the bootstrap test: truth of the draws and refits, seeds, failures."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool import _core
from partialpool.inference.intervals import bootstrap as module
from scipy.stats import chi2, gamma
from scipy.stats import f as f_law

from tests.references import read_reference

TESTS = read_reference("tests")
SLEEP = pp.load_dataset("sleepstudy")
PULP = pp.load_dataset("pulp")
PENICILLIN = pp.load_dataset("penicillin")
SLOPE = "Reaction ~ Days + (Days | Subject)"


def weighted_crossed() -> pd.DataFrame:
    """60 rows, two crossed factors, weights, a mean 50 times its spread, no pattern."""
    rng = np.random.default_rng(5)
    rows = np.arange(60)
    data = pd.DataFrame({"g": rows % 10, "h": rng.permutation(rows) % 6})
    data["x"] = 50 + rng.normal(size=60)
    data["w"] = rng.uniform(0.5, 2, 60)
    effects = rng.normal(size=10)[data["g"]] + rng.normal(size=6)[data["h"]]
    data["y"] = 100 + data["x"] + effects + rng.normal(size=60) / np.sqrt(data["w"])
    return data


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("case", ["slope", "crossed", "independent", "nested"])
def test_native_refits_are_those_of_lmer(case: str, reml: bool) -> None:
    fit = {
        "slope": lambda: pp.lmer(SLOPE, SLEEP, reml=reml),
        "independent": lambda: pp.lmer("Reaction ~ Days + (Days || Subject)", SLEEP, reml=reml),
        "nested": lambda: pp.lmer(
            "strength ~ 1 + (1 | batch/cask)", pp.load_dataset("pastes"), reml=reml
        ),
        "crossed": lambda: pp.lmer(
            "y ~ x + (1 | g) + (x | h)", weighted_crossed(), weights="w", reml=reml
        ),
    }[case]()
    replicates = 12
    (native,) = module.refit_simulated(fit, [fit], replicates, 3, "test")
    assert native.failures == {}
    law, wanted = module.law_of(fit), module.listed(fit)
    ours = native.parameters(fit, wanted)
    for r in range(replicates):
        refit = fit.refit(_core.simulated_response(law, 3, r))
        assert native.criterion[r] == pytest.approx(refit.criterion, abs=1e-6)
        kept = [i for i, p in enumerate(wanted) if p.kind in {"fixed", "sigma"}]
        np.testing.assert_allclose(
            ours[r, kept], module.estimates(refit, wanted)[kept], rtol=2e-4, atol=1e-4
        )


def test_responses_have_the_fits_mean_and_covariance() -> None:
    data = weighted_crossed()
    fit = pp.lmer("y ~ x + (1 | g) + (1 | h)", data, weights="w", offset="x")
    draws = np.array([_core.simulated_response(module.law_of(fit), 1, r) for r in range(4000)])
    mean = fit.predict(random="none") - data["x"].to_numpy()
    columns = [(data[g].to_numpy()[:, None] == np.unique(data[g])).astype(float) for g in "gh"]
    variances = {t.factor.name: t.covariance[0, 0] * fit.sigma**2 for t in fit.terms}
    expected = np.diag(fit.sigma**2 / data["w"].to_numpy())
    for name, z in zip("gh", columns, strict=True):
        expected = expected + variances[name] * z @ z.T
    error = np.sqrt(np.diag(expected) / len(draws))
    assert (np.abs(draws.mean(axis=0) - mean) < 4.5 * error).all()
    spread = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / len(draws))
    assert (np.abs(np.cov(draws.T) - expected) < 5 * spread).all()


def test_numbers_do_not_depend_on_threads_or_on_how_replicates_are_split() -> None:
    fit = pp.lmer(SLOPE, SLEEP)
    law, models = module.law_of(fit), [module.model_of(fit)]
    whole = _core.bootstrap_refits(law, models, 11, 0, 60)[0][0]
    split = [_core.bootstrap_refits(law, models, 11, first, 20)[0][0] for first in (0, 20, 40)]
    assert np.array_equal(whole, np.concatenate(split))
    script = (
        "import partialpool as pp, numpy as np;"
        f"fit = pp.lmer({SLOPE!r}, pp.load_dataset('sleepstudy'));"
        "print(pp.bootstrap(fit, nsim=60, seed=11).replicates.tobytes().hex())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "RAYON_NUM_THREADS": str(threads)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in (1, 3)
    }
    assert len(runs) == 1


def test_bootstrap_spread_of_the_slope_is_its_standard_error() -> None:
    fit = pp.lmer(SLOPE, SLEEP)
    result = pp.bootstrap(fit, nsim=4000, seed=2)
    assert result.failures == {}
    se = float(np.sqrt(fit.vcov.loc["Days", "Days"]))
    ours = float(result.std_error[result.names.index("Days")])
    assert abs(ours - se) < 4 * se / np.sqrt(2 * 4000)
    sigma = result.replicates[:, result.names.index("sigma")]
    # 180 rows less 18 regressions of two coefficients, when no estimate is at its bound.
    assert np.mean(sigma**2) == pytest.approx(fit.sigma**2, rel=0.02)


def test_any_function_of_the_refit_can_be_the_statistic() -> None:
    fit = pp.lmer(SLOPE, SLEEP)
    result = pp.bootstrap(
        fit, lambda f: {"share": f.explained_variance, "Days": f.fixef["Days"]}, nsim=20, seed=3
    )
    native = pp.bootstrap(fit, nsim=20, seed=3)
    assert result.names == ("share", "Days")
    column = native.names.index("Days")
    np.testing.assert_allclose(result.replicates[:, 1], native.replicates[:, column], rtol=1e-7)
    assert result.estimate[0] == fit.explained_variance
    assert {"original", "bias"} <= set(str(result).split())


def test_failures_are_counted_by_cause_and_kept() -> None:
    fit = pp.lmer("bright ~ 1 + (1 | operator)", PULP)

    def only_positive(refit: pp.LinearMixedModel) -> float:
        if refit.is_singular:
            raise pp.errors.DesignError("the variance is zero")
        return refit.sigma

    result = pp.bootstrap(fit, only_positive, nsim=60, seed=1)
    failed = int(np.isnan(result.replicates).sum())
    assert 0 < failed < 60
    assert result.failures == {"the variance is zero": failed}
    assert f"{failed} refits failed: the variance is zero" in str(result)
    assert np.isfinite(result.confint().to_numpy()).all()


def test_interrupted_work_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = pp.lmer("bright ~ 1 + (1 | operator)", PULP)
    whole = pp.bootstrap(fit, nsim=100, seed=4)
    real, calls = _core.bootstrap_refits, []

    def interrupted(*arguments: Any) -> Any:
        calls.append(arguments)
        if arguments[3] >= 20:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(module._core, "bootstrap_refits", interrupted)
    part = pp.bootstrap(fit, nsim=1000, seed=4)
    done = calls[-1][3]
    assert part.nsim == len(part.replicates) == done
    assert part.interrupted == f"interrupted after {done} of 1,000"
    assert np.array_equal(part.replicates, whole.replicates[:done])


def test_intervals_are_those_of_the_boot_package() -> None:
    # boot 1.3: boot.ci of t = (1..99)/10 with t0 = 4: perc (0.25, 9.75) and so on, by its rule.
    sample = np.arange(1, 100) / 10
    result = module.Bootstrap(("t",), np.array([4.0]), sample[:, None], 99, 1)
    low, high = result.confint("percentile", 0.95).to_numpy()[0]
    assert (low, high) == pytest.approx(module.normal_quantiles(sample, np.array([0.025, 0.975])))
    assert low + high == pytest.approx(10.0)
    # Rank 2.5 of 99, between the second and the third value on the normal scale.
    assert 0.25 - 0.01 < low < 0.25 + 0.01
    basic = result.confint("basic", 0.9).to_numpy()[0]
    assert basic == pytest.approx([8 - 9.5, 8 - 0.5])
    normal = result.confint("normal", 0.95).to_numpy()[0]
    assert normal.mean() == pytest.approx(2 * 4.0 - 5.0)


def test_variance_of_pulp_by_bootstrap_is_the_f_test() -> None:
    fit, null = pp.lmer("bright ~ 1 + (1 | operator)", PULP), pp.lm("bright ~ 1", PULP)
    test = pp.pb_test(fit, null, nsim=4000, seed=1)
    assert test.statistic == pytest.approx(TESTS["pulp_lrt_naive"]["stat"], abs=1e-7)
    assert test.df == 1
    frame = test.to_frame()
    assert frame.loc["LRT", "p_value"] == pytest.approx(TESTS["pulp_lrt_naive"]["p"], abs=1e-7)
    assert round(frame.loc["LRT", "p_value"], 7) == 0.1090199
    assert abs(test.p_value - TESTS["pulp_aov"][0]["Pr(>F)"]) < 3 * test.std_error
    theirs = TESTS["pulp_pb"]
    spread = theirs["p"] * (1 - theirs["p"]) / theirs["nsim"]
    assert abs(test.p_value - theirs["p"]) < 3 * np.sqrt(spread + test.std_error**2)
    zeros = float(np.mean(test.sample < 1e-8))
    share = theirs["prop_zero"]
    assert abs(zeros - share) < 3 * np.sqrt(2 * share * (1 - share) / 4000)


def test_bootstrap_law_is_the_exact_law() -> None:
    data = PULP.drop(index=[0, 1, 6, 12])
    fit, null = pp.lmer("bright ~ 1 + (1 | operator)", data, reml=False), pp.lm("bright ~ 1", data)
    simulated = pp.pb_test(fit, null, nsim=4000, seed=2)
    exact = pp.exact_lrt(fit, null, nsim=200_000, seed=3).sample
    for share in (0.75, 0.9, 0.95, 0.99):
        above = np.mean(simulated.sample > np.quantile(exact, share))
        assert abs(above - (1 - share)) < 3.5 * np.sqrt(share * (1 - share) / 4000)


def test_treatments_of_penicillin_have_the_tutorials_p_value() -> None:
    large = pp.lmer("yield ~ treat + (1 | blend)", PENICILLIN)
    small = pp.lmer("yield ~ 1 + (1 | blend)", PENICILLIN)
    test = pp.pb_test(large, small, nsim=4000, seed=1)
    theirs = {row["term"]: row for row in TESTS["penicillin_pb"]}
    assert round(test.statistic, 4) == 4.0474
    frame = test.to_frame()
    assert frame.loc["LRT", "df"] == theirs["LRT"]["df"]
    assert frame.loc["LRT", "p_value"] == pytest.approx(theirs["LRT"]["p.value"], rel=1e-5)
    # pbkrtest's is of 1,000 replicates.
    p = theirs["PBtest"]["p.value"]
    assert abs(test.p_value - p) < 3 * np.sqrt(p * (1 - p) / 1000 + test.std_error**2)
    assert "refitted by ML" in str(test)


def test_gamma_bartlett_and_f_rows_follow_from_the_moments() -> None:
    sample = np.array([0.5, 1.0, 2.5, 4.0, 6.0, 9.0, 0.2, 3.3])
    test = pp.pb_test(
        pp.lmer("yield ~ treat + (1 | blend)", PENICILLIN),
        pp.lmer("yield ~ 1 + (1 | blend)", PENICILLIN),
        nsim=20,
        seed=1,
    )
    fields = {**test.__dict__, "sample": sample, "nsim": len(sample)}
    frame = type(test)(**fields).to_frame()
    mean, variance, t = sample.mean(), sample.var(ddof=1), test.statistic
    assert frame.loc["Bartlett", "stat"] == pytest.approx(3 * t / mean)
    assert frame.loc["Bartlett", "p_value"] == pytest.approx(chi2.sf(3 * t / mean, 3))
    expected = gamma.sf(t, mean**2 / variance, scale=variance / mean)
    assert frame.loc["Gamma", "p_value"] == pytest.approx(expected)
    ddf = frame.loc["F", "ddf"]
    assert ddf / (ddf - 2) == pytest.approx(mean / 3)
    assert frame.loc["F", "p_value"] == pytest.approx(f_law.sf(t / 3, 3, ddf))


def test_p_values_are_uniform_under_the_null() -> None:
    # The bootstrap test of a fixed effect that is not there, on data drawn from the small model.
    small = pp.lmer("yield ~ 1 + (1 | blend)", PENICILLIN)
    values = []
    for y in small.simulate(80, seed=9).to_numpy().T:
        data = PENICILLIN.assign(**{"yield": y})
        large = pp.lmer("yield ~ treat + (1 | blend)", data)
        null = pp.lmer("yield ~ 1 + (1 | blend)", data)
        values.append(pp.pb_test(large, null, nsim=99, seed=1).p_value)
    below = np.mean(np.array(values) <= 0.2)
    assert abs(below - 0.2) < 3.5 * np.sqrt(0.2 * 0.8 / 80)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda f, s: pp.pb_test(f, s, nsim=0), "ArgumentError", "nsim"),
        (lambda f, s: pp.pb_test(f, s, nsim=True), "ArgumentError", "True"),
        (lambda f, s: pp.pb_test(f, s, seed="a"), "ArgumentError", "'a'"),
        (lambda f, s: pp.pb_test(s, f), "ArgumentError", "give the larger model first"),
        (lambda f, s: pp.pb_test(f, f), "ArgumentError", "nothing is left out"),
        (lambda f, s: pp.pb_test(f, "small"), "ArgumentError", "str"),
        (lambda f, s: pp.pb_test(pp.lm("Reaction ~ Days", SLEEP), s), "ArgumentError", "pp.lmer"),
        (
            lambda f, s: pp.pb_test(f, pp.lm("Reaction ~ 1", SLEEP[:90])),
            "DataError",
            "(180 and 90)",
        ),
        (
            lambda f, s: pp.pb_test(f, pp.lm("log(Reaction) ~ 1", SLEEP)),
            "DataError",
            "log(Reaction)",
        ),
        (
            lambda f, s: pp.pb_test(
                pp.lmer("Reaction ~ Days + (1 | Subject)", SLEEP),
                pp.lmer("Reaction ~ 1 + (0 + Days | Subject)", SLEEP),
            ),
            "ArgumentError",
            "the random effects of 'Subject'",
        ),
        (
            lambda f, s: pp.pb_test(
                f, pp.lm("Reaction ~ 1", SLEEP, weights=np.linspace(1, 2, len(SLEEP)))
            ),
            "DataError",
            "weights",
        ),
        (lambda f, s: pp.bootstrap(f, nsim=-1), "ArgumentError", "-1"),
        (lambda f, s: pp.bootstrap(f, "sigma", nsim=2), "ArgumentError", "'sigma'"),
        (lambda f, s: pp.bootstrap(f, lambda _: "text", nsim=2), "ArgumentError", "str"),
        (lambda f, s: pp.bootstrap(f, nsim=9).confint("bca"), "ArgumentError", "'bca'"),
    ],
)
def test_bad_input_names_the_culprit(call: Any, error: str, says: str) -> None:
    large = pp.lmer(SLOPE, SLEEP)
    small = pp.lmer("Reaction ~ 1 + (Days | Subject)", SLEEP)
    with pytest.raises(getattr(pp.errors, error)) as caught:
        call(large, small)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_random_effects_coded_otherwise_are_nested() -> None:
    data = pp.load_dataset("cake")
    large = pp.lmer("angle ~ temp + (0 + recipe | replicate)", data)
    small = pp.lmer("angle ~ temp + (1 | replicate)", data)
    assert 0 < pp.pb_test(large, small, nsim=19, seed=1).p_value <= 1
