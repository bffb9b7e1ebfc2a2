"""A fit seen: frames, figures, the report. Each method calls a function of its own room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from partialpool.inference.influence import Influence
    from partialpool.models.linear_mixed import LinearMixedModel


def as_fit(model: object) -> LinearMixedModel:
    """A base class's `self` by its full type."""
    return cast("LinearMixedModel", model)


class FitTables:
    """Base of `LinearMixedModel`: tidy, glance, augment, shrinkage, influence, plot, report."""

    def tidy(
        self,
        effects: str | Sequence[str] = ("fixed", "ran_pars"),
        *,
        conf_int: bool = False,
        conf_level: float = 0.95,
        conf_method: str = "wald",
        nsim: int = 1000,
        seed: int | None = None,
        ddf: str = "satterthwaite",
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

    def augment(self, new: Any = None, *, new_levels: str = "error", prefix: str = "") -> Any:
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
    def plot(self) -> Any:
        """Figures of the fit: ``fit.plot.fits()``."""
        from partialpool.figures.accessor import Plots

        return Plots(as_fit(self))

    def report(
        self, path: str | Path, *, ddf: str = "satterthwaite", command: str | None = None
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
