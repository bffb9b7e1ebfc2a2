"""A model's priors: defaults scaled to the data, and what the user says instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool.bayes.prior_text import read_prior
from partialpool.bayes.priors import Prior, half_student_t, lkj, normal
from partialpool.design import Design
from partialpool.design.covariance import pairs_by_block
from partialpool.errors import ArgumentError
from partialpool.models.parameters import Parameters
from partialpool.tables.html import tables_html
from partialpool.tables.printed import Printed
from partialpool.tables.rformat import CellTable


@dataclass(frozen=True, slots=True, repr=False)
class PriorTable(Printed):
    """Prior of every parameter; correlations of one covariance block share theirs.

    Attributes
    ----------
    priors
        By parameter.
    given
        Parameters whose prior the user gave.
    """

    priors: dict[str, Prior]
    given: frozenset[str] = frozenset()

    def __getitem__(self, parameter: str) -> Prior:
        return self.priors[parameter]

    def __str__(self) -> str:
        width = max(map(len, self.priors))
        middle = max(len(str(p)) for p in self.priors.values())
        return "\n".join(
            f"{name:<{width}}  {prior!s:<{middle}}  {'given' if name in self.given else 'default'}"
            for name, prior in self.priors.items()
        )

    def _repr_html_(self) -> str:
        texts = tuple(str(prior) for prior in self.priors.values())
        whose = tuple("user" if name in self.given else "default" for name in self.priors)
        cells = CellTable(tuple(self.priors), ("Prior", "Given by"), (texts, whose))
        return tables_html("Priors", [("", cells)], left=2)

    def native(self, parameters: Parameters) -> tuple[Any, Any, Any, Any]:
        """Arguments of the native module: fixed effects, σ, sds, LKJ's η by block."""

        def one(name: str) -> tuple[str, list[float]]:
            prior = self.priors[name]
            return prior.name, list(prior.parameters)

        sds = [[one(name) for name in parameters.deviations(f)] for f in parameters.factors]
        etas = []
        for factor in parameters.factors:
            names = iter(parameters.correlations(factor))
            row = []
            for pairs in pairs_by_block(factor.blocks):
                block = [next(names) for _ in pairs]
                row.append(self.priors[block[0]].parameters[0] if block else 1.0)
            etas.append(row)
        return [one(name) for name in parameters.coefficients], one("sigma"), sds, etas


def _three_digits(x: float) -> float:
    """Three significant digits, so that what is printed is what is used."""
    return float(f"{x:.3g}")


def _spread(column: Any) -> tuple[float, float]:
    """Mean and standard deviation of a column; a constant's deviation is its size."""
    values = np.asarray(column, dtype=float)
    # In a unit of its own size (a power of two): the squares of any numbers are then ordinary.
    unit = float(np.ldexp(1.0, np.frexp(np.abs(values).max(initial=0.0))[1] - 1))
    mean = float(np.mean(values / unit)) * unit
    sd = float(np.std(values / unit)) * unit if values.ndim else 0.0
    return mean, sd if sd > 1e-12 * abs(mean) else (abs(mean) or 1.0)


def defaults(design: Design, kept: list[int], parameters: Parameters) -> dict[str, Prior]:
    """Weakly informative priors scaled to the data, as rstanarm scales its own.

    Slopes: normal(0, 2.5 sd(y)/sd(x)). The intercept, which is where all columns are zero and so
    may lie far from the data: as wide as the slopes make it. Standard deviations:
    half_student_t(3, 2.5 sd(y)/sd(z)). Correlations: lkj(1).

    Raises
    ------
    DesignError
        If two things in the posterior would have one name.
    """
    parameters.require_apart()
    y_mean, y_sd = _spread(design.response)
    unit = 2.5 * y_sd
    out: dict[str, Prior] = {}
    distance = 1.0
    for i, name in zip(kept, parameters.coefficients, strict=True):
        mean, sd = _spread(design.x[i])
        out[name] = normal(0.0, _three_digits(unit / sd))
        if name != "Intercept":
            distance += (mean / sd) ** 2
    if "Intercept" in out:
        out["Intercept"] = normal(_three_digits(y_mean), _three_digits(unit * distance**0.5))
    for factor in parameters.factors:
        for name, column in zip(parameters.deviations(factor), factor.columns, strict=True):
            out[name] = half_student_t(3, _three_digits(unit / _spread(column)[1]))
    for factor in parameters.factors:
        out |= dict.fromkeys(parameters.correlations(factor), lkj(1))
    return out | {"sigma": half_student_t(3, _three_digits(unit))}


