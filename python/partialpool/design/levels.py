"""Levels of a factor: told apart by value and type, found again in new data, stored as JSON.

Two levels are the same if Python says so (3.0 is 3). A level whose type has changed on the way,
as whole numbers read back from a CSV file as text, is found by its text, if one level alone has
that text.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool.errors import DataError, FileError

Codes = NDArray[np.int64]

#: From here on neighbouring whole numbers are one float.
EXACT_FLOATS = 2.0**53
PLAIN = frozenset({str, bool, int, float})
#: The text of an object that has no text but its address, which another object may have later.
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+>")


@dataclass(frozen=True, slots=True)
class StoredLevel:
    """A level of a stored fit whose type is known by its name only."""

    kind: str
    text: str

    def __str__(self) -> str:
        return self.text


def label_text(level: Hashable) -> str:
    """A level as text: 3.0 names the same level as 3."""
    if isinstance(level, float) and level.is_integer():
        return str(int(level))
    return str(level)


def member_text(level: Hashable) -> str:
    """A level as part of an interaction's label, its own colons told from those between."""
    return label_text(level).replace("\\", "\\\\").replace(":", "\\:")


def members_of(label: str) -> list[str]:
    """The levels' texts that an interaction's label was made of."""
    return [re.sub(r"\\(.)", r"\1", m) for m in re.findall(r"(?:^|:)((?:[^\\:]|\\.)*)", label)]


def kind_of(level: Hashable) -> str:
    """Name of a level's type, that of a stored level as it was."""
    return level.kind if isinstance(level, StoredLevel) else type(level).__name__


def shown(level: Hashable) -> str:
    """A level in a message: its text and, as texts may be equal, its type."""
    return f"{str(level)!r} ({kind_of(level)})"


def check_levels_readable(levels: Sequence[Hashable], name: str) -> None:
    """Refuse levels that have no text of their own, or that no file and no page can hold."""
    try:
        texts = [v if type(v) is str else str(v) for v in levels]
        seen: dict[tuple[str, str], Hashable] = {}
        for level, text in zip(levels, texts, strict=True):
            if type(level) in PLAIN:
                continue
            if isinstance(level, complex):
                raise DataError(
                    f"column {name!r} holds complex numbers; use a real number made of them"
                )
            if isinstance(level, frozenset):  # its text is another in the next session
                raise DataError(
                    f"column {name!r} holds sets, which have no order; convert it to text"
                )
            if seen.setdefault((kind_of(level), text), level) is not level:
                raise DataError(
                    f"column {name!r} holds different values with one text, {shown(level)}; convert"
                    " it to text that tells them apart"
                )
            if ADDRESS.search(text):
                raise DataError(
                    f"column {name!r} holds objects of type {type(level).__name__} without a text"
                    " of their own; convert it to text"
                )
        "\0".join(texts).encode()
    except UnicodeEncodeError:
        bad = next(v for v in levels if re.search("[\ud800-\udfff]", str(v)))
        raise DataError(
            f"column {name!r} holds text that is not valid Unicode: {str(bad)!a}; mend it, or"
            " leave its rows out"
        ) from None
    except DataError:
        raise
    except Exception as error:  # what an object's own __str__ raises may be anything
        raise _no_levels(name, error) from None


def _no_levels(name: str, error: BaseException | None = None) -> DataError:
    why = "" if error is None else f" ({type(error).__name__} when they are read)"
    return DataError(
        f"column {name!r} holds values that cannot be levels of a factor{why}; convert it to text"
    )


