"""F tables of terms against lmerTest, and what must hold of them whatever the data."""

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from numpy.testing import assert_allclose
from partialpool.errors import ArgumentError, DataError

COLUMNS = ["sum_sq", "mean_sq", "num_df", "den_df", "statistic", "p_value"]
LMERTEST = ["Sum Sq", "Mean Sq", "NumDF", "DenDF", "F value", "Pr(>F)"]

BY_REML = [
    "cake",
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
    "dragons",
]
#: R's θ of dragons is 1e-3 off the optimum, and its F and p values follow.
LOOSE = {"dragons": 5e-3}


def compare(table, rows, names, rtol):
    frame = table.to_frame()
    assert list(frame["term"]) == [row["term"].strip() for row in rows]
    for ours, theirs in zip(COLUMNS, names, strict=True):
        want = [row[theirs] for row in rows]
        assert_allclose(frame[ours], want, rtol=rtol, atol=1e-12, err_msg=ours)


@pytest.mark.parametrize("type_", [1, 2, 3])
@pytest.mark.parametrize("name", [*BY_REML, "penicillin_faraway_ml", "pulp_ml", "sleep_slope_ml"])
def test_tables_of_the_reference_models(name, type_, reference, fit_of):
    rows = reference(name)[f"anova{type_}_satterthwaite"]
    compare(fit_of(name).anova(type_), rows, LMERTEST, LOOSE.get(name, 1e-3))


@pytest.mark.parametrize("name", BY_REML)
def test_kenward_roger_tables_of_the_reference_models(name, reference, fit_of):
    table = fit_of(name).anova(3, "kenward-roger")
    compare(table, reference(name)["anova3_kr"], LMERTEST, LOOSE.get(name, 5e-5))


@pytest.mark.parametrize("name", BY_REML)
def test_kenward_roger_tables_are_pbkrtests_at_the_same_parameters(
    name, reference, fit_of, native_at
):
    r, fit = reference(name), fit_of(name)
    native = native_at(fit, list(r["theta"].values()))
    there = pp.LinearMixedModel(fit.design, fit._products, native, reml=True)
    compare(there.anova(3, "kenward-roger"), r["anova3_kr"], LMERTEST, 1e-5)


TERMS_MODELS = [
    "three_way",
    "slope",
    "crossed",
    "sums",
    "mixed_coding",
    "no_intercept",
    "slopes_only",
    "nested_factor",
    "missing_cell",
    "transform",
    "weighted",
]


@pytest.mark.parametrize("type_", [1, 2, 3])
@pytest.mark.parametrize("name", TERMS_MODELS)
def test_unbalanced_models_with_interactions_and_covariates(name, type_, reference, terms_fit_of):
    model = reference("tests_of_terms")["models"][name]
    fit = terms_fit_of(name)
    compare(fit.anova(type_), model[f"type{type_}"], COLUMNS, 1e-3)
    if f"type{type_}_kr" in model:
        table = fit.anova(type_, "kenward-roger")
        compare(table, model[f"type{type_}_kr"], COLUMNS, 2e-5)


@pytest.mark.parametrize("name", TERMS_MODELS)
def test_drop1(name, reference, terms_fit_of):
    model = reference("tests_of_terms")["models"][name]
    compare(terms_fit_of(name).drop1(), model["drop1"], COLUMNS, 1e-3)


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "asymptotic"])
@pytest.mark.parametrize("coding", ["sum", "helmert", "poly", "SAS", "diff"])
def test_type_three_table_does_not_depend_on_contrasts(coding, ddf, terms_data, terms_fit_of):
    fit = terms_fit_of("three_way")
    recoded = pp.lmer(fit.formula, terms_data, contrasts={"a": coding, "b": coding})
    ours, other = fit.anova(3, ddf).to_frame(), recoded.anova(3, ddf).to_frame()
    assert list(ours["term"]) == list(other["term"])
    assert_allclose(other[COLUMNS], ours[COLUMNS], rtol=2e-5)


def test_all_types_agree_on_balanced_data(fit_of):
    tables = [fit_of("cake").anova(t).to_frame()[COLUMNS] for t in (1, 2, 3)]
    assert_allclose(tables[0], tables[1], rtol=1e-7)
    assert_allclose(tables[0], tables[2], rtol=1e-6)


def test_order_of_terms_matters_to_type_one_only(terms_data):
    one = pp.lmer("y ~ a + b + x + (1 | g)", terms_data)
    other = pp.lmer("y ~ x + b + a + (1 | g)", terms_data)
    for type_ in (2, 3):
        a, b = (f.anova(type_).to_frame().set_index("term").sort_index() for f in (one, other))
        assert_allclose(a, b, rtol=1e-6)
    a, b = (f.anova(1).to_frame().set_index("term").loc["a", "statistic"] for f in (one, other))
    assert abs(a / b - 1) > 1e-3


def test_numbers_alone_need_no_rows(tmp_path, terms_data):
    fit = pp.lmer("y ~ x + w + x:w + (1 | g)", terms_data)
    fit.save(tmp_path / "fit")
    loaded = pp.load(tmp_path / "fit")
    for type_ in (1, 2, 3):
        a, b = fit.anova(type_).to_frame(), loaded.anova(type_).to_frame()
        assert_allclose(b[COLUMNS], a[COLUMNS], rtol=1e-6)


