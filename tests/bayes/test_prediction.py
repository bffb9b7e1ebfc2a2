"""Prior and posterior predictive draws, for rows that were seen and for levels that were not."""

from __future__ import annotations

import numpy as np
import partialpool as pp
import pytest
from partialpool.errors import ArgumentError

from tests.bayes.conftest import SLOPE

PRIORS = {
    "Intercept": pp.normal(250, 30),
    "b": pp.normal(10, 4),
    "sd_Subject__Intercept": pp.uniform(0, 60),
    "sd_Subject__Days": pp.uniform(0, 12),
    "cor": pp.lkj(2),
    "sigma": pp.uniform(10, 50),
}


@pytest.fixture(scope="module")
def prior(sleepstudy):
    run = {"warmup": 500, "draws": 2500, "seed": 6, "progress": False}
    return pp.sample(SLOPE, sleepstudy, priors=PRIORS, prior_only=True, **run)


def expected_sd(days):
    """Of a new observation under `PRIORS`; the effects of a level have a symmetric correlation."""
    third = 1 / 3  # mean square of uniform(0, 1)
    random = 60**2 * third + 12**2 * third * days**2
    residual = 30**2 + 40**2 / 12
    return np.sqrt(30**2 + 16 * days**2 + random + residual)


@pytest.mark.parametrize("subjects", [[308, 309], ["new", "newer"]])
def test_prior_predictive_draws_have_the_priors_moments(prior, subjects):
    new = {"Days": [0.0, 6.0], "Subject": subjects}
    draws = prior.predict(new, kind="response", new_levels="sample", draws=True)
    assert draws.shape == (10_000, 2)
    for column, days in zip(draws.T, new["Days"], strict=True):
        sd = expected_sd(days)
        assert column.mean() == pytest.approx(250 + 10 * days, abs=6 * sd / np.sqrt(4000))
        assert column.std() == pytest.approx(sd, rel=0.06)


def test_rows_of_the_data_can_be_drawn_from_the_prior_too(prior, sleepstudy):
    draws = prior.predict(kind="response", draws=300)
    assert draws.shape == (300, 180)
    late = sleepstudy["Days"].to_numpy() == 6
    assert draws[:, late].std() == pytest.approx(expected_sd(6.0), rel=0.15)


def test_so_many_draws_are_spread_over_all(slope_posterior):
    new = {"Days": [3.0], "Subject": [310]}
    whole = slope_posterior.predict(new, draws=True)
    chosen = np.linspace(0, 3999, 7).round().astype(int)
    np.testing.assert_allclose(slope_posterior.predict(new, draws=7), whole[chosen])
    np.testing.assert_allclose(slope_posterior.predict(new, draws=9999), whole)


def test_residuals_and_new_levels_follow_the_seed(slope_posterior):
    new = {"Days": [3.0, 4.0], "Subject": ["x", "x"]}
    options = {"kind": "response", "new_levels": "sample", "draws": 20}
    one = slope_posterior.predict(new, seed=1, **options)
    np.testing.assert_array_equal(one, slope_posterior.predict(new, seed=1, **options))
    other = slope_posterior.predict(new, seed=2, **options)
    assert not np.isclose(one, other).any()
    # The seed of residuals moves no mean of rows that were seen.
    seen = {"Days": [3.0], "Subject": [310]}
    np.testing.assert_array_equal(
        slope_posterior.predict(seen, seed=1, draws=20), slope_posterior.predict(seen, draws=20)
    )


def test_flat_priors_cannot_be_drawn_from(sleepstudy):
    with pytest.raises(ArgumentError) as caught:
        pp.sample(SLOPE, sleepstudy, priors={"b": pp.flat()}, prior_only=True)
    assert "'Days' has flat()" in str(caught.value)
    assert "give it one" in str(caught.value)


@pytest.mark.parametrize("wrong", [{"draws": 0}, {"draws": 2.5}, {"seed": -1}, {"seed": "a"}])
def test_wrong_numbers_are_named(slope_posterior, wrong):
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        slope_posterior.predict(**wrong)
