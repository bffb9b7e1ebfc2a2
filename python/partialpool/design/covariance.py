"""Structures of covariance: what parameters a block of random effects has, and in which order.

The twin of the native `covariance`: a structure that is added there is a kind of `Block` here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from partialpool.formula import RandomTerm

#: Names of the structures, as the native module knows them.
Kind = Literal["us", "diag"]
#: Row and column of an entry of a factor's k x k matrices.
Entry = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Block:
    """Columns of a grouping factor whose covariance has a structure, independent of other columns.

    Attributes
    ----------
    kind
        "us": any covariance matrix; "diag": independent columns (`||`).
    size
        Number of columns.
    """

    kind: Kind
    size: int

    @property
    def parts(self) -> list[range]:
        """Runs of columns that are independent of one another, and correlated within."""
        if self.kind == "us":
            return [range(self.size)]
        return [range(j, j + 1) for j in range(self.size)]

    @property
    def parameters(self) -> int:
        """Number of free parameters."""
        return self.size * (self.size + 1) // 2 if self.kind == "us" else self.size


def term_blocks(source: RandomTerm, k: int) -> tuple[Block, ...]:
    """The covariance of a term with k columns, as its bar says; none without columns."""
    return (Block("us" if source.correlated else "diag", k),) if k else ()


def parts(blocks: Iterable[Block]) -> list[range]:
    """Runs of a factor's columns that are independent of one another, and correlated within."""
    out: list[range] = []
    start = 0
    for block in blocks:
        out += [range(start + part.start, start + part.stop) for part in block.parts]
        start += block.size
    return out


def free_entries(blocks: Iterable[Block]) -> list[Entry]:
    """The entry of the lower triangular Λ that each parameter of the native θ is named for.

    They are the free entries of Σ too: block by block, column by column.
    """
    return [(i, j) for part in parts(blocks) for j in part for i in part if i >= j]


def pairs(blocks: Iterable[Block]) -> list[Entry]:
    """Columns (i, j), i > j, that are correlated: block by block, row by row."""
    return [(i, j) for part in parts(blocks) for i in part for j in part if i > j]


def pairs_by_block(blocks: Iterable[Block]) -> list[list[Entry]]:
    """The pairs of each block: those of one have one prior."""
    out: list[list[Entry]] = []
    start = 0
    for block in blocks:
        out.append([(start + i, start + j) for i, j in pairs([block])])
        start += block.size
    return out


def count_parameters(blocks: Iterable[Block]) -> int:
    """Number of free parameters."""
    return sum(block.parameters for block in blocks)
