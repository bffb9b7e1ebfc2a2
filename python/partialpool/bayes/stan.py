"""The model as a Stan program, non-centred, and the data that it reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool.arguments import Coding, NaAction
from partialpool.bayes.prior_table import PriorTable, defaults, resolve
from partialpool.bayes.priors import Prior
from partialpool.bayes.reading import read_design
from partialpool.crossproducts.build import cross_products
from partialpool.design import Design, Factor
from partialpool.design.columns import dense
from partialpool.design.covariance import parts
from partialpool.models.parameters import Parameters

#: Our families in Stan's words; halves are cut off at zero by the parameter's bound.
STAN = {
    "normal": "normal({0}, {1})",
    "student_t": "student_t({0}, {1}, {2})",
    "cauchy": "cauchy({0}, {1})",
    "half_normal": "normal(0, {0})",
    "half_student_t": "student_t({0}, 0, {1})",
    "half_cauchy": "cauchy(0, {0})",
    "exponential": "exponential({0})",
    "gamma": "gamma({0}, {1})",
    "inv_gamma": "inv_gamma({0}, {1})",
    "uniform": "uniform({0}, {1})",
    "lkj": "lkj_corr_cholesky({0})",
}


@dataclass(frozen=True, slots=True)
class Block:
    """Columns of one factor with one covariance: correlated, or all independent.

    Attributes
    ----------
    factor
    columns
        Which of the factor's columns.
    correlated
        Whether they share a correlation matrix.
    """

    factor: Factor
    columns: tuple[int, ...]
    correlated: bool


def stan_code(
    formula: str,
    data: Any,
    priors: Mapping[str, Prior | str] | None = None,
    *,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Coding] | None = None,
    na_action: NaAction = "drop",
) -> str:
    """The Stan program of a model: non-centred random effects, LKJ on Cholesky factors.

    Parameters
    ----------
    formula, data, weights, offset, contrasts, na_action
        As in `lmer`.
    priors
        As in `sample`; the others are those of `default_priors`.

    Returns
    -------
    str
        A program whose data block is what `stan_data` gives for the same arguments. Its posterior
        is that of `sample`.

    Raises
    ------
    FormulaError, DataError, DesignError, ArgumentError
        One line that names the culprit.
    """
    design = read_design(formula, data, weights, offset, contrasts, na_action)
    kept = cross_products(design).kept
    parameters = Parameters.of(design, kept)
    table = resolve(priors, defaults(design, kept, parameters), parameters)
    return program(design, kept, table)


def stan_data(
    formula: str,
    data: Any,
    *,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Coding] | None = None,
    na_action: NaAction = "drop",
) -> dict[str, Any]:
    """What the data block of `stan_code` reads, by name: numbers and arrays.

    Levels are coded from 1. Rows with missing values are left out, columns of X that depend on
    others too.
    """
    design = read_design(formula, data, weights, offset, contrasts, na_action)
    return program_data(design, cross_products(design).kept)


def program_data(design: Design, kept: Sequence[int]) -> dict[str, Any]:
    """The data block's values of a design with the columns of X kept."""
    y = design.response
    out: dict[str, Any] = {"N": design.n, "y": y}
    if kept:
        out |= {"K": len(kept), "X": dense([design.x[i] for i in kept], design.n)}
    if design.offset is not None:
        out |= {"y": y + design.offset, "y_offset": np.ascontiguousarray(design.offset)}
    if design.weights is not None:
        out["w"] = design.weights
    for r, block in enumerate(covariance_blocks(design), start=1):
        assert block.factor.codes is not None  # a design that was just read has its rows
        out[f"J_{r}"] = len(block.factor.levels)
        out[f"M_{r}"] = len(block.columns)
        out[f"g_{r}"] = block.factor.codes.astype(np.int64) + 1
        out[f"Z_{r}"] = dense([block.factor.columns[j] for j in block.columns], design.n)
    return out


