"""Responses and offsets: row-by-row arithmetic on columns, without `eval`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from partialpool.errors import DataError, FormulaError
from partialpool.formula.expressions import Call, Chain, Expr, Name, Negative, Number, Power
from partialpool.formula.transforms import ELEMENTWISE, check_elementwise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def elementwise_functions() -> dict[str, Callable[..., Any]]:
    """NumPy's function for each elementwise transform but I(): also formulaic's context.

    formulaic itself does not know log1p, expm1, sqrt, sin and cos.
    """
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
    with np.errstate(all="ignore"):
        return np.asarray(_value(checked, columns, elementwise_functions()), dtype=np.float64)


def _value(expr: Expr, columns: Mapping[str, Any], functions: dict[str, Callable[..., Any]]) -> Any:
    import numpy as np

    match expr:
        case Name(name):
            return _column(name, columns)
        case Number(value):
            return np.float64(value)
        case Negative(operand):
            return -_value(operand, columns, functions)
        case Power(base, exponent):
            return np.power(_value(base, columns, functions), _value(exponent, columns, functions))
        case Chain(first, rest):
            total = _value(first, columns, functions)
            for operator, part in rest:
                value = _value(part, columns, functions)
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
            return _value(arguments[0], columns, functions)
        case Call(function, arguments):
            return functions[function](_value(arguments[0], columns, functions))
        case _:
            raise FormulaError(f"{expr} cannot be worked out row by row")


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
