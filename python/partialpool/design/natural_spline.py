"""R's `ns`: natural cubic splines as B-splines with zero second derivative at the boundary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def ns(
    x: Any,
    df: float | None = None,
    knots: Sequence[float] | None = None,
    include_intercept: bool = False,
    lower_bound: float | None = None,
    upper_bound: float | None = None,
    _state: dict[str, Any] | None = None,
) -> dict[str, Vector]:
    """Basis of natural cubic splines, as R's ``splines::ns``.

    Beyond the boundary knots each column goes on as a straight line.

    Parameters
    ----------
    x : array, shape (n,)
    df : int, optional
        Columns; df - 1 interior knots (df - 2 with `include_intercept`) are put at quantiles of
        the values within the boundary. Default: no interior knot.
    knots : sequence of float, optional
        Interior knots, instead of `df`.
    include_intercept : bool
        Whether the basis spans the constant (R's ``intercept``).
    lower_bound, upper_bound : float, optional
        Boundary knots; default the range of `x`.

    Returns
    -------
    dict of str to array, shape (n,)
        Columns "1", "2", …, with the values that R gives.

    Raises
    ------
    ValueError
        For too small a `df`, or knots that are not inside the boundary.

    References
    ----------
    Hastie (1992), in Chambers & Hastie, Statistical Models in S, chapter 7.
    """
    state = {} if _state is None else _state
    values = np.asarray(x, dtype=float)
    if "knots" not in state:
        low = float(values.min() if lower_bound is None else lower_bound)
        high = float(values.max() if upper_bound is None else upper_bound)
        inner = _interior_knots(values, df, knots, include_intercept, (low, high))
        full = [low] * 4 + sorted(inner) + [high] * 4
        state.update(knots=full, lower_bound=low, upper_bound=high)
    full = np.asarray(state["knots"], dtype=float)
    first = 0 if include_intercept else 1
    # The columns orthogonal to both second derivatives at the boundary.
    curvature = _b_splines(full[[0, -1]], full, derivative=2)[:, first:]
    q, _ = np.linalg.qr(curvature.T, mode="complete")
    basis = _straight_beyond(values, full)[:, first:] @ q[:, 2:]
    return {str(j + 1): basis[:, j] for j in range(basis.shape[1])}


def _interior_knots(
    values: Vector,
    df: float | None,
    knots: Sequence[float] | None,
    include_intercept: bool,
    bounds: tuple[float, float],
) -> list[float]:
    low, high = bounds
    if not low < high:
        raise ValueError(f"ns() needs a lower bound below the upper one, not {low:g} and {high:g}")
    if knots is not None:
        given = [float(k) for k in np.atleast_1d(np.asarray(knots, dtype=float))]
        outside = [k for k in given if not low < k < high]
        if outside:
            raise ValueError(
                f"the knot {outside[0]:g} of ns() is not between the bounds {low:g} and {high:g}"
            )
        return given
    least = 1 + int(include_intercept)
    columns = least if df is None else int(df)
    if columns < least or (df is not None and columns != df):
        raise ValueError(f"df of ns() must be a whole number of at least {least}, not {df:g}")
    within = values[(values >= low) & (values <= high)]
    if columns > least and len(within) == 0:
        raise ValueError(f"ns() has no values between its bounds {low:g} and {high:g}")
    shares = np.linspace(0, 1, columns - least + 2)[1:-1]
    return np.quantile(within, shares).tolist() if len(shares) else []


def _b_splines(x: Vector, knots: Vector, derivative: int = 0) -> Vector:
    """Cubic B-splines, or derivatives of them, at points within the boundary: (n, len(knots)-4)."""
    from scipy.interpolate import BSpline

    every = BSpline(knots, np.eye(len(knots) - 4), 3)
    return every(x, nu=derivative)


def _straight_beyond(x: Vector, knots: Vector) -> Vector:
    """B-splines at x; beyond the boundary, their tangents there."""
    inside = np.clip(x, knots[0], knots[-1])
    out = _b_splines(inside, knots)
    beyond = inside != x
    if beyond.any():
        slope = _b_splines(inside[beyond], knots, derivative=1)
        out[beyond] += (x - inside)[beyond, None] * slope
    return out
