"""What every fit answers, whatever it is of: the same words for the same question.

Tests, frames, figures, reports and posteriors ask these and nothing else of a fit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import (
    RESIDUAL_KINDS,
    IntervalKind,
    NewLevels,
    ResidualKind,
    check_choice,
)
from partialpool.cached import cached_property
from partialpool.design import Design
from partialpool.hints import Hinted
from partialpool.models.doors import InferenceDoors, ViewDoors
from partialpool.models.parameters import Parameters, theta_names
from partialpool.models.terms import FittedTerm, fitted_terms

if TYPE_CHECKING:
    import pandas as pd

    from partialpool import _core
    from partialpool.design.columns import Column
    from partialpool.models.convergence import Convergence

Vector = NDArray[np.float64]


class Fit(Hinted, ABC):
    """A model at its estimates.

    Attributes
    ----------
    design
        What the model is, and the rows that it was fitted to, if they are at hand.
    reml
        Whether the restricted likelihood was maximised.
    data_name
        What the caller called the data, if known.
    """

    design: Design
    reml: bool = False
    data_name: str | None = None

    # ---- what a kind of model says ---------------------------------------------------------

    @property
    @abstractmethod
    def family(self) -> str:
        """Distribution of the response given the linear predictor: "gaussian"."""

    @property
    @abstractmethod
    def kept(self) -> tuple[int, ...]:
        """Which columns of the design's fixed part were estimated, p of them."""

    @property
    @abstractmethod
    def beta(self) -> Vector:
        """Fixed effects as an array, shape (p,)."""

    @property
    @abstractmethod
    def sigma(self) -> float:
        """Residual standard deviation, in units of the response."""

    @property
    @abstractmethod
    def unscaled_covariance(self) -> Vector:
        """Covariance of the fixed effects over σ², (p, p)."""

    @property
    @abstractmethod
    def loglik(self) -> float:
        """Log-likelihood; restricted for a REML fit."""

    @property
    @abstractmethod
    def ml_loglik(self) -> float:
        """Maximum of the log-likelihood; a REML fit is fitted again to its cross-products."""

    @property
    @abstractmethod
    def npar(self) -> int:
        """Number of parameters: fixed effects, covariance parameters, σ."""

    @abstractmethod
    def linear_predictor(self, rows: Any = None, random: str = "all") -> Vector:
        """X β + Z b plus offset of the rows of the fit, or of a table.

        Parameters
        ----------
        rows
            Table with the predictors; None for the rows of the fit.
        random
            "all", "none", or the random terms to include, as ``"(1 | Subject)"``.
        """

    @abstractmethod
    def refit(self, y: Any) -> Fit:
        """The same model of another response."""

    @abstractmethod
    def simulate(self, n: int = 1, *, seed: Any = None) -> Any:
        """Responses drawn from the fitted model: a frame of nobs rows, columns sim_1 … sim_n."""

    # ---- what follows ----------------------------------------------------------------------

    @property
    def formula(self) -> str:
        """The formula as written."""
        return self.design.formula.text

    @property
    def nobs(self) -> int:
        """Rows used."""
        return self.design.n

    @cached_property
    def fixed_names(self) -> tuple[str, ...]:
        """Names of the p fixed effects estimated."""
        return tuple(self.design.fixed.names[i] for i in self.kept)

    @cached_property
    def aliased(self) -> tuple[str, ...]:
        """Fixed-effect columns dropped as combinations of earlier ones."""
        kept = set(self.kept)
        return tuple(n for i, n in enumerate(self.design.fixed.names) if i not in kept)

    @property
    def fixed_columns(self) -> list[Column]:
        """The p columns of X that were estimated, numbers or (nobs,).

        Raises
        ------
        DataError
            If the fit was loaded without its rows.
        """
        x = self.design.with_rows().x
        return [x[i] for i in self.kept]

    @property
    def fixef(self) -> pd.Series:
        """Fixed effects by name."""
        import pandas as pd

        return pd.Series(self.beta, index=list(self.fixed_names), name="estimate")

    @cached_property
    def covariance(self) -> Vector:
        """Covariance of the fixed effects as an array, shape (p, p)."""
        return self.sigma**2 * self.unscaled_covariance

    @property
    def vcov(self) -> pd.DataFrame:
        """Covariance of the fixed effects, labelled."""
        import pandas as pd

        names = list(self.fixed_names)
        return pd.DataFrame(self.covariance, index=names, columns=names)

    @property
    def fitted(self) -> Vector:
        """Conditional means of the rows, offset included, shape (nobs,)."""
        return self.linear_predictor()

    def residuals(self, kind: ResidualKind = "response") -> Vector:
        """Response less fitted values, shape (nobs,).

        Parameters
        ----------
        kind
            "response"; "pearson" (times the square root of the weights); "scaled" (Pearson over σ).
        """
        kind = check_choice(kind, "kind", RESIDUAL_KINDS)
        design = self.design.with_rows()
        # In place: at a million rows each further array is more than the fit needed.
        out = self.fitted
        if design.offset is not None:
            out -= design.offset
        np.subtract(design.response, out, out=out)
        if kind != "response" and design.weights is not None:
            out *= np.sqrt(design.weights)
        if kind == "scaled":
            out /= self.sigma
        return out

    @property
    def aic(self) -> float:
        """-2 loglik + 2 npar."""
        return -2 * self.loglik + 2 * self.npar

    @property
    def bic(self) -> float:
        """-2 loglik + log(nobs) npar."""
        return -2 * self.loglik + float(np.log(self.nobs)) * self.npar


