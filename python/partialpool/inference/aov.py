"""Analysis of variance of a fixed-effects model, and the variance components that follow from it.

Source: Searle, Casella & McCulloch (1992), Variance Components, chapter 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import VARIANCE_METHODS, Coding, NaAction, VarianceMethod, check_choice
from partialpool.design import Design, build_design
from partialpool.design.columns import dense
from partialpool.design.frame import to_native
from partialpool.errors import DesignError, FormulaError
from partialpool.formula import Formula, parse_formula

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AovTable:
    """Sequential sums of squares, one row for each term, the residuals last.

    Attributes
    ----------
    formula
    terms
        Names of the t terms.
    df, sum_sq
        Shape (t + 1,).
    kind
        Kind of frame that came in.
    """

    formula: str
    terms: tuple[str, ...]
    df: Vector
    sum_sq: Vector
    kind: Any

    @property
    def mean_sq(self) -> Vector:
        """Sums of squares over their df, (t + 1,); NaN without df."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.df > 0, self.sum_sq / self.df, np.nan)

    @property
    def statistic(self) -> Vector:
        """F of each term, (t,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.mean_sq[:-1] / self.mean_sq[-1]

    @property
    def p_value(self) -> Vector:
        """P(F > statistic), (t,)."""
        from scipy.stats import f

        return f.sf(self.statistic, self.df[:-1], self.df[-1])

    def to_frame(self) -> Any:
        """Columns ``term, df, sum_sq, mean_sq, statistic, p_value``."""
        columns = {
            "term": [*self.terms, "Residuals"],
            "df": self.df.astype(np.int64),
            "sum_sq": self.sum_sq,
            "mean_sq": self.mean_sq,
            "statistic": np.append(self.statistic, np.nan),
            "p_value": np.append(self.p_value, np.nan),
        }
        return to_native(columns, self.kind)

    def __str__(self) -> str:
        from partialpool.inference.aov_text import aov_text

        return aov_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from partialpool.inference.aov_text import aov_html

        return aov_html(self)


def aov(
    formula: str,
    data: Any,
    *,
    weights: Any = None,
    contrasts: Mapping[str, Coding] | None = None,
    na_action: NaAction = "drop",
) -> AovTable:
    """Analysis of variance by least squares: R's ``summary(aov(formula, data))``.

    Parameters
    ----------
    formula
        Without random effects; sums of squares are sequential, in the order of the terms.
    data, weights, contrasts, na_action
        As `lmer`.
    """
    parsed = parse_formula(formula)
    if parsed.random:
        raise FormulaError(
            f"aov has no random effects, but the formula has {parsed.random[0].text}; use pp.lmer,"
            " or pp.variance_components"
        )
    design = build_design(parsed, data, weights=weights, contrasts=contrasts, na_action=na_action)
    return sequential_table(design)


def sequential_table(design: Design) -> AovTable:
    """Sums of squares of the terms in order, from columns centred at their means."""
    from partialpool.models.baseline import least_squares

    names = design.fixed.names
    model = least_squares(design)
    assert design.y is not None  # a design just read has its rows
    n, w = design.n, design.weights
    root = np.ones(n) if w is None else np.sqrt(w)
    kept = [names.index(name) for name in model.names if name != "Intercept"]
    centred = "Intercept" in model.names
    if not kept:
        raise DesignError(f"`{design.formula.text}` has no term to test beside the intercept")
    y = design.y - design.y[0] if centred else design.y
    x = dense([design.x[j] for j in kept], n)
    if centred:
        y = y - np.average(y, weights=w)
        x = x - np.average(x, axis=0, weights=w)
    q, _ = np.linalg.qr(x * root[:, None])
    target = y * root
    effects = q.T @ target
    term_of = np.array([design.fixed.term_of[j] for j in kept])
    rows = list(dict.fromkeys(term_of.tolist()))
    residual = target - q @ effects
    # what the first pass left of the columns in the residual, when y is large
    residual = residual - q @ (q.T @ residual)
    sums = [float(np.sum(effects[term_of == t] ** 2)) for t in rows]
    return AovTable(
        formula=design.formula.text,
        terms=tuple(design.fixed.term_names[t] for t in rows),
        df=np.array([*(np.sum(term_of == t) for t in rows), n - len(model.names)], dtype=float),
        sum_sq=np.array([*sums, float(residual @ residual)]),
        kind=design.kind,
    )


@dataclass(frozen=True, eq=False)
class VarianceComponents:
    """Variances of a one-way random-effects model.

    Attributes
    ----------
    formula
    method
        "anova", "reml" or "ml".
    group
        The grouping factor.
    between, within
        Variance of the group effects, which the ANOVA estimator may put below zero, and of the
        residuals.
    levels, size
        Number of groups, rows in each (of "anova"; else the mean).
    table
        The analysis of variance (of "anova").
    """

    formula: str
    method: str
    group: str
    between: float
    within: float
    levels: int
    size: float
    table: AovTable | None
    kind: Any

    @property
    def is_negative(self) -> bool:
        """Whether the estimate of the group variance is below zero."""
        return self.between < 0

    def to_frame(self) -> Any:
        """Columns ``group, variance, sd``; the sd of a negative estimate is NaN."""
        variance = np.array([self.between, self.within])
        sd = np.sqrt(np.where(variance < 0, np.nan, variance))
        columns = {"group": [self.group, "Residual"], "variance": variance, "sd": sd}
        return to_native(columns, self.kind)

    def __str__(self) -> str:
        from partialpool.inference.aov_text import components_text

        return components_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from partialpool.inference.aov_text import components_html

        return components_html(self)


def variance_components(
    formula: str, data: Any, *, method: VarianceMethod = "anova", na_action: NaAction = "drop"
) -> VarianceComponents:
    """Variance components of a one-way design ``y ~ 1 + (1 | group)``.

    Parameters
    ----------
    formula
        One random intercept, no fixed effects but the intercept.
    method
        "anova": σ² = MSE and τ² = (MSA - MSE)/n, for balanced data; the estimate of τ² is
        reported as it is, also when it is negative. "reml", "ml": of `lmer`.

    Raises
    ------
    DesignError
        By "anova", if the groups differ in size.

    Notes
    -----
    On balanced data the REML estimate is the ANOVA estimate, or 0 where that is negative.
    """
    method = check_choice(method, "method", VARIANCE_METHODS)
    parsed = parse_formula(formula)
    _check_one_way(parsed)
    design = build_design(parsed, data, na_action=na_action)
    (factor,) = design.factors
    assert design.y is not None  # a design just read has its rows
    assert factor.codes is not None
    a, n = len(factor.levels), design.n
    common = {"formula": parsed.text, "method": method, "group": factor.name, "levels": a}
    if method != "anova":
        from partialpool.models.lmer import fit_design

        fit = fit_design(design, reml=method == "reml")
        within = fit.sigma**2
        between = float(fit.terms[0].covariance[0, 0]) * within
        return VarianceComponents(
            **common, between=between, within=within, size=n / a, table=None, kind=design.kind
        )
    codes = factor.codes.astype(np.intp)
    sizes = np.bincount(codes, minlength=a)
    if sizes.min() != sizes.max():
        raise DesignError(
            f"the ANOVA estimator needs balanced data, but levels of {factor.name!r} have"
            f" {sizes.min()} to {sizes.max()} rows; use method='reml'"
        )
    size = int(sizes[0])
    y = design.y - design.y[0]
    means = np.bincount(codes, weights=y, minlength=a) / size
    means = means + np.bincount(codes, weights=y - means[codes], minlength=a) / size
    spread = means - means.mean()
    deviations = y - means[codes]
    sums = np.array([size * float(spread @ spread), float(deviations @ deviations)])
    table = AovTable(
        formula=parsed.text,
        terms=(factor.name,),
        df=np.array([a - 1.0, n - a]),
        sum_sq=sums,
        kind=design.kind,
    )
    within = float(table.mean_sq[1])
    between = (float(table.mean_sq[0]) - within) / size
    return VarianceComponents(
        **common, between=between, within=within, size=size, table=table, kind=design.kind
    )


def _check_one_way(parsed: Formula) -> None:
    random = parsed.random
    one = len(random) == 1 and random[0].products == ((),)
    if not one or parsed.fixed_products != ((),):
        raise FormulaError(
            f"`{parsed.text}` is no one-way random-effects model; write `y ~ 1 + (1 | group)`, or"
            " fit other models with pp.lmer"
        )
