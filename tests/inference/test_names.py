"""Fixed effects and columns that are called like something of ours."""

import itertools
import json

import matplotlib
import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pytest
from partialpool.arguments import PARAMETER_NAMES
from partialpool.errors import ArgumentError

matplotlib.use("agg")

NAMES = [
    ("sigma", ".sigma", "g"),
    (".sig01", ".sig02", "sigma"),
    ("sd_(Intercept)|g", "cor_x.(Intercept)|g", "g"),
    ("theta_", "beta_", "g"),
    ("zeta", "parameter", "term"),
    ("estimate", "std_error", "group"),
    ("a b", "a_b", "a.b"),
    ("b_sigma", "sigma", "level"),
    ("1e3", "x y", "2"),
    ("leverage", "cooks_distance", "row"),
]
FORMULA = "y ~ {x} + {z} + (1 + {x} | {g})"


def data() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    rows = np.arange(90)
    x, z = rng.normal(size=(2, 90))
    a, b = rng.normal(size=(2, 9))[:, rows % 9]
    return pd.DataFrame({"y": x + a + b * x + rng.normal(size=90), "x": x, "z": z, "g": rows % 9})


def fitted(names: tuple[str, ...], **more: bool) -> pp.LinearMixedModel:
    table = data().rename(columns=dict(zip("xzg", names, strict=True)))
    words = {k: f"`{n}`" for k, n in zip("xzg", names, strict=True)}
    return pp.lmer(FORMULA.format(**words), table, **more)


@pytest.fixture(scope="module")
def plain() -> pp.LinearMixedModel:
    return fitted(("x", "z", "g"))


@pytest.mark.parametrize("names", NAMES, ids=" ".join)
def test_the_numbers_are_those_of_plain_names(names, plain, tmp_path) -> None:
    fit = fitted(names)
    assert fit.criterion == plain.criterion
    for style in PARAMETER_NAMES:
        for how in ({"method": "wald"}, {"method": "boot", "nsim": 5, "seed": 1}):
            a, b = (f.confint(names=style, **how) for f in (fit, plain))
            assert a.index.is_unique
            np.testing.assert_array_equal(a, b)
        # A name of the table is taken for its parameter.
        for i, name in enumerate(a.index):
            own = fit.confint("boot", nsim=5, seed=1, parm=name, names=style)
            np.testing.assert_array_equal(own, a.iloc[[i]])
    assert fit.theta.index.is_unique
    np.testing.assert_array_equal(fit.theta, plain.theta)
    for effects in ("fixed", "ran_pars", "ran_vals", "ran_coefs"):
        a, b = (f.tidy(effects)["estimate"] for f in (fit, plain))
        np.testing.assert_array_equal(a, b)
    for j, name in enumerate(names[:2], start=1):
        np.testing.assert_array_equal(fit.test(f"`{name}` = 0").contrasts[0], np.eye(3)[j])
        np.testing.assert_array_equal(fit.test({name: 1}).contrasts[0], np.eye(3)[j])
    np.testing.assert_array_equal(fit.anova().p_value, plain.anova().p_value)
    np.testing.assert_array_equal(fit.ranova().statistic, plain.ranova().statistic)
    fit.save(tmp_path / "fit.zip")
    np.testing.assert_allclose(pp.load(tmp_path / "fit.zip").confint(), fit.confint(), atol=1e-12)
    assert len(json.loads(json.dumps(dict(fit.theta)))) == 3


@pytest.mark.parametrize("names", [NAMES[0], NAMES[4]], ids=" ".join)
def test_profiles_of_such_models(names, plain) -> None:
    fit = fitted(names)
    for style in PARAMETER_NAMES:
        a, b = (f.profile([0, 4, 5], names=style) for f in (fit, plain))
        assert a.points.columns.is_unique
        np.testing.assert_array_equal(a.points.iloc[:, 1:], b.points.iloc[:, 1:])
        for mine, theirs in zip(a.names, b.names, strict=True):
            np.testing.assert_array_equal(a.zeta(mine), b.zeta(theirs))
    fit.plot.profile(parm=[4])


def test_parm_tells_sigma_from_a_column_of_that_name() -> None:
    fit = fitted(("sigma", "z", "g"))
    shown = fit.confint()
    assert list(shown.index)[3:6] == ["sigma", "Intercept", "b_sigma"]
    assert list(fit.confint(parm="sigma").index) == ["sigma"]
    assert list(fit.confint(parm=["b_sigma", ".sigma"]).index) == ["b_sigma", "sigma"]
    lme4s = fit.confint(parm=["b_sigma", ".sigma"], names="lme4")
    assert list(lme4s.index) == ["sigma", ".sigma"]
    assert list(fit.confint(parm="sigma", names="lme4").index) == ["sigma"]
    assert fit.confint(parm="sigma", names="lme4").notna().all(axis=None)
    assert fit.confint(parm="sigma").isna().all(axis=None)


@pytest.mark.parametrize("kind", [lambda t: t, pl.from_pandas])
def test_no_column_of_a_frame_hides_another(kind) -> None:
    table = data().assign(level=lambda t: t["z"], x_condsd=lambda t: t["z"] ** 2)
    table["x.1"] = table["z"]
    fit = pp.lmer("y ~ x + (x + level | g)", kind(table))
    frame = fit.ranef()["g"]
    assert len(set(frame.columns)) == len(list(frame.columns))
    assert {"level", "x"} < set(frame.columns)
    np.testing.assert_array_equal(frame["level"], fit.random_effects[0][:, 2])
    twice = pp.lmer("y ~ 1 + (x | g) + (0 + x + `x.1` | g)", kind(table))
    assert {"x", "x.1", "x.2"} < set(twice.ranef()["g"].columns)
    with pytest.raises(ArgumentError, match="two columns called 'x_condsd'"):
        pp.lmer("y ~ x + (0 + x + x_condsd | g)", kind(table)).ranef(condsd=True)
    by = pp.lmer("y ~ x + (1 | leverage)", kind(table.rename(columns={"g": "leverage"})))
    assert {".leverage", "leverage"} < set(by.influence("leverage").to_frame().columns)


def test_labels_of_theta_are_unique() -> None:
    table = data().assign(a=lambda t: t["x"])
    table["a.b"], table["b"] = table["z"], table["z"] ** 2
    fit = pp.lmer("y ~ 1 + (0 + b + a | g) + (0 + `a.b` | g)", table)
    assert fit.theta.index.is_unique
    assert len(fit.theta) == 4


@pytest.mark.parametrize(
    "names", list(itertools.permutations(["a b", "a_b", "a.b"], 2)), ids=" ".join
)
def test_factors_that_differ_in_punctuation(names) -> None:
    table = data().assign(f=np.array(list("pqr"))[np.arange(90) // 30], h=np.arange(90) // 3 % 6)
    plain = pp.lmer("y ~ f * x + (1 | h)", table)
    own = table.rename(columns=dict(zip("fh", names, strict=True)))
    fit = pp.lmer(f"y ~ `{names[0]}` * x + (1 | `{names[1]}`)", own)
    assert fit.criterion == plain.criterion
    np.testing.assert_array_equal(fit.anova().p_value, plain.anova().p_value)
    means = [pp.emmeans(f, n).to_frame()["estimate"] for f, n in ((fit, names[0]), (plain, "f"))]
    np.testing.assert_array_equal(*means)
