"""Exact tests of one variance: closed forms, RLRsim, and the tutorials' figures."""

from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool import _core
from scipy.stats import f as f_law

from tests.references import read_reference

TESTS = read_reference("tests")
#: Made by rlrsim.R beside it.
RLRSIM = read_reference("rlrsim")

PULP = pp.load_dataset("pulp")
NSIM = 1_000_000


def unbalanced_pulp() -> pd.DataFrame:
    return PULP.drop(index=[0, 1, 6, 12])


def assert_close(test: Any, reference: dict[str, float]) -> None:
    """The statistic to R's digits, p within three Monte Carlo standard errors of both."""
    assert test.statistic == pytest.approx(reference["stat"], rel=1e-6, abs=1e-7)
    spread = reference["p"] * (1 - reference["p"]) / reference["nsim"]
    error = np.sqrt(test.std_error**2 + spread)
    assert abs(test.p_value - reference["p"]) < 3 * error


@pytest.mark.parametrize("test", ["LRT", "RLRT"])
def test_balanced_one_way_p_value_is_that_of_the_f_test(test: str) -> None:
    # Both ratios are increasing functions of F wherever they are positive.
    fit = pp.lmer("bright ~ 1 + (1 | operator)", PULP)
    null = pp.lm("bright ~ 1", PULP)
    run = pp.exact_lrt if test == "LRT" else pp.exact_rlrt
    result = run(fit, null, nsim=NSIM, seed=1)
    exact = TESTS["pulp_aov"][0]["Pr(>F)"]
    assert abs(result.p_value - exact) < 3 * result.std_error
    assert_close(result, TESTS[f"pulp_exact{test}"])
    assert round(result.statistic, 4) == {"LRT": 2.5684, "RLRT": 3.4701}[test]


def test_balanced_mass_at_zero_is_the_f_law_below_its_threshold() -> None:
    # REML gives zero where MSA < MSE; ML where the between sum of squares is below MSE's share.
    fit = pp.lmer("bright ~ 1 + (1 | operator)", PULP)
    result = pp.exact_rlrt(fit, nsim=NSIM, seed=3)
    expected = f_law.cdf(1.0, 3, 16)
    assert abs(result.prob_zero - expected) < 3 * np.sqrt(expected * (1 - expected) / NSIM)


def test_two_way_layout_is_the_f_test_of_blends() -> None:
    penicillin = pp.load_dataset("penicillin")
    result = pp.exact_rlrt(pp.lmer("yield ~ treat + (1 | blend)", penicillin), nsim=NSIM, seed=1)
    assert abs(result.p_value - TESTS["penicillin_aov"][0]["Pr(>F)"]) < 3 * result.std_error
    assert_close(result, RLRSIM["penicillin_rlrt"])


def test_unbalanced_groups_agree_with_rlrsim() -> None:
    data = unbalanced_pulp()
    fit, null = pp.lmer("bright ~ 1 + (1 | operator)", data), pp.lm("bright ~ 1", data)
    lrt = pp.exact_lrt(fit, null, nsim=NSIM, seed=1)
    assert_close(lrt, RLRSIM["pulp_unbalanced_lrt"])
    assert lrt.note == "refitted by ML"
    assert_close(pp.exact_rlrt(fit, nsim=NSIM, seed=1), RLRSIM["pulp_unbalanced_rlrt"])


def test_fixed_effects_left_out_are_tested_jointly() -> None:
    penicillin = pp.load_dataset("penicillin")
    fit = pp.lmer("yield ~ treat + (1 | blend)", penicillin, reml=False)
    result = pp.exact_lrt(fit, pp.lm("yield ~ 1", penicillin), nsim=NSIM, seed=1)
    assert_close(result, RLRSIM["penicillin_lrt_with_treat"])


def test_nuisance_variance_agrees_with_rlrsim() -> None:
    pastes = pp.load_dataset("pastes")
    tested = pp.lmer("strength ~ 1 + (1 | batch)", pastes)
    full = pp.lmer("strength ~ 1 + (1 | batch:cask) + (1 | batch)", pastes)
    null = pp.lmer("strength ~ 1 + (1 | batch:cask)", pastes)
    result = pp.exact_rlrt(tested, [full, null], nsim=NSIM, seed=1)
    assert_close(result, RLRSIM["pastes_batch_rlrt"])


