"""Variances and covariances that the data do not determine, whatever the response.

The restricted likelihood is constant along some directions of the covariance parameters where a
random term repeats another, or what fixed effects already take. It is a property of the design, not
of an optimum: a variance estimated as zero, or one that is estimated badly, is determined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.cached import cached_property
from partialpool.design import Design
from partialpool.design.covariance import free_entries

Array = NDArray[np.float64]

#: Coefficients below this share of a direction's largest are rounding.
ZERO = 1e-6
#: Searches for a representative; differences of the criterion that are none, and the share of n
#: times the largest relative variance that its rounding may be.
ROUNDS, SAME, ROUNDING = 3, 1e-8, 1e-15


@dataclass(frozen=True, slots=True)
class CovarianceEntry:
    """One covariance parameter: factor and columns in the design; factor -1 is the residual."""

    factor: int
    row: int
    column: int


@dataclass(frozen=True, eq=False)
class Identification:
    """What the data leave open.

    Attributes
    ----------
    entries
        The m covariance parameters, and the residual variance.
    working
        d independent directions without information, in the parameters of the native module's
        Kenward-Roger method, (d, m + 1).
    directions
        The same in `entries`, each over the root mean squares of its columns, so that units do not
        matter; reduced, so that each names as few parameters as it can, (d, m + 1).
    sizes
        Products of these root mean squares, (m + 1,).
    rms
        Root mean square of each column of each factor.
    """

    entries: tuple[CovarianceEntry, ...]
    working: Array
    directions: Array
    sizes: Array
    rms: tuple[tuple[float, ...], ...]

    @property
    def complete(self) -> bool:
        """Whether every parameter is determined."""
        return len(self.directions) == 0

    @cached_property
    def open_entries(self) -> frozenset[CovarianceEntry]:
        """Parameters that some direction changes."""
        touched = np.any(self.directions != 0.0, axis=0)
        return frozenset(e for e, t in zip(self.entries, touched, strict=True) if t)

    @property
    def residual_open(self) -> bool:
        """Whether the residual variance is not determined."""
        return any(e.factor < 0 for e in self.open_entries)

    def variance_open(self, factor: int, i: int) -> bool:
        """Whether the variance of a factor's column is not determined."""
        return CovarianceEntry(factor, i, i) in self.open_entries

    def correlation_open(self, factor: int, i: int, j: int) -> bool:
        """Whether the correlation of two columns is not determined."""
        entry = CovarianceEntry(factor, max(i, j), min(i, j))
        return (
            entry in self.open_entries
            or self.variance_open(factor, i)
            or self.variance_open(factor, j)
        )


def identification(products: _core.CrossProducts, design: Design) -> Identification:
    """Which covariance parameters of a design its rows determine."""
    found, rms = _core.undetermined(products)
    entries = covariance_entries(design)
    sizes = np.array([rms[e.factor][e.row] * rms[e.factor][e.column] for e in entries] + [1.0])
    entries = (*entries, CovarianceEntry(-1, 0, 0))
    rows = []
    for direction in found:
        shaped = zip(direction.raw, rms, strict=True)
        square = [np.reshape(m, (len(s), len(s))) for m, s in shaped]
        raw = [square[e.factor][e.row, e.column] for e in entries[:-1]]
        rows.append(np.array([*raw, direction.working[-1]]) * sizes)
    size = len(entries)
    return Identification(
        entries,
        np.array([direction.working for direction in found]).reshape(len(found), size),
        _reduced(np.array(rows).reshape(len(found), size)),
        sizes,
        tuple(map(tuple, rms)),
    )


def covariance_entries(design: Design) -> tuple[CovarianceEntry, ...]:
    """Free entries of each factor's covariance, block by block, column by column."""
    out: list[CovarianceEntry] = []
    for index, factor in enumerate(design.factors):
        out += [CovarianceEntry(index, i, j) for i, j in free_entries(factor.blocks)]
    return tuple(out)


def _reduced(rows: Array) -> Array:
    """Row echelon form with the largest pivots: the same span, many zeros."""
    out = rows.copy()
    for r in range(len(out)):
        column = int(np.argmax(np.abs(out[r:]).max(axis=0)))
        pivot = r + int(np.argmax(np.abs(out[r:, column])))
        out[[r, pivot]] = out[[pivot, r]]
        out[r] /= out[r, column]
        others = np.arange(len(out)) != r
        out[others] -= np.outer(out[others, column], out[r])
    return np.where(np.abs(out) > ZERO, out, 0.0)


def representative(
    found: Identification, lambdas: Sequence[Sequence[float]]
) -> list[list[float]] | None:
    """Λ of the same likelihood with as many undetermined parameters at zero as can be.

    Covariances first, then variances from the last to the first: of two terms that repeat one
    another the earlier has all of their variance. None if nothing changes.
    """
    if found.complete:
        return None
    factors = [np.reshape(lam, (round(len(lam) ** 0.5), -1)) for lam in lambdas]
    relative = [lam @ lam.T for lam in factors]
    values = np.array(
        [relative[e.factor][e.row, e.column] if e.factor >= 0 else 1.0 for e in found.entries]
    )
    values = values * found.sizes
    start = values.copy()
    free = np.linalg.qr(found.directions.T)[0].T
    order = [i for i, e in enumerate(found.entries) if e.factor >= 0]
    order.sort(key=lambda i: (found.entries[i].row == found.entries[i].column, -i))
    for i in order:
        weight = float(free[:, i] @ free[:, i])
        if len(free) == 0 or weight < ZERO:
            continue
        moved = values - values[i] * (free[:, i] @ free) / weight
        moved[i] = 0.0
        if _matrices(found, moved, factors) is None:
            continue
        values = moved
        # What is left: directions that do not move this parameter.
        basis = np.linalg.svd(free[:, i][None, :])[2][1:]
        free = basis @ free
    if np.allclose(values, start, rtol=1e-10, atol=1e-12):
        return None
    matrices = _matrices(found, values, factors)
    if matrices is None:
        return None
    return [lower_factor(m).ravel().tolist() for m in matrices]


