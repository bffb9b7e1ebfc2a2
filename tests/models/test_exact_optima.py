"""Seventeen models against their exact optima (Newton in 300-bit arithmetic), to 8-9 digits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import partialpool as pp
import pytest

from tests.references import read_reference

EXACT = read_reference("exact")


def exact_order(terms: list[str]) -> list[str]:
    """exact.json's order of R's coefficients: in interactions the last factor varies fastest."""
    return sorted(terms, key=lambda t: (":" in t, [terms.index(part) for part in t.split(":")]))


def canonical(lme4s: str) -> str:
    """ "Subject.Days.(Intercept)" as we have it: the earlier column first."""
    group, *columns = lme4s.split(".")
    return "__".join([f"theta_{group}", *reversed(columns)])


@pytest.mark.parametrize("name", EXACT)
def test_the_exact_optimum_is_reached(
    name: str,
    reference: Callable[[str], dict[str, Any]],
    fit_of: Callable[[str], pp.LinearMixedModel],
    in_r: Callable[..., str],
    compare: Callable[..., list[str]],
) -> None:
    exact, fit = EXACT[name], fit_of(name)
    ours = [in_r(n.replace("Intercept", "(Intercept)")) for n in fit.theta.index]
    assert ours == [canonical(n) for n in exact["theta_names"]]
    ours = fit.fixef.rename(in_r)
    order = [list(ours.index).index(term) for term in exact_order(list(reference(name)["fixef"]))]
    se = np.sqrt(np.diag(fit.covariance))
    wrong = [
        *compare("criterion", fit.criterion, exact["criterion"], 0.0, floor=1e-9),
        *compare("theta", fit.theta, exact["theta"], 1e-8),
        *compare("sigma2", fit.sigma**2, exact["sigma2"], 1e-8),
        *compare("beta", ours.iloc[order], exact["fixef"], 1e-8),
        *compare("se", se[order], exact["se"], 1e-8),
    ]
    assert not wrong, "\n".join([name, *wrong])


def test_seventeen_models_have_an_exact_optimum() -> None:
    assert len(EXACT) == 17
