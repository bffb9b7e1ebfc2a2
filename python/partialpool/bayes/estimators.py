"""ArviZ's estimators of arrays of draws."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def array_stats() -> Any:
    """ArviZ's functions of arrays: rhat, ess, kde, loo."""
    # ArviZ makes this object when its module is loaded, out of a type checker's sight.
    return import_module("arviz_stats.base").array_stats
