"""One row that sums a fit up: broom.mixed's ``glance``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.frames.tidy import tidy_frame

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit


def glance(fit: MixedFit) -> Any:
    """See `LinearMixedModel.glance`."""
    row = {
        "nobs": fit.nobs,
        "sigma": fit.sigma,
        "loglik": fit.loglik,
        "aic": fit.aic,
        "bic": fit.bic,
        # lme4 gives the criterion of a REML fit and the deviance of an ML fit
        "reml_criterion": fit.criterion if fit.reml else float("nan"),
        "deviance": float("nan") if fit.reml else fit.criterion,
        "df_residual": fit.nobs - fit.npar,
    }
    return tidy_frame({k: np.array([v]) for k, v in row.items()}, fit.design.kind)
