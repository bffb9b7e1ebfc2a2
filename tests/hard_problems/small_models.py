"""Small models at the edge: `small_model(seed)` gives the same formula and table always.

Several terms on one factor, `||` with nesting, crossed with nested factors; 8 to 120 rows;
factors of two levels, or of nearly as many as rows; columns nearly collinear, constant but for a
row, on scales from 1e-8 to 1e8; responses that the model nearly reproduces, or that it has nothing
to do with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Vector = NDArray[np.float64]

#: Terms of the random part; x, z, w are numeric, c has three levels, s is nested in g, h crosses g.
TERMS = (
    "(1 | g)",
    "(x | g)",
    "(0 + x | g)",
    "(0 + z | g)",
    "(x || g)",
    "(x + z || g)",
    "(x + z | g)",
    "(x * z || g)",
    "(c | g)",
    "(0 + c | g)",
    "(c || g)",
    "(1 | g/s)",
    "(x | g/s)",
    "(x || g/s)",
    "(x + z || g/s)",
    "(1 | h)",
    "(x | h)",
    "(0 + z | h)",
    "(z || h)",
    "(1 | g:h)",
    "(0 + w | g:h)",
    "(w || h)",
    "(x + z + w | g)",
)
FIXED = ("1", "x", "x + z", "x * z", "c", "c + x", "x + z + w", "c * x")
MOST_ROWS = 120


@dataclass(frozen=True, slots=True)
class SmallModel:
    """What `partialpool.lmer` is given; the table has columns y, x, z, w, c, g, h, s, weight."""

    formula: str
    data: pd.DataFrame
    reml: bool
    weights: str | None


def small_model(seed: int) -> SmallModel:
    """Model `seed`."""
    rng = np.random.default_rng([20261125, seed])
    n = int(rng.integers(8, MOST_ROWS + 1))
    frame = pd.DataFrame({"g": _codes(rng, n), "h": _codes(rng, n)})
    frame["s"] = rng.integers(0, int(rng.integers(2, 5)), n)
    frame["c"] = rng.choice(list("uvw"), n)
    frame["x"] = _column(rng, n, frame)
    frame["z"] = _column(rng, n, frame)
    frame["w"] = _column(rng, n, frame)
    frame["weight"] = 10 ** rng.uniform(-2, 2, n) if rng.random() < 0.5 else rng.integers(1, 9, n)
    many = int(rng.integers(1, 4))
    terms = [str(t) for t in rng.choice(TERMS, many, replace=False)]
    frame["y"] = _response(rng, frame)
    formula = f"y ~ {rng.choice(FIXED)} + {' + '.join(terms)}"
    return SmallModel(formula, frame, bool(rng.random() < 0.6), _weights(rng))


def _weights(rng: np.random.Generator) -> str | None:
    return "weight" if rng.random() < 0.25 else None


def _codes(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    most = rng.choice([2, 3, 5, max(2, n // 4), max(2, n // 2), max(2, n - 2)])
    if rng.random() < 0.3:
        return np.arange(n) % most
    return rng.integers(0, most, n)


def _column(rng: np.random.Generator, n: int, frame: pd.DataFrame) -> Vector:
    kind = rng.choice(["normal", "far", "nearly x", "by level", "few values", "one row", "tails"])
    if kind == "nearly x" and "x" in frame:
        x = frame["x"].to_numpy(dtype=float)
        out = x + 10 ** rng.uniform(-9, -2) * (x.std() + 1e-300) * rng.normal(size=n)
    elif kind == "by level":
        out = rng.normal(size=n)[frame["g"].to_numpy()]
        out += rng.choice([0.0, 1e-6]) * rng.normal(size=n)
    elif kind == "few values":
        out = rng.integers(0, 2, n).astype(float)
    elif kind == "one row":
        out = np.zeros(n)
        out[rng.integers(n)] = 1.0
    elif kind == "tails":
        out = rng.standard_cauchy(n)
    else:
        out = rng.normal(size=n) + (rng.choice([50.0, 1e4]) if kind == "far" else 0.0)
    return out * (10 ** rng.uniform(-8, 8) if rng.random() < 0.3 else 1.0)


def _response(rng: np.random.Generator, frame: pd.DataFrame) -> Vector:
    """Effects of g, slopes and noise on very different scales; some responses are near to exact."""
    n = len(frame)
    g, h = frame["g"].to_numpy(), frame["h"].to_numpy()
    x = frame["x"].to_numpy(dtype=float)
    x = (x - x.mean()) / (x.std() or 1.0)
    size = 10 ** rng.uniform(-3, 3, 4) * rng.choice([0.0, 1.0], 4, p=[0.3, 0.7])
    y = size[0] * rng.normal(size=n)[g] + size[1] * rng.normal(size=n)[h]
    y = y + size[2] * rng.normal(size=n)[g] * x + size[3] * x
    noise = rng.choice([1e-10, 1e-6, 1e-3, 1.0, 1e3], p=[0.05, 0.1, 0.15, 0.6, 0.1])
    tails = rng.random() < 0.2
    y = y + noise * (rng.standard_cauchy(n) if tails else rng.normal(size=n))
    if rng.random() < 0.1:
        y = np.round(y)
    return y * (10 ** rng.uniform(-12, 12) if rng.random() < 0.2 else 1.0)
