"""Random effects among the parameters: the same posterior as with all integrated out."""

from __future__ import annotations

import numpy as np
import partialpool as pp
import pytest
from partialpool.errors import ArgumentError

from tests.bayes.conftest import log_posterior, standard_error

FORMULAS = [
    "y ~ x + (1 | g)",
    "y ~ x + (x | g)",
    "y ~ x + (poly(x, 2) + z | g)",
    "y ~ x + (1 | g) + (1 | h)",
    "y ~ x + (x | g) + (z | h)",
    "y ~ x + (x || g) + (1 | h) + (1 | g:h)",
    "y ~ x + (1 | g/h)",
]
CROSSED = "diameter ~ 1 + (1 | plate) + (1 | sample)"


def data(n=150):
    rng = np.random.default_rng(8)
    x, z = rng.normal(40, 3, n), rng.normal(size=n)
    g, h = rng.integers(0, 9, n), rng.integers(0, 4, n)
    b = rng.normal(size=(9, 2))
    y = 500 + 3 * x + 5 * b[g, 0] + b[g, 1] * (x - 40) + h + rng.normal(size=n)
    return {"y": y, "x": x, "z": z, "g": g, "h": h, "w": rng.uniform(0.5, 3, n), "o": 2 * x + z}


def posteriors(formula, **given):
    """The collapsed log-posterior, a point near its mode, and the joint one prepared there."""
    fit = pp.lmer(formula, data(), **given)
    collapsed = log_posterior(
        fit,
        beta=("normal", [0.0, 900.0]),
        sigma=("exponential", [0.5]),
        sd=("half_student_t", [3.0, 4.0]),
        eta=1.5,
    )
    x = np.array(collapsed.near(fit._native))
    return collapsed, x, collapsed.joint(x)


@pytest.mark.parametrize("formula", FORMULAS)
def test_gradient_is_a_difference(formula):
    _, x, joint = posteriors(formula)
    rng = np.random.default_rng(1)
    point = np.concatenate([x, np.zeros(joint.dim - len(x))]) + 0.3 * rng.normal(size=joint.dim)
    _, gradient = joint.evaluate(point)
    # Some of z, all of the parameters.
    chosen = {*range(len(x)), *rng.integers(len(x), joint.dim, 5).tolist()}
    for i in chosen:
        e = np.zeros(joint.dim)
        e[i] = 1e-5
        difference = (joint.evaluate(point + e)[0] - joint.evaluate(point - e)[0]) / 2e-5
        assert gradient[i] == pytest.approx(difference, rel=2e-5, abs=5e-5), i


