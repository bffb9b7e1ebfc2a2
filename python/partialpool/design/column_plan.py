"""How the columns of a sum of terms are made, settled before any row is seen.

Each column is a product of parts: a numeric expression, one column of a basis (poly, splines), an
indicator of a level, or a contrast. Which factors are coded by contrasts and which by all their
levels follows from marginality (Chambers & Hastie 1992, §2.4.1); order and names of the columns are
those of patsy and formulaic.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from partialpool.cached import cached_property
from partialpool.design.members import Basis, Coded, Member, Numeric
from partialpool.formula import Expr, variables

#: A term's member and whether it is coded by contrasts (`True`) or by all its columns.
Scoped = tuple[int, bool]


@dataclass(frozen=True, slots=True)
class Part:
    """One factor of a column: which member, coded how, which of its columns."""

    member: int
    reduced: bool
    field: int


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """A column of the model matrix; without parts it is the constant 1."""

    name: str
    term: int
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Plan:
    """Columns of a sum of terms.

    Attributes
    ----------
    members
        By the tree that each is, in order of first use.
    term_names
        "Intercept", "f", "f:x".
    columns
        In formulaic's order.
    """

    members: dict[Expr, Member]
    term_names: tuple[str, ...]
    columns: tuple[PlannedColumn, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def term_of(self) -> tuple[int, ...]:
        """Place of each column's term in `term_names`."""
        return tuple(column.term for column in self.columns)

    @cached_property
    def known(self) -> tuple[Member, ...]:
        """The members, as `Part.member` counts them."""
        return tuple(self.members.values())

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Columns of the data that are used."""
        return tuple(dict.fromkeys(v for tree in self.members for v in variables(tree)))

    @cached_property
    def widest(self) -> int:
        """Most levels of a factor; 0 without factors."""
        return max((len(m.levels) for m in self.known if isinstance(m, Coded)), default=0)

    @cached_property
    def factors(self) -> tuple[str, ...]:
        """Columns of the data that are used as factors."""
        return tuple(dict.fromkeys(m.variable for m in self.known if isinstance(m, Coded)))

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """Columns of the data that are used as numbers."""
        trees = [tree for tree, m in self.members.items() if isinstance(m, Numeric | Basis)]
        return tuple(dict.fromkeys(v for tree in trees for v in variables(tree)))

    @cached_property
    def coded_by_others(self) -> bool:
        """Whether how a term is coded may depend on which others there are."""
        return any(member.spans_intercept for member in self.known)


def plan(
    intercept: bool, terms: Sequence[tuple[Expr, ...]], members: Mapping[Expr, Member]
) -> Plan:
    """Settle the columns of terms.

    Parameters
    ----------
    intercept
        Whether the constant is a term.
    terms
        The trees that each term multiplies, by degree.
    members
        What each tree is in these data.
    """
    place = {tree: i for i, tree in enumerate(members)}
    known = tuple(members.values())
    columns: list[PlannedColumn] = []
    names: list[str] = []
    spanned: set[frozenset[Scoped]] = set()
    if intercept:
        columns.append(PlannedColumn("Intercept", 0, ()))
        names.append("Intercept")
        spanned.add(frozenset())
    for trees in terms:
        own = [place[tree] for tree in trees]
        span = _span(own, known)
        new = [s for s in span if frozenset(s) not in spanned]
        spanned.update(frozenset(s) for s in new)
        whole = len(new) == len(span)  # nothing of it is there yet: all levels of every factor
        for scoped in [tuple((i, False) for i in own)] if whole else _simplify(new):
            columns += _columns(scoped, known, len(names))
        names.append(":".join(known[i].name for i in own))
    return Plan(dict(members), tuple(names), tuple(columns))


def _span(own: Sequence[int], members: Sequence[Member]) -> list[tuple[Scoped, ...]]:
    """The independent parts that a term spans: f:g spans 1, f⁻, g⁻ and f⁻:g⁻."""
    choices = [(((i, True),), ()) if members[i].spans_intercept else (((i, False),),) for i in own]
    return [tuple(s for choice in chosen for s in choice) for chosen in itertools.product(*choices)]


def _simplify(parts: Iterable[tuple[Scoped, ...]]) -> list[tuple[Scoped, ...]]:
    """Join parts by (anything):f⁻ + (anything) = (anything):f, for as long as it applies."""
    known: dict[frozenset[Scoped], tuple[Scoped, ...]] = {}
    age: dict[frozenset[Scoped], int] = {}
    count = itertools.count()
    for part in sorted(parts, key=len):
        while True:
            own = frozenset(part)
            rests = [(age[own - {s}], s) for s in part if s[1] and own - {s} in known]
            if not rests:
                break
            _, new = min(rests)  # the oldest one, as in formulaic
            del known[own - {new}]
            part = tuple((s[0], False) if s == new else s for s in part)
        if own not in known:
            known[own], age[own] = part, next(count)
    return list(known.values())


def _columns(
    scoped: tuple[Scoped, ...], members: Sequence[Member], term: int
) -> list[PlannedColumn]:
    """Every product of the members' columns, those of the first member fastest."""
    choices = [
        [(Part(i, reduced, j), name) for j, name in enumerate(members[i].fields(reduced))]
        for i, reduced in scoped
    ]
    out = []
    for backwards in itertools.product(*reversed(choices)):
        chosen = backwards[::-1]
        name = ":".join(name for _, name in chosen)
        out.append(PlannedColumn(name or "Intercept", term, tuple(part for part, _ in chosen)))
    return out
