"""The fitted linear mixed model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.arguments import check_choice
from partialpool.cached import cached_property
from partialpool.design import Design
from partialpool.errors import ArgumentError, ConvergenceWarning
from partialpool.models.convergence import Convergence, read_convergence, singular_sentences
from partialpool.models.doors import InferenceDoors, ViewDoors
from partialpool.models.native import row_arguments
from partialpool.models.terms import FittedTerm, fitted_terms

if TYPE_CHECKING:
    import pandas as pd

    from partialpool.models.identification import Identification

Vector = NDArray[np.float64]


class LinearMixedModel(InferenceDoors, ViewDoors):
    """A linear mixed model at its (restricted) maximum likelihood.

    Made by `partialpool.lmer`. Without arguments: properties; with arguments: methods. Vectors
    and matrices are labelled pandas objects, tables are of the kind of frame that came in.
    """

    def __init__(
        self,
        design: Design,
        products: _core.CrossProducts,
        native: _core.Fit,
        *,
        reml: bool,
        data_name: str | None = None,
        stored: Mapping[str, Any] | None = None,
        identification: Identification | None = None,
    ) -> None:
        self.design = design
        self.reml = reml
        self.data_name = data_name
        self._products = products
        self._native = native
        self._stored = dict(stored or {})
        self._identification = identification

    # ---- what was fitted -------------------------------------------------------------------

    @property
    def formula(self) -> str:
        """The formula as written."""
        return self.design.formula.text

    @property
    def nobs(self) -> int:
        """Rows used."""
        return self._products.n

    @property
    def ngroups(self) -> dict[str, int]:
        """Levels of each grouping factor, most first."""
        return {t.factor.name: len(t.factor.levels) for t in self.terms}

    @property
    def dropped_rows(self) -> int:
        """Rows left out because a value was missing."""
        return int(self._stored.get("dropped", 0)) if self.design.y is None else self.design.dropped

    @cached_property
    def terms(self) -> tuple[FittedTerm, ...]:
        """Random terms in lme4's order: by number of levels, then as written."""
        return fitted_terms(self.design, self._native)

    @cached_property
    def fixed_names(self) -> tuple[str, ...]:
        """Names of the p fixed effects estimated."""
        return tuple(self.design.fixed.names[i] for i in self._products.kept)

    @cached_property
    def aliased(self) -> tuple[str, ...]:
        """Fixed-effect columns dropped as combinations of earlier ones."""
        kept = set(self._products.kept)
        return tuple(n for i, n in enumerate(self.design.fixed.names) if i not in kept)

    # ---- estimates -------------------------------------------------------------------------

    @cached_property
    def beta(self) -> Vector:
        """Fixed effects as an array, shape (p,)."""
        return self._native.beta

    @property
    def fixef(self) -> pd.Series:
        """Fixed effects by name."""
        import pandas as pd

        return pd.Series(self.beta, index=list(self.fixed_names), name="estimate")

    @cached_property
    def covariance(self) -> Vector:
        """Covariance of the fixed effects as an array, shape (p, p)."""
        p = len(self.beta)
        return self.sigma**2 * self._native.unscaled_covariance.reshape(p, p)

    @property
    def vcov(self) -> pd.DataFrame:
        """Covariance of the fixed effects, labelled."""
        import pandas as pd

        names = list(self.fixed_names)
        return pd.DataFrame(self.covariance, index=names, columns=names)

    @cached_property
    def sigma(self) -> float:
        """Residual standard deviation, in units of the response."""
        return self._native.sigma

    @cached_property
    def theta(self) -> pd.Series:
        """Entries of the relative covariance factors Λ, in lme4's order and names."""
        import pandas as pd

        from partialpool.models.random_effects import unique_names

        labels = unique_names(tuple(label for t in self.terms for label in t.theta_names))
        values = [value for t in self.terms for value in t.theta]
        return pd.Series(values, index=labels, name="theta", dtype=float)

    @property
    def varcorr(self) -> pd.DataFrame:
        """Variances, covariances, standard deviations and correlations, the residual last.

        Columns ``grp, var1, var2, vcov, sdcor`` as lme4's ``as.data.frame(VarCorr(fit))``.
        """
        from partialpool.models.reporting import variance_rows
        from partialpool.models.summary import varcorr_frame

        return varcorr_frame(variance_rows(self))

    @cached_property
    def _effects(self) -> list[Vector]:
        """Per factor (design order) conditional modes, (levels, k)."""
        flat = self._native.random_effects()
        return [
            b.reshape(len(f.levels), -1) for b, f in zip(flat, self.design.factors, strict=True)
        ]

    def ranef(self, *, condsd: bool = False) -> dict[str, Any]:
        """Conditional modes of the random effects, {group: frame}.

        Parameters
        ----------
        condsd
            Add columns ``<name>_condsd``: conditional standard deviations given the data, with
            fixed effects and variances taken as known (lme4's ``condVar``).
        """
        from partialpool.models.random_effects import ranef

        return ranef(self, condsd=condsd)

    def coef(self) -> dict[str, Any]:
        """Fixed plus random effects of each level, {group: frame}."""
        from partialpool.models.random_effects import coef

        return coef(self)

    @property
    def explained_variance(self) -> float:
        """Random variances / (random variances + residual variance), summed whatever their units.

        With random intercepts only, the intraclass correlation. A slope's variance is that of its
        effect at a predictor of 1, so with slopes the sum changes with the predictor's unit and
        origin: `explained_variance_by` has Johnson's form, which does not.
        """
        return self.explained_variance_by("sum")

    # ---- likelihood ------------------------------------------------------------------------

    @property
    def npar(self) -> int:
        """Parameters: fixed effects, covariance parameters, σ."""
        return len(self.beta) + len(self.theta) + 1

    @property
    def criterion(self) -> float:
        """What was minimised: -2 log (restricted) likelihood."""
        return self._native.criterion

    @property
    def loglik(self) -> float:
        """Log-likelihood; restricted for a REML fit."""
        return -0.5 * self.criterion

    @property
    def aic(self) -> float:
        """-2 loglik + 2 npar."""
        return self.criterion + 2 * self.npar

    @property
    def bic(self) -> float:
        """-2 loglik + log(nobs) npar."""
        return self.criterion + float(np.log(self.nobs)) * self.npar

    @property
    def deviance(self) -> float:
        """-2 log-likelihood (ML, also at REML estimates: lme4's ``deviance(fit, REML=FALSE)``)."""
        if not self.reml:
            return self.criterion
        n = self.nobs
        logs = self._products.sum_log_weights
        # The penalised residual sum of squares is (n - p) σ², which may overflow.
        log_rss = float(np.log(2 * np.pi * (1 - len(self.beta) / n)) + 2 * np.log(self.sigma))
        return self._native.log_det_omega + n * (1 + log_rss) - logs

    @property
    def reml_criterion(self) -> float:
        """-2 log restricted likelihood; only of a REML fit."""
        if not self.reml:
            raise ArgumentError("the model was fitted by ML; use .deviance, or fit with reml=True")
        return self.criterion

    # ---- checks ----------------------------------------------------------------------------

    @property
    def convergence(self) -> Convergence:
        """Exact gradient norm, smallest Hessian eigenvalue, evaluations, and the verdict."""
        return read_convergence(self._native, self.undetermined_sentences)

    @cached_property
    def singular_directions(self) -> tuple[str, ...]:
        """One sentence for each term whose random effects span fewer dimensions than it has."""
        return singular_sentences(self.design, self._native, self.identification)

    @property
    def is_singular(self) -> bool:
        """Whether some direction of the random effects has no variance."""
        return bool(self.singular_directions)

    def warn_if_not_converged(self) -> None:
        """Give a ConvergenceWarning if a check of the optimum failed."""
        verdict = self.convergence
        if not verdict.converged:
            warnings.warn(verdict.message, ConvergenceWarning, stacklevel=4)

    # ---- rows ------------------------------------------------------------------------------

    def _rows(self) -> Design:
        return self.design.with_rows()

    def _row_arguments(self) -> tuple[list[Any], list[Any]]:
        design = self._rows()
        x = [design.x[i] for i in self._products.kept]
        return row_arguments(x, [(f.columns, f.codes) for f in design.factors])

    @property
    def fitted(self) -> Vector:
        """Conditional means X β + Z b plus offset, shape (nobs,)."""
        design = self._rows()
        x, factors = self._row_arguments()
        effects = (self.beta, [b.ravel() for b in self._effects])
        out = self._native.linear_predictor(self.nobs, x, factors, effects, [True] * len(factors))
        return out if design.offset is None else out + design.offset

    def residuals(self, kind: str = "response") -> Vector:
        """Response less fitted values, shape (nobs,).

        Parameters
        ----------
        kind
            "response"; "pearson" (times the square root of the weights); "scaled" (Pearson over σ).
        """
        kind = check_choice(kind, "kind", ("response", "pearson", "scaled"))
        design = self._rows()
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
    def residual_quantiles(self) -> tuple[float, float, float, float, float]:
        """Minimum, quartiles and maximum of the scaled residuals."""
        if self.design.y is None:
            a, b, c, d, e = self._stored["quantiles"]
            return a, b, c, d, e
        at, scaled = [0, 0.25, 0.5, 0.75, 1], self.residuals("scaled")
        a, b, c, d, e = np.quantile(scaled, at, overwrite_input=True).tolist()
        return a, b, c, d, e

    @property
    def hatvalues(self) -> Vector:
        """Leverages: diagonal of the matrix that takes y to its fitted values, shape (nobs,)."""
        x, factors = self._row_arguments()
        return self._native.leverages(self.nobs, x, factors, self._rows().weights)

    def predict(
        self,
        new: Any = None,
        *,
        random: str = "all",
        new_levels: str = "error",
        interval: str | None = None,
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
            Of the interval; normal quantiles, variances taken as known.

        Returns
        -------
        ndarray, shape (rows,), or with an interval a frame with columns fit, lower, upper.
        """
        from partialpool.models.prediction import predict

        return predict(self, new, random, new_levels, interval, level)

    def simulate(self, n: int = 1, *, seed: Any = None, new_random: bool = True) -> Any:
        """Responses drawn from the fitted model: a frame of nobs rows, columns sim_1 … sim_n.

        Parameters
        ----------
        new_random
            Draw random effects anew (default); False keeps the conditional modes.
        """
        from partialpool.models.simulation import simulate

        return simulate(self, n, seed, new_random)

    def refit(self, y: Any) -> LinearMixedModel:
        """The same model of another response, one value a row used or a row of the data.

        A pandas Series goes by its labels. Of a transformed response, ``log(y) ~ x``, the values of
        log(y) are given, as in lme4. `ranova`, `update`, `augment` and all else that reads the data
        again find the new response.
        """
        from partialpool.models.refitting import refit

        return refit(self, y)

    def update(self, formula: str | None = None, *, data: Any = None, **changes: Any) -> Any:
        """Fit again with another formula (``. ~ . - x``), data, or arguments of `lmer`."""
        from partialpool.models.refitting import update

        return update(self, formula, data, changes)

    # ---- inference and views ---------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Store the fit without pickle; the file's size does not grow with the rows."""
        from partialpool.models.storage import save

        save(self, path)

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        method = "REML" if self.reml else "ML"
        return f"<LinearMixedModel by {method}: {self.formula}; {self.nobs} rows>"

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def __getstate__(self) -> dict[str, Any]:
        from partialpool.models.storage import native_state

        kept = ("design", "reml", "data_name", "_stored")
        return {"native": native_state(self), **{k: self.__dict__[k] for k in kept}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from partialpool.models.storage import restore_native

        native = state.pop("native")
        self.__dict__.update(state, _identification=None)
        self._products, self._native = restore_native(native, self.reml)
