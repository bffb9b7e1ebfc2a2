"""JSON objects read field by field: each field has a type and a range, or the file is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from partialpool.errors import FileError

#: Numbers that JSON has not, as they are written.
WRITTEN = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def written(value: float) -> float | str:
    """A number as JSON has it; one that is not finite as text."""
    number = float(value)
    return number if math.isfinite(number) else str(number)


class Fields:
    """An object of JSON with the fields named, no more and no fewer.

    Parameters
    ----------
    value
        As read.
    names
        Names of its fields.
    where
        Words for messages.
    """

    def __init__(self, value: Any, names: Sequence[str], where: str) -> None:
        self._where = where
        if not isinstance(value, dict) or set(value) != set(names):
            raise FileError(f"{where} must have the fields {', '.join(names)}")
        self._value: dict[str, Any] = value

    def __getitem__(self, name: str) -> Any:
        return self._value[name]

    def refuse(self, name: str, what: str) -> FileError:
        """The error of a field that is not what it must be."""
        return FileError(f"{name!r} of {self._where} must be {what}")

    def text(self, name: str) -> str:
        """A text."""
        return self._one(name, str, "text")

    def text_or_none(self, name: str) -> str | None:
        """A text, or null."""
        return None if self[name] is None else self.text(name)

    def flag(self, name: str) -> bool:
        """True or false."""
        return self._one(name, bool, "true or false")

    def whole(self, name: str, least: int = 0, most: int = 2**53) -> int:
        """A whole number in a range."""
        value = self[name]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.refuse(name, f"a whole number from {least} to {most}, not {value!r:.40}")
        return value

    def number(self, name: str, *, finite: bool = True) -> float:
        """A number."""
        return self._number(name, self[name], finite)

    def numbers(self, name: str, size: int | None = None, *, finite: bool = True) -> list[float]:
        """A list of numbers."""
        values = self.items(name, size)
        return [self._number(name, v, finite) for v in values]

    def items(self, name: str, size: int | None = None) -> list[Any]:
        """A list, of anything."""
        values = self._one(name, list, "a list")
        if size is not None and len(values) != size:
            raise self.refuse(name, f"a list of {size}, not of {len(values)}")
        return values

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        values = self.items(name)
        if not all(isinstance(v, str) for v in values):
            raise self.refuse(name, "a list of texts")
        return values

    def texts_by_name(self, name: str, allowed: Sequence[str] | None = None) -> dict[str, str]:
        """An object whose values are texts."""
        value = self._one(name, dict, "an object")
        known = allowed is None or set(value) <= set(allowed)
        if not known or not all(isinstance(v, str) for v in value.values()):
            raise self.refuse(name, "an object of texts")
        return value

    def fields(self, name: str, names: Sequence[str]) -> Fields:
        """An object inside."""
        return Fields(self[name], names, f"{name!r} of {self._where}")

    def _one(self, name: str, kind: type[Any], what: str) -> Any:
        value = self[name]
        if type(value) is not kind:
            raise self.refuse(name, what)
        return value

    def _number(self, name: str, value: Any, finite: bool) -> float:
        if isinstance(value, str) and not finite and value in WRITTEN:
            return WRITTEN[value]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(name, "made of numbers")
        if not math.isfinite(number := float(value)):
            raise self.refuse(name, "made of finite numbers")
        return number
