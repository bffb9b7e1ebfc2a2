"""Variances that the data do not determine: said, and without df, tests and intervals."""

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from numpy.testing import assert_allclose
from partialpool.design import covariance

from tests.hard_problems.generator import hard_problem

FULL = {
    "between": "y ~ arm + x + (0 + arm | s)",
    "absorbed": "y ~ arm + x + (1 | arm) + (1 | s)",
    "copy": "y ~ x + (1 | s) + (1 | copy)",
    "repeated": "y ~ x + (1 | s) + (x | s)",
    "dummies": "y ~ s + x + (1 | s) + (1 | h)",
    "only_dummies": "y ~ s + x + (1 | s)",
    "absorbed_slope": "y ~ arm + x + (x | arm) + (1 | s)",
    "separate": "y ~ x + (1 | s) + (x || copy)",
}
#: The same model without what the data do not determine.
REDUCED = {
    "absorbed": "y ~ arm + x + (1 | s)",
    "copy": "y ~ x + (1 | s)",
    "repeated": "y ~ x + (x | s)",
    "dummies": "y ~ s + x + (1 | h)",
    "absorbed_slope": "y ~ arm + x + (0 + x | arm) + (1 | s)",
    "separate": "y ~ x + (x || s)",
}
SENTENCES = {
    "between": "do not determine the covariance of arm[a] and arm[b] | s",
    "absorbed": "do not determine the variance of Intercept | arm beside the fixed effect of arm",
    "copy": "the variances of Intercept | s and Intercept | copy, only their sum",
    "repeated": "Intercept | s of (1 | s) and Intercept | s of (x | s), only their sum",
    "dummies": "do not determine the variance of Intercept | s beside the fixed effect of s",
    "only_dummies": "do not determine the variance of Intercept | s beside the fixed effect of s",
    "absorbed_slope": "do not determine the covariance of Intercept and x | arm",
    "separate": "the variances of Intercept | s and Intercept | copy, only their sum",
}
CLOSED = ["x"]


def table(x_scale=1.0, x_shift=0.0, y_scale=1.0):
    rng = np.random.default_rng(3)
    s = np.repeat(np.arange(20), 6)
    x = np.tile(np.arange(6.0), 20)
    slope, mean = rng.normal(size=20) * 0.5, rng.normal(size=20) * 2
    y = 10 + mean[s] + (1 + slope[s]) * x + 2 * (s % 2) + rng.normal(size=120)
    name = np.array([f"s{i:02d}" for i in s])
    return pd.DataFrame(
        {
            "y": y * y_scale,
            "x": x * x_scale + x_shift,
            "s": name,
            "copy": name,
            "arm": np.where(s % 2 == 0, "a", "b"),
            "h": rng.choice(list("pqrst"), 120),
            "w": rng.uniform(0.5, 2.0, 120),
        }
    )


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", FULL)
def test_what_is_not_determined_is_said(name, reml):
    fit = pp.lmer(FULL[name], table(), reml=reml)
    assert not fit.is_identified
    assert not fit.convergence.identified
    assert fit.convergence.converged
    assert SENTENCES[name] in fit.convergence.message
    assert SENTENCES[name] in str(fit)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", REDUCED)
def test_what_is_determined_is_that_of_the_reduced_model(name, reml):
    data = table()
    full, reduced = pp.lmer(FULL[name], data, reml=reml), pp.lmer(REDUCED[name], data, reml=reml)
    assert reduced.is_identified
    assert_allclose(full.criterion, reduced.criterion, rtol=1e-9)
    assert_allclose(full.beta, reduced.beta, rtol=1e-6)
    assert_allclose(full.sigma, reduced.sigma, rtol=1e-6)
    total, expected = (f.varcorr.query("var2.isna()")["vcov"].sum() for f in (full, reduced))
    assert_allclose(total, expected, rtol=1e-5)
    for ddf in ("satterthwaite", "kenward-roger") if reml else ("satterthwaite",):
        ours = full.summary(ddf).coefficients.set_index("term").drop(columns="estimate")
        other = reduced.summary(ddf).coefficients.set_index("term").drop(columns="estimate")
        hidden = ours["df"].isna()
        assert ours[hidden].isna().all(axis=None)
        assert_allclose(ours[~hidden], other[~hidden], rtol=1e-5, atol=1e-12)
        assert not hidden["x"]
        assert hidden.any() == (name in {"absorbed", "dummies", "absorbed_slope"})


