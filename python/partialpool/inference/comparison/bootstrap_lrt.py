"""Parametric bootstrap test of nested models.

Source: Halekoh & Højsgaard (2014), J. Stat. Software 59(9) (pbkrtest's PBmodcomp).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import check_nsim, check_seed
from partialpool.errors import ConvergenceError
from partialpool.inference.comparison.comparable import require_mixed, require_model
from partialpool.inference.comparison.likelihood_ratio import open_parameters
from partialpool.inference.comparison.nesting import require_nested
from partialpool.inference.intervals.bootstrap import (
    notes_of,
    refit_simulated,
)
from partialpool.models.fit import Fit, MixedFit
from partialpool.progress.interruption import marked
from partialpool.tables.printed import Printed

if TYPE_CHECKING:
    import pandas as pd


Vector = NDArray[np.float64]

#: Differences of deviances below this are zero but for rounding.
ROUNDING = 1e-8


@dataclass(frozen=True, eq=False, repr=False)
class BootstrapTest(Printed):
    """Likelihood-ratio test against its simulated null distribution.

    Attributes
    ----------
    method
    statistic
        Likelihood ratio observed, both models by ML.
    df
        Difference in parameters.
    p_value
        (1 + replicates at or above the statistic) / (1 + replicates).
    std_error
        Monte Carlo standard error of `p_value`.
    nsim
        Replicates whose refits succeeded.
    failures
        Failed replicates by cause, left out of `nsim`.
    sample
        Simulated likelihood ratios, (nsim,).
    extreme
        How many of them reach the statistic.
    large, small
        The formulas.
    note
        What the reader should know: models refitted by ML, a singular null fit.
    seed
        Gives the same sample again.
    interrupted
        "interrupted after 300 of 1,000" where Ctrl-C ended it; else empty.
    """

    method: str
    statistic: float
    df: int
    p_value: float
    std_error: float
    nsim: int
    sample: Vector
    extreme: int
    large: str
    small: str
    seed: int
    failures: Mapping[str, int] = field(default_factory=dict)
    note: str = ""
    interrupted: str = ""

    def to_frame(self) -> pd.DataFrame:
        """pbkrtest's rows LRT, PBtest, Gamma, Bartlett, F: stat, df, ddf, p_value.

        Moments of Gamma, Bartlett and F are those of the whole sample.
        """
        import pandas as pd
        from scipy.stats import chi2, f, gamma

        stat, df = self.statistic, self.df
        mean, variance = float(self.sample.mean()), float(self.sample.var(ddof=1))
        corrected = df * stat / mean if mean > 0 else np.nan
        # F(df, ddf) whose mean ddf/(ddf - 2) is that of LRT/df.
        if df == 0:
            df = np.nan  # what the larger model has more of is not determined
        ratio = mean / df
        ddf = 2 * ratio / (ratio - 1) if ratio > 1 else np.nan
        nan = np.nan
        shape, scale = (mean**2 / variance, variance / mean) if variance > 0 else (nan, nan)
        rows = {
            "LRT": (stat, df, nan, float(chi2.sf(stat, df))),
            "PBtest": (stat, nan, nan, self.p_value),
            "Gamma": (stat, nan, nan, float(gamma.sf(stat, shape, scale=scale))),
            "Bartlett": (corrected, df, nan, float(chi2.sf(corrected, df))),
            "F": (stat / df, df, ddf, float(f.sf(stat / df, df, ddf))),
        }
        columns = ["stat", "df", "ddf", "p_value"]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        return marked(table, self.interrupted)

    def shown_cells(self) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Headers and columns of the table in text."""
        from partialpool.tables.rformat import format_pvalue

        table = self.to_frame()
        cells = [
            tuple("" if np.isnan(v) else f"{v:.{digits}f}" for v in table[name])
            for name, digits in (("stat", 4), ("df", 0), ("ddf", 4))
        ]
        p = tuple(format_pvalue(v) for v in table["p_value"])
        return ("stat", "df", "ddf", "p.value"), (*cells, p)

    def __str__(self) -> str:
        from partialpool.tables.layout import matrix_lines

        header, cells = self.shown_cells()
        lines = [
            f"Bootstrap test; samples: {self.nsim}; extremes: {self.extreme};",
            f"large : {self.large}",
            f"small : {self.small}",
            *matrix_lines(list(self.to_frame().index), header, cells, right=True, width=None),
        ]
        return "\n".join(lines + notes_of(self) + ([self.note] if self.note else []))

    def _repr_html_(self) -> str:
        from partialpool.tables.html import tables_html
        from partialpool.tables.rformat import CellTable

        header, columns = self.shown_cells()
        cells = CellTable(tuple(self.to_frame().index), header, columns)
        return tables_html(
            f"Bootstrap test; samples: {self.nsim}; extremes: {self.extreme}",
            [("", cells)],
            lines=[("large:", self.large), ("small:", self.small)],
            notes=[*notes_of(self), *([self.note] if self.note else [])],
        )


