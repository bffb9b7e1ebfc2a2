"""The one way to values that were made elsewhere: tests/reference, read once."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).parent / "reference"


@cache
def read_reference(name: str) -> Any:
    """A JSON file of tests/reference by its name without the suffix; not to be changed."""
    return json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
