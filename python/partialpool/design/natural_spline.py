"""R's `ns`: natural cubic splines as B-splines with zero second derivative at the boundary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from formulaic.transforms import stateful_transform
from numpy.typing import NDArray


def _basis(x: NDArray[np.float64], knots: NDArray[np.float64], derivative: int = 0) -> Any:
    from scipy.interpolate import BSpline

    size = len(knots) - 4
    inside = np.clip(x, knots[0], knots[-1])
    out = np.empty((len(x), size))
    for j in range(size):
        unit = np.zeros(size)
        unit[j] = 1.0
        spline = BSpline(knots, unit, 3)
        if derivative:
            out[:, j] = spline.derivative(derivative)(inside)
        else:
            # Beyond the boundary a natural spline is a straight line.
            out[:, j] = spline(inside) + (x - inside) * spline.derivative(1)(inside)
    return out


@stateful_transform
def ns(
    x: Any,
    df: int | None = None,
    knots: Sequence[float] | None = None,
    intercept: bool = False,
    _state: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Basis of natural cubic splines, as R's ``splines::ns``.

    Parameters
    ----------
    x : array, shape (n,)
    df : int, optional
        Columns; interior knots are put at quantiles. Default 1, a straight line.
    knots : sequence of float, optional
        Interior knots, instead of `df`.
    intercept : bool
        Whether the basis spans the constant.
    """
    state = {} if _state is None else _state
    values = np.asarray(x, dtype=float)
    if "knots" not in state:
        if knots is None:
            count = (1 if df is None else int(df)) - 1 - int(intercept)
            if count < 0:
                raise ValueError(f"ns() needs df of at least {1 + int(intercept)}")
            inner = np.quantile(values, np.linspace(0, 1, count + 2)[1:-1])
        else:
            inner = np.asarray(knots, dtype=float)
        low, high = float(values.min()), float(values.max())
        full = np.concatenate([[low] * 4, np.sort(inner), [high] * 4])
        state.update(knots=full.tolist(), lower_bound=low, upper_bound=high)
    full = np.asarray(state["knots"])
    first = 0 if intercept else 1
    ends = _basis(full[[0, -1]], full, derivative=2)[:, first:]
    q, _ = np.linalg.qr(ends.T, mode="complete")
    basis = _basis(values, full)[:, first:] @ q[:, 2:]
    return {str(j + 1): basis[:, j] for j in range(basis.shape[1])}
