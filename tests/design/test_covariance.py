"""Blocks of covariance: what parameters they have, in the native module's order."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool.design.covariance import (
    Block,
    count_parameters,
    free_entries,
    pairs,
    pairs_by_block,
    parts,
)

US, DIAG = Block("us", 2), Block("diag", 2)


def test_entries_run_down_the_columns_of_each_block() -> None:
    assert free_entries([US, DIAG]) == [(0, 0), (1, 0), (1, 1), (2, 2), (3, 3)]
    assert free_entries([Block("us", 3)]) == [(0, 0), (1, 0), (2, 0), (1, 1), (2, 1), (2, 2)]


def test_pairs_run_along_the_rows_of_each_block() -> None:
    assert pairs([DIAG, Block("us", 3)]) == [(3, 2), (4, 2), (4, 3)]
    assert pairs_by_block([US, DIAG, US]) == [[(1, 0)], [], [(5, 4)]]


def test_diagonal_columns_are_independent_of_one_another() -> None:
    assert parts([US, DIAG]) == [range(2), range(2, 3), range(3, 4)]


@pytest.mark.parametrize("blocks", [[], [US], [DIAG, US], [Block("us", 5), Block("diag", 7)]])
def test_parameters_are_as_many_as_entries(blocks: list[Block]) -> None:
    assert count_parameters(blocks) == len(free_entries(blocks))
    assert [p for block in pairs_by_block(blocks) for p in block] == pairs(blocks)


@pytest.mark.parametrize(
    "formula",
    ["y ~ x + (x | g)", "y ~ x + (x || g)", "y ~ x + (x | g) + (0 + z || g) + (1 | h)"],
)
def test_parameters_are_those_of_the_native_module(formula: str) -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame(rng.normal(size=(120, 3)), columns=["y", "x", "z"])
    data["g"], data["h"] = np.arange(120) % 12, np.arange(120) // 20
    data["y"] += rng.normal(size=12)[data["g"]] * (1 + data["x"])
    fit = pp.lmer(formula, data)
    shapes = [(len(f.levels), [(b.kind, b.size) for b in f.blocks]) for f in fit.design.factors]
    assert fit._native is not None
    assert fit._products.shapes == shapes
    m = sum(count_parameters(f.blocks) for f in fit.design.factors)
    assert len(fit._native.hessian) == m**2
    for factor, lam in zip(fit.design.factors, fit.relative_factors, strict=True):
        outside = np.ones(lam.shape, dtype=bool)
        outside[tuple(np.transpose(free_entries(factor.blocks)))] = False
        assert not lam[outside].any()


def test_nothing_else_goes_through_blocks() -> None:
    """Others ask for parts, entries or pairs: a new structure is then a kind of `Block` alone."""
    package = Path(pp.__file__).parent
    loops = re.compile(r"\bfor \w+ in [^:\n(]*\.blocks\b")
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if loops.search(path.read_text("utf-8"))
    }
    # A stored fit compares the blocks themselves, and joins those of a factor's terms.
    assert found == {"models/storage.py"}
