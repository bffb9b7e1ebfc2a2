"""`Encoder`: a sum of terms as columns, for the rows of a fit and for new ones."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool.cached import cached_property
from partialpool.design.column_plan import Part, Plan, plan
from partialpool.design.contrasts import Contrast, plain_value
from partialpool.design.members import Basis, Coded, Member, Numeric
from partialpool.design.transforms import BASES, Evaluation, State
from partialpool.errors import DataError, DesignError
from partialpool.formula import Call, Expr, Name, variables
from partialpool.formula.expressions import to_formulaic
from partialpool.formula.terms import ExpandedTerms

Vector = NDArray[np.float64]
Codes = NDArray[np.int64]
Column = float | Vector
#: A column used as a factor and its levels in their order; one column may have several orders.
Levels = tuple[str, tuple[Hashable, ...]]


class Encoder:
    """How the columns of a sum of terms are made.

    Attributes
    ----------
    terms
        The sum, written out.
    plan
        Its columns.
    states
        What transforms remember of the rows of the fit.
    """

    def __init__(self, terms: ExpandedTerms, members: Mapping[Expr, Member]) -> None:
        self.terms = terms
        self.members = dict(members)
        self.plan: Plan = plan(terms.intercept, terms.terms, members)
        self.states: dict[str, State] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.plan.names

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the terms."""
        return self.plan.term_names

    @property
    def term_of(self) -> tuple[int, ...]:
        """Of each column, the place of its term."""
        return self.plan.term_of

    @property
    def variables(self) -> tuple[str, ...]:
        """Columns of the data that are used."""
        return self.terms.variables

    @cached_property
    def levels(self) -> dict[str, tuple[Hashable, ...]]:
        """Levels of the columns that are used as factors."""
        return {m.variable: m.levels for m in self.members.values() if isinstance(m, Coded)}

    @cached_property
    def factors(self) -> tuple[Levels, ...]:
        """Columns that are used as factors, each with the orders of levels that it has."""
        coded = [m for m in self.members.values() if isinstance(m, Coded)]
        return tuple(dict.fromkeys((m.variable, m.levels) for m in coded))

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """Columns of the data that are used as numbers."""
        trees = [t for t, m in self.members.items() if not isinstance(m, Coded)]
        return tuple(dict.fromkeys(v for tree in trees for v in variables(tree)))

    def build(
        self,
        n: int,
        numbers: Mapping[str, Vector],
        codes: Mapping[Levels, Codes],
        *,
        fitting: bool = False,
    ) -> list[Column]:
        """The columns of n rows.

        Parameters
        ----------
        numbers
            By name, each (n,), NaN where missing.
        codes
            Of each of `factors`, (n,): places among its levels, -1 where missing.
        fitting
            Whether these rows are those that transforms are to remember.
        """
        return _Build(self, n, numbers, codes, fitting).columns()


def is_coding(tree: Expr) -> bool:
    """Whether a tree is C(f): a factor, whatever the column holds."""
    return isinstance(tree, Call) and tree.function == "C"


def shown_name(tree: Expr) -> str:
    """As names of columns show a tree: formulaic's text without its backticks."""
    return to_formulaic(tree).replace("`", "")


def coded_member(
    tree: Expr, levels: tuple[Hashable, ...], contrasts: Mapping[str, Contrast]
) -> Coded:
    """A factor: `f`, or C(f) with its options."""
    (variable,) = variables(tree)
    contrast = contrasts.get(variable, Contrast()) if isinstance(tree, Name) else Contrast()
    if isinstance(tree, Call):
        written = [v for key, v in tree.options if not key]
        contrast = Contrast.read(written[0]) if written else contrasts.get(variable, contrast)
    return Coded(shown_name(tree), variable, levels, contrast)


