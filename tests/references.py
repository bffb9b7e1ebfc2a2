"""The one way to values that were made elsewhere: tests/reference, read once."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import partialpool as pp

REFERENCE = Path(__file__).parent / "reference"
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
}


@cache
def read_reference(name: str) -> Any:
    """A JSON file of tests/reference by its name without the suffix; not to be changed."""
    return json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))


@cache
def reference_fit(name: str) -> pp.LinearMixedModel:
    """Our fit of a model that R fitted, its factors as R has them."""
    model = read_reference(name)
    data_set, factors = DATA[model["data"]]
    data = pp.load_dataset(data_set)
    for factor in factors:
        data[factor] = data[factor].astype(str)
    contrasts = {k: v.removeprefix("contr.") for k, v in (model["contrasts"] or {}).items()}
    return pp.lmer(model["formula"], data, reml=model["reml"], contrasts=contrasts or None)
