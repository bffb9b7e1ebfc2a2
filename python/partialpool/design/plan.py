"""What formulaic is given: a formula in names of ours, and how its names are read back.

Inside a call formulaic replaces a name that needs backticks by an alias with random letters, under
which the state of a transform (its centre, knots, …) is never found again; a column may be called
as a transform or a word of Python; and two levels may print the same. So formulaic sees neither the
user's names nor his levels.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from partialpool.design.frame import Frame
from partialpool.errors import DesignError
from partialpool.formula.expressions import (
    Call,
    Expr,
    Flag,
    Name,
    Number,
    Text,
    Values,
    to_formulaic,
    to_renamed,
    to_shown,
    to_text,
    variables,
    walk,
)
from partialpool.formula.model import written_terms

#: Transforms that look at the data: what they saw is stored under the text of their call.
STATEFUL = frozenset(("bs", "ns", "cr", "cs", "cc", "poly", "scale", "center", "standardize"))

Levels = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """One column of the table that formulaic gets.

    Attributes
    ----------
    variable
        The user's column.
    levels
        Of a factor those of its coding, in order; None for numbers.
    tokens
        What stands for each level.
    """

    variable: str
    levels: Levels | None = None
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A formula for formulaic.

    Attributes
    ----------
    text
        Its text, in safe names.
    sources
        The columns of its table by safe name.
    states
        formulaic's key of each state → the call that has it, in the user's names.
    arguments
        The same keys → the call's argument.
    """

    text: str
    sources: Mapping[str, Source]
    states: Mapping[str, str]
    arguments: Mapping[str, Expr]
    _shown: Mapping[str, str] = field(repr=False)
    _pattern: re.Pattern[str] = field(repr=False)

    def shown(self, name: str) -> str:
        """A name that formulaic made, in the user's names and levels."""
        return self._pattern.sub(lambda found: self._shown[found.group()], name)


def plan_terms(
    text: str,
    levels: Mapping[str, Levels],
    contrasts: Mapping[str, str],
    numbers: frozenset[str] = frozenset(),
) -> Plan:
    """Plan a written-out right side.

    Parameters
    ----------
    text
        `Formula.fixed`, or `RandomTerm.lhs`.
    levels
        Of each column that is a factor somewhere in it.
    contrasts
        Of factors that are named alone, formulaic's names.
    numbers
        Columns of numbers that only C() makes factors.
    """
    terms = written_terms(text)
    prefix = _unused_prefix([text, *(str(v) for own in levels.values() for v in own)])
    sources: dict[str, Source] = {}
    shown: dict[str, str] = {}
    numeric: dict[str, str] = {}

    def factor_source(variable: str, own: Levels) -> str:
        name = f"{prefix}{len(sources)}_"
        tokens = tuple(f"{prefix}{len(sources)}L{i}_" for i in range(len(own)))
        sources[name] = Source(variable, own, tokens)
        shown.update(zip(tokens, map(str, own), strict=True))
        return name

    def written(factor: Expr) -> str:
        match factor:
            case Name(variable) if variable in levels and variable not in numbers:
                name = factor_source(variable, levels[variable])
                kind = contrasts.get(variable)
                piece = name if kind is None else f"C({name}, {kind})"
            case Call("C", (Name(variable),)):
                name = factor_source(variable, coded_levels(factor, levels[variable]))
                kind = _contrast(factor, sources[name])
                piece = f"C({name}{kind})"
            case _:
                for part in walk(factor):
                    if isinstance(part, Name) and part.name not in numeric:
                        numeric[part.name] = f"{prefix}{len(sources)}_"
                        sources[numeric[part.name]] = Source(part.name)
                        shown[numeric[part.name]] = part.name
                return to_renamed(factor, numeric)
        shown[piece] = to_shown(factor)
        return piece

    pieces = {factor: written(factor) for factor in terms.factors}
    parts = [":".join(pieces[factor] for factor in term) for term in terms.terms]
    states: dict[str, str] = {}
    arguments: dict[str, Expr] = {}
    for call in (part for factor in terms.factors for part in walk(factor)):
        if isinstance(call, Call) and call.function in STATEFUL:
            key = ast.unparse(ast.parse(to_renamed(call, numeric), mode="eval"))
            states[key], arguments[key] = to_formulaic(call), call.arguments[0]
    longest = sorted(shown, key=len, reverse=True)
    # The tokens of levels are too many to be listed.
    listed = [re.escape(piece) for piece in longest if piece.startswith("C(")]
    pattern = re.compile("|".join([*listed, rf"{prefix}\d+(?:L\d+)?_"]))
    whole = " + ".join([str(int(terms.intercept)), *parts])
    return Plan(whole, sources, states, arguments, shown, pattern)


