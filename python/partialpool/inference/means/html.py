"""Marginal means, contrasts and joint tests as HTML for notebooks; every name is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from partialpool.inference.means.text import (
    family_name,
    joint_tests_cells,
    joint_tests_families,
    means_cells,
    means_messages,
)
from partialpool.tables.html import tables_html
from partialpool.tables.rformat import CellTable

if TYPE_CHECKING:
    from partialpool.inference.means.joint import JointTests
    from partialpool.inference.means.marginal_means import MarginalMeans

#: What the estimates are called in the heading.
TITLES = {"emmean": "Estimated marginal means", "estimate": "Contrasts"}


def means_html(means: MarginalMeans) -> str:
    """A table for each combination of the `by` columns, and what it rests on."""
    labels, cells = means_cells(means)
    shown = {n: labels[n] for n in labels if n not in means.by}
    tables = [
        (family_name(means, labels, rows[0]), _rows({**shown, **cells}, rows.tolist()))
        for rows in means.families()
    ]
    title = TITLES.get(means.name, f"Estimated trends: {means.name}")
    notes = means_messages(means)
    return tables_html(title, tables, notes=notes, names=False, left=len(shown))


def joint_tests_html(tests: JointTests) -> str:
    """A table for each combination of the `by` variables."""
    cells = joint_tests_cells(tests)
    tables = [(name, _rows(cells, rows)) for name, rows in joint_tests_families(tests).items()]
    notes = [f"Degrees-of-freedom method: {tests.method}", *tests.notes]
    return tables_html("Joint tests of the terms", tables, notes=notes, names=False, left=1)


def _rows(cells: Mapping[str, Sequence[str]], rows: Sequence[int]) -> CellTable:
    columns = tuple(tuple(texts[i] for i in rows) for texts in cells.values())
    return CellTable(("",) * len(rows), tuple(cells), columns)
