"""A fit's summary: its estimates with the tests of the fixed effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from partialpool.arguments import Ddf
from partialpool.inference.fixed.wald import METHODS, t_rows
from partialpool.models.reporting import criteria, given, notes, variance_rows
from partialpool.models.summary import Summary

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit


def summarise(fit: MixedFit, ddf: Ddf) -> Summary:
    """See `LinearMixedModel.summary`."""
    se = np.sqrt(np.diag(fit.covariance))
    std_error = se
    df = p_value = None
    statistic = fit.beta / se
    title = f"Linear mixed model fit by {'REML' if fit.reml else 'maximum likelihood'}"
    if ddf != "asymptotic" and len(se):
        rows = t_rows(fit, None, 0.0, ddf)
        std_error, df = rows["std_error"], rows["df"]
        statistic, p_value = rows["statistic"], rows["p_value"]
        title += f". t-tests use {METHODS[ddf]}"
    hidden = fit.undetermined(np.eye(len(se)))
    std_error, statistic = np.where(hidden, np.nan, std_error), np.where(hidden, np.nan, statistic)
    if df is not None and p_value is not None:
        df, p_value = np.where(hidden, np.nan, df), np.where(hidden, np.nan, p_value)
    return Summary(
        title=title,
        formula=fit.formula,
        data_name=fit.data_name,
        criterion=criteria(fit),
        residual_quantiles=fit.residual_quantiles,
        variance_rows=variance_rows(fit),
        nobs=fit.nobs,
        ngroups=fit.ngroups,
        terms=fit.fixed_names,
        estimate=fit.beta,
        std_error=std_error,
        statistic=statistic,
        df=df,
        p_value=p_value,
        correlation=np.where(hidden[:, None] | hidden, np.nan, fit.covariance / np.outer(se, se)),
        dropped=fit.dropped_rows,
        weights=given(fit, "weights"),
        offset=given(fit, "offset"),
        notes=notes(fit),
    )
