"""The equations of a fitted model: level 1, level 2, covariance matrices, and what stands in them.

The notation is that of multilevel textbooks (Raudenbush & Bryk 2002, ch. 2): coefficients β of
level 1, their fixed parts γ and random parts U at level 2, standard deviations τ, correlations ρ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from partialpool.design.covariance import parts
from partialpool.design.design import Factor
from partialpool.models.random_effects import by_group
from partialpool.report.mathml import (
    comma,
    digits,
    letter,
    math,
    matrix,
    normal,
    row,
    sign,
    squared,
    sub,
    words,
)
from partialpool.report.wording import number, shortened

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

#: Letters of the random parts, and of the levels that they belong to, by factor.
PARTS, LEVELS = "UVWHKLMP", "jklmnpqr"
#: Columns of a factor up to which its covariance matrix is written out.
MATRIX_LIMIT = 6
#: Terms of an equation, and equations of level 2, that are written out.
TERMS_LIMIT, LINES_LIMIT = 24, 12


@dataclass(frozen=True, slots=True)
class Symbol:
    """A row of the table of symbols; `estimate` is empty for an index."""

    math: Markup
    meaning: str
    estimate: str = ""


@dataclass(frozen=True, slots=True)
class Equations:
    """Equations as lists of pieces between which a line may break.

    Attributes
    ----------
    level_one
        The response's equation, then the distribution of its error.
    level_two
        One for each coefficient that varies.
    covariances
        The distribution of the random parts, one for each grouping factor.
    left_out
        What is not written out, in a sentence each.
    symbols
    """

    level_one: tuple[tuple[Markup, ...], ...]
    level_two: tuple[tuple[Markup, ...], ...]
    covariances: tuple[tuple[Markup, ...], ...]
    left_out: tuple[str, ...]
    symbols: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """The random part of one coefficient for one grouping factor.

    Attributes
    ----------
    name, number
        Column and its coefficient.
    random
        U with the index of coefficient and level.
    tau_index
        Index of its standard deviation.
    """

    name: str
    number: int
    random: Markup
    tau_index: tuple[Markup, ...]

    @property
    def tau(self) -> Markup:
        """Its standard deviation."""
        return sub(letter("τ"), *self.tau_index)


class _Writer:
    """The symbols of one fit."""

    def __init__(self, fit: MixedFit) -> None:
        self.fit = fit
        self.factors = [fit.design.factors[i] for i in by_group(fit).values()]
        self.levels = [
            letter(LEVELS[i] if i < len(LEVELS) else f"j{i + 1}") for i in range(len(self.factors))
        ]
        names = dict.fromkeys(
            [*fit.fixed_names, *(name for factor in self.factors for name in factor.names)]
        )
        others = [n for n in names if n != "Intercept"]
        self.numbers = {"Intercept": 0, **{n: i for i, n in enumerate(others, start=1)}}
        self.names = [n for n in ("Intercept", *others) if n in names]
        self.parts = [self._parts(i) for i in range(len(self.factors))]
        self.constant = _constant_columns(fit, self.factors)

    def _parts(self, index: int) -> list[Part]:
        part = PARTS[index] if index < len(PARTS) else f"U{index + 1}"
        out: list[Part] = []
        used: dict[str, int] = {}
        for name in self.factors[index].names:
            primes = "′" * used.get(name, 0)
            used[name] = used.get(name, 0) + 1
            n = digits(str(self.numbers[name]))
            prefix = () if len(self.factors) == 1 else (letter(part),)
            mark = (letter(primes),) if primes else ()
            random = sub(letter(part + primes), n, self.levels[index])
            out.append(Part(name, self.numbers[name], random, (*prefix, n, *mark)))
        return out

    def varying(self, name: str) -> list[int]:
        """Factors by whose levels a coefficient varies."""
        return [i for i, factor in enumerate(self.factors) if name in factor.names]

    def beta(self, name: str) -> Markup:
        """Coefficient of level 1."""
        levels = [self.levels[i] for i in self.varying(name)]
        return sub(letter("β"), digits(str(self.numbers[name])), *levels)

    def gamma(self, name: str) -> Markup:
        """Its fixed part."""
        return sub(letter("γ"), digits(str(self.numbers[name])))

    def of_row(self, base: Markup) -> Markup:
        """A value of row i."""
        return sub(base, letter("i"), *self.levels)

    def level_one(self) -> list[tuple[Markup, ...]]:
        design = self.fit.design
        terms = []
        for name in self.names:
            if name in self.constant:
                continue
            own = self.beta(name) if self.varying(name) else self.gamma(name)
            column = () if name == "Intercept" else (self.of_row(words(shortened(name))),)
            terms.append(row(own, *column))
        terms = _capped(terms)
        if self.offset:
            terms.append(self.of_row(letter("o")))
        error = self.of_row(letter("ε"))
        response = self.of_row(words(shortened(design.formula.response_name)))
        variance = squared(letter("σ"))
        if self.weighted:
            variance = row(variance, sign("/"), self.of_row(letter("w")))
        return [
            _sum(response, [*terms, error]),
            (math(error, sign("∼"), normal(digits("0"), variance)),),
        ]

    @property
    def weighted(self) -> bool:
        """Whether there are prior weights."""
        from partialpool.models.reporting import given

        return given(self.fit, "weights") is not None

    @property
    def offset(self) -> bool:
        """Whether there is an offset, in the formula or beside it."""
        design = self.fit.design
        return bool(design.formula.offsets) or design.given.get("offset") is not None

    def level_two(self) -> list[tuple[Markup, ...]]:
        out = []
        for name in self.names:
            factors = self.varying(name)
            if not factors:
                continue
            terms = [self.gamma(name)] if name in self.fit.fixed_names else []
            if name == "Intercept":
                level = self.levels[factors[0]]
                terms += [
                    row(self.gamma(z), sub(words(shortened(z)), level)) for z in self.constant
                ]
            terms = _capped(terms)
            terms += [p.random for i in factors for p in self.parts[i] if p.name == name]
            out.append(_sum(self.beta(name), terms))
        return out

    def covariance(self, index: int) -> tuple[Markup, ...]:
        """Distribution of a factor's random parts, in symbols and in numbers."""
        parts, factor = self.parts[index], self.factors[index]
        estimate = factor_covariance(self.fit, factor)
        if len(parts) == 1:
            law = normal(digits("0"), squared(parts[0].tau))
            equal = math(squared(parts[0].tau), sign("="), digits(number(estimate[0, 0])))
            return math(parts[0].random, sign("∼"), law, comma()), equal
        block = _block_of(factor)
        cells = [
            [
                squared(a.tau)
                if a is b
                else digits("0")
                if block[i] != block[j]
                else row(self.rho(parts, j, i), a.tau, b.tau)
                for j, b in enumerate(parts)
            ]
            for i, a in enumerate(parts)
        ]
        numbers = [[digits(number(v)) for v in line] for line in estimate.tolist()]
        vector = matrix([[p.random] for p in parts])
        sigma = sub(letter("Σ"), letter(self._part_letter(index)))
        return (
            math(vector, sign("∼"), normal(digits("0"), sigma), comma()),
            math(sigma, sign("="), matrix(cells)),
            math(sign("="), matrix(numbers)),
        )

    def _part_letter(self, index: int) -> str:
        return PARTS[index] if index < len(PARTS) else f"U{index + 1}"

    def rho(self, parts: list[Part], first: int, second: int) -> Markup:
        """Correlation of two random parts, the earlier one named first."""
        a, b = parts[min(first, second)], parts[max(first, second)]
        between = (comma(),) if max(a.number, b.number) > 9 else ()
        own = b.tau_index[1:] if len(self.factors) > 1 else b.tau_index
        return sub(letter("ρ"), *a.tau_index, *between, *own)

    def symbols(self) -> list[Symbol]:
        fit = self.fit
        y = fit.design.formula.response_name
        out = [Symbol(math(letter("i")), "row of the data")]
        for level, factor in zip(self.levels, self.factors, strict=True):
            out.append(
                Symbol(math(level), f"level of {factor.name}, {len(factor.levels):,} levels")
            )
        if self.weighted:
            out.append(Symbol(math(self.of_row(letter("w"))), "prior weight"))
        if self.offset:
            out.append(Symbol(math(self.of_row(letter("o"))), "offset: known, not estimated"))
        below = " where all columns below are 0" if len(fit.fixed_names) > 1 else ""
        for name, value in zip(fit.fixed_names, fit.beta.tolist(), strict=True):
            meaning = (
                f"intercept: expected {y}{below}"
                if name == "Intercept"
                else f"{name}: change in {y} per unit of this column"
            )
            out.append(Symbol(math(self.gamma(name)), meaning, number(value)))
        for index in range(len(self.factors)):
            out += self._random_symbols(index)
        out.append(Symbol(math(letter("σ")), "standard deviation of the errors", number(fit.sigma)))
        return out

    def _random_symbols(self, index: int) -> list[Symbol]:
        factor, parts = self.factors[index], self.parts[index]
        covariance = factor_covariance(self.fit, factor)
        sd = np.sqrt(np.diag(covariance))
        out = [
            Symbol(
                math(p.random),
                f"departure of a level of {factor.name} from γ: {shown(p.name)}",
            )
            for p in parts
        ]
        out += [
            Symbol(
                math(p.tau),
                f"standard deviation of these departures: {shown(p.name)}",
                number(s),
            )
            for p, s in zip(parts, sd.tolist(), strict=True)
        ]
        if len(parts) > MATRIX_LIMIT:
            return out
        block = _block_of(factor)
        for i in range(len(parts)):
            for j in range(i):
                if block[i] == block[j]:
                    product = float(sd[i] * sd[j])
                    rho = float(covariance[i, j]) / product if product else float("nan")
                    a, b = shown(parts[j].name), shown(parts[i].name)
                    out.append(
                        Symbol(
                            math(self.rho(parts, j, i)),
                            f"correlation of these departures: {a} with {b}",
                            number(float(np.clip(rho, -1.0, 1.0))),
                        )
                    )
        return out


