"""Random terms at their estimates, as they were written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partialpool.design import Design, Factor
from partialpool.design.covariance import Block, free_entries


@dataclass(frozen=True, eq=False)
class FittedTerm:
    """One term with its part of the factor's Λ.

    Attributes
    ----------
    factor
        Its grouping factor.
    index
        Place of the factor in the design.
    text
        As reported: "(Days | Subject)".
    names
        Its k columns.
    columns
        Where they are among the factor's columns.
    lam
        Relative covariance factor, lower-triangular, (k, k).
    blocks
        The independent blocks of its covariance.
    """

    factor: Factor
    index: int
    text: str
    names: tuple[str, ...]
    columns: slice
    lam: NDArray[np.float64]
    blocks: tuple[Block, ...]

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance of the random effects over σ², (k, k)."""
        return self.lam @ self.lam.T

    @property
    def free_entries(self) -> list[tuple[int, int]]:
        """Row and column of each free entry of `lam`, in the order of `theta`."""
        return free_entries(self.blocks)

    @property
    def theta(self) -> list[float]:
        """Free entries of `lam`, column by column."""
        return [float(self.lam[i, j]) for i, j in self.free_entries]


def fitted_terms(
    design: Design, relative_factors: Sequence[NDArray[np.float64]]
) -> tuple[FittedTerm, ...]:
    """All terms with their part of each factor's Λ, by number of levels, then as written."""
    out: list[tuple[tuple[int, int], FittedTerm]] = []
    for index, factor in enumerate(design.factors):
        lam = relative_factors[index]
        for term in factor.terms:
            own = slice(term.start, term.start + len(term.names))
            fitted = FittedTerm(
                factor, index, term.source.text, term.names, own, lam[own, own], term.blocks
            )
            written = design.formula.random.index(term.source)
            out.append(((-len(factor.levels), written), fitted))
    return tuple(t for _, t in sorted(out, key=lambda pair: pair[0]))
