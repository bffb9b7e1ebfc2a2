"""Marginal means, trends and contrasts against R's emmeans (tests/reference/means.R)."""

from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pyarrow as pa
import pytest
from partialpool.errors import ArgumentError
from partialpool.inference.means.marginal_means import MarginalMeans

DDF = ("satterthwaite", "kenward-roger", "asymptotic")

R_NAMES = {
    "emmean": "estimate",
    "number.trend": "estimate",
    "wingspan.trend": "estimate",
    "SE": "std_error",
    "t.ratio": "statistic",
    "z.ratio": "statistic",
    "p.value": "p_value",
    "lower.CL": "conf_low",
    "upper.CL": "conf_high",
    "asymp.LCL": "conf_low",
    "asymp.UCL": "conf_high",
}
NUMBERS = {"estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high"}


def full(model: Any, ddf: str, name: str) -> MarginalMeans:
    if name == "cells":
        return pp.emmeans(model, ["temperature", "recipe"], ddf=ddf, level=0.9)
    by = pp.emmeans(model, "recipe", by="temperature", ddf=ddf)
    if name == "by":
        return by
    kind, _, adjust = name.partition("_")
    if kind == "pairs" and adjust != "temperature":
        return by.pairs(adjust=adjust)
    if kind == "confint":
        return by.pairs(adjust=adjust).confint()
    means = pp.emmeans(model, "temperature", ddf=ddf)
    return {
        "control": lambda: means.contrast("trt_vs_ctrl", ref=1),
        "control_confint": lambda: means.contrast("trt_vs_ctrl", ref="185").confint(),
        "poly": lambda: means.contrast("poly"),
        "pairs_temperature": means.pairs,
        "custom": lambda: means.contrast(
            {"hot": np.array([-1, -1, -1, 1, 1, 1]) / 3, "ends": [-1, 0, 0, 0, 0, 1]}
        ),
    }[name]()


OTHERS = {
    "uneven": lambda m, ddf: pp.emmeans(m("uneven"), "recipe", ddf=ddf),
    "uneven_pairs": lambda m, ddf: pp.emmeans(m("uneven"), "recipe", ddf=ddf).pairs(),
    "uneven_at": lambda m, ddf: pp.emmeans(
        m("uneven"), "recipe", by="number", at={"number": [-20, 10], "early": 1}, ddf=ddf
    ),
    "uneven_trends": lambda m, ddf: pp.emtrends(m("uneven"), "recipe", "number", ddf=ddf),
    "uneven_trends_pairs": lambda m, ddf: pp.emtrends(
        m("uneven"), "recipe", "number", ddf=ddf
    ).pairs(),
    "logged": lambda m, ddf: pp.emmeans(m("logged"), "recipe", ddf=ddf),
    "logged_at": lambda m, ddf: pp.emmeans(m("logged"), "number", at={"number": [-25, 3]}, ddf=ddf),
    "logged_trend": lambda m, ddf: pp.emtrends(
        m("logged"), "number", "number", at={"number": [-10, 5]}, ddf=ddf
    ),
    "shifted": lambda m, ddf: pp.emmeans(m("shifted"), "recipe", ddf=ddf),
    "holed": lambda m, ddf: pp.emmeans(m("holed"), "recipe", ddf=ddf),
    "holed_cells": lambda m, ddf: pp.emmeans(m("holed"), "recipe", by="temperature", ddf=ddf),
    "dragon_pairs": lambda m, ddf: pp.emmeans(
        m("dragon"), "scales", by="wingspan", at={"wingspan": [40, 60]}, ddf=ddf
    ).pairs(),
    "dragon_trend_pairs": lambda m, ddf: pp.emtrends(
        m("dragon"), "scales", "wingspan", ddf=ddf
    ).pairs(),
    "three": lambda m, ddf: pp.emmeans(m("three"), "temperature", by=["recipe", "early"], ddf=ddf),
}
ADJUST = ("tukey", "holm", "bonferroni", "sidak", "none")
FULL = (
    "by",
    "cells",
    *(f"{k}_{a}" for k in ("pairs", "confint") for a in ADJUST),
    "control",
    "control_confint",
    "poly",
    "pairs_temperature",
    "custom",
)


