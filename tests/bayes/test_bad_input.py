"""Wrong arguments and priors are refused before anything is sampled, by name."""

from __future__ import annotations

import partialpool as pp
import pytest
from partialpool.errors import ArgumentError, FormulaError

from tests.bayes.conftest import SLOPE

INTERCEPTS = "Reaction ~ Days + (1 | Subject)"


@pytest.mark.parametrize(
    ("formula", "arguments", "named"),
    [
        (SLOPE, {"priors": {"Dyas": pp.normal(0, 1)}}, "'Dyas'"),
        (SLOPE, {"priors": {"sd_Subjct": pp.half_normal(1)}}, "'sd_Subjct'"),
        (SLOPE, {"priors": {"sd": pp.uniform(-3, -1)}}, "no positive support"),
        (SLOPE, {"priors": {"sigma": pp.uniform(-3, 0)}}, "no positive support"),
        (SLOPE, {"priors": {"sd": pp.lkj(2)}}, "pp.lkj is for correlations"),
        (SLOPE, {"priors": {"Days": pp.lkj(2)}}, "pp.lkj is for correlations"),
        (SLOPE, {"priors": {"cor": pp.uniform(-1, 1)}}, "a correlation takes pp.lkj"),
        (SLOPE, {"priors": {"cor_Subject": pp.normal(0, 1)}}, "a correlation takes pp.lkj"),
        (SLOPE, {"priors": {"sigma": 5}}, "'sigma'"),
        (SLOPE, {"priors": [pp.normal(0, 1)]}, "dict"),
        (INTERCEPTS, {"priors": {"cor": pp.lkj(2)}}, "no correlations"),
        ("Reaction ~ 0 + Days + (1 | Subject)", {"priors": {"Intercept": pp.flat()}}, "Intercept"),
        (SLOPE, {"priors": {"b": pp.flat()}, "prior_only": True}, "'Days' has flat()"),
        (SLOPE, {"chains": 0}, "chains"),
        (SLOPE, {"draws": 0}, "draws"),
        (SLOPE, {"draws": 10.5}, "draws"),
        (SLOPE, {"warmup": -1}, "warmup"),
        (SLOPE, {"cores": 0}, "cores"),
        (SLOPE, {"seed": -1}, "seed"),
        (SLOPE, {"seed": "a"}, "seed"),
        (SLOPE, {"target_accept": 1.0}, "target_accept"),
        (SLOPE, {"max_depth": 0}, "max_depth"),
    ],
)
def test_refused_before_sampling(sleepstudy, formula, arguments, named):
    with pytest.raises(ArgumentError) as caught:
        pp.sample(formula, sleepstudy, progress=False, **arguments)
    assert named in str(caught.value)


def test_a_formula_without_bars_is_refused(sleepstudy):
    with pytest.raises(FormulaError, match="no random effects"):
        pp.sample("Reaction ~ Days", sleepstudy)


def test_the_most_particular_prior_counts(sleepstudy):
    priors = {
        "sd_Subject__Days": pp.exponential(1),
        "sd": pp.half_normal(3),
        "sd_Subject": pp.half_cauchy(2),
        "Days": pp.normal(1, 2),
        "b": pp.flat(),
    }
    run = {"chains": 1, "warmup": 20, "draws": 20, "seed": 1, "progress": False}
    table = pp.sample(SLOPE, sleepstudy, priors=priors, **run).priors
    assert table["sd_Subject__Days"] == pp.exponential(1)
    assert table["sd_Subject__Intercept"] == pp.half_cauchy(2)
    assert table["Days"] == pp.normal(1, 2)
    assert "given" in str(table)


def test_default_priors_follow_the_scale_of_the_data(sleepstudy):
    table = pp.default_priors(SLOPE, sleepstudy)
    scaled = pp.default_priors(SLOPE, sleepstudy.assign(Reaction=sleepstudy["Reaction"] * 1000))
    assert table["sigma"].parameters[1] * 1000 == pytest.approx(
        scaled["sigma"].parameters[1], rel=0.01
    )
    assert table["Days"].name == "normal"
    assert all(prior.is_proper for prior in table.priors.values())


def test_random_effects_that_were_not_kept(sleepstudy):
    run = {"chains": 1, "warmup": 20, "draws": 20, "seed": 1, "progress": False}
    post = pp.sample(SLOPE, sleepstudy, keep_random=False, **run)
    with pytest.raises(ArgumentError, match="keep_random=True"):
        post.ranef()
    assert len(post.predict({"Days": [1.0], "Subject": ["308"]}, random="none")) == 1
    with pytest.raises(ArgumentError, match="'Day'"):
        post.draws("Day")
    with pytest.raises(ArgumentError, match="kind"):
        post.predict(kind="median")
    with pytest.raises(ArgumentError, match="new_levels"):
        post.predict(new_levels="zero")
