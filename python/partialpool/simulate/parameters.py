"""β, standard deviations, correlations and σ as a user gives them → arrays that fit a design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design import Design, Factor
from partialpool.design.covariance import free_entries
from partialpool.errors import ArgumentError

Vector = NDArray[np.float64]

SYMMETRY = 1e-10


def read_beta(design: Design, beta: Any) -> Vector:
    """Coefficients in the order of the p columns of X, given in that order or by name."""
    return _by_name(beta, design.fixed.names, "beta", "fixed effects")


def read_sigma(sigma: Any) -> float:
    """The residual standard deviation, 0 or more."""
    return float(_deviations(sigma, ("residual",), "sigma", "residual")[0])


def read_roots(design: Design, sd: Any, cor: Any) -> list[Vector]:
    """L with LLᵀ = diag(sd) R diag(sd) for each grouping factor, (k, k)."""
    deviations = _by_factor(sd, design.factors, "sd")
    correlations = {} if cor is None else _by_factor(cor, design.factors, "cor")
    roots = []
    for factor in design.factors:
        if factor.name not in deviations:
            raise ArgumentError(
                f"sd has no entry for {factor.name!r}; give {_wanted(factor.names)} as"
                f" sd={{{factor.name!r}: ...}}"
            )
        what = f"sd of {factor.name!r}"
        values = _deviations(deviations[factor.name], factor.names, what, "random effects")
        matrix = _correlations(correlations.get(factor.name), factor)
        roots.append(values[:, None] * _root(matrix, factor))
    return roots


def _root(matrix: Vector, factor: Factor) -> Vector:
    try:
        return np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)
    except np.linalg.LinAlgError:
        low = np.linalg.eigvalsh(matrix)[0]
        raise ArgumentError(
            f"the correlations of {factor.name!r} are not positive definite (smallest eigenvalue"
            f" {low:.3g}); bring them nearer to 0"
        ) from None


def _wanted(names: Sequence[str]) -> str:
    many = "1 number" if len(names) == 1 else f"{len(names)} numbers"
    return f"{many} ({', '.join(names)})"


def _numbers(value: Any, what: str) -> Vector:
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"{what} must be numbers, not {value!r}") from None
    if not np.isfinite(array).all():
        raise ArgumentError(f"{what} must be finite, not {value!r}")
    return array


def _by_name(value: Any, names: Sequence[str], what: str, of: str) -> Vector:
    """k numbers in order, or by name."""
    if not isinstance(value, Mapping) and hasattr(value, "to_dict") and hasattr(value, "index"):
        value = value.to_dict()  # a labelled Series, as `fit.fixef`
    if isinstance(value, Mapping):
        if len(set(names)) < len(names):
            raise ArgumentError(f"{what}: names are not unique; give {_wanted(names)} in order")
        renamed = {"Intercept" if k == "(Intercept)" else str(k): v for k, v in value.items()}
        unknown = [k for k in renamed if k not in names]
        if unknown:
            raise ArgumentError(f"{what} has no {unknown[0]!r} among the {of}: {', '.join(names)}")
        missing = [name for name in names if name not in renamed]
        if missing:
            raise ArgumentError(f"{what} lacks {missing[0]!r}; give {_wanted(names)}")
        value = [renamed[name] for name in names]
    array = np.atleast_1d(_numbers(value, what))
    if array.shape != (len(names),):
        got = f"{len(array)}" if array.ndim == 1 else f"an array of shape {array.shape}"
        raise ArgumentError(f"{what} must be {_wanted(names)}, not {got}")
    return array


def _deviations(value: Any, names: Sequence[str], what: str, of: str) -> Vector:
    array = _by_name(value, names, what, of)
    if (array < 0).any():
        low = int(np.argmin(array))
        raise ArgumentError(f"{what} must not be negative; {names[low]} is {array[low]:g}")
    return array


def _by_factor(value: Any, factors: Sequence[Factor], what: str) -> dict[str, Any]:
    """Entries by the factor's name; of one factor alone, the entry itself will do."""
    known = {frozenset(f.variables): f.name for f in factors}
    listed = ", ".join(f.name for f in factors)
    if not isinstance(value, Mapping):
        if len(factors) == 1:
            return {factors[0].name: value}
        if not factors and value is None:
            return {}
        raise ArgumentError(f"{what} must be given by grouping factor ({listed}), as {{name: ...}}")
    out: dict[str, Any] = {}
    for key, entry in value.items():
        names = {f.name: f.name for f in factors}
        name = names.get(str(key), known.get(frozenset(str(key).replace("/", ":").split(":"))))
        if name is None:
            raise ArgumentError(
                f"{what} names {key!r}, which is no grouping factor of the formula; there is"
                f" {listed or 'none'}"
            )
        if name in out:
            raise ArgumentError(f"{what} has two entries for {name!r}; keep one")
        out[name] = entry
    return out


def _correlations(value: Any, factor: Factor) -> Vector:
    """Correlation matrix, (k, k), from a matrix or from its free entries in lme4's order."""
    k = len(factor.names)
    what = f"cor of {factor.name!r}"
    free = [(i, j) for i, j in free_entries(factor.blocks) if i > j]
    matrix = np.eye(k)
    if value is None:
        return matrix
    array = _numbers(value, what)
    if array.ndim == 2:
        _check_matrix(array, free, factor, what)
        return array
    array = np.atleast_1d(array)
    if array.ndim != 1 or len(array) != len(free):
        if not free:
            raise ArgumentError(
                f"{what} is given, but the formula has no correlations for {factor.name!r}"
            )
        pairs = ", ".join(f"{factor.names[i]}~{factor.names[j]}" for i, j in free)
        size = "x".join(map(str, array.shape))
        many = "1 number" if len(free) == 1 else f"{len(free)} numbers"
        raise ArgumentError(f"{what} must be {many} ({pairs}) or a {k}x{k} matrix, not {size}")
    for (i, j), rho in zip(free, array, strict=True):
        if abs(rho) > 1:
            pair = f"{factor.names[i]} and {factor.names[j]}"
            raise ArgumentError(f"{what} must be between -1 and 1; that of {pair} is {rho:g}")
        matrix[i, j] = matrix[j, i] = rho
    return matrix


def _check_matrix(
    matrix: Vector, free: Sequence[tuple[int, int]], factor: Factor, what: str
) -> None:
    k = len(factor.names)
    if matrix.shape != (k, k):
        shape = "x".join(map(str, matrix.shape))
        raise ArgumentError(f"{what} must be a {k}x{k} matrix ({', '.join(factor.names)}): {shape}")
    if np.abs(matrix - matrix.T).max() > SYMMETRY or np.abs(np.diag(matrix) - 1).max() > SYMMETRY:
        raise ArgumentError(f"{what} must be a symmetric matrix with 1 on its diagonal")
    for i in range(k):
        for j in range(i):
            if matrix[i, j] != 0.0 and (i, j) not in free:
                pair = f"{factor.names[i]} and {factor.names[j]}"
                raise ArgumentError(f"{what}: {pair} are independent in the formula; put 0 there")
