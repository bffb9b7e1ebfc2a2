"""Priors as text: "half_normal(5)"; read, never evaluated."""

from __future__ import annotations

import inspect
import re

from partialpool.bayes.priors import FAMILIES, Prior
from partialpool.errors import ArgumentError

CALL = re.compile(r"\s*(?:pp\.)?(\w+)\s*\(([^()]*)\)\s*")


def read_prior(text: str) -> Prior:
    """A prior from "half_normal(5)": a family's name and numbers."""
    found = CALL.fullmatch(text)
    if found is None:
        raise ArgumentError(
            f"the prior {text.strip()!r} must be a family with numbers, as 'half_normal(5)'"
        )
    family, inner = found.groups()
    make = FAMILIES.get(family)
    if make is None:
        raise ArgumentError(f"there is no prior {family!r}; choose among {', '.join(FAMILIES)}")
    wanted = list(inspect.signature(make).parameters)
    words = [word.strip() for word in inner.split(",")] if inner.strip() else []
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        raise ArgumentError(f"the prior {text.strip()!r} takes numbers only") from None
    if len(numbers) != len(wanted):
        raise ArgumentError(
            f"the prior {family} takes {len(wanted)} numbers ({', '.join(wanted)}), not"
            f" {len(numbers)}: {text.strip()!r}"
        )
    return make(*numbers)
