"""Doors: the methods of a fit that lead into the rooms behind `models`.

Each calls one function of its own room, imported when it is asked for; nowhere else does `models`
import what is built on it (tests/test_layers.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import (
    DDF,
    AnovaType,
    BootstrapInterval,
    ConfintMethod,
    Ddf,
    Effect,
    NewLevels,
    ParameterNames,
    VarianceShare,
    check_choice,
)
from partialpool.cached import cached_property

if TYPE_CHECKING:
    import pandas as pd

    from partialpool.figures.accessor import Plots
    from partialpool.inference.comparison.random_terms import RandomAnova
    from partialpool.inference.fixed.anova import AnovaTable
    from partialpool.inference.fixed.kenward_roger import KenwardRoger
    from partialpool.inference.fixed.open_contrasts import OpenContrasts
    from partialpool.inference.fixed.satterthwaite import Satterthwaite
    from partialpool.inference.fixed.tested_contrasts import ContrastTest
    from partialpool.inference.influence import Influence
    from partialpool.inference.intervals.profile import Profile
    from partialpool.models.identification import Identification
    from partialpool.models.linear_mixed import LinearMixedModel
    from partialpool.models.summary import Summary


def as_fit(model: object) -> LinearMixedModel:
    """A base class's `self` by its full type."""
    return cast("LinearMixedModel", model)


