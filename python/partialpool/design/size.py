"""How many columns a part of a formula will have, and the refusal of too many in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from partialpool.design.covariance import count_parameters, term_blocks
from partialpool.design.transforms import is_basis
from partialpool.errors import DesignError
from partialpool.formula import Call, Expr, Name, Number, RandomTerm, to_text, variables
from partialpool.formula.expressions import quote_name
from partialpool.formula.model import written_terms
from partialpool.limits import gib, require_memory

#: Most columns of a fixed part: its p x p matrices are formed many times.
MOST_COLUMNS = 5_000
#: Matrices of p x p doubles that a fit and its summary hold at the same time.
MATRICES = 16
#: Most covariance parameters of a random term.
MOST_PARAMETERS = 1_000
#: Most terms with factors or transforms, each of which is held against those before it.
MOST_TERMS = 1_000
#: Below this there is nothing to look up for.
FEW_COLUMNS = 100


@dataclass(frozen=True, slots=True)
class Width:
    """A term with at least so many columns, and the factors in it with their levels."""

    term: tuple[Expr, ...]
    columns: int
    factors: tuple[tuple[str, int], ...]

    @property
    def text(self) -> str:
        """The term as it is written."""
        return ":".join(map(to_text, self.term))


def check_columns(text: str, levels: Mapping[str, Sequence[object]], n: int) -> None:
    """Refuse more columns than can be fitted to n rows.

    Raises
    ------
    DesignError
        One line that names the widest term.
    """
    widths = _widths(text, tuple((name, len(own)) for name, own in levels.items()))
    total = sum(w.columns for w in widths)
    if total <= FEW_COLUMNS:
        return
    if len(widths) > MOST_TERMS and written_terms(text).products is None:
        raise DesignError(
            f"the formula has {len(widths):,} terms when it is written out; with factors or"
            f" transforms at most {MOST_TERMS:,} are fitted, lower the order of its interactions"
        )
    widest = max(widths, key=lambda w: w.columns)
    what, advice = _words(widest, total)
    if len(widest.factors) == 1 and widest.factors[0][1] >= n and len(widths) <= 2:
        raise DesignError(f"{what} for {n:,} rows and so would leave no residual; {advice}")
    needed = 8.0 * (n * total + MATRICES * total**2)
    if total > MOST_COLUMNS:
        raise DesignError(
            f"{what}: the {total:,} columns need {gib(needed)}, and at most {MOST_COLUMNS:,}"
            f" columns are fitted; {advice}"
        )
    require_memory(needed, f"{what}: a fit of the {total:,} columns", advice, DesignError)


def check_parameters(source: RandomTerm, k: int) -> None:
    """Refuse a random term of more columns than its covariance can be estimated for."""
    size = count_parameters(term_blocks(source, k))
    if size > MOST_PARAMETERS:
        raise DesignError(
            f"{source.text} has {k:,} columns and so {size:,} covariance parameters, more than the"
            f" {MOST_PARAMETERS:,} that are estimated; use fewer columns in the bar"
            + (", or ||" if source.correlated else "")
        )


def random_columns(source: RandomTerm, levels: Mapping[str, int]) -> int:
    """Columns that the left side of a bar has at least."""
    return sum(w.columns for w in _widths(source.lhs, tuple(levels.items())))


def _words(widest: Width, total: int) -> tuple[str, str]:
    if len(widest.factors) == 1 and 2 * widest.columns > total:
        name, own = widest.factors[0]
        return (
            f"the fixed factor {name!r} has {own:,} levels",
            f"did you mean (1 | {quote_name(name)})?",
        )
    if 2 * widest.columns > total:
        listed = ", ".join(f"{name!r} ({own:,} levels)" for name, own in widest.factors)
        what = f"the fixed term `{widest.text}` has {widest.columns:,} columns"
        return f"{what} ({listed})" if listed else what, "take it out, or simplify it"
    return "the fixed part has many columns", "lower the order of its interactions"


@lru_cache(maxsize=256)
def _widths(text: str, levels: tuple[tuple[str, int], ...]) -> tuple[Width, ...]:
    terms, count = written_terms(text), dict(levels)
    constant = (Width((), 1, ()),) if terms.intercept else ()
    return (*constant, *(_of_term(term, count) for term in terms.terms))


def _of_term(term: tuple[Expr, ...], levels: Mapping[str, int]) -> Width:
    columns, factors = 1, []
    for atom in term:
        if isinstance(atom, Name) or getattr(atom, "function", "") == "C":
            (name,) = variables(atom)
            if name in levels:
                columns *= levels[name] - 1
                factors.append((name, levels[name]))
        elif isinstance(atom, Call):
            columns *= _of_call(atom)
    return Width(term, columns, tuple(factors))


def _of_call(call: Call) -> int:
    """Columns of a basis, from the number that was written."""
    given = dict(call.options)
    for key in ("df", "degree", ""):
        value = given.get(key)
        if isinstance(value, Number) and is_basis(call):
            return max(int(value.value), 1)
    return 1
