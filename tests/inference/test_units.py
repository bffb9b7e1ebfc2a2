"""No unit of the data changes a test or an interval; what doubles do not hold is refused."""

from functools import cache

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from numpy.testing import assert_allclose
from partialpool.errors import ArgumentError, DataError

#: Bit-near: what the order of a few thousand roundings may change, and the search's last step.
SAME = 1e-9


@cache
def table():
    """Sixty-six rows in two crossed factors, one of them nested in a coarser; nothing balanced."""
    rng = np.random.default_rng(7)
    n = 66
    a, b = rng.integers(0, 9, n), rng.integers(0, 5, n)
    x, kind = rng.uniform(1, 8, n), rng.integers(0, 3, n)
    y = 20 + 1.3 * x + rng.normal(0, 2, 9)[a] + rng.normal(0, 1, 5)[b] + rng.normal(0, 1.5, n)
    y += rng.normal(0, 0.6, 9)[a] * x + 0.5 * kind
    names = {
        "y": y,
        "x": x,
        "kind": np.array(["p", "q", "r"])[kind],
        "a": a.astype(str),
        "b": b.astype(str),
        "coarse": (a // 3).astype(str),
        "w": rng.uniform(0.5, 3, n),
    }
    return pd.DataFrame(names)


MODELS = {
    "slope": "y ~ x + (x | a)",
    "independent": "y ~ x + (x || a)",
    "crossed": "y ~ x + kind + (1 | a) + (1 | b)",
    "nested": "y ~ x * kind + (1 | coarse / a)",
    "weights": "y ~ kind + x + (x | a)",
}
#: Units of the response, the predictor and the weights.
UNITS = [
    (1e-150, 1.0, 1.0),
    (1e-8, 1.0, 1.0),
    (1e20, 1.0, 1.0),
    (1e150, 1.0, 1.0),
    (1.0, 1e-150, 1.0),
    (1.0, 1e-9, 1.0),
    (1.0, 1e12, 1.0),
    (1.0, 1e150, 1.0),
    (1e-140, 1e-140, 1.0),
    (1e140, 1e140, 1.0),
    (1e-60, 1e70, 1.0),
    (1.0, 1.0, 1e-280),
    (1.0, 1.0, 1e280),
    (1e100, 1.0, 1e-150),
]
CASES = [
    (m, r, u) for m in MODELS for r in (True, False) for u in UNITS if m == "weights" or u[2] == 1
]


@cache
def fitted(model, reml=True, units=(1.0, 1.0, 1.0)):
    y, x, w = units
    data = table().assign(y=table()["y"] * y, x=table()["x"] * x, w=table()["w"] * w)
    weights = "w" if model == "weights" else None
    return pp.lmer(MODELS[model], data, reml=reml, weights=weights)


def scale_of(fit, y, x):
    """Of each fixed effect, by what the units multiply it."""
    return np.array([y / x if name.split(":")[0] == "x" else y for name in fit.fixed_names])


@pytest.mark.parametrize(("model", "reml", "units"), CASES)
def test_units_change_no_estimate_and_no_test(model, reml, units):
    y, x, w = units
    one, other = fitted(model, reml), fitted(model, reml, units)
    scale = scale_of(one, y, x)
    assert other.convergence.converged
    assert other.is_singular == one.is_singular
    assert_allclose(other.beta / scale, one.beta, rtol=SAME)
    assert_allclose(other.sigma / y / w**0.5, one.sigma, rtol=SAME)
    sds = other.varcorr.query("var2.isna() and grp != 'Residual'")
    column = np.where(sds["var1"] == "x", y / x, y)
    ours = one.varcorr.query("var2.isna() and grp != 'Residual'")
    assert_allclose(sds["sdcor"] / column, ours["sdcor"], rtol=SAME)
    assert_allclose(sds["vcov"] / column / column, ours["vcov"], rtol=SAME)
    for ddf in ("satterthwaite", "kenward-roger") if reml else ("satterthwaite", "asymptotic"):
        new, old = other.summary(ddf).coefficients, one.summary(ddf).coefficients
        assert_allclose(new["std_error"] / scale, old["std_error"], rtol=SAME)
        for column in ("df", "statistic", "p_value") if ddf != "asymptotic" else ("statistic",):
            assert_allclose(new[column], old[column], rtol=1e-7)
        for type_ in (1, 2, 3):
            mine, yours = other.anova(type_, ddf), one.anova(type_, ddf)
            assert_allclose(mine.statistic, yours.statistic, rtol=1e-7)
            assert_allclose(mine.ddf, yours.ddf, rtol=1e-7)
            assert_allclose(mine.p_value, yours.p_value, rtol=1e-6)


@pytest.mark.parametrize("units", UNITS[:-3])
def test_units_change_no_comparison(units):
    one, other = fitted("slope", True), fitted("slope", True, units)
    mine, yours = other.ranova().to_frame(), one.ranova().to_frame()
    assert_allclose(mine["statistic"].iloc[1:], yours["statistic"].iloc[1:], rtol=1e-8, atol=1e-9)
    assert_allclose(other.drop1().p_value, one.drop1().p_value, rtol=1e-7)
    assert_allclose(other.hatvalues, one.hatvalues, rtol=1e-8)
    assert_allclose(
        other.explained_variance_by("johnson"), one.explained_variance_by("johnson"), rtol=SAME
    )
    both = [pp.kr_test(fit, "x = 0") for fit in (other, one)]
    assert_allclose(both[0].p_value, both[1].p_value, rtol=1e-7)
    joint = [pp.joint_tests(fit).to_frame() for fit in (other, one)]
    assert list(joint[0]["term"]) == list(joint[1]["term"])
    assert_allclose(joint[0]["p_value"], joint[1]["p_value"], rtol=1e-6)


@pytest.mark.parametrize("units", [UNITS[0], UNITS[3], UNITS[4], UNITS[7]])
def test_units_change_no_interval(units):
    y, x, _ = units
    one, other = fitted("slope", True), fitted("slope", True, units)
    sd_x = y / x
    scale = np.array([y, 1.0, sd_x, y, y, y / x])[:, None]
    assert_allclose(other.confint("profile") / scale, one.confint("profile"), rtol=1e-7)
    boot = [fit.confint("boot", nsim=20, seed=1) for fit in (other, one)]
    assert_allclose(boot[0] / scale, boot[1], rtol=1e-6)
    assert_allclose(
        other.influence("a").cooks_distance, one.influence("a").cooks_distance, rtol=1e-7
    )
    new = [fit.predict(interval="prediction") for fit in (other, one)]
    assert_allclose(new[0] / y, new[1], rtol=1e-9)
    drawn = [fit.simulate(2, seed=3) for fit in (other, one)]
    assert_allclose(drawn[0] / y, drawn[1], rtol=1e-9)


@pytest.mark.parametrize("units", [UNITS[0], UNITS[3], UNITS[4], UNITS[7]])
def test_units_change_no_mean_and_no_contrast(units):
    one, other = fitted("crossed", True), fitted("crossed", True, units)
    for ddf in ("satterthwaite", "kenward-roger"):
        mine, yours = (pp.emmeans(fit, "kind", ddf=ddf).pairs() for fit in (other, one))
        assert_allclose(mine.statistic, yours.statistic, rtol=1e-7)
        assert_allclose(mine.df, yours.df, rtol=1e-7)
        assert_allclose(mine.p_value, yours.p_value, rtol=1e-5)
        trends = [pp.emtrends(fit, "kind", var="x", ddf=ddf) for fit in (other, one)]
        assert_allclose(trends[0].df, trends[1].df, rtol=1e-6)
        assert_allclose(trends[0].p_value, trends[1].p_value, rtol=1e-5)


@pytest.mark.parametrize("shift", [1e3, -1e6])
def test_a_constant_added_to_the_response_moves_the_intercept_only(shift):
    one = fitted("slope", True)
    other = pp.lmer(MODELS["slope"], table().assign(y=table()["y"] + shift))
    assert_allclose(other.beta - one.beta, [shift, 0.0], atol=1e-7)
    mine, yours = other.summary().coefficients, one.summary().coefficients
    assert_allclose(mine["df"], yours["df"], rtol=1e-6)
    assert_allclose(mine["std_error"], yours["std_error"], rtol=1e-7)
    assert_allclose(mine["p_value"].iloc[1], yours["p_value"].iloc[1], rtol=1e-6)


@pytest.mark.parametrize("size", [1e300, 1e-300])
@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "asymptotic"])
def test_the_size_of_a_contrast_is_no_matter(size, ddf):
    fit = fitted("crossed", True)
    rows = np.array([[0, 1.0, 0, 0], [0, 0, 1.0, -2.0]])
    mine, yours = fit.test(rows * size, ddf), fit.test(rows, ddf)
    assert_allclose(
        [mine.statistic, mine.ddf, mine.p_value], [yours.statistic, yours.ddf, yours.p_value]
    )
    assert_allclose(mine.rows["statistic"], yours.rows["statistic"])
    assert_allclose(mine.rows["estimate"] / size, yours.rows["estimate"])
    uneven = fit.test(rows * [[size], [1 / size]], ddf)
    assert uneven.ndf == 2
    assert_allclose(uneven.statistic, yours.statistic, rtol=1e-9)


