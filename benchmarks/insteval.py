"""73,421 ratings by 2,972 students of 1,128 lecturers in 14 departments, crossed."""

from __future__ import annotations

import partialpool as pp
from peers import compare
from timing import Options, Problem, Row, command_line

FORMULA = "y ~ service + (1 | s) + (1 | d) + (1 | dept)"


def measure(options: Options) -> list[Row]:
    """`--quick`: the first 3,000 rows."""
    data = pp.load_dataset("insteval")
    if options.quick:
        data = data.head(3000)
    problem = Problem(
        f"InstEval, {len(data):,} rows, (1|s) + (1|d) + (1|dept)",
        FORMULA,
        data,
        target=1.0,
        factors=("service", "s", "d", "dept"),
    )
    return compare(problem, options)


if __name__ == "__main__":
    command_line(__doc__, measure)
