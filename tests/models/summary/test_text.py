"""The printed summary against R's print, line by line.

R's texts are in summary_*.txt and the values in fit_*.json, both made by make_expected.R.
Known differences, left out of the comparison: the title (R adds its class and an odd blank),
R's closing lines on its optimiser, and blanks at the ends of lines.
"""

import subprocess
import sys

import numpy as np
import pytest
from partialpool.models.summary import VarianceRow
from partialpool.tables.layout import display_width

FITS = [
    "sleep_slope",
    "sleep_slope_ml",
    "sleep_slope_only",
    "sleep_zerocorr",
    "irrigation",
    "penicillin_crossed",
    "penicillin_faraway_ml",
    "dyestuff2_singular",
    "dragons",
    "dragons_singular",
    "pastes_nested",
    "solutions",
    "insteval",
]


def body(lines):
    """From the formula to the end, without R's closing lines on its optimiser."""
    start = next(i for i, line in enumerate(lines) if line.startswith("Formula:"))
    stop = next((i for i, line in enumerate(lines) if line.startswith("optimizer")), len(lines))
    lines = lines[start:stop]
    return lines[:-1] if lines[-1] == "" else lines


@pytest.mark.parametrize("name", FITS)
def test_summary_reads_as_in_r(name, summary_of, printed_by_r):
    assert body(str(summary_of(name)).splitlines()) == body(printed_by_r(name))


@pytest.mark.parametrize("name", ["sleep_slope", "irrigation"])
def test_kenward_roger_summary_reads_as_in_r(name, summary_of, printed_by_r):
    ours = str(summary_of(name, ddf="kr")).splitlines()
    assert body(ours) == body(printed_by_r(f"{name}_kr"))


def test_summary_without_tests_reads_as_in_lme4(summary_of, printed_by_r):
    ours = str(summary_of("sleep_slope", ddf=None)).splitlines()
    assert body(ours) == body(printed_by_r("sleep_slope_lme4"))


def test_many_coefficients_have_no_correlation_matrix(summary_of, printed_by_r):
    lines = body(str(summary_of("cake")).splitlines())
    expected = body(printed_by_r("cake"))
    assert lines[: len(expected)] == expected
    assert lines[len(expected) :] == [
        "",
        "Correlation matrix of the fixed effects not shown, as p = 18 > 12: see .correlation.",
    ]


def test_title_is_that_of_r(summary_of, printed_by_r):
    ours = str(summary_of("sleep_slope")).splitlines()[0]
    assert printed_by_r("sleep_slope")[0].startswith(ours)


def test_notes_and_dropped_rows_are_said(summary_of):
    note = "The fit is singular: the variance of Batch is zero."
    text = str(summary_of("dyestuff2_singular", dropped=2, notes=(note,)))
    assert "Number of obs: 30, groups:  Batch, 6\n2 rows with missing values dropped\n" in text
    assert text.endswith(f"\n\n{note}")
    assert "\n1 row with" in str(summary_of("dyestuff2_singular", dropped=1))


def test_weights_and_offset_are_named(summary_of):
    text = str(summary_of("sleep_slope", weights="w", offset="log(n)", data_name=None))
    assert "(Days | Subject)\nWeights: w\n Offset: log(n)\n\n" in text


def test_z_statistics_have_their_own_heading(summary_of):
    lines = str(summary_of("sleep_slope", df=None, statistic_name="z value")).splitlines()
    head = lines[lines.index("Fixed effects:") + 1]
    assert head.split() == ["Estimate", "Std.", "Error", "z", "value", "Pr(>|z|)"]


def test_long_names_in_any_script_keep_rows_aligned(summary_of):
    terms = ("Intercept", "irrigation[T.灌溉]:variety[T.a very long name of a level, Größe]")
    lines = str(summary_of("sleep_slope", terms=terms)).splitlines()
    start = lines.index("Fixed effects:")
    rows = lines[start + 2 : start + 4]
    assert len({display_width(row) for row in rows}) == 1
    assert rows[0].startswith("(Intercept) ")
    assert rows[1].startswith(terms[1])