def compare(found: MarginalMeans, rows: list[dict[str, Any]], ddf: str) -> None:
    ours = found.to_frame()
    theirs = pd.DataFrame(rows).rename(columns=R_NAMES)
    assert set(ours.columns) == set(theirs.columns)
    assert len(ours) == len(theirs)
    for name in ours.columns:
        if name not in NUMBERS:
            assert [str(v) for v in ours[name]] == [label(v) for v in theirs[name]]
            continue
        if name == "df" and ddf == "asymptotic":
            assert (np.isinf(ours[name]) | np.isnan(ours["estimate"])).all()
            continue
        r = theirs[name].to_numpy(dtype=float)
        # R's optimum and its numeric derivatives limit the digits of standard errors and df;
        # critical values of "dunnettx" are found to 5e-4 there.
        scale = np.nanmax(theirs["std_error"].to_numpy(dtype=float))
        absolute = {"estimate": 1e-5, "conf_low": 6e-4, "conf_high": 6e-4}.get(name, 0) * scale
        if name in {"p_value", "statistic"}:
            absolute = 2e-5
        np.testing.assert_allclose(
            ours[name], r, rtol=1e-3 if name == "df" else 2e-4, atol=absolute, err_msg=name
        )


def label(value: Any) -> str:
    return str(float(value)) if isinstance(value, int) else str(value)


@pytest.mark.parametrize("ddf", DDF)
@pytest.mark.parametrize("name", FULL)
def test_factorial_design_as_in_emmeans(model: Any, reference: Any, name: str, ddf: str) -> None:
    compare(full(model("full"), ddf, name), reference("means")[f"full_{name}/{ddf}"], ddf)


# The uneven models have prior weights, which pbkrtest ignores and ours does not
# (tests/inference/fixed/test_kenward_roger.py has the n x n form with weights).
@pytest.mark.parametrize(
    ("name", "ddf"),
    [(n, d) for n in OTHERS for d in DDF if d != "kenward-roger" or not n.startswith("uneven")],
)
def test_unbalanced_designs_with_covariates_as_in_emmeans(
    model: Any, reference: Any, name: str, ddf: str
) -> None:
    compare(OTHERS[name](model, ddf), reference("means")[f"{name}/{ddf}"], ddf)


def test_cake_and_dragons_of_the_shared_reference(model: Any, reference: Any) -> None:
    tests = reference("tests")
    recipes = pp.emmeans(model("full"), "recipe")
    for found, rows in (
        (recipes, tests["cake_emmeans_satterthwaite"]),
        (recipes.pairs(), tests["cake_pairs_satterthwaite"]),
        (pp.emtrends(model("dragon"), "scales", "wingspan"), tests["dragons_emtrends"]),
        (pp.emmeans(model("dragon"), "scales"), tests["dragons_emmeans"]),
    ):
        ours = found.to_frame()
        theirs = pd.DataFrame(rows).drop(columns="term").rename(columns=R_NAMES)
        for name in NUMBERS & set(ours.columns):
            # lme4's default optimiser is off by 1e-3 in the dragons' θ
            np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-3, err_msg=name)


def test_cake_by_kenward_roger_of_the_shared_reference(model: Any, reference: Any) -> None:
    tests = reference("tests")
    recipes = pp.emmeans(model("full"), "recipe", ddf="kenward-roger")
    for found, rows in (
        (recipes, tests["cake_emmeans_kenward-roger"]),
        (recipes.pairs(), tests["cake_pairs_kenward-roger"]),
    ):
        ours = found.to_frame()
        theirs = pd.DataFrame(rows).drop(columns="term").rename(columns=R_NAMES)
        numbers = NUMBERS & set(ours.columns)
        assert {"df", "std_error"} <= numbers
        for name in numbers:
            # emmeans takes Tukey's tail by an approximation of 1e-5
            rtol = 1e-4 if name == "p_value" else 1e-5
            np.testing.assert_allclose(ours[name], theirs[name], rtol=rtol, err_msg=name)


