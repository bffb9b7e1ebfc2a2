"""Hard mixed-model problems: `hard_problem(seed)` gives formula, table and method, always the same.

What makes them hard: few levels or dozens, very unequal groups, true variances of zero and true
correlations of ±1, predictors whose mean is 50 times their SD, columns on scales from 1e-3 to
1e3, residuals from a thousandth to twenty times the random effects, outlying rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Vector = NDArray[np.float64]

#: Random parts; x and z are numeric, c has three levels, s is nested in g, h crosses g.
LAYOUTS = (
    "(1 | g)",
    "(x | g)",
    "(0 + x | g)",
    "(x + z | g)",
    "(0 + x + z | g)",
    "(x || g)",
    "(x + z || g)",
    "(x:z | g)",
    "(x + x:z | g)",
    "(c | g)",
    "(0 + c | g)",
    "(x | g) + (0 + z | g)",
    "(1 | g) + (0 + x + z | g)",
    "(1 | g) + (1 | h)",
    "(x | g) + (1 | h)",
    "(x | g) + (z | h)",
    "(x | g) + (x | h)",
    "(x + z | g) + (1 | h)",
    "(x + z | g) + (x | h)",
    "(x || g) + (z || h)",
    "(1 | g) + (1 | h) + (1 | g:h)",
    "(x | g) + (1 | h) + (1 | g:h)",
    "(1 | g/s)",
    "(x | g/s)",
    "(x || g/s)",
    "(1 | g) + (x | g:s)",
)
MAX_ROWS = 600


@dataclass(frozen=True, slots=True)
class Problem:
    """What `partialpool.lmer` is given; the table has columns y, x, z, c, g, h, s."""

    formula: str
    data: pd.DataFrame
    reml: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """One covariance block: its columns and the factor that they vary over."""

    columns: tuple[str, ...]
    group: str


def bars(layout: str) -> list[Bar]:
    """The covariance blocks of a layout, `||` and `/` expanded."""
    out: list[Bar] = []
    for part in layout.strip("()").split(") + ("):
        independent = "||" in part
        left, group = (s.strip() for s in part.split("||" if independent else "|"))
        names = left.split(" + ")
        names = names[1:] if names[0] == "0" else ["1", *[n for n in names if n != "1"]]
        columns = [(n,) for n in names] if independent else [tuple(names)]
        outer = group.split("/")[0]
        groups = [outer, group.replace("/", ":")] if "/" in group else [group]
        out.extend(Bar(c, g) for g in groups for c in columns)
    return out


def hard_problem(seed: int) -> Problem:
    """Problem `seed`: one in four by maximum likelihood, the others by REML."""
    rng = np.random.default_rng([1729, seed])
    layout = LAYOUTS[rng.integers(len(LAYOUTS))]
    blocks = bars(layout)
    frame = _groups(rng, blocks)
    standard = _predictors(rng, frame)
    signal = np.zeros(len(frame))
    for block in blocks:
        signal += _random_effects(rng, block, frame, standard)
    signal += rng.normal(size=3) @ np.array([np.ones(len(frame)), standard["x"], standard["z"]])
    residual = rng.choice([1e-3, 0.05, 0.5, 1.0, 5.0, 20.0], p=[0.1, 0.15, 0.25, 0.25, 0.15, 0.1])
    noise = rng.standard_t(2, len(frame)) if rng.random() < 0.2 else rng.normal(size=len(frame))
    y = signal + residual * noise
    y += rng.choice([0.0, 100.0], p=[0.7, 0.3]) * y.std()
    frame["y"] = y * _scale(rng)
    return Problem(f"y ~ {_fixed_part(rng, layout)} + {layout}", frame, reml=seed % 4 != 3)


def _scale(rng: np.random.Generator) -> float:
    return float(10 ** rng.uniform(-3, 3)) if rng.random() < 0.7 else 1.0


def _codes(rng: np.random.Generator, n: int, levels: int) -> NDArray[np.int64]:
    """Level of each row: every level occurs, sizes from equal to very unequal."""
    evenness = rng.choice([0.4, 2.0, 200.0])
    p = rng.dirichlet(np.full(levels, evenness))
    codes = np.concatenate([np.arange(levels), rng.choice(levels, n - levels, p=p)])
    return rng.permutation(codes)


def _levels(rng: np.random.Generator) -> int:
    return int(rng.integers(3, 9) if rng.random() < 0.6 else rng.integers(12, 41))


def _groups(rng: np.random.Generator, blocks: list[Bar]) -> pd.DataFrame:
    """Factors g, h, s and rows enough that every term, and all together, leave a residual."""
    n = round(np.exp(rng.uniform(np.log(15), np.log(MAX_ROWS))))
    g, h, s = _levels(rng), _levels(rng), int(rng.integers(2, 5))
    while True:
        frame = pd.DataFrame(
            {
                "g": [f"g{v:02d}" for v in _codes(rng, n, min(g, n))],
                "h": [f"h{v:02d}" for v in _codes(rng, n, min(h, n))],
                "s": [f"s{v}" for v in _codes(rng, n, min(s, n))],
                "c": np.array(["p", "q", "r"])[_codes(rng, n, 3)],
            }
        )
        q = sum(_width(b) * codes_of(frame, b.group).max() + _width(b) for b in blocks)
        if n > 1.2 * q + 6:
            return frame
        g, h, s = max(3, g - 1), max(3, h - 1), max(2, s - 1)
        n = min(MAX_ROWS, n + 2)


def _width(block: Bar) -> int:
    return sum(1 if name != "c" else 3 - ("1" in block.columns) for name in block.columns)


def codes_of(frame: pd.DataFrame, group: str) -> NDArray[np.int64]:
    """Codes 0, 1, … of a factor or of an interaction `a:b`."""
    parts = [frame[name] for name in group.split(":")]
    return frame.groupby(parts, sort=True).ngroup().to_numpy()


def _predictors(rng: np.random.Generator, frame: pd.DataFrame) -> dict[str, Vector]:
    """Write x and z into the frame; return them in SDs, centred or from their own zero."""
    n = len(frame)
    kind = rng.choice(["normal", "grid", "between"], p=[0.5, 0.35, 0.15])
    if kind == "between":
        g = codes_of(frame, "g")
        x = rng.normal(size=g.max() + 1)[g] + 0.05 * rng.normal(size=n)
    else:
        x = rng.normal(size=n) if kind == "normal" else rng.integers(0, 10, n).astype(float)
    z = rng.normal(size=n)
    if rng.random() < 0.2:
        z = x + 0.05 * x.std() * z
    standard = {"1": np.ones(n)}
    centred = rng.random() < 0.7
    for name, values in (("x", x), ("z", z)):
        values = (values - values.mean()) / values.std()
        shift = rng.choice([0.0, 5.0, 50.0], p=[0.4, 0.25, 0.35])
        frame[name] = (values + shift) * _scale(rng)
        standard[name] = values if centred else values + shift
    standard["x:z"] = standard["x"] * standard["z"]
    return standard


def _random_effects(
    rng: np.random.Generator, block: Bar, frame: pd.DataFrame, standard: dict[str, Vector]
) -> Vector:
    """Contribution of one covariance block to the rows, shape (n,)."""
    codes = codes_of(frame, block.group)
    columns = []
    for name in block.columns:
        if name != "c":
            columns.append(standard[name])
            continue
        dummies = pd.get_dummies(frame["c"]).to_numpy(dtype=float)
        columns.extend(dummies.T[1:] if "1" in block.columns else dummies.T)
    k = len(columns)
    sd = np.exp(rng.normal(0, 0.7, k))
    truth = rng.choice(["free", "one zero", "all zero", "perfect", "nearly"])
    if truth == "one zero":
        sd[rng.integers(k)] = 0.0
    elif truth == "all zero":
        sd[:] = 0.0
    u = rng.normal(size=(codes.max() + 1, k))
    if truth in {"perfect", "nearly"}:
        one = u[:, :1] * rng.choice([-1.0, 1.0], k)
        u = one + (0.0 if truth == "perfect" else 0.1) * u
    return np.einsum("nk,kn->n", (u * sd)[codes], np.array(columns))


def _fixed_part(rng: np.random.Generator, layout: str) -> str:
    terms = ["1"]
    for name in ("x", "z", "c"):
        used = any(name in c.split(":") for b in bars(layout) for c in b.columns)
        if rng.random() < (0.8 if used else 0.25):
            terms.append(name)
    if "x:z" in layout and rng.random() < 0.5:
        terms.append("x:z")
    return " + ".join(terms)
