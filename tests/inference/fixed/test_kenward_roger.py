"""Kenward-Roger against pbkrtest, and against its definition with n x n matrices."""

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from numpy.testing import assert_allclose
from partialpool.design.covariance import parts
from partialpool.errors import ArgumentError, DataError
from partialpool.inference.fixed.kenward_roger import _df_and_scaling, kenward_roger
from partialpool.inference.fixed.tails import f_tail

from tests.references import REFERENCE

TABLES = REFERENCE / "tables"

MODELS = [
    "cake",
    "dragons",
    "dragons_singular",
    "dyestuff",
    "dyestuff2_singular",
    "irrigation",
    "pastes_nested",
    "penicillin_crossed",
    "penicillin_faraway",
    "penicillin_faraway_sum",
    "pulp_reml",
    "sleep_intercept",
    "sleep_slope",
    "sleep_slope_only",
    "sleep_zerocorr",
    "solutions",
    "solutions_fixed",
]


def relative_to_se(matrix, expected):
    se = np.sqrt(np.diag(expected))
    return np.abs((matrix - expected) / np.outer(se, se)).max()


@pytest.mark.parametrize("name", MODELS)
def test_is_pbkrtests_at_the_same_parameters(name, reference, fit_of, native_at):
    r, fit = reference(name), fit_of(name)
    theta = r["theta"]
    ours = kenward_roger(native_at(fit, list(theta.values())), len(fit.beta))
    assert relative_to_se(ours.adjusted, np.array(r["vcov_kr"])) < 1e-9
    df = [ours.df(row) for row in np.eye(len(fit.beta))]
    assert_allclose(df, [row["df"] for row in r["coef_kr"]], rtol=1e-9)


# R's optimiser stops 1e-3 (dragons) and 6e-2 (dragons_singular) away from the optimum in θ.
@pytest.mark.parametrize("name", [n for n in MODELS if not n.startswith("dragons")])
def test_summary_has_pbkrtests_tests(name, reference, fit_of):
    r = reference(name)["coef_kr"]
    table = fit_of(name).summary("kenward-roger").coefficients
    assert_allclose(table["df"], [row["df"] for row in r], rtol=1e-5)
    assert_allclose(table["std_error"], [row["Std. Error"] for row in r], rtol=5e-5)
    assert_allclose(table["statistic"], [row["t value"] for row in r], rtol=5e-5, atol=1e-9)
    assert_allclose(table["p_value"], [row["Pr(>|t|)"] for row in r], rtol=1e-3)


def test_summary_prints_rs_table(fit_of):
    ours = str(fit_of("sleep_slope").summary("kenward-roger")).splitlines()
    theirs = (TABLES / "summary_sleep_slope_kr.txt").read_text(encoding="utf-8").splitlines()
    at, there = ours.index("Fixed effects:"), theirs.index("Fixed effects:")
    assert [line.rstrip() for line in ours[at : at + 6]] == theirs[there : there + 6]
    assert ours[0].endswith("t-tests use Kenward-Roger's method")


