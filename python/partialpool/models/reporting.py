"""A fit's summary as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from partialpool.models.summary import Summary, VarianceRow

if TYPE_CHECKING:
    from partialpool.models.linear_mixed import LinearMixedModel
    from partialpool.models.terms import FittedTerm


def summarise(fit: LinearMixedModel, ddf: str) -> Summary:
    """See `LinearMixedModel.summary`."""
    se = np.sqrt(np.diag(fit.covariance))
    std_error = se
    df = p_value = None
    statistic = fit.beta / se
    title = f"Linear mixed model fit by {'REML' if fit.reml else 'maximum likelihood'}"
    if ddf != "asymptotic" and len(se):
        from partialpool.inference.fixed.wald import METHODS, t_rows

        rows = t_rows(fit, np.eye(len(se)), np.zeros(len(se)), ddf)
        std_error, df = rows["std_error"], rows["df"]
        statistic, p_value = rows["statistic"], rows["p_value"]
        title += f". t-tests use {METHODS[ddf]}"
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
        correlation=fit.covariance / np.outer(se, se),
        dropped=fit.dropped_rows,
        weights=given(fit, "weights"),
        offset=given(fit, "offset"),
        notes=notes(fit),
    )


def given(fit: LinearMixedModel, what: str) -> str | None:
    """The summary's words on prior weights or an offset; None where there are none."""
    if fit.design.y is None:
        return fit._stored.get(what)
    if getattr(fit.design, what) is None:
        return None
    name = fit.design.given.get(what)
    if isinstance(name, str):
        return name
    return "prior weights given" if what == "weights" else "offset given"


def criteria(fit: LinearMixedModel) -> dict[str, float]:
    """What lme4 prints first."""
    if fit.reml:
        return {"REML criterion": fit.criterion}
    return {
        "AIC": fit.aic,
        "BIC": fit.bic,
        "logLik": fit.loglik,
        "deviance": fit.deviance,
        "df.resid": float(fit.nobs - fit.npar),
    }


def variance_rows(fit: LinearMixedModel) -> tuple[VarianceRow, ...]:
    """Standard deviations and correlations of each independent block, the residual last."""
    rows: list[VarianceRow] = []
    used: dict[str, int] = {}
    for term in fit.terms:
        start = 0
        for size in term.blocks:
            own = slice(start, start + size)
            rows += _block_rows(fit, term, own, group_label(term.factor.name, used))
            start += size
    rows.append(VarianceRow("Residual", "", fit.sigma**2, fit.sigma))
    return tuple(rows)


def group_label(name: str, used: dict[str, int]) -> str:
    """lme4 numbers further terms on a factor: Subject, Subject.1, …"""
    count = used.get(name, 0)
    used[name] = count + 1
    return name if count == 0 else f"{name}.{count}"


def _block_rows(
    fit: LinearMixedModel, term: FittedTerm, own: slice, label: str
) -> list[VarianceRow]:
    # σ before the squares: over σ² they may be no numbers where σ is large or small.
    root = fit.sigma * term.lam[own, own]
    covariance = root @ root.T
    sd = np.sqrt(np.diag(covariance))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.clip(covariance / np.outer(sd, sd), -1.0, 1.0)
    return [
        VarianceRow(
            label, name, float(sd[i] ** 2), float(sd[i]), tuple(correlation[i, :i].tolist())
        )
        for i, name in enumerate(term.names[own])
    ]


def notes(fit: LinearMixedModel) -> tuple[str, ...]:
    """Sentences under the tables: what was dropped, expanded, singular, not converged."""
    out: list[str] = []
    if fit.aliased:
        out.append(f"fixed-effect model matrix is rank deficient: dropped {', '.join(fit.aliased)}")
    for term in fit.terms:
        if len(term.blocks) > 1:
            parts = [
                f"({'1' if name == 'Intercept' else f'0 + {name}'} | {term.factor.name})"
                for name in term.names
            ]
            out.append(f"{term.text} is {' + '.join(parts)}")
    if fit.is_singular:
        out.append(f"boundary (singular) fit: {'; '.join(fit.singular_directions)}")
    if not fit.convergence.converged:
        out.append(fit.convergence.message)
    return tuple(out)
