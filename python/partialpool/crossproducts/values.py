"""Values of columns that sums and differences of doubles hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design import Design
from partialpool.errors import DataError

#: Values whose differences and sums are finite.
LARGEST_VALUE = 1e300


def check_values(design: Design, response: NDArray[np.float64]) -> None:
    """Refuse numbers whose sums and differences leave the range of doubles.

    Raises
    ------
    DataError
        Naming the column.
    """
    names = [f"`{design.formula.response_name}`", *(f"`{name}`" for name in design.fixed.names)]
    columns: list[Any] = [response, *design.x]
    for factor in design.factors:
        names += [f"`{name}` in the random effects of {factor.name}" for name in factor.names]
        columns += factor.columns
    for name, column in zip(names, columns, strict=True):
        largest = largest_of(column)
        if largest > LARGEST_VALUE:
            raise DataError(
                f"{name} has values of {largest:.1e}, whose sums are beyond the range of numbers;"
                f" divide it by {power_of_ten(largest)}"
            )


def largest_of(column: Any) -> float:
    """The size of a column's largest value."""
    return float(np.abs(column).max(initial=0.0))


def power_of_ten(size: float) -> str:
    """The power of ten at or below a size, as it is written."""
    return f"1e{int(np.floor(np.log10(size)))}"
