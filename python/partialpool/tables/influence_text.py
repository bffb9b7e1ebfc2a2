"""Deletion diagnostics in text: the most influential rows first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .layout import matrix_lines
from .rformat import format_column

if TYPE_CHECKING:
    from partialpool.inference.influence import Influence

#: Rows printed.
SHOWN = 10


def influence_text(found: Influence) -> str:
    """A table of the largest Cook's distances."""
    held = "estimated anew" if found.refitted else "held fixed"
    what = found.by if found.by == "observation" else f"level of {found.by}"
    lines = [f"Influence of each {what}; variance parameters {held}", ""]
    order = np.argsort(-np.nan_to_num(found.cooks_distance, nan=-1.0), kind="stable")[:SHOWN]
    header = ["leverage", "Cook's D", *(f"DFBETAS {n}" for n in found.names)]
    numbers = [found.leverage, found.cooks_distance, *found.dfbetas.T]
    columns = [format_column(v[order].tolist(), 3) for v in numbers]
    lines += matrix_lines([str(found.labels[i]) for i in order], header, columns, right=True)
    if len(found.labels) > SHOWN:
        lines.append(f"({len(found.labels) - SHOWN} more with smaller Cook's distance)")
    lines += [f"without {label}: {why}" for label, why in list(found.failed.items())[:SHOWN]]
    return "\n".join(lines)
