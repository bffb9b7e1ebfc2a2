"""Fits of the reference models, each made once, and small made-up tables."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest

REFERENCE = Path(__file__).parents[1] / "reference"

#: R's file name → our data set, and the numeric columns that are factors in R.
DATA = {
    "sleepstudy.csv": ("sleepstudy", ()),
    "irrigation.csv": ("irrigation", ()),
    "dragons.csv": ("dragons", ()),
    "solutions.csv": ("solutions", ()),
    "faraway_pulp.csv": ("pulp", ()),
    "faraway_penicillin.csv": ("penicillin", ()),
    "Pastes.csv": ("pastes", ()),
    "Penicillin.csv": ("penicillin_assay", ()),
    "Dyestuff.csv": ("dyestuff", ()),
    "Dyestuff2.csv": ("dyestuff2", ()),
    "cake.csv": ("cake", ("temperature",)),
    "InstEval.csv.gz": ("insteval", ("service",)),
}


@cache
def read_reference(name: str) -> dict[str, Any]:
    return json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))


@cache
def make_fit(name: str) -> pp.LinearMixedModel:
    model = read_reference(name)
    data_set, factors = DATA[model["data"]]
    data = pp.load_dataset(data_set)
    for factor in factors:
        data[factor] = data[factor].astype(str)
    contrasts = {k: v.removeprefix("contr.") for k, v in (model["contrasts"] or {}).items()}
    return pp.lmer(model["formula"], data, reml=model["reml"], contrasts=contrasts or None)


@pytest.fixture
def reference() -> Callable[[str], dict[str, Any]]:
    """R's values of a model, or the exact optima under "exact"."""
    return read_reference


@pytest.fixture
def fit_of() -> Callable[[str], pp.LinearMixedModel]:
    """Our fit of a reference model."""
    return make_fit


@pytest.fixture
def nist() -> Path:
    """The directory of NIST's files."""
    return REFERENCE / "nist"


@pytest.fixture
def table() -> pd.DataFrame:
    """48 rows: y, x, z numbers; f a factor of three levels; g of eight groups, h of six."""
    rng = np.random.default_rng(20240613)
    rows = np.arange(48)
    x, z = rng.normal(size=(2, 48))
    group = rng.normal(size=8)[rows % 8]
    y = 5 + 0.5 * x + group + rng.normal(size=48)
    return pd.DataFrame(
        {
            "y": y,
            "x": x,
            "z": z,
            "f": np.array(["low", "mid", "top"])[rows // 16],
            "g": np.array(list("abcdefgh"))[rows % 8],
            "h": rng.permutation(rows) % 6,
            "w": rng.uniform(0.5, 2.0, size=48),
        }
    )
