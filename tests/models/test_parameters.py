"""A parameter has one name, wherever it is asked for."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pytest
from partialpool.cli.main import main
from partialpool.errors import ArgumentError
from partialpool.models.fit import MixedFit

matplotlib.use("agg")


@dataclass(frozen=True)
class Case:
    """A model, the names of its random parameters in lme4's order, and of its fixed effects."""

    formula: str
    random: tuple[str, ...]
    fixed: tuple[str, ...]
    theta: tuple[str, ...]


CASES = {
    "slopes": Case(
        "y ~ x + (x | g)",
        ("sd_g__Intercept", "cor_g__Intercept__x", "sd_g__x"),
        ("Intercept", "x"),
        ("theta_g__Intercept", "theta_g__Intercept__x", "theta_g__x"),
    ),
    "independent": Case(
        "y ~ x + (x || g)",
        ("sd_g__Intercept", "sd_g__x"),
        ("Intercept", "x"),
        ("theta_g__Intercept", "theta_g__x"),
    ),
    "one column twice": Case(
        "y ~ x + (1 | g) + (0 + x | g) + (0 + x + z | g)",
        ("sd_g__Intercept", "sd_g__x", "sd_g__x.1", "cor_g__x.1__z", "sd_g__z"),
        ("Intercept", "x"),
        ("theta_g__Intercept", "theta_g__x", "theta_g__x.1", "theta_g__x.1__z", "theta_g__z"),
    ),
    "crossed": Case(
        "y ~ x + (1 | h) + (x | g)",
        ("sd_g__Intercept", "cor_g__Intercept__x", "sd_g__x", "sd_h__Intercept"),
        ("Intercept", "x"),
        ("theta_g__Intercept", "theta_g__Intercept__x", "theta_g__x", "theta_h__Intercept"),
    ),
    "nested": Case(
        "y ~ x + (1 | h/g)",
        ("sd_g:h__Intercept", "sd_h__Intercept"),
        ("Intercept", "x"),
        ("theta_g:h__Intercept", "theta_h__Intercept"),
    ),
    "a column that is not the first": Case(
        "y ~ x + (0 + z + x | g)",
        ("sd_g__z", "cor_g__z__x", "sd_g__x"),
        ("Intercept", "x"),
        ("theta_g__z", "theta_g__z__x", "theta_g__x"),
    ),
    "odd names": Case(
        "y ~ `a b` + (`a b` | `it's`)",
        ("sd_it's__Intercept", "cor_it's__Intercept__a b", "sd_it's__a b"),
        ("Intercept", "a b"),
        ("theta_it's__Intercept", "theta_it's__Intercept__a b", "theta_it's__a b"),
    ),
    "a factor": Case(
        "y ~ f + (1 | g)",
        ("sd_g__Intercept",),
        ("Intercept", "f[T.b]"),
        ("theta_g__Intercept",),
    ),
    "sigma": Case(
        "y ~ sigma + (sigma | g)",
        ("sd_g__Intercept", "cor_g__Intercept__sigma", "sd_g__sigma"),
        ("Intercept", "b_sigma"),
        ("theta_g__Intercept", "theta_g__Intercept__sigma", "theta_g__sigma"),
    ),
    "a parameter's name": Case(
        "y ~ `sd_g__Intercept` + `theta_g__Intercept` + zeta + (1 | g)",
        ("sd_g__Intercept",),
        ("Intercept", "b_sd_g__Intercept", "b_theta_g__Intercept", "b_zeta"),
        ("theta_g__Intercept",),
    ),
    "lme4's names": Case(
        "y ~ `.sig01` + `sd_(Intercept)|g` + (1 | g)",
        ("sd_g__Intercept",),
        ("Intercept", ".sig01", "sd_(Intercept)|g"),
        ("theta_g__Intercept",),
    ),
    "underscores": Case(
        "y ~ 1 + (0 + a + `b__c` + `a__b` + c | g)",
        (
            *("sd_g__a", "cor_g__a__b__c", "cor_g__a__a__b", "cor_g__a__c", "sd_g__b__c"),
            *("cor_g__b__c__a__b", "cor_g__b__c__c", "sd_g__a__b", "cor_g__a__b__c.1", "sd_g__c"),
        ),
        ("Intercept",),
        (
            *("theta_g__a", "theta_g__a__b__c", "theta_g__a__a__b", "theta_g__a__c"),
            *("theta_g__b__c", "theta_g__b__c__a__b", "theta_g__b__c__c", "theta_g__a__b"),
            *("theta_g__a__b__c.1", "theta_g__c"),
        ),
    ),
}


