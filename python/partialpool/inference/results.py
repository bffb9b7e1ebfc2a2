"""Results of tests of fixed and random effects: plain data, printed as R prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FTest:
    """An F test, as a method of inference/ computes it.

    Attributes
    ----------
    statistic
        F, before scaling.
    scaling
        Kenward-Roger's factor on F; 1 for other methods.
    ndf, ddf
        Degrees of freedom; `ddf` is infinite for an asymptotic test.
    p_value
    """

    statistic: float
    ndf: int
    ddf: float
    p_value: float
    scaling: float = 1.0


@dataclass(frozen=True, eq=False)
class AnovaTable:
    """F tests of the terms of a fixed part.

    Attributes
    ----------
    method
        First line of the print.
    terms
        Names, one a row.
    tests
        One a row.
    sigma2
        Residual variance: a mean square is F (without scaling) times it, as in lmerTest.
    contrasts
        Of each row the hypothesis L β = 0 that it tests, (q, p).
    model
        Formula printed under the heading, if any.
    notes
        Sentences printed below: cells without data.
    """

    method: str
    terms: tuple[str, ...]
    tests: tuple[FTest, ...]
    sigma2: float
    contrasts: Mapping[str, Array]
    model: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def statistic(self) -> Array:
        """F values."""
        return np.array([t.statistic * t.scaling for t in self.tests])

    @property
    def ndf(self) -> Array:
        """Numerator degrees of freedom."""
        return np.array([float(t.ndf) for t in self.tests])

    @property
    def ddf(self) -> Array:
        """Denominator degrees of freedom."""
        return np.array([t.ddf for t in self.tests])

    @property
    def p_value(self) -> Array:
        """One a row."""
        return np.array([t.p_value for t in self.tests])

    def to_frame(self) -> pd.DataFrame:
        """Columns ``term, sum_sq, mean_sq, num_df, den_df, statistic, p_value``."""
        import pandas as pd

        mean_sq = np.array([t.statistic * self.sigma2 for t in self.tests])
        return pd.DataFrame(
            {
                "term": list(self.terms),
                "sum_sq": mean_sq * self.ndf,
                "mean_sq": mean_sq,
                "num_df": self.ndf,
                "den_df": self.ddf,
                "statistic": self.statistic,
                "p_value": self.p_value,
            }
        )

    def shown_columns(self) -> dict[str, Array]:
        """Columns under R's headers."""
        frame = self.to_frame()
        header = ["Sum Sq", "Mean Sq", "NumDF", "DenDF", "F value", "Pr(>F)"]
        return {h: frame[c].to_numpy() for h, c in zip(header, frame.columns[1:], strict=True)}

    def __str__(self) -> str:
        from partialpool.tables.anova import anova_lines

        head = [self.method]
        if self.model is not None:
            head += ["", "Model:", self.model]
        return "\n".join([*head, *anova_lines(self.terms, self.shown_columns()), *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from partialpool.tables.anova import anova_cells
        from partialpool.tables.html import tables_html

        lines = [] if self.model is None else [("Model:", self.model)]
        lines += [("", note) for note in self.notes]
        cells = anova_cells(self.terms, self.shown_columns())
        return tables_html(self.method, [("", cells)], lines=lines)


@dataclass(frozen=True, eq=False)
class ContrastTest:
    """A test of linear hypotheses L β = c.

    Attributes
    ----------
    method
    statistic, ndf, ddf, p_value
        Of the joint F test (scaled, with Kenward-Roger).
    f_scaling
        Kenward-Roger's factor, 1 for other methods.
    hypotheses
        One text a row.
    contrasts, rhs
        L, (k, p), and c, (k,).
    rows
        Each row's own test: ``estimate, std_error, df, statistic, p_value``, all (k,); the
        estimate is that of Lβ, the statistic that of its difference from c.
    """

    method: str
    statistic: float
    ndf: int
    ddf: float
    p_value: float
    f_scaling: float
    hypotheses: tuple[str, ...]
    contrasts: Array
    rhs: Array
    rows: Mapping[str, Array]

    def to_frame(self) -> pd.DataFrame:
        """One row a hypothesis: ``hypothesis, estimate, std_error, df, statistic, p_value``."""
        import pandas as pd

        return pd.DataFrame({"hypothesis": list(self.hypotheses), **self.rows})

    def shown_columns(self) -> dict[str, Array]:
        """Each row's test under R's headers."""
        return {
            "Estimate": self.rows["estimate"],
            "Std. Error": self.rows["std_error"],
            "df": self.rows["df"],
            "t value": self.rows["statistic"],
            "Pr(>|t|)": self.rows["p_value"],
        }

    def joint_columns(self) -> dict[str, list[float]]:
        """The joint test under R's headers."""
        return {
            "NumDF": [float(self.ndf)],
            "DenDF": [self.ddf],
            "F value": [self.statistic],
            "Pr(>F)": [self.p_value],
        }

    def __str__(self) -> str:
        from partialpool.tables.anova import anova_lines, estimate_lines

        out = [self.method, *estimate_lines(self.hypotheses, self.shown_columns())]
        if len(self.hypotheses) > 1:
            out += ["", *anova_lines(["all together"], self.joint_columns())]
        return "\n".join(out)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from partialpool.inference.results_html import contrast_html

        return contrast_html(self)


@dataclass(frozen=True, eq=False)
class KenwardRogerTest:
    """pbkrtest's comparison of two nested fixed parts.

    Attributes
    ----------
    method
    large, small
        Formulas; `small` is None where a contrast was given.
    statistic, p_value
        Scaled F (pbkrtest's row Ftest).
    statistic_unscaled, p_value_unscaled
        Without the scaling (FtestU).
    ndf, ddf
    f_scaling
    contrasts
        L, (ndf, p).
    notes
        What was done to the models first.
    """

    method: str
    large: str
    small: str | None
    statistic: float
    p_value: float
    statistic_unscaled: float
    p_value_unscaled: float
    ndf: int
    ddf: float
    f_scaling: float
    contrasts: Array
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Rows Ftest and FtestU: ``test, statistic, ndf, ddf, f_scaling, p_value``."""
        import pandas as pd

        return pd.DataFrame(
            {
                "test": ["Ftest", "FtestU"],
                "statistic": [self.statistic, self.statistic_unscaled],
                "ndf": [self.ndf, self.ndf],
                "ddf": [self.ddf, self.ddf],
                "f_scaling": [self.f_scaling, np.nan],
                "p_value": [self.p_value, self.p_value_unscaled],
            }
        )

    def shown_columns(self) -> dict[str, Array]:
        """Columns under R's headers."""
        frame = self.to_frame()
        header = ["stat", "ndf", "ddf", "F.scaling", "p.value"]
        return {h: frame[c].to_numpy() for h, c in zip(header, frame.columns[1:], strict=True)}

    def __str__(self) -> str:
        from partialpool.tables.anova import estimate_lines

        columns = self.shown_columns()
        head = [*self.notes, self.method, f"large : {self.large}"]
        head.append(f"small : {self.small}" if self.small is not None else "small : L β = c")
        lines = estimate_lines(["Ftest", "FtestU"], columns, tests=("stat", "ndf", "ddf"))
        return "\n".join([*head, *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from partialpool.inference.results_html import kenward_roger_html

        return kenward_roger_html(self)


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """Likelihood-ratio tests between models in order of their parameters.

    Attributes
    ----------
    method
    notes
        That models were refitted by ML, and which.
    models, formulas
        Names and formulas, fewest parameters first.
    npar, aic, bic, loglik, deviance
        Of each model.
    statistic, df, p_value
        Against the model before; NaN in the first row.
    data_name
    """

    method: str
    notes: tuple[str, ...]
    models: tuple[str, ...]
    formulas: tuple[str, ...]
    npar: Array
    aic: Array
    bic: Array
    loglik: Array
    deviance: Array
    statistic: Array
    df: Array
    p_value: Array
    data_name: str | None = None

    def to_frame(self) -> pd.DataFrame:
        """``model, npar, aic, bic, loglik, deviance, statistic, df, p_value``."""
        import pandas as pd

        names = ("npar", "aic", "bic", "loglik", "deviance", "statistic", "df", "p_value")
        columns: dict[str, Any] = {name: getattr(self, name) for name in names}
        return pd.DataFrame({"model": list(self.models), **columns})

    def shown_columns(self) -> dict[str, Array]:
        """Columns under R's headers."""
        frame = self.to_frame()
        header = ["npar", "AIC", "BIC", "logLik", "deviance", "Chisq", "Df", "Pr(>Chisq)"]
        return {h: frame[c].to_numpy() for h, c in zip(header, frame.columns[1:], strict=True)}

    def __str__(self) -> str:
        from partialpool.tables.anova import anova_lines

        data = [] if self.data_name is None else [f"Data: {self.data_name}"]
        named = [f"{m}: {f}" for m, f in zip(self.models, self.formulas, strict=True)]
        lines = anova_lines(self.models, self.shown_columns())
        return "\n".join([*self.notes, *data, "Models:", *named, *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from partialpool.tables.anova import anova_cells
        from partialpool.tables.html import tables_html

        lines = [] if self.data_name is None else [("Data:", self.data_name)]
        lines += [(f"{m}:", f) for m, f in zip(self.models, self.formulas, strict=True)]
        cells = anova_cells(self.models, self.shown_columns())
        return tables_html(self.method, [("", cells)], lines=lines, notes=self.notes)


@dataclass(frozen=True, eq=False)
class RandomAnova:
    """Likelihood-ratio tests of the random terms, each reduced or left out in turn.

    Attributes
    ----------
    method
    model
        Formula of the fit.
    terms
        ``<none>`` for the fit itself, then what was taken out.
    npar, loglik, aic
        Of the fit, then of each reduced model; restricted for a REML fit.
    statistic, df, p_value
        Against the fit; NaN in the first row.
    """

    method: str
    model: str
    terms: tuple[str, ...]
    npar: Array
    loglik: Array
    aic: Array
    statistic: Array
    df: Array
    p_value: Array

    def to_frame(self) -> pd.DataFrame:
        """``term, npar, loglik, aic, statistic, df, p_value``."""
        import pandas as pd

        names = ("npar", "loglik", "aic", "statistic", "df", "p_value")
        columns: dict[str, Any] = {name: getattr(self, name) for name in names}
        return pd.DataFrame({"term": list(self.terms), **columns})

    def shown_columns(self) -> dict[str, Array]:
        """Columns under R's headers."""
        frame = self.to_frame()
        header = ["npar", "logLik", "AIC", "LRT", "Df", "Pr(>Chisq)"]
        return {h: frame[c].to_numpy() for h, c in zip(header, frame.columns[1:], strict=True)}

    def __str__(self) -> str:
        from partialpool.tables.anova import anova_lines

        head = [self.method, "", "Model:", self.model]
        return "\n".join([*head, *anova_lines(self.terms, self.shown_columns())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from partialpool.tables.anova import anova_cells
        from partialpool.tables.html import tables_html

        cells = anova_cells(self.terms, self.shown_columns())
        return tables_html(self.method, [("", cells)], lines=[("Model:", self.model)])