def test_lrt_with_a_nuisance_variance_has_the_law_of_the_tested_term_alone() -> None:
    pastes = pp.load_dataset("pastes")
    tested = pp.lmer("strength ~ 1 + (1 | batch)", pastes)
    full = pp.lmer("strength ~ 1 + (1 | batch:cask) + (1 | batch)", pastes)
    null = pp.lmer("strength ~ 1 + (1 | batch:cask)", pastes)
    result = pp.exact_lrt(tested, [full, null], nsim=20_000, seed=1)
    ratio = pp.anova(null, full).to_frame()["statistic"].iloc[-1]
    assert result.statistic == pytest.approx(ratio, rel=1e-9)
    assert result.note == "refitted by ML"
    alone = pp.exact_lrt(tested, pp.lm("strength ~ 1", pastes), nsim=20_000, seed=1)
    assert np.array_equal(result.sample, alone.sample)
    assert result.p_value == np.mean(alone.sample >= ratio)


def test_slope_of_sleepstudy_is_beyond_all_simulated_values() -> None:
    sleep = pp.load_dataset("sleepstudy")
    models = [
        pp.lmer("Reaction ~ Days + (Days || Subject)", sleep),
        pp.lmer("Reaction ~ Days + (1 | Subject)", sleep),
    ]
    tested = pp.lmer("Reaction ~ Days + (0 + Days | Subject)", sleep)
    result = pp.exact_rlrt(tested, models, seed=1)
    assert result.statistic == pytest.approx(TESTS["sleep_exactRLRT_slope"]["stat"], rel=1e-6)
    assert result.p_value == 0.0
    assert "p-value <1e-05" in str(result)


def test_spectrum_is_that_of_the_dense_matrices() -> None:
    data = unbalanced_pulp()
    fit = pp.lmer("bright ~ 1 + (1 | operator)", data)
    z = (data["operator"].to_numpy()[:, None] == np.unique(data["operator"])).astype(float)
    dense = z.T @ (z - z.mean(axis=0))
    mu, xi = _core.null_spectrum(fit._products)
    flat = [value for value, count in mu for _ in range(count)]
    scale = np.linalg.eigvalsh(z.T @ z).max() / xi[0][0]
    np.testing.assert_allclose(np.array(flat) * scale, np.linalg.eigvalsh(dense)[:0:-1], rtol=1e-10)


def test_supremum_is_not_below_rlrsims_first_maximum() -> None:
    # RLRsim's algorithm on draws of its own, its grid stopped at the first decrease.
    data = unbalanced_pulp()
    fit = pp.lmer("bright ~ 1 + (1 | operator)", data)
    mu, _ = _core.null_spectrum(fit._products)
    values = np.repeat([v for v, _ in mu], [m for _, m in mu])
    values = values / values.max()
    n, k, nsim = fit.nobs - 1, len(values), 20_000
    rng = np.random.default_rng(1)
    w, rest = rng.chisquare(1, (nsim, k)), rng.chisquare(n - k, nsim)
    lam = np.concatenate([[0.0], np.exp(np.linspace(-10, 8, 199))])
    shrunk = 1 / (1 + lam[:, None] * values)
    ratio = n * np.log((w.sum(axis=1) + rest)[:, None] / (w @ shrunk.T + rest[:, None]))
    ratio += np.log(shrunk).sum(axis=1)
    falls = np.diff(ratio, axis=1) < 0
    first = np.where(falls.any(axis=1), falls.argmax(axis=1), 199)
    theirs = np.sort(ratio[np.arange(nsim), first])
    ours = np.sort(pp.exact_rlrt(fit, nsim=nsim, seed=1).sample)
    for share in (0.7, 0.8, 0.9, 0.95, 0.99):
        at = int(share * nsim)
        error = 3 * np.sqrt(2 * share * (1 - share) * nsim)
        low, high = int(at - error), min(int(at + error), nsim - 1)
        assert theirs[low] <= ours[at] * 1.01 + 1e-3
        assert ours[at] <= theirs[high] * 1.01 + 1e-3


def test_same_seed_gives_the_same_values_and_another_seed_others() -> None:
    fit = pp.lmer("bright ~ 1 + (1 | operator)", PULP)
    first, again, other = (pp.exact_rlrt(fit, nsim=5000, seed=s).sample for s in (4, 4, 5))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    # More values begin with the same ones.
    assert np.array_equal(pp.exact_rlrt(fit, nsim=9000, seed=4).sample[:5000], first)


