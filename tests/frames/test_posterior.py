"""One schema for likelihood fits and posteriors: tidy, glance, augment."""

import numpy as np
import partialpool as pp
import polars as pl
import pyarrow as pa
import pytest
from partialpool.errors import ArgumentError

SLOPE = "Reaction ~ Days + (Days | Subject)"
RUN = {"chains": 2, "warmup": 200, "draws": 300, "seed": 3, "progress": False}


@pytest.fixture(scope="module")
def data():
    return pp.load_dataset("sleepstudy")


@pytest.fixture(scope="module")
def fit(data):
    return pp.lmer(SLOPE, data)


@pytest.fixture(scope="module")
def post(data):
    return pp.sample(SLOPE, data, **RUN)


@pytest.mark.parametrize("effects", ["fixed", "ran_pars", "ran_vals", "ran_coefs"])
def test_frames_differ_in_their_numbers_only(fit, post, effects):
    of_fit = fit.tidy(effects, conf_int=True)
    of_post = post.tidy(effects, conf_int=True)
    assert list(of_post.columns) == list(of_fit.columns)
    for name in set(of_fit.columns) & {"effect", "group", "level", "term"}:
        assert of_post[name].tolist() == of_fit[name].tolist()
    scale = of_post["std_error"]
    assert (np.abs(of_post["estimate"] - of_fit["estimate"]) < scale).all()
    assert (of_post["conf_low"] < of_post["estimate"]).all()
    assert (of_post["estimate"] < of_post["conf_high"]).all()
    assert of_post[["statistic", "df", "p_value"]].isna().all(axis=None)


def test_numbers_are_those_of_the_draws(post):
    row = post.tidy("ran_pars", conf_int=True, conf_level=0.8).set_index("term")
    own = {
        "sd__Intercept": "sd_Subject__Intercept",
        "cor__Intercept.Days": "cor_Subject__Intercept__Days",
        "sd__Observation": "sigma",
    }
    for term, name in own.items():
        draws = post.draws(name).ravel()
        expected = [draws.mean(), draws.std(ddof=1), *np.quantile(draws, [0.1, 0.9])]
        found = row.loc[term, ["estimate", "std_error", "conf_low", "conf_high"]].tolist()
        assert found == pytest.approx(expected)
    summary = post.summary().set_index("variable").loc["Days"]
    robust = post.tidy("fixed", robust=True).set_index("term").loc["Days"]
    assert robust["estimate"] == pytest.approx(summary["median"])
    assert robust["std_error"] == pytest.approx(summary["mad"])
    exact = np.exp(post.tidy("fixed")["estimate"][1])
    assert post.tidy("fixed", exponentiate=True)["estimate"][1] == pytest.approx(exact)


def test_coefficients_of_a_level_are_fixed_plus_random(post):
    table = post.tidy("ran_coefs", conf_int=True)
    row = table[(table["level"] == "310") & (table["term"] == "Days")].iloc[0]
    draws = post.draws("Days") + post.random_draws[0][:, :, 2, 1]
    assert row["estimate"] == pytest.approx(draws.mean())
    assert row["conf_low"] == pytest.approx(np.quantile(draws, 0.025))


FORMULAS = [
    ("irrigation", "yield ~ irrigation + (1 | field)"),
    ("sleepstudy", "Reaction ~ Days + (Days || Subject)"),
    ("penicillin_assay", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
    ("pastes", "strength ~ 1 + (1 | batch/cask)"),
]


@pytest.mark.parametrize(("name", "formula"), FORMULAS)
def test_parameters_have_a_fits_names_and_order(name, formula):
    data = pp.load_dataset(name)
    of_fit = pp.lmer(formula, data).tidy()
    of_post = pp.sample(formula, data, **{**RUN, "warmup": 50, "draws": 20}).tidy()
    for column in ("effect", "group", "term"):
        # a fixed effect has no group
        assert of_post[column].fillna("").tolist() == of_fit[column].fillna("").tolist()


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table])
def test_frames_are_of_the_kind_that_came_in(data, make):
    columns = {c: data[c].tolist() for c in data}
    post = pp.sample(SLOPE, make(columns), **{**RUN, "draws": 20})
    for frame in (post.tidy(), post.glance(), post.augment()):
        assert type(frame) is type(make(columns))


def test_glance_is_that_of_a_stanreg(post):
    row = post.glance().iloc[0]
    assert row.to_dict() == {
        "algorithm": "NUTS",
        "chains": 2,
        "pss": 600,
        "nobs": 180,
        "sigma": float(np.median(post.draws("sigma"))),
    }


def test_augment_puts_posterior_means_beside_the_data(post, fit, data):
    table = post.augment()
    assert list(table.columns) == [*data.columns, "fitted", "se_fit", "resid", "fixed"]
    np.testing.assert_allclose(table["fitted"] + table["resid"], data["Reaction"])
    assert np.abs(table["fitted"] - fit.fitted).max() < 6
    new = post.augment({"Days": [3.0], "Subject": [308]}, prefix=".")
    assert list(new.columns) == ["Days", "Subject", ".fitted", ".se_fit", ".fixed"]
    assert new[".fitted"][0] == pytest.approx(table["fitted"][3])
    with pytest.raises(ArgumentError, match="'fitted'"):
        post.augment(data.assign(fitted=1.0))


def test_wrong_arguments_are_named(post):
    with pytest.raises(ArgumentError, match="'random'"):
        post.tidy("random")
    with pytest.raises(ArgumentError, match="95"):
        post.tidy(conf_level=95)


# ---- intervals of a likelihood fit's variance parameters ---------------------------------------


@pytest.mark.parametrize(
    ("name", "formula"),
    [("sleepstudy", SLOPE), *FORMULAS[1:], ("cake", "angle ~ temp + (1 | recipe:replicate)")],
)
def test_tidy_has_profile_intervals_of_the_right_parameters(name, formula):
    fit = pp.lmer(formula, pp.load_dataset(name))
    exact = fit.confint("profile")
    table = fit.tidy(conf_int=True, conf_method="profile")
    sds = exact[[n.startswith("sd_") or n == "sigma" for n in exact.index]].to_numpy()
    found = table[[t.startswith("sd__") for t in table["term"]]]
    np.testing.assert_allclose(found[["conf_low", "conf_high"]], sds)
    for text, row in exact.iterrows():
        if text in fit.fixed_names:
            own = table[table["term"] == text]
            np.testing.assert_allclose(own[["conf_low", "conf_high"]].to_numpy()[0], row)
    estimates = found["estimate"].to_numpy()
    assert ((sds[:, 0] < estimates) & (estimates < sds[:, 1])).all()


def test_wald_leaves_variances_without_an_interval_and_boot_gives_one(fit):
    wald = fit.tidy("ran_pars", conf_int=True)
    assert wald[["conf_low", "conf_high"]].isna().all(axis=None)
    boot = fit.tidy("ran_pars", conf_int=True, conf_method="boot", nsim=60, seed=2)
    exact = fit.confint("boot", nsim=60, seed=2, parm="theta_")
    np.testing.assert_allclose(boot[["conf_low", "conf_high"]], exact)
    with pytest.raises(ArgumentError, match="'score'"):
        fit.tidy(conf_int=True, conf_method="score")
