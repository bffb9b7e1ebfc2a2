"""Contrasts: the numbers that stand for a factor's levels in the columns of a model matrix.

The matrices and labels are formulaic's, which are R's but for the labels.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool.errors import DesignError
from partialpool.formula import Call, Expr, Flag, Number, Text, Values

Matrix = NDArray[np.float64]
Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Contrast:
    """A coding by its name, `contr.sum`, and its options as plain values."""

    name: str = "contr.treatment"
    options: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def read(cls, call: Expr) -> Contrast:
        """From its place in a checked formula: `contr.treatment(base='b')`."""
        if not isinstance(call, Call):
            raise DesignError(f"{call!r} is no contrast")
        return cls(call.function, tuple((key, plain_value(v)) for key, v in call.options))

    def coding(self, factor: str, levels: Sequence[Hashable]) -> tuple[Matrix, tuple[str, ...]]:
        """The L x (L - 1) matrix of a factor with L levels, and the label of each column.

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


def _base(factor: str, levels: Sequence[Hashable], base: Any) -> int:
    if base in levels:
        return list(levels).index(base)
    same = [i for i, level in enumerate(levels) if str(level) == str(base)]
    if len(same) == 1:
        return same[0]
    shown = ", ".join(repr(str(v)) for v in levels[:8]) + (", …" if len(levels) > 8 else "")
    raise DesignError(
        f"the reference level {base!r} of {factor!r} is not among its levels ({shown})"
    )


def _treatment(factor: str, levels: Sequence[Hashable], options: Options, default: int = 0) -> Any:
    base = _base(factor, levels, options["base"]) if "base" in options else default
    kept = [i for i in range(len(levels)) if i != base % len(levels)]
    return np.eye(len(levels))[:, kept], tuple(f"T.{levels[i]}" for i in kept)


def _sas(factor: str, levels: Sequence[Hashable], options: Options) -> Any:
    return _treatment(factor, levels, options, default=-1)


def _sum(factor: str, levels: Sequence[Hashable], options: Options) -> Any:
    out = np.eye(len(levels), len(levels) - 1)
    out[-1] = -1.0
    return out, tuple(f"S.{v}" for v in levels[:-1])


def _helmert(factor: str, levels: Sequence[Hashable], options: Options) -> Any:
    n, reverse = len(levels), options.get("reverse", True)
    out = np.zeros((n, n - 1))
    for j in range(n - 1):
        if reverse:
            out[: j + 1, j], out[j + 1, j] = -1.0, j + 1.0
        else:
            out[j, j], out[j + 1 :, j] = n - j - 1.0, -1.0
        if options.get("scale", False):
            out[:, j] /= j + 2 if reverse else n - j
    return out, tuple(f"H.{v}" for v in (levels[1:] if reverse else levels[:-1]))


def _diff(factor: str, levels: Sequence[Hashable], options: Options) -> Any:
    n, backward = len(levels), options.get("backward", True)
    out = np.tile(np.arange(1, n) / n, (n, 1))
    out[np.triu_indices(n, m=n - 1)] -= 1.0
    shown = levels[1:] if backward else levels[:-1]
    return out if backward else -out, tuple(f"D.{v}" for v in shown)


def _poly(factor: str, levels: Sequence[Hashable], options: Options) -> Any:
    n = len(levels)
    scores = options.get("scores") or tuple(range(n))
    if len(scores) != n or len(set(scores)) != n:
        raise DesignError(
            f"contr.poly of {factor!r} has {len(set(scores))} different scores for {n} levels;"
            " give one for each"
        )
    x = np.asarray(scores, dtype=np.float64)
    # Monic orthogonal polynomials by their three-term recurrence, then normalised.
    basis, norms = [np.ones(n)], [float(n)]
    for k in range(1, n):
        last = basis[-1]
        new = (x - np.sum(x * last**2) / norms[-1]) * last
        if k > 1:
            new = new - norms[-1] / norms[-2] * basis[-2]
        basis.append(new)
        norms.append(float(np.sum(new**2)))
    columns = [b / np.sqrt(norm) for b, norm in zip(basis[1:], norms[1:], strict=True)]
    named = {1: ".L", 2: ".Q", 3: ".C"}
    return np.column_stack(columns), tuple(named.get(k, f"^{k}") for k in range(1, n))


_CODINGS: dict[
    str, Callable[[str, Sequence[Hashable], Options], tuple[Matrix, tuple[str, ...]]]
] = {
    "contr.treatment": _treatment,
    "contr.SAS": _sas,
    "contr.sum": _sum,
    "contr.helmert": _helmert,
    "contr.diff": _diff,
    "contr.poly": _poly,
}