class InferenceDoors:
    """Methods of a fit that test its fixed and random effects, and bound its parameters."""

    @cached_property
    def identification(self) -> Identification:
        """Which variances and covariances the data determine."""
        from partialpool.models.identification import identification

        fit = as_fit(self)
        return fit._identification or identification(fit.products, fit.design)

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
        return open_contrasts(fit.optimum, self.identification.working, len(fit.beta))

    def undetermined(self, contrasts: Any) -> NDArray[np.bool_]:
        """Whether the data leave open the variance (or more) of contrasts of fixed effects, (k, p).

        Such a contrast has no standard error, no df, no test and no interval.
        """
        rows = np.atleast_2d(np.asarray(contrasts, dtype=np.float64))
        found = None if self.is_identified else self.open_contrasts
        if found is None:
            return np.zeros(len(rows), dtype=bool)
        return found.rows(found.units.rows(rows)[0])

    @cached_property
    def satterthwaite(self) -> Satterthwaite:
        """Ingredients of Satterthwaite's method (see `inference.fixed.satterthwaite`)."""
        from partialpool.inference.fixed.satterthwaite import satterthwaite

        fit = as_fit(self)
        if fit.is_identified:
            return satterthwaite(fit.optimum, len(fit.beta))
        return satterthwaite(fit.optimum, len(fit.beta), fit.open_contrasts, complete=False)

    @cached_property
    def kenward_roger(self) -> KenwardRoger:
        """Ingredients of Kenward-Roger's method (see `inference.fixed.kenward_roger`)."""
        from partialpool.inference.fixed.kenward_roger import kenward_roger
        from partialpool.inference.fixed.wald import check_ddf

        fit = as_fit(self)
        check_ddf(fit, "kenward-roger")
        null = None if fit.is_identified else fit.identification.working
        return kenward_roger(fit.optimum, len(fit.beta), fit.fixed_names, null)

    def summary(self, ddf: Ddf = "satterthwaite") -> Summary:
        """Everything lme4's and lmerTest's summary prints.

        Parameters
        ----------
        ddf
            "satterthwaite" (lmerTest's default), "kenward-roger" (REML fits, standard errors
            adjusted), or "asymptotic" (lme4: no df, no p-values).
        """
        from partialpool.inference.summary import summarise

        return summarise(as_fit(self), check_choice(ddf, "ddf", DDF))

    def anova(self, type: AnovaType = 3, ddf: Ddf = "satterthwaite") -> AnovaTable:
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

    def drop1(self, ddf: Ddf = "satterthwaite") -> AnovaTable:
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
        ddf: Ddf = "satterthwaite",
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
        method: ConfintMethod = "wald",
        level: float = 0.95,
        nsim: int = 1000,
        seed: int | None = None,
        *,
        parm: str | int | Sequence[str | int] | None = None,
        boot_type: BootstrapInterval = "percentile",
        names: ParameterNames = "canonical",
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
        parm
            Names (ours or lme4's), positions, ``"theta_"`` or ``"beta_"``; default all.
        boot_type
            "percentile", "basic" or "normal".
        names
            "canonical", as ``sd_Subject__Intercept``; lme4's by default (``.sig01``: "lme4") or at
            length (``sd_(Intercept)|Subject``: "lme4-long").
        """
        from partialpool.inference.intervals.confidence import confint

        return confint(as_fit(self), method, level, nsim, seed, parm, boot_type, names)

    @property
    def explained_variance(self) -> float:
        """Random variances / (random variances + residual variance), summed whatever their units.

        With random intercepts only, the intraclass correlation. A slope's variance is that of its
        effect at a predictor of 1, so with slopes the sum changes with the predictor's unit and
        origin: `explained_variance_by` has Johnson's form, which does not.
        """
        return self.explained_variance_by("sum")

    def explained_variance_by(self, method: VarianceShare = "johnson") -> float:
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

    def profile(
        self,
        parm: str | int | Sequence[str | int] | None = None,
        *,
        names: ParameterNames = "canonical",
    ) -> Profile:
        """Profile likelihood of each parameter (see `partialpool.inference.intervals.profile`)."""
        from partialpool.inference.intervals.profile import profile

        return profile(as_fit(self), parm, names=names)


class ViewDoors:
    """Base of `LinearMixedModel`: tidy, glance, augment, shrinkage, influence, plot, report."""

    def tidy(
        self,
        effects: Effect | Sequence[Effect] = ("fixed", "ran_pars"),
        *,
        conf_int: bool = False,
        conf_level: float = 0.95,
        conf_method: ConfintMethod = "wald",
        nsim: int = 1000,
        seed: int | None = None,
        ddf: Ddf = "satterthwaite",
        exponentiate: bool = False,
    ) -> Any:
        """Estimates as a tidy frame of the kind that came in (broom.mixed's content).

        Parameters
        ----------
        effects
            "fixed"; "ran_pars", standard deviations and correlations; "ran_vals", random effects
            with conditional SDs; "ran_coefs", fixed plus random effects of each level; or several.
        conf_int, conf_level
            Add conf_low and conf_high.
        conf_method
            "wald": by t of fixed effects, missing of standard deviations and correlations, whose
            estimates are not normal; "profile" or "boot": of both, as `confint`. Of random effects
            always by the conditional SD.
        nsim, seed
            Of the bootstrap.
        ddf
            As `summary`.
        exponentiate
            Fixed effects and their limits as exp(β), standard errors by the delta method.

        Returns
        -------
        frame: ``effect, group, (level,) term, estimate, std_error, statistic, df, p_value``
            With ``conf_low, conf_high`` if asked for, and ``parameter``: the one name of a fixed
            effect, standard deviation or correlation, missing for random effects.
        """
        from partialpool.frames.tidy import tidy

        return tidy(
            as_fit(self),
            effects,
            conf_int=conf_int,
            conf_level=conf_level,
            conf_method=conf_method,
            nsim=nsim,
            seed=seed,
            ddf=ddf,
            exponentiate=exponentiate,
        )

    def glance(self) -> Any:
        """One row: ``nobs, sigma, loglik, aic, bic, reml_criterion, deviance, df_residual``."""
        from partialpool.frames.glance import glance

        return glance(as_fit(self))

    def augment(self, new: Any = None, *, new_levels: NewLevels = "error", prefix: str = "") -> Any:
        """The data with ``fitted, resid, hat, cooksd, fixed, mu, offset, …`` beside them.

        Parameters
        ----------
        new
            None: the rows and variables used in the fit. A table: its columns with fitted, fixed
            and, where it has the response, resid.
        new_levels
            As `predict`.
        prefix
            Put before our column names, if the data have such a column: ``"."``.
        """
        from partialpool.frames.augment import augment

        return augment(as_fit(self), new, new_levels, prefix)

    def shrinkage(self) -> Any:
        """How far partial pooling draws each level's effects to zero, a row for each.

        Returns
        -------
        frame: ``group, level, term, no_pooling, blup, ratio``
            `no_pooling` is the level's own least-squares effect, the fixed effects and the other
            groups' effects held at their estimates; `ratio` is no_pooling / blup. In a balanced
            one-way design it is 1 + σ²/(nτ²) for every level; infinite where τ is 0.
        """
        from partialpool.inference.shrinkage import shrinkage

        return shrinkage(as_fit(self))

    def influence(self, by: str = "observation", *, refit: bool = False) -> Influence:
        """What deleting each observation, or each level of a group, does to the fixed effects.

        Parameters
        ----------
        by
            "observation"; a grouping factor of the model; or any column of the data.
        refit
            False (default): the variance parameters stay at their estimates, and the deletion is
            exact for these. True: they are estimated anew after each deletion, as by lme4's
            ``influence()``, from cross-products less the rows deleted.

        Returns
        -------
        Influence
            leverage, Cook's distance, DFBETA and DFBETAs; ``.to_frame()``.
        """
        from partialpool.inference.influence import influence

        return influence(as_fit(self), by, refit)

    @property
    def plot(self) -> Plots:
        """Figures of the fit: ``fit.plot.fits()``."""
        from partialpool.figures.accessor import Plots

        return Plots(as_fit(self))

    def report(
        self, path: str | Path, *, ddf: Ddf = "satterthwaite", command: str | None = None
    ) -> None:
        """Write one HTML page on the fit, which needs no network and no other file.

        Parameters
        ----------
        path
            Of the page.
        ddf
            As `summary`; also of the F tests.
        command
            What made the fit, if not the call of `lmer`.
        """
        from partialpool.report.page import write_report

        write_report(as_fit(self), path, ddf=ddf, command=command)
