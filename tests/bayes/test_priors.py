"""Every prior's density and slope against SciPy and finite differences."""

from __future__ import annotations

import numpy as np
import partialpool as pp
import pytest
from partialpool.errors import ArgumentError
from scipy import stats

AGAINST_SCIPY = [
    (pp.normal(0.4, 1.5), stats.norm(0.4, 1.5)),
    (pp.student_t(3, -0.5, 2), stats.t(3, -0.5, 2)),
    (pp.cauchy(0.3, 0.7), stats.cauchy(0.3, 0.7)),
    (pp.half_normal(2), stats.halfnorm(scale=2)),
    (pp.half_cauchy(1.2), stats.halfcauchy(scale=1.2)),
    (pp.exponential(0.8), stats.expon(scale=1 / 0.8)),
    (pp.gamma(2.5, 1.5), stats.gamma(2.5, scale=1 / 1.5)),
    (pp.gamma(0.5, 0.01), stats.gamma(0.5, scale=100)),
    (pp.inv_gamma(3, 2), stats.invgamma(3, scale=2)),
    (pp.uniform(-1, 3), stats.uniform(-1, 4)),
    (pp.lkj(2.5), stats.beta(2.5, 2.5, loc=-1, scale=2)),
]
PROPER = [prior for prior, _ in AGAINST_SCIPY] + [pp.half_student_t(4, 1.5)]


@pytest.mark.parametrize(("prior", "law"), AGAINST_SCIPY, ids=[str(p) for p, _ in AGAINST_SCIPY])
def test_log_density_is_scipys(prior, law):
    x = np.array([-7.0, -0.6, 0.1, 0.5, 0.9, 2.7, 40.0])
    np.testing.assert_allclose(prior.log_density(x), law.logpdf(x), rtol=1e-12, atol=1e-12)


def test_half_student_t_is_twice_students_t():
    x = np.array([0.2, 1.0, 9.0])
    expected = np.log(2) + stats.t(4, 0, 1.5).logpdf(x)
    np.testing.assert_allclose(pp.half_student_t(4, 1.5).log_density(x), expected, rtol=1e-12)
    assert pp.half_student_t(4, 1.5).log_density(-0.1) == -np.inf


@pytest.mark.parametrize("prior", PROPER, ids=str)
def test_gradient_is_a_difference(prior):
    x, h = np.array([[0.11, 0.4], [0.7, 0.93]]), 1e-6
    difference = (prior.log_density(x + h) - prior.log_density(x - h)) / (2 * h)
    np.testing.assert_allclose(prior.gradient(x), difference, rtol=1e-6, atol=1e-8)


def test_flat_says_nothing():
    assert pp.flat().log_density([-1e9, 3.0]).tolist() == [0.0, 0.0]
    assert not pp.flat().is_proper


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: pp.normal(0, -1), "normal: sd"),
        (lambda: pp.normal(0, 0), "normal: sd"),
        (lambda: pp.normal(float("nan"), 1), "normal: mean"),
        (lambda: pp.normal("a", 1), "normal: mean"),
        (lambda: pp.student_t(0, 0, 1), "student_t: df"),
        (lambda: pp.student_t(3, 0, -1), "student_t: scale"),
        (lambda: pp.cauchy(0, 0), "cauchy: scale"),
        (lambda: pp.half_normal(-5), "half_normal: scale"),
        (lambda: pp.half_student_t(-3, 1), "half_student_t: df"),
        (lambda: pp.half_cauchy(float("inf")), "half_cauchy: scale"),
        (lambda: pp.exponential(0), "exponential: rate"),
        (lambda: pp.gamma(1, -1), "gamma: rate"),
        (lambda: pp.inv_gamma(-1, 1), "inv_gamma: shape"),
        (lambda: pp.uniform(3, 3), "uniform"),
        (lambda: pp.lkj(0), "lkj: eta"),
        (lambda: pp.lkj(True), "lkj: eta"),
    ],
)
def test_impossible_parameters_are_refused(make, named):
    with pytest.raises(ArgumentError, match=named):
        make()
