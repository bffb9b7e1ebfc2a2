"""What multiplies in a term, once the data are known: a number, a coded factor, or a basis."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from partialpool.design.contrasts import Coding, Contrast, indicators
from partialpool.design.listed import Levels
from partialpool.formula import Call, Expr


@dataclass(frozen=True, slots=True)
class Numeric:
    """A column of numbers, or an expression that gives one."""

    name: str
    tree: Expr
    spans_intercept: bool = field(default=False, init=False)

    def fields(self, reduced: bool) -> tuple[str, ...]:
        """One: its name."""
        return (self.name,)


@dataclass(frozen=True, slots=True)
class Coded:
    """A factor with its levels and contrasts.

    Attributes
    ----------
    name
        As shown: "f", "C(f, contr.sum)".
    variable
        The column.
    levels
        In the order of the coding.
    places
        Where each of these stands among the levels of the column.
    contrast
        How it is coded where the model has its mean already.
    """

    name: str
    variable: str
    levels: Levels
    places: tuple[int, ...]
    contrast: Contrast
    _codings: tuple[Coding, Coding] = field(init=False, repr=False, compare=False)
    _reordered: bool = field(init=False, repr=False, compare=False)
    spans_intercept: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_reordered", self.places != tuple(range(len(self.levels))))
        codings = (indicators(self.levels), self.contrast.coding(self.variable, self.levels))
        object.__setattr__(self, "_codings", codings)

    def fields(self, reduced: bool) -> tuple[str, ...]:
        """`f[T.b]` by contrasts, `f[a]` by indicators."""
        return tuple(f"{self.name}[{label}]" for label in self._codings[reduced].labels)

    def indicated(self, reduced: bool, column: int) -> int | None:
        """The level that a column indicates, by its place in the data; None if it weighs more."""
        level = self._codings[reduced].indicated(column)
        return None if level is None else self.places[level]

    def weights(self, reduced: bool, column: int) -> NDArray[np.float64]:
        """A column's value at each level, (L,), in the order of the data."""
        values = self._codings[reduced].column(column, len(self.levels))
        if not self._reordered:
            return values
        out = np.empty(len(self.levels))
        out[list(self.places)] = values
        return out


@dataclass(frozen=True, slots=True)
class Basis:
    """poly() or splines: several columns of one numeric expression.

    Attributes
    ----------
    labels
        Its columns' labels; with `spans_intercept` less the first where the model has the mean.
    """

    name: str
    call: Call
    labels: tuple[str, ...]
    spans_intercept: bool

    def fields(self, reduced: bool) -> tuple[str, ...]:
        """`poly(x, 2)[1]`."""
        return tuple(f"{self.name}[{label}]" for label in self.shown(reduced))

    def shown(self, reduced: bool) -> tuple[str, ...]:
        """Labels of the columns that are used."""
        return self.labels[1:] if reduced else self.labels


Member = Numeric | Coded | Basis
