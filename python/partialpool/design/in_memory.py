"""A plan's columns by NumPy, from codes and numbers that are in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from partialpool.cached import cached_property
from partialpool.design.column_plan import Part, Plan, PlannedColumn
from partialpool.design.columns import Column
from partialpool.design.members import Basis, Coded
from partialpool.design.transforms import Evaluation
from partialpool.errors import DataError
from partialpool.formula import Expr, Name, variables

Vector = NDArray[np.float64]
Codes = NDArray[np.int64]
Places = NDArray[np.intp]

#: Levels of a factor from which only what is not zero in its columns is written.
MANY_LEVELS = 32


class InMemory:
    """The columns of n rows; parts that several columns share are made once.

    Parameters
    ----------
    plan, n
    numbers
        By name, each (n,), NaN where missing.
    codes
        Codes of each factor's column, (n,): places among its levels, -1 where missing.
    evaluation
        What transforms remember; while it is `fitting`, `numbers` are finite.
    bases
        Columns of bases that are worked out already, by tree and label.
    """

    def __init__(
        self,
        plan: Plan,
        n: int,
        numbers: Mapping[str, Vector],
        codes: Mapping[str, Codes],
        evaluation: Evaluation,
        bases: Mapping[Expr, dict[str, Vector]],
    ) -> None:
        self.plan, self.n = plan, n
        self.numbers, self.codes, self.evaluation = numbers, codes, evaluation
        self.trees = tuple(plan.members)
        self.bases = dict(bases)
        self.made: dict[tuple[int, bool, int], Vector] = {}
        self.gaps = {name: bool(len(c)) and int(c.min()) < 0 for name, c in codes.items()}
        self.narrow: dict[str, NDArray[np.integer]] = {}
        self.by_level: dict[str, ByLevel] = {}

    def columns(self) -> list[Column]:
        """In the plan's order; the constant is the number 1.

        Raises
        ------
        DataError
            For a value that is not finite although what it is made of is.
        """
        columns = self.plan.columns if self.plan.widest >= MANY_LEVELS else ()
        few = {j: part for j, c in enumerate(columns) if (part := self._few(c))}
        # The zeros are pages that the operating system has not been asked for yet.
        zeros = iter(np.zeros((len(few), self.n)))
        # In one block the system hands out memory in larger pages, which is most of the time.
        new = [j not in few and self._is_new(c) for j, c in enumerate(self.plan.columns)]
        block = iter(np.empty((sum(new), self.n)))
        out: list[Column] = []
        with np.errstate(all="ignore"):
            for j, column in enumerate(self.plan.columns):
                if not column.parts:
                    out.append(1.0)
                elif j in few:
                    out.append(self._written(column, few[j], next(zeros)))
                elif new[j]:
                    out.append(self._product(column, next(block)))
                else:
                    out.append(self._part(column.parts[0]))
        return out

    def _is_new(self, column: PlannedColumn) -> bool:
        """Whether a column is more than a number's or a basis' own."""
        parts = column.parts
        return len(parts) > 1 or (
            bool(parts) and isinstance(self.plan.known[parts[0].member], Coded)
        )

    def _few(self, column: PlannedColumn) -> Part | None:
        """The part for which most rows of a column are zero."""
        for part in column.parts:
            member = self.plan.known[part.member]
            if isinstance(member, Coded) and len(member.levels) >= MANY_LEVELS:
                weights = member.weights(part.reduced, part.field)
                if np.count_nonzero(weights) <= len(weights) // 8:
                    return part
        return None

    def _product(self, column: PlannedColumn, out: Vector) -> Vector:
        first, *others = column.parts
        if not others:
            return self._part(first, out)
        values = self._part(first)
        for part in others:
            values = np.multiply(values, self._part(part), out=out)
        return self._checked(column, values)

    def _written(self, column: PlannedColumn, few: Part, out: Vector) -> Vector:
        member = self.plan.known[few.member]
        assert isinstance(member, Coded)  # `_few` has chosen it
        weights = member.weights(few.reduced, few.field)
        if member.variable not in self.by_level:
            codes = self.codes[member.variable]
            self.by_level[member.variable] = ByLevel.of(codes, len(weights))
        groups = self.by_level[member.variable]
        for level in np.flatnonzero(weights):
            rows = groups.rows(int(level))
            values = np.full(len(rows), weights[level])
            for part in column.parts:
                if part is not few:
                    values *= self._part_at(part, rows)
            out[rows] = values
        out[groups.missing] = np.nan
        return self._checked(column, out)

    def _part(self, part: Part, out: Vector | None = None) -> Vector:
        """A part's values; a factor's are written to `out` where they are not made yet."""
        key = (part.member, part.reduced, part.field)
        if key not in self.made:
            self.made[key] = self._make(part, out)
        return self.made[key]

    def _part_at(self, part: Part, rows: Places) -> Vector:
        """Some rows of a part; of a factor's no more is worked out."""
        member = self.plan.known[part.member]
        if not isinstance(member, Coded):
            return self._part(part)[rows]
        codes = self.codes[member.variable][rows]
        values = np.take(member.weights(part.reduced, part.field), codes, mode="clip")
        values[codes < 0] = np.nan
        return values

    def _make(self, part: Part, out: Vector | None) -> Vector:
        member, tree = self.plan.known[part.member], self.trees[part.member]
        if isinstance(member, Coded):
            return self._coded(member, part, np.empty(self.n) if out is None else out)
        if isinstance(member, Basis):
            if tree not in self.bases:
                self.bases[tree] = self.evaluation.basis(member.call, self.numbers)
            label = member.shown(part.reduced)[part.field]
            name = f"{member.name}[{label}]"
            return self._finite(name, variables(tree), self.bases[tree][label])
        values = np.asarray(self.evaluation.column(tree, self.numbers), dtype=np.float64)
        values = np.broadcast_to(values, (self.n,))
        if self.evaluation.fitting and isinstance(tree, Name):
            return values
        return self._finite(member.name, variables(tree), values)

    def _coded(self, member: Coded, part: Part, out: Vector) -> Vector:
        codes = self.codes[member.variable]
        level = member.indicated(part.reduced, part.field)
        if level is not None:
            np.equal(self._narrow(member), level, out=out)
        else:
            np.take(member.weights(part.reduced, part.field), codes, out=out, mode="clip")
        if self.gaps[member.variable]:
            out[codes < 0] = np.nan
        return out

    def _narrow(self, member: Coded) -> NDArray[np.integer]:
        """Codes in single bytes where there are few levels: they are read once per level."""
        name = member.variable
        if name not in self.narrow:
            few = len(member.levels) <= np.iinfo(np.int8).max
            self.narrow[name] = self.codes[name].astype(np.int8) if few else self.codes[name]
        return self.narrow[name]

    def _checked(self, column: PlannedColumn, values: Vector) -> Vector:
        """A product that is finite wherever its parts are: several numbers may overflow."""
        if not self.plan.numbers:
            return values
        numeric = [p for p in column.parts if not isinstance(self.plan.known[p.member], Coded)]
        if not numeric or (len(numeric) == 1 and self._bounded(column)):
            return values
        names = [v for part in numeric for v in variables(self.trees[part.member])]
        return self._finite(column.name, names, values)

    def _bounded(self, column: PlannedColumn) -> bool:
        """Whether no weight of a factor in a product is above 1."""
        for part in column.parts:
            member = self.plan.known[part.member]
            if isinstance(member, Coded) and (
                np.abs(member.weights(part.reduced, part.field)).max() > 1.0
            ):
                return False
        return True

    def _finite(self, name: str, used: Sequence[str], values: Vector) -> Vector:
        """Refuse values that are not finite in rows where nothing is missing."""
        # A sum is finite unless a value is not, or the sum itself overflows.
        if np.isfinite(np.add.reduce(values)):
            return values
        bad = ~np.isfinite(values)
        for variable in used:
            bad &= ~np.isnan(self.numbers[variable])
        for variable, gaps in self.gaps.items():
            if gaps:
                bad &= self.codes[variable] >= 0
        if bad.any():
            raise DataError(
                f"`{name}` is not finite in row {int(np.argmax(bad))} of those used; look at the"
                " values there"
            )
        return values


class ByLevel:
    """The rows of each level of a factor.

    Attributes
    ----------
    order
        All rows, those of each level together, those without one first.
    starts
        Where each level begins in it.
    """

    def __init__(self, order: Places, starts: Places) -> None:
        self.order, self.starts = order, starts

    @classmethod
    def of(cls, codes: Codes, levels: int) -> ByLevel:
        """From the codes of the rows."""
        order = np.argsort(codes, kind="stable")
        return cls(order, np.searchsorted(codes[order], np.arange(levels + 1)))

    @cached_property
    def missing(self) -> Places:
        """Rows without a level."""
        return self.order[: self.starts[0]]

    def rows(self, level: int) -> Places:
        """Rows of a level."""
        return self.order[self.starts[level] : self.starts[level + 1]]
