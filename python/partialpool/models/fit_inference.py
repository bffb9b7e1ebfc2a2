"""The tests and intervals that a fit offers: thin ways into `partialpool.inference`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.models.fit_tables import as_fit

if TYPE_CHECKING:
    import pandas as pd

    from partialpool.inference.fixed.kenward_roger import KenwardRoger
    from partialpool.inference.fixed.open_contrasts import OpenContrasts
    from partialpool.inference.fixed.satterthwaite import Satterthwaite
    from partialpool.inference.intervals.profile import Profile
    from partialpool.inference.results import AnovaTable, ContrastTest, RandomAnova
    from partialpool.models.identification import Identification


class Inference:
    """Methods of a fit that test its fixed and random effects, and bound its parameters."""

    @cached_property
    def identification(self) -> Identification:
        """Which variances and covariances the data determine."""
        from partialpool.models.identification import identification

        fit = as_fit(self)
        return identification(fit._products, fit.design)

    @cached_property
    def undetermined_sentences(self) -> tuple[str, ...]:
        """One sentence for each direction of the variances that the data do not determine."""
        from partialpool.models.identification import identification_sentences

        return identification_sentences(self.identification, as_fit(self).design)

    @property
    def is_identified(self) -> bool:
        """Whether the data determine every variance and covariance (see `convergence`)."""
        return self.identification.complete

    @cached_property
    def open_contrasts(self) -> OpenContrasts | None:
        """Contrasts of fixed effects that hang on what is not determined; None: there are none."""
        from partialpool.inference.fixed.open_contrasts import open_contrasts

        fit = as_fit(self)
        return open_contrasts(fit._native, self.identification.working, len(fit.beta))

    def undetermined(self, contrasts: Any) -> NDArray[np.bool_]:
        """Whether the data leave open the variance (or more) of contrasts of fixed effects, (k, p).

        Such a contrast has no standard error, no df, no test and no interval.
        """
        rows = np.atleast_2d(np.asarray(contrasts, dtype=np.float64))
        found = None if self.is_identified else self.open_contrasts
        return np.zeros(len(rows), dtype=bool) if found is None else found.rows(rows)

    @cached_property
    def satterthwaite(self) -> Satterthwaite:
        """Ingredients of Satterthwaite's method (see `inference.fixed.satterthwaite`)."""
        from partialpool.inference.fixed.satterthwaite import satterthwaite
        from partialpool.models.identification import parameter_units

        fit = as_fit(self)
        if fit.is_identified:
            return satterthwaite(fit._native, len(fit.beta))
        units = parameter_units(fit.identification, fit._native)
        return satterthwaite(fit._native, len(fit.beta), fit.open_contrasts, units)

    @cached_property
    def kenward_roger(self) -> KenwardRoger:
        """Ingredients of Kenward-Roger's method (see `inference.fixed.kenward_roger`)."""
        from partialpool.inference.fixed.kenward_roger import kenward_roger
        from partialpool.inference.fixed.wald import check_ddf

        fit = as_fit(self)
        check_ddf(fit, "kenward-roger")
        null = None if fit.is_identified else fit.identification.working
        return kenward_roger(fit._native, len(fit.beta), null)

    def anova(self, type: int = 3, ddf: str = "satterthwaite") -> AnovaTable:
        """F tests of the terms of the fixed part, as lmerTest's ``anova``.

        Parameters
        ----------
        type
            1 (sequential), 2, or 3 (default; the same under every coding of the factors).
        ddf
            "satterthwaite", "kenward-roger" (REML fits) or "asymptotic".
        """
        from partialpool.inference.fixed.anova import anova

        return anova(as_fit(self), type, ddf)

    def drop1(self, ddf: str = "satterthwaite") -> AnovaTable:
        """F tests of each term that is part of no other, as lmerTest's ``drop1``."""
        from partialpool.inference.fixed.anova import drop1

        return drop1(as_fit(self), ddf)

    def ranova(self) -> RandomAnova:
        """Likelihood-ratio tests of the random terms, each reduced in turn, as lmerTest's."""
        from partialpool.inference.comparison.random_terms import ranova

        return ranova(as_fit(self))

    def test(
        self,
        hypothesis: Any,
        ddf: str = "satterthwaite",
        *,
        rhs: Any = None,
    ) -> ContrastTest:
        """Test L β = c: ``fit.test("x1 = 0, x2 - x3 = 0")``, ``fit.test("recipe")``.

        Parameters
        ----------
        hypothesis
            Text; names of coefficients or terms; a contrast of p numbers or several, (k, p); or
            {coefficient: weight}.
        ddf
            "satterthwaite", "kenward-roger" (REML fits) or "asymptotic".
        rhs
            c, a number or k of them; 0 if not given.
        """
        from partialpool.inference.fixed.linear_hypotheses import linear_test

        return linear_test(as_fit(self), hypothesis, ddf, rhs)

    def confint(
        self,
        method: str = "wald",
        level: float = 0.95,
        nsim: int = 1000,
        seed: int | None = None,
        **options: Any,
    ) -> pd.DataFrame:
        """Confidence intervals by parameter: standard deviations, correlations, σ, fixed effects.

        Parameters
        ----------
        method
            "wald" (fixed effects only, NaN for the rest), "profile" or "boot".
        level
            Coverage aimed at.
        nsim, seed
            Of the bootstrap; failed refits are counted in the result's ``attrs``.
        **options
            ``parm``: names, positions, ``"theta_"`` or ``"beta_"``; ``oldnames=False`` for names as
            ``sd_(Intercept)|Subject`` in place of ``.sig01``; ``boot_type``: "percentile", "basic"
            or "normal".
        """
        from partialpool.inference.intervals.confidence import confint

        return confint(as_fit(self), method, level, nsim, seed, **options)

    def profile(self, parm: Any = None, *, oldnames: bool = True) -> Profile:
        """Profile likelihood of each parameter (see `partialpool.inference.intervals.profile`)."""
        from partialpool.inference.intervals.profile import profile

        return profile(as_fit(self), parm, oldnames=oldnames)
