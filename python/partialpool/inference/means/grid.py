"""The reference grid: every combination of factor levels, covariates at chosen values.

Source: Searle, Speed & Milliken (1980), The American Statistician 34(4); the conventions are
those of R's emmeans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design import Design, Frame
from partialpool.errors import ArgumentError, PartialPoolError
from partialpool.formula import evaluate, variables

Vector = NDArray[np.float64]

#: Rows of a grid, and cells of its model matrix, above which it is refused.
MAX_ROWS, MAX_CELLS = 100_000, 20_000_000


@dataclass(frozen=True, eq=False)
class ReferenceGrid:
    """Predictors of the fixed part at reference values.

    Attributes
    ----------
    levels
        Values of each predictor; the grid is their product, the first one running fastest.
    factors
        Predictors that are factors, and covariates of two values, which count as such.
    rows
        Rows of the model matrix, all columns of the fixed part, (m, P).
    offset
        Offset of each row, (m,).
    """

    levels: Mapping[str, tuple[Any, ...]]
    factors: frozenset[str]
    rows: Vector
    offset: Vector

    def average(self, keep: Sequence[str]) -> tuple[dict[str, tuple[Any, ...]], Vector, Vector]:
        """Mean over every predictor that is not kept, each combination weighing the same.

        Returns
        -------
        labels, rows, offset
            Values of the kept predictors for each of the r rows left, the last one running
            slowest; (r, P); (r,).
        """
        names = list(self.levels)
        shape = [len(self.levels[n]) for n in reversed(names)]
        axis = {n: len(names) - 1 - i for i, n in enumerate(names)}
        drop = tuple(axis[n] for n in names if n not in keep)
        rows = self.rows.reshape(*shape, -1).mean(axis=drop)
        offset = self.offset.reshape(shape).mean(axis=drop)
        left = [n for n in reversed(names) if n in keep]
        order = [left.index(n) for n in reversed(keep)]
        rows = rows.transpose(*order, len(order)).reshape(-1, self.rows.shape[1])
        return (
            grid_columns({n: self.levels[n] for n in keep}),
            rows,
            offset.transpose(order).ravel(),
        )


def grid_columns(levels: Mapping[str, Sequence[Any]]) -> dict[str, tuple[Any, ...]]:
    """Columns of the product of levels, the first running fastest."""
    out: dict[str, tuple[Any, ...]] = {}
    total, before = prod(len(v) for v in levels.values()), 1
    for name, values in levels.items():
        cycle = [v for v in values for _ in range(before)]
        out[name] = tuple(cycle * (total // len(cycle)))
        before *= len(values)
    return out


#: Half the distance of a covariate's two values, beside its mean, below which rounding shows.
NEGLIGIBLE = 1e-8


def _either_side(mean: float, values: Vector) -> tuple[float, float]:
    """The mean minus and plus one; where one is nothing beside the mean, a power of two near the
    standard deviation.
    """
    half = 1.0
    if half < NEGLIGIBLE * abs(mean):
        unit = float(np.abs(values).max())
        half = float(np.ldexp(1.0, np.frexp(np.std(values / unit) * unit)[1] - 1))
    return mean - half, mean + half


def reference_grid(
    design: Design,
    at: Mapping[str, Any] | None = None,
    *,
    spread: bool = False,
    single: Sequence[str] = (),
) -> ReferenceGrid:
    """The reference grid of a model.

    Parameters
    ----------
    design
    at
        Values of predictors: levels of a factor, numbers of a covariate.
    spread
        Put covariates at their mean minus and plus one (for `joint_tests`).
    single
        Covariates held at their mean although they have two values only.

    Raises
    ------
    ArgumentError
        For names that are no predictors and levels that do not exist.
    """
    known = predictors(design)
    given = _read_at(design, at, known)
    levels: dict[str, tuple[Any, ...]] = {}
    factors = set()
    for name in known:
        own = _factor_levels(design, name)
        if own is not None:
            factors.add(name)
            levels[name] = given.get(name, own)
        elif name in given:
            levels[name] = given[name]
        else:
            values = covariate_values(design, name)
            pair = _two_values(values)
            if pair is not None and name not in single:
                factors.add(name)
                levels[name] = pair
            else:
                mean = float(np.mean(values))
                levels[name] = _either_side(mean, values) if spread else (mean,)
    size, width = prod(len(v) for v in levels.values()), len(design.fixed.names)
    if size * max(width, 1) > MAX_CELLS or size > MAX_ROWS:
        raise ArgumentError(
            f"the reference grid has {size:,} rows of {width} columns, more than {MAX_ROWS:,} rows"
            f" or {MAX_CELLS:,} cells; hold predictors at fewer values with at={{...}}"
        )
    rows, offset = model_rows(design, grid_columns(levels), size)
    return ReferenceGrid(levels, frozenset(factors), rows, offset)


def predictors(design: Design) -> tuple[str, ...]:
    """Variables of the fixed part and of offsets in the formula."""
    extra = (v for part in design.formula.offsets for v in variables(part))
    return tuple(dict.fromkeys((*design.fixed.variables, *extra)))


def model_rows(
    design: Design, columns: Mapping[str, Sequence[Any]], size: int
) -> tuple[Vector, Vector]:
    """Rows of the model matrix for given predictors, (size, P), and their offset, (size,)."""
    table: dict[str, Any] = {}
    for name, values in columns.items():
        if _factor_levels(design, name) is None:
            table[name] = np.array(values, dtype=np.float64)
        else:
            table[name] = np.empty(len(values), dtype=object)
            table[name][:] = values
            kinds = {type(v) for v in values}
            if kinds == {int} or kinds == {float}:
                table[name] = np.array(values)
    if not table:
        table["__rows__"] = np.zeros(size)
    frame = Frame(table)
    rows = np.empty((size, len(design.fixed.names)))
    for j, column in enumerate(design.fixed.of(frame)):
        rows[:, j] = column
    offset = np.full(size, _given_offset(design))
    for part in design.formula.offsets:
        offset = offset + evaluate(part, {v: frame.numeric(v) for v in variables(part)})
    return rows, offset


def _given_offset(design: Design) -> float:
    """Mean of the offset that was given as an argument, not in the formula."""
    if "offset" not in design.given:
        return 0.0
    if design.offset is None:
        raise ArgumentError(
            "the rows of this fit are not at hand, so the mean of its offset is not known; load it"
            " with them: pp.load(path, data=...)"
        )
    total = float(np.mean(design.offset))
    for part in design.formula.offsets:
        values = {v: covariate_values(design, v) for v in variables(part)}
        total -= float(np.mean(evaluate(part, values)))
    return total


def _factor_levels(design: Design, name: str) -> tuple[Any, ...] | None:
    levels = getattr(design.fixed, "levels", {})
    return tuple(levels[name]) if name in levels else None


def covariate_values(design: Design, name: str) -> Vector:
    """A covariate in the rows used."""
    if design.source is not None:
        values = Frame(design.source).numeric(name)
        return values if design.rows is None else values[design.rows]
    if name in design.fixed.names and design.x:
        column = design.x[design.fixed.names.index(name)]
        if isinstance(column, np.ndarray):
            return column
    raise ArgumentError(
        f"the data of this fit are not at hand, so the mean of {name!r} is not known; give a value:"
        f" at={{{name!r}: ...}}"
    )


def _two_values(values: Vector) -> tuple[float, float] | None:
    low, high = float(np.min(values)), float(np.max(values))
    if low < high and bool(np.all((values == low) | (values == high))):
        return low, high
    return None


def _read_at(
    design: Design, at: Mapping[str, Any] | None, known: Sequence[str]
) -> dict[str, tuple[Any, ...]]:
    out: dict[str, tuple[Any, ...]] = {}
    if at is not None and not isinstance(at, Mapping):
        raise ArgumentError(f"at must be a dict of values by predictor, not {type(at).__name__}")
    for name, given in (at or {}).items():
        if name not in known:
            raise ArgumentError(
                f"at: {name!r} is no predictor of the fixed part; it has {_listed(known)}"
            )
        if _length(given) > MAX_ROWS:
            raise ArgumentError(
                f"at: {_length(given):,} values are given for {name!r}, more than the"
                f" {MAX_ROWS:,} rows that a reference grid may have; give fewer"
            )
        values = [given] if isinstance(given, str) or np.ndim(given) == 0 else list(given)
        if not values:
            raise ArgumentError(f"at: no value is given for {name!r}")
        levels = _factor_levels(design, name)
        if levels is None:
            out[name] = tuple(_number(name, v) for v in values)
            continue
        by_text = {str(v): v for v in levels}
        for value in values:
            if str(value) not in by_text:
                raise ArgumentError(
                    f"at: {name!r} has no level {str(value)!r}; it has {_listed(by_text)}"
                )
        out[name] = tuple(by_text[str(v)] for v in values)
    return out


def _length(given: Any) -> int:
    """How many values are given; 1 of what has no length, as text and arrays of no axis."""
    try:
        return 1 if isinstance(given, str) else len(given)
    except TypeError:
        return 1


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ArgumentError(f"at: {name!r} is numeric, but got {value!r}") from None
    if not np.isfinite(number):
        raise ArgumentError(f"at: {name!r} must be finite, not {value!r}")
    return number


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(repr(str(n)) for n in list(names)[:10]) or "none"


def slope_rows(design: Design, grid: ReferenceGrid, var: str) -> Vector:
    """Derivatives of the model rows in a covariate, at each row of the grid, (m, P).

    Central differences with one Richardson step: exact for polynomials to the fourth degree.
    """
    columns = grid_columns(grid.levels)
    size = len(grid.rows)
    at = np.array(columns[var])
    try:
        values = covariate_values(design, var)
        width = float(np.max(values) - np.min(values))
    except PartialPoolError:
        width = max(1.0, float(np.abs(at).max()))
    step = 1e-3 * width

    def difference(h: float) -> Vector:
        up, _ = model_rows(design, {**columns, var: tuple(at + h)}, size)
        down, _ = model_rows(design, {**columns, var: tuple(at - h)}, size)
        return (up - down) / (2 * h)

    return (4 * difference(step / 2) - difference(step)) / 3
