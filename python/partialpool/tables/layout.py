"""Texts in columns, as R prints vectors and matrices of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from partialpool.errors import shortened

LINE_WIDTH = 80
#: Names of columns and levels are shortened in tables to so many characters.
LONGEST_LABEL = 240


def display_width(text: str) -> int:
    """Columns of a terminal that `text` takes: wide East Asian 2, combining marks 0."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(c) or unicodedata.category(c) in ("Mn", "Me", "Cf")
        else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def pad(text: str, width: int, *, right: bool) -> str:
    """Fill with blanks to `width` terminal columns, on the left when aligned `right`."""
    blanks = " " * (width - display_width(text))
    return blanks + text if right else text + blanks


def short_labels(texts: Sequence[str], most: int = LONGEST_LABEL) -> list[str]:
    """Texts as they are shown, of at most `most` characters; different ones stay different.

    The middle of long ones is left out: more of it where their ends tell them apart, else what
    they begin with. Those that are the same even then are numbered.
    """
    if all(len(t) <= most for t in texts):
        return list(texts)
    cut: list[str] = []
    for tail in (most // 4, most // 2, 3 * most // 4):
        cut = [shortened(t, most, tail) for t in texts]
        if len(set(cut)) == len(set(texts)):
            return cut
    long = [t for t in texts if len(t) > most]
    first, last = min(long), max(long)
    # What the first and the last in order share, all share.
    own = next((i for i, c in enumerate(first) if last[i : i + 1] != c), len(first))
    shown = {t: t for t in texts if len(t) <= most}
    taken = set(shown)
    for text in dict.fromkeys(texts):
        if text in shown:
            continue
        # A little of what is shared, and where it ends.
        head = min(own, most // 4)
        short = shortened(f"{text[:head]}…{text[own:]}" if own > head + 1 else text, most)
        number = 2
        while short in taken:
            mark = f"…{number}"
            short, number = f"{short[: most - len(mark)]}{mark}", number + 1
        shown[text] = short
        taken.add(short)
    return [shown[t] for t in texts]


def matrix_lines(
    row_names: Sequence[str],
    header: Sequence[str],
    columns: Sequence[Sequence[str]],
    *,
    right: bool,
    width: int | None = LINE_WIDTH,
) -> list[str]:
    """Lay out texts as R prints a character matrix; no blanks at the ends of lines.

    Parameters
    ----------
    row_names, header : sequence of str
    columns : sequence of sequence of str
    right : bool
        Align columns and headers right, else left. Row names are always left.
    width : int, optional
        Columns that do not fit this many characters go into a further block, as in R; None
        keeps every row on one line.

    Returns
    -------
    list of str
    """
    row_names, header = short_labels(row_names), short_labels(header)
    columns = [[shortened(t, LONGEST_LABEL) for t in column] for column in columns]
    stub_width = max((display_width(r) for r in row_names), default=0)
    stub = [pad(r, stub_width, right=False) for r in ("", *row_names)]
    blocks: list[list[str]] = []
    for name, column in zip(header, columns, strict=True):
        w = max(display_width(t) for t in (name, *column))
        texts = [" " + pad(t, w, right=right) for t in (name, *column)]
        if not blocks or (width is not None and display_width(blocks[-1][0]) + w + 1 > width):
            blocks.append(list(stub))
        blocks[-1] = [a + b for a, b in zip(blocks[-1], texts, strict=True)]
    return [line.rstrip() for block in blocks for line in block]


def vector_lines(names: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Lay out a short named vector as R prints it: names over values, one common width."""
    names, texts = short_labels(names), short_labels(texts)
    w = max(display_width(t) for t in (*names, *texts))
    return [" ".join(pad(t, w, right=True) for t in row) for row in (names, texts)]


def shown_name(name: str) -> str:
    """The name of a coefficient as printed: lme4's ``(Intercept)`` for ``Intercept``."""
    return "(Intercept)" if name == "Intercept" else name