def test_least_squares_uses_its_residual_df(model: Any, reference: Any) -> None:
    means = pp.emmeans(model("plain"), "recipe")
    compare(means, reference("means")["plain"], "residual")
    compare(means.pairs(), reference("means")["plain_pairs"], "residual")


@pytest.mark.parametrize("name", ["full", "uneven", "three", "dragon"])
def test_joint_tests_as_in_emmeans(model: Any, reference: Any, name: str) -> None:
    ours = pp.joint_tests(model(name)).to_frame()
    theirs = pd.DataFrame(reference("means")[f"joint_{name}/satterthwaite"])
    assert list(ours["term"]) == list(theirs["term"])
    assert list(ours["ndf"]) == list(theirs["df1"])
    # emmeans keeps two decimals of the df and three of F.
    np.testing.assert_allclose(ours["ddf"], theirs["df2"], rtol=1e-3, atol=5.1e-3)
    np.testing.assert_allclose(ours["statistic"], theirs["F.ratio"], rtol=2e-4, atol=5.1e-4)
    np.testing.assert_allclose(ours["p_value"], theirs["p.value"], rtol=5e-3)


def test_joint_tests_within_groups(model: Any, reference: Any) -> None:
    ours = pp.joint_tests(model("three"), by="early").to_frame().sort_values(["early", "term"])
    theirs = pd.DataFrame(reference("means")["joint_by/satterthwaite"])
    theirs = theirs.rename(columns={theirs.columns[0]: "term"}).sort_values(["early", "term"])
    assert list(ours["term"]) == list(theirs["term"])
    np.testing.assert_allclose(ours["statistic"], theirs["F.ratio"], rtol=2e-4, atol=5.1e-4)
    np.testing.assert_allclose(ours["ddf"], theirs["df2"], rtol=1e-3, atol=5.1e-3)


def test_joint_tests_do_not_depend_on_the_coding_of_factors(model: Any) -> None:
    data = model("uneven").design.source
    formula = "angle ~ recipe * temperature + (1 | recipe:replicate)"
    treatment = pp.joint_tests(pp.lmer(formula, data)).to_frame()
    sums = pp.lmer(formula, data, contrasts={"recipe": "sum", "temperature": "helmert"})
    np.testing.assert_allclose(
        pp.joint_tests(sums).to_frame()["statistic"], treatment["statistic"], rtol=1e-7
    )


PRINTED = {
    "full_pairs": lambda m: pp.emmeans(m("full"), "recipe", by="temperature").pairs(),
    "uneven": lambda m: pp.emmeans(m("uneven"), "recipe"),
    "uneven_at": lambda m: OTHERS["uneven_at"](m, "asymptotic"),
    "trends": lambda m: pp.emtrends(m("uneven"), "recipe", "number"),
    "control": lambda m: pp.emmeans(m("full"), "temperature").contrast("trt_vs_ctrl", ref=1),
    "cells": lambda m: pp.emmeans(m("uneven"), ["number", "recipe"], at={"number": [-20, 10.5]}),
    "logged": lambda m: pp.emmeans(m("logged"), "recipe"),
    "holed": lambda m: pp.emmeans(m("holed"), "recipe"),
    "joint": lambda m: pp.joint_tests(m("three")),
}