def program(
    design: Design, kept: Sequence[int], table: PriorTable, *, prior_only: bool = False
) -> str:
    """The program of a design with the columns of X kept and a prior of every parameter.

    With `prior_only` the response is read but has no likelihood.
    """
    parameters = Parameters.of(design, kept)
    blocks = list(enumerate(covariance_blocks(design), start=1))
    data = [
        "int<lower=1> N;  // rows",
        f"vector[N] y;  // {_comment(design.formula.response_name)}",
    ]
    declared: list[str] = []
    transformed: list[str] = []
    generated: list[str] = []
    model = [f"vector[N] mu = {'y_offset' if design.offset is not None else 'rep_vector(0, N)'};"]
    prior: list[str] = []
    if kept:
        names = ", ".join(map(_comment, parameters.coefficients))
        data += ["int<lower=1> K;  // fixed effects", f"matrix[N, K] X;  // {names}"]
        own = [table[name] for name in parameters.coefficients]
        declared.append(f"vector{_bounds(own, -math.inf)}[K] beta;  // fixed effects")
        model.append("mu += X * beta;")
        prior += _statements("beta", own, parameters.coefficients)
    if design.offset is not None:
        data.append("vector[N] y_offset;  // part of the mean that is known")
    if design.weights is not None:
        data.append("vector<lower=0>[N] w;  // prior weights")
    for r, block in blocks:
        group = _comment(block.factor.name)
        columns = Parameters.columns(block.factor)
        names = tuple(columns[j] for j in block.columns)
        data += [
            f"int<lower=1> J_{r};  // levels of {group}",
            f"int<lower=1> M_{r};  // random effects of each",
            f"array[N] int<lower=1, upper=J_{r}> g_{r};  // level of each row",
            f"matrix[N, M_{r}] Z_{r};  // {', '.join(map(_comment, names))}",
        ]
        deviations = Parameters.deviations(block.factor)
        own = [table[deviations[j]] for j in block.columns]
        declared.append(f"vector{_bounds(own, 0.0)}[M_{r}] sd_{r};  // sds of {group}")
        scale = f"sd_{r}"
        prior += _statements(f"sd_{r}", own, names)
        if block.correlated:
            declared.append(f"cholesky_factor_corr[M_{r}] L_{r};  // of their correlations")
            scale = f"diag_pre_multiply(sd_{r}, L_{r}) *"
            prior.append(f"L_{r} ~ {_stan(_correlation_prior(block, table))};")
            generated.append(
                f"matrix[M_{r}, M_{r}] cor_{r} = multiply_lower_tri_self_transpose(L_{r});"
                f"  // correlations of {group}"
            )
        declared.append(f"matrix[M_{r}, J_{r}] u_{r};  // standardised effects of {group}")
        product = f"{scale} u_{r}" if block.correlated else f"diag_pre_multiply({scale}, u_{r})"
        transformed.append(f"matrix[M_{r}, J_{r}] b_{r} = {product};  // effects of {group}")
        model.append(f"mu += rows_dot_product(Z_{r}, b_{r}[, g_{r}]');")
        prior.append(f"to_vector(u_{r}) ~ std_normal();")
    declared.append(f"real{_bounds([table['sigma']], 0.0)} sigma;  // residual standard deviation")
    prior += _statements("sigma", [table["sigma"]], ("sigma",))
    spread = "sigma" if design.weights is None else "sigma * inv_sqrt(w)"
    likelihood = f"y ~ normal(mu, {spread});"
    model = prior if prior_only else [*model, *prior, likelihood]
    sections = {
        "data": data,
        "parameters": declared,
        "transformed parameters": transformed,
        "model": model,
        "generated quantities": generated,
    }
    lines = [f"// {_comment(design.formula.text)}"]
    for title, body in sections.items():
        if body:
            lines += [f"{title} {{", *(f"  {line}" for line in body), "}"]
    return "\n".join(lines) + "\n"


def covariance_blocks(design: Design) -> list[Block]:
    """Covariance blocks by factor; neighbours of one column each are taken together."""
    out: list[Block] = []
    for factor in design.factors:
        single: list[int] = []
        for part in parts(factor.blocks):
            if len(part) == 1:
                single += part
                continue
            if single:
                out.append(Block(factor, tuple(single), correlated=False))
                single = []
            out.append(Block(factor, tuple(part), correlated=True))
        if single:
            out.append(Block(factor, tuple(single), correlated=False))
    return out


def _correlation_prior(block: Block, table: PriorTable) -> Prior:
    """The block's LKJ prior, which all of its correlations share."""
    names = Parameters.correlations(block.factor)
    pairs = Parameters.pairs(block.factor)
    return table[next(n for n, (i, _) in zip(names, pairs, strict=True) if i in block.columns)]


def _number(value: float) -> str:
    return repr(int(value)) if value.is_integer() and abs(value) < 1e9 else repr(float(value))


def _stan(prior: Prior) -> str:
    return STAN[prior.name].format(*map(_number, prior.parameters))


def _statements(name: str, priors: Sequence[Prior], labels: Sequence[str]) -> list[str]:
    """One statement per parameter, or one for all where they agree; flat priors need none."""
    if len(set(priors)) == 1:
        if priors[0].name == "flat":
            return [f"// {name}: flat"]
        return [f"{name} ~ {_stan(priors[0])};"]
    return [
        f"// {name}[{i}]: flat"
        if prior.name == "flat"
        else f"{name}[{i}] ~ {_stan(prior)};  // {_comment(label)}"
        for i, (prior, label) in enumerate(zip(priors, labels, strict=True), start=1)
    ]


def _bounds(priors: Sequence[Prior], least: float) -> str:
    """Where the priors are positive and, for standard deviations, not below zero."""
    lows = [max(prior.support[0], least) for prior in priors]
    highs = [prior.support[1] for prior in priors]
    parts = []
    for word, ends in (("lower", lows), ("upper", highs)):
        if all(map(math.isinf, ends)):
            continue
        shown = [_end(end) for end in ends]
        same = len(set(shown)) == 1
        parts.append(f"{word}={shown[0] if same else _row(shown)}")
    return f"<{', '.join(parts)}>" if parts else ""


def _row(cells: Sequence[str]) -> str:
    """A column vector in Stan: a row vector, transposed."""
    return f"[{', '.join(cells)}]'"


def _end(value: float) -> str:
    if math.isinf(value):
        return "positive_infinity()" if value > 0 else "negative_infinity()"
    return _number(value)


def _comment(text: str) -> str:
    """User's text on one line of ASCII, so that it cannot end the comment."""
    return " ".join(text.split()).encode("ascii", "backslashreplace").decode()
