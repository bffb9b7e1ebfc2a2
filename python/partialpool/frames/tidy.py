"""Estimates as one tidy frame: broom.mixed's content under snake-case names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.arguments import (
    CONFINT_METHODS,
    EFFECTS,
    ConfintMethod,
    Ddf,
    Effect,
    check_choice,
    check_level,
)
from partialpool.design.frame import to_native
from partialpool.design.levels import level_writer
from partialpool.design.names import column_names
from partialpool.errors import ArgumentError
from partialpool.inference.fixed.fixed_part import fixed_part
from partialpool.inference.means.multiplicity import critical_value, two_sided
from partialpool.models.random_effects import by_group
from partialpool.models.reporting import variance_rows
from partialpool.models.summary import by_term

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

TEXTS = ("effect", "group", "level", "term")
TESTS = ("estimate", "std_error", "statistic", "df", "p_value")
LIMITS = ("conf_low", "conf_high")

#: One row by column; what is absent is missing.
Row = dict[str, Any]
#: Lower and upper ends.
Limits = list[tuple[float, float]]


def tidy(
    fit: MixedFit,
    effects: Effect | Sequence[Effect] = ("fixed", "ran_pars"),
    *,
    conf_int: bool = False,
    conf_level: float = 0.95,
    conf_method: ConfintMethod = "wald",
    nsim: int = 1000,
    seed: int | None = None,
    ddf: Ddf = "satterthwaite",
    exponentiate: bool = False,
) -> Any:
    """See `LinearMixedModel.tidy`."""
    wanted, level = chosen_effects(effects, exponentiate), check_level(conf_level)
    conf_method = check_choice(conf_method, "conf_method", CONFINT_METHODS)
    rows: list[Row] = []
    limits: dict[str, Limits] = {}
    if conf_int and conf_method != "wald" and {"fixed", "ran_pars"} & set(wanted):
        limits = _limits(fit, conf_method, level, nsim, seed, set(wanted))
    for name in wanted:
        if name == "fixed":
            rows += _fixed(fit, ddf, level, exponentiate, limits.get("fixed"))
        elif name == "ran_pars":
            rows += _parameters(fit, limits.get("ran_pars"))
        elif name == "ran_vals":
            rows += _values(fit, level)
        else:
            rows += _coefficients(fit)
    return rows_frame(rows, wanted, conf_int, fit.design.kind)


def chosen_effects(effects: Effect | Sequence[Effect], exponentiate: bool) -> tuple[Effect, ...]:
    """The kinds of estimates asked for, if there are such."""
    if not isinstance(effects, str | list | tuple):
        raise ArgumentError(f"effects must be a name or a list of names, not {effects!r}")
    given = (effects,) if isinstance(effects, str) else effects
    wanted: tuple[Effect, ...] = tuple(check_choice(name, "effects", EFFECTS) for name in given)
    if not wanted:
        raise ArgumentError(f"effects is empty; choose among {', '.join(map(repr, EFFECTS))}")
    if exponentiate and "fixed" not in wanted:
        raise ArgumentError("exponentiate is for fixed effects; add 'fixed' to effects")
    return wanted


def rows_frame(rows: Sequence[Row], wanted: Sequence[str], conf_int: bool, kind: Any) -> Any:
    """The frame of one schema that likelihood fits and posteriors share."""
    with_level = "ran_vals" in wanted or "ran_coefs" in wanted
    names = [n for n in TEXTS if n != "level" or with_level]
    numbers = [*TESTS, *(LIMITS if conf_int else ())]
    columns: dict[str, Any] = {n: [r.get(n) for r in rows] for n in names}
    columns |= {n: np.array([r.get(n, np.nan) for r in rows], dtype=float) for n in numbers}
    columns["parameter"] = [r.get("parameter") for r in rows]
    return tidy_frame(columns, kind)


def tidy_frame(columns: Mapping[str, Any], kind: Any) -> Any:
    """A frame of the kind that came in; missing numbers are NaN in pandas, null elsewhere."""
    if kind == "pandas":
        import pandas as pd

        texts = {k: pd.Series(v, dtype=object) for k, v in columns.items() if isinstance(v, list)}
        return to_native({**columns, **texts}, kind)
    import narwhals as nw

    table = nw.from_native(to_native(columns, kind))
    changes = []
    for name, values in columns.items():
        if isinstance(values, list):
            # a column of nothing but None would have no type
            changes.append(nw.col(name).cast(nw.String))
        elif values.dtype.kind == "f":
            changes.append(nw.col(name).fill_nan(None))
    return nw.to_native(table.with_columns(*changes))


def _limits(
    fit: MixedFit,
    method: ConfintMethod,
    level: float,
    nsim: int,
    seed: int | None,
    wanted: set[str],
) -> dict[str, Limits]:
    """Ends by profile or bootstrap: of sds, correlations and σ in our order; of fixed effects."""
    from partialpool.inference.intervals.confidence import confint

    parm = [p for kind, p in (("ran_pars", "theta_"), ("fixed", "beta_")) if kind in wanted]
    table = confint(fit, method, level, nsim, seed, parm=parm).to_numpy(dtype=float)
    pairs = [(float(low), float(high)) for low, high in table]
    size = len(fit.fixed_names) if "fixed" in wanted else 0
    return {"ran_pars": pairs[: len(pairs) - size], "fixed": pairs[len(pairs) - size :]}


def _fixed(
    fit: MixedFit, ddf: Ddf, level: float, exponentiate: bool, limits: Limits | None
) -> list[Row]:
    part = fixed_part(fit, ddf)
    size = len(part.beta)
    if size == 0:  # `y ~ 0 + (1 | g)`
        return []
    se = np.sqrt(np.diag(part.vcov))
    se[part.hidden(np.eye(size))] = np.nan
    df = np.array([part.df(row) for row in np.eye(size)])
    statistic = part.beta / se
    p = two_sided(statistic, df)
    half = np.concatenate([critical_value(level, df[i : i + 1], "none", 1) for i in range(size)])
    low, high, estimate = part.beta - half * se, part.beta + half * se, part.beta
    if limits is not None:
        low, high = np.array(limits, dtype=float).reshape(-1, 2).T
    if exponentiate:
        with np.errstate(over="ignore"):
            estimate, low, high = np.exp(estimate), np.exp(low), np.exp(high)
            # the delta method, as broom.mixed; the test stays that of the coefficient itself
            se = se * estimate
    numbers = zip(estimate, se, statistic, df, p, low, high, strict=True)
    named = zip(fit.fixed_names, fit.parameters.coefficients, numbers, strict=True)
    return [
        {
            "effect": "fixed",
            "term": term,
            "parameter": name,
            **dict(zip((*TESTS, *LIMITS), values, strict=True)),
        }
        for term, name, values in named
    ]


def parameter_terms(fit: MixedFit) -> list[tuple[str, str, str, float]]:
    """Group and broom's term of each standard deviation and correlation, its name and value.

    Term by term, down the columns of each matrix.
    """
    out: list[tuple[str, str, str, float]] = []
    for term in by_term(variance_rows(fit)):
        for j, own in enumerate(term):
            text = f"sd__{own.name or 'Observation'}"
            out.append((own.group, text, own.parameter(), own.sd))
            for other in term[j + 1 :]:
                text = f"cor__{own.name}.{other.name}"
                out.append((own.group, text, other.parameter(1 + j), other.correlations[j]))
    return out


def _parameters(fit: MixedFit, limits: Limits | None) -> list[Row]:
    names = ("group", "term", "parameter", "estimate")
    out: list[Row] = [
        {"effect": "ran_pars", **dict(zip(names, row, strict=True))} for row in parameter_terms(fit)
    ]
    if limits is not None:
        # `models.parameters.listed` has the same order: columns of each term's matrix, σ last.
        for row, (low, high) in zip(out, limits, strict=True):
            row |= {"conf_low": low, "conf_high": high}
    return out


def _values(fit: MixedFit, level: float) -> list[Row]:
    from scipy.stats import norm

    half = float(norm.ppf(0.5 + level / 2))
    sds = fit.conditional_sds()
    out: list[Row] = []
    for group, index in by_group(fit).items():
        factor = fit.design.factors[index]
        effects, spread = fit.random_effects[index], sds[index]
        write = level_writer(factor.levels)
        for j, term in enumerate(column_names(factor)):
            for i, label in enumerate(factor.levels):
                value, sd = float(effects[i, j]), float(spread[i, j])
                out.append(
                    {
                        "effect": "ran_vals",
                        "group": group,
                        "level": write(label),
                        "term": term,
                        "estimate": value,
                        "std_error": sd,
                        "conf_low": value - half * sd,
                        "conf_high": value + half * sd,
                    }
                )
    return out


def _coefficients(fit: MixedFit) -> list[Row]:
    """Fixed plus random effects of each level."""
    fixed = dict(zip(fit.fixed_names, fit.beta.tolist(), strict=True))
    out: list[Row] = []
    for group, index in by_group(fit).items():
        factor = fit.design.factors[index]
        columns = {n: np.full(len(factor.levels), v) for n, v in fixed.items()}
        for j, name in enumerate(factor.names):
            before = columns.get(name, np.zeros(len(factor.levels)))
            columns[name] = before + fit.random_effects[index][:, j]
        write = level_writer(factor.levels)
        for term, values in columns.items():
            out += [
                {
                    "effect": "ran_coefs",
                    "group": group,
                    "level": write(label),
                    "term": term,
                    "estimate": float(value),
                }
                for label, value in zip(factor.levels, values, strict=True)
            ]
    return out
