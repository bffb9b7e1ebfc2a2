"""Numbers, names and lists as they stand in a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from partialpool.tables.rformat import format_pvalue

#: Characters of a name that an equation or a sentence shows.
NAME_WIDTH = 32


def number(x: float) -> str:
    """Four significant digits, all digits before the point; "–" for what is not defined."""
    if math.isnan(x):
        return "–"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    size = abs(x)
    if size != 0 and not 1e-4 <= size < 1e7:
        text = f"{x:.3e}"
    else:
        decimals = 3 if size == 0 else max(0, 3 - math.floor(math.log10(size)))
        text = f"{x:.{min(decimals, 7)}f}"
    return text.replace("-", "−")


def rounded(x: float) -> str:
    """Two decimals, as far as a moment or a count of rows is worth reading."""
    text = f"{x:,.2f}"
    return (text[1:] if text == "-0.00" else text).replace("-", "−")


def p_text(p: float) -> str:
    """As in "p = .03" or "p < 2e-16"."""
    text = format_pvalue(p)
    return f"p {text[0]} {text[1:]}" if text.startswith("<") else f"p = {text}"


def listed(names: Sequence[str], most: int = 12) -> str:
    """As in "a, b and c"; of many, the first ones and how many more."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most:,} more"
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def count(n: int, one: str, several: str | None = None) -> str:
    """As in "1 row" or "180 rows"."""
    return f"{n:,} {one if n == 1 else several or one + 's'}"


def shortened(name: str, width: int = NAME_WIDTH) -> str:
    """A long name with its middle left out."""
    if len(name) <= width:
        return name
    tail = (width - 1) // 3
    return f"{name[: width - 1 - tail]}…{name[-tail:]}"


def sentence(text: str) -> str:
    """With a capital at the start, where it starts with one of our words."""
    return text[:1].upper() + text[1:]
