"""States of stateful transforms as plain JSON, so that a stored fit needs no pickle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from partialpool.errors import FileError


def pack(value: Any) -> Any:
    """JSON values with dict keys and arrays marked by their type."""
    if isinstance(value, Mapping):
        return {"dict": [[pack(k), pack(v)] for k, v in value.items()]}
    if isinstance(value, np.ndarray):
        return {"array": value.tolist()}
    if isinstance(value, list | tuple):
        return {"list": [pack(v) for v in value]}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise FileError(f"the formula's state of type {type(value).__name__} cannot be stored")


def unpack(value: Any) -> Any:
    """The inverse of `pack`."""
    if isinstance(value, dict):
        if "dict" in value:
            return {unpack(k): unpack(v) for k, v in value["dict"]}
        if "array" in value:
            return np.asarray(value["array"], dtype=float)
        return [unpack(v) for v in value["list"]]
    return value
