"""Fits of the reference models, each made once, and the data of make_tests_of_terms.R."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool import _core

from tests.references import REFERENCE, read_reference

#: R's file name → our data set, and the numeric columns that are factors in R.
DATA = {
    "sleepstudy.csv": ("sleepstudy", ()),
    "irrigation.csv": ("irrigation", ()),
    "dragons.csv": ("dragons", ()),
    "solutions.csv": ("solutions", ()),
    "faraway_pulp.csv": ("pulp", ()),
    "faraway_penicillin.csv": ("penicillin", ()),
    "Pastes.csv": ("pastes", ()),
    "Penicillin.csv": ("penicillin_assay", ()),
    "Dyestuff.csv": ("dyestuff", ()),
    "Dyestuff2.csv": ("dyestuff2", ()),
    "cake.csv": ("cake", ("temperature",)),
}


@cache
def make_fit(name: str) -> pp.LinearMixedModel:
    model = read_reference(name)
    data_set, factors = DATA[model["data"]]
    data = pp.load_dataset(data_set)
    for factor in factors:
        data[factor] = data[factor].astype(str)
    contrasts = {k: v.removeprefix("contr.") for k, v in (model["contrasts"] or {}).items()}
    return pp.lmer(model["formula"], data, reml=model["reml"], contrasts=contrasts or None)


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
def reference() -> Callable[[str], dict[str, Any]]:
    """A file of tests/reference."""
    return read_reference


@pytest.fixture
def fit_of() -> Callable[[str], pp.LinearMixedModel]:
    """Our fit of a reference model."""
    return make_fit


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