def pb_test(
    large: MixedFit,
    small: Fit,
    nsim: int = 1000,
    seed: int | None = None,
) -> BootstrapTest:
    """Compare nested models by the likelihood ratio, simulated under the small model.

    Parameters
    ----------
    large
        Fit of `pp.lmer`.
    small
        Fit of `pp.lmer`, or of `pp.lm` where all random effects are left out: then a variance is
        tested at its boundary, where the χ² approximation is wrong.
    nsim
        Responses drawn.
    seed
        The same seed gives the same sample, whatever the number of threads.

    Returns
    -------
    BootstrapTest

    Raises
    ------
    ArgumentError
        For models that are not nested, or nsim below 1.
    DataError
        For models of different data.

    Notes
    -----
    Both models are refitted by ML where they are REML fits. pbkrtest leaves out replicates whose
    ratio is not positive; here they count as zero, since under a null on the boundary most of
    them truly are. The F row matches the mean of LRT/df, as pbkrtest's manual says; its code
    (0.5.2) matches that of LRT.
    """
    require_mixed(large, "the large model")
    require_model(small, "the small model")
    nsim, seed = check_nsim(nsim), check_seed(seed)
    require_nested(large, small)
    notes = []
    if large.reml or small.reml:
        notes.append("refitted by ML")
    large = large.by_criterion(reml=False)
    null = small.by_criterion(reml=False) if isinstance(small, MixedFit) else small
    if isinstance(null, MixedFit) and null.is_singular:
        notes.append(f"the small model is singular: {'; '.join(null.singular_directions)}")
    statistic = max(0.0, 2 * (large.loglik - null.loglik))
    of_large, of_small = refit_simulated(null, [large, null], nsim, seed, "Bootstrap test")
    good = (of_large.outcomes == 0) & (of_small.outcomes == 0)
    failures = {f"large model: {cause}": n for cause, n in of_large.failures.items()}
    failures |= {f"small model: {cause}": n for cause, n in of_small.failures.items()}
    if good.sum() < 2:
        why = ", ".join(failures) or "too few replicates were done"
        raise ConvergenceError(
            f"the null distribution was not simulated ({why}); rescale the columns"
        )
    sample = (of_small.criterion - of_large.criterion)[good]
    sample[sample < ROUNDING] = 0.0
    # With a statistic of zero every replicate is as extreme.
    extreme = int(np.sum(sample >= statistic - ROUNDING))
    used = len(sample)
    p = (1 + extreme) / (1 + used)
    return BootstrapTest(
        method="parametric bootstrap likelihood-ratio test",
        statistic=statistic,
        df=large.npar - open_parameters(large) - null.npar + open_parameters(null),
        p_value=p,
        std_error=float(np.sqrt(p * (1 - p) / used)),
        nsim=used,
        sample=sample,
        extreme=extreme,
        large=large.formula,
        small=null.formula,
        seed=seed,
        failures=failures,
        note="; ".join(notes),
        interrupted=of_large.interrupted,
    )
