"""Columns of a fixed part under treatment coding, and an indicator per cell, for type III tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design import Frame
from partialpool.design.columns import dense
from partialpool.design.encoder import Encoder
from partialpool.errors import PartialPoolError
from partialpool.formula import Expr, Name, variables

if TYPE_CHECKING:
    from partialpool.inference.fixed.hypotheses import FixedTerms
    from partialpool.models.fit import MixedFit

Array = NDArray[np.float64]
Blocks = tuple[Array, Array, Array]

CHUNK = 4096


def compress(block: Callable[[slice], Array], n: int) -> Array:
    """R with RᵀR = XᵀX for rows that come in blocks; never more than a block is held."""
    out = block(slice(0, min(n, CHUNK)))
    for start in range(CHUNK, n, CHUNK):
        rows = block(slice(start, min(n, start + CHUNK)))
        out = np.vstack([_triangle(out), rows])
    return _triangle(out)


def _triangle(rows: Array) -> Array:
    # numpy 2 annotates this mode as if it gave both factors
    return np.asarray(np.linalg.qr(rows, mode="r"))


def sizes(columns: Array) -> Array:
    """Power of two next to the largest value of each column; 1 for a column of zeros."""
    largest = np.abs(columns).max(axis=0, initial=0.0)
    return np.where(largest > 0.0, np.ldexp(1.0, np.frexp(largest)[1] - 1), 1.0)


@dataclass(frozen=True, eq=False)
class Coding:
    """How the columns of the fixed part are built again.

    Attributes
    ----------
    terms
    encoder
        Encoder of the fit's own columns.
    kept
        Which of these the fit kept.
    covariates
        Encoders of the trees that are not factors, with the fit's knots, centres and scales.
    source, rows
        The data, where they are at hand, and their rows used.
    term_of, cell_of
        For each column under treatment coding, its term (-1 for the intercept) and its place among
        the cells' indicators.
    cells
        For each term, the places of its levels in each cell (0 for a covariate of one column).
    """

    terms: FixedTerms
    encoder: Encoder
    kept: tuple[int, ...]
    covariates: Mapping[Expr, Encoder]
    source: Any
    rows: Any
    term_of: tuple[int, ...]
    cell_of: tuple[int, ...]
    cells: tuple[tuple[tuple[int, ...], ...], ...]

    @classmethod
    def of(cls, fit: MixedFit, terms: FixedTerms) -> Coding:
        """The coding of a fit's fixed part."""
        encoder = fit.design.fixed
        covariates = {
            f: encoder.alone(f) for own in terms.ordered for f in own if f not in terms.categorical
        }
        term_of, cell_of, place = [], [], 0
        cells: list[tuple[tuple[int, ...], ...]] = []
        if terms.intercept:
            term_of, cell_of, place = [-1], [0], 1
        for i, own in enumerate(terms.ordered):
            coded, full = _cells(i, own, terms, encoder, covariates)
            index = {cell: j for j, cell in enumerate(full)}
            term_of += [i] * len(coded)
            cell_of += [place + index[cell] for cell in coded]
            place += len(full)
            cells.append(tuple(full))
        return cls(
            terms,
            encoder,
            fit.kept,
            covariates,
            fit.design.source,
            fit.design.rows,
            tuple(term_of),
            tuple(cell_of),
            tuple(cells),
        )

    def made_up(self) -> Blocks | None:
        """Rows enough to tell the columns apart: random levels and values."""
        random = np.random.default_rng(0)
        table: dict[str, Any] = {}
        n = 8 * (len(self.cell_of) + 8)
        inside = {v for f in self.covariates if not isinstance(f, Name) for v in variables(f)}
        for name in self.encoder.variables:
            if name in self.encoder.levels:
                levels = np.array([*self.encoder.levels[name], None], dtype=object)[:-1]
                table[name] = levels[random.permutation(np.arange(n) % len(levels))]
            elif name in inside:
                low, high = self.encoder.bounds(name) or (0.5, 1.5)
                table[name] = random.uniform(low, high, size=n)
            else:
                table[name] = random.normal(size=n)
        try:
            return self._blocks(Frame(table), None)
        except PartialPoolError:  # a transform that made-up values do not suit
            return None

    def observed(self) -> Blocks:
        """The rows of the data, compressed: the same cross-products in few rows."""
        frame = Frame(self.source)
        rows = np.arange(frame.length) if self.rows is None else self.rows
        # Covariates near one, so that no tolerance sees in which unit they are.
        units = {f: sizes(np.column_stack(e.of(frame, rows))) for f, e in self.covariates.items()}
        widths = (len(self.term_of), 0)

        def block(part: slice) -> Array:
            x, cells, own = self._blocks(frame, rows[part], units)
            nonlocal widths
            widths = (x.shape[1], x.shape[1] + cells.shape[1])
            return np.hstack([x, cells, own])

        whole = compress(block, len(rows))
        x, cells, own = np.split(whole, widths, axis=1)
        return x, cells, own

    def _blocks(self, frame: Frame, rows: Any, units: Mapping[Expr, Array] | None = None) -> Blocks:
        """Columns under treatment coding, indicators of cells, the fit's own columns.

        The first two with covariates in the `units` given.
        """
        n = frame.length if rows is None else len(rows)
        codes: dict[Expr, NDArray[np.int64]] = {}
        for f, name in self.terms.categorical.items():
            coded = frame.coded(name)
            place = {level: i for i, level in enumerate(self.encoder.levels[name])}
            new = np.array([place.get(level, -1) for level in (*coded.levels, None)])
            codes[f] = new[coded.codes if rows is None else coded.codes[rows]]
        values = {
            f: dense(e.of(frame, rows), n) / (1.0 if units is None else units[f])
            for f, e in self.covariates.items()
        }
        own = [np.broadcast_to(c, (n,)) for c in self.encoder.of(frame, rows)]
        x: list[Array] = [np.ones(n)] if self.terms.intercept else []
        cells: list[Array] = list(x)
        for i, factors in enumerate(self.terms.ordered):
            coded, full = _cells(i, factors, self.terms, self.encoder, self.covariates)
            column = {cell: _column(factors, cell, codes, values, n) for cell in full}
            cells += column.values()
            x += [column[cell] for cell in coded]
        return (
            np.column_stack(x),
            np.column_stack(cells),
            np.column_stack([own[j] for j in self.kept]),
        )


