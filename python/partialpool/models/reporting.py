"""A fit's summary as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from partialpool.design.covariance import parts
from partialpool.models.identification import listed
from partialpool.models.summary import VarianceRow

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit
    from partialpool.models.terms import FittedTerm


#: Aliased columns that are named.
LISTED = 20


def given(fit: MixedFit, what: str) -> str | None:
    """The summary's words on prior weights or an offset; None where there are none."""
    if fit.design.y is None:
        return fit.stored.get(what)
    if getattr(fit.design, what) is None:
        return None
    name = fit.design.given.get(what)
    if isinstance(name, str):
        return name
    return "prior weights given" if what == "weights" else "offset given"


def criteria(fit: MixedFit) -> dict[str, float]:
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


def variance_rows(fit: MixedFit) -> tuple[VarianceRow, ...]:
    """Standard deviations and correlations of each independent block, the residual last."""
    rows: list[VarianceRow] = []
    used: dict[str, int] = {}
    for term in fit.terms:
        for part in parts(term.blocks):
            own = slice(part.start, part.stop)
            rows += _block_rows(fit, term, own, group_label(term.factor.name, used))
    rows.append(VarianceRow("Residual", "", fit.sigma**2, fit.sigma, (), ("sigma",)))
    return tuple(rows)


def group_label(name: str, used: dict[str, int]) -> str:
    """lme4 numbers further terms on a factor: Subject, Subject.1, …"""
    count = used.get(name, 0)
    used[name] = count + 1
    return name if count == 0 else f"{name}.{count}"


def _block_rows(fit: MixedFit, term: FittedTerm, own: slice, label: str) -> list[VarianceRow]:
    # σ before the squares: over σ² they may be no numbers where σ is large or small.
    root = fit.sigma * term.lam[own, own]
    covariance = root @ root.T
    sd = np.sqrt(np.diag(covariance))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.clip(covariance / np.outer(sd, sd), -1.0, 1.0)
    first = term.columns.start + own.start
    for i, j in zip(*np.tril_indices(len(sd), -1), strict=True):
        if fit.identification.correlation_open(term.index, first + int(i), first + int(j)):
            correlation[i, j] = np.nan
    rows: list[VarianceRow] = []
    for i, name in enumerate(term.names[own]):
        known = [fit.parameters.deviation(term.index, first + i)]
        known += [fit.parameters.correlation(term.index, first + j, first + i) for j in range(i)]
        earlier = tuple(correlation[i, :i].tolist())
        rows.append(
            VarianceRow(label, name, float(sd[i] ** 2), float(sd[i]), earlier, tuple(known))
        )
    return rows


def notes(fit: MixedFit) -> tuple[str, ...]:
    """Sentences under the tables: what was dropped, expanded, singular, not converged."""
    out: list[str] = []
    if fit.aliased:
        listed = ", ".join(fit.aliased[:LISTED])
        more = f" and {len(fit.aliased) - LISTED:,} more" if len(fit.aliased) > LISTED else ""
        out.append(f"fixed-effect model matrix is rank deficient: dropped {listed}{more}")
    for term in fit.terms:
        if len(parts(term.blocks)) > 1:
            written = [
                f"({'1' if name == 'Intercept' else f'0 + {name}'} | {term.factor.name})"
                for name in term.names
            ]
            out.append(f"{term.text} is {' + '.join(written)}")
    if fit.is_singular:
        out.append(f"boundary (singular) fit: {'; '.join(fit.singular_directions)}")
    if not fit.is_identified:
        out.append(f"not identified: {'; '.join(fit.undetermined_sentences)}{consequences(fit)}")
    if not fit.convergence.converged:
        out.append(fit.convergence.message)
    return tuple(out)


def consequences(fit: MixedFit) -> str:
    """What a fit that is not identified shows in place of what the data leave open."""
    hidden = fit.undetermined(np.eye(len(fit.beta)))
    names = [n for n, h in zip(fit.fixed_names, hidden, strict=True) if h]
    shown = "; those shown are one choice among many that fit the data equally well"
    if not names:
        return shown
    return f"{shown}; there are no standard errors and tests of {listed(names)}"
