"""The analysis of variance in text, as R prints ``summary(aov(...))``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .rformat import coefficient_table, format_column

if TYPE_CHECKING:
    from partialpool.inference.aov import AovTable, VarianceComponents


def aov_text(table: AovTable) -> str:
    """Df, Sum Sq, Mean Sq, F value, Pr(>F)."""
    cells = coefficient_table(
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
    return "\n".join(cells.lines())


def components_text(found: VarianceComponents) -> str:
    """Variances with their standard deviations, and what a negative estimate means."""
    method = {"anova": "the ANOVA estimator", "reml": "REML", "ml": "maximum likelihood"}
    lines = [f"Variance components by {method[found.method]}", f"Formula: {found.formula}", ""]
    if found.table is not None:
        lines += [aov_text(found.table), ""]
    names = [found.group, "Residual"]
    variance = [found.between, found.within]
    sd = [float(np.sqrt(v)) if v >= 0 else float("nan") for v in variance]
    columns = [format_column(variance, 4), format_column(sd, 4, na="")]
    from .layout import matrix_lines

    lines += matrix_lines(names, ["Variance", "Std.Dev."], columns, right=True)
    if found.is_negative:
        lines += [
            "",
            f"The estimate for {found.group} is negative: its means differ less than the residual"
            " variance alone would make them; REML gives 0.",
        ]
    return "\n".join(lines)
