"""`power` against the noncentral t where it is exact, and what is refused."""

import numpy as np
import partialpool as pp
import pytest
from partialpool.errors import PartialPoolError
from scipy.stats import beta, nct, t


def two_sided(ncp: float, df: float, alpha: float = 0.05) -> float:
    cut = t.ppf(1 - alpha / 2, df)
    return float(nct.sf(cut, df, ncp) + nct.cdf(-cut, df, ncp))


def arms(m: int, n: int):
    return pp.make_design({"g": m}, within={"k": range(n)}, between={"arm": ["a", "b"]})


# 400 replicates; 4 standard errors of the power below are 0.1 at most.
EFFECTS = {"beta": [0, 2.0], "sd": 1.5, "sigma": 1.0}
SMALL = {"formula": "y ~ arm + (1 | g)", "design": arms(16, 4), "effects": EFFECTS, "seed": 1}


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_effect_between_groups_has_the_power_of_a_t_test_of_group_means(ddf):
    found = pp.power(**SMALL, nsim=400, ddf=ddf)
    exact = two_sided(2.0 / np.sqrt((1.5**2 + 1 / 4) * 4 / 16), 14)
    assert abs(found.power - exact) < 4 * np.sqrt(exact * (1 - exact) / 400)
    assert found.nsim == 400


def test_effect_within_groups_has_the_power_of_its_t_test():
    design = pp.make_design({"g": 6}, within={"x": [-1.0, 0.0, 1.0]})
    effects = {"beta": [1, 0.7], "sd": 3.0, "sigma": 1.0}
    found = pp.power("y ~ x + (1 | g)", design, effects, "x = 0", 400, 2)
    exact = two_sided(0.7 * np.sqrt(12), 18 - 6 - 1)
    assert abs(found.power - exact) < 4 * np.sqrt(exact * (1 - exact) / 400)


def test_without_an_effect_the_power_is_the_level():
    found = pp.power(**{**SMALL, "effects": {**EFFECTS, "beta": [3, 0]}}, nsim=400, alpha=0.1)
    assert abs(found.power - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 400)
    assert found.null_is_true
    assert "actual level" in str(found)


def test_interval_is_clopper_and_pearsons():
    found = pp.power(**SMALL, nsim=60, level=0.9)
    k, n = found.rejections, 60
    assert k == np.sum(found.p_values < 0.05)
    assert found.power == k / n
    assert found.conf_low == pytest.approx(beta.ppf(0.05, k, n - k + 1))
    assert found.conf_high == pytest.approx(beta.ppf(0.95, k + 1, n - k))
    assert found.to_frame().loc[0, "power"] == found.power


def test_same_seed_same_p_values_however_many():
    a, b = pp.power(**SMALL, nsim=10), pp.power(**SMALL, nsim=25)
    np.testing.assert_array_equal(a.p_values, b.p_values[:10])
    other = pp.power(**{**SMALL, "seed": 2}, nsim=10)
    assert not np.allclose(a.p_values, other.p_values)


def test_each_replicate_is_the_test_of_an_ordinary_fit():
    """The p-values are those that `lmer` and `fit.test` give for the same responses."""
    from partialpool import _core
    from partialpool.design import build_design
    from partialpool.formula import parse_formula
    from partialpool.models.simulation import Law

    formula, design = SMALL["formula"], SMALL["design"]
    rows = build_design(parse_formula(formula), design, with_response=False)
    law = Law.of(rows, np.array([0, 2.0]), [np.array([[1.5]])], 1.0).native()
    found = pp.power(**SMALL, nsim=3)
    for replicate, p in enumerate(found.p_values):
        y = _core.simulated_response(law, 1, replicate)
        assert pp.lmer(formula, design.assign(y=y)).test("arm").p_value == pytest.approx(
            p, rel=1e-9
        )


CROSSED = pp.make_design({"s": 12}, within={"i": range(8), "x": [-0.5, 0.5]})


@pytest.mark.parametrize(
    ("formula", "design", "effects", "test", "weights"),
    [
        ("y ~ arm + (1 | g)", arms(10, 3), EFFECTS, "arm", None),
        # Four replicates in ten are singular.
        ("y ~ arm + (1 | g)", arms(10, 3), {**EFFECTS, "sd": 0.2}, "arm", None),
        (
            "y ~ x + (x | s) + (1 | i)",
            CROSSED,
            {"beta": [5, 0.6], "sd": {"s": [1, 0.5], "i": 0.4}, "sigma": 1.0},
            "x = 0.1",
            np.linspace(0.5, 2, len(CROSSED)),
        ),
        (
            "y ~ arm * poly(k, 2) + (1 | g)",
            arms(10, 4),
            {"beta": [0, 1, 1, 0, 2, 0], "sd": 1.0, "sigma": 1.0},
            "arm:poly(k, 2)",
            None,
        ),
    ],
)
def test_native_threads_find_the_p_values_of_single_fits(formula, design, effects, test, weights):
    from partialpool.inference.fixed.linear_hypotheses import read_hypothesis
    from partialpool.simulate import power

    found = pp.power(formula, design, effects, test, nsim=25, seed=4, weights=weights)
    rows = power.response_free_design(
        power.parse_formula(formula), design, weights, None, None, check=True
    )
    law = power._law(rows, effects)[1].native()
    model = power._fit(rows, power._core.simulated_response(law, 4, power.REFERENCE))
    asked = read_hypothesis(model, test)
    slow = [power._p_value(rows, asked, "satterthwaite", law, 4, r) for r in range(25)]
    assert found.nsim == 25
    np.testing.assert_allclose(found.p_values, np.array(slow), rtol=1e-8)


