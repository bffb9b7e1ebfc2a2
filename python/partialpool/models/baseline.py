"""The two baselines of partial pooling: complete pooling (`lm`) and no pooling (`lm_list`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import Coding, NaAction
from partialpool.design import Design, Frame, build_design
from partialpool.design.design import group_labels
from partialpool.design.frame import to_native
from partialpool.errors import DesignError, FormulaError
from partialpool.formula import parse_formula
from partialpool.formula.model import parse_grouped
from partialpool.models.new_rows import fixed_rows
from partialpool.models.representable import check_coefficients, check_residual

if TYPE_CHECKING:
    import pandas as pd

Vector = NDArray[np.float64]

#: R's tolerance of `lm` for a column that the earlier ones determine.
ALIAS_TOLERANCE = 1e-7
#: Residuals below this share of the response are rounding errors.
EXACT = 1e-13
#: Columns from which normal equations are tried before a QR decomposition.
MANY = 200
#: Share of the cells, one in so many, below which products skip the zeros.
SPARSE = 16
#: Reciprocal condition number of XᵀX below which its Cholesky factor loses too many digits.
NEARLY_DEPENDENT = 1e-8


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Least squares.

    Attributes
    ----------
    design
    names
        The p columns estimated.
    beta
        (p,)
    unscaled
        (XᵀWX)⁻¹, (p, p).
    fitted
        (n,), offset included.
    rss
        Weighted residual sum of squares.
    aliased
        Columns dropped as combinations of earlier ones.
    """

    design: Design
    names: tuple[str, ...]
    beta: Vector
    unscaled: Vector
    fitted: Vector
    rss: float
    aliased: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<LinearModel: {self.formula}; {self.nobs} rows>"

    @property
    def formula(self) -> str:
        """As written."""
        return self.design.formula.text

    @property
    def nobs(self) -> int:
        """Rows used."""
        return self.design.n

    @property
    def df_residual(self) -> int:
        """n - p."""
        return self.nobs - len(self.beta)

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""
        return float(np.sqrt(self.rss / self.df_residual)) if self.df_residual else float("nan")

    @property
    def fixef(self) -> pd.Series:
        """Coefficients by name."""
        import pandas as pd

        return pd.Series(self.beta, index=list(self.names), name="estimate")

    @property
    def vcov(self) -> pd.DataFrame:
        """Covariance of the coefficients."""
        import pandas as pd

        names = list(self.names)
        return pd.DataFrame(self.sigma**2 * self.unscaled, index=names, columns=names)

    @property
    def residuals(self) -> Vector:
        """Response less fitted values."""
        offset = 0.0 if self.design.offset is None else self.design.offset
        return self.design.response + offset - self.fitted

    @property
    def loglik(self) -> float:
        """Log-likelihood at its maximum."""
        n = self.nobs
        logs = 0.0 if self.design.weights is None else float(np.log(self.design.weights).sum())
        return -0.5 * (n * (1 + float(np.log(2 * np.pi * self.rss / n))) - logs)

    @property
    def npar(self) -> int:
        """Coefficients and σ."""
        return len(self.beta) + 1

    @property
    def aic(self) -> float:
        """-2 loglik + 2 npar."""
        return -2 * self.loglik + 2 * self.npar

    @property
    def bic(self) -> float:
        """-2 loglik + log(n) npar."""
        return -2 * self.loglik + float(np.log(self.nobs)) * self.npar

    @property
    def r_squared(self) -> float:
        """Share of the variance about the mean (about 0 without an intercept) explained."""
        w = 1.0 if self.design.weights is None else self.design.weights
        y = self.design.response
        centre = np.average(y, weights=self.design.weights) if "Intercept" in self.names else 0.0
        return 1.0 - self.rss / float(np.sum(w * (y - centre) ** 2))

    def predict(self, new: Any = None) -> Vector:
        """Fitted values, or those of new data: NaN where a predictor is missing.

        An offset is that of the new data, in the column that the fit was given.
        """
        if new is None:
            return self.fitted
        frame = Frame(new)
        columns, offset, missing = fixed_rows(self.design, frame)
        kept = [columns[self.design.fixed.names.index(n)] for n in self.names]
        out = np.zeros(frame.length)
        for column, b in zip(kept, self.beta, strict=True):
            out += column * b
        if offset is not None:
            out += offset
        if missing is not None:
            out[missing] = np.nan
        return out

    def coefficients(self) -> pd.DataFrame:
        """term, estimate, std_error, df, statistic, p_value."""
        import pandas as pd
        from scipy.stats import t

        se = self.sigma * np.sqrt(np.diag(self.unscaled))
        statistic = self.beta / se
        return pd.DataFrame(
            {
                "term": list(self.names),
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
    """QR of the weighted columns, aliased ones dropped in order."""
    y, n = design.response, design.n
    if not design.x:
        raise DesignError(f"`{design.formula.text}` has no column to estimate")
    x = np.column_stack([np.broadcast_to(np.asarray(c, dtype=float), (n,)) for c in design.x])
    root = np.ones(n) if design.weights is None else np.sqrt(design.weights)
    # Columns near one, by powers of two: their squares are ordinary numbers whatever their units.
    exponents = _exponents(x * root[:, None])
    scaled = np.ldexp(x, -exponents)
    kept, beta, inverse = _solution(scaled * root[:, None], y * root)
    if not kept:
        raise DesignError(f"`{design.formula.text}` has no column to estimate")
    names = design.fixed.names
    linear: Vector = np.asarray(scaled[:, kept] @ beta, dtype=np.float64)
    residual = root * (y - linear)
    size = _exponents(residual)
    unscaled, own = inverse @ inverse.T, exponents[kept]
    with np.errstate(over="ignore", under="ignore"):  # what is lost is refused below
        squares = float(np.sum(np.ldexp(residual, -size) ** 2))
        rss = float(np.ldexp(squares, 2 * size))
        unscaled = np.ldexp(unscaled, -(own[:, None] + own))
    estimated = tuple(names[j] for j in kept)
    # What is left of an exact fit is rounding, in whatever unit.
    if n > len(kept) and np.abs(residual).max() > EXACT * np.abs(y * root).max():
        sigma = float(np.ldexp(np.sqrt(squares / (n - len(kept))), size))
        response = design.formula.response_name
        check_residual(response, sigma, weighted=design.weights is not None)
        check_coefficients(estimated, sigma, np.diag(unscaled))
    return LinearModel(
        design=design,
        names=estimated,
        beta=np.ldexp(beta, -own),
        unscaled=unscaled,
        fitted=linear if design.offset is None else linear + design.offset,
        rss=rss,
        aliased=tuple(n for j, n in enumerate(names) if j not in kept),
    )


def _exponents(values: Vector) -> NDArray[np.int64]:
    """Of two, of the largest value in each column (or of all values)."""
    return np.frexp(np.abs(values).max(axis=0, initial=0.0))[1].astype(np.int64)


def _solution(x: Vector, y: Vector) -> tuple[list[int], Vector, Vector]:
    """Columns independent of the earlier ones, their coefficients, and R⁻¹ of their QR factors."""
    if x.shape[1] >= MANY:
        found = _by_products(x, y)
        if found is not None:
            return list(range(x.shape[1])), *found
    kept, q, r = _independent(x)
    beta: Vector = np.asarray(np.linalg.solve(r, q.T @ y), dtype=np.float64)
    return kept, beta, np.asarray(np.linalg.inv(r), dtype=np.float64)


def _by_products(x: Vector, y: Vector) -> tuple[Vector, Vector] | None:
    """Coefficients and R⁻¹ by the normal equations, corrected once by the residuals (Björck 1987).

    As exact as by QR where the columns are far from dependent, and None where they are not.
    """
    from scipy.linalg import get_lapack_funcs
    from scipy.sparse import csr_array

    if np.count_nonzero(x) * SPARSE < x.size:
        few = csr_array(x)
        gram, across = (few.T @ few).toarray(), few.T
    else:
        gram, across = x.T @ x, x.T
    potrf, pocon, trtri = get_lapack_funcs(("potrf", "pocon", "trtri"), (gram,))
    root, failed = potrf(gram)
    if failed:
        return None
    near, _ = pocon(root, float(np.abs(gram).sum(axis=0).max()))
    if near < NEARLY_DEPENDENT:
        return None
    inverse, _ = trtri(root)
    beta = inverse @ (inverse.T @ (across @ y))
    return beta + inverse @ (inverse.T @ (across @ (y - x @ beta))), inverse


def _independent(x: Vector) -> tuple[list[int], Vector, Vector]:
    """Columns independent of the earlier ones, and the QR factors of these."""
    q, whole = np.linalg.qr(x)
    kept = list(range(x.shape[1]))
    length = np.linalg.norm(x, axis=0)
    r = whole
    # One column at a time is left out: those after it are seen without its direction only then.
    # R has the columns' lengths and angles, and fewer rows.
    while kept:
        deficient = np.abs(np.diag(r)) <= ALIAS_TOLERANCE * length[kept[: len(r)]]
        if not deficient.any():
            break
        del kept[int(np.argmax(deficient))]
        r = np.linalg.qr(whole[:, kept])[1]
    kept = kept[: x.shape[0]]
    if len(kept) < x.shape[1]:
        q, r = np.linalg.qr(x[:, kept])
    return kept, q, r


@dataclass(frozen=True, eq=False)
class LinearModelList:
    """One regression a group.

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
        names = list(dict.fromkeys(n for m in self.models.values() for n in m.names))
        found = [dict(zip(m.names, m.beta.tolist(), strict=True)) for m in self.models.values()]
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
