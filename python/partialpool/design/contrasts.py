"""Contrasts: the numbers that stand for a factor's levels in the columns of a model matrix.

The matrices and labels are formulaic's, which are R's but for the labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool import arguments
from partialpool.arguments import check_choice
from partialpool.design.listed import Levels, find_level, no_level
from partialpool.errors import ArgumentError, DesignError, FormulaError
from partialpool.formula import Call, Expr, Flag, Number, Text, Values

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Options = Mapping[str, Any]

#: What `contrasts={"f": …}` may say.
NAMES = {
    "treatment": "contr.treatment",
    "sum": "contr.sum",
    "helmert": "contr.helmert",
    "poly": "contr.poly",
    "sas": "contr.SAS",
    "diff": "contr.diff",
}


@dataclass(frozen=True, slots=True)
class Coding:
    """The columns that stand for a factor with L levels.

    Attributes
    ----------
    labels
        Label of each column.
    ones
        The level that each column indicates, where it does.
    rest
        A level that all these columns count as -1.
    matrix
        Any other columns, (L, columns).
    """

    labels: tuple[str, ...]
    ones: tuple[int, ...] = ()
    rest: int | None = None
    matrix: Matrix | None = None

    def indicated(self, column: int) -> int | None:
        """The one level that a column indicates; None if it does something else."""
        return None if self.matrix is not None or self.rest is not None else self.ones[column]

    def column(self, column: int, size: int) -> Vector:
        """A column's value at each of `size` levels."""
        if self.matrix is not None:
            return self.matrix[:, column]
        out = np.zeros(size)
        out[self.ones[column]] = 1.0
        if self.rest is not None:
            out[self.rest] = -1.0
        return out


def indicators(levels: Levels) -> Coding:
    """A column for each level."""
    return Coding(tuple(str(v) for v in levels), tuple(range(len(levels))))


@dataclass(frozen=True, slots=True)
class Contrast:
    """A coding by its name, `contr.sum`, and its options as plain values.

    The option `base` is a place among the levels.
    """

    name: str = "contr.treatment"
    options: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def read(cls, call: Call, levels: Levels) -> Contrast | None:
        """That of a checked `C(f, contr.treatment(base='b'))`; None where it names none.

        Raises
        ------
        DesignError
            If the reference level is not there.
        """
        written = next((v for key, v in call.options if key != "levels"), None)
        if not isinstance(written, Call):
            return None
        options: list[tuple[str, Any]] = []
        for key, value in written.options:
            if key != "base":
                options.append((key, plain_value(value)))
                continue
            place = find_level(value, levels)
            if place is None:
                raise no_level(call, value, levels)
            options.append((key, place))
        return cls(written.function, tuple(options))

    def coding(self, factor: str, levels: Levels) -> Coding:
        """The L - 1 columns of a factor with L levels.

        Raises
        ------
        DesignError
            If an option does not suit the levels; `factor` is named.
        """
        return _CODINGS[self.name](factor, levels, dict(self.options))


def plain_value(literal: Expr) -> Any:
    """The Python value of a literal in a formula."""
    match literal:
        case Number(value) | Text(value) | Flag(value):
            return value
        case Values(items):
            return tuple(plain_value(item) for item in items)
        case _:
            raise DesignError(f"{literal!r} is no literal")


def check_contrasts(
    contrasts: Mapping[str, arguments.Coding] | None, factors: Sequence[str]
) -> dict[str, str]:
    """Full names of contrasts, for factors that the formula has."""
    out: dict[str, str] = {}
    if contrasts is not None and not isinstance(contrasts, Mapping):
        raise ArgumentError(f"contrasts must be a mapping of factor to name, not {contrasts!r}")
    for factor, wanted in (contrasts or {}).items():
        try:
            name = str(wanted).removeprefix("contr.")
            key = check_choice(name, f"contrasts of {factor!r}", arguments.CODINGS).lower()
        except ArgumentError:
            raise FormulaError(
                f"contrasts of {factor!r}: {str(wanted)!r} is not offered; use one of"
                f" {', '.join(arguments.CODINGS)}"
            ) from None
        if factor not in factors:
            raise FormulaError(
                f"contrasts are given for {factor!r}, which is no factor in the formula"
            )
        out[factor] = NAMES[key]
    return out


def _treatment(factor: str, levels: Levels, options: Options, default: int = 0) -> Coding:
    base = options.get("base", default) % len(levels)
    kept = tuple(i for i in range(len(levels)) if i != base)
    return Coding(tuple(f"T.{levels[i]}" for i in kept), kept)


def _sas(factor: str, levels: Levels, options: Options) -> Coding:
    return _treatment(factor, levels, options, default=-1)


def _sum(factor: str, levels: Levels, options: Options) -> Coding:
    last = len(levels) - 1
    return Coding(tuple(f"S.{v}" for v in levels[:-1]), tuple(range(last)), rest=last)


def _helmert(factor: str, levels: Levels, options: Options) -> Coding:
    n, reverse = len(levels), options.get("reverse", True)
    out = np.zeros((n, n - 1))
    for j in range(n - 1):
        if reverse:
            out[: j + 1, j], out[j + 1, j] = -1.0, j + 1.0
        else:
            out[j, j], out[j + 1 :, j] = n - j - 1.0, -1.0
        if options.get("scale", False):
            out[:, j] /= j + 2 if reverse else n - j
    shown = levels[1:] if reverse else levels[:-1]
    return Coding(tuple(f"H.{v}" for v in shown), matrix=out)


def _diff(factor: str, levels: Levels, options: Options) -> Coding:
    n, backward = len(levels), options.get("backward", True)
    out = np.tile(np.arange(1, n) / n, (n, 1))
    out[np.triu_indices(n, m=n - 1)] -= 1.0
    shown = levels[1:] if backward else levels[:-1]
    return Coding(tuple(f"D.{v}" for v in shown), matrix=out if backward else -out)


def _poly(factor: str, levels: Levels, options: Options) -> Coding:
    n = len(levels)
    scores = options.get("scores") or tuple(range(n))
    if len(scores) != n or len(set(scores)) != n:
        raise DesignError(
            f"contr.poly of {factor!r} has {len(set(scores))} different scores for {n} levels;"
            " give one for each"
        )
    named = {1: ".L", 2: ".Q", 3: ".C"}
    labels = tuple(named.get(k, f"^{k}") for k in range(1, n))
    return Coding(labels, matrix=_orthogonal_polynomials(tuple(map(float, scores))))


@lru_cache(maxsize=16)
def _orthogonal_polynomials(scores: tuple[float, ...]) -> Matrix:
    """Orthonormal polynomials by their three-term recurrence, (L, L - 1)."""
    x = np.asarray(scores)
    out = np.empty((len(x), len(x)))
    out[:, 0], norms = 1.0, [float(len(x))]
    for k in range(1, len(x)):
        last = out[:, k - 1]
        new = (x - np.sum(x * last**2) / norms[-1]) * last
        if k > 1:
            new -= norms[-1] / norms[-2] * out[:, k - 2]
        out[:, k] = new
        norms.append(float(np.sum(new**2)))
    return out[:, 1:] / np.sqrt(norms[1:])


_CODINGS: dict[str, Callable[[str, Levels, Options], Coding]] = {
    "contr.treatment": _treatment,
    "contr.SAS": _sas,
    "contr.sum": _sum,
    "contr.helmert": _helmert,
    "contr.diff": _diff,
    "contr.poly": _poly,
}
