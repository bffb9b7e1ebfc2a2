"""`ranova`: likelihood-ratio tests of one fit's random terms."""

import numpy as np
import partialpool as pp
import pytest
from numpy.testing import assert_allclose

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