def test_response_without_group_differences_has_p_value_one() -> None:
    data = pd.DataFrame({"y": np.tile([1.0, 2.0, 4.0, 7.0], 4), "g": np.repeat(list("abcd"), 4)})
    fit = pp.lmer("y ~ 1 + (1 | g)", data)
    assert fit.is_singular
    assert pp.exact_rlrt(fit, nsim=1000, seed=1).p_value == 1.0


def test_result_prints_as_r_and_gives_a_frame() -> None:
    fit = pp.lmer("bright ~ 1 + (1 | operator)", PULP)
    result = pp.exact_rlrt(fit, nsim=1000, seed=1)
    assert "RLRT = 3.4701, p-value = 0.0" in str(result)
    assert "(p-value based on 1000 simulated values)" in str(result)
    frame = result.to_frame()
    assert frame.loc["RLRT", "statistic"] == result.statistic
    assert frame.loc["RLRT", "nsim"] == 1000


SLEEP = pp.load_dataset("sleepstudy")


def sleep(formula: str, **options: Any) -> pp.LinearMixedModel:
    return pp.lmer(formula, SLEEP, **options)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda f, n: pp.exact_lrt(f, n, nsim=0), "ArgumentError", "nsim"),
        (lambda f, n: pp.exact_lrt(f, n, nsim=2.5), "ArgumentError", "2.5"),
        (lambda f, n: pp.exact_lrt(f, n, seed=-1), "ArgumentError", "seed"),
        (lambda f, n: pp.exact_lrt(n, f), "ArgumentError", "pp.lmer"),
        (lambda f, n: pp.exact_lrt(f, f), "ArgumentError", "[full, null]"),
        (
            lambda f, n: pp.exact_lrt(f, pp.lm("Reaction ~ Days", SLEEP[:-1])),
            "DataError",
            "(180 and 179)",
        ),
        (
            lambda f, n: pp.exact_lrt(f, pp.lm("Days ~ 1", SLEEP)),
            "DataError",
            "different responses",
        ),
        (
            lambda f, n: pp.exact_lrt(f, pp.lm("Reaction ~ exp(Days)", SLEEP)),
            "ArgumentError",
            "exp(Days)",
        ),
        (
            lambda f, n: pp.exact_lrt(sleep("Reaction ~ Days + (Days | Subject)"), n),
            "ArgumentError",
            "(Days | Subject)",
        ),
        (lambda f, n: pp.exact_rlrt(f, pp.lm("Reaction ~ 1", SLEEP)), "ArgumentError", "exact_lrt"),
        (lambda f, n: pp.exact_rlrt(f, [f]), "ArgumentError", "[full, null]"),
        (lambda f, n: pp.exact_rlrt(f, [f, n]), "ArgumentError", "the null model"),
        (
            lambda f, n: pp.exact_rlrt(f, [sleep("Reaction ~ Days + (Days | Subject)"), f]),
            "ArgumentError",
            "2 parameters more",
        ),
        (
            lambda f, n: pp.exact_rlrt(f, [sleep("Reaction ~ Days + (Days || Subject)"), f]),
            "ArgumentError",
            "the tested term (1 | Subject)",
        ),
    ],
)
def test_bad_input_names_the_culprit(call: Any, error: str, says: str) -> None:
    fit, null = sleep("Reaction ~ Days + (1 | Subject)"), pp.lm("Reaction ~ Days", SLEEP)
    with pytest.raises(getattr(pp.errors, error)) as caught:
        call(fit, null)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_singular_null_model_is_refused() -> None:
    data = pd.DataFrame({"y": np.tile([1.0, 2.0, 4.0, 7.0], 6), "g": np.repeat(list("abcdef"), 4)})
    data["h"] = np.tile(list("wxyz"), 6)
    data["y"] += np.sin(np.arange(24))
    full = pp.lmer("y ~ 1 + (1 | g) + (1 | h)", data)
    null = pp.lmer("y ~ 1 + (1 | g)", data)
    assert null.is_singular
    tested = pp.lmer("y ~ 1 + (1 | h)", data)
    with pytest.raises(pp.errors.DesignError, match=r"singular.*variance of"):
        pp.exact_rlrt(tested, [full, null], nsim=100, seed=1)
