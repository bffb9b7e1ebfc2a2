"""Transforms of columns with what they remember: centres, scales, knots.

A state is kept under the text of the call that made it, for new rows to be treated as those of the
fit were. Arithmetic, `scale`, `center` and `standardize` are worked out here, splines and `poly` by
formulaic's functions (`ns` by ours, which has R's basis).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design.contrasts import plain_value
from partialpool.errors import DesignError
from partialpool.formula import (
    Call,
    Chain,
    Expr,
    Name,
    Negative,
    Number,
    Power,
    elementwise_functions,
    to_text,
)

Vector = NDArray[np.float64]
State = dict[str, Any]

#: Transforms whose answer depends on all rows of the fit; `BASES` give several columns.
REMEMBERING = frozenset(("scale", "center", "standardize"))
BASES = frozenset(("poly", "bs", "ns", "cr", "cs", "cc"))


class Evaluation:
    """The transforms of one set of terms.

    Parameters
    ----------
    states
        By the text of a call; filled while `fitting`, else only read.
    fitting
        Whether the rows are those of the fit.
    """

    def __init__(self, states: MutableMapping[str, State], *, fitting: bool) -> None:
        self.states = states
        self.fitting = fitting

    def column(self, expr: Expr, columns: Mapping[str, Vector]) -> Any:
        """An expression's values, a number or (n,); not finite where its arithmetic is not."""
        match expr:
            case Name(name):
                return columns[name]
            case Number(value):
                return np.float64(value)
            case Negative(operand):
                return -self.column(operand, columns)
            case Power(base, exponent):
                return np.power(self.column(base, columns), self.column(exponent, columns))
            case Chain(first, rest):
                total = self.column(first, columns)
                for operator, part in rest:
                    total = _ARITHMETIC[operator](total, self.column(part, columns))
                return total
            case Call("I", arguments):
                return self.column(arguments[0], columns)
            case Call(function, arguments) if function in REMEMBERING:
                return self._standardised(expr, self.column(arguments[0], columns))
            case Call(function, arguments):
                return elementwise_functions()[function](self.column(arguments[0], columns))
            case _:
                raise DesignError(f"`{to_text(expr)}` cannot be worked out row by row")

    def basis(self, call: Call, columns: Mapping[str, Vector]) -> dict[str, Vector]:
        """The columns of poly() or of splines, by the label that each has."""
        values = np.asarray(self.column(call.arguments[0], columns), dtype=np.float64)
        state = self._state(call)
        positional = [plain_value(v) for key, v in call.options if not key]
        named = {key: _listed(plain_value(v)) for key, v in call.options if key}
        out = _basis_function(call.function)(
            values, *map(_listed, positional), _state=state, **named
        )
        if self.fitting:
            self.states[to_text(call)] = state
        raw = getattr(out, "__wrapped__", out)
        if isinstance(raw, Mapping):
            return {str(k): np.asarray(v, dtype=np.float64) for k, v in raw.items()}
        # formulaic counts the columns of raw polynomials from 0, all others from 1.
        matrix, first = np.asarray(raw, dtype=np.float64), int(hasattr(out, "__wrapped__"))
        return {str(first + j): matrix[:, j] for j in range(matrix.shape[1])}

    def _state(self, call: Call) -> State:
        """What a call remembers: nothing yet while fitting; afterwards it must be there."""
        if self.fitting:
            return {}
        text = to_text(call)
        if text not in self.states:
            raise DesignError(
                f"what `{text}` remembers of the data of the fit is missing; fit the model again"
            )
        return self.states[text]

    def _standardised(self, call: Call, values: Any) -> Any:
        options = {key: plain_value(v) for key, v in _keyed(call)}
        state = self._state(call)
        if self.fitting:
            centre = bool(options.get("center", True))
            width = bool(
                options.get("rescale" if call.function == "standardize" else "scale", True)
            )
            ddof = options.get("ddof", 0 if call.function == "standardize" else 1)
            middle = float(np.mean(values)) if centre else 0.0
            state["center"] = middle
            state["scale"] = (
                float(np.sqrt(np.sum(np.square(values - middle)) / (np.size(values) - ddof)))
                if width and call.function != "center"
                else 1.0
            )
            self.states[to_text(call)] = state
        return (values - state["center"]) / state["scale"]


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}

#: Names of the options that may be given by position.
_POSITIONS = {
    "scale": ("center", "scale", "ddof"),
    "center": (),
    "standardize": ("center", "rescale", "ddof"),
}


def _keyed(call: Call) -> list[tuple[str, Expr]]:
    names = _POSITIONS[call.function]
    return [(key or names[i], value) for i, (key, value) in enumerate(call.options)]


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _basis_function(name: str) -> Callable[..., Any]:
    if name == "ns":
        from partialpool.design.natural_spline import ns

        return ns
    from formulaic.transforms import TRANSFORMS

    return TRANSFORMS[name]
