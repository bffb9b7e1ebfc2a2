"""Models of tests/reference/means.R."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest

from tests.references import read_reference


def cake() -> pd.DataFrame:
    data = pp.load_dataset("cake")
    data["number"] = data["temperature"].astype(float) - 200
    data["temperature"] = data["temperature"].astype(str)
    return data


def few() -> pd.DataFrame:
    """cake with a third of one recipe's late cells and every seventh row left out."""
    data = cake()
    i = np.arange(len(data))
    lost = (data["recipe"] == "B") & (data["number"] > 5) & (data["replicate"].astype(int) > 9)
    out = data[(i % 7 != 3) & ~lost].reset_index(drop=True)
    out["early"] = (out["replicate"].astype(int) <= 8).astype(float)
    out["w"] = 1.0 + np.arange(len(out)) % 3
    return out


@cache
def make_model(name: str) -> Any:
    plots = "(1 | recipe:replicate)"
    if name == "full":
        return pp.lmer(f"angle ~ recipe * temperature + {plots}", cake())
    if name == "uneven":
        return pp.lmer(f"angle ~ recipe * number + early + {plots}", few(), weights="w")
    if name == "logged":
        return pp.lmer(f"log(angle) ~ recipe + poly(number, 2) + {plots}", few())
    if name == "shifted":
        return pp.lmer(f"angle ~ recipe + offset(number / 10) + {plots}", few())
    if name == "holed":
        data = cake()
        hole = (data["recipe"] == "C") & (data["temperature"] == "225")
        return pp.lmer(f"angle ~ recipe * temperature + {plots}", data[~hole])
    if name == "dragon":
        formula = "intelligence ~ wingspan * scales + (1 + wingspan | mountain)"
        return pp.lmer(formula, pp.load_dataset("dragons"))
    if name == "three":
        return pp.lmer("angle ~ recipe * temperature * early + (1 | replicate)", few())
    assert name == "plain"
    return pp.lm("angle ~ recipe * number", few())


@pytest.fixture
def model() -> Callable[[str], Any]:
    """A fit by its name in means.R."""
    return make_model


@pytest.fixture
def reference() -> Callable[[str], Any]:
    """A file of tests/reference."""
    return read_reference
