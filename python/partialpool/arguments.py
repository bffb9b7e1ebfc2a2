"""Every check of an argument, once: what comes back is of one plain type, or is refused by name."""

from __future__ import annotations

import operator
import secrets
from collections.abc import Collection, Mapping
from numbers import Real

from partialpool.errors import ArgumentError

#: Seeds are numbers of 64 bits.
SEEDS = 2**64
#: Refits that one bootstrap, test or power study may ask for.
MOST_SIMULATIONS = 100_000_000
#: R's spellings, folded, of what is called otherwise here.
SPELLINGS = {
    "kr": "kenwardroger",
    "satterth": "satterthwaite",
    "trtvsctrl1": "trtvsctrl",
    "perc": "percentile",
    "norm": "normal",
    "boot": "boot",
    "bootstrap": "boot",
}


def _whole(value: object) -> int | None:
    """A whole number of Python, NumPy or the like; True and False are none."""
    if isinstance(value, bool) or type(value).__name__ in {"bool", "bool_"}:
        return None
    try:
        return operator.index(value)  # pyright: ignore[reportArgumentType]
    except TypeError:
        return None


def check_seed(value: object, name: str = "seed") -> int:
    """A seed of 64 bits; a fresh one for None."""
    if value is None:
        return secrets.randbits(32)
    seed = _whole(value)
    if seed is None or not 0 <= seed < SEEDS:
        raise ArgumentError(f"{name} must be a whole number from 0 to 2**64 - 1, not {value!r}")
    return seed


def check_count(value: object, name: str, least: int = 1, most: int | None = None) -> int:
    """A whole number within bounds."""
    count = _whole(value)
    if count is None or count < least:
        what = "a positive whole number" if least == 1 else f"a whole number of at least {least}"
        raise ArgumentError(f"{name} must be {what}, not {value!r}")
    if most is not None and count > most:
        shown = f"{count:,}" if count < 10**30 else "a number of more than 30 digits"
        raise ArgumentError(f"{name} must be at most {most:,}, not {shown}")
    return count


def check_nsim(value: object, most: int = MOST_SIMULATIONS) -> int:
    """A positive number of simulations."""
    return check_count(value, "nsim, the number of simulations,", most=most)


def check_share(value: object, name: str) -> float:
    """A number between 0 and 1, the ends left out."""
    wrong = isinstance(value, bool) or not isinstance(value, Real)
    if wrong or not 0 < float(value) < 1:  # pyright: ignore[reportArgumentType]
        raise ArgumentError(f"{name} must lie between 0 and 1, not {value!r}")
    return float(value)  # pyright: ignore[reportArgumentType]


def check_level(value: object, name: str = "level") -> float:
    """A coverage between 0 and 1."""
    return check_share(value, name)


def check_flag(value: object, name: str) -> bool:
    """True or False, NumPy's too."""
    if not isinstance(value, bool) and type(value).__name__ not in {"bool", "bool_"}:
        raise ArgumentError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def check_choice(
    value: object, name: str, choices: Collection[str], spellings: Mapping[str, str] = SPELLINGS
) -> str:
    """One of the words offered, by its own spelling: "Kenward-Roger" and "KR" are "kenward-roger".

    Case, hyphens, underscores, dots and spaces do not count.
    """
    own = {_folded(choice): choice for choice in choices}
    if isinstance(value, str):
        if value in choices:
            return value
        folded = _folded(value)
        found = own.get(folded) or own.get(spellings.get(folded, ""))
        if found is not None:
            return found
    raise ArgumentError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")


def _folded(text: str) -> str:
    return "".join(c for c in text.lower() if c not in "-_. ")
