"""Hypotheses of type I, II and III about the terms of a fixed part, as lmerTest forms them.

Type I and II need the triangular factor of XᵀX alone. Type III needs to know what the columns mean:
they are built again under treatment coding on made-up rows, and only where a column of X was
dropped (cells without data) on the rows of the data themselves.

Source: Kuznetsova, Brockhoff & Christensen (2017), J. Stat. Software 82(13), and SAS's construction
of type III functions, which lmerTest follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.cached import cached_property
from partialpool.design.columns import dense
from partialpool.errors import DataError
from partialpool.formula import Expr
from partialpool.formula.expressions import Call
from partialpool.formula.model import written_terms
from partialpool.inference.fixed.coding import Coding, compress, sizes
from partialpool.inference.fixed.independence import independent_rows

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

Array = NDArray[np.float64]
Hypotheses = dict[str, Array]

#: Transforms whose values are matrices in R.
MATRICES = frozenset({"poly", "bs", "ns", "cr", "cc", "scale"})
#: Entries of type III functions below this share of their row's largest are rounding errors.
ZERO = 1e-9


@dataclass(frozen=True, eq=False)
class FixedTerms:
    """The terms of a fixed part, without the intercept.

    Attributes
    ----------
    names
        As printed.
    factors
        The trees that each term multiplies.
    categorical
        Trees that stand for a factor, and the column of data that it codes.
    columns
        Which of the p coefficients are each term's own.
    intercept
        Whether there is one.
    """

    names: tuple[str, ...]
    factors: tuple[frozenset[Expr], ...]
    ordered: tuple[tuple[Expr, ...], ...]
    categorical: dict[Expr, str]
    columns: tuple[tuple[int, ...], ...]
    intercept: bool

    @cached_property
    def _by_contrasts(self) -> tuple[frozenset[Expr], ...]:
        """For each term, the factors without which it would still be a term of the model."""
        known = {frozenset(), *self.factors}
        return tuple(frozenset(f for f in own if own - {f} in known) for own in self.factors)

    @cached_property
    def containing(self) -> tuple[tuple[int, ...], ...]:
        """For each term, the terms that contain it: more factors, and the same covariates.

        As in lmerTest, only factors that are coded by contrasts count, so that in ``a + a:b``
        (no ``b``) nothing contains ``a``, which is then tested at the first level of b. As there
        too, covariates are numbers: what R keeps as a matrix, as ``poly(x, 2)``, is none, so that
        ``a:poly(x, 2)`` contains ``a``. (Unlike there, a term never contains one of other factors:
        in ``b + a:x`` lmerTest takes ``b`` to contain ``a:x``.)
        """
        n = len(self.names)
        seen = self._by_contrasts
        numeric = [frozenset(f for f in own if self._is_covariate(f)) for own in seen]
        return tuple(
            tuple(
                j
                for j in range(n)
                if self.factors[i] < self.factors[j]
                and seen[i] < seen[j]
                and numeric[i] == numeric[j]
            )
            for i in range(n)
        )

    def _is_covariate(self, factor: Expr) -> bool:
        matrix = isinstance(factor, Call) and factor.function in MATRICES
        return factor not in self.categorical and not matrix

    @property
    def droppable(self) -> tuple[int, ...]:
        """Terms that are part of no other (R's ``drop.scope``)."""
        return tuple(
            i
            for i, own in enumerate(self.factors)
            if not any(own < other for other in self.factors)
        )


def fixed_terms(fit: MixedFit) -> FixedTerms:
    """Read the terms of a fit's fixed part."""
    encoder = fit.design.fixed
    expanded = written_terms(fit.design.formula.fixed)
    first = int(expanded.intercept)
    names = encoder.term_names[first:]
    kept = fit.kept
    columns = [
        tuple(i for i, j in enumerate(kept) if encoder.term_of[j] == first + t)
        for t in range(len(names))
    ]
    categorical = {f: name for f in expanded.factors if (name := encoder.factor_of(f)) is not None}
    return FixedTerms(
        names=tuple(names),
        factors=tuple(frozenset(t) for t in expanded.terms),
        ordered=expanded.terms,
        categorical=categorical,
        columns=tuple(columns),
        intercept=expanded.intercept,
    )


def hypotheses(fit: MixedFit, type_: int) -> Hypotheses:
    """For each term, L with the hypothesis L β = 0, (q, p); q is 0 for a term without one."""
    terms = fixed_terms(fit)
    p = len(fit.beta)
    if not terms.names:
        return {}
    if type_ == 1 or len(terms.names) == 1 or p <= 1:
        return sequential(fit, terms)
    if type_ == 2:
        return partly_sequential(fit, terms)
    return functions_of_cells(fit, terms)


def marginal(fit: MixedFit, terms: FixedTerms) -> Hypotheses:
    """Each term's own coefficients."""
    eye = np.eye(len(fit.beta))
    return {name: eye[list(c)] for name, c in zip(terms.names, terms.columns, strict=True)}


def sequential(fit: MixedFit, terms: FixedTerms) -> Hypotheses:
    """Type I: each term after those before it."""
    rows = _unit_triangle(_root(fit))
    return {name: rows[list(c)] for name, c in zip(terms.names, terms.columns, strict=True)}


def partly_sequential(fit: MixedFit, terms: FixedTerms) -> Hypotheses:
    """Type II: each term after all others but those that contain it."""
    root = _root(fit)
    out = marginal(fit, terms)
    p = root.shape[1]
    for i, name in enumerate(terms.names):
        if not terms.containing[i]:
            continue
        last = [*terms.columns[i], *(c for j in terms.containing[i] for c in terms.columns[j])]
        order = [c for c in range(p) if c not in set(last)] + last
        rows = np.zeros((p, p))
        rows[:, order] = _unit_triangle(root[:, order])
        first = p - len(last)
        out[name] = rows[first : first + len(terms.columns[i])]
    return out


def _unit_triangle(root: Array) -> Array:
    """Unit upper triangle U of XᵀX = UᵀDU, from any S with SᵀS = XᵀX."""
    r = np.linalg.qr(root, mode="r")
    return r / np.diag(r)[:, None]


def _root(fit: MixedFit) -> Array:
    """S with SᵀS = XᵀX, prior weights left out (as in lmerTest), (p, p) or a few rows more."""
    if fit.design.weights is None:
        p = len(fit.beta)
        return _core.fixed_root(fit.optimum).reshape(p, p)
    columns = fit.fixed_columns
    return compress(lambda rows: dense(columns, fit.nobs, rows), fit.nobs)


def functions_of_cells(fit: MixedFit, terms: FixedTerms) -> Hypotheses:
    """Type III: averages over the cells of a balanced design, whatever the coding."""
    if not terms.categorical:
        return marginal(fit, terms)
    coding = Coding.of(fit, terms)
    whole = not fit.aliased
    rows = coding.made_up() if whole else None
    if rows is not None:
        x, cells, own = rows
        if np.linalg.matrix_rank(x) < x.shape[1] or not _within(cells, x) or not _within(own, x):
            rows = None
    if rows is None:
        if fit.design.source is None:
            raise DataError(
                "type III tests of this design need its data, which a stored or unpickled fit does"
                " not keep; fit it again, or use type=2"
            )
        rows = coding.observed()
    x, cells, own = rows
    # Each of the fit's own columns in a unit of its own, whatever that of the data.
    units = sizes(own)
    own = own / units
    kept = independent_rows(x.T)
    x = x[:, kept]
    functions = np.linalg.lstsq(x, cells, rcond=None)[0].T
    functions[np.abs(functions) < ZERO * np.abs(functions).max()] = 0.0
    of_term = np.array([coding.term_of[j] for j in kept])
    for i in sorted(range(len(terms.names)), key=lambda t: -len(terms.factors[t])):
        above = np.isin(of_term, terms.containing[i])
        mine = of_term == i
        if above.any() and mine.any():
            fitted = np.linalg.lstsq(functions[:, above], functions[:, mine], rcond=None)[0]
            functions[:, mine] -= functions[:, above] @ fitted
    functions = functions[[coding.cell_of[j] for j in kept]]
    to_own = np.linalg.lstsq(x, own, rcond=None)[0]
    out: Hypotheses = {}
    for i, name in enumerate(terms.names):
        rows_of_term = functions[:, of_term == i].T
        rows_of_term = rows_of_term[np.abs(rows_of_term).sum(axis=1) > 1e-8]
        combined = rows_of_term @ to_own
        # Rounding errors that a coefficient in a small unit, and so a large number, would magnify.
        largest = np.abs(combined).max(axis=1, initial=0.0, keepdims=True)
        combined[np.abs(combined) < ZERO * largest] = 0.0
        out[name] = combined * units
    return out


def _within(columns: Array, x: Array) -> bool:
    """Whether columns are combinations of those of x."""
    rest = columns - x @ np.linalg.lstsq(x, columns, rcond=None)[0]
    return bool(np.all(np.abs(rest) <= 1e-8 * np.maximum(np.abs(columns).max(), 1.0)))