def dense(fit):
    """The definition (Kenward & Roger 1997): V = Σ γ_r G_r + σ²W⁻¹, all n x n."""
    design = fit.design
    n = design.n
    x = np.column_stack([np.broadcast_to(design.x[i], (n,)) for i in fit._products.kept])
    patterns, v = [], np.zeros((n, n))
    for index, factor in enumerate(design.factors):
        k = len(factor.names)
        lam = np.array(fit._native.lambdas[index]).reshape(k, k)
        sigma = fit.sigma**2 * lam @ lam.T
        columns = np.column_stack([np.broadcast_to(c, (n,)) for c in factor.columns])
        same = factor.codes[:, None] == factor.codes[None, :]
        start = 0
        for size in map(len, parts(factor.blocks)):
            for j in range(start, start + size):
                for i in range(j, start + size):
                    g = np.outer(columns[:, i], columns[:, j]) * same
                    g = g if i == j else g + g.T
                    patterns.append(g)
                    v += sigma[i, j] * g
            start += size
    noise = np.eye(n) if design.weights is None else np.diag(1 / design.weights)
    patterns.append(noise)
    inverse = np.linalg.inv(v + fit.sigma**2 * noise)
    phi = np.linalg.inv(x.T @ inverse @ x)
    h = [inverse @ g for g in patterns]
    m = len(patterns)
    p = [-x.T @ h[r] @ inverse @ x for r in range(m)]
    q = [[x.T @ h[r] @ h[s] @ inverse @ x for s in range(m)] for r in range(m)]
    information = np.array(
        [
            [
                np.trace(h[r] @ h[s])
                - 2 * np.trace(phi @ q[r][s])
                + np.trace(phi @ p[r] @ phi @ p[s])
                for s in range(m)
            ]
            for r in range(m)
        ]
    )
    scale = np.sqrt(np.diag(information))
    w = 2 * np.linalg.inv(information / np.outer(scale, scale)) / np.outer(scale, scale)
    u = sum(w[r, s] * (q[r][s] - p[r] @ phi @ p[s]) for r in range(m) for s in range(m))
    return phi + 2 * phi @ u @ phi, np.stack([phi @ one @ phi for one in p]), w


def made_up(seed=3):
    random = np.random.default_rng(seed)
    n = 150
    class_ = random.integers(0, 24, n)
    frame = pd.DataFrame(
        {
            "x": random.normal(50, 1, n),
            "z": random.normal(size=n),
            "f": random.choice(["u", "v", "w"], n),
            "class": class_,
            "school": class_ // 4,
            "town": class_ // 12,
            "item": random.integers(0, 7, n),
            "weight": random.uniform(0.5, 3, n),
        }
    )
    effects = random.normal(size=24)[class_] + random.normal(size=6)[frame["school"]]
    slopes = random.normal(0, 0.7, 7)[frame["item"]] * frame["z"]
    frame["y"] = effects + slopes + 0.3 * frame["x"] + random.normal(size=n)
    return frame.astype(dict.fromkeys(("class", "school", "town", "item"), str))


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + f + (1 | class)",
        "y ~ x * z + (x + z | class)",
        "y ~ x + f + (z || class) + (f | item)",
        "y ~ z + (z | class) + (z | item)",
        "y ~ x + z + (1 | class) + (0 + x | class) + (1 | item)",
        "y ~ z + (1 | school/class)",
        "y ~ z + (z | school) + (1 | class) + (1 | town)",
        "y ~ z + (1 | class) + (z | school) + (1 | item)",
    ],
)
@pytest.mark.parametrize("weights", [None, "weight"])
def test_is_the_definition(formula, weights):
    fit = pp.lmer(formula, made_up(), weights=weights)
    adjusted, slopes, w = dense(fit)
    ours = fit.kenward_roger
    assert relative_to_se(ours.adjusted, adjusted) < 1e-7
    half = np.einsum("ai,rij,bj->rab", np.eye(len(fit.beta)), slopes, np.eye(len(fit.beta)))
    for i in range(len(fit.beta)):
        a = half[:, i, i] / fit.covariance[i, i]
        a2 = float(a @ w @ a)  # one contrast: A₁ = A₂, and the method's df are 2/A₂
        assert_allclose(ours.df(np.eye(len(fit.beta))[i]), 2 / a2, rtol=1e-6)


def test_does_not_depend_on_units():
    data = made_up()
    fit = pp.lmer("y ~ x + z + (x | class) + (1 | item)", data)
    data["y"] *= 2e6
    data["x"] = (data["x"] - 40) * 1e-3
    other = pp.lmer("y ~ x + z + (x | class) + (1 | item)", data)
    rows = np.eye(3)[1:]
    ours = [fit.kenward_roger.df(row) for row in rows]
    assert_allclose([other.kenward_roger.df(row) for row in rows], ours, rtol=1e-6)
    assert_allclose(
        other.test(rows, "kenward-roger").p_value,
        fit.test(rows, "kenward-roger").p_value,
        rtol=1e-5,
    )


