"""The result of a test of linear hypotheses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ContrastTest:
    """A test of linear hypotheses L β = c.

    Attributes
    ----------
    method
    statistic, ndf, ddf, p_value
        The joint F test (scaled, with Kenward-Roger).
    f_scaling
        Kenward-Roger's factor, 1 for other methods.
    hypotheses
        One text per row.
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
        from partialpool.tables.anova import anova_cells, estimate_cells
        from partialpool.tables.html import tables_html

        tables = [("Hypotheses", estimate_cells(self.hypotheses, self.shown_columns()))]
        if len(self.hypotheses) > 1:
            tables.append(("All together", anova_cells(["F test"], self.joint_columns())))
        return tables_html(self.method, tables)
