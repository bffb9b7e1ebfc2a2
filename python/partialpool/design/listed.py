"""Levels that a formula names, C(f, levels=[…]) and base='b', and the rows that they leave out."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from partialpool.design.frame import Frame
from partialpool.errors import DesignError
from partialpool.formula import Call, Expr, Flag, Name, Number, Text, Values, to_text, variables
from partialpool.formula.expressions import to_shown
from partialpool.formula.model import written_terms

Levels = tuple[Hashable, ...]


@lru_cache(maxsize=512)
def factor_calls(text: str) -> frozenset[str]:
    """Columns that C() makes factors in a written-out right side."""
    return frozenset(v for call in _codings(text) for v in variables(call))


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


def find_level(item: Expr, levels: Levels) -> int | None:
    """The place of the level that a literal means; None if there is none."""
    return next((i for i, level in enumerate(levels) if _same(item, level)), None)


def coded_places(call: Call, levels: Levels) -> tuple[int, ...]:
    """Places of the levels of C() in its order: those listed that the rows have, or all."""
    listed = _listed(call)
    if listed is None:
        return tuple(range(len(levels)))
    places = (find_level(item, levels) for item in listed)
    return tuple(i for i in places if i is not None)


def no_level(call: Call, item: Expr, levels: Levels) -> DesignError:
    """What is said of a level that the data lack."""
    known = ", ".join(repr(v) for v in levels[:8]) + (", …" if len(levels) > 8 else "")
    return DesignError(
        f"`{to_shown(call)}`: no row has the level {to_text(item)}; the levels are"
        f" {known or 'none'}"
    )


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
        found = [find_level(item, levels) for item in listed]
        for i, (item, at) in enumerate(zip(listed, found, strict=True)):
            if at is None:
                raise no_level(call, item, levels)
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