@pytest.mark.parametrize("name", PRINTED)
def test_prints_as_emmeans(model: Any, reference: Any, name: str) -> None:
    theirs = [line.rstrip() for line in reference("means")["printed"][name]]
    ours = [
        line
        for line in str(PRINTED[name](model)).split("\n")
        # emmeans sends this one as a message, and does not name the method under joint tests
        if not line.startswith("NOTE") and (name != "joint" or not line.startswith("Degrees"))
    ]
    while ours[-1] == "":
        ours.pop()
    while theirs[-1] == "":
        theirs.pop()
    # R pads the numbers of a `by` column to one width
    assert ours == [line.replace("number =  10:", "number = 10:") for line in theirs]


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames_are_of_the_kind_that_came_in(kind: Any) -> None:
    sleep = pp.load_dataset("sleepstudy")
    sleep["late"] = np.where(sleep["Days"] > 4, "yes", "no")
    columns = {c: sleep[c].tolist() for c in sleep.columns}
    fit = pp.lmer("Reaction ~ late + (1 | Subject)", kind(columns))
    means = pp.emmeans(fit, "late")
    for result in (means, means.pairs(), pp.joint_tests(fit)):
        assert type(result.to_frame()) is type(kind(columns))


def test_means_do_not_depend_on_the_coding_of_factors(model: Any) -> None:
    formula = "angle ~ recipe * number + early + (1 | recipe:replicate)"
    data = model("uneven").design.source
    sums = pp.lmer(formula, data, weights="w", contrasts={"recipe": "sum"})
    one, two = (pp.emmeans(f, "recipe").pairs().to_frame() for f in (model("uneven"), sums))
    for name in ("estimate", "std_error", "df", "p_value"):
        np.testing.assert_allclose(one[name], two[name], rtol=1e-6)


def test_custom_matrix_and_its_names(model: Any) -> None:
    means = pp.emmeans(model("full"), "recipe")
    by_dict = means.contrast({"AB": [1, -1, 0], "sum": [1, 1, 1]})
    by_frame = means.contrast(pd.DataFrame([[1, -1, 0], [1, 1, 1]], index=["AB", "sum"]))
    by_matrix = means.contrast([[1, -1, 0], [1, 1, 1]])
    assert by_frame.labels["contrast"] == ("AB", "sum")
    assert by_matrix.labels["contrast"] == ("c1", "c2")
    for other in (by_frame, by_matrix):
        np.testing.assert_array_equal(by_dict.estimate, other.estimate)
    np.testing.assert_allclose(by_dict.estimate[1], means.estimate.sum())


def test_test_of_a_value_that_is_not_zero(model: Any) -> None:
    means = pp.emmeans(model("full"), "recipe")
    tested = means.test(null=30.0).to_frame()
    np.testing.assert_allclose(tested["statistic"], (means.estimate - 30) / means.std_error)


def test_overall_mean_is_the_mean_of_the_means(model: Any) -> None:
    overall = pp.emmeans(model("full"), [])
    recipes = pp.emmeans(model("full"), "recipe")
    np.testing.assert_allclose(overall.estimate, recipes.estimate.mean())


def test_a_pickled_fit_asks_for_covariates_that_it_cannot_know(model: Any) -> None:
    import pickle

    fit = pickle.loads(pickle.dumps(model("uneven")))
    given = {"number": 0.0, "early": [0, 1]}
    np.testing.assert_allclose(
        pp.emmeans(fit, "recipe", at=given).estimate,
        pp.emmeans(model("uneven"), "recipe", at=given).estimate,
    )


def test_plot_has_a_point_and_an_interval_for_each_mean(model: Any) -> None:
    import matplotlib

    matplotlib.use("Agg")
    figure = pp.emmeans(model("full"), "recipe", by="temperature").plot()
    axes = figure.axes[0]
    assert len(axes.get_yticklabels()) == 18
    assert axes.get_xlabel() == "angle (°): marginal mean with 95% confidence interval"


