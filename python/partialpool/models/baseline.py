"""The two baselines of partial pooling: complete pooling (`lm`) and no pooling (`lm_list`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import Coding, NaAction, check_choice
from partialpool.design import Design, Frame, build_design
from partialpool.design.design import group_labels
from partialpool.design.frame import to_native
from partialpool.errors import DesignError, FormulaError
from partialpool.formula import parse_formula
from partialpool.formula.model import parse_grouped
from partialpool.hints import knows_foreign_arguments
from partialpool.models.fit import Fit
from partialpool.models.least_squares import LeastSquares, solve
from partialpool.models.new_rows import fixed_rows

if TYPE_CHECKING:
    import pandas as pd

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class LinearModel(Fit):
    """Least squares.

    Attributes
    ----------
    design
    solution
        What least squares found.
    """

    design: Design
    solution: LeastSquares

    def __repr__(self) -> str:
        return f"<LinearModel: {self.formula}; {self.nobs} rows>"

    @property
    def family(self) -> str:
        """Distribution of the response given the linear predictor."""
        return "gaussian"

    @property
    def kept(self) -> tuple[int, ...]:
        """Which columns of the design's fixed part were estimated, p of them."""
        return self.solution.kept

    @property
    def names(self) -> tuple[str, ...]:
        """The p columns estimated: `fixed_names`."""
        return self.fixed_names

    @property
    def beta(self) -> Vector:
        """Coefficients as an array, shape (p,)."""
        return self.solution.beta

    @property
    def unscaled_covariance(self) -> Vector:
        """(XᵀWX)⁻¹, (p, p)."""
        return self.solution.unscaled_covariance

    @property
    def unscaled(self) -> Vector:
        """(XᵀWX)⁻¹, (p, p): `unscaled_covariance`."""
        return self.unscaled_covariance

    @property
    def rss(self) -> float:
        """Weighted residual sum of squares."""
        return self.solution.rss

    @property
    def df_residual(self) -> int:
        """n - p."""
        return self.nobs - len(self.beta)

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""
        return float(np.sqrt(self.rss / self.df_residual)) if self.df_residual else float("nan")

    @property
    def loglik(self) -> float:
        """Log-likelihood at its maximum."""
        n = self.nobs
        logs = 0.0 if self.design.weights is None else float(np.log(self.design.weights).sum())
        return -0.5 * (n * (1 + float(np.log(2 * np.pi * self.rss / n))) - logs)

    @property
    def ml_loglik(self) -> float:
        """Log-likelihood at its maximum: `loglik`."""
        return self.loglik

    @property
    def npar(self) -> int:
        """Coefficients and σ."""
        return len(self.beta) + 1

    @property
    def r_squared(self) -> float:
        """Share of the variance about the mean (about 0 without an intercept) explained."""
        w = 1.0 if self.design.weights is None else self.design.weights
        y = self.design.response
        centre = (
            np.average(y, weights=self.design.weights) if "Intercept" in self.fixed_names else 0.0
        )
        return 1.0 - self.rss / float(np.sum(w * (y - centre) ** 2))

    def predict(self, new: Any = None) -> Vector:
        """Fitted values, or those of new data: NaN where a predictor is missing.

        An offset is that of the new data, in the column that the fit was given.
        """
        if new is None:
            linear, offset = self.solution.linear, self.design.offset
            return linear.copy() if offset is None else linear + offset
        frame = Frame(new)
        columns, offset, missing = fixed_rows(self.design, frame)
        out = np.zeros(frame.length)
        for i, b in zip(self.kept, self.beta, strict=True):
            out += columns[i] * b
        if offset is not None:
            out += offset
        if missing is not None:
            out[missing] = np.nan
        return out

    def linear_predictor(self, rows: Any = None, random: str = "all") -> Vector:
        """X β plus offset of the rows of the fit, or of a table: `predict`; there is no Z b."""
        check_choice(random, "random", ("all", "none"))
        return self.predict(rows)

    def simulate(self, n: int = 1, *, seed: Any = None) -> Any:
        """Responses drawn from the fitted model: a frame of nobs rows, columns sim_1 … sim_n."""
        from partialpool.models.simulation import simulate

        return simulate(self, n, seed)

    def refit(self, y: Any) -> LinearModel:
        """The same model of another response, one value per row used or per row of the data."""
        from partialpool.models.refitting import with_response

        return least_squares(with_response(self.design, y))

    def coefficients(self) -> pd.DataFrame:
        """term, estimate, std_error, df, statistic, p_value."""
        import pandas as pd
        from scipy.stats import t

        se = self.sigma * np.sqrt(np.diag(self.unscaled_covariance))
        statistic = self.beta / se
        return pd.DataFrame(
            {
                "term": list(self.fixed_names),
                "estimate": self.beta,
                "std_error": se,
                "df": float(self.df_residual),
                "statistic": statistic,
                "p_value": 2 * t.sf(np.abs(statistic), self.df_residual),
            }
        )

    def summary(self) -> LinearModel:
        """What `print` shows: the model itself, as R users ask for it."""
        return self

    def __str__(self) -> str:
        from partialpool.models.baseline_text import lm_text

        return lm_text(self)

    def _repr_html_(self) -> str:
        from partialpool.models.baseline_text import lm_html

        return lm_html(self)


