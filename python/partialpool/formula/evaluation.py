"""Responses and offsets: row-by-row arithmetic on columns, without `eval`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from partialpool.errors import DataError, FormulaError
from partialpool.formula.expressions import Call, Chain, Expr, Name, Negative, Number, Power
from partialpool.formula.transforms import ELEMENTWISE, check_elementwise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@cache
def elementwise_functions() -> dict[str, Callable[..., Any]]:
    """NumPy's function for each elementwise transform but I()."""
    import numpy as np

    return {name: getattr(np, name) for name in sorted(ELEMENTWISE - {"I"})}


def evaluate(expr: Expr, columns: Mapping[str, Any]) -> NDArray[np.float64]:
    """Work out a response or an offset.

    Parameters
    ----------
    expr
        Names, numbers, arithmetic and elementwise transforms.
    columns
        Arrays of n numbers by name, at least those in `variables(expr)`.

    Returns
    -------
    ndarray of float64, shape (n,)
        Not finite where the arithmetic is not, as in log(-1); nothing is warned of.

    Raises
    ------
    DataError
        If a column is missing or is not numeric.
    FormulaError
        If the expression uses anything that is not worked out row by row.
    """
    import numpy as np

    checked = check_elementwise(expr, "the expression")

    def leaf(part: Expr) -> NDArray[np.float64]:
        if isinstance(part, Name):
            return _column(part.name, columns)
        raise FormulaError(f"{part} cannot be worked out row by row")

    with np.errstate(all="ignore"):
        return np.asarray(arithmetic(checked, leaf), dtype=np.float64)


def arithmetic(expr: Expr, leaf: Callable[[Expr], Any]) -> Any:
    """An expression's value; `leaf` gives that of names and of what is no arithmetic."""
    import numpy as np

    match expr:
        case Number(value):
            return np.float64(value)
        case Negative(operand):
            return -arithmetic(operand, leaf)
        case Power(base, Number(exponent)):
            # NumPy squares where the exponent is a plain 2.
            return arithmetic(base, leaf) ** float(exponent)
        case Power(base, exponent):
            return np.power(arithmetic(base, leaf), arithmetic(exponent, leaf))
        case Chain(first, rest):
            total = arithmetic(first, leaf)
            for operator, part in rest:
                value = arithmetic(part, leaf)
                match operator:
                    case "+":
                        total = total + value
                    case "-":
                        total = total - value
                    case "*":
                        total = total * value
                    case _:
                        total = total / value
            return total
        case Call("I", arguments):
            return arithmetic(arguments[0], leaf)
        case Call(function, arguments) if function in ELEMENTWISE:
            return elementwise_functions()[function](arithmetic(arguments[0], leaf))
        case _:
            return leaf(expr)


def _column(name: str, columns: Mapping[str, Any]) -> NDArray[np.float64]:
    import numpy as np

    if name not in columns:
        raise DataError(f"the data have no column `{name}`; add it or correct the formula")
    values = np.asarray(columns[name])
    if values.dtype.kind not in "biuf":
        raise DataError(
            f"the column `{name}` is not numeric (its type is {values.dtype});"
            " convert it to numbers"
        )
    return values.astype(np.float64, copy=False)
