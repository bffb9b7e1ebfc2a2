"""Deletion diagnostics in text: the most influential rows first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from partialpool.tables.html import tables_html
from partialpool.tables.layout import matrix_lines
from partialpool.tables.rformat import CellTable, format_column

if TYPE_CHECKING:
    from partialpool.inference.influence import Influence

#: Rows printed.
SHOWN = 10


def influence_title(found: Influence) -> str:
    """What was deleted, and what was estimated again."""
    held = "estimated anew" if found.refitted else "held fixed"
    what = found.by if found.by == "observation" else f"level of {found.by}"
    return f"Influence of each {what}; variance parameters {held}"


def influence_cells(found: Influence) -> CellTable:
    """A table of the largest Cook's distances."""
    order = np.argsort(-np.nan_to_num(found.cooks_distance, nan=-1.0), kind="stable")[:SHOWN]
    header = ["leverage", "Cook's D", *(f"DFBETAS {n}" for n in found.names)]
    numbers = [found.leverage, found.cooks_distance, *found.dfbetas.T]
    columns = tuple(tuple(format_column(v[order].tolist(), 3)) for v in numbers)
    return CellTable(tuple(str(found.labels[i]) for i in order), tuple(header), columns)


def influence_notes(found: Influence) -> list[str]:
    """What the table leaves out."""
    more = len(found.labels) - SHOWN
    out = [f"({more} more with smaller Cook's distance)"] if more > 0 else []
    return out + [f"without {label}: {why}" for label, why in list(found.failed.items())[:SHOWN]]


def influence_text(found: Influence) -> str:
    """As `print` shows it."""
    cells = influence_cells(found)
    lines = matrix_lines(cells.row_names, cells.header, cells.columns, right=True)
    return "\n".join([influence_title(found), "", *lines, *influence_notes(found)])


def influence_html(found: Influence) -> str:
    """As a notebook shows it."""
    notes = influence_notes(found)
    return tables_html(influence_title(found), [("", influence_cells(found))], notes=notes)