def code_objects(column: Any, name: str) -> tuple[Codes, tuple[Hashable, ...]]:
    """Codes (-1 where missing) and sorted levels of a column that is no array of whole numbers."""
    import pandas as pd

    try:
        plain = column.dtype != object or pd.api.types.infer_dtype(column, skipna=True) == "string"
        if plain:
            if column.dtype == np.longdouble:
                column = np.asarray(column, dtype=np.float64)
            codes, uniques = pd.factorize(column)
            values = [v.item() if isinstance(v, np.generic) else v for v in list(uniques)]
        else:
            codes, values = _code_one_by_one(np.asarray(column), name)
        order = sort_order(values)
    except DataError:
        raise
    except Exception as error:  # what an object's own __eq__ or __hash__ raises may be anything
        raise _no_levels(name, None if isinstance(error, TypeError) else error) from None
    levels = tuple(values[i] for i in order)
    check_levels_readable(levels, name)
    place = np.empty(len(values) + 1, dtype=np.int64)
    place[order] = np.arange(len(values))
    place[-1] = -1
    return place[codes], levels


def _code_one_by_one(values: NDArray[Any], name: str) -> tuple[Codes, list[Hashable]]:
    """Codes of objects in the order of appearance; pandas takes True for 1 here, silently."""
    import pandas as pd

    missing = pd.isna(values)
    codes = np.full(len(values), -1, dtype=np.int64)
    place: dict[Hashable, int] = {}
    found: list[Hashable] = []
    for i, (value, absent) in enumerate(zip(values.tolist(), missing.tolist(), strict=True)):
        if absent:
            continue
        level = value.item() if isinstance(value, np.generic) else value
        code = place.setdefault(level, len(found))
        if code == len(found):
            found.append(level)
        elif found[code] is not level:
            _refuse_equal(found[code], level, name)
        codes[i] = code
    return codes, found


def _refuse_equal(a: Hashable, b: Hashable, name: str) -> None:
    """True and 1 are equal to Python and differ to whoever wrote them."""
    same = type(a) is type(b) and not isinstance(a, tuple)
    if same or (_is_number(a) and _is_number(b)) or str(a) == str(b):
        return
    raise DataError(
        f"column {name!r} holds {shown(a)} and {shown(b)}, which are equal; give the column one"
        " type"
    )


def _is_number(level: Hashable) -> bool:
    return isinstance(level, Number) and not isinstance(level, bool)


def sort_order(values: Sequence[Any]) -> list[int]:
    """Places of the values in sorted order; by type and text where they cannot be compared."""
    try:
        return sorted(range(len(values)), key=values.__getitem__)
    except Exception:  # an object's own comparison; type and text order it instead
        pass
    return sorted(range(len(values)), key=lambda i: (type(values[i]).__name__, str(values[i])))


def check_texts_distinct(levels: Sequence[Hashable], name: str, use: str) -> None:
    """Refuse levels that are equal as text where text is what tells them apart."""
    if all(type(v) is str for v in levels) or all(type(v) is int for v in levels):
        return
    by_text: dict[str, Hashable] = {}
    for level in levels:
        for text in {str(level), label_text(level)}:
            if text in by_text:
                raise DataError(
                    f"column {name!r} has the levels {shown(by_text[text])} and {shown(level)},"
                    f" which are the same as text and cannot be told apart in {use}; give the"
                    " column one type"
                )
        by_text |= {str(level): level, label_text(level): level}


def find_levels(known: Sequence[Hashable], new: Sequence[Hashable], name: str) -> NDArray[np.int64]:
    """Places of new levels among the known ones, -1 for those that are not there.

    Raises
    ------
    DataError
        If more than one known level may be meant.
    """
    exact = {level: i for i, level in enumerate(known)}
    by_text: dict[str, list[int]] | None = None
    out = np.full(len(new), -1, dtype=np.int64)
    for j, level in enumerate(new):
        place = exact.get(level)
        if place is not None and _surely_the_same(known[place], level, name):
            out[j] = place
            continue
        if by_text is None:
            by_text = _places_by_text(known)
        texts = (str(level), label_text(level))
        places = {i for text in texts for i in by_text.get(text, ())}
        same_kind = {i for i in places if kind_of(known[i]) == kind_of(level)}
        places = same_kind or places | (set() if place is None else {place})
        if len(places) > 1:
            among = " and ".join(shown(known[i]) for i in sorted(places))
            raise DataError(
                f"level {shown(level)} of {name!r} may be {among} of the data of the fit; give the"
                " column the type that it had there"
            )
        out[j] = places.pop() if places else -1
    return out