def table() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = np.arange(240)
    names = [
        "x",
        "z",
        "sigma",
        "sd_g__Intercept",
        "theta_g__Intercept",
        "zeta",
        "a",
        "b__c",
        "a__b",
        "c",
    ]
    names += ["a b", ".sig01", "sd_(Intercept)|g"]
    out = pd.DataFrame(rng.normal(size=(240, len(names))), columns=names)
    out["g"], out["h"], out["f"] = rows % 12, rows // 60, np.array(["a", "b"])[rows // 120]
    out["it's"] = out["g"]
    effects = rng.normal(size=(12, len(names)))[out["g"]]
    out["y"] = effects[:, 0] + rng.normal(size=4)[out["h"]] + rng.normal(size=240)
    return out.assign(y=out["y"] + (effects * out[names].to_numpy()).sum(axis=1))


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture(scope="module")
def fit(case: Case) -> MixedFit:
    return pp.lmer(case.formula, table())


@pytest.fixture(scope="module")
def post(case: Case) -> pp.Posterior:
    return pp.sample(case.formula, table(), chains=2, warmup=20, draws=20, seed=1, progress=False)


def in_lme4s_order(case: Case) -> list[str]:
    return [*case.random, "sigma", *case.fixed]


def of_a_posterior(case: Case) -> list[str]:
    """Fixed effects, standard deviations, correlations, sigma."""
    parts = ([n for n in case.random if n.startswith(kind)] for kind in ("sd_", "cor_"))
    sds, cors = parts
    return [*case.fixed, *sds, *cors, "sigma"]


def test_intervals_and_bootstraps_have_them(case: Case, fit: MixedFit) -> None:
    names = in_lme4s_order(case)
    assert len(set(names)) == len(names)
    assert list(fit.confint().index) == names
    boot = pp.bootstrap(fit, nsim=4, seed=1)
    assert list(boot.names) == list(boot.confint().index) == list(boot.to_frame().columns) == names
    assert list(fit.confint("boot", nsim=4, seed=1).index) == names
    assert list(fit.confint(names="lme4").index[: len(case.random)]) == [
        f".sig{i + 1:02d}" for i in range(len(case.random))
    ]


def test_every_name_asks_for_its_parameter(case: Case, fit: MixedFit) -> None:
    for style in ("canonical", "lme4", "lme4-long"):
        whole = fit.confint("boot", nsim=4, seed=1, names=style)
        for i, name in enumerate(whole.index):
            own = fit.confint("boot", nsim=4, seed=1, parm=name, names=style)
            pd.testing.assert_frame_equal(own, whole.iloc[[i]])
    # lme4's names of the random part are understood without being asked for
    if "lme4" not in case.formula and not any("." in n[:4] or "|" in n for n in case.fixed):
        for style in ("lme4", "lme4-long"):
            theirs = list(fit.confint(names=style).index[: len(case.random)])
            assert list(fit.confint(parm=theirs).index) == list(case.random)


def test_theta_has_them(case: Case, fit: MixedFit) -> None:
    assert list(fit.theta.index) == list(case.theta)
    influence = fit.influence("g" if "it's" not in case.formula else "it's")
    assert list(influence.theta_names) == list(case.theta)
    assert [f"dfbetas_{n}" for n in case.fixed] == list(influence.to_frame().columns[3:])
    found = dict(zip(case.theta, fit.theta, strict=True))
    for term in fit.terms:
        for i, j in term.free_entries:
            name = fit.parameters.theta(term.index, term.columns.start + i, term.columns.start + j)
            assert found[name] == term.lam[i, j]


def test_variances_and_tidy_frames_have_them(case: Case, fit: MixedFit, post: pp.Posterior) -> None:
    random = [*case.random, "sigma"]
    frame = fit.varcorr
    assert list(frame.columns) == ["grp", "var1", "var2", "vcov", "sdcor", "parameter"]
    assert sorted(frame["parameter"]) == sorted(random)
    pd.testing.assert_frame_equal(frame, fit.summary().varcorr)
    of_fit = fit.tidy(conf_int=True)
    of_post = post.tidy(conf_int=True)
    assert list(of_fit.columns) == list(of_post.columns)
    assert of_fit.columns[-1] == "parameter"
    assert list(of_fit["parameter"]) == list(of_post["parameter"]) == [*case.fixed, *random]
    assert list(of_fit["term"])[: len(case.fixed)] == list(fit.fixed_names)
    values = dict(zip(of_fit["parameter"], of_fit["estimate"], strict=True))
    sdcor = dict(zip(frame["parameter"], frame["sdcor"], strict=True))
    estimates = dict(zip(in_lme4s_order(case), pp.bootstrap(fit, nsim=2).estimate, strict=True))
    for name, value in estimates.items():
        # a correlation that the data leave open has no value in tables
        if not np.isnan(values[name]):
            assert values[name] == pytest.approx(value)
            assert sdcor.get(name, value) == pytest.approx(value)
    for effects in ("ran_vals", "ran_coefs"):
        one, other = (f.tidy(effects) for f in (fit, post))
        assert list(one.columns) == list(other.columns)
        assert one["parameter"].isna().all()
        assert other["parameter"].isna().all()


