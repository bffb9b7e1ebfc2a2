"""Fits of the reference models, each made once, comparisons in digits, and a made-up table."""

import math
import re
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool import _core
from partialpool.design.covariance import parts

from tests.references import REFERENCE, read_reference

sys.path.insert(0, str(Path(__file__).parent))  # for high_precision.py


#: R's file name → our data set.
DATA = {
    "sleepstudy.csv": "sleepstudy",
    "irrigation.csv": "irrigation",
    "dragons.csv": "dragons",
    "solutions.csv": "solutions",
    "faraway_pulp.csv": "pulp",
    "faraway_penicillin.csv": "penicillin",
    "Pastes.csv": "pastes",
    "Penicillin.csv": "penicillin_assay",
    "Dyestuff.csv": "dyestuff",
    "Dyestuff2.csv": "dyestuff2",
    "cake.csv": "cake",
    "InstEval.csv.gz": "insteval",
}


@cache
def make_fit(name: str) -> pp.LinearMixedModel:
    model = read_reference(name)
    contrasts = {k: v.removeprefix("contr.") for k, v in (model["contrasts"] or {}).items()}
    return pp.lmer(
        model["formula"],
        pp.load_dataset(DATA[model["data"]]),
        reml=model["reml"],
        contrasts=contrasts or None,
    )


@cache
def make_fit_at_r(name: str) -> pp.LinearMixedModel:
    """The model with θ held at R's own estimate, so that only the formulas are compared."""
    fit = make_fit(name)
    lambdas = [np.zeros((len(f.names), len(f.names))) for f in fit.design.factors]
    theta = iter(read_reference(name)["theta"].values())
    for term in fit.terms:
        own = lambdas[term.index][term.columns, term.columns]
        start = 0
        for size in map(len, parts(term.blocks)):
            for j in range(start, start + size):
                for i in range(j, start + size):
                    own[i, j] = next(theta)
            start += size
    native = _core.Fit.restore(
        fit._products,
        fit.reml,
        [lam.ravel().tolist() for lam in lambdas],
        fit._native.convergence,
        fit._native.hessian,
    )
    return pp.LinearMixedModel(fit.design, fit._products, native, reml=fit.reml)


def name_in_r(name: str, levels: Sequence[str] = ()) -> str:
    """`treat[T.B]:x` → `treatB:x`; a sum contrast's `treat[S.B]` → its number, `treat2`."""
    if name == "Intercept":
        return "(Intercept)"
    plain = re.sub(r"\[T\.([^\]]*)\]", r"\1", name)
    return re.sub(r"\[S\.([^\]]*)\]", lambda m: str(list(levels).index(m[1]) + 1), plain)


def agreement(what: str, ours: Any, theirs: Any, relative: float, floor: float = 0.0) -> list[str]:
    """A line for each number that is off by more than `relative` of itself and than `floor`."""
    a, b = np.broadcast_arrays(np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float))
    lines = []
    for at in np.ndindex(a.shape):
        off = abs(a[at] - b[at])
        if off <= max(relative * abs(b[at]), floor):
            continue
        digits = -math.log10(off / abs(b[at])) if b[at] and off > 0 else 0.0
        place = f"{what}{list(at)}" if at else what
        lines.append(f"{place}: ours {a[at]!r}, theirs {b[at]!r}, {digits:.1f} digits agree")
    return lines


@pytest.fixture
def reference() -> Callable[[str], dict[str, Any]]:
    """R's values of a model, or the exact optima under "exact"."""
    return read_reference


@pytest.fixture
def fit_of() -> Callable[[str], pp.LinearMixedModel]:
    """Our fit of a reference model."""
    return make_fit


@pytest.fixture
def fit_at_r() -> Callable[[str], pp.LinearMixedModel]:
    """Our fit of a reference model with θ held at R's estimate."""
    return make_fit_at_r


@pytest.fixture
def in_r() -> Callable[..., str]:
    """R's name of a coefficient of ours."""
    return name_in_r


@pytest.fixture
def compare() -> Callable[..., list[str]]:
    """Lines with ours, theirs and the digits that agree, for numbers that do not."""
    return agreement


@pytest.fixture
def nist() -> Path:
    """The directory of NIST's files."""
    return REFERENCE / "nist"


@pytest.fixture
def table() -> pd.DataFrame:
    """48 rows: y, x, z, w numbers; f a factor of three levels; g of eight groups, h of six."""
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
