"""Hypotheses about a posterior: names, extreme probabilities, point hypotheses."""

import warnings

import numpy as np
import partialpool as pp
import pytest
from partialpool.errors import ArgumentError

PULP = "bright ~ 1 + (1 | operator)"


@pytest.fixture(scope="module")
def pulp():
    priors = {"Intercept": pp.normal(60, 2), "sd": pp.half_normal(1), "sigma": pp.half_normal(1)}
    return pp.sample(PULP, pp.load_dataset("pulp"), priors=priors, seed=5)


def conditional_density(post, value):
    """Density of the intercept at a value: normal given the variances, averaged over the draws."""
    data = pp.load_dataset("pulp")
    y = data.bright.to_numpy()
    z = (data.operator.to_numpy()[:, None] == np.unique(data.operator)).astype(float)
    out = []
    for s, sigma in zip(
        post.draws("sd_operator__Intercept").ravel(), post.draws("sigma").ravel(), strict=True
    ):
        precision = np.linalg.inv(sigma**2 * np.eye(len(y)) + s**2 * z @ z.T)
        weight = precision.sum() + 1 / 2**2
        mean = (precision.sum(axis=0) @ y + 60 / 2**2) / weight
        out.append(np.sqrt(weight / (2 * np.pi)) * np.exp(-0.5 * weight * (value - mean) ** 2))
    return np.mean(out)


@pytest.mark.parametrize("value", [60.2, 60.4, 60.8])
def test_evidence_for_a_point_is_posterior_over_prior_density(pulp, value):
    prior = np.exp(-0.5 * ((value - 60) / 2) ** 2) / (2 * np.sqrt(2 * np.pi))
    found = pulp.hypothesis(f"Intercept = {value}")
    # A kernel estimate from 8,000 draws.
    assert found.evidence_ratio == pytest.approx(conditional_density(pulp, value) / prior, rel=0.1)
    assert found.probability == pytest.approx(found.evidence_ratio / (1 + found.evidence_ratio))
    assert found.note == ""


@pytest.mark.parametrize("text", ["Intercept = 60.4", "60.4 == Intercept", "`Intercept` = 60 + .4"])
def test_a_point_can_be_written_in_several_ways(pulp, text):
    expected = pulp.hypothesis("Intercept = 60.4").evidence_ratio
    assert pulp.hypothesis(text).evidence_ratio == pytest.approx(expected, rel=1e-9)


def test_a_point_without_draws_near_it_has_a_bound(pulp):
    found = pulp.hypothesis("Intercept = 80")
    assert "fewer than 10 of 8,000 draws" in found.note
    assert found.note in str(found)


def test_a_flat_prior_gives_no_evidence_for_a_point():
    priors = {"Intercept": pp.flat()}
    data = pp.load_dataset("pulp")
    with warnings.catch_warnings(action="ignore"):  # so few draws have not mixed
        post = pp.sample(PULP, data, priors=priors, chains=1, warmup=200, draws=100, seed=1)
    with pytest.raises(ArgumentError, match="flat; sample with a proper one"):
        post.hypothesis("Intercept = 60")


def test_all_draws_and_none_are_said_so(pulp):
    every, none = pulp.hypothesis("Intercept > 0"), pulp.hypothesis("Intercept < 0")
    assert (every.probability, none.probability) == (1.0, 0.0)
    assert "posterior probability > 0.9999 (all 8,000 draws), evidence ratio > 7,999" in str(every)
    assert "posterior probability < 0.0001 (none of 8,000 draws)" in str(none)
    assert repr(every) == str(every)


def test_names_are_read_as_by_fit_test():
    data = pp.load_dataset("sleepstudy").rename(columns={"Days": "days awake"})
    formula = "Reaction ~ I(`days awake`^2) + `days awake` + (1 | Subject)"
    with warnings.catch_warnings(action="ignore"):
        post = pp.sample(formula, data, chains=1, warmup=200, draws=200, seed=1)
    square = next(name for name in post.variables if name.startswith("I("))
    for text in ("`days awake` > 0", "days awake > 0", "(Intercept) > 0"):
        assert post.hypothesis(text).probability > 0.5
    for text in ("I(`days awake`^2)", "I(days awake ** 2)", f"`{square}`"):
        assert post.fit.test(f"{text} = 0").statistic == post.fit.test(square).statistic
        assert post.hypothesis(f"{text} > 0").estimate == post.draws(square).mean()