def _unused_prefix(texts: Sequence[str]) -> str:
    """The start of safe names: a Python name that nothing of the user's has in it."""
    number = 0
    while any(f"v{number}_" in text for text in texts):
        number += 1
    return f"v{number}_"


def factor_calls(text: str) -> frozenset[str]:
    """Columns that C() makes factors in a written-out right side."""
    return frozenset(call.arguments[0].name for call in _codings(text))  # pyright: ignore[reportAttributeAccessIssue]


@lru_cache(maxsize=512)
def transformed(text: str) -> frozenset[str]:
    """Columns that stand in calls other than C(), and so must hold numbers."""
    calls = [f for f in written_terms(text).factors if isinstance(f, Call) and f.function != "C"]
    return frozenset(v for call in calls for v in variables(call))


@lru_cache(maxsize=512)
def _codings(text: str) -> tuple[Call, ...]:
    return tuple(
        f for f in written_terms(text).factors if isinstance(f, Call) and f.function == "C"
    )


def _listed(call: Call) -> tuple[Expr, ...] | None:
    """The items of C()'s levels=[…]; None where it has none."""
    for key, value in call.options:
        if key == "levels" and isinstance(value, Values):
            return value.items
    return None


def _same(item: Expr, level: Hashable) -> bool:
    """Whether a literal means a level: numbers, texts and flags each match their own kind.

    What has no literal of its own, a date for one, is named by its text.
    """
    match item:
        case Flag(value):
            return isinstance(level, bool | np.bool_) and bool(level) == value
        case Text(value):
            named = not isinstance(level, bool | np.bool_ | int | float | np.number)
            return named and str(level) == value
        case Number(value):
            return not isinstance(level, bool | np.bool_ | str) and bool(level == value)
        case _:
            return False


def _find(item: Expr, levels: Levels) -> int | None:
    return next((i for i, level in enumerate(levels) if _same(item, level)), None)


def coded_levels(call: Call, levels: Levels) -> Levels:
    """Levels of C() in its order: those listed that the rows have, or all."""
    listed = _listed(call)
    if listed is None:
        return levels
    places = (_find(item, levels) for item in listed)
    return tuple(levels[i] for i in places if i is not None)


def _contrast(call: Call, source: Source) -> str:
    """The contrast of C() for formulaic, with its reference level as a token: ", contr.sum"."""
    assert source.levels is not None  # factors have levels
    for key, value in call.options:
        if key != "levels":
            options = dict(value.options) if isinstance(value, Call) else {}
            if not isinstance(value, Call) or "base" not in options:
                return f", {to_formulaic(value)}"
            at = _find(options["base"], source.levels)
            if at is None:
                raise DesignError(
                    f"`{to_shown(call)}`: {_no_level(options['base'], source.levels)}"
                )
            return f", {value.function}(base={source.tokens[at]!r})"
    return ""


def _no_level(item: Expr, levels: Levels) -> str:
    known = ", ".join(repr(v) for v in levels[:8]) + (", …" if len(levels) > 8 else "")
    return f"no row has the level {to_text(item)}; the levels are {known or 'none'}"


def check_listed(text: str, frame: Frame) -> None:
    """Refuse C(f, levels=[…]) with a level that the data lack, or one given twice.

    Raises
    ------
    DesignError
        Naming the level.
    """
    for call in _codings(text):
        name, listed = call.arguments[0], _listed(call)
        if listed is None or not isinstance(name, Name):
            continue
        levels = frame.coded(name.name).levels
        found = [_find(item, levels) for item in listed]
        for i, (item, at) in enumerate(zip(listed, found, strict=True)):
            if at is None:
                raise DesignError(f"`{to_shown(call)}`: {_no_level(item, levels)}")
            if at in found[:i]:
                raise DesignError(
                    f"`{to_shown(call)}`: the level {to_text(item)} is given twice; remove one"
                )


def unlisted(texts: Iterable[str], frame: Frame) -> dict[str, NDArray[np.bool_]]:
    """Rows whose level a C(f, levels=[…]) leaves out, by the call as it is written."""
    out: dict[str, NDArray[np.bool_]] = {}
    for call in (call for text in texts for call in _codings(text)):
        name, listed = call.arguments[0], _listed(call)
        if listed is None or not isinstance(name, Name):
            continue
        coded = frame.coded(name.name)
        left_out = [all(not _same(item, v) for item in listed) for v in coded.levels]
        mask = np.array([*left_out, False], dtype=bool)[coded.codes]
        if mask.any():
            out[to_shown(call)] = mask
    return out
