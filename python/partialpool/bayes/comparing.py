"""Likelihood fit and posterior of the same model, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from partialpool.bayes.posterior import Posterior
from partialpool.bayes.summaries import location_and_spread
from partialpool.design.frame import to_native
from partialpool.errors import ArgumentError
from partialpool.inference.intervals.parameters import estimates
from partialpool.models.fit import MixedFit
from partialpool.models.parameters import listed
from partialpool.models.random_effects import by_group
from partialpool.tables.html import tables_html
from partialpool.tables.printed import Printed
from partialpool.tables.rformat import CellTable

#: Rows of random effects printed for each group.
SHOWN = 40


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Printed):
    """What two ways of fitting say.

    Attributes
    ----------
    parameters
        Frame: variable; estimate and std_error of the likelihood fit (no standard errors of
        variance parameters); mean and sd of the posterior; difference (posterior less fit).
    random
        {group: frame} of every random effect: level, term, fit, posterior, difference.
    """

    parameters: Any
    random: dict[str, Any]

    def __str__(self) -> str:
        parts = table_lines(self.parameters)
        for group, table in self.random.items():
            lines = table_lines(table)
            parts += ["", f"Random effects of {group}:", *lines[: SHOWN + 1]]
            if len(lines) > SHOWN + 1:
                parts.append(f"({len(lines) - SHOWN - 1} more in .random[{group!r}])")
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        tables = [("Parameters", _cells(self.parameters))]
        tables += [(f"Random effects of {g}", _cells(t)) for g, t in self.random.items()]
        return tables_html("Likelihood fit and posterior", tables)


def _cells(table: Any) -> CellTable:
    """A frame as a table in text, all of its rows up to `SHOWN`."""
    columns = nw.from_native(table, eager_only=True).to_dict(as_series=False)
    names, *values = columns.values()
    header = tuple(list(columns)[1:])
    texts = tuple(tuple(_text(v) for v in column[:SHOWN]) for column in values)
    names = tuple(str(name) for name in names[:SHOWN])
    return CellTable(names, header, texts)


def table_lines(table: Any) -> list[str]:
    """Every column of a frame, numbers to four digits; the texts' columns first."""
    columns = nw.from_native(table, eager_only=True).to_dict(as_series=False)
    shown = []
    for name, values in columns.items():
        number = any(isinstance(v, float) for v in values)
        texts = [_text(v) for v in values]
        width = max(len(name), *map(len, texts))
        shown.append([f"{t:>{width}}" if number else f"{t:<{width}}" for t in (name, *texts)])
    return ["  ".join(cells) for cells in zip(*shown, strict=True)]


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:.4g}"
    return "–" if value is None else str(value)


def compare(fit: MixedFit, post: Posterior) -> Comparison:
    """Estimates and standard errors of a likelihood fit beside a posterior's means and sds.

    Parameters
    ----------
    fit
        A fit by `lmer`.
    post
        A posterior by `sample`, with the same formula and data.

    Raises
    ------
    ArgumentError
        If the two are not of the same model.
    """
    if not isinstance(fit, MixedFit):
        raise ArgumentError(f"the first of compare's arguments is a fit of pp.lmer, not {fit!r}")
    if not isinstance(post, Posterior):
        raise ArgumentError(f"the second of compare's arguments is of pp.sample, not {post!r}")
    own = fit.parameters
    levels = [f.levels for f in own.factors]
    if own.names != post.parameters.names or levels != [f.levels for f in post.parameters.factors]:
        raise ArgumentError(
            f"the fit and the posterior are of different models or data: {fit.formula!r} and"
            f" {post.formula!r}"
        )
    if fit.nobs != post.fit.nobs:
        raise ArgumentError(
            f"the fit is of {fit.nobs} rows, the posterior of {post.fit.nobs}; use the same data"
        )
    known = listed(fit)
    values = estimates(fit, known).tolist()
    at_hand = {p.name: value for p, value in zip(known, values, strict=True)}
    errors = dict(zip(own.coefficients, np.sqrt(np.diag(fit.covariance)).tolist(), strict=True))
    table: dict[str, list[Any]] = {
        name: [] for name in ("variable", "estimate", "std_error", "mean", "sd", "difference")
    }
    for name in own.shown:
        numbers = location_and_spread(post.draws(name))
        row = {
            "variable": name,
            "estimate": at_hand[name],
            "std_error": errors.get(name, float("nan")),
            "mean": numbers["mean"],
            "sd": numbers["sd"],
            "difference": numbers["mean"] - at_hand[name],
        }
        for column, value in row.items():
            table[column].append(value)
    random = {}
    for group, index in by_group(fit).items():
        factor = own.factors[index]
        names = own.columns(factor)
        ours = fit.random_effects[index]
        theirs = post.random_draws[index].mean(axis=(0, 1))
        random[group] = to_native(
            {
                "level": [level for level in factor.levels for _ in names],
                "term": list(names) * len(factor.levels),
                "fit": ours.ravel(),
                "posterior": theirs.ravel(),
                "difference": (theirs - ours).ravel(),
            },
            fit.design.kind,
        )
    return Comparison(to_native(table, fit.design.kind), random)