@pytest.mark.parametrize("noise", [1e-2, 1e-4])
def test_keeps_its_digits_where_the_residual_is_small(noise):
    random = np.random.default_rng(7)
    group = np.repeat(np.arange(8), 6)
    x = np.tile([0.0, 1.0], 24)
    data = pd.DataFrame({"g": group.astype(str), "x": x})
    data["y"] = random.normal(size=8)[group] + noise * random.normal(size=48)
    fit = pp.lmer("y ~ x + (1 | g)", data)
    within = fit.kenward_roger.df(np.array([0.0, 1.0]))
    between = fit.kenward_roger.df(np.array([1.0, 0.5]))
    assert_allclose([within, between], [39, 7], rtol=1e-6)  # balanced: those of the ANOVA


def test_large_crossed_fits_need_no_large_matrices():
    data = pp.load_dataset("insteval").iloc[:3000]
    fit = pp.lmer("y ~ service + (1 | s) + (1 | d)", data)
    assert 1000 < fit.kenward_roger.df(np.array([0.0, 1.0])) < 3000


# ---- kr_test ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "large", "small"),
    [
        ("penicillin_kr", "penicillin_faraway", "yield ~ 1 + (1 | blend)"),
        ("sleep_kr", "sleep_slope", "Reaction ~ 1 + (Days | Subject)"),
        ("irrigation_kr_interaction", "irrigation", "yield ~ irrigation + variety + (1 | field)"),
    ],
)
def test_kr_test_has_pbkrtests_rows(key, large, small, reference, fit_of):
    fit = fit_of(large)
    result = pp.kr_test(fit, pp.lmer(small, fit.design.source))
    for row, ours in zip(reference("tests")[key], result.to_frame().itertuples(), strict=True):
        assert ours.test == row["term"]
        want = [row[k] for k in ("stat", "ndf", "ddf", "p.value")]
        assert_allclose([ours.statistic, ours.ndf, ours.ddf, ours.p_value], want, rtol=1e-5)
    assert_allclose(result.f_scaling, reference("tests")[key][0]["F.scaling"], rtol=1e-5)


def test_kr_test_of_unbalanced_data(reference, terms_data):
    r = reference("tests_of_terms")["contests"]
    large = pp.lmer(r["formula"], terms_data)
    result = pp.kr_test(large, pp.lmer(r["small"], terms_data))
    for row, ours in zip(r["kr"], result.to_frame().itertuples(), strict=True):
        want = [row[k] for k in ("stat", "ndf", "ddf", "p.value")]
        assert_allclose([ours.statistic, ours.ndf, ours.ddf, ours.p_value], want, rtol=1e-5)
    assert_allclose(result.f_scaling, r["kr"][0]["F.scaling"], rtol=1e-7)
    assert relative_to_se(large.kenward_roger.adjusted, np.array(r["vcov_kr"])) < 1e-5


def test_kr_test_is_the_same_from_models_and_from_contrasts(terms_data):
    large = pp.lmer("y ~ a * b + x + (1 | g)", terms_data)
    by_model = pp.kr_test(large, pp.lmer("y ~ b + x + (1 | g)", terms_data))
    by_rows = pp.kr_test(large, np.eye(7)[[1, 2, 5, 6]])
    by_text = pp.kr_test(large, "a, a:b")
    recoded = pp.kr_test(large, pp.lmer("y ~ b + x + (1 | g)", terms_data, contrasts={"b": "sum"}))
    for other in (by_rows, by_text, recoded):
        assert_allclose(
            [other.statistic, other.ddf, other.p_value],
            [by_model.statistic, by_model.ddf, by_model.p_value],
            rtol=1e-8,
        )