def test_a_small_coefficient_is_not_dropped_from_a_joint_test():
    """lmerTest keeps one of two rows once their variances are 10⁸ apart, and says nothing."""
    small = fitted("slope", True, (1.0, 1e8, 1.0)).test("Intercept = 0, x = 0")
    plain = fitted("slope", True).test("Intercept = 0, x = 0", ddf="kenward-roger")
    assert small.ndf == 2
    assert_allclose(small.statistic, plain.statistic, rtol=0.2)
    huge = fitted("slope", True, (1.0, 1e100, 1.0)).test("Intercept = 0, x = 0")
    assert_allclose([huge.statistic, huge.ddf], [small.statistic, small.ddf], rtol=1e-6)


def test_a_contrast_beyond_the_range_of_numbers_is_refused():
    with pytest.raises(ArgumentError, match="beyond the range"):
        fitted("slope", True, (1e150, 1.0, 1.0)).test([0, 1e200])


REFUSED = [
    ("y", 1e-200, "`y` .* multiply the response by 1e1[0-9]+"),
    ("y", 1e170, "`y` .* divide the response by 1e17"),
    ("x", 1e-170, "coefficient of `x`"),
    ("x", 1e170, "coefficient of `x`"),
]


@pytest.mark.parametrize(("column", "size", "words"), REFUSED)
@pytest.mark.parametrize("fit", [pp.lmer, pp.lm])
def test_what_doubles_do_not_hold_is_refused_by_name(column, size, words, fit):
    data = table().assign(**{column: table()[column] * size})
    formula = "y ~ x + (1 | a)" if fit is pp.lmer else "y ~ x"
    with pytest.raises(DataError, match=words):
        fit(formula, data)


