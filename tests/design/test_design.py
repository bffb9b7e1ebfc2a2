"""Columns, codes and rows of a design, and how new data are coded."""

from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from formulaic import model_matrix
from partialpool.design import Frame, build_design
from partialpool.design.covariance import Block, parts
from partialpool.errors import DataError, NewDataError, PartialPoolError
from partialpool.formula import parse_formula

FIXED = [
    "x",
    "0 + x",
    "x * z",
    "x:z",
    "f",
    "0 + f",
    "x * f",
    "f:x",
    "0 + f:x",
    "n * f * x",
    "log(n) + exp(x)",
    "I(x**2) + I(x / n)",
    "poly(x, 3)",
    "bs(x, df=5)",
    "cr(x, df=4)",
    "scale(x) + center(z)",
    "C(n, contr.treatment) + x",
    "C(f, contr.sum)",
    "C(f, contr.helmert):x",
    "C(f, contr.poly)",
]


def design_of(formula: str, data: Any, **arguments: Any) -> Any:
    return build_design(parse_formula(formula), data, **arguments)


def matrix(columns: Any, n: int) -> Any:
    return np.column_stack([np.broadcast_to(np.asarray(c, dtype=float), (n,)) for c in columns])


@pytest.mark.parametrize("fixed", FIXED)
def test_columns_are_those_of_formulaic(fixed: str, table: pd.DataFrame) -> None:
    design = design_of(f"y ~ {fixed} + (1 | g)", table)
    expected = model_matrix(fixed, table)
    assert len(design.fixed.names) == expected.shape[1]
    np.testing.assert_allclose(matrix(design.x, 48), expected.to_numpy(dtype=float), atol=1e-12)


@pytest.mark.parametrize("fixed", FIXED)
def test_new_data_are_coded_as_the_old(fixed: str, table: pd.DataFrame) -> None:
    design = design_of(f"y ~ {fixed} + (1 | g)", table)
    some = table.drop(columns="y").iloc[[33, 2, 2]]
    again = matrix(design.fixed.of(Frame(some)), 3)
    np.testing.assert_allclose(again, matrix(design.x, 48)[[33, 2, 2]], atol=1e-12)


@pytest.mark.parametrize("lhs", ["x", "0 + x", "f", "0 + f", "x * f", "poly(x, 2)", "log(n)"])
@pytest.mark.parametrize("bar", ["|", "||"])
def test_columns_of_a_bar(lhs: str, bar: str, table: pd.DataFrame) -> None:
    data = table.assign(k=np.arange(48) % 4)
    (factor,) = design_of(f"y ~ z + ({lhs} {bar} k)", data).factors
    expected = model_matrix(lhs, table)
    np.testing.assert_allclose(
        matrix(factor.columns, 48), expected.to_numpy(dtype=float), atol=1e-12
    )
    size = expected.shape[1]
    assert factor.blocks == (Block("us" if bar == "|" else "diag", size),)
    assert [len(p) for p in parts(factor.blocks)] == ([size] if bar == "|" else [1] * size)


@pytest.mark.parametrize("coding", ["treatment", "sum", "helmert", "poly", "SAS", "diff"])
def test_contrasts_by_argument_are_those_in_the_formula(coding: str, table: pd.DataFrame) -> None:
    design = design_of("y ~ f * x + (1 | g)", table, contrasts={"f": coding})
    expected = model_matrix(f"C(f, contr.{coding}) * x", table)
    np.testing.assert_allclose(matrix(design.x, 48), expected.to_numpy(dtype=float), atol=1e-12)
    assert all("C(" not in name for name in design.fixed.names)
    assert design.fixed.term_names == ("Intercept", "f", "x", "f:x")


def test_codes_are_positions_in_the_levels(table: pd.DataFrame) -> None:
    (factor,) = design_of("y ~ x + (1 | g)", table).factors
    assert factor.codes.dtype == np.uint32
    assert [factor.levels[c] for c in factor.codes] == table["g"].tolist()


def test_an_interaction_has_the_levels_that_occur(table: pd.DataFrame) -> None:
    (factor,) = design_of("y ~ x + (1 | f:g)", table).factors
    seen = sorted(set(zip(table["f"], table["g"], strict=True)))
    assert list(factor.levels) == [f"{a}:{b}" for a, b in seen]
    labels = [factor.levels[c] for c in factor.codes]
    assert labels == (table["f"] + ":" + table["g"]).tolist()


def test_nested_factors_are_expanded_and_joined(table: pd.DataFrame) -> None:
    factors = design_of("y ~ x + (1 | f/g)", table).factors
    assert [f.name for f in factors] == ["g:f", "f"]
    assert [len(f.levels) for f in factors] == [24, 3]


def test_terms_on_one_factor_are_merged(table: pd.DataFrame) -> None:
    (factor,) = design_of("y ~ x + (1 | g) + (0 + x | g)", table).factors
    assert factor.names == ("Intercept", "x")
    assert factor.blocks == (Block("us", 1), Block("us", 1))
    assert [term.source.text for term in factor.terms] == ["(1 | g)", "(0 + x | g)"]


