"""Names of coefficients in a text, spelled as they are shown or as they were written.

``I(Days^2)``, ``I(Days ^ 2)`` and ``I(Days ** 2)`` are one name, and so are ``scale(`a b`)`` and
``scale(a b)``: blanks between marks and words do not count, nor do backticks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

#: A word (with R's dots), a power, or one mark.
TOKEN = re.compile(r"\s*(?:([^\W]+(?:\.\w+)*)|(\*\*|\^)|(`)|(\S))")
INTERCEPT = "(Intercept)"


class CoefficientNames:
    """The names that a text may use; ``(Intercept)`` stands for ``Intercept``."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    def index(self, name: str) -> int | None:
        """Which coefficient a whole text names."""
        asked = "Intercept" if name == INTERCEPT else name
        if asked in self.names:
            return self.names.index(asked)
        tokens = [token for token, _ in _tokens(name, 0)]
        same = [i for i, own in enumerate(self._tokens[: len(self.names)]) if own == tokens]
        return same[0] if len(same) == 1 else None

    def at(self, text: str, start: int) -> tuple[int, int] | None:
        """The longest name that begins there: which coefficient, and where it ends."""
        found: list[tuple[int, bool, str]] = []
        for name, own in zip(self._spelled, self._tokens, strict=True):
            if text.startswith(name, start) and not _goes_on(text, start + len(name)):
                found.append((start + len(name), True, name))
            elif (end := _end_of(own, text, start)) is not None:
                found.append((end, False, name))
        if not found:
            return None
        end, _, name = max(found, key=lambda f: f[:2])
        index = self.index(name)
        return None if index is None else (index, end)

    @cached_property
    def _spelled(self) -> tuple[str, ...]:
        return (*self.names, INTERCEPT) if "Intercept" in self.names else self.names

    @cached_property
    def _tokens(self) -> tuple[list[str], ...]:
        return tuple([token for token, _ in _tokens(name, 0)] for name in self._spelled)


def _tokens(text: str, start: int) -> Iterator[tuple[str, int]]:
    """Words and marks from a place on, without backticks, and where each ends."""
    while (found := TOKEN.match(text, start)) is not None:
        start = found.end()
        word, power, quote, mark = found.groups()
        if quote is None:
            yield word or ("^" if power else mark), start


def _end_of(own: list[str], text: str, start: int) -> int | None:
    """Where a name ends that begins at a place of the text; None if another text is there."""
    end = start
    there = _tokens(text, start)
    for wanted in own:
        token, end = next(there, ("", end))
        if token != wanted:
            return None
    if not own:
        return None
    if text.count("`", start, end) % 2:
        closing = text.find("`", end)
        if closing < 0 or text[end:closing].strip():
            return None
        end = closing + 1
    return end


def _goes_on(text: str, end: int) -> bool:
    """Whether a word of the text does not end where a name would."""
    word = end < len(text) and (text[end].isalnum() or text[end] == "_")
    return word and text[end - 1].isalnum()
