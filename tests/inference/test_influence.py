"""Deletion diagnostics against lme4's influence() and generalised least squares with n x n V."""

import pickle
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pyarrow as pa
import pytest
from partialpool.errors import ArgumentError, DataError
from partialpool.inference.influence import Influence

GROUP = {
    "sleep": "Subject",
    "weighted": "Subject",
    "penicillin": "blend",
    "pastes": "batch",
    "crossed": "sample",
}


@cache
def fit_of(name: str) -> pp.LinearMixedModel:
    if name == "sleep":
        return pp.lmer("Reaction ~ Days + (Days | Subject)", pp.load_dataset("sleepstudy"))
    if name == "weighted":
        data = pp.load_dataset("sleepstudy")
        data["w"] = 1.0 + np.arange(len(data)) % 4
        return pp.lmer("Reaction ~ Days + (1 | Subject)", data, weights="w")
    if name == "penicillin":
        return pp.lmer("yield ~ treat + (1 | blend)", pp.load_dataset("penicillin"))
    if name == "pastes":
        return pp.lmer("strength ~ 1 + (1 | batch / cask)", pp.load_dataset("pastes"))
    assert name == "crossed"
    data = pp.load_dataset("penicillin_assay")
    return pp.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", data)


def table(values: Any, width: int) -> np.ndarray:
    return np.array(values, dtype=float).reshape(-1, width)


def compare(found: Influence, theirs: dict[str, Any]) -> None:
    p = len(found.names)
    se = found.std_error.max(axis=0)
    # lme4's θ is not exact: differences are judged in units of the standard error
    np.testing.assert_allclose(found.dfbeta / se, table(theirs["dfbeta"], p) / se, atol=2e-5)
    np.testing.assert_allclose(found.std_error, table(theirs["se"], p), rtol=2e-4)


@pytest.mark.parametrize("name", GROUP)
def test_leverage_and_conditional_cooks_distance_as_in_lme4(reference: Any, name: str) -> None:
    theirs = reference("influence")[name]
    fit = fit_of(name)
    np.testing.assert_allclose(fit.influence().leverage, theirs["hat"], rtol=2e-4)
    np.testing.assert_allclose(fit.augment()["cooksd"], theirs["cooksd"], rtol=2e-3, atol=1e-7)


@pytest.mark.parametrize("name", [n for n in GROUP if n != "crossed"])
def test_deleting_a_row_with_variances_fixed_is_generalised_least_squares(
    reference: Any, name: str
) -> None:
    theirs = reference("influence")[name]["row"]
    found = fit_of(name).influence()
    compare(found, theirs)
    np.testing.assert_allclose(found.cooks_distance, theirs["cook"], rtol=5e-4, atol=1e-8)
    assert found.failed == {}


@pytest.mark.parametrize("name", GROUP)
def test_deleting_a_group_with_variances_fixed_is_generalised_least_squares(
    reference: Any, name: str
) -> None:
    theirs = reference("influence")[name]["group"]
    found = fit_of(name).influence(GROUP[name])
    compare(found, theirs)
    np.testing.assert_allclose(found.cooks_distance, theirs["cook"], rtol=5e-4, atol=1e-8)
    fit = fit_of(name)
    codes = next(f.codes for f in fit.design.factors if f.name == GROUP[name])
    np.testing.assert_allclose(found.leverage, np.bincount(codes, weights=fit.hatvalues))


@pytest.mark.parametrize("name", GROUP)
def test_refitting_without_a_group_as_lme4s_influence(reference: Any, name: str) -> None:
    theirs = reference("influence")[name]["refit"]
    found = fit_of(name).influence(GROUP[name], refit=True)
    order = [theirs["level"].index(str(v)) for v in found.labels]
    p = len(found.names)
    se = found.std_error.max(axis=0)
    np.testing.assert_allclose(found.dfbeta / se, table(theirs["dfbeta"], p)[order] / se, atol=2e-3)
    np.testing.assert_allclose(found.std_error, table(theirs["se"], p)[order], rtol=2e-3)
    np.testing.assert_allclose(found.sigma, np.array(theirs["sigma"])[order], rtol=2e-3)


def test_refitting_without_each_row_as_lme4s_influence(reference: Any) -> None:
    theirs = reference("influence")["sleep"]["refit_rows"]
    found = fit_of("sleep").influence(refit=True)
    se = found.std_error.max(axis=0)
    np.testing.assert_allclose(found.dfbeta / se, table(theirs["dfbeta"], 2) / se, atol=1e-3)


