"""Work that Ctrl-C ended before its time: what is done is kept, and always said to be a part."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

#: Parts done below which nothing is kept: too few for any quantile or share.
FEWEST = 20


def interruption(done: int, total: int, unit: str = "") -> str:
    """ "interrupted after 3 of 2,000"; nothing if all was done."""
    return f"interrupted after {done:,} of {total:,}{unit and ' ' + unit}" if done < total else ""


def marked(table: pd.DataFrame, interrupted: str) -> pd.DataFrame:
    """A table that says so itself, in the corner of its print and in ``attrs``."""
    if interrupted:
        table.attrs["interrupted"] = interrupted
        table.columns.name = interrupted
    return table
