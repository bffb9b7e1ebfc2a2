"""The collapsed log-posterior against its definition."""

from __future__ import annotations

import numpy as np
import partialpool as pp
import pytest
from scipy import integrate, stats

from tests.bayes.conftest import log_posterior, standard_error

FORMULAS = [
    "y ~ x + (1 | g)",
    "y ~ x + (x | g)",
    "y ~ x + (x || g)",
    "y ~ x + (x | g) + (1 | h)",
    "y ~ x + (1 | g/h)",
    "y ~ x + (poly(x, 2) + z | g)",
    "y ~ 1 + (x + z + I(x * z) + I(z * z) | g)",
]


def data(n=120):
    rng = np.random.default_rng(8)
    x, z = rng.normal(40, 3, n), rng.normal(size=n)
    g, h = rng.integers(0, 9, n), rng.integers(0, 4, n)
    b = rng.normal(size=(9, 2))
    y = 500 + 3 * x + 5 * b[g, 0] + b[g, 1] * (x - 40) + h + rng.normal(size=n)
    return {"y": y, "x": x, "z": z, "g": g, "h": h}


@pytest.mark.parametrize("formula", FORMULAS)
def test_gradient_is_a_difference(formula):
    fit = pp.lmer(formula, data())
    posterior = log_posterior(
        fit,
        beta=("normal", [0.0, 900.0]),
        sigma=("exponential", [0.5]),
        sd=("half_student_t", [3.0, 4.0]),
        eta=1.5,
    )
    x = np.array(posterior.near(fit._native))
    x += 0.3 * np.random.default_rng(1).normal(size=len(x))
    _, gradient = posterior.evaluate(x)
    for i, slope in enumerate(gradient):
        e = np.zeros(len(x))
        e[i] = 1e-5
        difference = (posterior.evaluate(x + e)[0] - posterior.evaluate(x - e)[0]) / 2e-5
        assert slope == pytest.approx(difference, rel=2e-5, abs=2e-5)


def test_random_effects_are_integrated_out_as_quadrature_does():
    rng = np.random.default_rng(2)
    g = np.repeat([0, 1, 2], 3)
    y = np.array([1.0, 4.0, 2.5])[g] + rng.normal(size=9)
    fit = pp.lmer("y ~ 1 + (1 | g)", {"y": y, "g": g})
    posterior = log_posterior(fit)
    x = np.array(posterior.near(fit._native)) + np.array([0.2, -0.1, 0.3])
    mean, sigma, sd = posterior.constrain(x)

    def uncollapsed(b, rows):
        return stats.norm.pdf(b, 0, sd) * stats.norm.pdf(y[rows], mean + b, sigma).prod()

    expected = sum(
        np.log(integrate.quad(uncollapsed, -60, 60, args=(g == level,), points=[0, 2, -2])[0])
        for level in range(3)
    )
    # Flat priors leave the likelihood and the Jacobians of the two logarithms.
    assert posterior.evaluate(x)[0] == pytest.approx(
        expected + np.log(sigma) + np.log(sd), rel=1e-9
    )


@pytest.mark.parametrize("bars", ["(Days | Subject)", "(Days || Subject)", "(1 | Subject)"])
def test_flat_priors_have_their_mode_at_the_likelihood_fit(sleepstudy, bars):
    fit = pp.lmer(f"Reaction ~ Days + {bars}", sleepstudy, reml=False)
    posterior = log_posterior(fit)
    x = np.array(posterior.near(fit._native))
    gradient = np.array(posterior.evaluate(x)[1])
    # What is left at the maximum of the likelihood is the slope of the Jacobian: 1 for each
    # logarithm, -2 tanh(t) for the partial correlation under LKJ(1).
    jacobian = np.array([0.0, 0.0] + [1.0] * (len(x) - 2))
    if len(x) == 6:
        jacobian[5] = -2 * np.tanh(x[5])
    np.testing.assert_allclose(gradient, jacobian, atol=2e-6)


