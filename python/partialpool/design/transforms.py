"""Transforms of columns with what they remember: centres, scales, knots.

A state is kept under the text of the call that made it, for new rows to be treated as those of the
fit were. Arithmetic, `scale`, `center` and `standardize` are worked out here, splines and `poly` by
formulaic's functions (`ns` by ours, which has R's basis).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from partialpool.design.contrasts import plain_value
from partialpool.errors import DesignError
from partialpool.formula import Call, Expr, Name, arithmetic
from partialpool.formula.expressions import to_formulaic, to_shown, to_text, walk

Vector = NDArray[np.float64]
State = dict[str, Any]

#: Transforms whose answer depends on all rows of the fit; `BASES` give several columns.
REMEMBERING = frozenset(("scale", "center", "standardize"))
BASES = frozenset(("poly", "bs", "ns", "cr", "cs", "cc"))


def is_basis(tree: Expr) -> bool:
    """Whether a factor of a term is poly() or a spline."""
    return isinstance(tree, Call) and tree.function in BASES


def remembering_calls(tree: Expr) -> list[Call]:
    """The calls in a tree that remember something of the fit's rows."""
    return [
        part
        for part in walk(tree)
        if isinstance(part, Call) and part.function in REMEMBERING | BASES
    ]


def spans_intercept(call: Call) -> bool:
    """Whether the columns of a basis add up to 1, as formulaic knows of bs() alone."""
    names = ("df", "knots", "degree", "include_intercept", "", "", "")
    given = {key or names[i]: plain_value(value) for i, (key, value) in enumerate(call.options)}
    return call.function == "bs" and bool(given.get("include_intercept"))


def state_key(call: Call) -> str:
    """The text under which a call's state is kept."""
    return to_formulaic(call)


class Evaluation:
    """The transforms of one set of terms.

    Parameters
    ----------
    states
        By `state_key`; filled while `fitting`, else only read.
    fitting
        Whether the rows are those of the fit.
    """

    def __init__(self, states: dict[str, State], *, fitting: bool) -> None:
        self.states = states
        self.fitting = fitting

    def column(self, expr: Expr, columns: Mapping[str, Vector]) -> Any:
        """An expression's values, a number or (n,); not finite where its arithmetic is not."""

        def leaf(part: Expr) -> Any:
            match part:
                case Name(name):
                    return columns[name]
                case Call(function, arguments) if function in REMEMBERING:
                    values = arithmetic(arguments[0], leaf)
                    state = self._state(part, lambda: _standard(part, values))
                    return (values - state["center"]) / state["scale"]
                case _:
                    raise DesignError(f"`{to_text(part)}` cannot be worked out row by row")

        return arithmetic(expr, leaf)

    def basis(self, call: Call, columns: Mapping[str, Vector]) -> dict[str, Vector]:
        """The columns of poly() or of splines, by the label that each has.

        Raises
        ------
        DesignError
            Where the basis cannot be worked out.
        """
        values = np.asarray(self.column(call.arguments[0], columns), dtype=np.float64)
        return self.basis_at(call, values)

    def basis_at(self, call: Call, values: Vector) -> dict[str, Vector]:
        """The same at values of its argument."""
        known = self._state(call, dict)
        state = dict(known)
        positional = [_listed(plain_value(v)) for key, v in call.options if not key]
        named = {key: _listed(plain_value(v)) for key, v in call.options if key}
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                out = _basis_function(call.function)(values, *positional, _state=state, **named)
        except (ValueError, TypeError, KeyError, ArithmeticError, np.linalg.LinAlgError) as error:
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise DesignError(f"`{to_shown(call)}` cannot be worked out: {reason}") from error
        if self.fitting:
            known.update(state)
        elif state.keys() != known.keys():  # new rows have nothing to say
            _forgotten(call)
        raw = getattr(out, "__wrapped__", out)
        if isinstance(raw, Mapping):
            return {str(k): np.ascontiguousarray(v, dtype=np.float64) for k, v in raw.items()}
        # formulaic counts the columns of raw polynomials from 0, all others from 1.
        matrix, first = np.asfortranarray(raw, dtype=np.float64), int(hasattr(out, "__wrapped__"))
        return {str(first + j): matrix[:, j] for j in range(matrix.shape[1])}

    def labels(self, tree: Expr) -> tuple[str, ...]:
        """Labels of the columns of a basis, none of other trees; states are looked at on the way.

        Raises
        ------
        DesignError
            For a call that does not remember what it needs.
        """
        labels: tuple[str, ...] = ()
        for call in remembering_calls(tree):
            state = self._state(call, dict)
            if call.function in BASES:
                low, high = bounds_of(state) or (0.0, 0.0)
                labels = tuple(self.basis_at(call, np.array([0.5 * (low + high)])))
            elif state.keys() != {"center", "scale"} or not all(map(_usable, state.values())):
                _forgotten(call)
        return labels

    def _state(self, call: Call, make: Callable[[], State]) -> State:
        """What a call remembers: made while fitting; afterwards it must be there."""
        key = state_key(call)
        if key not in self.states:
            if not self.fitting:
                _forgotten(call)
            self.states[key] = make()
        return self.states[key]


def bounds_of(state: State) -> tuple[float, float] | None:
    """Values that a spline accepts; None where any will do."""
    if "lower_bound" not in state:
        return None
    return float(state["lower_bound"]), float(state["upper_bound"])


def _usable(value: Any) -> bool:
    return isinstance(value, float) and bool(np.isfinite(value))


def _forgotten(call: Call) -> NoReturn:
    raise DesignError(
        f"what `{to_shown(call)}` saw of the data (centre, scale, knots) is not at hand, so new"
        " data cannot be transformed alike; fit the model again"
    )


def _standard(call: Call, values: Any) -> State:
    """Centre and scale of scale(), center() or standardize()."""
    options = {key: plain_value(v) for key, v in _keyed(call)}
    width = "rescale" if call.function == "standardize" else "scale"
    middle = float(np.mean(values)) if options.get("center", True) else 0.0
    spread = 1.0
    if call.function != "center" and options.get(width, True):
        ddof = options.get("ddof", 0 if call.function == "standardize" else 1)
        spread = _root_mean_square(values - middle, np.size(values) - ddof)
    return {"center": middle, "scale": spread}


def _root_mean_square(values: Vector, count: float) -> float:
    """√(Σ values² / count), in units of the largest so that no square is out of range."""
    largest = float(np.max(np.abs(values)))
    unit = 2.0 ** np.floor(np.log2(largest)) if 0.0 < largest < np.inf else 1.0
    mean = np.sum(np.square(values / unit)) / np.float64(count)
    return float(unit * np.sqrt(mean))


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
