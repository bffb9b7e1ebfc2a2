"""The analysis of variance in text, as R prints ``summary(aov(...))``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from partialpool.tables.html import tables_html
from partialpool.tables.rformat import CellTable, coefficient_table, format_column

if TYPE_CHECKING:
    from partialpool.inference.aov import AovTable, VarianceComponents


def aov_cells(table: AovTable) -> CellTable:
    """Df, Sum Sq, Mean Sq, F value, Pr(>F)."""
    return coefficient_table(
        [*table.terms, "Residuals"],
        {
            "Df": table.df,
            "Sum Sq": table.sum_sq,
            "Mean Sq": table.mean_sq,
            "F value": np.append(table.statistic, np.nan),
            "Pr(>F)": np.append(table.p_value, np.nan),
        },
        joint=(),
        tests=("F value",),
        p_value="Pr(>F)",
        zap=("Sum Sq", "Mean Sq"),
        na="",
    )


def aov_text(table: AovTable) -> str:
    """As `print` shows it."""
    return "\n".join(aov_cells(table).lines())


def aov_html(table: AovTable) -> str:
    """As a notebook shows it."""
    return tables_html(
        "Analysis of variance", [("", aov_cells(table))], lines=[("Formula:", table.formula)]
    )


def components_cells(found: VarianceComponents) -> CellTable:
    """Variances with their standard deviations."""
    variance = [found.between, found.within]
    sd = [float(np.sqrt(v)) if v >= 0 else float("nan") for v in variance]
    columns = (tuple(format_column(variance, 4)), tuple(format_column(sd, 4, na="")))
    return CellTable((found.group, "Residual"), ("Variance", "Std.Dev."), columns)


def components_title(found: VarianceComponents) -> str:
    """What estimated them."""
    method = {"anova": "the ANOVA estimator", "reml": "REML", "ml": "maximum likelihood"}
    return f"Variance components by {method[found.method]}"


def components_notes(found: VarianceComponents) -> list[str]:
    """What a negative estimate means."""
    if not found.is_negative:
        return []
    return [
        f"The estimate for {found.group} is negative: its means differ less than the residual"
        " variance alone would make them; REML gives 0."
    ]


def components_text(found: VarianceComponents) -> str:
    """As `print` shows it."""
    lines = [components_title(found), f"Formula: {found.formula}", ""]
    if found.table is not None:
        lines += [aov_text(found.table), ""]
    lines += components_cells(found).lines()
    for note in components_notes(found):
        lines += ["", note]
    return "\n".join(lines)


def components_html(found: VarianceComponents) -> str:
    """As a notebook shows it."""
    tables = [] if found.table is None else [("Analysis of variance", aov_cells(found.table))]
    return tables_html(
        components_title(found),
        [*tables, ("Variance components", components_cells(found))],
        lines=[("Formula:", found.formula)],
        notes=components_notes(found),
    )
