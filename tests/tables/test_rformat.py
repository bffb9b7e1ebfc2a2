"""Numbers read as in R: expected texts are in rformat.json, made by make_expected.R."""

import math

import pytest
from partialpool.tables.abbreviate import abbreviate
from partialpool.tables.layout import display_width, matrix_lines
from partialpool.tables.rformat import (
    coefficient_table,
    format_column,
    format_pvalue,
    format_pvalues,
    significance_stars,
    zapsmall,
)

from tests.references import read_reference

EXPECTED = read_reference("tables/rformat")


def doubles(texts):
    return [math.nan if t in ("NA", "NaN") else float(t) for t in texts]


@pytest.mark.parametrize("case", EXPECTED["columns"], ids=lambda c: ",".join(c["values"]))
def test_columns_read_as_in_r(case):
    assert format_column(doubles(case["values"]), case["digits"]) == case["text"]


@pytest.mark.parametrize("case", EXPECTED["pvalues"], ids=lambda c: ",".join(c["values"]))
def test_p_values_read_as_in_r(case):
    texts = format_pvalues(doubles(case["values"]), case["digits"])
    assert [t.strip() for t in texts] == [t.strip() for t in case["text"]]


@pytest.mark.parametrize("case", EXPECTED["zapped"], ids=lambda c: ",".join(c["values"]))
def test_zapsmall_rounds_as_in_r(case):
    assert zapsmall(doubles(case["values"]), case["digits"]) == doubles(case["zapped"])


@pytest.mark.parametrize("case", EXPECTED["abbreviated"], ids=lambda c: c["names"][0])
def test_abbreviations_are_those_of_r(case):
    assert abbreviate(case["names"], case["minlength"]) == case["text"]


@pytest.mark.parametrize("name", EXPECTED["coefmat"])
def test_coefficient_tables_read_as_in_r(name):
    case = EXPECTED["coefmat"][name]
    header = case["header"]
    table = coefficient_table(
        ["a", "bcd"],
        dict(zip(header, map(doubles, case["columns"]), strict=True)),
        joint=header[:-2],
        tests=[header[-2]],
        p_value=header[-1],
    )
    assert table.lines() == case["text"]


def test_table_of_tests_reads_as_in_r():
    case = EXPECTED["anova"]
    table = coefficient_table(
        case["rows"],
        dict(zip(case["header"], map(doubles, case["columns"]), strict=True)),
        joint=(),
        tests=["F value"],
        p_value="Pr(>F)",
        zap=["Sum Sq", "Mean Sq"],
        digits=5,
        na="",
    )
    assert table.lines() == case["text"][1:]  # after the heading


def test_one_p_value():
    assert format_pvalue(1e-17) == "<2e-16"
    assert format_pvalue(0.04567) == "0.0457"
    assert format_pvalue(math.nan, na="") == ""


def test_stars_include_the_upper_limit():
    limits = {0.0: "***", 0.001: "***", 0.01: "**", 0.05: "*", 0.1: ".", 1.0: " "}
    assert {p: significance_stars(p) for p in limits} == limits
    assert significance_stars(math.nan) == ""


def test_abbreviations_of_distinct_names_are_distinct():
    names = [f"treatment[T.level{i}]:Größe[T.{j}]" for i in range(12) for j in range(12)]
    assert len(set(abbreviate(names, 6))) == len(names)


def test_nothing_to_format():
    assert format_column([]) == []
    assert format_pvalues([]) == []
    assert abbreviate([], 6) == []


def test_wide_characters_keep_columns_aligned():
    lines = matrix_lines(["温度", "Größe", "e\u0301"], ["x"], [["1", "22", "3"]], right=True)
    assert {display_width(line) for line in lines} == {8}
