"""The one name of each parameter, by which priors, draws, intervals, tables and figures know it.

Standard deviations are ``sd_Subject__Intercept``, correlations ``cor_Subject__Intercept__Days``
(the earlier column first), entries of Λ ``theta_Subject__Intercept__Days`` in the same order, the
residual standard deviation is ``sigma``. Fixed effects have their own names, with ``b_`` before one
that is called like something else. lme4's names stand beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from partialpool.arguments import ParameterNames
from partialpool.cached import cached_property
from partialpool.design import Design, Factor
from partialpool.design.covariance import pairs
from partialpool.design.names import (
    column_names,
    correlation_names,
    deviation_names,
    unique_names,
)
from partialpool.errors import DesignError

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit
    from partialpool.models.terms import FittedTerm

#: What no parameter is called: keys of several priors, words of `parm`, columns of frames of draws
#: and of profiles.
RESERVED = ("b", "sd", "cor", "theta_", "beta_", "chain", "draw", "parameter", "zeta")

Kind = Literal["sd", "cor", "sigma", "fixed"]


def told_apart(fixed: Sequence[str], others: Iterable[str]) -> tuple[str, ...]:
    """Names of fixed effects beside other parameters: `b_sigma` for one that is called sigma."""
    taken = set(others)
    out: list[str] = []
    for name in fixed:
        new = name
        while new in taken or (new != name and new in fixed):
            new = f"b_{new}"
        taken.add(new)
        out.append(new)
    return tuple(out)


@dataclass(frozen=True)
class Parameters:
    """Names and places: fixed effects, σ, each factor's sds and correlations.

    Attributes
    ----------
    fixed
        Names of the fixed effects estimated, as the fit has them.
    factors
        Grouping factors in the design's order.
    """

    fixed: tuple[str, ...]
    factors: tuple[Factor, ...]

    @classmethod
    def of(cls, design: Design, kept: Iterable[int]) -> Parameters:
        """Parameters of a design with the columns of X kept."""
        return cls(tuple(design.fixed.names[i] for i in kept), design.factors)

    @staticmethod
    def columns(factor: Factor) -> tuple[str, ...]:
        """A factor's columns, told apart where two terms have the same."""
        return column_names(factor)

    @staticmethod
    def deviations(factor: Factor) -> list[str]:
        """Names of a factor's standard deviations: "sd_Subject__Days"."""
        return deviation_names(factor)

    @staticmethod
    def correlations(factor: Factor) -> list[str]:
        """Names of a factor's correlations: "cor_Subject__Intercept__Days"."""
        return correlation_names(factor)

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
        out = [*RESERVED, "sigma"]
        for factor in self.factors:
            out += [f"sd_{factor.name}", f"cor_{factor.name}", *self.container_names(factor)]
            out += [*self.deviations(factor), *self.correlations(factor)]
        return out

    def require_apart(self) -> None:
        """Refuse what a posterior could not tell apart: names, keys of priors, container's names.

        Raises
        ------
        DesignError
            Naming what two things would be called.
        """
        for name, count in Counter(self._taken).items():
            if count > 1:
                raise DesignError(
                    f"two things in the posterior of this model would be called {name!r}; rename"
                    " one of the columns that the name is made of"
                )

    @cached_property
    def coefficients(self) -> tuple[str, ...]:
        """Names of the fixed effects, told from all else."""
        return told_apart(self.fixed, {*self._taken, *self._thetas.values()})

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
        """All names as tables of a posterior list them: fixed, deviations, correlations, sigma."""
        sds = [name for f in self.factors for name in self.deviations(f)]
        cors = [name for f in self.factors for name in self.correlations(f)]
        return (*self.coefficients, *sds, *cors, "sigma")

    @cached_property
    def index(self) -> dict[str, int]:
        """Place of each name in a draw."""
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def _random(self) -> dict[tuple[int, ...], str]:
        """Names by factor and column, or factor and two columns, the earlier first."""
        out: dict[tuple[int, ...], str] = {}
        for index, factor in enumerate(self.factors):
            out |= {(index, i): name for i, name in enumerate(self.deviations(factor))}
            named = zip(self.pairs(factor), self.correlations(factor), strict=True)
            out |= {(index, j, i): name for (i, j), name in named}
        return out

    @cached_property
    def _thetas(self) -> dict[tuple[int, ...], str]:
        """Names of the entries of Λ by place, as `_random` has its own."""
        names: dict[tuple[int, ...], str] = {}
        for index, factor in enumerate(self.factors):
            columns = self.columns(factor)
            own = [(i,) for i in range(len(columns))] + [(j, i) for i, j in self.pairs(factor)]
            for place in own:
                parts = "__".join((factor.name, *(columns[i] for i in place)))
                names[index, *place] = f"theta_{parts}"
        return dict(zip(names, unique_names(tuple(names.values())), strict=True))

    def deviation(self, factor: int, column: int) -> str:
        """Name of the standard deviation of a factor's column, both by their place."""
        return self._random[factor, column]

    def correlation(self, factor: int, one: int, other: int) -> str:
        """Name of the correlation of two of a factor's columns."""
        return self._random[factor, min(one, other), max(one, other)]

    def theta(self, factor: int, row: int, column: int) -> str:
        """Name of an entry of a factor's Λ."""
        return self._thetas[(factor, row) if row == column else (factor, column, row)]

    def kind(self, name: str) -> Kind:
        """What a name is of."""
        if name in self.coefficients:
            return "fixed"
        if name == "sigma":
            return "sigma"
        return "sd" if name.startswith("sd_") else "cor"

    def column(self, name: str) -> str | None:
        """The column of X or Z that a name is of; "Intercept" for sigma, None for a correlation."""
        if name in self.coefficients:
            return self.fixed[self.coefficients.index(name)]
        for factor in self.factors:
            of = dict(zip(self.deviations(factor), factor.names, strict=True))
            if name in of:
                return of[name]
        return "Intercept" if name == "sigma" else None

    @property
    def random_size(self) -> int:
        """Number q of random effects."""
        return sum(len(f.levels) * len(f.names) for f in self.factors)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a fit.

    Attributes
    ----------
    name
        "sd_Subject__Intercept", "sigma", …: see the module.
    short_name, long_name
        lme4's: ".sig01" and "sd_(Intercept)|Subject"; of a fixed effect its name, told apart.
    kind
        "sd", "cor", "sigma" or "fixed".
    at
        Factor and column(s) in the design, or the place among the fixed effects.
    """

    name: str
    short_name: str
    long_name: str
    kind: Kind
    at: tuple[int, ...]

    def called(self, names: ParameterNames) -> str:
        """The name in one of the styles."""
        return {"canonical": self.name, "lme4": self.short_name, "lme4-long": self.long_name}[names]

    @property
    def bounds(self) -> tuple[float, float]:
        """Ends of the parameter's range."""
        return {"sd": (0.0, np.inf), "cor": (-1.0, 1.0), "sigma": (0.0, np.inf)}.get(
            self.kind, (-np.inf, np.inf)
        )