@knows_foreign_arguments
def lm(
    formula: str,
    data: Any,
    *,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Coding] | None = None,
    na_action: NaAction = "drop",
) -> LinearModel:
    """Complete pooling: least squares without random effects (arguments as `lmer`)."""
    parsed = parse_formula(formula)
    if parsed.random:
        bar = parsed.random[0].text
        raise FormulaError(f"lm has no random effects, but the formula has {bar}; use pp.lmer")
    design = build_design(
        parsed, data, weights=weights, offset=offset, contrasts=contrasts, na_action=na_action
    )
    return least_squares(design)


def least_squares(design: Design) -> LinearModel:
    """Fit a design that is already read."""
    return LinearModel(design, solve(design))


@dataclass(frozen=True, eq=False)
class LinearModelList:
    """One regression per group.

    Not a `Fit` but many: each of `models` answers what a fit does, and the list has no likelihood,
    covariance or predictions of its own.

    Attributes
    ----------
    formula
        As written.
    group
        Name of the grouping factor.
    models
        By level; groups too small for the model are in `failed`.
    failed
        By level, why there is no regression.
    kind
        Kind of table that came in.
    """

    formula: str
    group: str
    models: Mapping[Any, LinearModel]
    failed: Mapping[Any, str]
    kind: Any

    def __repr__(self) -> str:
        return f"<LinearModelList: {self.formula}; {len(self.models)} groups>"

    def coef(self) -> Any:
        """Coefficients by level, NaN where a group cannot give one: a frame."""
        names = list(dict.fromkeys(n for m in self.models.values() for n in m.fixed_names))
        found = [
            dict(zip(m.fixed_names, m.beta.tolist(), strict=True)) for m in self.models.values()
        ]
        columns = {name: [f.get(name, float("nan")) for f in found] for name in names}
        return to_native(columns, self.kind, index=("level", list(self.models)))

    @property
    def sigma(self) -> float:
        """Pooled residual standard deviation."""
        df = sum(m.df_residual for m in self.models.values())
        return float(np.sqrt(sum(m.rss for m in self.models.values()) / df)) if df else float("nan")

    def __str__(self) -> str:
        lines = [f"Separate linear models by {self.group}", f"Formula: {self.formula}", ""]
        lines.append(str(self.coef()))
        return "\n".join([*lines, *self.failures])

    @property
    def failures(self) -> list[str]:
        """A line for each group without a regression."""
        return [f"no regression for {level}: {why}" for level, why in self.failed.items()]

    def _repr_html_(self) -> str:
        from partialpool.models.baseline_text import lm_list_html

        return lm_list_html(self)


@knows_foreign_arguments
def lm_list(formula: str, data: Any, *, na_action: NaAction = "drop") -> LinearModelList:
    """No pooling: a separate regression in each group, ``"Reaction ~ Days | Subject"``.

    Groups share one encoding of factors and transforms, so that their coefficients mean the same.
    """
    parsed, group = parse_grouped(formula)
    frame = Frame(data)
    design = build_design(
        replace(parsed, variables=(*parsed.variables, *group)), frame, na_action=na_action
    )
    coded = group_labels(frame, group, design.rows)
    models: dict[Any, LinearModel] = {}
    failed: dict[Any, str] = {}
    y = design.response
    order = np.argsort(coded.codes, kind="stable")
    ends = np.cumsum(np.bincount(coded.codes, minlength=len(coded.levels)))[:-1]
    for level, rows in zip(coded.levels, np.split(order, ends), strict=True):
        part = replace(
            design,
            y=y[rows],
            x=tuple(c[rows] if isinstance(c, np.ndarray) else c for c in design.x),
            offset=None if design.offset is None else design.offset[rows],
            rows=rows,
        )
        try:
            models[level] = least_squares(part)
        except DesignError as error:
            failed[level] = str(error)
    return LinearModelList(" ".join(formula.split()), ":".join(group), models, failed, frame.kind)
