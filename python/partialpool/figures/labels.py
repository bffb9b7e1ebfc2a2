"""Names of axes, with the unit where the data say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def unit_of(source: Any, column: str) -> str | None:
    """The unit of a column.

    pandas frames say it in ``data.attrs["units"]``, a dict by column; pyarrow tables in the
    field's metadata under ``unit``.
    """
    attrs = getattr(source, "attrs", None)
    if isinstance(attrs, Mapping) and isinstance(attrs.get("units"), Mapping):
        unit = attrs["units"].get(column)
        return None if unit is None else str(unit)
    schema = getattr(source, "schema", None)
    if type(source).__module__.startswith("pyarrow") and column in source.column_names:
        metadata = schema.field(column).metadata if schema is not None else None
        unit = (metadata or {}).get(b"unit")
        return None if unit is None else unit.decode("utf-8", "replace")
    return None


def with_unit(source: Any, column: str, what: str | None = None) -> str:
    """ "Reaction (ms)"; with `what`, that in place of the column's name: "residual (ms)"."""
    unit = unit_of(source, column)
    text = column if what is None else what
    return text if unit is None else f"{text} ({unit})"
