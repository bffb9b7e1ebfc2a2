"""`Design`: everything that a model needs of formula and data, in plain arrays."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool._core import encode
from partialpool.design.columns import (
    Column,
    FormulaicColumns,
    ProductColumns,
    Rows,
    take,
)
from partialpool.design.frame import Coded, Frame
from partialpool.design.levels import (
    check_texts_distinct,
    find_levels,
    member_text,
    members_of,
)
from partialpool.errors import DataError
from partialpool.formula import Formula, RandomTerm

Encoder = ProductColumns | FormulaicColumns


@dataclass(frozen=True, slots=True)
class Term:
    """One random term on its factor: which of the factor's columns are its own."""

    source: RandomTerm
    encoder: Encoder
    names: tuple[str, ...]
    start: int
    blocks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Factor:
    """A grouping factor with all the terms on it, merged.

    Attributes
    ----------
    name
        "Subject", "cask:batch".
    variables
        The columns whose interaction it is.
    codes
        uint32, shape (n,).
    levels
        Labels; tuples' members joined by ":" for interactions.
    terms
        In written order.
    columns
        k columns: a number or an array of shape (n,).
    blocks
        Sizes of the independent covariance blocks; they add up to k.
    """

    name: str
    variables: tuple[str, ...]
    codes: NDArray[np.uint32] | None
    levels: tuple[Hashable, ...]
    terms: tuple[Term, ...]
    columns: tuple[Column, ...]
    blocks: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the k columns."""
        return tuple(name for term in self.terms for name in term.names)

    def code_new(self, frame: Frame, rows: Rows = None) -> tuple[NDArray[np.int64], list[str]]:
        """Codes of new rows, -1 for levels never seen, and the labels of those."""
        labels = group_labels(frame, self.variables)
        if len(self.variables) == 1:
            new = find_levels(self.levels, labels.levels, self.name)
        else:
            self._check_members(frame)
            exact = {level: i for i, level in enumerate(self.levels)}
            new = np.array([exact.get(v, -1) for v in labels.levels], dtype=np.int64)
        new = np.append(new, -1)
        codes = take(new[labels.codes], rows)
        seen = np.unique(take(labels.codes, rows))
        unknown = [str(labels.levels[c]) for c in seen if c >= 0 and new[c] < 0]
        return np.ascontiguousarray(codes), unknown

    def _check_members(self, frame: Frame) -> None:
        """Refuse a number such as 1.0 where the interaction has levels "1" and "1.0"."""
        floats = [j for j, v in enumerate(self.variables) if _has_floats(frame.coded(v).levels)]
        if not floats:
            return
        members = [members_of(str(level)) for level in self.levels]
        for j in floats:
            known = tuple(dict.fromkeys(m[j] for m in members))
            find_levels(known, frame.coded(self.variables[j]).levels, self.variables[j])


@dataclass(frozen=True)
class Design:
    """Formula and data as arrays. Arrays are the user's own where no row was dropped.

    Attributes
    ----------
    formula
    y
        Response less offset, shape (n,).
    weights, offset
        Shape (n,), or None.
    fixed
        Encoder of the fixed part; `fixed.names` are its columns.
    x
        p columns, each a number or an array of shape (n,).
    factors
        Grouping factors in order of first use.
    rows
        Indices of the rows used, or None if all are.
    total
        Rows that came in.
    kind
        Kind of table that came in (`Frame.kind`).
    contrasts
        As given.
    source, given
        The table and the arguments that it was read with, for `update`.
    index
        Labels of the table's rows, if it is pandas' (`Frame.index`).

    A design read back from a stored fit has no rows: `y` is None.
    """

    formula: Formula
    y: NDArray[np.float64] | None
    weights: NDArray[np.float64] | None
    offset: NDArray[np.float64] | None
    fixed: Encoder
    x: tuple[Column, ...]
    factors: tuple[Factor, ...]
    rows: Rows
    total: int
    kind: Any
    contrasts: Mapping[str, str] = field(default_factory=dict)
    source: Any = None
    given: Mapping[str, Any] = field(default_factory=dict)
    index: Any = None

    @property
    def index_of_rows(self) -> Any:
        """Labels of the rows used; None where they have none."""
        return None if self.index is None else take(self.index, self.rows)

    @property
    def n(self) -> int:
        """Rows used."""
        return self.total if self.y is None else len(self.y)

    @property
    def response(self) -> NDArray[np.float64]:
        """Response less offset, shape (n,), where rows are at hand."""
        y = self.with_rows().y
        assert y is not None
        return y

    def with_rows(self) -> Design:
        """This design, if it has its rows."""
        if self.y is None:
            raise DataError(
                "this fit was loaded without its rows; give them with pp.load(path, data=...)"
            )
        return self

    def __getstate__(self) -> dict[str, Any]:
        # The user's table is not ours to pickle: the arrays that the fit uses are here already.
        return {**self.__dict__, "source": None}

    @property
    def dropped(self) -> int:
        """Rows left out because a value was missing."""
        return self.total - self.n


def _has_floats(levels: tuple[Hashable, ...]) -> bool:
    return any(isinstance(v, float) for v in levels)


def group_labels(frame: Frame, group: tuple[str, ...], rows: Rows = None) -> Coded:
    """Codes and labels of a grouping factor: one column, or the interaction of several."""
    parts = [frame.coded(name) for name in group]
    codes = take(parts[0].codes, rows)
    labels: tuple[Hashable, ...] = parts[0].levels
    if len(parts) > 1:
        for name, part in zip(group, parts, strict=True):
            check_texts_distinct(part.levels, name, f"the interaction {':'.join(group)}")
        labels = tuple(member_text(v) for v in labels)
    for part in parts[1:]:
        width = len(part.levels)
        other = take(part.codes, rows)
        joint = np.where((codes < 0) | (other < 0), -1, codes * width + other)
        new, used = encode(np.ascontiguousarray(joint))
        first = int(len(used) > 0 and used[0] == -1)
        codes = new.astype(np.int64) - first
        members = [(labels[u // width], part.levels[u % width]) for u in used[first:].tolist()]
        labels = tuple(f"{a}:{member_text(b)}" for a, b in members)
    if rows is not None and len(parts) == 1:
        used = np.unique(codes)
        place = np.full(len(labels) + 1, -1, dtype=np.int64)
        place[used] = np.arange(len(used))
        labels = tuple(labels[i] for i in used)
        codes = place[codes]
    return Coded(codes, labels)
