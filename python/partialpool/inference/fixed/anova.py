"""F tables of the terms of a fixed part: lmerTest's ``anova`` and ``drop1`` of one fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import Ddf
from partialpool.errors import ArgumentError
from partialpool.inference.fixed.deletions import deletions, empty_cells
from partialpool.inference.fixed.f_statistic import FTest
from partialpool.inference.fixed.hypotheses import Hypotheses, hypotheses
from partialpool.inference.fixed.wald import METHODS, check_ddf, f_test

if TYPE_CHECKING:
    import pandas as pd

    from partialpool.models.fit import MixedFit

Array = NDArray[np.float64]

ROMAN = {1: "I", 2: "II", 3: "III"}
TYPES = {1: 1, 2: 2, 3: 3, "1": 1, "2": 2, "3": 3, "I": 1, "II": 2, "III": 3}


@dataclass(frozen=True, eq=False)
class AnovaTable:
    """F tests of the terms of a fixed part.

    Attributes
    ----------
    method
        First line of the print.
    terms
        Names, one per row.
    tests
        One per row.
    sigma2
        Residual variance: a mean square is F (without scaling) times it, as in lmerTest.
    contrasts
        The hypothesis L β = 0 that each row tests, (q, p).
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
        """One per row."""
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


def anova(fit: MixedFit, type_: Any = 3, ddf: Ddf = "satterthwaite") -> AnovaTable:
    """Tests of the terms of the fixed part.

    Parameters
    ----------
    type_
        1: each term after those before it; 2: after all but those that contain it; 3: averages
        over the cells of a balanced design, the same under every coding of the factors.
    ddf
        "satterthwaite", "kenward-roger" (REML fits) or "asymptotic" (infinite denominator df).

    References
    ----------
    Kuznetsova, Brockhoff & Christensen (2017), J. Stat. Software 82(13).
    """
    chosen = TYPES.get(type_) if isinstance(type_, int | str) else None
    if chosen is None or isinstance(type_, bool):
        raise ArgumentError(f"type must be 1, 2 or 3, not {type_!r}")
    ddf = check_ddf(fit, ddf)
    method = METHODS[ddf]
    heading = f"Type {ROMAN[chosen]} Analysis of Variance Table with {method}"
    tested = hypotheses(fit, chosen)
    notes: tuple[str, ...] = ()
    if chosen == 3 and (empty := empty_cells(fit)):
        notes = (
            f"Missing cells for: {', '.join(empty)}. Interpret type III hypotheses with care.",
        )
    return _table(fit, heading, tested, ddf, notes=notes)


def drop1(fit: MixedFit, ddf: Ddf = "satterthwaite") -> AnovaTable:
    """Tests of each term that is part of no other, as if it were dropped from the model."""
    ddf = check_ddf(fit, ddf)
    method = METHODS[ddf]
    chosen = deletions(fit)
    heading = f"Single term deletions using {method}:"
    return _table(fit, heading, chosen, ddf, model=fit.formula)


def _table(
    fit: MixedFit,
    heading: str,
    tested: Hypotheses,
    ddf: Ddf,
    *,
    model: str | None = None,
    notes: tuple[str, ...] = (),
) -> AnovaTable:
    return AnovaTable(
        method=heading,
        terms=tuple(tested),
        tests=tuple(_test(fit, rows, ddf) for rows in tested.values()),
        sigma2=fit.sigma**2,
        contrasts=tested,
        model=model,
        notes=notes,
    )


def _test(fit: MixedFit, rows: Any, ddf: Ddf) -> FTest:
    if len(rows) == 0:  # nothing of the term is not in the others, too
        return FTest(np.nan, 0, np.nan, np.nan)
    return f_test(fit, rows, ddf)
