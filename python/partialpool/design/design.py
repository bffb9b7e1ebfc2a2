"""`Design`: everything that a model needs of formula and data, in plain arrays."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from partialpool._core import encode
from partialpool.cached import cached_property
from partialpool.design.columns import Column, Rows, take
from partialpool.design.covariance import Block
from partialpool.design.encoder import Encoder
from partialpool.design.frame import Coded, Frame, replace_columns
from partialpool.design.levels import (
    check_texts_distinct,
    find_levels,
    member_text,
    members_of,
)
from partialpool.errors import DataError
from partialpool.formula import Formula, RandomTerm, variables


@dataclass(frozen=True, slots=True)
class Term:
    """One random term on its factor: which of the factor's columns are its own."""

    source: RandomTerm
    encoder: Encoder
    names: tuple[str, ...]
    start: int
    blocks: tuple[Block, ...]


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
        The independent blocks of their covariance, with k columns together.
    """

    name: str
    variables: tuple[str, ...]
    codes: NDArray[np.uint32] | None
    levels: tuple[Hashable, ...]
    terms: tuple[Term, ...]
    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]

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


#: In `Design.given`, an array of weights or of an offset that a stored fit did not keep.
NOT_KEPT: Final = ()


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
    table, given
        The table that came in and the arguments that it was read with. Ask `source` for the data
        of the fit.
    replaced
        The response that a refit put in the place of the table's, offset included, shape (total,),
        NaN in rows where it is not known; None where the response is the table's.
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
    table: Any = None
    given: Mapping[str, Any] = field(default_factory=dict)
    replaced: NDArray[np.float64] | None = None
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
        names = self.__dataclass_fields__.keys() - {"table"}
        return {**{name: self.__dict__[name] for name in names}, "table": None}

    @cached_property
    def source(self) -> Any:
        """The data of this fit: the table that came in, in it the response that was fitted.

        After a refit the response's column holds the new values. A transformed response, or one
        whose column is a predictor too, has a column of its own (`response_columns`), and the
        columns that it was made of are left out: they belong to the old response.
        """
        if self.table is None or self.replaced is None:
            return self.table
        (name,) = self.response_columns
        return replace_columns(self.table, self._old_columns - {name}, {name: self.replaced})

    @property
    def response_columns(self) -> tuple[str, ...]:
        """Columns of `source` that hold the response, or what it is worked out from."""
        own = tuple(dict.fromkeys(variables(self.formula.response)))
        if self.table is None or self.replaced is None:
            return own
        name = self.formula.response_name
        if name not in self._old_columns and name in Frame(self.table):
            return (f"refit({name})",)
        return (name,)

    @property
    def _old_columns(self) -> set[str]:
        """Columns of the table that are there for the response alone."""
        used = {v for encoder in self.encoders for v in encoder.variables}
        used |= {v for factor in self.factors for v in factor.variables}
        used |= {v for part in self.formula.offsets for v in variables(part)}
        used |= {v for k in ("weights", "offset") if isinstance(v := self.given.get(k), str)}
        return set(variables(self.formula.response)) - used

    @property
    def encoders(self) -> list[Encoder]:
        """Encoder of the fixed part, then of each random term."""
        return [self.fixed, *(term.encoder for f in self.factors for term in f.terms)]

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