BAD = [
    (lambda m: pp.emmeans(m("full"), "flour"), "'flour' is no predictor"),
    (lambda m: pp.emmeans(m("full"), "recipe", by="oven"), "'oven' is no predictor"),
    (lambda m: pp.emmeans(m("full"), ["recipe", "recipe"]), "twice"),
    (lambda m: pp.emmeans(m("full"), [1]), "names of predictors, not 1"),
    (lambda m: pp.emmeans(m("full"), "recipe", ddf="exact"), "not 'exact'"),
    (lambda m: pp.emmeans(m("full"), "recipe", level=95), "not 95"),
    (lambda m: pp.emmeans(m("full"), "recipe", adjust="fdr"), "not 'fdr'"),
    (lambda m: pp.emmeans(m("full"), "recipe", at={"flour": 1}), "'flour' is no predictor"),
    (lambda m: pp.emmeans(m("full"), "recipe", at={"recipe": "D"}), "no level 'D'"),
    (lambda m: pp.emmeans(m("full"), "recipe", at=["A"]), "not list"),
    (lambda m: pp.emmeans(m("uneven"), "recipe", at={"number": "hot"}), "got 'hot'"),
    (lambda m: pp.emmeans(m("uneven"), "recipe", at={"number": float("nan")}), "finite"),
    (lambda m: pp.emmeans(m("uneven"), "recipe", at={"number": []}), "no value"),
    (lambda m: pp.emmeans(m("full").fixef, "recipe"), "not Series"),
    (lambda m: pp.emtrends(m("full"), "recipe", "number"), "var='number'"),
    (lambda m: pp.emtrends(m("full"), "recipe", "temperature"), "is a factor"),
    (lambda m: pp.joint_tests(m("full"), by="oven"), "'oven'"),
    (lambda m: pp.emmeans(m("full"), "recipe").contrast("dunnett"), "'dunnett'"),
    (lambda m: pp.emmeans(m("full"), "recipe").contrast({"a": [1, -1]}), "2 coefficients for 3"),
    (lambda m: pp.emmeans(m("full"), "recipe").contrast({}), "empty"),
    (lambda m: pp.emmeans(m("full"), "recipe").contrast([[1, "b", 0]]), "matrix of numbers"),
    (lambda m: pp.emmeans(m("full"), "recipe").contrast([1, np.inf, 0]), "finite"),
    (lambda m: pp.emmeans(m("full"), "recipe").contrast("trt_vs_ctrl", ref="D"), "ref='D'"),
    (lambda m: pp.emmeans(m("full"), "recipe").contrast("poly", ref=1), "'trt_vs_ctrl'"),
    (lambda m: pp.emmeans(m("full"), "recipe").contrast(by="oven"), "no column 'oven'"),
    (lambda m: pp.emmeans(m("full"), "recipe").pairs(adjust="lsd"), "not 'lsd'"),
    (lambda m: pp.emmeans(m("full"), "recipe").confint(level=0), "not 0"),
    (lambda m: pp.emmeans(m("full"), "recipe").test(null="a"), "not 'a'"),
    (lambda m: pp.emmeans(m("full"), []).pairs(), "at least two"),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[w for _, w in BAD])
def test_bad_input_is_named(model: Any, call: Any, words: str) -> None:
    with pytest.raises(ArgumentError) as error:
        call(model)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_columns_of_the_result_by_name(model: Any) -> None:
    means = pp.emmeans(model("full"), "recipe")
    assert list(means["estimate"]) == list(means.to_frame()["estimate"])
    with pytest.raises(ArgumentError, match="no column 'emmean'; there are recipe, estimate"):
        means["emmean"]


@pytest.mark.parametrize("many", [range(10**9), np.zeros(10**7)])
def test_grids_are_bounded_before_they_are_made(many: Any) -> None:
    fit = pp.lmer("Reaction ~ Days + (1 | Subject)", pp.load_dataset("sleepstudy"))
    with pytest.raises(ArgumentError, match=r"at: 10,000,000 values|at: 1,000,000,000 values"):
        pp.emmeans(fit, "Days", at={"Days": many})
