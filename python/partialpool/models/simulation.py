"""Responses drawn from a model: one distribution, its parameters fitted or given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import MOST_SIMULATIONS, check_count, check_flag, check_seed
from partialpool.design import Design
from partialpool.design.columns import Column, row_slices, rows_of
from partialpool.design.frame import to_native
from partialpool.limits import require_memory
from partialpool.models.fit import Fit, MixedFit

if TYPE_CHECKING:
    from partialpool import _core

Vector = NDArray[np.float64]


def generator(seed: Any) -> np.random.Generator:
    """NumPy's generator from a seed; what NumPy makes streams of is taken too."""
    streams = (np.random.Generator, np.random.BitGenerator, np.random.SeedSequence)
    return np.random.default_rng(seed if isinstance(seed, streams) else check_seed(seed))


@dataclass(frozen=True, eq=False)
class Law:
    """Distribution of the response, y = Xβ + offset + Zb + ε.

    Attributes
    ----------
    design
        X, Z, weights and offset of n rows.
    x, beta
        Columns of X, numbers or (n,), and their coefficients.
    roots
        For each factor, L with LLᵀ the covariance of a level's k random effects, (k, k).
    residual_sd
        σ/√w, a number or (n,).
    """

    design: Design
    x: tuple[Column, ...]
    beta: Vector
    roots: tuple[Vector, ...]
    residual_sd: float | Vector

    @classmethod
    def of(
        cls, design: Design, beta: Vector, roots: Sequence[Vector], sigma: float, kept: Any = None
    ) -> Law:
        """From parameters; `kept` are the columns of X that `beta` belongs to, all by default."""
        x = design.x if kept is None else tuple(design.x[i] for i in kept)
        sd = sigma if design.weights is None else sigma / np.sqrt(design.weights)
        return cls(design, x, np.asarray(beta, dtype=np.float64), tuple(roots), sd)

    def effects(self, rng: np.random.Generator) -> list[Vector]:
        """New random effects b of each factor, (levels, k)."""
        return [
            rng.standard_normal((len(factor.levels), len(root))) @ root.T
            for factor, root in zip(self.design.factors, self.roots, strict=True)
        ]

    def fixed(self) -> Vector:
        """Xβ + offset, (n,)."""
        out = np.zeros(self.design.n)
        self.add_fixed(out)
        return out

    def random(self, effects: Sequence[Vector]) -> Vector:
        """Zb, (n,)."""
        out = np.zeros(self.design.n)
        self.add_random(effects, out)
        return out

    def residual(self, rng: np.random.Generator) -> Vector:
        """ε, (n,)."""
        out = np.zeros(self.design.n)
        self.add_residual(rng, out)
        return out

    # Rows in slices: of a million rows no array but the answer is made.

    def add_fixed(self, out: Vector) -> None:
        """Add Xβ + offset to an array (n,)."""
        for rows in row_slices(len(out)):
            for column, b in zip(self.x, self.beta, strict=True):
                out[rows] += rows_of(column, rows) * b
            if self.design.offset is not None:
                out[rows] += self.design.offset[rows]

    def add_random(self, effects: Sequence[Vector], out: Vector) -> None:
        """Add Zb to an array (n,)."""
        for factor, b in zip(self.design.factors, effects, strict=True):
            assert factor.codes is not None  # rows are present
            for rows in row_slices(len(out)):
                own = b[factor.codes[rows]]
                for j, column in enumerate(factor.columns):
                    out[rows] += rows_of(column, rows) * own[:, j]

    def add_residual(self, rng: np.random.Generator, out: Vector) -> None:
        """Add ε to an array (n,)."""
        for rows in row_slices(len(out)):
            noise = rng.standard_normal(len(out[rows]))
            out[rows] += rows_of(self.residual_sd, rows) * noise

    def native(self) -> _core.LawArgs:
        """For the native module, the offset left out as in `Design.response`."""
        random: list[_core.RandomArgs] = []
        for factor, root in zip(self.design.factors, self.roots, strict=True):
            assert factor.codes is not None  # rows are present
            flat = np.ascontiguousarray(root).ravel().tolist()
            random.append((factor.codes, len(factor.levels), factor.columns, flat))
        return (self.design.n, self.x, self.beta.tolist()), self.residual_sd, random


def law_of_fit(fit: Fit) -> Law:
    """The distribution at a fit's estimates."""
    factors = fit.relative_factors if isinstance(fit, MixedFit) else ()
    roots = [fit.sigma * lam for lam in factors]
    return Law.of(fit.design.with_rows(), fit.beta, roots, fit.sigma, fit.kept)


def simulate(fit: Fit, n: int, seed: Any, new_random: bool = True) -> Any:
    """See `LinearMixedModel.simulate`."""
    n = check_count(n, "n, the number of simulations,", most=MOST_SIMULATIONS)
    new_random = check_flag(new_random, "new_random")
    # a column each, and a random stream of about a kilobyte
    needed = float(n) * (8.0 * fit.nobs + 1024.0)
    require_memory(needed, f"{n:,} simulations of {fit.nobs:,} rows", "ask for fewer (n)")
    law = law_of_fit(fit)
    # A stream per replicate: the same numbers however many replicates are asked for.
    columns = {}
    for i, rng in enumerate(generator(seed).spawn(n)):
        out = law.fixed()
        if isinstance(fit, MixedFit):
            law.add_random(law.effects(rng) if new_random else fit.random_effects, out)
        law.add_residual(rng, out)
        columns[f"sim_{i + 1}"] = out
    table = to_native(columns, law.design.kind)
    if law.design.index is not None:  # so that a simulated response is matched with its rows
        table.index = law.design.index_of_rows
    return table