def test_kr_test_of_a_least_squares_small_model(fit_of):
    fit = fit_of("penicillin_faraway")
    assert pp.kr_test(fit, pp.lm("yield ~ 1", fit.design.source)).ndf == 3


def test_kr_test_refits_by_reml_and_says_so(fit_of):
    result = pp.kr_test(fit_of("penicillin_faraway_ml"), "treat")
    same = pp.kr_test(fit_of("penicillin_faraway"), "treat")
    assert_allclose(result.p_value, same.p_value, rtol=1e-8)
    assert result.notes == ("refitted by REML instead of ML",)
    assert str(result).startswith("refitted by REML")


def test_kr_test_prints_pbkrtests_rows(fit_of):
    fit = fit_of("sleep_slope")
    lines = str(pp.kr_test(fit, pp.lmer("Reaction ~ 1 + (Days | Subject)", fit.design.source)))
    assert lines.splitlines() == [
        "F-test with Kenward-Roger approximation",
        "large : Reaction ~ Days + (Days | Subject)",
        "small : Reaction ~ 1 + (Days | Subject)",
        "         stat    ndf    ddf F.scaling   p.value",
        "Ftest  45.853  1.000 17.000         1 3.264e-06 ***",
        "FtestU 45.853  1.000 17.000           3.264e-06 ***",
        "---",
        "Signif. codes:  0 ‘***’ 0.001 ‘**’ 0.01 ‘*’ 0.05 ‘.’ 0.1 ‘ ’ 1",
    ]


@pytest.mark.parametrize(
    ("small", "words"),
    [
        ("Reaction ~ Days + (1 | Subject)", "same fixed part"),
        ("Reaction ~ Days + I(Days^2) + (1 | Subject)", "larger model first"),
        ("Reaction ~ log(Days + 1) + (1 | Subject)", r"not nested: `log\(Days \+ 1\)`"),
        ("log(Reaction) ~ 1 + (1 | Subject)", "different responses"),
        ("Reaction ~ offset(Days) + (1 | Subject)", "different offsets"),
    ],
)
def test_kr_test_refuses_models_that_are_not_nested(small, words):
    data = pp.load_dataset("sleepstudy")
    large = pp.lmer("Reaction ~ Days + (Days | Subject)", data)
    with pytest.raises((ArgumentError, DataError), match=words):
        pp.kr_test(large, pp.lmer(small, data))


def test_kr_test_refuses_other_rows_values_and_kinds():
    data = pp.load_dataset("sleepstudy")
    large = pp.lmer("Reaction ~ Days + (Days | Subject)", data)
    small = "Reaction ~ 1 + (1 | Subject)"
    with pytest.raises(DataError, match=r"different rows \(180 and 170\)"):
        pp.kr_test(large, pp.lmer(small, data.iloc[:170]))
    with pytest.raises(DataError, match="different values of `Reaction`"):
        pp.kr_test(large, pp.lmer(small, data.iloc[::-1]))
    with pytest.raises(DataError, match="different prior weights"):
        pp.kr_test(large, pp.lmer(small, data, weights=np.arange(1.0, 181)))
    with pytest.raises(ArgumentError, match=r"needs a fit of pp\.lmer, not LinearModel"):
        pp.kr_test(pp.lm("Reaction ~ Days", data), large)


def test_kenward_roger_of_an_ml_fit_is_refused(fit_of):
    fit = fit_of("sleep_slope_ml")
    for ask in (fit.summary, lambda ddf: fit.anova(ddf=ddf), lambda ddf: fit.test("Days", ddf)):
        with pytest.raises(ArgumentError, match="Kenward-Roger's method is for REML fits"):
            ask("kenward-roger")