def _places_by_text(known: Sequence[Hashable]) -> dict[str, list[int]]:
    out: dict[str, list[int]] = {}
    for i, level in enumerate(known):
        for text in {str(level), label_text(level)}:
            out.setdefault(text, []).append(i)
    return out


def _surely_the_same(known: Hashable, level: Hashable, name: str) -> bool:
    a, b = type(known), type(level)
    if a is b:
        return True
    if {a, b} == {int, float} and abs(float(level)) >= EXACT_FLOATS:  # pyright: ignore[reportArgumentType]
        raise DataError(
            f"level {shown(level)} of {name!r} is too large for a float to tell it from its"
            " neighbours; give the column the type that it had in the data of the fit"
        )
    # True equals 1: the texts have a say too.
    return (a is bool) == (b is bool)


def labels_of_one_type(levels: Sequence[Hashable]) -> list[Any]:
    """Levels as a typed column can hold them: themselves if of one type, else their texts."""
    types = {type(v) if not isinstance(v, int) or abs(v) < 2**63 else None for v in levels}
    if len(types) <= 1 and types <= {str, bool, int, float, datetime.date, datetime.datetime}:
        return list(levels)
    return level_texts(levels)


def level_writer(levels: Sequence[Hashable]) -> Callable[[Hashable], str]:
    """How a table of text writes levels: as Python does where 1 and "1" are both there."""
    alike = len(set(map(type, levels))) <= 1
    return str if alike or len(set(map(str, levels))) == len(levels) else repr


def level_texts(levels: Sequence[Hashable]) -> list[str]:
    """Levels as the texts of a table (see `level_writer`)."""
    return list(map(level_writer(levels), levels))


# ---- stored fits ---------------------------------------------------------------------------


def _timestamp(text: str) -> Hashable:
    import pandas as pd

    return pd.Timestamp(text)


def _timedelta(text: str) -> Hashable:
    import pandas as pd

    return pd.Timedelta(text)


_WRITE: Mapping[str, Callable[[Any], str]] = {
    "float": str,
    "bytes": bytes.hex,
    "Decimal": str,
    "Fraction": str,
    "date": datetime.date.isoformat,
    "datetime": datetime.datetime.isoformat,
    "timedelta": lambda v: f"{v.days} {v.seconds} {v.microseconds}",
    "Timestamp": lambda v: v.isoformat(),
    "Timedelta": lambda v: v.isoformat(),
}
_READ: Mapping[str, Callable[[str], Hashable]] = {
    "float": float,
    "bytes": bytes.fromhex,
    "Decimal": Decimal,
    "Fraction": Fraction,
    "date": datetime.date.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "timedelta": lambda text: datetime.timedelta(*map(int, text.split())),
    "Timestamp": _timestamp,
    "Timedelta": _timedelta,
}


def store_level(level: Hashable) -> Any:
    """A level as JSON: itself, or its type and text."""
    if type(level) in {str, bool, int} or (type(level) is float and np.isfinite(level)):
        return level
    if type(level) is tuple:
        return {"type": "tuple", "members": [store_level(v) for v in level]}
    kind = kind_of(level)
    return {"type": kind, "text": _WRITE.get(kind, str)(level)}


def restore_level(stored: Any) -> Hashable:
    """The inverse of `store_level`; a type that we do not make is known by its name."""
    if type(stored) in PLAIN:
        return stored
    if not isinstance(stored, Mapping):
        raise FileError("a level of the stored fit is neither text nor a number")
    if stored["type"] == "tuple":
        return tuple(restore_level(v) for v in stored["members"])
    kind, text = str(stored["type"]), str(stored["text"])
    return _READ[kind](text) if kind in _READ else StoredLevel(kind, text)