def _cells(
    term: int,
    factors: tuple[Expr, ...],
    terms: FixedTerms,
    encoder: Encoder,
    covariates: Mapping[Expr, Encoder],
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Cells of a term that have a column under R's treatment coding, and all its cells.

    A factor is coded by contrasts if the term without it is in the model too, else by all its
    levels; without an intercept the first factor that stands alone has all its levels.
    """
    others = {own for i, own in enumerate(terms.factors) if i != term}
    alone = [
        i for i, own in enumerate(terms.ordered) if len(own) == 1 and own[0] in terms.categorical
    ]
    ranges: list[range] = []
    reduced: list[range] = []
    for f in factors:
        if f not in terms.categorical:
            ranges.append(range(len(covariates[f].names)))
            reduced.append(ranges[-1])
            continue
        size = len(encoder.levels[terms.categorical[f]])
        rest = terms.factors[term] - {f}
        contrasts = rest in others if rest else terms.intercept or [term] != alone[:1]
        ranges.append(range(size))
        reduced.append(range(int(contrasts), size))
    return _first_fastest(reduced), _first_fastest(ranges)


def _first_fastest(ranges: list[range]) -> list[tuple[int, ...]]:
    return [cell[::-1] for cell in product(*ranges[::-1])]


def _column(
    factors: tuple[Expr, ...],
    cell: tuple[int, ...],
    codes: Mapping[Expr, NDArray[np.int64]],
    values: Mapping[Expr, Array],
    n: int,
) -> Array:
    out = np.ones(n)
    for f, i in zip(factors, cell, strict=True):
        out = out * ((codes[f] == i) if f in codes else values[f][:, i])
    return out