@pytest.mark.parametrize("q", [1, 2, 3, 7])
@pytest.mark.parametrize("df", [1.0, 2.0, 3.0, 4.0, 5.0, 12.0, 1e3])
def test_df_of_an_exact_f_test_pass_through_every_limit(q, df):
    """A₁ and A₂ of an F test that is exact: 2q²/m and 2q/m (Kenward & Roger 1997, section 3)."""
    found, scaling = _df_and_scaling(q, 2 * q**2 / df, 2 * q / df)
    assert_allclose(found, df, rtol=1e-9)
    # pbkrtest leaves F as it is at 2 df.
    assert_allclose(scaling, 1.0, rtol=1e-9)


def test_moments_that_no_f_distribution_has_give_no_test():
    for a1, a2 in [(40.0, 1.0), (1e3, 1.0), (1.0, 50.0), (0.0, 1.0), (9.0, 9.0)]:
        df, _ = _df_and_scaling(3, a1, a2)
        assert np.isnan(df) or df > 0
    assert _df_and_scaling(2, 0.0, 0.0) == (np.inf, 1.0)
    assert f_tail(2.0, 3, np.inf) == pytest.approx(0.1116102, rel=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_randomised_blocks_have_whole_df(seed):
    """3 treatments in 3 blocks: the F test is exact, with (3 - 1)(3 - 1) = 4 df."""
    rng = np.random.default_rng(seed)
    block, treatment = np.divmod(np.arange(9), 3)
    data = pd.DataFrame({"block": block.astype(str), "treatment": treatment.astype(str)})
    data["y"] = rng.normal(size=3)[block] * 3 + rng.normal(size=9)
    fit = pp.lmer("y ~ treatment + (1 | block)", data)
    if fit.is_singular:
        return
    table = fit.anova(3, "kenward-roger")
    assert_allclose(table.ddf, 4.0, rtol=1e-6)
    means = data.groupby("treatment")["y"].mean()
    residual = (
        data["y"] - data.groupby("block")["y"].transform("mean") - data["treatment"].map(means)
    )
    exact = 3 * means.var() / (((residual - residual.mean()) ** 2).sum() / 4)
    assert_allclose(table.statistic, exact, rtol=1e-5)
    assert_allclose(fit.summary("kenward-roger").coefficients["df"].iloc[1:], 4.0, rtol=1e-6)


@pytest.mark.parametrize("plots", [2, 3, 5])
def test_split_plots_have_whole_df(plots):
    """Whole plots of two treatments, split in two: (w - 1) 2 df between, the same within."""
    rng = np.random.default_rng(plots)
    whole = np.repeat(np.arange(2 * plots), 2)
    data = pd.DataFrame(
        {
            "plot": whole.astype(str),
            "a": np.where(whole < plots, "x", "y"),
            "b": np.tile(["u", "v"], 2 * plots),
        }
    )
    data["y"] = rng.normal(size=2 * plots)[whole] * 3 + rng.normal(size=4 * plots)
    fit = pp.lmer("y ~ a * b + (1 | plot)", data)
    assert not fit.is_singular
    assert_allclose(fit.anova(3, "kenward-roger").ddf, 2.0 * (plots - 1), rtol=1e-6)


def test_the_adjusted_covariance_has_names(reference, fit_of):
    fit = fit_of("sleep_slope")
    adjusted, plain = fit.kenward_roger.vcov, fit.vcov
    assert list(adjusted.index) == list(adjusted.columns) == list(fit.fixed_names)
    assert_allclose(adjusted, reference("sleep_slope")["vcov_kr"], rtol=1e-4)
    assert_allclose(fit.kenward_roger.unadjusted, plain, rtol=1e-12)
    uneven = pp.lmer(
        "Reaction ~ Days + (Days || Subject)", pp.load_dataset("sleepstudy").iloc[:155]
    )
    assert not np.allclose(uneven.kenward_roger.vcov, uneven.vcov, rtol=1e-4)
    se = uneven.summary("kenward-roger").coefficients["std_error"]
    assert_allclose(np.sqrt(np.diag(uneven.kenward_roger.vcov)), se, rtol=1e-12)
