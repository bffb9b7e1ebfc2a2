"""Weights, offsets, missing rows, transforms and rank deficiency against R.

The values (reference/more_models.json, with its script) come from optimisers run to tight
tolerances, so that six digits must agree.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest

from tests.references import read_reference

MADE = read_reference("more_models")
MODELS = [name for name in MADE if name != "made"]
DATA = {
    "slope_in_cake": "cake",
    "crossed_weights": "penicillin_assay",
    "nested_ml": "pastes",
    "irrigation_ml": "irrigation",
    "dragons_double_bar": "dragons",
}

Compare = Callable[..., list[str]]


def data_of(name: str) -> pd.DataFrame:
    """The data as the script makes them."""
    data = pp.load_dataset(DATA.get(name, "sleepstudy"))
    if name == "crossed_weights":
        return data.assign(w=1.0 + (data["plate"].cat.codes + 1) % 4)
    if name in DATA:
        return data
    days = data["Days"]
    data = data.assign(w=1 + days % 3, o=5 * days - 0.25 * days**2)
    if name == "missing":
        data = data.astype({"Days": float})
        data.loc[[1, 16, 89], "Reaction"] = np.nan
        data.loc[[4, 16, 120], "Days"] = np.nan
    return data


def fit_of_more(name: str) -> pp.LinearMixedModel:
    weights = "w" if "weights" in name else None
    return pp.lmer(MADE[name]["formula"], data_of(name), reml=MADE[name]["reml"], weights=weights)


@pytest.mark.parametrize("name", MODELS)
def test_everything_agrees_with_r(name: str, compare: Compare) -> None:
    r, fit = MADE[name], fit_of_more(name)
    assert (fit.nobs, fit.npar) == (r["n"], r["npar"])
    table = fit.summary().coefficients
    quantities: list[tuple[str, Any, Any]] = [
        ("logLik", fit.loglik, r["logLik"]),
        ("AIC", fit.aic, r["AIC"]),
        ("BIC", fit.bic, r["BIC"]),
        ("ML deviance", fit.deviance, r["ml_deviance"]),
        ("sigma", fit.sigma, r["sigma"]),
        ("theta", fit.theta, r["theta"]),
        ("estimate", table["estimate"], r["estimate"]),
        ("std_error", table["std_error"], r["std_error"]),
        ("t", table["statistic"], r["t"]),
        ("vcov", fit.covariance, r["vcov"]),
        ("fitted", fit.fitted[:20], r["fitted"]),
        ("pearson", fit.residuals("pearson")[:20], r["pearson"]),
        ("scaled", fit.residuals("scaled")[:20], r["scaled"]),
        ("hat", fit.hatvalues[:20], r["hat"]),
        ("sum of hat", fit.hatvalues.sum(), r["hat_sum"]),
        ("population", fit.predict(random="none")[:20], r["population"]),
    ]
    wrong = compare("criterion", fit.criterion, r["criterion"], 0.0, floor=1e-8)
    for what, ours, theirs in quantities:
        wrong += compare(what, ours, theirs, 1e-5, floor=1e-5 * np.max(np.abs(theirs)))
    # lmerTest's derivatives are numeric.
    wrong += compare("df", table["df"], r["df"], 1e-3)
    wrong += compare("log p", np.log(table["p_value"]), np.log(r["p"]), 1e-3)
    assert not wrong, "\n".join([name, *wrong])


@pytest.mark.parametrize("name", MODELS)
def test_random_effects_agree_with_r(name: str, compare: Compare) -> None:
    r, fit = MADE[name], fit_of_more(name)
    frame = pd.DataFrame({k: r[k] for k in ("grp", "level", "effect", "condval", "condsd")})
    ours = fit.ranef(condsd=True)
    assert set(ours) == set(frame["grp"])
    wrong: list[str] = []
    for (group, effect), part in frame.groupby(["grp", "effect"]):
        column = "Intercept" if effect == "(Intercept)" else effect
        mine = ours[group].set_axis(ours[group].index.astype(str)).loc[part["level"]]
        for ending, theirs in (("", part["condval"]), ("_condsd", part["condsd"])):
            floor = 1e-5 * np.max(np.abs(theirs))
            what = f"{effect}{ending} | {group}"
            wrong += compare(what, mine[f"{column}{ending}"], theirs, 1e-5, floor=floor)
    assert not wrong, "\n".join([name, *wrong])


def test_the_deficient_column_is_the_one_that_r_drops() -> None:
    fit = fit_of_more("deficient")
    assert fit.aliased == ("I(2 * Days + 1)",)


def test_rows_dropped_are_those_of_r() -> None:
    assert fit_of_more("missing").dropped_rows == 5