@pytest.mark.parametrize("name", ["sleep", "weighted", "crossed", "penicillin"])
def test_a_refit_from_downdated_products_is_the_fit_of_the_other_rows(name: str) -> None:
    fit = fit_of(name)
    group = GROUP[name]
    found = fit.influence(group, refit=True)
    data = fit.design.source
    for i in (0, len(found.labels) - 1):
        rest = data[data[group].astype(str) != str(found.labels[i])]
        again = fit.update(data=rest, weights="w" if name == "weighted" else None)
        np.testing.assert_allclose(found.dfbeta[i], again.beta - fit.beta, atol=1e-6)
        np.testing.assert_allclose(found.sigma[i], again.sigma, rtol=1e-6)
        np.testing.assert_allclose(found.theta[i], again.theta, rtol=1e-4, atol=1e-5)


def test_the_closed_forms_are_the_downdated_products() -> None:
    from partialpool.inference import influence as room

    fit = fit_of("weighted")
    closed = (fit.influence(), fit.influence("Subject"))
    downdated = (
        room._by_downdating(fit, None, fit.nobs, refit=False),
        room._by_downdating(fit, fit.design.factors[0].codes.astype(np.intp), 18, refit=False),
    )
    for a, b in zip(closed, downdated, strict=True):
        np.testing.assert_allclose(a.dfbeta, b.dfbeta, atol=1e-9)
        np.testing.assert_allclose(a.std_error, b.std_error, rtol=1e-10)


def test_by_any_column_of_the_data() -> None:
    fit = fit_of("sleep")
    found = fit.influence("Days")
    assert len(found.labels) == 10
    rest = fit.design.source[fit.design.source["Days"] != 9]
    refitted = fit.influence("Days", refit=True)
    again = fit.update(data=rest)
    np.testing.assert_allclose(refitted.dfbeta[9], again.beta - fit.beta, atol=1e-6)


def test_a_group_that_alone_holds_a_fixed_effect_cannot_be_left_out() -> None:
    data = pp.load_dataset("sleepstudy")
    data["first"] = (data["Subject"] == data["Subject"].iloc[0]).astype(float)
    fit = pp.lmer("Reaction ~ Days + first + (1 | Subject)", data)
    for refit in (False, True):
        found = fit.influence("Subject", refit=refit)
        assert [str(v) for v in found.failed] == [str(data["Subject"].iloc[0])]
        assert np.isnan(found.dfbeta[0]).all()
        assert np.isfinite(found.dfbeta[1:]).all()
        assert "determine" in str(found)


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames_are_of_the_kind_that_came_in(kind: Any) -> None:
    sleep = pp.load_dataset("sleepstudy")
    data = kind({c: sleep[c].tolist() for c in sleep.columns})
    fit = pp.lmer("Reaction ~ Days + (1 | Subject)", data)
    assert type(fit.influence().to_frame()) is type(data)
    assert type(fit.influence("Subject").to_frame()) is type(data)
    assert type(fit.shrinkage()) is type(data)


def test_rows_are_labelled_by_their_place_in_the_data() -> None:
    data = pp.load_dataset("sleepstudy").astype({"Reaction": float})
    data.loc[2, "Reaction"] = np.nan
    found = pp.lmer("Reaction ~ Days + (1 | Subject)", data).influence()
    assert list(found.labels[:4]) == [0, 1, 3, 4]


BAD = [
    (lambda f: f.influence("Dose"), "by='Dose'"),
    (lambda f: f.influence(["Subject"]), "not ['Subject']"),
    (lambda f: f.influence(refit="yes"), "not 'yes'"),
    (lambda f: pickle.loads(pickle.dumps(f)).influence("Days"), "no grouping factor"),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[w for _, w in BAD])
def test_bad_input_is_named(call: Any, words: str) -> None:
    with pytest.raises(ArgumentError) as error:
        call(fit_of("sleep"))
    assert words in str(error.value)


def test_a_fit_without_rows_says_so(tmp_path: Any) -> None:
    fit_of("sleep").save(tmp_path / "fit.pp")
    with pytest.raises(DataError, match="without its rows"):
        pp.load(tmp_path / "fit.pp").influence()
