"""Shares of the variance that random effects explain."""

import numpy as np
import partialpool as pp
import pytest
from numpy.testing import assert_allclose
from partialpool.errors import ArgumentError

SLEEP = pp.load_dataset("sleepstudy")
SLOPES = "Reaction ~ Days + (Days | Subject)"


def test_johnsons_share_is_the_mean_of_the_rows_variances():
    fit = pp.lmer(SLOPES, SLEEP)
    (term,) = fit.terms
    z = np.column_stack([np.ones(len(SLEEP)), SLEEP["Days"]])
    random = np.mean(np.einsum("ij,jk,ik->i", z, term.covariance, z)) * fit.sigma**2
    assert_allclose(
        fit.explained_variance_by("johnson"), random / (random + fit.sigma**2), rtol=1e-12
    )
    assert fit.explained_variance_by() == fit.explained_variance_by("johnson")


@pytest.mark.parametrize(("unit", "origin"), [(24.0, 0.0), (1.0, 4.5), (1e-6, 100.0)])
def test_johnsons_share_does_not_change_with_unit_and_origin(unit, origin):
    moved = SLEEP.assign(Days=(SLEEP["Days"] - origin) * unit)
    one, other = pp.lmer(SLOPES, SLEEP), pp.lmer(SLOPES, moved)
    assert_allclose(other.explained_variance_by(), one.explained_variance_by(), rtol=1e-7)
    assert abs(other.explained_variance - one.explained_variance) > 0.01


def test_all_forms_are_one_with_intercepts_only():
    fit = pp.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    assert_allclose(fit.explained_variance_by("johnson"), fit.explained_variance, rtol=1e-12)
    assert fit.explained_variance_by("sum") == fit.explained_variance


def test_other_forms_are_refused():
    with pytest.raises(ArgumentError, match="'sum', 'johnson', not 'nakagawa'"):
        pp.lmer(SLOPES, SLEEP).explained_variance_by("nakagawa")
