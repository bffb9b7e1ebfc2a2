"""Linear functions of the fixed effects with names, and contrasts among them.

Sources: Searle, Speed & Milliken (1980), The American Statistician 34(4); R's emmeans, whose
conventions and layout are followed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import Adjustment, check_level
from partialpool.cached import cached_property
from partialpool.design.frame import to_native
from partialpool.errors import ArgumentError
from partialpool.inference.fixed.fixed_part import FixedPart
from partialpool.inference.fixed.units import quadratic_forms
from partialpool.inference.means.contrasts import Contrasts, contrast_set
from partialpool.inference.means.multiplicity import (
    adjusted_p,
    check_adjust,
    critical_value,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MarginalMeans:
    """Linear functions of the fixed effects with names: means, trends or contrasts.

    Attributes
    ----------
    part
        The model's fixed part.
    labels
        Columns that name the m rows: predictors, or "contrast".
    by
        Columns that split the rows into families.
    rows
        Coefficients on all columns of the fixed part, (m, P).
    offset
        Added to the estimates, (m,).
    name
        What is estimated: "emmean", "x.trend" or "estimate".
    level
        Level of the intervals.
    adjust, family, pairwise
        Adjustment for several comparisons, the number of means compared in each family, and
        whether the rows are all their pairwise differences.
    null
        Value that is tested.
    show_interval, show_test
        What is shown: confidence limits; t (or z) and p.
    averaged
        Factors that were averaged over.
    notes
        Sentences printed under the table.
    """

    part: FixedPart
    labels: Mapping[str, tuple[Any, ...]]
    by: tuple[str, ...]
    rows: Vector
    offset: Vector
    name: str
    level: float = 0.95
    adjust: Adjustment = "none"
    family: int = 1
    pairwise: bool = False
    null: float = 0.0
    show_interval: bool = True
    show_test: bool = False
    averaged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    # ---- numbers ---------------------------------------------------------------------------

    @cached_property
    def _kept(self) -> Vector:
        rows = self.rows[:, list(self.part.kept)].copy()
        rows[~self.part.estimable(self.rows)] = np.nan
        return rows

    @cached_property
    def estimate(self) -> Vector:
        """Estimates, (m,); NaN where the data do not determine them."""
        return self._kept @ self.part.beta + self.offset

    @cached_property
    def vcov(self) -> Vector:
        """Covariance of the estimates, (m, m)."""
        return self._kept @ self.part.vcov @ self._kept.T

    @cached_property
    def std_error(self) -> Vector:
        """Standard errors, (m,)."""
        std_error = np.sqrt(np.maximum(quadratic_forms(self._kept, self.part.vcov), 0.0))
        return np.where(self.part.hidden(self._kept), np.nan, std_error)

    @cached_property
    def df(self) -> Vector:
        """Degrees of freedom, (m,); infinite for the normal approximation."""
        return np.array(
            [np.nan if np.isnan(row).any() else self.part.df(row) for row in self._kept]
        )

    @cached_property
    def statistic(self) -> Vector:
        """(estimate - null) / standard error."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return (self.estimate - self.null) / self.std_error

    @cached_property
    def p_value(self) -> Vector:
        """Two-sided p-values, adjusted within each family."""
        out = np.empty(len(self.estimate))
        for rows in self.families():
            out[rows] = adjusted_p(
                self.statistic[rows], self.df[rows], self.used_adjust, self.family
            )
        return out

    @cached_property
    def half_width(self) -> Vector:
        """Half of each interval's width, adjusted within each family."""
        out = np.empty(len(self.estimate))
        for rows in self.families():
            out[rows] = critical_value(self.level, self.df[rows], self.used_adjust, self.family)
        return out * self.std_error

    @property
    def used_adjust(self) -> Adjustment:
        """The adjustment; Šidák's where Tukey's was asked for what are not pairwise differences."""
        return "sidak" if self.adjust == "tukey" and not self.pairwise else self.adjust

    def families(self) -> list[NDArray[np.intp]]:
        """Rows of each combination of the `by` columns."""
        keys = list(zip(*(self.labels[b] for b in self.by), strict=True)) if self.by else []
        if not keys:
            return [np.arange(len(self.rows))]
        groups: dict[Any, list[int]] = {}
        for i, key in enumerate(keys):
            groups.setdefault(key, []).append(i)
        return [np.array(rows) for rows in groups.values()]

    # ---- what can be asked -----------------------------------------------------------------

    def contrast(
        self,
        method: Contrasts = "pairwise",
        *,
        by: str | Sequence[str] | None = None,
        adjust: Adjustment | None = None,
        ref: Any = None,
    ) -> MarginalMeans:
        """Contrasts among the rows, within each combination of `by`.

        Parameters
        ----------
        method
            "pairwise", "revpairwise", "trt_vs_ctrl", "poly"; a dict {name: coefficients}; or a
            matrix with a row for each contrast.
        by
            Columns to compare within; default those of the means.
        adjust
            "tukey", "dunnettx", "holm", "bonferroni", "sidak", "none"; default the method's own.
        ref
            Of "trt_vs_ctrl": the control's label or position; default the first.
        """
        by_names = self.by if by is None else read_names(by, "by")
        for name in by_names:
            if name not in self.labels:
                raise ArgumentError(
                    f"by: there is no column {name!r}; there are {listed(self.labels)}"
                )
        own = [n for n in self.labels if n not in by_names]
        texts = self._texts(own)
        if len(own) == 1 and ref is not None:
            plain = {level_text(v): t for v, t in zip(self.labels[own[0]], texts, strict=True)}
            ref = plain.get(str(ref), ref)
        groups = replace(self, by=by_names).families()
        columns: dict[str, list[Any]] = {"contrast": [], **{n: [] for n in by_names}}
        rows, offset = [], []
        first = None
        for group in groups:
            chosen = contrast_set(method, [texts[i] for i in group], ref)
            first = first or chosen
            columns["contrast"] += chosen.names
            for n in by_names:
                columns[n] += [self.labels[n][group[0]]] * len(chosen.names)
            rows.append(_combine(chosen.coefficients, self.rows[group]))
            offset.append(chosen.coefficients @ self.offset[group])
        assert first is not None  # there is always at least one group
        return replace(
            self,
            labels={n: tuple(v) for n, v in columns.items()},
            by=by_names,
            rows=np.vstack(rows),
            offset=np.concatenate(offset),
            name="estimate",
            adjust=first.adjust if adjust is None else check_adjust(adjust),
            family=len(groups[0]),
            pairwise=first.pairs,
            null=0.0,
            show_interval=False,
            show_test=True,
        )

    def pairs(
        self, *, by: str | Sequence[str] | None = None, adjust: Adjustment | None = None
    ) -> MarginalMeans:
        """All pairwise differences, with `by` and `adjust` as for `contrast`."""
        return self.contrast("pairwise", by=by, adjust=adjust)

    def confint(
        self, level: float | None = None, adjust: Adjustment | None = None
    ) -> MarginalMeans:
        """The same rows, shown with confidence limits."""
        return replace(
            self,
            show_interval=True,
            show_test=False,
            level=self.level if level is None else check_level(level),
            adjust=self.adjust if adjust is None else check_adjust(adjust),
        )

    def test(self, null: float = 0.0, adjust: Adjustment | None = None) -> MarginalMeans:
        """The same rows, shown with tests of their being equal to `null`."""
        if not isinstance(null, int | float) or not np.isfinite(null):
            raise ArgumentError(f"null must be a number, not {null!r}")
        return replace(
            self,
            show_interval=False,
            show_test=True,
            null=float(null),
            adjust=self.adjust if adjust is None else check_adjust(adjust),
        )

    def _texts(self, names: Sequence[str]) -> list[str]:
        """Labels of rows as they stand in the names of contrasts."""
        parts = []
        for name in names:
            values = [level_text(v) for v in self.labels[name]]
            bare = name != "contrast" and all(_is_number(v) for v in values)
            parts.append([f"{name}{v}" if bare else v for v in values])
        texts = [" ".join(p) for p in zip(*parts, strict=True)] if parts else [""] * len(self.rows)
        return [f"({t})" if " - " in t else t for t in texts]

    # ---- views -----------------------------------------------------------------------------

    def to_frame(self) -> Any:
        """A frame of the kind that came in.

        Columns: the labels, ``estimate, std_error, df``, then ``conf_low, conf_high`` or
        ``statistic, p_value``.
        """
        columns: dict[str, Any] = {n: list(v) for n, v in self.labels.items()}
        columns |= {"estimate": self.estimate, "std_error": self.std_error, "df": self.df}
        if self.show_interval:
            columns["conf_low"] = self.estimate - self.half_width
            columns["conf_high"] = self.estimate + self.half_width
        if self.show_test:
            columns["statistic"] = self.statistic
            columns["p_value"] = self.p_value
        return to_native(columns, self.part.design.kind)

    def __getitem__(self, column: str) -> Any:
        """A column of `to_frame`, as ``means["estimate"]``."""
        frame = self.to_frame()
        names = list(getattr(frame, "column_names", frame.columns))
        if column not in names:
            raise ArgumentError(f"there is no column {column!r}; there are {', '.join(names)}")
        return frame[column]

    def plot(
        self, *, figsize: tuple[float, float] | None = None, ax: Axes | None = None
    ) -> Figure | Axes:
        """Estimates with their intervals (see `partialpool.figures.means.plot_means`)."""
        from partialpool.figures.means import plot_means

        return plot_means(self, figsize=figsize, ax=ax)

    def __str__(self) -> str:
        from partialpool.inference.means.text import means_text

        return means_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from partialpool.inference.means.html import means_html

        return means_html(self)


def level_text(value: Any) -> str:
    """A level as text: whole numbers without a point, others to seven digits as in R."""
    if isinstance(value, float):
        return f"{value:.7g}"
    return str(value)


def read_names(given: str | Sequence[str] | None, what: str) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, str | Sequence):
        raise ArgumentError(f"{what} must be names of predictors, not {given!r}")
    names = (given,) if isinstance(given, str) else tuple(given)
    for name in names:
        if not isinstance(name, str):
            raise ArgumentError(f"{what} must be names of predictors, not {name!r}")
    if len(set(names)) < len(names):
        raise ArgumentError(f"{what} names a predictor twice: {listed(names)}")
    return names


def _combine(coefficients: Vector, rows: Vector) -> Vector:
    """Contrasts of rows; a row that is NaN matters only where its coefficient is not zero."""
    unknown: NDArray[np.bool_] = np.any(np.isnan(rows), axis=1)
    out = coefficients @ np.nan_to_num(rows)
    lost = np.abs(coefficients) @ np.where(unknown, 1.0, 0.0)
    out[np.flatnonzero(lost)] = np.nan
    return out


def listed(names: Any) -> str:
    return ", ".join(repr(str(n)) for n in names) or "none"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