@pytest.mark.parametrize("given", [{}, {"weights": "w", "offset": "o"}], ids=["plain", "weighted"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_integrated_over_z_the_joint_density_is_the_collapsed_one(formula, given):
    # Given the parameters z is normal, so its gradient is linear: mode and precision are exact.
    collapsed, x, joint = posteriors(formula, **given)
    low, q = len(x), joint.dim - len(x)
    rng = np.random.default_rng(3)
    for spread in (0.0, 0.3, 0.8):
        at = x + spread * rng.normal(size=low)

        def slope(z, at=at):
            return np.array(joint.evaluate(np.concatenate([at, z]))[1])[low:]

        origin = slope(np.zeros(q))
        precision = np.array([origin - slope(e) for e in np.eye(q)])
        assert np.allclose(precision, precision.T, atol=1e-8 * np.abs(precision).max())
        mode = np.linalg.solve(precision, origin)
        value = joint.evaluate(np.concatenate([at, mode]))[0]
        integrated = value + q / 2 * np.log(2 * np.pi) - np.linalg.slogdet(precision)[1] / 2
        assert integrated == pytest.approx(collapsed.evaluate(at)[0], abs=1e-6)
        if spread == 0.0 and formula in FORMULAS[:3]:
            # One factor: at the point of preparation z is standard normal.
            assert np.allclose(precision, np.eye(q), atol=1e-6)
            assert np.allclose(origin, 0, atol=1e-6)


@pytest.fixture(scope="module")
def penicillin():
    return pp.load_dataset("penicillin_assay")


def agree(one, other):
    for name in one.variables:
        a, b = one.draws(name), other.draws(name)
        error = np.hypot(standard_error(a), standard_error(b))
        assert abs(a.mean() - b.mean()) < 4 * error, name
        # Quarters of the distributions too.
        assert a.std() == pytest.approx(b.std(), rel=0.12), name


def test_both_methods_have_one_posterior(penicillin):
    run = {"warmup": 600, "draws": 1500, "progress": False}
    collapsed = pp.sample(CROSSED, penicillin, seed=1, method="collapsed", **run)
    joint = pp.sample(CROSSED, penicillin, seed=2, method="joint", **run)
    agree(collapsed, joint)
    assert joint.diagnostics.max_rhat[0] < 1.02, joint.diagnostics.verdict
    for one, other in zip(collapsed.ranef().values(), joint.ranef().values(), strict=True):
        assert np.allclose(one["Intercept"], other["Intercept"], atol=0.08)


def test_both_methods_have_one_posterior_with_weights_and_offset():
    # Four levels leave a tail so heavy that its deviation is not estimated; the prior cuts it off.
    priors = {"sd_h": pp.half_normal(3)}
    run = {"warmup": 400, "draws": 2000, "priors": priors, "progress": False}
    run |= {"weights": "w", "offset": "o"}
    formula = "y ~ x + (x | g) + (1 | h)"
    collapsed = pp.sample(formula, data(), seed=3, method="collapsed", **run)
    joint = pp.sample(formula, data(), seed=4, method="joint", **run)
    agree(collapsed, joint)


def test_one_factor_may_be_sampled_too(sleepstudy, slope_posterior):
    formula = "Reaction ~ Days + (Days | Subject)"
    joint = pp.sample(
        formula, sleepstudy, warmup=600, draws=1500, seed=5, method="joint", progress=False
    )
    assert joint.settings.why == "the 36 random effects are sampled"
    agree(slope_posterior, joint)


def test_draws_are_the_same_for_any_number_of_cores(penicillin):
    run = {"warmup": 60, "draws": 50, "seed": 9, "chains": 3, "method": "joint", "progress": False}
    one = pp.sample(CROSSED, penicillin, cores=1, **run)
    three = pp.sample(CROSSED, penicillin, cores=3, **run)
    assert np.array_equal(one.values, three.values)
    assert np.array_equal(one.random_draws[1], three.random_draws[1])


def test_the_method_is_chosen_by_cost_and_said(penicillin):
    small = pp.sample(CROSSED, penicillin, chains=1, warmup=20, draws=20, seed=1, progress=False)
    assert small.settings.method == "collapsed"
    assert "all random effects are integrated out (an effective draw costs" in str(small)
    rng = np.random.default_rng(5)
    s, d = rng.integers(0, 900, 6000), rng.integers(0, 600, 6000)
    y = 0.5 * rng.normal(size=900)[s] + 0.7 * rng.normal(size=600)[d] + rng.normal(size=6000)
    crossed = {"y": y, "s": s, "d": d}
    run = {"chains": 2, "warmup": 200, "draws": 200, "seed": 2, "progress": False}
    post = pp.sample("y ~ 1 + (1 | s) + (1 | d)", crossed, **run)
    assert post.settings.method == "joint"
    assert "random effects of s are integrated out, the other 600 are sampled" in str(post)
    fit = pp.lmer("y ~ 1 + (1 | s) + (1 | d)", crossed)
    assert post.draws("sigma").mean() == pytest.approx(fit.sigma, rel=0.02)
    assert post.diagnostics.max_rhat[0] < 1.05
    assert post.stats["diverging"].sum() == 0


def test_methods_that_cannot_be_are_refused(penicillin):
    with pytest.raises(ArgumentError, match="one of 'auto', 'collapsed', 'joint', not 'gibbs'"):
        pp.sample(CROSSED, penicillin, method="gibbs")
    wide = "y ~ x + (x + z + I(x * z) + I(z * z) + I(z * z * z) + I(x * x) | g)"
    with pytest.raises(ArgumentError, match=r"at most 6 random coefficients .* g has 7"):
        pp.sample(wide, data(), method="joint")