def listed_levels(tree: Expr) -> tuple[Hashable, ...] | None:
    """The levels that C(f, levels=[...]) gives."""
    if isinstance(tree, Call):
        for key, value in tree.options:
            if key == "levels":
                return plain_value(value)
    return None


def plain_member(tree: Expr, numbers: Callable[[], Mapping[str, Vector]]) -> Member:
    """A number or a basis; the labels of a basis are known when it is worked out once."""
    if not (isinstance(tree, Call) and tree.function in BASES):
        return Numeric(shown_name(tree), tree)
    labels = tuple(_basis(Evaluation({}, fitting=True), tree, numbers()))
    intercept = any(key == "include_intercept" and plain_value(v) for key, v in tree.options)
    return Basis(shown_name(tree), tree, labels, tree.function == "bs" and intercept)


class _Build:
    """One evaluation of an encoder's columns; parts that several columns share are made once."""

    def __init__(
        self,
        encoder: Encoder,
        n: int,
        numbers: Mapping[str, Vector],
        codes: Mapping[Levels, Codes],
        fitting: bool,
    ) -> None:
        self.encoder, self.n = encoder, n
        self.numbers, self.codes = numbers, codes
        self.evaluation = Evaluation(encoder.states, fitting=fitting)
        self.trees = tuple(encoder.members)
        self.made: dict[Any, Vector] = {}

    def columns(self) -> list[Column]:
        out: list[Column] = []
        with np.errstate(all="ignore"):
            for column in self.encoder.plan.columns:
                if not column.parts:
                    out.append(1.0)
                    continue
                first, *others = column.parts
                values = self._part(first)
                for part in others:
                    values = values * self._part(part)
                out.append(values)
        return out

    def _part(self, part: Part) -> Vector:
        tree = self.trees[part.member]
        member = self.encoder.members[tree]
        match member:
            case Coded():
                return self._coded(member, part)
            case Basis():
                if tree not in self.made:
                    self.made.update(
                        ((tree, label), values)
                        for label, values in _basis(
                            self.evaluation, member.call, self.numbers
                        ).items()
                    )
                    self.made[tree] = np.empty(0)
                return self.made[tree, member.shown(part.reduced)[part.field]]
            case Numeric():
                if tree not in self.made:
                    values = self.evaluation.column(tree, self.numbers)
                    self.made[tree] = np.broadcast_to(np.asarray(values, dtype=float), (self.n,))
                return self.made[tree]

    def _coded(self, member: Coded, part: Part) -> Vector:
        weights = member.weights(part.reduced, part.field)
        key = (member.variable, member.levels, weights.tobytes())
        if key not in self.made:
            codes = self.codes[member.variable, member.levels]
            hot = np.flatnonzero(weights)
            if len(hot) == 1 and weights[hot[0]] == 1.0:
                values = (codes == hot[0]).astype(np.float64)
            else:
                values = np.take(weights, codes, mode="clip")
            if len(codes) and codes.min() < 0:
                values[codes < 0] = np.nan
            self.made[key] = values
        return self.made[key]


def _basis(evaluation: Evaluation, call: Call, numbers: Mapping[str, Vector]) -> dict[str, Vector]:
    """A basis, its failures in our words."""
    try:
        return evaluation.basis(call, numbers)
    except DesignError:
        raise
    except (ValueError, TypeError, KeyError, ArithmeticError, np.linalg.LinAlgError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise DesignError(f"`{shown_name(call)}` cannot be worked out: {reason}") from error


def check_finite(names: tuple[str, ...], columns: list[Column], row: Callable[[int], int]) -> None:
    """Refuse columns that are not finite; `row` gives the user's number of a row."""
    for name, values in zip(names, columns, strict=True):
        if isinstance(values, np.ndarray) and not np.isfinite(np.add.reduce(values)):
            bad = ~np.isfinite(values)
            if bad.any():
                raise DataError(
                    f"`{name}` is not finite in row {row(int(np.argmax(bad)))}; look at the values"
                    " there"
                )