class MixedFit(Fit, InferenceDoors, ViewDoors):
    """A model with random effects at its estimates.

    Random effects and their factors are by grouping factor in the design's order, a factor's k
    columns in its own (`Factor.names`); `terms` has them as they were written.
    """

    #: What a fit that was stored says of the rows that it has left.
    stored: Mapping[str, Any]

    @property
    @abstractmethod
    def products(self) -> _core.CrossProducts:
        """Cross-products of the rows, as the native routines take them."""

    @property
    @abstractmethod
    def optimum(self) -> _core.Fit:
        """The factorised system at the estimates, as the native routines take it."""

    @property
    @abstractmethod
    def criterion(self) -> float:
        """What was minimised: -2 log (restricted) likelihood."""

    @property
    @abstractmethod
    def random_effects(self) -> list[Vector]:
        """Conditional modes of each grouping factor, (levels, k)."""

    @property
    @abstractmethod
    def relative_factors(self) -> tuple[Vector, ...]:
        """Λ of each grouping factor, lower-triangular: ΛΛᵀ is a level's covariance over σ²."""

    @abstractmethod
    def conditional_sds(self) -> list[Vector]:
        """Standard deviations of each factor's random effects given the data, (levels, k).

        Fixed effects and variances are taken as known, as by lme4's ``condVar``.
        """

    @abstractmethod
    def refit(self, y: Any) -> MixedFit:
        """The same model of another response."""

    @abstractmethod
    def by_criterion(self, reml: bool) -> MixedFit:
        """The same rows by the restricted likelihood or the likelihood itself; `self` if it is."""

    @property
    @abstractmethod
    def deviance(self) -> float:
        """-2 log-likelihood, also at the estimates of a REML fit."""

    @property
    @abstractmethod
    def convergence(self) -> Convergence:
        """Gradient norm, smallest Hessian eigenvalue, evaluations, and the verdict."""

    @property
    @abstractmethod
    def singular_directions(self) -> tuple[str, ...]:
        """One sentence for each term whose random effects span fewer dimensions than it has."""

    @cached_property
    def terms(self) -> tuple[FittedTerm, ...]:
        """Random terms in lme4's order: by number of levels, then as written."""
        return fitted_terms(self.design, self.relative_factors)

    @cached_property
    def parameters(self) -> Parameters:
        """Names of the parameters, and their places."""
        return Parameters.of(self.design, self.kept)

    @property
    def ngroups(self) -> dict[str, int]:
        """Levels of each grouping factor, most first."""
        return {t.factor.name: len(t.factor.levels) for t in self.terms}

    def random_covariance(self, factor: int) -> Vector:
        """Covariance of a level's random effects on a factor (place in the design), (k, k)."""
        # σ before the squares: over σ² they may be no numbers where σ is large or small.
        root = self.sigma * self.relative_factors[factor]
        return root @ root.T

    @property
    def is_singular(self) -> bool:
        """Whether some direction of the random effects has no variance."""
        return bool(self.singular_directions)

    @property
    def npar(self) -> int:
        """Parameters: fixed effects, covariance parameters, σ."""
        return len(self.beta) + len(self.theta) + 1

    @cached_property
    def theta(self) -> pd.Series:
        """Entries of the relative covariance factors Λ, in lme4's order."""
        import pandas as pd

        labels = theta_names(self.parameters, self.terms)
        values = [value for t in self.terms for value in t.theta]
        return pd.Series(values, index=labels, name="theta", dtype=float)

    @property
    def varcorr(self) -> pd.DataFrame:
        """Variances, covariances, standard deviations and correlations, the residual last.

        Columns ``grp, var1, var2, vcov, sdcor`` as lme4's ``as.data.frame(VarCorr(fit))``, and
        ``parameter``, the name of the standard deviation or correlation.
        """
        from partialpool.models.reporting import variance_rows
        from partialpool.models.summary import varcorr_frame

        return varcorr_frame(variance_rows(self))

    def ranef(self, *, condsd: bool = False) -> dict[str, Any]:
        """Conditional modes of the random effects, {group: frame}.

        Parameters
        ----------
        condsd
            Add columns ``<name>_condsd`` with `conditional_sds` (lme4's ``condVar``).
        """
        from partialpool.models.random_effects import ranef

        return ranef(self, condsd=condsd)

    def coef(self) -> dict[str, Any]:
        """Fixed plus random effects of each level, {group: frame}."""
        from partialpool.models.random_effects import coef

        return coef(self)

    @property
    def dropped_rows(self) -> int:
        """Rows left out because a value was missing."""
        return int(self.stored.get("dropped", 0)) if self.design.y is None else self.design.dropped

    def linear_predictor(self, rows: Any = None, random: str = "all") -> Vector:
        """X β + Z b plus offset of the rows of the fit, or of a table (see `Fit`)."""
        from partialpool.models.prediction import predict

        return predict(self, rows, random, "error", None, 0.95)

    @property
    def residual_quantiles(self) -> tuple[float, float, float, float, float]:
        """Minimum, quartiles and maximum of the scaled residuals."""
        if self.design.y is None:
            a, b, c, d, e = self.stored["quantiles"]
            return a, b, c, d, e
        at, scaled = [0, 0.25, 0.5, 0.75, 1], self.residuals("scaled")
        a, b, c, d, e = np.quantile(scaled, at, overwrite_input=True).tolist()
        return a, b, c, d, e

    @property
    def hatvalues(self) -> Vector:
        """Leverages: diagonal of the matrix that takes y to its fitted values, shape (nobs,)."""
        from partialpool.models.prediction import own_rows

        rows = own_rows(self)
        return self.optimum.leverages(rows.n, rows.x, rows.factors, rows.weights)

    def predict(
        self,
        new: Any = None,
        *,
        random: str = "all",
        new_levels: NewLevels = "error",
        interval: IntervalKind | None = None,
        level: float = 0.95,
    ) -> Any:
        """Predict the response.

        Parameters
        ----------
        new
            Table with the predictors; None for the rows of the fit. Columns that the fit was given
            as offset or (for "prediction") weights are read in it too; rows with a missing
            predictor give NaN.
        random
            "all", "none", or the random terms to include, as ``"(1 | Subject)"``.
        new_levels
            "error", or "population": levels never seen get random effects of zero.
        interval
            None; "confidence" for the mean, with the random effects included predicted from the
            data; "prediction" for a new observation, residual and unseen levels' variance added.
        level
            Level of the interval; normal quantiles, variances taken as known.

        Returns
        -------
        ndarray, shape (rows,), or with an interval a frame with columns fit, lower, upper.
        """
        from partialpool.models.prediction import predict

        return predict(self, new, random, new_levels, interval, level)
