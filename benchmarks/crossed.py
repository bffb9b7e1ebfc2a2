"""100,000 rows, two crossed factors of 5,000 and 2,000 levels, met at random."""

from __future__ import annotations

import numpy as np
import pandas as pd
from peers import compare
from timing import Options, Problem, Row, command_line

FORMULA = "y ~ x + (1 | a) + (1 | b)"


def table(rows: int = 100_000, a_levels: int = 5_000, b_levels: int = 2_000) -> pd.DataFrame:
    """y = 1 + 2x + u_a + v_b + e."""
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, a_levels, rows), rng.integers(0, b_levels, rows)
    x = rng.normal(size=rows)
    u, v = rng.normal(0, 0.8, a_levels), rng.normal(0, 0.5, b_levels)
    y = 1 + 2 * x + u[a] + v[b] + rng.normal(size=rows)
    return pd.DataFrame({"y": y, "x": x, "a": a, "b": b})


def measure(options: Options) -> list[Row]:
    """`--quick`: a tenth of rows and levels."""
    data = table(10_000, 500, 200) if options.quick else table()
    name = f"crossed, {len(data):,} rows, {data['a'].nunique():,} x {data['b'].nunique():,}"
    return compare(Problem(name, FORMULA, data, target=5.0, factors=("a", "b")), options)


if __name__ == "__main__":
    command_line(__doc__, measure)
