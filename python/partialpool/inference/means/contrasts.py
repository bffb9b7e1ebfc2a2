"""Named sets of contrasts among k means: rows of coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from partialpool.arguments import CONTRAST_NAMES, Adjustment, ContrastName, check_choice
from partialpool.errors import ArgumentError

Vector = NDArray[np.float64]

#: A name, coefficients by name, or a matrix with a row for each contrast.
Contrasts = ContrastName | Mapping[str, Sequence[float]] | ArrayLike


@dataclass(frozen=True, eq=False)
class ContrastSet:
    """Contrasts among k means.

    Attributes
    ----------
    names
        Names of the c contrasts.
    coefficients
        (c, k)
    adjust
        The adjustment used unless another is asked for.
    pairs
        Whether they are all pairwise differences, so that Tukey's method applies.
    """

    names: tuple[str, ...]
    coefficients: Vector
    adjust: Adjustment = "none"
    pairs: bool = False


def contrast_set(method: Contrasts, labels: Sequence[str], ref: Any = None) -> ContrastSet:
    """Contrasts by name, from a dict of coefficients, or from a matrix with a row each.

    Parameters
    ----------
    method
        "pairwise", "revpairwise", "trt_vs_ctrl", "poly"; {name: k coefficients}; or (c, k).
    labels
        Texts of the k means.
    ref
        Of "trt_vs_ctrl": label or position of the control; default the first.
    """
    if isinstance(method, str):
        method = check_choice(method, "the name of the contrasts", CONTRAST_NAMES)
        if ref is not None and method != "trt_vs_ctrl":
            raise ArgumentError(f"ref= is for 'trt_vs_ctrl', not for {method!r}")
        if len(labels) < 2:
            raise ArgumentError(f"{method!r} needs at least two means to compare, there is one")
        if method == "poly":
            return _polynomial(len(labels))
        return _pairs(labels, method) if "pairwise" in method else _control(labels, ref)
    return _custom(method, len(labels))


#: Pairs of means times means: some 580 means.
MOST_CELLS = 100_000_000


def _pairs(labels: Sequence[str], method: str) -> ContrastSet:
    k = len(labels)
    if k * k * (k - 1) // 2 > MOST_CELLS:
        raise ArgumentError(
            f"{k:,} means have {k * (k - 1) // 2:,} pairs, too many to compare; compare fewer (at="
            "{...}), or each with one of them ('trt_vs_ctrl')"
        )
    names, rows = [], []
    for a in range(k):
        for b in range(a + 1, k):
            i, j = (a, b) if method == "pairwise" else (b, a)
            names.append((i, j))
    if method == "revpairwise":
        names.sort()
    for i, j in names:
        row = np.zeros(k)
        row[i], row[j] = 1.0, -1.0
        rows.append(row)
    texts = tuple(f"{labels[i]} - {labels[j]}" for i, j in names)
    return ContrastSet(texts, np.array(rows), "tukey", pairs=True)


def _control(labels: Sequence[str], ref: Any) -> ContrastSet:
    k = len(labels)
    if ref is None:
        control = 0
    elif str(ref) in labels:
        control = list(labels).index(str(ref))
    elif isinstance(ref, int) and not isinstance(ref, bool) and -k <= ref < k:
        control = ref % k
    else:
        raise ArgumentError(f"ref={ref!r} is none of {', '.join(map(repr, labels))}")
    others = [i for i in range(k) if i != control]
    rows = np.eye(k)[others]
    rows[:, control] = -1.0
    names = tuple(f"{labels[i]} - {labels[control]}" for i in others)
    return ContrastSet(names, rows, "dunnettx")


def _polynomial(k: int) -> ContrastSet:
    """Orthogonal polynomials of equally spaced levels, scaled to small whole numbers."""
    names = ["linear", "quadratic", "cubic", "quartic", "degree 5", "degree 6"][: min(6, k - 1)]
    x = np.arange(1.0, k + 1) - (k + 1) / 2
    q, r = np.linalg.qr(np.vander(x, len(names) + 1, increasing=True))
    rows = (q * np.sign(np.diag(r))).T[1:]
    whole = []
    for row in rows:
        row = row / row[row > 0.01].min()
        off = float(np.abs(row - np.round(row)).max())
        while off > 0.05:
            row = row / off
            off = float(np.abs(row - np.round(row)).max())
        whole.append(np.round(row))
    return ContrastSet(tuple(names), np.array(whole))


def _custom(method: Any, k: int) -> ContrastSet:
    if isinstance(method, Mapping):
        if not method:
            raise ArgumentError("the dict of contrasts is empty; give {name: coefficients}")
        rows = [_coefficients(row, str(name), k) for name, row in method.items()]
        return ContrastSet(tuple(str(n) for n in method), np.array(rows))
    names = (
        [str(n) for n in method.index]
        if hasattr(method, "index") and hasattr(method, "columns")
        else None
    )
    try:
        if method is None or np.ndim(method) == 0:
            raise TypeError
        matrix = np.atleast_2d(np.asarray(method, dtype=np.float64))
    except (TypeError, ValueError):
        raise ArgumentError(
            f"contrasts must be a name, a dict or a matrix of numbers, not {method!r}"
        ) from None
    if matrix.ndim != 2 or not len(matrix):
        raise ArgumentError("a matrix of contrasts must have a row for each contrast")
    names = names or [f"c{i + 1}" for i in range(len(matrix))]
    rows = [_coefficients(row, name, k) for row, name in zip(matrix, names, strict=True)]
    return ContrastSet(tuple(names), np.array(rows))


def _coefficients(row: Any, name: str, k: int) -> Vector:
    try:
        values = np.asarray(row, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        raise ArgumentError(f"contrast {name!r}: coefficients must be numbers") from None
    if len(values) != k:
        raise ArgumentError(f"contrast {name!r} has {len(values)} coefficients for {k} means")
    if not np.isfinite(values).all():
        raise ArgumentError(f"contrast {name!r}: coefficients must be finite")
    return values


def consecutive(k: int) -> Vector:
    """Differences of each level from the one before, (k - 1, k)."""
    return np.eye(k)[1:] - np.eye(k)[:-1]