def test_levels_joined_by_a_colon_are_not_confused(table: pd.DataFrame) -> None:
    """`a:b` with `c`, and `a` with `b:c`, have one label but are two levels."""
    one = np.where(np.arange(48) % 2 == 0, "a:b", "a")
    two = np.where(np.arange(48) % 2 == 0, "c", "b:c")
    fit = pp.lmer("y ~ x + (1 | p:q)", table.assign(p=one, q=two))
    assert fit.ngroups == {"p:q": 2}
    np.testing.assert_allclose(fit.predict(table.assign(p=one, q=two)), fit.fitted, rtol=1e-10)


def test_rows_with_missing_values_are_dropped_together(table: pd.DataFrame) -> None:
    table.loc[3, "y"] = np.nan
    table.loc[[3, 8], "x"] = np.nan
    table.loc[11, "g"] = None
    table.loc[12, "f"] = None
    weights, offset = np.ones(48), np.zeros(48)
    weights[20], offset[21] = np.nan, np.nan
    design = design_of("y ~ x + n + f + (1 | g)", table, weights=weights, offset=offset)
    used = np.setdiff1d(np.arange(48), [3, 8, 11, 12, 20, 21])
    np.testing.assert_array_equal(design.rows, used)
    assert (design.n, design.total, design.dropped) == (42, 48, 6)
    np.testing.assert_array_equal(design.y, table["y"].to_numpy()[used])
    assert len(design.weights) == len(design.offset) == 42


def test_dropped_rows_are_counted_in_the_summary(table: pd.DataFrame) -> None:
    table.loc[[3, 8], "x"] = np.nan
    text = str(pp.lmer("y ~ x + (1 | g)", table).summary())
    assert "46" in text
    assert any("2" in line and "missing" in line.lower() for line in text.splitlines()), text
    complete = str(pp.lmer("y ~ z + (1 | g)", table).summary())
    assert "missing" not in complete.lower()


def test_na_action_error_counts_by_column(table: pd.DataFrame) -> None:
    table.loc[[3, 8], "x"] = np.nan
    table.loc[5, "g"] = None
    with pytest.raises(DataError, match=r"'x' \(2\), 'g' \(1\)"):
        pp.lmer("y ~ x + (1 | g)", table, na_action="error")
    assert pp.lmer("y ~ z + (1 | f)", table, na_action="error").nobs == 48


def test_a_missing_value_in_a_column_of_an_offset_or_response_transform(
    table: pd.DataFrame,
) -> None:
    table.loc[4, "z"] = np.nan
    table.loc[6, "y"] = np.nan
    fit = pp.lmer("log(y + 9) ~ x + offset(z) + (1 | g)", table)
    assert fit.dropped_rows == 2


def test_rank_deficiency_is_named_and_dropped_as_lme4_does(table: pd.DataFrame) -> None:
    data = table.assign(twice=2 * table["x"] + 1, ftop=(table["f"] == "top") * 1.0)
    fit = pp.lmer("y ~ x + twice + f + ftop + (1 | g)", data)
    # formulaic puts numeric columns where they are written, so that ftop comes after f.
    assert fit.aliased == ("twice", "ftop")
    expected = pp.lmer("y ~ x + f + (1 | g)", data)
    assert fit.criterion == pytest.approx(expected.criterion, abs=1e-8)
    np.testing.assert_allclose(fit.predict(data), expected.fitted, rtol=1e-8)
    assert "rank deficient: dropped twice, " in str(fit.summary())


def test_an_empty_cell_is_dropped(table: pd.DataFrame) -> None:
    data = table[~((table["f"] == "top") & (table["z"] > 0))].assign(k=lambda d: d["z"] > 0)
    data["k"] = np.where(data["k"], "yes", "no")
    fit = pp.lmer("y ~ f * k + (1 | g)", data)
    assert fit.aliased == ("f[T.top]:k[T.yes]",)


@pytest.mark.parametrize("mean", [1e3, 1e6])
def test_a_column_far_from_zero_is_not_taken_for_the_intercept(
    mean: float, table: pd.DataFrame
) -> None:
    """R's tolerance is 1e-7: means of less than 10⁷ standard deviations are kept."""
    fit = pp.lmer("y ~ x + (1 | g)", table.assign(x=table["x"] + mean))
    assert fit.aliased == ()
    expected = pp.lmer("y ~ x + (1 | g)", table)
    assert fit.fixef["x"] == pytest.approx(expected.fixef["x"], rel=1e-6)


@pytest.mark.parametrize("fixed", ["Intercept", "Intercept + f", "0 + Intercept"])
def test_a_column_called_intercept_is_refused(fixed: str, table: pd.DataFrame) -> None:
    """As one called `1` is: its coefficient could not be told from the intercept's."""
    with pytest.raises(PartialPoolError, match="Intercept"):
        pp.lmer(f"y ~ {fixed} + (1 | g)", table.rename(columns={"x": "Intercept"}))


def test_a_level_unknown_to_a_fixed_factor_is_named(table: pd.DataFrame) -> None:
    design = design_of("y ~ f + (1 | g)", table)
    with pytest.raises(NewDataError, match=r"'bottom' of 'f'"):
        design.fixed.of(Frame({"f": ["low", "bottom"]}))


def test_codes_of_new_groups(table: pd.DataFrame) -> None:
    (factor,) = design_of("y ~ x + (1 | g)", table).factors
    codes, unknown = factor.code_new(Frame({"g": ["c", "zz", "a", None, "zy"]}))
    assert codes.tolist() == [2, -1, 0, -1, -1]
    assert sorted(unknown) == ["zy", "zz"]