def test_a_covariance_that_nobody_sees_leaves_everything_else():
    """Subjects of two arms: each arm has a variance of its own, and no test hangs on more."""
    data = table()
    fit = pp.lmer(FULL["between"], data)
    rows = fit.varcorr
    assert np.isnan(rows.loc[rows.var2.notna(), "sdcor"]).all()
    apart = pp.lmer(
        "y ~ arm + x + (0 + a | s) + (0 + b | s)",
        data.assign(a=(data.arm == "a") * 1.0, b=(data.arm == "b") * 1.0),
    )
    assert apart.is_identified
    assert_allclose(fit.criterion, apart.criterion, rtol=1e-10)
    for ddf in ("satterthwaite", "kenward-roger"):
        ours, other = (f.summary(ddf).coefficients for f in (fit, apart))
        assert_allclose(ours.drop(columns="term"), other.drop(columns="term"), rtol=1e-5)


@pytest.mark.parametrize("name", FULL)
def test_units_rows_and_weights_do_not_matter(name):
    base = table()
    changed = [
        table(x_scale=1e9),
        table(x_scale=1e-9),
        table(x_shift=1e3),
        table(y_scale=1e-6),
        base.sample(frac=1.0, random_state=1),
    ]
    expected = len(pp.lmer(FULL[name], base).identification.directions)
    for data in changed:
        assert len(pp.lmer(FULL[name], data).identification.directions) == expected
    assert len(pp.lmer(FULL[name], base, weights="w").identification.directions) == expected


@pytest.mark.parametrize("scales", [(1e-140, 1e-140), (1e140, 1e100), (1e-100, 1e40)])
@pytest.mark.parametrize("name", ["absorbed", "absorbed_slope", "repeated"])
def test_no_unit_changes_what_is_open_and_what_is_tested(name, scales):
    x_scale, y_scale = scales
    one, other = (pp.lmer(FULL[name], t) for t in (table(), table(x_scale, 0.0, y_scale)))
    rows = np.vstack([np.eye(len(one.beta)), np.ones(len(one.beta))])
    size = np.array([1.0 / x_scale if "x" in n else 1.0 for n in one.fixed_names])
    assert other.undetermined(rows / size).tolist() == one.undetermined(rows).tolist()
    for ddf in ("satterthwaite", "kenward-roger", "asymptotic"):
        tests = [f.anova(3, ddf).to_frame().drop(columns="term") for f in (one, other)]
        for column in ("den_df", "statistic", "p_value"):
            assert_allclose(tests[1][column], tests[0][column], rtol=1e-6, atol=1e-12)


def test_paired_rows_do_not_tell_the_residual_from_two_variances():
    rng = np.random.default_rng(1)
    data = pd.DataFrame(
        {"s": np.repeat(np.arange(12), 2).astype(str), "x": np.tile([-1.0, 1.0], 12)}
    )
    data["y"] = rng.normal(size=24) + rng.normal(size=12)[np.repeat(np.arange(12), 2)]
    fit = pp.lmer("y ~ x + (1 | s) + (0 + x | s)", data)
    assert not fit.is_identified
    assert "the residual variance" in fit.convergence.message
    assert fit.identification.residual_open


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + (x | s)",
        "y ~ x + (x || s)",
        "y ~ arm + x + (1 | s)",
        "y ~ arm * x + (1 | arm:s) + (1 | h)",
        "y ~ x + (1 | s) + (1 | h)",
        "y ~ x + (1 | arm) + (1 | s)",
        "y ~ x + (1 | arm / s)",
        "y ~ x + (0 + arm | h)",
    ],
)
def test_ordinary_models_are_identified(formula):
    fit = pp.lmer(formula, table())
    assert fit.is_identified
    assert "determine" not in str(fit) + fit.convergence.message


def test_a_variance_of_zero_is_determined():
    rng = np.random.default_rng(2)
    data = table().assign(y=rng.normal(size=120))
    fit = pp.lmer(
        "y ~ x + (1 | s) + (1 | h)", data.assign(y=data.y - data.groupby("s").y.transform("mean"))
    )
    assert fit.is_singular
    assert fit.is_identified