def test_flat_priors_have_their_mode_at_the_likelihood_fit_of_crossed_factors():
    data = pp.load_dataset("penicillin_assay")
    fit = pp.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", data, reml=False)
    posterior = log_posterior(fit)
    x = np.array(posterior.near(fit._native))
    # Jacobians of the logarithms of σ and of two standard deviations.
    np.testing.assert_allclose(posterior.evaluate(x)[1], [0, 1, 1, 1], atol=2e-6)
    # Without them the density falls whichever way one goes.
    for step in [*(0.05 * np.eye(4)), *(-0.05 * np.eye(4))]:
        assert posterior.evaluate(x + step)[0] - step[1:].sum() < posterior.evaluate(x)[0]


def test_draws_of_random_effects_have_their_conditional_law(slope_fit, sleepstudy):
    posterior = log_posterior(slope_fit)
    draw = np.array([250.0, 11.0, 26.0, 25.0, 6.0, 0.3])  # β, σ, sds, correlation
    size = 4000
    drawn = posterior.random_effects(np.tile(draw, size), 3, 0, False).reshape(size, 36)
    days = sleepstudy["Days"].to_numpy(float)
    codes = sleepstudy["Subject"].astype("category").cat.codes.to_numpy()
    z = np.zeros((180, 36))
    z[np.arange(180), 2 * codes], z[np.arange(180), 2 * codes + 1] = 1, days
    block = np.array([[25.0**2, 0.3 * 25 * 6], [0.3 * 25 * 6, 36.0]])
    g = np.kron(np.eye(18), block)
    v = z @ g @ z.T + 26.0**2 * np.eye(180)
    gain = g @ z.T @ np.linalg.inv(v)
    mean = gain @ (sleepstudy["Reaction"].to_numpy() - 250 - 11 * days)
    covariance = g - gain @ z @ g
    sd = np.sqrt(np.diag(covariance))
    assert np.abs((drawn.mean(axis=0) - mean) / sd).max() < 5 / np.sqrt(size)
    scaled = np.cov((drawn / sd).T) - covariance / np.outer(sd, sd)
    assert np.abs(scaled).max() < 6 / np.sqrt(size)


def test_posterior_is_that_of_a_grid():
    pulp = pp.load_dataset("pulp")
    priors = {
        "Intercept": pp.normal(60, 2),
        "sd": pp.half_normal(0.5),
        "sigma": pp.exponential(2),
    }
    post = pp.sample(
        "bright ~ 1 + (1 | operator)", pulp, priors=priors, draws=2500, seed=4, progress=False
    )
    y = pulp["bright"].to_numpy()
    same = pulp["operator"].to_numpy()[:, None] == pulp["operator"].to_numpy()
    sds, sigmas = np.linspace(0.004, 2.4, 150), np.linspace(0.16, 0.9, 110)
    log_density = np.empty((len(sds), len(sigmas)))
    for i, sd in enumerate(sds):
        for j, sigma in enumerate(sigmas):
            # The mean is integrated out too: its prior adds to the covariance of y.
            v = sd**2 * same + sigma**2 * np.eye(20) + 4.0
            lower = np.linalg.cholesky(v)
            e = np.linalg.solve(lower, y - 60)
            log_density[i, j] = -np.log(np.diag(lower)).sum() - e @ e / 2
    log_density += priors["sd"].log_density(sds)[:, None]
    log_density += priors["sigma"].log_density(sigmas)
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    grids = {"sd_operator__Intercept": (sds, weight.sum(1)), "sigma": (sigmas, weight.sum(0))}
    for name, (grid, w) in grids.items():
        draws = post.draws(name)
        mean = (grid * w).sum()
        sd = np.sqrt((grid**2 * w).sum() - mean**2)
        assert abs(draws.mean() - mean) < 4 * standard_error(draws) + 0.002 * sd
        assert draws.std() == pytest.approx(sd, rel=0.07)