def test_a_posterior_has_them(
    case: Case, fit: MixedFit, post: pp.Posterior, tmp_path: Path
) -> None:
    names = of_a_posterior(case)
    # a posterior lists the standard deviations factor by factor as the formula has them
    assert sorted(post.variables) == sorted(names)
    assert post.variables[: len(case.fixed)] == case.fixed
    assert set(post.priors.priors) == set(pp.default_priors(case.formula, table()).priors)
    assert set(post.priors.priors) == set(names)
    assert list(post.summary()["variable"]) == list(post.variables)
    assert list(pp.compare(fit, post).parameters["variable"]) == list(post.variables)
    assert fit.parameters.names == post.parameters.names
    estimates = pp.compare(fit, post).parameters.set_index("variable")["estimate"]
    of_fit = fit.tidy().set_index("parameter")["estimate"]
    for name in post.variables:  # nothing is said of what the data leave open
        assert np.isnan(of_fit[name]) or of_fit[name] == pytest.approx(estimates[name])
    again = pp.sample(
        case.formula,
        table(),
        priors={names[0]: pp.normal(0, 1), case.random[0]: pp.half_normal(2)},
        chains=1,
        warmup=5,
        draws=5,
        seed=1,
        progress=False,
    )
    assert again.priors[case.random[0]] == pp.half_normal(2)
    post.save(tmp_path / "post")
    assert pp.load_posterior(tmp_path / "post").variables == post.variables


@pytest.mark.parametrize("name", ["slopes", "one column twice", "nested", "sigma", "lme4's names"])
def test_profiles_have_them(name: str) -> None:
    case, data = CASES[name], table()
    fit = pp.lmer(case.formula, data)
    asked = [case.random[0], "sigma", case.fixed[-1]]
    for made in (fit.profile(asked), pickle.loads(pickle.dumps(fit.profile(asked)))):
        assert list(made.names) == asked
        assert list(made.points.columns) == ["parameter", "zeta", *in_lme4s_order(case)]
        assert list(dict.fromkeys(made.to_frame()["parameter"])) == asked
        assert list(made.confint().index) == asked
        for one in asked:
            values, zeta = made.zeta(one)
            assert np.interp(0, zeta, values) == pytest.approx(
                made.points.loc[made.points["zeta"] == 0, one].iloc[0]
            )
    figure = fit.plot.profile(parm=asked)
    shown = [ax.get_xlabel() for ax in figure.axes if ax.get_visible()]
    assert shown == asked


def test_figures_of_draws_have_them(case: Case, post: pp.Posterior) -> None:
    asked = [case.random[0], "sigma", case.fixed[-1]]
    figure = post.plot.densities(variables=asked)
    titles = [ax.get_title().replace("\n", "__") for ax in figure.axes if ax.get_visible()]
    assert titles == asked


def test_stored_fits_and_the_command_have_them(
    case: Case, fit: MixedFit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit.save(tmp_path / "fit")  # pyright: ignore
    for again in (pp.load(tmp_path / "fit"), pickle.loads(pickle.dumps(fit))):
        assert list(again.theta.index) == list(case.theta)
        assert list(again.confint().index) == in_lme4s_order(case)
        assert again.parameters.names == fit.parameters.names
    table().to_csv(tmp_path / "data.csv", index=False)
    with pytest.raises(SystemExit, match="0"):
        main(["fit", str(tmp_path / "data.csv"), case.formula, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert list(found["theta"]) == list(case.theta)
    assert [row["parameter"] for row in found["varcorr"]] == list(fit.varcorr["parameter"])


def test_frames_of_another_kind_have_them_too() -> None:
    fit = pp.lmer("y ~ x + (x | g)", pl.from_pandas(table()))
    tidy = fit.tidy(["fixed", "ran_pars"])
    assert tidy["parameter"].to_list() == [*CASES["slopes"].fixed, *CASES["slopes"].random, "sigma"]
    assert fit.tidy("ran_vals")["parameter"].is_null().all()


def test_a_style_that_is_none_is_refused(sleep_like: MixedFit) -> None:
    for ask in (
        lambda: sleep_like.confint(names="R"),  # pyright: ignore
        lambda: sleep_like.profile(names="R"),  # pyright: ignore
        lambda: pp.bootstrap(sleep_like, nsim=2, names="R"),  # pyright: ignore
    ):
        with pytest.raises(ArgumentError, match="names must be one of 'canonical', 'lme4'"):
            ask()
    with pytest.raises(ArgumentError, match="it has sd_g__Intercept, cor_g__Intercept__x, sd_g__x"):
        sleep_like.confint(parm="sd_g__Weeks")


@pytest.fixture(scope="module")
def sleep_like() -> MixedFit:
    return pp.lmer("y ~ x + (x | g)", table())