@pytest.mark.parametrize("seed", [3, 57, 138, 184, 216, 300, 301])
def test_the_directions_are_those_of_the_definition(seed):
    """Singular values of M Z B Zᵀ M for all parameters, n x n each, M for projecting X away."""
    problem = hard_problem(seed)
    fit = pp.lmer(problem.formula, problem.data, reml=True)
    design, n = fit.design, fit.nobs
    x = np.column_stack([np.broadcast_to(design.x[i], (n,)) for i in fit._products.kept])
    basis = np.linalg.qr(x / np.linalg.norm(x, axis=0))[0]
    parts = [np.eye(n)]
    for factor in design.factors:
        columns = np.column_stack([np.broadcast_to(c, (n,)) for c in factor.columns])
        same = factor.codes[:, None] == factor.codes[None, :]
        start = 0
        for size in map(len, covariance.parts(factor.blocks)):
            q = np.linalg.qr(columns[:, start : start + size])[0]
            products = [np.outer(q[:, i], q[:, j]) for j in range(size) for i in range(j, size)]
            parts += [(d + d.T) * same for d in products]
            start += size
    rows = []
    for part in parts:
        size = np.linalg.norm(part)
        part = part - basis @ (basis.T @ part)
        part = part - (part @ basis) @ basis.T
        rows.append(part.ravel() / (size or 1.0))
    values = np.linalg.svd(np.array(rows), compute_uv=False)
    assert len(fit.identification.directions) == int(np.sum(values < 1e-8 * values[0]))


@pytest.mark.parametrize("name", FULL)
def test_no_interval_of_what_is_not_determined(name):
    fit = pp.lmer(FULL[name], table())
    wald = fit.confint()
    hidden = fit.undetermined(np.eye(len(fit.beta)))
    assert np.isnan(wald.loc[np.array(fit.fixed_names)[hidden]]).all(axis=None)
    assert np.isfinite(wald.loc["x"]).all()
    if name not in {"dummies", "only_dummies"}:
        profile = fit.confint(method="profile")
        assert np.isfinite(profile.loc[["sigma", "x"]]).all(axis=None)
        assert np.isnan(profile).any(axis=None)


def test_tests_that_hang_on_what_is_not_determined_are_missing():
    data = table()
    fit = pp.lmer(FULL["absorbed"], data)
    for ddf in ("satterthwaite", "kenward-roger", "asymptotic"):
        frame = fit.anova(3, ddf).to_frame().set_index("term")
        assert np.isnan(frame.loc["arm", ["den_df", "statistic", "p_value"]].astype(float)).all()
        assert np.isfinite(frame.loc["x", "p_value"])
        means = pp.emmeans(fit, "arm", ddf=ddf).to_frame()
        assert means[["std_error", "df", "conf_low", "conf_high"]].isna().all(axis=None)
    assert np.isnan(fit.test("arm[T.b] = 0").p_value)
    tidy = fit.tidy("fixed", conf_int=True).set_index("term")
    assert tidy.loc["arm[T.b]", ["std_error", "p_value", "conf_low"]].isna().all()
    assert np.isnan(fit.predict(data.iloc[:2], random="none", interval="confidence")["lower"]).all()
    assert np.isfinite(fit.predict(data.iloc[:2], interval="confidence")["lower"]).all()


def test_undetermined_parameters_are_no_degrees_of_freedom():
    data = table()
    full, reduced = (pp.lmer(f, data, reml=False) for f in (FULL["copy"], REDUCED["copy"]))
    frame = pp.anova(full, reduced).to_frame()
    assert frame["df"].iloc[-1] == 0
    assert np.isnan(frame["p_value"].iloc[-1])
    assert (full.ranova().df[1:] == 0).all()
    assert pp.lmer(FULL["between"], data).ranova().df[1] == 1


def test_a_stored_fit_knows_it_too(tmp_path):
    fit = pp.lmer(FULL["absorbed"], table())
    fit.save(tmp_path / "fit.pp")
    again = pp.load(tmp_path / "fit.pp")
    assert again.convergence == fit.convergence
    assert str(again.summary()) == str(fit.summary())
