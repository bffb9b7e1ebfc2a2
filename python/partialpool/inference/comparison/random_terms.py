"""Likelihood-ratio tests of random terms: lmerTest's ``ranova``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.crossproducts.build import cross_products
from partialpool.design import Design
from partialpool.design.columns import Column
from partialpool.design.covariance import Block, count_parameters, term_blocks
from partialpool.design.design import Term
from partialpool.formula import to_text
from partialpool.formula.model import written_terms
from partialpool.formula.terms import ExpandedTerms
from partialpool.models.identification import identification, settled
from partialpool.models.native import fit_native
from partialpool.models.refitting import update

if TYPE_CHECKING:
    import pandas as pd

    from partialpool.models.fit import MixedFit

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reduced:
    """A smaller model: how it is named, its criterion, and its number of parameters."""

    label: str
    criterion: float
    npar: int
    #: How many of these the data do not determine.
    open: int = 0


@dataclass(frozen=True, eq=False)
class RandomAnova:
    """Likelihood-ratio tests of the random terms, each reduced or left out in turn.

    Attributes
    ----------
    method
    model
        Formula of the fit.
    terms
        ``<none>`` for the fit itself, then what was taken out.
    npar, loglik, aic
        Figures of the fit, then of each reduced model; restricted for a REML fit.
    statistic, df, p_value
        Against the fit; NaN in the first row.
    """

    method: str
    model: str
    terms: tuple[str, ...]
    npar: Array
    loglik: Array
    aic: Array
    statistic: Array
    df: Array
    p_value: Array

    def to_frame(self) -> pd.DataFrame:
        """``term, npar, loglik, aic, statistic, df, p_value``."""
        import pandas as pd

        names = ("npar", "loglik", "aic", "statistic", "df", "p_value")
        columns: dict[str, Any] = {name: getattr(self, name) for name in names}
        return pd.DataFrame({"term": list(self.terms), **columns})

    def shown_columns(self) -> dict[str, Array]:
        """Columns under R's headers."""
        frame = self.to_frame()
        header = ["npar", "logLik", "AIC", "LRT", "Df", "Pr(>Chisq)"]
        return {h: frame[c].to_numpy() for h, c in zip(header, frame.columns[1:], strict=True)}

    def __str__(self) -> str:
        from partialpool.tables.anova import anova_lines

        head = [self.method, "", "Model:", self.model]
        return "\n".join([*head, *anova_lines(self.terms, self.shown_columns())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from partialpool.tables.anova import anova_cells
        from partialpool.tables.html import tables_html

        cells = anova_cells(self.terms, self.shown_columns())
        return tables_html(self.method, [("", cells)], lines=[("Model:", self.model)])


def ranova(fit: MixedFit) -> RandomAnova:
    """Test each random term, reduced by one of its own terms or left out.

    A term with slopes loses each of these in turn, its intercept is left out only where nothing
    else is in it; ``(x || g)`` loses each of its independent parts. Models are compared by REML if
    the fit is by REML. Parameters that the data do not determine are not counted in `df`.

    References
    ----------
    Kuznetsova, Brockhoff & Christensen (2017), J. Stat. Software 82(13).
    """
    from scipy.stats import chi2

    reduced: list[Reduced] = []
    for fitted in fit.terms:
        factor = fit.design.factors[fitted.index]
        term = next(t for t in factor.terms if t.source.text == fitted.text)
        make = _by_slope if term.source.correlated else _by_column
        reduced += make(fit, fitted.index, term)
    npar = np.array([fit.npar, *(r.npar for r in reduced)], dtype=float)
    loglik = -0.5 * np.array([fit.criterion, *(r.criterion for r in reduced)])
    open_parameters = len(fit.identification.directions)
    seen = npar - np.array([open_parameters, *(r.open for r in reduced)])
    statistic, df = 2 * (loglik[0] - loglik), seen[0] - seen
    p_value = np.where(df > 0, chi2.sf(statistic, np.maximum(df, 1.0)), np.nan)
    statistic[0], df[0] = np.nan, np.nan
    return RandomAnova(
        method="ANOVA-like table for random-effects: Single term deletions",
        model=fit.formula,
        terms=("<none>", *(r.label for r in reduced)),
        npar=npar,
        loglik=loglik,
        aic=-2 * loglik + 2 * npar,
        statistic=statistic,
        df=df,
        p_value=p_value,
    )


def _by_column(fit: MixedFit, index: int, term: Term) -> list[Reduced]:
    """``(x || g)``: its columns are independent, and each can be left out by itself."""
    group = fit.design.factors[index].name
    out = []
    for i, name in enumerate(term.names):
        keep = [j for j in range(len(term.names)) if j != i]
        part = f"(1 | {group})" if name == "Intercept" else f"(0 + {name} | {group})"
        label = part if name == "Intercept" else f"{name} in {part}"
        out.append(_fit_without(fit, label, index, term, keep))
    return out


def _by_slope(fit: MixedFit, index: int, term: Term) -> list[Reduced]:
    """A correlated term: each of its own terms that is part of no other is taken out."""
    left = written_terms(term.source.lhs)
    if not left.terms:
        return [_fit_without(fit, term.source.text, index, term, [])]
    out = []
    for i, own in enumerate(left.terms):
        if any(set(own) < set(other) for other in left.terms):
            continue
        label = f"{':'.join(map(to_text, own))} in {term.source.text}"
        if not left.intercept and (len(left.terms) == 1 or term.encoder.plan.coded_by_others):
            out.append(_fit_changed(fit, label, term, left, i))
        else:
            gone = i + int(left.intercept)
            keep = [j for j, t in enumerate(term.encoder.term_of) if t != gone]
            out.append(_fit_without(fit, label, index, term, keep))
    return out


def _fit_without(
    fit: MixedFit,
    label: str,
    index: int,
    term: Term,
    keep: list[int],
) -> Reduced:
    """The model with some of a term's columns only."""
    design = fit.design
    factor = design.factors[index]
    columns: list[Column] = []
    blocks: list[Block] = []
    for other in factor.terms:
        own = range(other.start, other.start + len(other.names))
        chosen = [own[j] for j in keep] if other is term else list(own)
        columns += [factor.columns[j] for j in chosen] if factor.columns else []
        blocks += term_blocks(term.source, len(keep)) if other is term else other.blocks
    others = [f for i, f in enumerate(design.factors) if i != index]
    npar = len(fit.beta) + 1 + sum(count_parameters(f.blocks) for f in others)
    npar += count_parameters(blocks)
    if not others and not blocks:
        # Without random effects the criterion is that of least squares: Λ = 0.
        zeros = [[0.0] * lam.size for lam in fit.relative_factors]
        return Reduced(label, fit.products.evaluate(fit.reml, zeros)[0], npar)
    factors = list(design.factors)
    if blocks:
        factors[index] = replace(factor, columns=tuple(columns), blocks=tuple(blocks))
    else:
        del factors[index]
    smaller = replace(design.with_rows(), factors=tuple(factors))
    criterion, unseen = _criterion(smaller, fit)
    return Reduced(label, criterion, npar, unseen)


def _criterion(design: Design, fit: MixedFit) -> tuple[float, int]:
    """A smaller model's likelihood, and how many of its parameters the data do not determine."""
    products = cross_products(design)
    native = fit_native(products, fit.reml, response=design.formula.response_name)
    found = identification(products, design)
    native = settled(products, native, found, fit.reml)
    return native.criterion, len(found.directions)


def _fit_changed(fit: MixedFit, label: str, term: Term, left: ExpandedTerms, gone: int) -> Reduced:
    """The model with a term written anew, read from the data: ``(0 + x | g)`` becomes (1 | g)."""
    rest = [":".join(map(to_text, own)) for i, own in enumerate(left.terms) if i != gone]
    group = term.source.text.rpartition("|")[2]
    new = f"({' + '.join(['0', *rest]) if rest else '1'} |{group}"
    smaller = update(fit, f". ~ . - {term.source.text} + {new}", None, {})
    return Reduced(label, smaller.criterion, smaller.npar, len(smaller.identification.directions))
