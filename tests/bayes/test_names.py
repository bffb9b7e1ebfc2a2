"""Awkward and clashing names: the numbers are those of plain names, every name is of one thing."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pytest
from partialpool.errors import ArgumentError, PartialPoolError

matplotlib.use("agg")

#: Names of x, z, the factor f and the group g.
NAMES = [
    ("sigma", "b_sigma", "f", "g"),
    ("sd_g__Intercept", "cor_g__Intercept__sd_g__Intercept", "sd", "g"),
    ("b", "sd", "cor", "g"),
    ("sd_g", "cor_g", "sigma", "g"),
    ("chain", "draw", "lp__", "g"),
    ("r_g", "g_level", "g_coefficient", "g"),
    ("level", "term", "group", "effect"),
    ("a b", "a_b", "a.b", "a-b"),
    ("x/z", "x_z", "ü", "g/h"),
    ("2", "1e5", "x[T.b]", "sigma"),
    ("log", "exp", "I", "C"),
    ("v0", "v_1", "b_x", "z_1"),
    ("x > 0", "a = b", 'say "no"', "it's"),
    ("lp", "diverging", "energy", "sample_stats"),
    ("N", "y_offset", "mu", "target"),
    ("x", "x.1", "int", "for"),
]
FORMULA = "y ~ {x} + {z} + {f} + (1 + {x} | {g})"


def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    rows = np.arange(72)
    x, z = rng.normal(size=(2, 72))
    effects = rng.normal(size=(2, 8))[:, rows % 8]
    y = 3 + x + effects[0] + effects[1] * x + rng.normal(size=72)
    f = np.array(["lo/w", "mid", "t<op"])[rows % 3]
    return pd.DataFrame({"y": y, "x": x, "z": z, "f": f, "g": rows % 8})


def sampled(table: object, formula: str, **more: object) -> pp.Posterior:
    options = {"chains": 2, "warmup": 60, "draws": 40, "seed": 3, "progress": False}
    return pp.sample(formula, table, **(options | more))


def called(names: tuple[str, ...], formula: str = FORMULA) -> tuple[pd.DataFrame, str]:
    table = data().rename(columns=dict(zip("xzfg", names, strict=True)))
    return table, formula.format(**{k: f"`{n}`" for k, n in zip("xzfg", names, strict=True)})


@pytest.fixture(scope="module")
def plain() -> pp.Posterior:
    return sampled(data(), FORMULA.format(x="x", z="z", f="f", g="g"))


@pytest.mark.parametrize("names", NAMES, ids=" ".join)
def test_the_numbers_are_those_of_plain_names(names, plain, tmp_path) -> None:
    table, formula = called(names)
    post = sampled(table, formula)
    np.testing.assert_array_equal(post.values, plain.values)
    assert len(set(post.variables)) == len(post.variables) == len(plain.variables)
    for a, b in zip(post.variables, plain.variables, strict=True):
        np.testing.assert_array_equal(post.draws(a), plain.draws(b))
    numbers = [c for c in plain.summary() if c != "variable"]
    np.testing.assert_array_equal(post.summary()[numbers], plain.summary()[numbers])
    priors = pp.default_priors(formula, table)
    assert list(priors.priors.values()) == list(plain.priors.priors.values())
    assert set(priors.priors) == set(post.variables)
    for ours, theirs in zip(post.variables, plain.variables, strict=True):
        assert priors[ours] == plain.priors[theirs]
        there, here = (p.hypothesis(f"`{n}` > 0.5") for p, n in ((plain, theirs), (post, ours)))
        assert (here.estimate, here.probability) == (there.estimate, there.probability)
    for effects in ("fixed", "ran_pars", "ran_vals", "ran_coefs"):
        a, b = (p.tidy(effects)["estimate"] for p in (post, plain))
        np.testing.assert_array_equal(a, b)
    (a,), (b,) = (p.ranef().values() for p in (post, plain))
    np.testing.assert_array_equal(a, b)
    (a,), (b,) = (p.coef().values() for p in (post, plain))
    np.testing.assert_array_equal(a, b)
    a, b = (pp.compare(p.fit, p).parameters.drop(columns="variable") for p in (post, plain))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(post.predict(table)["mean"], plain.predict(data())["mean"])
    post.save(tmp_path / "post.zip")
    again = pp.load_posterior(tmp_path / "post.zip")
    assert again.variables == post.variables
    assert again.priors == post.priors
    assert "two" not in str(post)


@pytest.mark.parametrize("names", NAMES, ids=" ".join)
def test_containers_and_programs_have_every_name_once(names, plain) -> None:
    pytest.importorskip("arviz_base")
    table, formula = called(names)
    post = sampled(table, formula, warmup=5, draws=5)
    tree = post.to_arviz()["posterior"]
    assert len(tree.data_vars) == len(post.variables) + 1
    for name in post.variables:
        safe = name.replace("/", "_") + "_" * ("/" in name and "x_z" in names and "g" not in name)
        np.testing.assert_array_equal(tree[safe], post.draws(name))

    def statements(p: pp.Posterior) -> list[str]:
        return [line.split("//")[0].rstrip() for line in p.stan_code().splitlines()]

    assert statements(post) == statements(plain)
    assert post.stan_data().keys() == plain.stan_data().keys()


@pytest.mark.parametrize("kind", [lambda t: t, pl.from_pandas])
@pytest.mark.parametrize("names", [NAMES[0], NAMES[6], NAMES[9]], ids=" ".join)
def test_figures_and_frames_of_awkward_names(names, kind) -> None:
    table, formula = called(names)
    post = sampled(kind(table), formula, warmup=5, draws=5)
    post.plot.densities()
    post.plot.pairs(variables=list(post.variables[:2]))
    post.plot.traces(variables=post.variables[1])
    (frame,) = post.ranef(spread=True).values()
    assert len(set(frame.columns)) == len(frame.columns)
    assert len(post.augment(prefix=".")) == 72


def test_a_prior_each_for_sigma_and_for_a_column_of_that_name() -> None:
    table, formula = called(("sigma", "z", "f", "g"))
    post = sampled(
        table, formula, priors={"sigma": pp.half_normal(2), "b_sigma": pp.normal(0, 0.01)}
    )
    assert post.priors["sigma"] == pp.half_normal(2)
    assert post.priors["b_sigma"] == pp.normal(0, 0.01)
    assert abs(post.draws("b_sigma")).max() < 0.1 < post.draws("sigma").min()
    assert "b_sigma is the fixed effect of sigma" in str(post)
    assert set(post.tidy("fixed")["term"]) == {"Intercept", "f[T.mid]", "f[T.t<op]", "sigma", "z"}


def test_keys_of_several_parameters_are_never_a_column() -> None:
    table, formula = called(("b", "sd", "cor", "g"))
    given = {
        "b": pp.normal(0, 1),
        "b_b": pp.normal(0, 2),
        "sd": pp.half_normal(3),
        "b_sd": pp.normal(-1, 4),
        "cor": pp.lkj(5),
    }
    priors = sampled(table, formula, priors=given, warmup=5, draws=5).priors
    shown = {name: str(prior) for name, prior in priors.priors.items()}
    assert shown["cor[T.mid]"] == "normal(0, 1)"
    assert (shown["b_b"], shown["b_sd"]) == ("normal(0, 2)", "normal(-1, 4)")
    assert (shown["sd_g__b"], shown["cor_g__Intercept__b"]) == ("half_normal(3)", "lkj(5)")


def test_a_slope_called_like_a_class_of_parameters_takes_its_own_priors() -> None:
    table = data().rename(columns={"x": "cor_x", "z": "sd_z"})
    given = {"cor_x": pp.normal(0, 1), "sd_z": pp.uniform(-3, -1)}
    priors = sampled(table, "y ~ cor_x + sd_z + (1 | g)", priors=given, warmup=5, draws=5).priors
    assert {name: priors[name] for name in given} == given


def test_random_parts_that_would_share_a_name_are_refused_before_work() -> None:
    table = data().assign(g__x=lambda t: t.index % 6, x__z=lambda t: t["z"])
    for formula in ("y ~ x + (x | g) + (1 | `g__x`)", "y ~ (0 + x + `x__z` + z | g) + (1 | h)"):
        with pytest.raises(PartialPoolError, match="rename") as caught:
            pp.default_priors(formula.replace("| h)", "| `g__x`)"), table.assign(g__z__x=1))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("column", "formula"),
    [
        ("f[T.mid]", "y ~ f + `f[T.mid]` + (1 | g)"),
        ("x:z", "y ~ x * z + `x:z` + (1 | g)"),
        ("f:x", "y ~ f * x + `f:x` + (1 | g)"),
        ("log(w)", "y ~ log(w) + `log(w)` + (1 | g)"),
        ("I(x ** 2)", "y ~ I(x ** 2) + `I(x ** 2)` + (1 | g)"),
        ("C(f)", "y ~ C(f) + `C(f)` + (1 | g)"),
        ("f[mid]", "y ~ x + (0 + f + `f[mid]` | g)"),
        ("(Intercept)", "y ~ `(Intercept)` + (1 | g)"),
    ],
)
def test_two_coefficients_of_one_name_are_refused(column: str, formula: str) -> None:
    table = data().assign(w=lambda t: np.exp(t["x"]))
    table[column] = np.cos(np.arange(72))
    for fit in (pp.lmer, sampled_last):
        with pytest.raises(PartialPoolError, match="rename the column") as caught:
            fit(formula, table)
        assert repr(column) in str(caught.value) or f"`{column}`" in str(caught.value)


def sampled_last(formula: str, table: pd.DataFrame) -> pp.Posterior:
    return sampled(table, formula)


def test_a_hypothesis_says_which_of_two_readings() -> None:
    names = {"x": "x", "z": "z", "x - z": "x - z", "2": "2", "log(x)": "log(x)", "exp": "exp"}
    table = data().assign(**{n: np.sin((i + 2) * np.arange(72)) for i, n in enumerate(names)})
    post = sampled(table, "y ~ x + z + `x - z` + `2` + `log(x)` + exp + (1 | g)", draws=5)
    fixed = dict(zip(post.parameters.fixed, np.moveaxis(post.values, -1, 0), strict=False))

    def estimate(text: str) -> float:
        return post.hypothesis(text).estimate

    assert estimate("`x - z` > 0") == pytest.approx(fixed["x - z"].mean())
    assert estimate("x  -  z > 0") == pytest.approx((fixed["x"] - fixed["z"]).mean())
    assert estimate("`2` > 0") == pytest.approx(fixed["2"].mean())
    assert estimate("2 * x > 0") == pytest.approx(2 * fixed["x"].mean())
    assert estimate("exp(exp) > 0") == pytest.approx(np.exp(fixed["exp"]).mean())
    for text in ("x - z > 0", "log(x) > 0", "0 < log(x)"):
        with pytest.raises(ArgumentError, match="in backticks for the variable"):
            estimate(text)
    with pytest.raises(ArgumentError, match=r"'v0' in .* is no variable"):
        estimate("v0 > 0")
    fit = post.fit
    assert fit.test("x  -  z = 0").contrasts[0].tolist() == [0, 1, -1, 0, 0, 0, 0]
    assert fit.test("`x - z` = 0").contrasts[0].tolist() == [0, 0, 0, 1, 0, 0, 0]
    assert fit.test("2 * x = `2`").contrasts[0].tolist() == [0, 2, 0, 0, -1, 0, 0]
    with pytest.raises(ArgumentError, match="in backticks for the coefficient"):
        fit.test("x - z = 0")
