"""Results of tests and simulations as HTML for notebooks; every name in it is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from partialpool.tables.anova import anova_cells, estimate_cells
from partialpool.tables.html import tables_html
from partialpool.tables.rformat import CellTable, format_pvalue

if TYPE_CHECKING:
    from partialpool.inference.comparison.bootstrap_lrt import BootstrapTest
    from partialpool.inference.comparison.exact import ExactTest
    from partialpool.inference.intervals.bootstrap import Bootstrap
    from partialpool.inference.intervals.profile import Profile
    from partialpool.inference.results import ContrastTest, KenwardRogerTest


def contrast_html(test: ContrastTest) -> str:
    """Each hypothesis, and all of them together."""
    tables = [("Hypotheses", estimate_cells(test.hypotheses, test.shown_columns()))]
    if len(test.hypotheses) > 1:
        tables.append(("All together", anova_cells(["F test"], test.joint_columns())))
    return tables_html(test.method, tables)


def kenward_roger_html(test: KenwardRogerTest) -> str:
    """Both F tests."""
    cells = estimate_cells(["Ftest", "FtestU"], test.shown_columns(), tests=("stat", "ndf", "ddf"))
    small = "L β = c" if test.small is None else test.small
    lines = [("large:", test.large), ("small:", small)]
    return tables_html(test.method, [("", cells)], lines=lines, notes=test.notes)


def exact_html(test: ExactTest) -> str:
    """Statistic, p-value and how exact it is."""
    cells = CellTable(
        (test.name,),
        ("statistic", "p-value", "Monte Carlo std. error", "P(0)"),
        (
            (f"{test.statistic:.5g}",),
            (format_pvalue(test.p_value, eps=1 / test.nsim),),
            (f"{test.std_error:.2g}",),
            (f"{test.prob_zero:.4g}",),
        ),
    )
    notes = [f"p-value based on {test.nsim:,} simulated values (seed {test.seed})"]
    notes += [test.note] if test.note else []
    title = f"Simulated finite sample distribution of {test.name}"
    return tables_html(title, [("", cells)], lines=[("term:", test.term)], notes=notes)


def bootstrap_test_html(test: BootstrapTest) -> str:
    """pbkrtest's rows."""
    header, columns = test.shown_cells()
    cells = CellTable(tuple(test.to_frame().index), header, columns)
    return tables_html(
        f"Bootstrap test; samples: {test.nsim}; extremes: {test.extreme}",
        [("", cells)],
        lines=[("large:", test.large), ("small:", test.small)],
        notes=[*_notes(test), *([test.note] if test.note else [])],
    )


def bootstrap_html(boot: Bootstrap) -> str:
    """Estimate, bias and standard error of each part of the statistic."""
    columns = [[f"{v:.5g}" for v in part] for part in (boot.estimate, boot.bias, boot.std_error)]
    cells = CellTable(
        tuple(boot.names), ("original", "bias", "std. error"), tuple(map(tuple, columns))
    )
    title = f"Parametric bootstrap, {boot.nsim:,} replicates (seed {boot.seed})"
    return tables_html(title, [("", cells)], notes=_notes(boot))


def profile_html(profile: Profile) -> str:
    """Intervals of the parameters profiled."""
    table = profile.confint()
    columns = [
        tuple("–" if np.isnan(v) else f"{v:.6g}" for v in table[name].tolist()) for name in table
    ]
    cells = CellTable(tuple(map(str, table.index)), tuple(map(str, table)), tuple(columns))
    lines = [("Formula:", profile.fit.formula)]
    notes = [profile.interrupted] if profile.interrupted else []
    return tables_html("Profile likelihood intervals", [("", cells)], lines=lines, notes=notes)


def _notes(result: Bootstrap | BootstrapTest) -> list[str]:
    from partialpool.inference.intervals.bootstrap import notes_of

    return notes_of(result)