def _matrices(found: Identification, values: Array, like: Sequence[Array]) -> list[Array] | None:
    """Each factor's covariance over σ²; None if one is no covariance."""
    residual = values[-1]
    if residual <= ZERO:
        return None
    scaled = [np.zeros_like(m) for m in like]
    raw = [np.zeros_like(m) for m in like]
    for e, v, size in zip(found.entries[:-1], values, found.sizes, strict=False):
        for i, j in ((e.row, e.column), (e.column, e.row)):
            scaled[e.factor][i, j] = v / residual
            raw[e.factor][i, j] = v / residual / size if size > 0.0 else 0.0
    for m in scaled:
        smallest = float(np.linalg.eigvalsh(m)[0])
        if smallest < -1e-10 * max(float(np.abs(m).max()), 1.0):
            return None
    return raw


def lower_factor(covariance: Array) -> Array:
    """Lower-triangular factor; a column without anything left is zero."""
    k = len(covariance)
    out = np.zeros((k, k))
    for j in range(k):
        left = covariance[j, j] - out[j, :j] @ out[j, :j]
        if left > 1e-12 * covariance[j, j]:
            out[j, j] = np.sqrt(left)
            out[j + 1 :, j] = (covariance[j + 1 :, j] - out[j + 1 :, :j] @ out[j, :j]) / out[j, j]
    return out


def identification_sentences(found: Identification, design: Design) -> tuple[str, ...]:
    """What is not determined, a sentence for each direction."""
    return tuple(_sentence(found, row, design) for row in found.directions)


def _sentence(found: Identification, row: Array, design: Design) -> str:
    changed = [i for i in range(len(row)) if row[i] != 0.0]
    entries = [found.entries[i] for i in changed]
    said = "the data do not determine "
    if len(entries) == 1:
        (e,) = entries
        what = said + _entry(e, design)
        return what if e.row != e.column else f"{what} beside {_fixed_part(e, design)}"
    if all(e.row == e.column and e.factor >= 0 for e in entries):
        names = listed([_column(e.factor, e.row, design) for e in entries])
        # In units of the data, not of each column's root mean square.
        sizes = row[changed] / found.sizes[changed]
        total = len(entries) == 2 and abs(sizes[0] + sizes[1]) <= 1e-6 * np.abs(sizes).max()
        known = "their sum" if total else "combinations of them"
        return f"{said}the variances of {names}, only {known}"
    return f"{said}{listed([_entry(e, design) for e in entries])}, only combinations of them"


def _entry(e: CovarianceEntry, design: Design) -> str:
    if e.factor < 0:
        return "the residual variance"
    if e.row == e.column:
        return f"the variance of {_column(e.factor, e.row, design)}"
    names, group = design.factors[e.factor].names, design.factors[e.factor].name
    return f"the covariance of {names[e.column]} and {names[e.row]} | {group}"


def _column(index: int, i: int, design: Design) -> str:
    """As "Days | Subject", with its term where the factor has several columns of that name."""
    factor = design.factors[index]
    text = f"{factor.names[i]} | {factor.name}"
    if factor.names.count(factor.names[i]) == 1:
        return text
    (term,) = (t for t in factor.terms if t.start <= i < t.start + len(t.names))
    return f"{text} of {term.source.text}"


def _fixed_part(e: CovarianceEntry, design: Design) -> str:
    """The fixed effects that take a variance: those of the grouping factor's own columns."""
    group = design.factors[e.factor].name
    parts = set(group.split(":"))
    names = [n for n in dict.fromkeys(design.fixed.term_names) if parts & set(n.split(":"))]
    if not names:
        return "the fixed effects"
    return f"the fixed effect{'' if len(names) == 1 else 's'} of {listed(names)}"


def listed(names: Sequence[str]) -> str:
    """As in "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def settled(
    products: _core.CrossProducts, native: _core.Fit, found: Identification, reml: bool
) -> _core.Fit:
    """A fit, at the representative of the points that the data cannot tell apart from it."""
    for _ in range(ROUNDS):
        lambdas = representative(found, native.lambdas)
        if lambdas is None:
            break
        try:
            there = products.fit(reml, lambdas)
        except _core.CoreError:  # the fit as it is has the same likelihood
            break
        # By ML a direction that fixed effects take is not flat. Where a search has run far along
        # one that is, what it found lower is rounding.
        allowed = SAME + ROUNDING * products.n * _largest(found, native)
        if there.criterion - native.criterion > allowed * native.magnitude:
            break
        native = there
    return native


def _largest(found: Identification, native: _core.Fit) -> float:
    """The largest variance over σ², in columns of unit size."""
    out = 0.0
    for lam, rms in zip(native.lambdas, found.rms, strict=True):
        scaled = np.reshape(lam, (len(rms), -1)) * np.array(rms)[:, None]
        out = max(out, float(np.square(scaled).sum(axis=1).max()))
    return out
