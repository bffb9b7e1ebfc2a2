"""The tests and intervals that a fit offers: thin ways into `partialpool.inference`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from partialpool.models.fit_tables import as_fit

if TYPE_CHECKING:
    import pandas as pd

    from partialpool.inference.fixed.kenward_roger import KenwardRoger
    from partialpool.inference.fixed.satterthwaite import Satterthwaite
    from partialpool.inference.intervals.profile import Profile
    from partialpool.inference.results import AnovaTable, ContrastTest, RandomAnova


class Inference:
    """Methods of a fit that test its fixed and random effects, and bound its parameters."""

    @cached_property
    def satterthwaite(self) -> Satterthwaite:
        """Ingredients of Satterthwaite's method (see `inference.fixed.satterthwaite`)."""
        from partialpool.inference.fixed.satterthwaite import satterthwaite

        fit = as_fit(self)
        return satterthwaite(fit._native, len(fit.beta))

    @cached_property
    def kenward_roger(self) -> KenwardRoger:
        """Ingredients of Kenward-Roger's method (see `inference.fixed.kenward_roger`)."""
        from partialpool.inference.fixed.kenward_roger import kenward_roger
        from partialpool.inference.fixed.wald import check_ddf

        fit = as_fit(self)
        check_ddf(fit, "kenward-roger")
        return kenward_roger(fit._native, len(fit.beta), fit.fixed_names)

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

    def explained_variance_by(self, method: str = "johnson") -> float:
        """Share of the variance about the fixed effects that the random effects explain.

        Parameters
        ----------
        method
            "johnson": with the mean over the rows of the random part's variance z_i Σ z_iᵀ, which
            no change of a slope's predictor in unit or origin moves; "sum": with the sum of the
            random variances, as `explained_variance` has it. The same with intercepts only.

        Returns
        -------
        float
            Between 0 and 1. The residual variance is σ², that of a row of weight 1.

        References
        ----------
        Johnson (2014), Methods in Ecology and Evolution 5(9), on R² of random-slopes models.
        """
        from partialpool.inference.explained_variance import explained_variance_by

        return explained_variance_by(as_fit(self), method)

    def profile(self, parm: Any = None, *, oldnames: bool = True) -> Profile:
        """Profile likelihood of each parameter (see `partialpool.inference.intervals.profile`)."""
        from partialpool.inference.intervals.profile import profile

        return profile(as_fit(self), parm, oldnames=oldnames)
