"""MathML in a few words; all text is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape


def element(tag: str, *content: Markup | str, **attributes: str) -> Markup:
    """An element with its content."""
    written = "".join(f' {k}="{escape(v)}"' for k, v in attributes.items())
    inner = "".join(str(escape(c)) for c in content)
    return Markup(f"<{tag}{written}>{inner}</{tag}>")


def letter(text: str) -> Markup:
    """A variable of one letter or more."""
    return element("mi", text)


def digits(text: str) -> Markup:
    """A number."""
    return element("mn", text)


def sign(text: str) -> Markup:
    """An operator between two operands, even where a piece begins with it."""
    return element("mo", text, form="infix")


def comma() -> Markup:
    """Between two symbols."""
    return element("mo", ",")


def words(text: str) -> Markup:
    """Upright text, such as the name of a column."""
    return element("mtext", text)


def row(*parts: Markup) -> Markup:
    """Parts side by side."""
    return parts[0] if len(parts) == 1 else element("mrow", *parts)


def sub(base: Markup, *index: Markup) -> Markup:
    """Base with a subscript."""
    return element("msub", base, row(*index)) if index else base


def squared(base: Markup) -> Markup:
    """Base to the power of two."""
    return element("msup", base, digits("2"))


def matrix(cells: Sequence[Sequence[Markup]]) -> Markup:
    """A matrix. Its parentheses are borders: browsers stretch letters only with a font for it."""
    rows = [element("mtr", *(element("mtd", c) for c in line)) for line in cells]
    return element("mtable", *rows)


def normal(mean: Markup, variance: Markup) -> Markup:
    """N(mean, variance)."""
    return row(letter("N"), element("mo", "("), mean, comma(), variance, element("mo", ")"))


def math(*parts: Markup) -> Markup:
    """One piece of an equation; a line breaks between pieces only."""
    return element("math", *parts)
