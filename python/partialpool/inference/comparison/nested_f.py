"""pbkrtest's comparison of nested fixed parts: F tests by Kenward and Roger's method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.errors import ArgumentError
from partialpool.inference.comparison.comparable import check_same_data, check_same_offset
from partialpool.inference.comparison.nesting import restriction
from partialpool.inference.fixed.independence import independent_rows
from partialpool.inference.fixed.kenward_roger import kenward_roger
from partialpool.inference.fixed.linear_hypotheses import read_hypothesis
from partialpool.models.fit import Fit, MixedFit
from partialpool.models.native import fit_native

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


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
        from partialpool.tables.anova import estimate_cells
        from partialpool.tables.html import tables_html

        cells = estimate_cells(
            ["Ftest", "FtestU"], self.shown_columns(), tests=("stat", "ndf", "ddf")
        )
        small = "L β = c" if self.small is None else self.small
        lines = [("large:", self.large), ("small:", small)]
        return tables_html(self.method, [("", cells)], lines=lines, notes=self.notes)


def kr_test(large: MixedFit, small: Any) -> KenwardRogerTest:
    """Test the fixed effects that `large` has and `small` has not.

    Parameters
    ----------
    large
        A fit of `lmer`; one by ML is fitted again by REML first.
    small
        A fit to the same rows with a smaller fixed part, or a hypothesis about the fixed effects
        of `large` as `LinearMixedModel.test` takes it: contrasts of shape (k, p), text, names.

    Returns
    -------
    KenwardRogerTest
        The scaled F test (pbkrtest's Ftest) and the unscaled one (FtestU).

    References
    ----------
    Kenward & Roger (1997), Biometrics 53; Halekoh & Højsgaard (2014), J. Stat. Software 59(9).
    """
    if not isinstance(large, MixedFit):
        raise ArgumentError(f"kr_test needs a fit of pp.lmer, not {type(large).__name__}")
    if isinstance(small, Fit):
        check_same_data([large, small])
        if len(small.fixef) > len(large.beta):
            raise ArgumentError(
                f"`{small.formula}` has more fixed effects than `{large.formula}`; give the larger"
                " model first"
            )
        check_same_offset(large, small)
        contrasts = restriction(large, small)
        rhs = np.zeros(len(contrasts))
        if not len(contrasts):
            raise ArgumentError(
                f"`{large.formula}` and `{small.formula}` have the same fixed part: there is"
                " nothing to test"
            )
    else:
        asked = read_hypothesis(large, small)
        contrasts, rhs = asked.rows, asked.rhs
    native, notes = large.optimum, ()
    if not large.reml:
        response = large.design.formula.response_name
        native = fit_native(large.products, True, response=response)
        notes = ("refitted by REML instead of ML",)
    null = None if large.is_identified else large.identification.working
    method = kenward_roger(native, len(large.beta), large.fixed_names, null)
    asked = method.units.contrasts(contrasts, native.beta, rhs)
    kept = independent_rows(asked.rows @ np.linalg.cholesky(method.known))
    contrasts = contrasts[kept]
    out = method.f_test(asked.chosen(kept))
    return KenwardRogerTest(
        method="F-test with Kenward-Roger approximation",
        large=large.formula,
        small=small.formula if isinstance(small, Fit) else None,
        statistic=out.statistic * out.scaling,
        p_value=out.p_value,
        statistic_unscaled=out.statistic,
        p_value_unscaled=out.p_unscaled,
        ndf=out.ndf,
        ddf=out.ddf,
        f_scaling=out.scaling,
        contrasts=contrasts,
        notes=notes,
    )
