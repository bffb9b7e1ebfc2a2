"""`Encoder`: a sum of terms as columns, for the rows of a fit and for new ones."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design.column_plan import Plan, plan
from partialpool.design.columns import Column, Rows, take
from partialpool.design.contrasts import Contrast
from partialpool.design.frame import Frame
from partialpool.design.in_memory import Codes, InMemory
from partialpool.design.levels import PLAIN, find_levels, restore_level, store_level
from partialpool.design.listed import Levels, coded_places
from partialpool.design.members import Basis, Coded, Member, Numeric
from partialpool.design.stored import pack, unpack
from partialpool.design.transforms import (
    Evaluation,
    State,
    bounds_of,
    is_basis,
    remembering_calls,
    spans_intercept,
    state_key,
)
from partialpool.errors import FileError, NewDataError
from partialpool.formula import Call, Expr, Name
from partialpool.formula.expressions import to_formulaic, to_shown
from partialpool.formula.model import written_terms
from partialpool.formula.terms import ExpandedTerms

Vector = NDArray[np.float64]
#: Labels of the columns of each basis.
Labels = Mapping[Expr, tuple[str, ...]]

#: Most levels of the factors of a plan that is kept for the next fit.
FEW_LEVELS = 64


@dataclass(frozen=True, eq=False)
class Encoder:
    """How the columns of a sum of terms are made.

    Attributes
    ----------
    text
        Written out: `Formula.fixed` or `RandomTerm.lhs`.
    levels
        Levels of the columns that are factors somewhere in it, in the rows of the fit.
    contrasts
        Full names, of factors that have none of their own in the formula.
    quantities
        Those of these columns that are numbers too, factors only in C().
    plan
        The columns.
    states
        What transforms remember of the rows of the fit, by `state_key`.
    """

    text: str
    levels: Mapping[str, Levels]
    contrasts: Mapping[str, str]
    quantities: frozenset[str]
    plan: Plan
    states: dict[str, State] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        text: str,
        numbers: Mapping[str, Vector],
        codes: Mapping[str, Codes],
        levels: Mapping[str, Levels],
        contrasts: Mapping[str, str],
        n: int,
    ) -> tuple[Encoder, list[Column]]:
        """The encoder of n rows that are complete, and their columns.

        Parameters
        ----------
        text
        numbers
            Columns of numbers, (n,).
        codes, levels
            Codes and levels of the columns that are factors.
        contrasts
            Contrasts of any factors.
        """
        states: dict[str, State] = {}
        evaluation = Evaluation(states, fitting=True)
        with np.errstate(all="ignore"):
            bases: dict[Expr, dict[str, Vector]] = {
                tree: evaluation.basis(tree, numbers)
                for tree in written_terms(text).factors
                if isinstance(tree, Call) and is_basis(tree)
            }
        labels: Labels = {tree: tuple(columns) for tree, columns in bases.items()}
        own = {name: kind for name, kind in contrasts.items() if name in levels}
        quantities = frozenset(name for name in levels if name in numbers)
        self = cls(
            text,
            levels,
            own,
            quantities,
            plan_of(text, levels, own, quantities, labels),
            states,
        )
        return self, InMemory(self.plan, n, numbers, codes, evaluation, bases).columns()

    def of(self, frame: Frame, rows: Rows = None) -> list[Column]:
        """Columns for new data, with the levels, knots, centres and scales of the fit's rows.

        A row with a missing value has NaN.
        """
        n = frame.length if rows is None else len(rows)
        numbers = {name: take(frame.numeric(name), rows) for name in self.plan.numbers}
        codes = {name: self._codes(frame, name, rows) for name in self.plan.factors}
        evaluation = Evaluation(self.states, fitting=False)
        return InMemory(self.plan, n, numbers, codes, evaluation, {}).columns()

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
        """Place of each column's term."""
        return self.plan.term_of

    @property
    def variables(self) -> tuple[str, ...]:
        """Columns of the data that are used."""
        return self.plan.variables

    def factor_of(self, tree: Expr) -> str | None:
        """The column that a factor of a term codes by its levels; None for numbers."""
        member = self.plan.members.get(tree)
        return member.variable if isinstance(member, Coded) else None

    def bounds(self, name: str) -> tuple[float, float] | None:
        """Values of a numeric column that its splines accept; None where any will do."""
        for tree in self.plan.members:
            for call in remembering_calls(tree):
                found = bounds_of(self.states[state_key(call)])
                if found is not None and call.arguments[0] == Name(name):
                    return found
        return None

    def alone(self, tree: Expr) -> Encoder:
        """The encoder of one of the trees, without an intercept."""
        calls = map(state_key, remembering_calls(tree))
        return Encoder(
            f"0 + {to_formulaic(tree)}",
            {},
            {},
            frozenset(),
            plan(False, ((tree,),), {tree: self.plan.members[tree]}),
            {key: self.states[key] for key in calls},
        )

    def _codes(self, frame: Frame, name: str, rows: Rows) -> Codes:
        coded, known = frame.coded(name), self.levels[name]
        codes = take(coded.codes, rows)
        if coded.levels == known and all(map(_same_type, coded.levels, known)):
            return codes
        found = find_levels(known, coded.levels, name)
        new = np.append(np.where(found < 0, -2, found), -1)[codes]
        if (new == -2).any():
            unknown = coded.levels[codes[int(np.argmax(new == -2))]]
            shown = ", ".join(repr(str(v)) for v in known[:8])
            raise NewDataError(
                f"level {str(unknown)!r} of {name!r} was not in the data of the fit ({shown}); a"
                " fixed effect cannot be predicted for it"
            )
        return new

    def state(self) -> dict[str, Any]:
        """What `restore` needs, as plain JSON values."""
        return {
            "text": self.text,
            "levels": {k: [store_level(v) for v in own] for k, own in self.levels.items()},
            "contrasts": dict(self.contrasts),
            "numbers": sorted(self.quantities),
            "transforms": pack(self.states),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Encoder:
        """The encoder of a stored fit.

        Raises
        ------
        DesignError
            If what a transform saw of the data is not there.
        FileError
            If the state is of another formula.
        """
        text = state["text"]
        levels = {k: tuple(map(restore_level, own)) for k, own in state["levels"].items()}
        contrasts, quantities = dict(state["contrasts"]), frozenset(state["numbers"])
        states: dict[str, State] = unpack(state["transforms"])
        evaluation = Evaluation(states, fitting=False)
        factors = written_terms(text).factors
        found = {tree: evaluation.labels(tree) for tree in factors}
        labels = {tree: own for tree, own in found.items() if own}
        if any(len(own) < 2 for own in levels.values()):
            raise FileError(f"a factor of `{text}` has fewer than two levels")
        self = cls(
            text,
            levels,
            contrasts,
            quantities,
            plan_of(text, levels, contrasts, quantities, labels),
            states,
        )
        calls = {state_key(call) for tree in factors for call in remembering_calls(tree)}
        if (
            set(levels) != set(self.plan.factors)
            or not set(contrasts) | quantities <= set(levels)
            or set(states) != calls
        ):
            raise FileError(f"the columns of `{text}` are not those of the formula")
        return self


def _same_type(a: Hashable, b: Hashable) -> bool:
    return type(a) is type(b)


def plan_of(
    text: str,
    levels: Mapping[str, Levels],
    contrasts: Mapping[str, str],
    quantities: frozenset[str],
    labels: Labels,
) -> Plan:
    """The plan of a written-out right side for these levels and bases."""
    terms = written_terms(text)
    few = sum(map(len, levels.values())) <= FEW_LEVELS
    if labels or not few or not all(type(v) in PLAIN for own in levels.values() for v in own):
        return _plan(terms, levels, contrasts, quantities, labels)
    # 1, 1.0 and True are equal, but have names of their own.
    typed = tuple((name, own, repr(own)) for name, own in levels.items())
    return _known_plan(text, typed, tuple(contrasts.items()), quantities)


@lru_cache(maxsize=256)
def _known_plan(
    text: str,
    levels: tuple[tuple[str, Levels, str], ...],
    contrasts: tuple[tuple[str, str], ...],
    quantities: frozenset[str],
) -> Plan:
    own = {name: known for name, known, _ in levels}
    return _plan(written_terms(text), own, dict(contrasts), quantities, {})


def _plan(
    terms: ExpandedTerms,
    levels: Mapping[str, Levels],
    contrasts: Mapping[str, str],
    quantities: frozenset[str],
    labels: Labels,
) -> Plan:
    def member(tree: Expr) -> Member:
        match tree:
            case Name(name) if name in levels and name not in quantities:
                return _coded(tree, name, None, levels[name], contrasts)
            case Call("C", (Name(name),)):
                return _coded(tree, name, tree, levels[name], contrasts)
            case Call() if tree in labels:
                return Basis(to_shown(tree), tree, labels[tree], spans_intercept(tree))
            case _:
                return Numeric(to_shown(tree), tree)

    members = {tree: member(tree) for tree in terms.factors}
    return plan(terms.intercept, terms.terms, members)


def _coded(
    tree: Expr, name: str, call: Call | None, levels: Levels, contrasts: Mapping[str, str]
) -> Coded:
    """A factor: `f`, or C(f) with its options, whose own contrast goes before one by argument."""
    places = tuple(range(len(levels))) if call is None else coded_places(call, levels)
    own = tuple(levels[i] for i in places)
    written = None if call is None else Contrast.read(call, own)
    contrast = written or Contrast(contrasts.get(name, "contr.treatment"))
    return Coded(to_shown(tree), name, own, places, contrast)
