"""The fitted linear mixed model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.arguments import (
    KEPT,
    Coding,
    Kept,
    NaAction,
)
from partialpool.cached import cached_property
from partialpool.design import Design
from partialpool.errors import ArgumentError, warn
from partialpool.models.convergence import Convergence, read_convergence, singular_sentences
from partialpool.models.copies import CopiedFits
from partialpool.models.fit import MixedFit
from partialpool.models.native import fit_native

if TYPE_CHECKING:
    from partialpool.models.identification import Identification

Vector = NDArray[np.float64]


class LinearMixedModel(MixedFit, CopiedFits):
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
        self.stored = dict(stored or {})
        self._identification = identification

    # ---- what was fitted -------------------------------------------------------------------

    @property
    def family(self) -> str:
        """Distribution of the response given the linear predictor."""
        return "gaussian"

    @property
    def products(self) -> _core.CrossProducts:
        """Cross-products of the rows, as the native routines take them."""
        return self._products

    @property
    def optimum(self) -> _core.Fit:
        """The factorised system at the estimates, as the native routines take it."""
        return self._native

    @property
    def nobs(self) -> int:
        """Rows used."""
        return self._products.n

    @property
    def kept(self) -> tuple[int, ...]:
        """Which columns of the design's fixed part were estimated, p of them."""
        return self._kept

    # ---- estimates -------------------------------------------------------------------------

    # Read of the native fit once, so that a fit has one array of each.

    @cached_property
    def _kept(self) -> tuple[int, ...]:
        return tuple(self._products.kept)

    @cached_property
    def _beta(self) -> Vector:
        return self._native.beta

    @cached_property
    def _sigma(self) -> float:
        return self._native.sigma

    @cached_property
    def _lambdas(self) -> tuple[Vector, ...]:
        sizes = [len(factor.names) for factor in self.design.factors]
        flat = zip(self._native.lambdas, sizes, strict=True)
        return tuple(np.array(lam).reshape(k, k) for lam, k in flat)

    @cached_property
    def _effects(self) -> list[Vector]:
        flat = zip(self._native.random_effects(), self.design.factors, strict=True)
        return [b.reshape(len(f.levels), -1) for b, f in flat]

    @property
    def beta(self) -> Vector:
        """Fixed effects as an array, shape (p,)."""
        return self._beta

    @property
    def sigma(self) -> float:
        """Residual standard deviation, in units of the response."""
        return self._sigma

    @property
    def unscaled_covariance(self) -> Vector:
        """Covariance of the fixed effects over σ², (p, p)."""
        p = len(self.beta)
        return self._native.unscaled_covariance.reshape(p, p)

    @property
    def relative_factors(self) -> tuple[Vector, ...]:
        """Λ of each grouping factor (design order), lower-triangular, (k, k)."""
        return self._lambdas

    @property
    def random_effects(self) -> list[Vector]:
        """Conditional modes of each grouping factor (design order), (levels, k)."""
        return self._effects

    def conditional_sds(self) -> list[Vector]:
        """Standard deviations of each factor's random effects given the data, (levels, k).

        Fixed effects and variances are taken as known, as by lme4's ``condVar``.
        """
        out = []
        flat = self._native.conditional_covariances()
        for values, factor in zip(flat, self.design.factors, strict=True):
            k = len(factor.names)
            blocks = values.reshape(len(factor.levels), k, k)
            variances = np.maximum(np.diagonal(blocks, axis1=1, axis2=2), 0.0)
            out.append(self.sigma * np.sqrt(variances))
        return out

    # ---- likelihood ------------------------------------------------------------------------

    @property
    def criterion(self) -> float:
        """What was minimised: -2 log (restricted) likelihood."""
        return self._native.criterion

    @property
    def loglik(self) -> float:
        """Log-likelihood; restricted for a REML fit."""
        return -0.5 * self.criterion

    @property
    def ml_loglik(self) -> float:
        """Maximum of the log-likelihood; a REML fit is fitted again to its cross-products."""
        if not self.reml:
            return self.loglik
        response = self.design.formula.response_name
        return -0.5 * fit_native(self._products, False, response=response).criterion

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
    def _singular(self) -> tuple[str, ...]:
        return singular_sentences(self.design, self._native, self.identification)

    @property
    def singular_directions(self) -> tuple[str, ...]:
        """One sentence for each term whose random effects span fewer dimensions than it has."""
        return self._singular

    def warn_if_not_converged(self) -> None:
        """Give a ConvergenceWarning if a check of the optimum failed."""
        verdict = self.convergence
        if not verdict.converged:
            warn(verdict.message)

    # ---- rows ------------------------------------------------------------------------------

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
        """The same model of another response, one value per row used or per row of the data.

        A pandas Series goes by its labels. Of a transformed response, ``log(y) ~ x``, the values of
        log(y) are given, as in lme4. `ranova`, `update`, `augment` and all else that reads the data
        again find the new response.
        """
        from partialpool.models.refitting import refit

        return refit(self, y)

    def by_criterion(self, reml: bool) -> LinearMixedModel:
        """The same rows by REML or by ML, the fit itself where it is; no row is read again."""
        from partialpool.models.refitting import by_criterion

        return self if self.reml is reml else by_criterion(self, reml)

    def update(
        self,
        formula: str | None = None,
        *,
        data: Any = None,
        reml: bool | Kept = KEPT,
        weights: Any = KEPT,
        offset: Any = KEPT,
        contrasts: Mapping[str, Coding] | Kept | None = KEPT,
        na_action: NaAction | Kept = KEPT,
        **unknown: Never,
    ) -> LinearMixedModel:
        """Fit again with another formula (``. ~ . - x``), data, or arguments of `lmer`.

        What is not given stays as it was.
        """
        from partialpool.models.refitting import update

        given: dict[str, Any] = {"reml": reml, "weights": weights, "offset": offset}
        given |= {"contrasts": contrasts, "na_action": na_action}
        for name in unknown:
            known = ", ".join(sorted(given))
            raise ArgumentError(f"update has no argument {name!r}; it takes {known}")
        return update(self, formula, data, {k: v for k, v in given.items() if v is not KEPT})

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
