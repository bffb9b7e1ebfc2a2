"""Shares of the variance that random effects explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from partialpool.arguments import VARIANCE_SHARES, VarianceShare, check_choice
from partialpool.design.columns import row_slices, rows_of

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit


def explained_variance_by(fit: MixedFit, method: VarianceShare) -> float:
    """See `LinearMixedModel.explained_variance_by`."""
    method = check_choice(method, "method", VARIANCE_SHARES)
    relative = _summed(fit) if method == "sum" else _mean_over_rows(fit)
    return relative / (relative + 1.0)


def _summed(fit: MixedFit) -> float:
    """Variances of the random effects, each in its own unit, over σ²."""
    return sum(float(np.sum(t.covariance.diagonal())) for t in fit.terms)


def _mean_over_rows(fit: MixedFit) -> float:
    """Mean over the rows of z_i Σ z_iᵀ / σ² (Johnson 2014), all terms together."""
    factors = fit.design.with_rows().factors
    total = 0.0
    for rows in row_slices(fit.nobs):
        for term in fit.terms:
            columns = factors[term.index].columns[term.columns]
            z = np.empty((rows.stop - rows.start, len(columns)))
            for j, column in enumerate(columns):
                z[:, j] = rows_of(column, rows)
            # By Σ's factor, whose entries go with the columns' units: only what is left is squared.
            total += float(np.sum(np.square(z @ term.lam)))
    return total / fit.nobs
