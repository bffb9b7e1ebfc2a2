"""A fixed part with factors and an interaction: reading the data is most of a small fit."""

from __future__ import annotations

import partialpool as pp
from peers import compare
from timing import Options, Problem, Row, command_line


def measure(options: Options) -> list[Row]:
    """The split-plot trial of 16 plots in 8 fields."""
    problem = Problem(
        "irrigation * variety, (1 | field)",
        "yield_ ~ irrigation * variety + (1 | field)",
        pp.load_dataset("irrigation").rename(columns={"yield": "yield_"}),
        target=6e-4,
        factors=("field",),
        statsmodels={"formula": "yield_ ~ irrigation * variety", "groups": "field"},
    )
    return compare(problem, options)


if __name__ == "__main__":
    command_line(__doc__, measure)