def write_equations(fit: MixedFit) -> Equations:
    """The equations of a fit, and the table of their symbols with estimates."""
    writer = _Writer(fit)
    level_two = writer.level_two()
    left_out = []
    if len(level_two) > LINES_LIMIT:
        more = len(level_two) - LINES_LIMIT
        left_out.append(f"{more} more coefficients vary in the same way; the table has them.")
    covariances = []
    for i, factor in enumerate(writer.factors):
        k = len(factor.names)
        if k <= MATRIX_LIMIT:
            covariances.append(writer.covariance(i))
        else:
            left_out.append(
                f"The covariance matrix of {factor.name} is {k} × {k};"
                " its entries are among the variance components."
            )
    return Equations(
        tuple(writer.level_one()),
        tuple(level_two[:LINES_LIMIT]),
        tuple(covariances),
        tuple(left_out),
        tuple(writer.symbols()),
    )


def factor_covariance(fit: MixedFit, factor: Factor) -> np.ndarray:
    """Covariance of all random effects of a factor, (k, k)."""
    index = next(i for i, own in enumerate(fit.design.factors) if own is factor)
    return fit.random_covariance(index)


def shown(name: str) -> str:
    """What a coefficient's name is called in a sentence."""
    return "intercept" if name == "Intercept" else name


def _block_of(factor: Factor) -> list[int]:
    return [i for i, part in enumerate(parts(factor.blocks)) for _ in part]


def _sum(left: Markup, terms: list[Markup]) -> tuple[Markup, ...]:
    first, *rest = terms
    return (math(left, sign("="), first), *(math(sign("+"), term) for term in rest))


def _capped(terms: list[Markup]) -> list[Markup]:
    if len(terms) <= TERMS_LIMIT:
        return terms
    return [*terms[: TERMS_LIMIT - 1], sign("…"), terms[-1]]


def _constant_columns(fit: MixedFit, factors: list[Factor]) -> list[str]:
    """Fixed columns that do not vary within a level: predictors of level 2.

    Told apart only where there is one factor, its intercept varies, and the rows are at hand.
    """
    if len(factors) != 1 or "Intercept" not in factors[0].names or factors[0].codes is None:
        return []
    codes = factors[0].codes
    first = np.zeros(len(factors[0].levels), dtype=np.intp)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    out = []
    for j, name in zip(fit.kept, fit.fixed_names, strict=True):
        column = fit.design.x[j]
        if name in factors[0].names or not isinstance(column, np.ndarray):
            continue
        if np.array_equal(column, column[first][codes]):
            out.append(name)
    return out
