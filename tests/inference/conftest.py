"""Models of tests/reference/means.R and make_tests_of_terms.R, and fits of the reference models."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool import _core

from tests.references import REFERENCE, read_reference, reference_fit


def cake() -> pd.DataFrame:
    data = pp.load_dataset("cake")
    data["number"] = data["temperature"].astype(float) - 200
    data["temperature"] = data["temperature"].astype(str)
    return data


def few() -> pd.DataFrame:
    """cake with a third of one recipe's late cells and every seventh row left out."""
    data = cake()
    i = np.arange(len(data))
    lost = (data["recipe"] == "B") & (data["number"] > 5) & (data["replicate"].astype(int) > 9)
    out = data[(i % 7 != 3) & ~lost].reset_index(drop=True)
    out["early"] = (out["replicate"].astype(int) <= 8).astype(float)
    out["w"] = 1.0 + np.arange(len(out)) % 3
    return out


@cache
def make_model(name: str) -> Any:
    plots = "(1 | recipe:replicate)"
    if name == "full":
        return pp.lmer(f"angle ~ recipe * temperature + {plots}", cake())
    if name == "uneven":
        return pp.lmer(f"angle ~ recipe * number + early + {plots}", few(), weights="w")
    if name == "logged":
        return pp.lmer(f"log(angle) ~ recipe + poly(number, 2) + {plots}", few())
    if name == "shifted":
        return pp.lmer(f"angle ~ recipe + offset(number / 10) + {plots}", few())
    if name == "holed":
        data = cake()
        hole = (data["recipe"] == "C") & (data["temperature"] == "225")
        return pp.lmer(f"angle ~ recipe * temperature + {plots}", data[~hole])
    if name == "dragon":
        formula = "intelligence ~ wingspan * scales + (1 + wingspan | mountain)"
        return pp.lmer(formula, pp.load_dataset("dragons"))
    if name == "three":
        return pp.lmer("angle ~ recipe * temperature * early + (1 | replicate)", few())
    assert name == "plain"
    return pp.lm("angle ~ recipe * number", few())


@pytest.fixture
def model() -> Callable[[str], Any]:
    """A fit by its name in means.R."""
    return make_model


@pytest.fixture
def reference() -> Callable[[str], Any]:
    """A file of tests/reference."""
    return read_reference


@cache
def read_terms_data() -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "tests_of_terms.csv")


@cache
def make_terms_fit(name: str) -> pp.LinearMixedModel:
    model = read_reference("tests_of_terms")["models"][name]
    given = model.get("contrasts") or {}
    contrasts = {k: v.removeprefix("contr.") for k, v in given.items()}
    weights = model.get("weights") or None
    data = read_terms_data()
    return pp.lmer(model["formula"], data, contrasts=contrasts or None, weights=weights)


def at_parameters(fit: pp.LinearMixedModel, theta: list[float]) -> _core.Fit:
    """The native fit at R's θ, so that R's optimiser is not what differs."""
    lambdas = [np.zeros(len(lam)) for lam in fit._native.lambdas]
    values = iter(theta)
    for term in fit.terms:
        k = len(term.factor.names)
        lam = lambdas[term.index].reshape(k, k)
        for i, j in term.free_entries:
            lam[term.columns.start + i, term.columns.start + j] = next(values)
    state = (0.0, 1.0, 1.0, 1)
    plain = [lam.ravel().tolist() for lam in lambdas]
    return _core.Fit.restore(fit._products, fit.reml, plain, state, fit._native.hessian)


@pytest.fixture
def fit_of() -> Callable[[str], pp.LinearMixedModel]:
    """Our fit of a reference model."""
    return reference_fit


@pytest.fixture
def terms_fit_of() -> Callable[[str], pp.LinearMixedModel]:
    """Our fit of a model of make_tests_of_terms.R."""
    return make_terms_fit


@pytest.fixture
def terms_data() -> pd.DataFrame:
    """The data of make_tests_of_terms.R."""
    return read_terms_data().copy()


@pytest.fixture
def native_at() -> Callable[[pp.LinearMixedModel, list[float]], _core.Fit]:
    """A fit's factor at given θ."""
    return at_parameters
