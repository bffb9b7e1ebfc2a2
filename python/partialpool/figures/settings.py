"""A fit's rows moved along one predictor, the others as they are in a group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design.columns import dense, take
from partialpool.design.frame import Coded, Frame
from partialpool.design.reading import fixed_variables
from partialpool.errors import ArgumentError
from partialpool.figures.style import check_fit
from partialpool.formula import variables

if TYPE_CHECKING:
    from partialpool.models.baseline import LinearModel
    from partialpool.models.fit import MixedFit

Vector = NDArray[np.float64]

#: Rows that are predicted at once, so that a wide model matrix stays small.
TOGETHER = 50_000


@dataclass(frozen=True, eq=False)
class Settings:
    """Distinct settings of the other predictors in a group's rows, and how often each occurs.

    Attributes
    ----------
    moved
        The predictor that is moved.
    table
        The others' values, m of each.
    share
        (m,), adding up to 1.
    offset
        Mean of an offset that was given beside the formula.
    """

    moved: str
    table: dict[str, Any]
    share: Vector
    offset: float

    def rows(self, grid: Vector) -> int:
        """Values given by `at`."""
        return len(grid) * len(self.share)

    def averaged(self) -> tuple[str, ...]:
        """Predictors that take several values."""
        return tuple(k for k, v in self.table.items() if len(np.unique(v)) > 1)

    def at(self, grid: Vector) -> dict[str, Any]:
        """Every setting at every grid point, settings varying fastest."""
        out = {name: np.tile(values, len(grid)) for name, values in self.table.items()}
        return {**out, self.moved: np.repeat(grid, len(self.share))}


def averaged(
    predict: Callable[[dict[str, Any]], Vector], of: Sequence[Settings], grid: Vector
) -> list[Vector]:
    """Predictions along the grid, averaged over the settings of each group.

    Groups are predicted together, as a formula takes longer to evaluate than its rows.
    """
    out: list[Vector] = []
    start = 0
    while start < len(of):
        end, size = start, 0
        while end < len(of) and (end == start or size + of[end].rows(grid) <= TOGETHER):
            size += of[end].rows(grid)
            end += 1
        tables = [s.at(grid) for s in of[start:end]]
        heights = predict({n: np.concatenate([t[n] for t in tables]) for n in tables[0]})
        ends = np.cumsum([s.rows(grid) for s in of[start:end]])[:-1]
        for own, settings in zip(np.split(heights, ends), of[start:end], strict=True):
            out.append(own.reshape(len(grid), -1) @ settings.share + settings.offset)
        start = end
    return out


class FitRows:
    """The rows of a fit by column."""

    def __init__(self, fit: MixedFit) -> None:
        from partialpool.models.linear_mixed import LinearMixedModel

        design = check_fit(fit).design.with_rows()
        if design.source is None:
            raise ArgumentError("the figure needs the data of the fit, which a pickle leaves out")
        self._fit = fit
        self._frame = Frame(design.source)
        self._coded: dict[str, Coded] = {}
        assert design.y is not None  # with_rows() has seen to it
        self.y: Vector = design.y if design.offset is None else design.y + design.offset
        self._leveled = {name for e in design.encoders for name in e.levels}
        self._grouping = {name for f in design.factors for name in f.variables}
        names = [
            *fixed_variables(design.formula),
            *(v for t in design.formula.random for v in t.variables),
            *self._grouping,
            *(v for part in design.formula.offsets for v in variables(part)),
        ]
        self._names = tuple(dict.fromkeys(names))
        # Its mean in each group is added by `averaged`.
        beside = {k: v for k, v in design.given.items() if k != "offset"}
        self._without_offset = LinearMixedModel(
            replace(design, given=beside), fit.products, fit.optimum, reml=fit.reml
        )
        given = design.given.get("offset")
        self._given_offset = (
            None
            if given is None
            else take(
                self._frame.numeric(given) if isinstance(given, str) else np.asarray(given, float),
                design.rows,
            )
        )

    def first_numeric(self, index: int) -> str:
        """The first numeric predictor: of the factor's terms, else of the fixed part."""
        design = self._fit.design
        of_terms = [v for t in design.factors[index].terms for v in t.source.variables]
        for name in (*of_terms, *fixed_variables(design.formula)):
            if name not in self._leveled:
                return name
        raise ArgumentError(
            "the model has no numeric predictor to draw lines along; in Python another numeric"
            " column of the data can be named: fit.plot.fits(x=...)"
        )

    def numeric(self, name: str) -> Vector:
        """A numeric column's rows used, without missing values."""
        values = take(self._frame.numeric(name), self._fit.design.rows)
        if not np.isfinite(values).all():
            raise ArgumentError(f"column {name!r} has missing values in the rows of the fit")
        return values

    def _labels(self, name: str, rows: Any) -> Any:
        if name not in self._coded:
            self._coded[name] = self._frame.coded(name)
        coded = self._coded[name]
        labels = list(coded.levels)
        whole = all(isinstance(v, int) and not isinstance(v, bool) for v in labels)
        used = take(coded.codes, self._fit.design.rows)[rows]
        return np.array(labels, dtype=np.int64 if whole else object)[used]

    def settings(self, rows: Any, moved: str, most: int) -> Settings:
        """A group's rows; where more than `most` differ, that many spread over them."""
        offset = 0.0 if self._given_offset is None else float(np.mean(self._given_offset[rows]))
        table: dict[str, Any] = {}
        for name in self._names:
            if name == moved:
                continue
            if name in self._leveled or name in self._grouping:
                table[name] = self._labels(name, rows)
            else:
                table[name] = take(self._frame.numeric(name), self._fit.design.rows)[rows]
        codes = [np.unique(values, return_inverse=True)[1] for values in table.values()]
        if not codes:
            return Settings(moved, {}, np.ones(1), offset)
        _, first, count = np.unique(
            np.column_stack(codes), axis=0, return_index=True, return_counts=True
        )
        if len(first) > most:
            first = np.linspace(0, len(rows) - 1, most).round().astype(int)
            count = np.ones(most)
        return Settings(moved, {k: v[first] for k, v in table.items()}, count / count.sum(), offset)

    def heights(self, of: Sequence[Settings], grid: Vector, random: str) -> list[Vector]:
        """For each group: the model's predictions along the grid, averaged over its settings."""

        def at(rows: dict[str, Any]) -> Vector:
            return self._without_offset.predict(rows, random=random, new_levels="population")

        return averaged(at, of, grid)

    def complete_pooling(self) -> LinearModel:
        """Least squares of the fixed part."""
        from partialpool.models.baseline import least_squares

        return least_squares(self._without_offset.design)

    def pooled(self, model: LinearModel, of: Sequence[Settings], grid: Vector) -> list[Vector]:
        """For each group: complete pooling's predictions, averaged over its settings."""
        return averaged(model.predict, of, grid)

    def own_regression(
        self, index: int, rows: Any, settings: Settings, grid: Vector
    ) -> Vector | None:
        """Least squares of the group's rows on the model's columns, along the grid.

        The columns are those of the fixed part and of the factor's terms. None where no column
        varies in the group.
        """
        design = self._fit.design
        factor = design.factors[index]
        x = dense((*design.x, *factor.columns), design.n, rows)
        weights = np.ones(len(rows)) if design.weights is None else design.weights[rows]
        root = np.sqrt(weights / weights.mean())[:, None]
        scale = np.linalg.norm(x, axis=0)
        scale[scale == 0] = 1.0
        # Minimum-norm least squares: columns that do not vary in the group share one coefficient.
        y = self.y[rows] - (0.0 if design.offset is None else design.offset[rows])
        beta, _, rank, _ = np.linalg.lstsq(x * root / scale, y * root[:, 0], rcond=1e-9)
        if rank > len(rows) or rank < 1:
            return None
        frame = Frame(settings.at(grid))
        moved = [*design.fixed.of(frame), *(c for t in factor.terms for c in t.encoder.of(frame))]
        heights = dense(moved, frame.length) @ (beta / scale)
        if design.offset is not None:
            heights = heights + float(np.mean(design.offset[rows]))
        return heights.reshape(len(grid), -1) @ settings.share
