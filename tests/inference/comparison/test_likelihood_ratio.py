"""Likelihood-ratio tests: pp.anova between fits."""

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
