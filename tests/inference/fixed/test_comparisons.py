"""Likelihood-ratio tests: pp.anova between fits, ranova of one fit's random terms."""

import numpy as np
import partialpool as pp
import pytest
from numpy.testing import assert_allclose
from partialpool.errors import ArgumentError, DataError

SLEEP = pp.load_dataset("sleepstudy")
COLUMNS = {
    "npar": "npar",
    "aic": "AIC",
    "bic": "BIC",
    "loglik": "logLik",
    "deviance": "deviance",
    "statistic": "Chisq",
    "df": "Df",
    "p_value": "Pr(>Chisq)",
}


def same_as_r(frame, rows, columns, rtol=1e-6):
    for ours, theirs in columns.items():
        want = [np.nan if row[theirs] is None else row[theirs] for row in rows]
        assert_allclose(frame[ours], want, rtol=rtol, atol=1e-9, err_msg=ours)


# ---- pp.anova --------------------------------------------------------------------------------


def test_lme4s_table_after_a_refit_by_ml(reference):
    small = pp.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    large = pp.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)
    table = pp.anova(large, small)
    same_as_r(table.to_frame(), reference("tests")["sleep_lrt_slope"], COLUMNS)
    assert table.models == ("small", "large")
    assert table.notes == ("refitted by ML instead of REML: small, large",)


def test_the_tutorials_likelihood_ratio_of_penicillin(reference):
    data = pp.load_dataset("penicillin")
    fits = [pp.lmer(f"yield ~ {x} + (1 | blend)", data, reml=False) for x in ("1", "treat")]
    table = pp.anova(*fits)
    same_as_r(table.to_frame(), reference("tests")["penicillin_lrt"], COLUMNS)
    assert round(table.statistic[1], 4) == 4.0474
    assert table.notes == ()


def test_least_squares_as_the_small_model(reference):
    data = pp.load_dataset("pulp")
    table = pp.anova(pp.lmer("bright ~ 1 + (1 | operator)", data), pp.lm("bright ~ 1", data))
    want = reference("tests")["pulp_lrt_naive"]
    assert_allclose([table.statistic[1], table.p_value[1]], [want["stat"], want["p"]], rtol=1e-6)


def test_restricted_likelihoods_of_equal_fixed_parts():
    small = pp.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    large = pp.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)
    table = pp.anova(small, large, refit=False)
    assert_allclose(table.statistic[1], large.loglik * 2 - small.loglik * 2)
    assert_allclose(table.p_value[1], 4.99004143060735e-10, rtol=1e-5)  # as ranova in R
    assert table.notes == ()


def test_three_models_are_sorted_and_printed_as_in_r():
    m0 = pp.lmer("Reaction ~ 1 + (1 | Subject)", SLEEP)
    m1 = pp.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    m2 = pp.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)
    assert str(pp.anova(m2, m0, m1)).splitlines() == [
        "refitted by ML instead of REML: m0, m1, m2",
        "Data: SLEEP",
        "Models:",
        "m0: Reaction ~ 1 + (1 | Subject)",
        "m1: Reaction ~ Days + (1 | Subject)",
        "m2: Reaction ~ Days + (Days | Subject)",
        "   npar    AIC    BIC  logLik deviance   Chisq Df Pr(>Chisq)",
        "m0    3 1916.5 1926.1 -955.27   1910.5",
        "m1    4 1802.1 1814.8 -897.04   1794.1 116.462  1  < 2.2e-16 ***",
        "m2    6 1763.9 1783.1 -875.97   1751.9  42.139  2  7.072e-10 ***",
        "---",
        "Signif. codes:  0 ‘***’ 0.001 ‘**’ 0.01 ‘*’ 0.05 ‘.’ 0.1 ‘ ’ 1",
    ]


def test_models_without_names_are_numbered():
    formulas = ("Reaction ~ Days + (1 | Subject)", "Reaction ~ Days + (Days | Subject)")
    table = pp.anova(*(pp.lmer(f, SLEEP) for f in formulas))
    assert table.models == ("model 1", "model 2")


