"""Adjustment of p-values and of intervals for several comparisons.

Sources: Tukey's studentised range (SciPy); Holm (1979), Scand. J. Statist. 6; Šidák (1967),
J. Am. Stat. Assoc. 62; "dunnettx" is emmeans' approximation to Dunnett's two-sided test.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import ADJUSTMENTS, Adjustment, check_choice

Vector = NDArray[np.float64]


def check_adjust(adjust: Adjustment) -> Adjustment:
    """The method's name, or an ArgumentError that lists them."""
    return check_choice(adjust, "adjust", ADJUSTMENTS)


def two_sided(statistic: Vector, df: Vector) -> Vector:
    """Two-sided p-values of t (of z where df is infinite)."""
    from scipy.stats import norm, t

    size = np.abs(statistic)
    finite = ~np.isposinf(df)
    safe = np.where(finite, df, 1.0)
    return np.where(finite, 2 * t.sf(size, safe), 2 * norm.sf(size))


def adjusted_p(statistic: Vector, df: Vector, adjust: Adjustment, family: int) -> Vector:
    """p-values of the tests of one family.

    Parameters
    ----------
    statistic, df
        Shape (m,); NaN where a contrast is not estimable.
    adjust
        One of `ADJUSTMENTS`.
    family
        For "tukey", the number of means compared.
    """
    p = two_sided(statistic, df)
    m = len(p)
    if m == 1 or adjust == "none":
        return p
    if adjust == "bonferroni":
        return np.minimum(1.0, m * p)
    if adjust == "sidak":
        return -np.expm1(m * np.log1p(-p))
    if adjust == "holm":
        return _holm(p)
    if adjust == "tukey":
        return _studentised_range(np.abs(statistic), df, family)
    return _dunnett(np.abs(statistic), df, m)


def critical_value(level: float, df: Vector, adjust: Adjustment, family: int) -> Vector:
    """Half-widths of the family's intervals in standard errors, (m,); Holm as Bonferroni."""
    m = len(df)
    out = np.full(m, np.nan)
    for value in np.unique(df[~np.isnan(df)]):
        out[df == value] = _critical(level, float(value), "none" if m == 1 else adjust, family, m)
    return out


def _critical(level: float, df: float, adjust: Adjustment, family: int, m: int) -> float:
    tail = 1 - level
    if adjust == "sidak":
        return _quantile(-float(np.expm1(np.log(level) / m)), df)
    if adjust in {"bonferroni", "holm"}:
        return _quantile(tail / m, df)
    if adjust == "none":
        return _quantile(tail, df)
    from scipy.optimize import root_scalar

    def excess(x: float) -> float:
        at, one = np.array([x]), np.array([df])
        p = _studentised_range(at, one, family) if adjust == "tukey" else _dunnett(at, one, m)
        return float(p[0]) - tail

    # The quantile lies between that of one comparison and Bonferroni's.
    most = max(m, family * (family - 1) // 2)
    bracket = (0.9 * _quantile(tail, df), 1.01 * _quantile(tail / most, df))
    return float(root_scalar(excess, bracket=bracket, xtol=1e-10).root)


def _quantile(tail: float, df: float) -> float:
    from scipy.stats import norm, t

    return float(norm.isf(tail / 2) if np.isposinf(df) else t.isf(tail / 2, df))


def _holm(p: Vector) -> Vector:
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * (len(order) - np.arange(len(order)))
    out = p.copy()
    out[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(order) else steps
    return out


def _studentised_range(size: Vector, df: Vector, means: float) -> Vector:
    from scipy.stats import studentized_range

    out = np.full(len(size), np.nan)
    for i, (x, v) in enumerate(zip(size, df, strict=True)):
        if not np.isnan(x):
            out[i] = np.clip(studentized_range.sf(np.sqrt(2) * x, means, v), 0.0, 1.0)
    return out


def _dunnett(size: Vector, df: Vector, k: int) -> Vector:
    tukey = _studentised_range(size, df, (1 + np.sqrt(1 + 8 * k)) / 2)
    sidak = -np.expm1(k * np.log1p(-two_sided(size, df)))
    weight = (k - 1) / k
    return weight * tukey + (1 - weight) * sidak
