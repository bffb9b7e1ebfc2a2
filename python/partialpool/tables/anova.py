"""Tables of tests in text, as R's ``print.anova`` and ``printCoefmat`` lay them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from partialpool.tables.rformat import CellTable, coefficient_table

DIGITS = 5  # R's max(getOption("digits") - 2, 3)
P_VALUE_LIMIT = 2.2e-16


def anova_cells(row_names: Sequence[str], columns: Mapping[str, Iterable[float]]) -> CellTable:
    """A table whose last column is a p-value, as ``print.anova``.

    Parameters
    ----------
    row_names : sequence of str
    columns : mapping of str to iterable of float
        R's headers: the columns named ``… value`` or ``Chisq`` are test statistics, those ending
        in ``Df`` are counts; NaN is left blank.

    Returns
    -------
    CellTable
    """
    names = list(columns)
    if not row_names:
        return CellTable((), tuple(names), ((),) * len(names))
    tests = [n for n in names if n[1:7] == " value" or n in ("F", "Cp", "Chisq")]
    zap = [n for n in names[:-1] if n not in tests and not n.endswith("Df")]
    return coefficient_table(
        row_names,
        columns,
        joint=(),
        tests=tests,
        p_value=names[-1],
        zap=zap,
        digits=DIGITS,
        na="",
    )


def anova_lines(row_names: Sequence[str], columns: Mapping[str, Iterable[float]]) -> list[str]:
    """`anova_cells` in lines."""
    if not row_names:
        return ["     " + " ".join(columns)]
    return anova_cells(row_names, columns).lines()


def estimate_lines(
    row_names: Sequence[str],
    columns: Mapping[str, Iterable[float]],
    tests: Sequence[str] | None = None,
) -> list[str]:
    """`estimate_cells` in lines."""
    return estimate_cells(row_names, columns, tests).lines()


def estimate_cells(
    row_names: Sequence[str],
    columns: Mapping[str, Iterable[float]],
    tests: Sequence[str] | None = None,
) -> CellTable:
    """A table of estimates or of test statistics, the last column a p-value.

    Parameters
    ----------
    row_names : sequence of str
    columns : mapping of str to iterable of float
        Estimates, standard errors and df, then a statistic and its p-value, unless `tests` are
        given.
    tests : sequence of str, optional
        Columns of test statistics, formatted together; the others stand by themselves.
    """
    names = list(columns)
    return coefficient_table(
        row_names,
        columns,
        joint=names[:-2] if tests is None else (),
        tests=[names[-2]] if tests is None else tests,
        p_value=names[-1],
        digits=4 if tests is None else DIGITS,
        na="",
    )
