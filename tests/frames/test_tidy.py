"""tidy, glance and augment against broom.mixed (tests/reference/tests.json) and lme4."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pyarrow as pa
import pytest
from partialpool.errors import ArgumentError, NewDataError

from tests.references import read_reference as reference

KINDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}


def columns() -> dict[str, list[Any]]:
    sleep = pp.load_dataset("sleepstudy")
    return {c: sleep[c].tolist() for c in sleep.columns}


def values(frame: Any, name: str) -> list[Any]:
    """A column as a list with None where it is missing."""
    column = frame[name]
    out = column.to_pylist() if isinstance(frame, pa.Table) else list(column)
    return [None if isinstance(v, float) and np.isnan(v) else v for v in out]


@pytest.fixture(scope="module", params=KINDS)
def sleep(request: pytest.FixtureRequest) -> tuple[Any, pp.LinearMixedModel]:
    """The sleepstudy slope model from each kind of frame."""
    make = KINDS[request.param]
    return make, pp.lmer("Reaction ~ Days + (Days | Subject)", make(columns()))


def as_r(term: str | None) -> str | None:
    return None if term is None else term.replace("Intercept", "(Intercept)")


def close(ours: list[Any], theirs: list[Any], rtol: float = 2e-4) -> None:
    assert [v is None for v in ours] == [v is None for v in theirs]
    np.testing.assert_allclose(
        [v for v in ours if v is not None], [v for v in theirs if v is not None], rtol=rtol
    )


def test_tidy_as_broom_mixed(sleep: Any) -> None:
    make, fit = sleep
    found = fit.tidy(conf_int=True)
    assert isinstance(found, type(make(columns())))
    theirs = reference("tests")["sleep_tidy"]
    for name in ("effect", "group"):
        assert values(found, name) == [r[name] for r in theirs]
    assert [as_r(t) for t in values(found, "term")] == [r["term.1"] for r in theirs]
    for name in ("estimate", "std_error", "statistic", "df", "conf_low", "conf_high", "p_value"):
        rtol = 1e-3 if name == "p_value" else 2e-4
        close(values(found, name), [r[name.replace("_", ".")] for r in theirs], rtol)


def test_tidy_of_random_effects_as_broom_mixed(sleep: Any) -> None:
    make, fit = sleep
    found = fit.tidy("ran_vals", conf_int=True)
    assert isinstance(found, type(make(columns())))
    theirs = reference("tests")["sleep_tidy_ranvals_head"]
    for ours, name in (("estimate", "estimate"), ("std_error", "std.error")):
        close(values(found, ours)[: len(theirs)], [r[name] for r in theirs])
    assert values(found, "level")[: len(theirs)] == [r["level"] for r in theirs]
    estimate, se = (np.array(values(found, n)) for n in ("estimate", "std_error"))
    np.testing.assert_allclose(values(found, "conf_high"), estimate + 1.959963984540054 * se)


def test_tidy_of_coefficients_is_coef(sleep: Any) -> None:
    _, fit = sleep
    found = fit.tidy("ran_coefs")
    levels = fit.design.factors[0].levels
    coef = fit.coef()["Subject"]
    for j, term in enumerate(("Intercept", "Days")):
        rows = slice(j * len(levels), (j + 1) * len(levels))
        assert values(found, "term")[rows] == [term] * len(levels)
        assert values(found, "estimate")[rows] == values(coef, term)


def test_glance_as_broom_mixed(sleep: Any) -> None:
    make, fit = sleep
    found = fit.glance()
    assert isinstance(found, type(make(columns())))
    (theirs,) = reference("tests")["sleep_glance"]
    names = {"loglik": "logLik", "aic": "AIC", "bic": "BIC", "reml_criterion": "REMLcrit"}
    for name in ("nobs", "sigma", "df_residual", *names):
        close(values(found, name), [theirs[names.get(name, name.replace("_", "."))]], 1e-6)
    assert values(found, "deviance") == [None]


def test_glance_of_an_ml_fit_gives_its_deviance() -> None:
    fit = pp.lmer("Reaction ~ Days + (Days | Subject)", columns(), reml=False)
    found = fit.glance()
    assert found["deviance"][0] == fit.deviance
    assert np.isnan(found["reml_criterion"][0])


def test_augment_as_broom_mixed(sleep: Any) -> None:
    make, fit = sleep
    found = fit.augment()
    assert isinstance(found, type(make(columns())))
    theirs = reference("tests")["sleep_augment_head"]
    names = {"sqrt_xwt": "sqrtXwt", "sqrt_rwt": "sqrtrwt"}
    shown = ("fitted", "resid", "hat", "cooksd", "fixed", "mu", "offset", "weights", "wtres")
    for name in (*shown, *names):
        ours = values(found, name)[: len(theirs)]
        np.testing.assert_allclose(
            ours, [r[f".{names.get(name, name)}"] for r in theirs], rtol=2e-4
        )
    assert values(found, "Reaction") == columns()["Reaction"]


def test_augment_has_the_rows_used_and_new_data_all_rows(sleep: Any) -> None:
    make, _ = sleep
    data = columns()
    data["Days"] = [None if i == 3 else float(v) for i, v in enumerate(data["Days"])]
    data["other"] = list(range(180))
    fit = pp.lmer("Reaction ~ Days + (1 | Subject)", make(data))
    used = fit.augment()
    assert len(values(used, "fitted")) == 179
    assert values(used, "Reaction") == [v for i, v in enumerate(data["Reaction"]) if i != 3]
    assert "other" not in list(used.columns if make is not pa.table else used.column_names)
    new = fit.augment(make(data))
    fitted = values(new, "fitted")
    assert fitted[3] is None
    close(fitted[:3] + fitted[4:], values(used, "fitted"), 1e-12)
    close(values(new, "resid")[4:], values(used, "resid")[3:], 1e-9)
    assert values(new, "other") == data["other"]


def test_augment_keeps_the_index_of_a_pandas_frame() -> None:
    sleep = pp.load_dataset("sleepstudy").sample(frac=1, random_state=1)
    fit = pp.lmer("Reaction ~ Days + (1 | Subject)", sleep)
    found = fit.augment()
    assert (found.index == sleep.index).all()
    np.testing.assert_array_equal(found["Reaction"] - found["resid"], found["fitted"])


def test_augment_of_new_levels_without_the_response() -> None:
    fit = pp.lmer("Reaction ~ Days + (1 | Subject)", columns())
    new = pl.DataFrame({"Days": [1, 2], "Subject": [308, 999]})
    with pytest.raises(NewDataError, match="999"):
        fit.augment(new)
    found = fit.augment(new, new_levels="population")
    assert found.columns == ["Days", "Subject", "fitted", "fixed"]
    assert found["fitted"][1] == pytest.approx(found["fixed"][1])


MODELS = ("cake", "penicillin_crossed", "pastes_nested", "sleep_zerocorr", "solutions")


@pytest.mark.parametrize("name", MODELS)
def test_tidy_parameters_as_varcorr_of_lme4(name: str) -> None:
    model = reference(name)
    data_sets = {"Penicillin": "penicillin_assay"}
    stem = model["data"].split(".")[0]
    data = pp.load_dataset(data_sets.get(stem, stem.lower()))
    if name == "cake":
        data["temperature"] = data["temperature"].astype(str)
    found = pp.lmer(model["formula"], data, reml=model["reml"]).tidy("ran_pars")
    theirs = {}
    for row in model["varcorr"]:
        first = row["var1"] or "Observation"
        kind = f"cor__{first}.{row['var2']}" if row["var2"] else f"sd__{first}"
        theirs[row["grp"], kind.replace("(Intercept)", "Intercept")] = row["sdcor"]
    ours = dict(
        zip(zip(found["group"], found["term"], strict=True), found["estimate"], strict=True)
    )
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        assert ours[key] == pytest.approx(value, rel=2e-4)


def test_exponentiate_is_the_delta_method() -> None:
    data = columns()
    fit = pp.lmer("log(Reaction) ~ Days + (1 | Subject)", data)
    plain, found = (fit.tidy("fixed", conf_int=True, exponentiate=e) for e in (False, True))
    for name in ("estimate", "conf_low", "conf_high"):
        np.testing.assert_allclose(found[name], np.exp(plain[name]))
    np.testing.assert_allclose(found["std_error"], plain["std_error"] * np.exp(plain["estimate"]))
    np.testing.assert_array_equal(found["p_value"], plain["p_value"])


def test_asymptotic_limits_use_the_normal_quantile() -> None:
    fit = pp.lmer("Reaction ~ Days + (1 | Subject)", columns())
    found = fit.tidy("fixed", conf_int=True, conf_level=0.9, ddf="asymptotic")
    np.testing.assert_allclose(
        found["conf_high"], found["estimate"] + 1.6448536269514722 * found["std_error"]
    )


def fit_of(data: dict[str, Any]) -> pp.LinearMixedModel:
    return pp.lmer("Reaction ~ Days + (1 | Subject)", data)


BAD = [
    (lambda f: f.tidy("random"), "'random'"),
    (lambda f: f.tidy([]), "empty"),
    (lambda f: f.tidy(conf_int=True, conf_level=95), "95"),
    (lambda f: f.tidy(ddf="exact"), "'exact'"),
    (lambda f: f.tidy("ran_vals", exponentiate=True), "'fixed'"),
    (lambda f: f.augment(prefix=1), "prefix"),
    (lambda f: f.augment({**columns(), "fitted": [0.0] * 180}), "'fitted'"),
    (lambda f: pickle.loads(pickle.dumps(f)).augment(), "no data at hand"),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[w for _, w in BAD])
def test_bad_input_is_named(call: Any, words: str) -> None:
    with pytest.raises(ArgumentError) as error:
        call(fit_of(columns()))
    assert words in str(error.value)


def test_a_column_of_our_name_is_kept_beside_ours() -> None:
    data = {**columns(), "fixed": list(range(180))}
    fit = pp.lmer("Reaction ~ Days + fixed + (1 | Subject)", data)
    with pytest.raises(ArgumentError, match="'fixed'"):
        fit.augment()
    found = fit.augment(prefix=".")
    assert list(found["fixed"]) == list(range(180))
    np.testing.assert_allclose(found[".fixed"], fit.predict(random="none"))
