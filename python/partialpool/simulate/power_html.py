"""A power analysis as HTML for notebooks; every name in it is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from partialpool.inference.intervals.bootstrap import notes_of
from partialpool.tables.html import tables_html
from partialpool.tables.rformat import CellTable

if TYPE_CHECKING:
    from partialpool.simulate.power import Power


def power_html(power: Power) -> str:
    """The share of rejections with its interval."""
    level = f"{100 * power.level:g}%"
    numbers = (power.power, power.conf_low, power.conf_high)
    cells = CellTable(
        (", ".join(power.hypotheses),),
        ("power", f"lower {level}", f"upper {level}", "rejections", "simulations"),
        (
            *((f"{100 * v:.1f}%",) for v in numbers),
            (f"{power.rejections:,}",),
            (f"{power.nsim:,}",),
        ),
    )
    notes = [f"rejected where p is below {power.alpha:g} (seed {power.seed})"]
    if power.null_is_true:
        notes.append("the hypothesis is true for these effects: this is the test's actual level")
    return tables_html(
        f"Power by simulation: {power.method}",
        [("", cells)],
        lines=[("Model:", power.formula)],
        notes=[*notes, *notes_of(power)],
    )
