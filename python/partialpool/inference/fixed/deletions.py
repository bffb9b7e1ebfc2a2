"""Hypotheses of single term deletions, as lmerTest's ``drop1``, and cells without data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from partialpool.design.columns import dense
from partialpool.errors import DataError
from partialpool.formula import to_text
from partialpool.inference.fixed.coding import Coding, compress, sizes
from partialpool.inference.fixed.hypotheses import (
    FixedTerms,
    Hypotheses,
    fixed_terms,
    hypotheses,
    marginal,
)
from partialpool.inference.fixed.independence import independent_rows
from partialpool.inference.fixed.wald import scaled_covariance, units_of

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

Array = NDArray[np.float64]

#: What is left of a column of X after the others, over the column, that is rounding.
NOTHING_LEFT = 1e-7
#: Angle between the rows of two hypotheses that are one.
SAME = 1e-7


def deletions(fit: MixedFit) -> Hypotheses:
    """For each term that is part of no other, L with L β = 0 where the model can do without it.

    Its own coefficients, unless columns were dropped: then what the columns of the smaller model
    cannot give (no row where these give everything: R's NA). Where this is the term's hypothesis
    of type III it is stated by the same rows, so that Satterthwaite's df are the same too.
    """
    terms = fixed_terms(fit)
    if fit.aliased:
        found = {terms.names[i]: _lost(fit, terms, i) for i in terms.droppable}
    else:
        own = marginal(fit, terms)
        found = {terms.names[i]: own[terms.names[i]] for i in terms.droppable}
    if all(len(rows) < 2 for rows in found.values()):
        return found
    third = hypotheses(fit, 3)
    # In the metric of the covariance, which knows no units.
    units = units_of(fit)
    root = np.linalg.cholesky(scaled_covariance(fit, units))

    def seen(rows: Array) -> Array:
        return units.rows(rows)[0] @ root if len(rows) else rows

    return {
        name: third[name] if _same(seen(rows), seen(third[name])) else rows
        for name, rows in found.items()
    }


def _same(a: Array, b: Array) -> bool:
    """Whether two sets of independent rows span the same space."""
    if a.shape != b.shape or len(a) < 2:
        return False
    first, second = np.linalg.qr(a.T)[0], np.linalg.qr(b.T)[0]
    outside = second - first @ (first.T @ second)
    return bool(np.linalg.norm(outside, axis=0).max() < SAME)


def _lost(fit: MixedFit, terms: FixedTerms, gone: int) -> Array:
    """Rows L with L β = 0 where X β is in the span of the smaller model's columns.

    They are orthonormal for columns of unit length.
    """
    smaller, own = _columns_without(fit, terms, gone)
    # Powers of two first, so that the squares in a norm are ordinary numbers.
    unit = sizes(own)
    size = np.linalg.norm(own / unit, axis=0)
    own, smaller = own / unit / size, smaller / sizes(smaller)
    if smaller.shape[1]:
        norms = np.linalg.norm(smaller, axis=0)
        basis, values, _ = np.linalg.svd(
            smaller / np.where(norms > 0.0, norms, 1.0), full_matrices=False
        )
        basis = basis[:, values > NOTHING_LEFT * values[0]]
        left = own - basis @ (basis.T @ own)
        left -= basis @ (basis.T @ left)
    else:
        left = own
    left[:, np.linalg.norm(left, axis=0) < NOTHING_LEFT] = 0.0
    rows = left.T @ left
    kept = independent_rows(rows)
    if not kept:
        return np.zeros((0, own.shape[1]))
    return np.linalg.qr(rows[kept].T)[0].T * size * unit


def _columns_without(fit: MixedFit, terms: FixedTerms, gone: int) -> tuple[Array, Array]:
    """The model's columns without a term, coded anew, and the fit's own, in a few rows."""
    encoder = fit.design.fixed
    if terms.categorical:
        if fit.design.source is None:
            raise DataError(
                "deletions of terms of this design need its data, which a stored or unpickled fit"
                " does not keep; fit it again"
            )
        rest = [i for i in range(len(terms.names)) if i != gone]
        factors = {f for i in rest for f in terms.factors[i]}
        smaller = replace(
            terms,
            names=tuple(terms.names[i] for i in rest),
            factors=tuple(terms.factors[i] for i in rest),
            ordered=tuple(terms.ordered[i] for i in rest),
            columns=tuple(terms.columns[i] for i in rest),
            categorical={f: name for f, name in terms.categorical.items() if f in factors},
        )
        x, _, own = Coding.of(fit, smaller).observed()
        return x, own
    design, first = fit.design.with_rows(), int(terms.intercept)
    stay = [j for j, t in enumerate(encoder.term_of) if t != first + gone]
    chosen = [*stay, *fit.kept]

    parts = [design.x[j] for j in chosen]
    both = compress(lambda rows: dense(parts, design.n, rows), design.n)
    return both[:, : len(stay)], both[:, len(stay) :]


def empty_cells(fit: MixedFit) -> tuple[str, ...]:
    """Cells of the fixed part without data: type III hypotheses then depend on which these are."""
    terms = fixed_terms(fit)
    if not fit.aliased or not terms.categorical or len(terms.names) < 2:
        return ()
    coding = Coding.of(fit, terms)
    _, cells, _ = coding.observed()
    empty = np.flatnonzero(np.abs(cells).max(axis=0) == 0.0)
    return tuple(_cell_name(coding, int(j)) for j in empty)


def _cell_name(coding: Coding, place: int) -> str:
    """As ``recipe[a]:temperature[175]``."""
    terms = coding.terms
    start = int(terms.intercept)
    for own, cells in zip(terms.ordered, coding.cells, strict=True):
        if place < start + len(cells):
            cell = cells[place - start]
            return ":".join(
                f"{to_text(f)}[{coding.encoder.levels[terms.categorical[f]][i]}]"
                if f in terms.categorical
                else to_text(f)
                for f, i in zip(own, cell, strict=True)
            )
        start += len(cells)
    raise IndexError(place)