def test_type_three_of_factors_needs_no_rows(tmp_path, terms_data):
    fit = pp.lmer("y ~ a * b * x + (1 | g)", terms_data, contrasts={"a": "sum"})
    fit.save(tmp_path / "fit")
    loaded = pp.load(tmp_path / "fit")
    a, b = fit.anova().to_frame(), loaded.anova().to_frame()
    assert_allclose(b[COLUMNS], a[COLUMNS], rtol=1e-6)


def test_type_three_with_empty_cells_needs_the_data(tmp_path, terms_fit_of):
    terms_fit_of("missing_cell").save(tmp_path / "fit")
    with pytest.raises(DataError, match="type III tests of this design need its data"):
        pp.load(tmp_path / "fit").anova()


def test_asymptotic_tests_are_wald_chi_squares(fit_of):
    from scipy.stats import chi2

    table = fit_of("irrigation").anova(ddf="asymptotic")
    assert np.isinf(table.ddf).all()
    assert_allclose(table.p_value, chi2.sf(table.statistic * table.ndf, table.ndf))


def test_a_model_of_the_mean_has_an_empty_table(fit_of):
    table = fit_of("dyestuff").anova()
    assert len(table.to_frame()) == 0
    assert str(table).startswith("Type III Analysis of Variance Table with Satterthwaite's method")


def test_prints_lmertests_table(fit_of):
    assert str(fit_of("irrigation").anova()).splitlines() == [
        "Type III Analysis of Variance Table with Satterthwaite's method",
        "                   Sum Sq Mean Sq NumDF DenDF F value Pr(>F)",
        "irrigation         2.4545 0.81818     3     4  0.3882 0.7685",
        "variety            2.2500 2.25000     1     4  1.0676 0.3599",
        "irrigation:variety 1.5500 0.51667     3     4  0.2452 0.8612",
    ]
    assert str(fit_of("irrigation").drop1()).splitlines() == [
        "Single term deletions using Satterthwaite's method:",
        "",
        "Model:",
        "yield ~ irrigation * variety + (1 | field)",
        "                   Sum Sq Mean Sq NumDF DenDF F value Pr(>F)",
        "irrigation:variety   1.55 0.51667     3     4  0.2452 0.8612",
    ]


def test_covariates_far_from_zero_keep_their_digits(terms_data):
    shifted = terms_data.assign(x=terms_data["x"] + 1e6)
    fits = [pp.lmer("y ~ a + b + x + (1 | g)", d) for d in (terms_data, shifted)]
    for type_ in (1, 2, 3):
        a, b = (f.anova(type_).to_frame()[COLUMNS] for f in fits)
        assert_allclose(a, b, rtol=1e-5)


def test_columns_may_have_any_name(terms_data):
    odd = terms_data.rename(columns={"a": "my factor", "x": "x:y"})
    fit = pp.lmer("y ~ `my factor` * `x:y` + (1 | g)", odd)
    plain = pp.lmer("y ~ a * x + (1 | g)", terms_data)
    assert_allclose(fit.anova().p_value, plain.anova().p_value, rtol=1e-8)


@pytest.mark.parametrize("type_", [0, 4, "4", "three", None, True, 2.5])
def test_refuses_other_types(type_, fit_of):
    with pytest.raises(ArgumentError, match="type must be 1, 2 or 3, not"):
        fit_of("irrigation").anova(type_)


@pytest.mark.parametrize("ddf", ["KRR", "", None, "lme4"])
def test_refuses_other_methods(ddf, fit_of):
    fit = fit_of("irrigation")
    for ask in (fit.anova, fit.drop1, lambda ddf: fit.test("variety", ddf)):
        with pytest.raises(ArgumentError, match="ddf must be one of 'satterthwaite', 'kenward-r"):
            ask(ddf=ddf)


def test_frames_of_any_kind_give_the_same_table(terms_data, terms_fit_of):
    pl = pytest.importorskip("polars")
    fit = pp.lmer("y ~ a * b * x + (1 | g)", pl.from_pandas(terms_data))
    want = terms_fit_of("three_way").anova().to_frame()
    pd.testing.assert_frame_equal(fit.anova().to_frame(), want, rtol=1e-9)


@pytest.mark.parametrize(
    ("formula", "statistic", "den_df", "p_value"),
    [
        ("y ~ b * poly(x, 2) + (1 | g)", 6.89088765356, 152.253258154, 9.54721358272e-03),
        ("y ~ b * scale(x) + (1 | g)", 6.71289864242, 154.230108098, 1.04900561721e-02),
    ],
)
def test_type_two_of_a_factor_with_a_matrix_is_lmertests(
    formula, statistic, den_df, p_value, terms_data
):
    """R 4.2.2, lmerTest 3.1-3, bobyqa with rhoend = 1e-10: anova(m, type = 2), row b."""
    row = pp.lmer(formula, terms_data).anova(2).to_frame().set_index("term").loc["b"]
    assert_allclose(row["statistic"], statistic, rtol=1e-6)
    assert_allclose(row["den_df"], den_df, rtol=1e-5)
    assert_allclose(row["p_value"], p_value, rtol=1e-5)
