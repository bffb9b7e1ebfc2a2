"""Results that show their own text, in a shell and in a notebook."""

from __future__ import annotations

#: Characters of a text that are shown where nobody asked for the whole.
MOST = 4000


class Printed:
    """Base of results: `repr` is the text that `print` shows, notebooks have it too.

    A dataclass that derives from it is made with ``repr=False``; one that has tables gives them by
    a `_repr_html_` of its own.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return cut(str(self))

    def _repr_html_(self) -> str:
        from partialpool.tables.html import text_html

        return text_html(cut(str(self)))


def cut(text: str, most: int = MOST) -> str:
    """A text up to a line's end; what is left out is said."""
    if len(text) <= most:
        return text
    lines, size = text.split("\n"), 0
    for i, line in enumerate(lines):
        size += len(line) + 1
        if size > most - 60:
            return "\n".join([*lines[:i], f"… {len(lines) - i} more lines: print() shows all"])
    return text