def test_a_recoded_fixed_part_is_nested(terms_data):
    small = pp.lmer("y ~ a + (1 | g)", terms_data, contrasts={"a": "sum"})
    large = pp.lmer("y ~ a * b + (1 | g)", terms_data)
    same = pp.lmer("y ~ a + (1 | g)", terms_data)
    assert_allclose(pp.anova(small, large).p_value[1], pp.anova(same, large).p_value[1], rtol=1e-6)


def test_a_stored_fit_compares(tmp_path):
    large = pp.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)
    large.save(tmp_path / "fit")
    small = pp.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    want = pp.anova(small, large).p_value
    assert_allclose(pp.anova(small, pp.load(tmp_path / "fit")).p_value, want, rtol=1e-5)


def fit(formula, data=SLEEP, **arguments):
    return pp.lmer(formula, data, **arguments)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: fit("log(Reaction) ~ Days + (1 | Subject)"), "different responses, `Reaction`"),
        (lambda: fit("Reaction ~ Days + (1 | Subject)", SLEEP.iloc[9:]), "different rows"),
        (
            lambda: fit(
                "Reaction ~ Days + (1 | Subject)",
                SLEEP.assign(Reaction=SLEEP["Reaction"] + (SLEEP.index == 3)),
            ),
            "different values of `Reaction`",
        ),
        (
            lambda: fit("Reaction ~ Days + (1 | Subject)", weights=np.arange(1.0, 181)),
            "different prior weights",
        ),
    ],
)
def test_refuses_other_data(other, words):
    with pytest.raises(DataError, match=words):
        pp.anova(fit("Reaction ~ Days + (Days | Subject)"), other())


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ("y ~ x + (1 | g)", "y ~ a + (1 | g)", "not nested: `x`"),
        ("y ~ x + (1 | g)", "y ~ x + (x | h)", "has random effects of 'g' and"),
        ("y ~ x + (x | g)", "y ~ x + a*b + (1 | g)", "not nested: the random effects of 'g'"),
        ("y ~ x + (1 | g)", "lm y ~ x + a*b", "has random effects and the larger"),
    ],
)
def test_refuses_models_that_are_not_nested(one, other, words, terms_data):
    make = pp.lm if other.startswith("lm ") else pp.lmer
    with pytest.raises(ArgumentError, match=words):
        pp.anova(pp.lmer(one, terms_data), make(other.removeprefix("lm "), terms_data))


def test_refuses_restricted_likelihoods_that_do_not_compare():
    small = fit("Reaction ~ 1 + (1 | Subject)")
    large = fit("Reaction ~ Days + (1 | Subject)")
    with pytest.raises(ArgumentError, match="restricted likelihoods of different fixed parts"):
        pp.anova(small, large, refit=False)
    by_ml = fit("Reaction ~ Days + (Days | Subject)", reml=False)
    with pytest.raises(ArgumentError, match="was not fitted by REML and others were"):
        pp.anova(large, by_ml, refit=False)


@pytest.mark.parametrize(
    ("models", "words"),
    [((), "at least two fits"), (("one",), "at least two fits"), (("one", 2), "not int")],
)
def test_refuses_what_is_no_pair_of_fits(models, words):
    one = fit("Reaction ~ Days + (1 | Subject)")
    with pytest.raises(ArgumentError, match=words):
        pp.anova(*(one if m == "one" else m for m in models))


# ---- ranova ----------------------------------------------------------------------------------

RANOVA = {
    "npar": "npar",
    "loglik": "logLik",
    "aic": "AIC",
    "statistic": "LRT",
    "df": "Df",
    "p_value": "Pr(>Chisq)",
}


@pytest.mark.parametrize(
    "name",
    [
        "cake",
        "dyestuff",
        "dyestuff2_singular",
        "irrigation",
        "pastes_nested",
        "penicillin_crossed",
        "penicillin_faraway",
        "penicillin_faraway_ml",
        "pulp_ml",
        "pulp_reml",
        "sleep_intercept",
        "sleep_slope",
        "sleep_slope_ml",
        "sleep_slope_only",
        "sleep_zerocorr",
        "solutions",
        "solutions_fixed",
        "dragons",
    ],
)
def test_ranova_of_the_reference_models(name, reference, fit_of):
    rows = reference(name)["ranova"]
    frame = fit_of(name).ranova().to_frame()
    assert list(frame["term"]) == [row["term"] for row in rows]
    same_as_r(frame, rows, RANOVA, rtol=2e-5)


