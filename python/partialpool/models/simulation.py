"""Responses drawn from a model: one law, whether its parameters were fitted or given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design import Design
from partialpool.design.frame import to_native
from partialpool.errors import ArgumentError

if TYPE_CHECKING:
    from partialpool import _core
    from partialpool.models.linear_mixed import LinearMixedModel

Vector = NDArray[np.float64]


def generator(seed: Any) -> np.random.Generator:
    """NumPy's generator from a seed, or one line that says what a seed may be."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"seed must be a whole number that is not negative, not {seed!r}"
        ) from None


@dataclass(frozen=True, eq=False)
class Law:
    """Distribution of the response, y = Xβ + offset + Zb + ε.

    Attributes
    ----------
    design
        X, Z, weights and offset of n rows.
    fixed
        Xβ + offset, (n,).
    roots
        Of each factor, L with LLᵀ the covariance of a level's k random effects, (k, k).
    residual_sd
        σ/√w, a number or (n,).
    """

    design: Design
    fixed: Vector
    roots: tuple[Vector, ...]
    residual_sd: float | Vector

    @classmethod
    def of(
        cls, design: Design, beta: Vector, roots: Sequence[Vector], sigma: float, kept: Any = None
    ) -> Law:
        """From parameters; `kept` are the columns of X that `beta` belongs to, all by default."""
        fixed = np.zeros(design.n)
        for i, b in zip(range(len(design.x)) if kept is None else kept, beta, strict=True):
            fixed += design.x[i] * b
        if design.offset is not None:
            fixed += design.offset
        sd = sigma if design.weights is None else sigma / np.sqrt(design.weights)
        return cls(design, fixed, tuple(roots), sd)

    def effects(self, rng: np.random.Generator) -> list[Vector]:
        """New random effects b of each factor, (levels, k)."""
        return [
            rng.standard_normal((len(factor.levels), len(root))) @ root.T
            for factor, root in zip(self.design.factors, self.roots, strict=True)
        ]

    def random(self, effects: Sequence[Vector]) -> Vector:
        """Zb, (n,)."""
        out = np.zeros(self.design.n)
        for factor, b in zip(self.design.factors, effects, strict=True):
            for column, values in zip(factor.columns, b.T, strict=True):
                out += column * values[factor.codes]
        return out

    def residual(self, rng: np.random.Generator) -> Vector:
        """ε, (n,)."""
        return self.residual_sd * rng.standard_normal(self.design.n)

    def native(self) -> _core.LawArgs:
        """For the native module, the offset taken off as in `Design.response`."""
        mean = self.fixed if self.design.offset is None else self.fixed - self.design.offset
        random: list[_core.RandomArgs] = []
        for factor, root in zip(self.design.factors, self.roots, strict=True):
            assert factor.codes is not None  # rows are present
            flat = np.ascontiguousarray(root).ravel().tolist()
            random.append((factor.codes, len(factor.levels), factor.columns, flat))
        return np.ascontiguousarray(mean), self.residual_sd, random


def law_of_fit(fit: LinearMixedModel) -> Law:
    """The law at a fit's estimates."""
    design = fit._rows()
    sizes = [len(factor.names) for factor in design.factors]
    roots = [
        fit.sigma * np.array(flat).reshape(k, k)
        for flat, k in zip(fit._native.lambdas, sizes, strict=True)
    ]
    return Law.of(design, fit.beta, roots, fit.sigma, fit._products.kept)


def simulate(fit: LinearMixedModel, n: int, seed: Any, new_random: bool) -> Any:
    """See `LinearMixedModel.simulate`."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ArgumentError(f"n must be a positive whole number of simulations, not {n!r}")
    law = law_of_fit(fit)
    # A stream a replicate: the same numbers however many replicates are asked for.
    columns = {}
    for i, rng in enumerate(generator(seed).spawn(n)):
        random = law.random(law.effects(rng) if new_random else fit._effects)
        columns[f"sim_{i + 1}"] = law.fixed + random + law.residual(rng)
    return to_native(columns, law.design.kind)
