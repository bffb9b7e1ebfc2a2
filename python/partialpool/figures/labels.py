"""Names of axes, with the unit where the data say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from partialpool.figures.style import short

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit


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


def coefficient_unit(source: Any, response: str, name: str) -> str | None:
    """The unit of a coefficient: the response's for an intercept or a contrast of levels.

    A slope's is the response's over the column's; None where the response has none, or the
    term is a transform or a product.
    """
    unit = unit_of(source, response)
    if unit is None or name == "Intercept" or all("[" in part for part in name.split(":")):
        return unit
    columns = getattr(source, "column_names", None) or getattr(source, "columns", ())
    if name not in columns:
        return None
    return f"{unit} per {unit_of(source, name) or 'unit'}"


def parameter_label(fit: MixedFit, name: str, width: int, shown: str | None = None) -> str:
    """A parameter's name, cut to a width, and its unit; `shown` in place of the name."""
    column, design = fit.parameters.column(name), fit.design
    unit = None
    if column is not None:
        unit = coefficient_unit(design.source, design.formula.response_name, column)
    return in_unit(short(shown or name, width), unit)


def in_unit(text: str, unit: str | None) -> str:
    """As in "residual (ms)"."""
    return text if unit is None else f"{text} ({unit})"


def with_unit(source: Any, column: str, what: str | None = None) -> str:
    """ "Reaction (ms)"; with `what`, that in place of the column's name: "residual (ms)"."""
    return in_unit(column if what is None else what, unit_of(source, column))
