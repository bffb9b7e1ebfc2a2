"""Names and places of a posterior's parameters, in the native module's order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from partialpool.design import Factor
from partialpool.models.linear_mixed import LinearMixedModel
from partialpool.models.random_effects import unique_names


@dataclass(frozen=True)
class Parameters:
    """What a draw consists of: fixed effects, σ, then each factor's deviations and correlations.

    Attributes
    ----------
    fixed
        Names of the fixed effects estimated.
    factors
        Grouping factors in the design's order.
    """

    fixed: tuple[str, ...]
    factors: tuple[Factor, ...]

    @classmethod
    def of(cls, fit: LinearMixedModel) -> Parameters:
        """Parameters of a fitted model."""
        return cls(fit.fixed_names, fit.design.factors)

    @staticmethod
    def columns(factor: Factor) -> tuple[str, ...]:
        """A factor's columns, told apart where two terms have the same."""
        return tuple(unique_names(factor.names))

    @classmethod
    def deviations(cls, factor: Factor) -> list[str]:
        """Names of a factor's standard deviations: "sd_Subject__Days"."""
        return [f"sd_{factor.name}__{name}" for name in cls.columns(factor)]

    @classmethod
    def correlations(cls, factor: Factor) -> list[str]:
        """Names of a factor's correlations: "cor_Subject__Intercept__Days"."""
        names = cls.columns(factor)
        return [f"cor_{factor.name}__{names[j]}__{names[i]}" for i, j in cls.pairs(factor)]

    @staticmethod
    def pairs(factor: Factor) -> list[tuple[int, int]]:
        """Columns (i, j), i > j, that are correlated, block by block and row by row."""
        out, start = [], 0
        for size in factor.blocks:
            out += [(start + i, start + j) for i in range(size) for j in range(i)]
            start += size
        return out

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names in the native order."""
        out = [*self.fixed, "sigma"]
        for factor in self.factors:
            out += [*self.deviations(factor), *self.correlations(factor)]
        return tuple(out)

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """All names as tables list them: fixed, deviations, correlations, sigma."""
        sds = [name for f in self.factors for name in self.deviations(f)]
        cors = [name for f in self.factors for name in self.correlations(f)]
        return (*self.fixed, *sds, *cors, "sigma")

    @cached_property
    def index(self) -> dict[str, int]:
        """Place of each name in a draw."""
        return {name: i for i, name in enumerate(self.names)}

    @property
    def random_size(self) -> int:
        """Number q of random effects."""
        return sum(len(f.levels) * len(f.names) for f in self.factors)
