"""A million rows, 20,000 groups, (x | g)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from peers import compare
from timing import Options, Problem, Row, command_line


def table(rows: int = 1_000_000, groups: int = 20_000) -> pd.DataFrame:
    """y = 1 + 2x + u_g + v_g x + e, correlated u and v."""
    rng = np.random.default_rng(1)
    g = rng.integers(0, groups, rows)
    x = rng.normal(size=rows)
    u = rng.normal(size=(groups, 2)) @ np.array([[0.8, 0.3], [0.0, 0.5]])
    y = 1 + 2 * x + u[g, 0] + u[g, 1] * x + rng.normal(size=rows)
    return pd.DataFrame({"y": y, "x": x, "g": g})


def measure(options: Options) -> list[Row]:
    """`--quick`: a tenth of it."""
    data = table(100_000, 2_000) if options.quick else table()
    problem = Problem(
        f"{len(data):,} rows x {data['g'].nunique():,} groups (x | g)",
        "y ~ x + (x | g)",
        data,
        target=0.3,
        factors=("g",),
        statsmodels={"formula": "y ~ x", "groups": "g", "re_formula": "~x"},
    )
    return compare(problem, options)


if __name__ == "__main__":
    command_line(__doc__, measure)
