"""Names of coefficients in a text, spelled as they are shown or as they were written.

What is in backticks is a name, whatever it holds; without them a name that is a number is none.

``I(Days^2)``, ``I(Days ^ 2)`` and ``I(Days ** 2)`` are one name, and so are ``scale(`a b`)`` and
``scale(a b)``: blanks between marks and words do not count, nor do backticks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from partialpool.cached import cached_property

#: A word (with R's dots), a power, or one mark.
TOKEN = re.compile(r"\s*(?:([^\W]+(?:\.\w+)*)|(\*\*|\^)|(`)|(\S))")
NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
INTERCEPT = "(Intercept)"


class NameFound(NamedTuple):
    """Which coefficient a place of a text names, where its name ends, and whether it is quoted."""

    place: int
    end: int
    quoted: bool


class CoefficientNames:
    """The names that a text may use; ``(Intercept)`` stands for ``Intercept``."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    def index(self, name: str) -> int | None:
        """Which coefficient a whole text names."""
        asked = name.strip()
        asked = "Intercept" if asked == INTERCEPT else asked
        if asked in self._places:
            return self._places[asked]
        tokens = [token for token, _ in _tokens(asked, 0)]
        same = [i for i, own in enumerate(self._tokens[: len(self.names)]) if own == tokens]
        return same[0] if len(same) == 1 else None

    def at(
        self, text: str, start: int, ambiguous: Callable[[str], bool] = lambda _: False
    ) -> NameFound | None:
        """The longest name that begins there.

        Spelled otherwise than it is shown, an `ambiguous` name needs backticks.
        """
        # Where it ends; one in backticks before one as it is shown before one spelled otherwise.
        best: tuple[int, int, str] = (-1, 0, "")
        first = next(_tokens(text, start), ("", 0))[0]
        for name, own in zip(self._spelled, self._tokens, strict=True):
            if NUMBER.fullmatch(name):
                continue
            end = start + len(name)
            if text.startswith(name, start) and not _goes_on(text, end):
                best = max(best, (end, 1, name))
            elif own and own[0] == first:
                other = _end_of(own, text, start)
                if other is not None and (other, 0) > best[:2] and not ambiguous(name):
                    best = (other, 0, name)
        closing = text.find("`", start + 1) if text.startswith("`", start) else -1
        if closing >= 0 and closing + 1 >= best[0]:
            index = self.index(text[start + 1 : closing])
            if index is not None:
                return NameFound(index, closing + 1, True)
        index = self.index(best[2]) if best[0] >= 0 else None
        return None if index is None else NameFound(index, best[0], False)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: i for i, name in reversed(list(enumerate(self.names)))}

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