def test_ranova_of_a_singular_fit_is_not_above_r(reference, fit_of):
    rows = reference("dragons_singular")["ranova"]
    frame = fit_of("dragons_singular").ranova().to_frame()
    assert list(frame["term"]) == [row["term"] for row in rows]
    assert_allclose(frame["npar"], [row["npar"] for row in rows])
    assert (frame["loglik"] >= np.array([row["logLik"] for row in rows]) - 1e-6).all()


def test_ranova_of_unbalanced_data(reference, terms_fit_of):
    rows = reference("tests_of_terms")["contests"]["ranova_slope"]
    frame = terms_fit_of("slope").ranova().to_frame()
    assert list(frame["term"]) == [row["term"] for row in rows]
    same_as_r(frame, [{k: row.get(k) for k in RANOVA.values()} for row in rows], RANOVA, rtol=1e-5)


def test_ranova_prints_lmertests_table(fit_of):
    assert str(fit_of("irrigation").ranova()).splitlines() == [
        "ANOVA-like table for random-effects: Single term deletions",
        "",
        "Model:",
        "yield ~ irrigation * variety + (1 | field)",
        "            npar  logLik    AIC    LRT Df Pr(>Chisq)",
        "<none>        10 -22.698 65.395",
        "(1 | field)    9 -25.753 69.507 6.1118  1    0.01343 *",
        "---",
        "Signif. codes:  0 ‘***’ 0.001 ‘**’ 0.01 ‘*’ 0.05 ‘.’ 0.1 ‘ ’ 1",
    ]


@pytest.mark.parametrize(
    ("formula", "label", "reduced"),
    [
        ("y ~ x + (x + w | g)", "w in (x + w | g)", "y ~ x + (x | g)"),
        ("y ~ x + (x * w | g)", "x:w in (x * w | g)", "y ~ x + (x + w | g)"),
        ("y ~ x + (b | g) + (1 | h)", "b in (b | g)", "y ~ x + (1 | g) + (1 | h)"),
        ("y ~ x + (b | g) + (1 | h)", "(1 | h)", "y ~ x + (b | g)"),
        ("y ~ x + (1 | g) + (0 + x | g)", "(1 | g)", "y ~ x + (0 + x | g)"),
        ("y ~ x + (0 + x + w | g)", "w in (0 + x + w | g)", "y ~ x + (0 + x | g)"),
        ("y ~ x + (0 + b | g)", "b in (0 + b | g)", "y ~ x + (1 | g)"),
        ("y ~ x + (x + w || g)", "x in (0 + x | g)", "y ~ x + (w || g)"),
    ],
)
def test_ranova_compares_with_the_reduced_formula(formula, label, reduced, terms_data):
    frame = pp.lmer(formula, terms_data).ranova().to_frame().set_index("term")
    smaller = pp.lmer(reduced, terms_data)
    assert frame.loc[label, "npar"] == smaller.npar
    assert_allclose(frame.loc[label, "loglik"], smaller.loglik, rtol=1e-8)


def test_ranova_counts_weights_and_offset(terms_data):
    fit = pp.lmer("y ~ a + offset(x / 3) + (1 | g)", terms_data, weights="w")
    by_rows = pp.lmer("y ~ a + offset(x / 3) + (1 | g) + (1 | h)", terms_data, weights="w")
    frame = by_rows.ranova().to_frame().set_index("term")
    assert_allclose(frame.loc["(1 | h)", "loglik"], fit.loglik, rtol=1e-9)
    alone = pp.lm("y ~ a + offset(x / 3)", terms_data, weights="w")
    ml = pp.lmer(fit.formula, terms_data, weights="w", reml=False).ranova()
    assert_allclose(ml.loglik[1], alone.loglik, rtol=1e-9)