def listed(fit: MixedFit) -> tuple[Parameter, ...]:
    """All parameters in lme4's order: random effects by term, σ, fixed effects."""
    own = fit.parameters
    found: list[tuple[str, str, Kind, tuple[int, ...]]] = []
    for term in fit.terms:
        index, first, group = term.index, term.columns.start, term.factor.name
        names = ["(Intercept)" if n == "Intercept" else n for n in term.names]
        for i, j in term.free_entries:
            a, b = first + j, first + i
            if i == j:
                found.append((own.deviation(index, a), f"sd_{names[i]}|{group}", "sd", (index, a)))
            else:
                long = f"cor_{names[i]}.{names[j]}|{group}"
                found.append((own.correlation(index, a, b), long, "cor", (index, a, b)))
    found.append(("sigma", "sigma", "sigma", ()))
    long_names = unique_names(tuple(long for _, long, _, _ in found))
    short_names = [*(f".sig{i:02d}" for i in range(1, len(found))), ".sigma"]
    out = [
        Parameter(name, short, long, kind, at)
        for (name, _, kind, at), short, long in zip(found, short_names, long_names, strict=True)
    ]
    styles = [
        own.coefficients,
        told_apart(own.fixed, (*short_names, *RESERVED)),
        told_apart(own.fixed, (*long_names, *RESERVED)),
    ]
    fixed = enumerate(zip(*styles, strict=True))
    return (*out, *(Parameter(a, b, c, "fixed", (j,)) for j, (a, b, c) in fixed))


def theta_names(parameters: Parameters, terms: Sequence[FittedTerm]) -> list[str]:
    """Names of the entries of each term's Λ, as `FittedTerm.theta` lists them."""
    return [
        parameters.theta(t.index, t.columns.start + i, t.columns.start + j)
        for t in terms
        for i, j in t.free_entries
    ]
