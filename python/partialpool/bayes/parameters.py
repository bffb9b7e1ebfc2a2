"""Names and places of a posterior's parameters, in the native module's order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from partialpool.cached import cached_property
from partialpool.design import Factor
from partialpool.design.covariance import pairs
from partialpool.errors import DesignError
from partialpool.models.fit import MixedFit
from partialpool.models.random_effects import told_apart, unique_names


@dataclass(frozen=True)
class Parameters:
    """What a draw consists of: fixed effects, σ, then each factor's deviations and correlations.

    All have one name each, by which priors, draws and tables know them. A fixed effect has its own,
    but for one that is called like something else here, as `sigma`, `sd_Subject`, `b` or `chain`:
    in the posterior that is `b_sigma`.

    Attributes
    ----------
    fixed
        Names of the fixed effects estimated, as the fit has them.
    factors
        Grouping factors in the design's order.

    Raises
    ------
    DesignError
        If two parameters of the random part have the same name.
    """

    fixed: tuple[str, ...]
    factors: tuple[Factor, ...]

    def __post_init__(self) -> None:
        counts = Counter(self._taken)
        for name, count in counts.items():
            if count > 1:
                raise DesignError(
                    f"two things in the posterior of this model would be called {name!r}; rename"
                    " one of the columns that the name is made of"
                )

    @classmethod
    def of(cls, fit: MixedFit) -> Parameters:
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
        return pairs(factor.blocks)

    @staticmethod
    def container_names(factor: Factor) -> tuple[str, str, str]:
        """ArviZ's variable of a factor's random effects, and its two dimensions."""
        return f"r_{factor.name}", f"{factor.name}_level", f"{factor.name}_coefficient"

    @property
    def _taken(self) -> list[str]:
        """What is no fixed effect: parameters, keys of several priors, names of the container."""
        out = ["b", "sd", "cor", "sigma", "chain", "draw"]
        for factor in self.factors:
            out += [f"sd_{factor.name}", f"cor_{factor.name}", *self.container_names(factor)]
            out += [*self.deviations(factor), *self.correlations(factor)]
        return out

    @cached_property
    def coefficients(self) -> tuple[str, ...]:
        """Names of the fixed effects in the posterior, told from all else."""
        return told_apart(self.fixed, self._taken)

    @property
    def renamed(self) -> dict[str, str]:
        """Fixed effects that have another name here, and which."""
        pairs = zip(self.fixed, self.coefficients, strict=True)
        return {old: new for old, new in pairs if old != new}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names in the native order."""
        out = [*self.coefficients, "sigma"]
        for factor in self.factors:
            out += [*self.deviations(factor), *self.correlations(factor)]
        return tuple(out)

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """All names as tables list them: fixed, deviations, correlations, sigma."""
        sds = [name for f in self.factors for name in self.deviations(f)]
        cors = [name for f in self.factors for name in self.correlations(f)]
        return (*self.coefficients, *sds, *cors, "sigma")

    @cached_property
    def index(self) -> dict[str, int]:
        """Place of each name in a draw."""
        return {name: i for i, name in enumerate(self.names)}

    def kind(self, name: str) -> str:
        """What a name is of: "fixed", "sigma", "sd" or "cor"."""
        if name in self.coefficients:
            return "fixed"
        return "sigma" if name == "sigma" else name.partition("_")[0]

    @property
    def random_size(self) -> int:
        """Number q of random effects."""
        return sum(len(f.levels) * len(f.names) for f in self.factors)