def test_long_formula_is_broken_at_blanks(summary_of):
    formula = "y ~ " + " + ".join(f"predictor_number_{i}" for i in range(20)) + " + (1 | g)"
    lines = str(summary_of("sleep_slope", formula=formula)).splitlines()
    stop = next(i for i, line in enumerate(lines) if line.startswith("   Data:"))
    assert max(map(len, lines)) <= 80
    assert " ".join(line.strip() for line in lines[1:stop]) == f"Formula: {formula}"


def test_wide_correlation_matrix_is_broken_into_blocks(summary_of):
    p = 12
    values = np.ones(p)
    summary = summary_of(
        "sleep_slope",
        terms=tuple(f"variable_{i}" for i in range(p)),
        correlation=np.eye(p),
        **dict.fromkeys(("estimate", "std_error", "statistic", "df", "p_value"), values),
    )
    lines = str(summary).splitlines()
    lines = lines[lines.index("Correlation of Fixed Effects:") + 1 :]
    assert len(lines) == 2 * p
    assert max(map(len, lines)) <= 80


def test_undefined_correlation_is_shown_as_nan(summary_of, zero_variance_rows):
    summary = summary_of("sleep_slope", variance_rows=zero_variance_rows)
    assert "x           4        2         NaN" in str(summary)
    assert summary.varcorr["vcov"].tolist() == [0.0, 4.0, 0.0, 1.0]


def test_missing_statistics_are_shown_as_na(summary_of):
    nan = np.array([1.0, np.nan])
    text = str(summary_of("sleep_slope", df=nan, statistic=nan, p_value=nan))
    assert "NA      NA       NA" in text
    assert "Signif. codes" not in text


def test_model_without_fixed_effects(summary_of):
    none = np.empty(0)
    empty = dict.fromkeys(("estimate", "std_error", "statistic", "df", "p_value"), none)
    summary = summary_of("sleep_slope", terms=(), correlation=np.empty((0, 0)), **empty)
    assert str(summary).splitlines()[-1].startswith("Number of obs")
    assert summary.coefficients.empty


def test_coefficients_are_a_frame_under_our_names(summary_of):
    frame = summary_of("irrigation").coefficients
    columns = ["term", "estimate", "std_error", "df", "statistic", "p_value"]
    assert frame.columns.tolist() == columns
    assert frame["term"][0] == "Intercept"
    without = summary_of("irrigation", ddf=None).coefficients
    assert without.columns.tolist() == columns
    assert without[["df", "p_value"]].isna().all(axis=None)


@pytest.mark.parametrize("name", FITS)
def test_varcorr_is_the_frame_of_lme4(name, summary_of, reference_fit):
    frame = summary_of(name).varcorr
    expected = reference_fit(name)["varcorr"]
    assert frame.columns.tolist() == ["grp", "var1", "var2", "vcov", "sdcor", "parameter"]
    for key in ("grp", "var1", "var2"):
        values = [row[key] for row in expected]
        assert frame[key].tolist() == ["Intercept" if v == "(Intercept)" else v for v in values]
    for key in ("vcov", "sdcor"):
        np.testing.assert_allclose(frame[key], [row[key] for row in expected], rtol=1e-10)


def test_terms_of_one_group_are_told_apart(summary_of):
    rows = (
        VarianceRow("g", "Intercept", 4.0, 2.0),
        VarianceRow("g", "x", 9.0, 3.0),
        VarianceRow("Residual", "", 1.0, 1.0),
    )
    summary = summary_of("sleep_slope", variance_rows=rows)
    assert " g        (Intercept) 4        2\n g        x           9        3\n" in str(summary)
    assert summary.varcorr["grp"].tolist() == ["g", "g", "Residual"]


def test_import_is_light():
    code = (
        "import sys, partialpool.models.summary, partialpool.models.summary_text, "
        "partialpool.tables.html; print([m for m in ('pandas', 'scipy', 'jinja2') "
        "if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
