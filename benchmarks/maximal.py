"""The maximal model of an experiment: 56 subjects x 32 items, three ±0.5 factors, 72 θ."""

from __future__ import annotations

import numpy as np
import pandas as pd
from peers import compare
from timing import Options, Problem, Row, command_line

FORMULA = "y ~ a * b * c + (a * b * c | subj) + (a * b * c | item)"
PRODUCTS = "a + b + c + ab + ac + bc + abc"
COLUMNS = 8


def table(subjects: int = 56, items: int = 32) -> pd.DataFrame:
    """Every subject meets every item once, in one of eight conditions by rotation."""
    rng = np.random.default_rng(2)
    subj, item = (v.ravel() for v in np.indices((subjects, items)))
    cell = (subj + item) % COLUMNS
    a, b, c = (((cell >> bit) & 1) - 0.5 for bit in range(3))
    columns = np.column_stack([np.ones(len(a)), a, b, c, a * b, a * c, b * c, a * b * c])
    spread = np.array([1.0, 0.5, 0.5, 0.4, 0.4, 0.3, 0.3, 0.2])
    y = columns @ np.array([2.0, 0.5, 0.3, 0.0, 0.2, 0.0, 0.1, 0.0]) + rng.normal(size=len(a))
    for codes in (subj, item):
        mixing = rng.normal(size=(COLUMNS, COLUMNS)) * spread / np.sqrt(COLUMNS)
        effects = rng.normal(size=(codes.max() + 1, COLUMNS)) @ (mixing + np.diag(spread))
        y += (columns * effects[codes]).sum(axis=1)
    products = {"ab": a * b, "ac": a * c, "bc": b * c, "abc": a * b * c}
    return pd.DataFrame({"y": y, "a": a, "b": b, "c": c, **products, "subj": subj, "item": item})


def measure(options: Options) -> list[Row]:
    """`--quick`: the peers have 20 s and will hardly finish."""
    problem = Problem(
        "maximal, 1,792 rows, 72 θ",
        FORMULA,
        table(),
        target=1.0,
        factors=("subj", "item"),
        written={"glmm": f"y ~ {PRODUCTS} + ({PRODUCTS} | subj) + ({PRODUCTS} | item)"},
    )
    return compare(problem, options)


if __name__ == "__main__":
    command_line(__doc__, measure)