def test_likelihood_ratio_test_of_a_smaller_formula():
    wald = pp.power(**SMALL, nsim=200, ddf="asymptotic")
    ratio = pp.power(**SMALL, nsim=200, test="y ~ 1 + (1 | g)")
    assert "1 df" in ratio.method
    # Both are liberal tests of one hypothesis on the same responses: they mostly agree.
    assert np.mean((wald.p_values < 0.05) == (ratio.p_values < 0.05)) > 0.9


def test_power_to_find_a_variance():
    none = pp.power(**{**SMALL, "effects": {**EFFECTS, "sd": 0.0}}, nsim=200, test="y ~ arm")
    some = pp.power(**SMALL, nsim=200, test="y ~ arm")
    assert none.power < 0.08
    assert some.power > 0.95


def test_effects_of_a_pilot_fit():
    sleep = pp.load_dataset("sleepstudy")
    fit = pp.lmer("Reaction ~ Days + (Days | Subject)", sleep)
    found = pp.power(fit.formula, sleep, fit, nsim=40, seed=1)
    assert found.power == 1.0
    assert (found.conf_high, found.conf_low) == (1.0, pytest.approx(0.025 ** (1 / 40)))
    by_hand = {
        "beta": fit.fixef,
        "sd": fit.sigma * np.sqrt(np.diag(fit.terms[0].covariance)),
        "cor": 0.0655512,
        "sigma": fit.sigma,
    }
    given = pp.power(fit.formula, sleep, by_hand, nsim=40, seed=1)
    np.testing.assert_allclose(np.log(given.p_values), np.log(found.p_values), rtol=1e-3)


BAD = [
    ({"nsim": 0}, "nsim"),
    ({"seed": -1}, "seed"),
    ({"alpha": 0}, "alpha"),
    ({"level": 1}, "level"),
    ({"ddf": "bw"}, "'bw'"),
    ({"test": "dose"}, "dose"),
    ({"test": "y ~ k + (1 | g)"}, "not nested"),
    ({"formula": "y ~ arm + k + (1 | g)", "effects": {**EFFECTS, "beta": [0, 1, 1]}}, "arm, k"),
    ({"formula": "y ~ arm"}, "no random effects"),
    ({"effects": {"beta": [0, 1], "sd": 1}}, "lacks 'sigma'"),
    ({"effects": {**EFFECTS, "mu": 1}}, "'mu'"),
    ({"effects": {**EFFECTS, "sigma": 0}}, "sigma must be above 0"),
    ({"effects": {**EFFECTS, "sd": -1}}, "not be negative"),
    ({"effects": {**EFFECTS, "sd": {"h": 1}}}, "'h'"),
    ({"effects": 3}, "effects must be a dict"),
    ({"design": arms(16, 4).drop(columns="arm")}, "'arm'"),
    ({"design": arms(16, 1)}, "as many levels as rows"),
]


@pytest.mark.parametrize(("changes", "culprit"), BAD, ids=[c for _, c in BAD])
def test_bad_input_is_named(changes, culprit):
    with pytest.raises(PartialPoolError) as caught:
        pp.power(**{**SMALL, "nsim": 5, **changes})
    assert culprit in str(caught.value)


def test_pilot_fit_of_another_model_is_refused():
    sleep = pp.load_dataset("sleepstudy")
    fit = pp.lmer("Reaction ~ Days + (1 | Subject)", sleep)
    with pytest.raises(PartialPoolError, match="'Subject' are not those"):
        pp.power("Reaction ~ Days + (Days | Subject)", sleep, fit, nsim=5)


@pytest.mark.parametrize("ddf", ["kenward-roger", "asymptotic"])
def test_other_f_tests_are_the_same_on_one_thread(ddf, monkeypatch):
    threads = pp.power(**{**SMALL, "nsim": 40, "ddf": ddf, "seed": 3})
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    one = pp.power(**{**SMALL, "nsim": 40, "ddf": ddf, "seed": 3})
    assert (one.power, one.failures) == (threads.power, threads.failures)
