"""The baselines `lm` and `lm_list` in text and as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from partialpool.tables.html import tables_html
from partialpool.tables.layout import shown_name
from partialpool.tables.rformat import CellTable, coefficient_table, format_column

if TYPE_CHECKING:
    from partialpool.models.baseline import LinearModel, LinearModelList

#: Groups that the HTML of `lm_list` shows.
GROUPS_SHOWN = 60


def lm_cells(model: LinearModel) -> CellTable:
    """Coefficients with their tests, as R's ``summary.lm``."""
    table = model.coefficients()
    return coefficient_table(
        [shown_name(n) for n in model.fixed_names],
        {
            "Estimate": table["estimate"].to_numpy(),
            "Std. Error": table["std_error"].to_numpy(),
            "t value": table["statistic"].to_numpy(),
            "Pr(>|t|)": table["p_value"].to_numpy(),
        },
        joint=("Estimate", "Std. Error"),
        tests=("t value",),
        p_value="Pr(>|t|)",
    )


def lm_notes(model: LinearModel) -> list[str]:
    """What stands under the table."""
    out = [
        f"Residual standard error: {model.sigma:.4g} on {model.df_residual} degrees of freedom",
        f"R-squared: {model.r_squared:.4g}",
    ]
    if model.aliased:
        out.append(f"rank deficient: dropped {', '.join(model.aliased)}")
    return out


def lm_text(model: LinearModel) -> str:
    """As `print` shows it."""
    head = ["Linear model", f"Formula: {model.formula}", ""]
    return "\n".join([*head, *lm_cells(model).lines(), "", *lm_notes(model)])


def lm_html(model: LinearModel) -> str:
    """As a notebook shows it."""
    return tables_html(
        "Linear model (complete pooling)",
        [("Coefficients", lm_cells(model))],
        lines=[("Formula:", model.formula)],
        notes=lm_notes(model),
    )


def lm_list_html(models: LinearModelList) -> str:
    """Coefficients by group, as a notebook shows them; of many groups the first ones."""
    shown = list(models.models.items())[:GROUPS_SHOWN]
    names = list(dict.fromkeys(n for _, m in shown for n in m.fixed_names))
    found = [dict(zip(m.fixed_names, m.beta.tolist(), strict=True)) for _, m in shown]
    columns = tuple(tuple(format_column([f.get(n, float("nan")) for f in found], 5)) for n in names)
    labels = tuple(str(level) for level, _ in shown)
    cells = CellTable(labels, tuple(shown_name(n) for n in names), columns)
    notes = list(models.failures)
    if len(models.models) > len(shown):
        notes.insert(0, f"{len(shown)} of {len(models.models)} groups shown; see .coef()")
    return tables_html(
        f"Separate linear models by {models.group} (no pooling)",
        [("Coefficients by level", cells)],
        lines=[("Formula:", models.formula)],
        notes=notes,
    )
