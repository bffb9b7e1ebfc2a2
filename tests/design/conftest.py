"""A small made-up table."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def table() -> pd.DataFrame:
    """48 rows: y, x, z numbers, n whole; f a factor of three levels; g of eight groups."""
    rng = np.random.default_rng(31)
    rows = np.arange(48)
    x, z = rng.normal(size=(2, 48))
    y = 5 + 0.5 * x + rng.normal(size=8)[rows % 8] + rng.normal(size=48)
    return pd.DataFrame(
        {
            "y": y,
            "x": x,
            "z": z,
            "n": rng.integers(1, 9, 48),
            "f": np.array(["low", "mid", "top"])[rows % 3],
            "g": np.array(list("hgfedcba"))[rows % 8],
        }
    )