def test_a_random_variance_that_doubles_do_not_hold_is_refused_by_name():
    data = table().assign(z=table()["x"] * 1e170)
    with pytest.raises(DataError, match=r"variance of z \| a .* rescale `z`"):
        pp.lmer("y ~ 1 + (0 + z | a)", data)


@pytest.mark.parametrize("c", [1e-150, 1e150])
def test_the_unit_changes_no_least_squares(c):
    data = table().assign(y=table()["y"] * c)
    one, other = pp.lm("y ~ x + kind", table()), pp.lm("y ~ x + kind", data)
    assert_allclose(other.coefficients()["p_value"], one.coefficients()["p_value"], rtol=1e-9)
    assert_allclose(other.coefficients()["std_error"] / c, one.coefficients()["std_error"])
    groups = [pp.lm_list("y ~ x | kind", d) for d in (data, table())]
    assert_allclose(groups[0].sigma / c, groups[1].sigma)
    f = [pp.aov("y ~ kind + x", d).to_frame()["statistic"].dropna() for d in (data, table())]
    assert_allclose(f[0], f[1], rtol=1e-9)


@pytest.mark.parametrize("c", [1e-150, 1e150])
def test_a_summary_is_readable_in_any_unit(c):
    text = str(fitted("slope", True, (c, 1.0, 1.0)).summary())
    assert max(map(len, text.splitlines())) < 90
    assert "inf" not in text
    assert "nan" not in text
    assert f"e{'-' if c < 1 else '+'}1" in text


@pytest.mark.parametrize("c", [1e-150, 1e150])
def test_the_unit_changes_no_default_prior_and_no_posterior(c):
    data = table().assign(y=table()["y"] * c)
    one, other = (pp.default_priors("y ~ x + (x | a)", d) for d in (table(), data))
    for name, prior in one.priors.items():
        if prior.name != "lkj":
            mine, yours = np.array(other[name].parameters), np.array(prior.parameters)
            fixed = prior.name == "half_student_t"
            assert_allclose(mine[fixed:] / c, yours[fixed:], rtol=1e-2)
    post = pp.sample("y ~ x + (x | a)", data, chains=2, warmup=150, draws=150, seed=1)
    plain = pp.sample("y ~ x + (x | a)", table(), chains=2, warmup=150, draws=150, seed=1)
    for name in ("x", "sigma", "sd_a__x"):
        mine, yours = post.draws(name).ravel() / c, plain.draws(name).ravel()
        assert abs(mine.mean() - yours.mean()) < 0.5 * yours.std()
        assert_allclose(mine.std(), yours.std(), rtol=0.4)
