"""The summary of a fit in text: each part as cells, and all of them in lines.

Layout and digits are those of ``print(summary(fit))`` with lme4 and lmerTest.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from partialpool.models.summary import by_term
from partialpool.tables.abbreviate import abbreviate
from partialpool.tables.layout import (
    LINE_WIDTH,
    display_width,
    matrix_lines,
    shown_name,
    vector_lines,
)
from partialpool.tables.rformat import (
    CellTable,
    coefficient_table,
    format_column,
    round_digits,
    zapsmall,
)

if TYPE_CHECKING:
    from partialpool.models.summary import Summary, VarianceRow

DIGITS = 4
CORRELATION_LIMIT = 12  # lme4's option lme4.summary.cor.max
#: Contrasts of a factor as coefficients show them: what R writes as the level alone.
INDICATOR = re.compile(r"\[(?:[A-Z]+\.)?([^\[\]]*)\]")
QUANTILE_NAMES = ("Min", "1Q", "Median", "3Q", "Max")


def criterion_cells(summary: Summary) -> tuple[list[str], list[str]]:
    """Names and texts of the fit criteria, one decimal each."""
    names = list(summary.criterion)
    rounded = {name: round_digits(float(v), 1) for name, v in summary.criterion.items()}
    shared = [name for name in names if name != "df.resid"]
    texts = dict(zip(shared, format_column([rounded[n] for n in shared]), strict=True))
    if "df.resid" in rounded:
        texts["df.resid"] = format_column([rounded["df.resid"]])[0]
    return names, [texts[name].strip() for name in names]


def residual_cells(summary: Summary) -> list[str]:
    """Texts of the five quantiles of the scaled residuals."""
    quantiles = zapsmall(summary.residual_quantiles, DIGITS + 1)
    return [text.strip() for text in format_column(quantiles, DIGITS)]


def variance_table(summary: Summary) -> CellTable:
    """Groups, names, variances, standard deviations and correlations of the random effects."""
    rows = summary.variance_rows
    header = ["Groups", "Name", "Variance", "Std.Dev."]
    columns = [
        ["" if r.correlations else r.group for r in rows],
        [shown_name(r.name) for r in rows],
        format_column([r.variance for r in rows], DIGITS),
        format_column([r.sd for r in rows], DIGITS),
    ]
    most = max((len(r.correlations) for r in rows), default=0)
    if most:
        texts = [text for term in by_term(rows) for text in _correlation_cells(term)]
        header += ["Corr"] + [""] * (most - 1)
        columns += [[t[k] if k < len(t) else "" for t in texts] for k in range(most)]
    return CellTable(("",) * len(rows), tuple(header), tuple(tuple(c) for c in columns))


def fixed_effects_table(summary: Summary) -> CellTable:
    """Estimates, standard errors, degrees of freedom, statistics and p-values."""
    columns = {"Estimate": summary.estimate, "Std. Error": summary.std_error}
    if summary.df is not None:
        columns["df"] = summary.df
    joint = list(columns)
    columns[summary.statistic_name] = summary.statistic
    p_name = None
    if summary.p_value is not None:
        p_name = f"Pr(>|{summary.statistic_name[:1]}|)"
        columns[p_name] = summary.p_value
    return coefficient_table(
        [shown_name(t) for t in summary.terms],
        columns,
        joint=joint,
        tests=[summary.statistic_name],
        p_value=p_name,
        digits=DIGITS,
    )


def correlation_table(summary: Summary) -> CellTable | None:
    """Correlations of the fixed effects below the diagonal, under abbreviated names.

    None for a single coefficient and above `CORRELATION_LIMIT` of them.
    """
    p = len(summary.terms)
    if p < 2 or p > CORRELATION_LIMIT:
        return None
    names = [shown_name(t) for t in summary.terms]
    matrix = np.asarray(summary.correlation, dtype=float)
    flat = [round_digits(v, 3) for v in matrix.ravel()]
    texts = format_column(flat, nsmall=3)
    columns = tuple(
        tuple(texts[i * p + j] if i > j else "" for i in range(1, p)) for j in range(p - 1)
    )
    names = [INDICATOR.sub(r"\1", name) for name in names]
    return CellTable(tuple(abbreviate(names, 11)[1:]), tuple(abbreviate(names, 6)[:-1]), columns)


def correlation_note(summary: Summary) -> str | None:
    """The line that stands for the correlation matrix of many coefficients."""
    p = len(summary.terms)
    if p <= CORRELATION_LIMIT:
        return None
    return (
        f"Correlation matrix of the fixed effects not shown, as p = {p} > "
        f"{CORRELATION_LIMIT}: see .correlation."
    )


def observations_line(summary: Summary) -> str:
    """Number of observations and of levels of each grouping factor."""
    groups = "; ".join(f"{name}, {n}" for name, n in summary.ngroups.items())
    nobs = f"Number of obs: {summary.nobs}"
    return f"{nobs}, groups:  {groups}" if groups else nobs


def dropped_line(summary: Summary) -> str | None:
    """How many rows were left out, if any."""
    if not summary.dropped:
        return None
    rows = "row" if summary.dropped == 1 else "rows"
    return f"{summary.dropped} {rows} with missing values dropped"


def call_lines(summary: Summary) -> list[tuple[str, str]]:
    """Label and text of formula, data, weights and offset, where given."""
    pairs = [
        ("Formula:", summary.formula),
        ("   Data:", summary.data_name),
        ("Weights:", summary.weights),
        (" Offset:", summary.offset),
    ]
    return [(label, text) for label, text in pairs if text is not None]


def _correlation_cells(term: list[VarianceRow]) -> list[list[str]]:
    """Correlations of one term, in a common format with its unit diagonal, as in lme4."""
    values = [1.0] + [round_digits(c, 2) for row in term for c in row.correlations]
    texts = iter(format_column(values, nsmall=2, na="NaN")[1:])
    return [[next(texts) for _ in row.correlations] for row in term]


def summary_text(summary: Summary) -> str:
    """Print a summary as lme4 and lmerTest do, without blanks at the ends of lines."""
    return "\n".join(_lines(summary))


def _lines(summary: Summary) -> Iterator[str]:
    for line in summary.title.splitlines():
        yield from _wrap(line, "  ")
    for label, text in call_lines(summary):
        yield from _wrap(f"{label} {text}", "    ")
    yield ""
    yield from _criterion_lines(summary)
    yield ""
    yield "Scaled residuals:"
    yield from vector_lines(QUANTILE_NAMES, residual_cells(summary))
    yield ""
    yield "Random effects:"
    random = variance_table(summary)
    yield from matrix_lines(
        random.row_names, random.header, random.columns, right=False, width=None
    )
    yield from _wrap(observations_line(summary), "    ")
    if (dropped := dropped_line(summary)) is not None:
        yield dropped
    if summary.terms:
        yield ""
        yield "Fixed effects:"
        yield from fixed_effects_table(summary).lines()
    if (correlation := correlation_table(summary)) is not None:
        yield ""
        yield "Correlation of Fixed Effects:"
        yield from matrix_lines(
            correlation.row_names, correlation.header, correlation.columns, right=False
        )
    elif (note := correlation_note(summary)) is not None:
        yield ""
        yield note
    if summary.notes:
        yield ""
        yield from summary.notes


def _criterion_lines(summary: Summary) -> list[str]:
    names, texts = criterion_cells(summary)
    if names == ["REML criterion"]:
        return [f"REML criterion at convergence: {texts[0]}"]
    return vector_lines(names, texts) if names else []


def _wrap(line: str, indent: str) -> list[str]:
    """Break what is wider than a line at blanks, keeping the blanks it starts with."""
    if display_width(line) <= LINE_WIDTH:
        return [line]
    return textwrap.wrap(
        line,
        LINE_WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