def resolve(
    given: Mapping[str, Prior | str] | None, base: dict[str, Prior], parameters: Parameters
) -> PriorTable:
    """Put the user's priors in the place of the defaults, the most particular key last.

    Keys: "Intercept", "b" (every other fixed effect), a coefficient's name, "sd", "sd_<group>",
    "sd_<group>__<coefficient>", "cor", "cor_<group>", "sigma"; a prior is an object or its text,
    "half_normal(5)". A coefficient that is called like
    one of these, as "sigma", is "b_sigma" (see `Parameters`).

    Raises
    ------
    ArgumentError
        Naming the key: unknown, or a prior that does not suit it.
    """
    if given is not None and not isinstance(given, Mapping):
        raise ArgumentError(f"priors must be a dict of names to priors, not {given!r}")
    targets = _targets(parameters)
    out, changed = dict(base), set()
    rank = {key: i for i, key in enumerate(targets)}
    for key, prior in sorted((given or {}).items(), key=lambda item: rank.get(item[0], -1)):
        if key not in targets:
            known = ", ".join(repr(k) for k in targets)
            raise ArgumentError(
                f"the model has no parameter {key!r} to give a prior; it has {known}"
            )
        kind, names = targets[key]
        if not names:
            raise ArgumentError(f"the model has no correlations, so that {key!r} needs no prior")
        prior = read_prior(prior) if isinstance(prior, str) else prior
        _check(key, kind, prior)
        for name in names:
            out[name] = prior
            changed.add(name)
    return PriorTable(out, frozenset(changed))


def _targets(parameters: Parameters) -> dict[str, tuple[str, list[str]]]:
    """The kind and the parameters that a key stands for, general keys before particular ones."""
    slopes = [name for name in parameters.coefficients if name != "Intercept"]
    out: dict[str, tuple[str, list[str]]] = {}
    if slopes:
        out["b"] = "fixed", slopes
    every: dict[str, list[str]] = {"sd": [], "cor": []}
    out |= {kind: (kind, names) for kind, names in every.items()}
    for factor in parameters.factors:
        sds, cors = parameters.deviations(factor), parameters.correlations(factor)
        every["sd"] += sds
        every["cor"] += cors
        out[f"sd_{factor.name}"] = "sd", sds
        if cors:
            out[f"cor_{factor.name}"] = "cor", cors
        out |= {name: ("sd", [name]) for name in sds}
    out["sigma"] = "sigma", ["sigma"]
    return out | {name: ("fixed", [name]) for name in parameters.coefficients}


def _check(key: str, kind: str, prior: Any) -> None:
    if not isinstance(prior, Prior):
        raise ArgumentError(
            f"the prior of {key!r} must be one of pp.normal, … or its text, not {prior!r}"
        )
    is_correlation = kind == "cor"
    if is_correlation != (prior.name == "lkj"):
        what = "a correlation takes pp.lkj" if is_correlation else "pp.lkj is for correlations"
        raise ArgumentError(f"{prior} does not suit {key!r}: {what}")
    if kind in {"sd", "sigma"} and prior.support[1] <= 0:
        raise ArgumentError(f"{prior} has no positive support, but {key!r} is a standard deviation")


def check_prior(name: str, prior: Prior, parameters: Parameters) -> None:
    """Refuse a prior that does not suit the parameter of that name."""
    kinds = {own: kind for kind, names in _targets(parameters).values() for own in names}
    _check(name, kinds[name], prior)


def require_proper(table: PriorTable) -> None:
    """Refuse to draw from priors that are no densities."""
    for name, prior in table.priors.items():
        if not prior.is_proper:
            raise ArgumentError(
                f"prior_only=True needs a proper prior of every parameter; {name!r} has {prior}:"
                " give it one, as pp.normal(0, 10)"
            )
