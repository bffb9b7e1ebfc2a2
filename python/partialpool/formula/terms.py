"""The algebra of terms (Wilkinson & Rogers 1973): a/b, a*b, (a + b)^2 written out.

As in R's `terms()`, each factor (a column or a checked call) is a bit, and a term is the set of the
factors that it multiplies, an integer. Terms are ordered by degree, then as they were written.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from partialpool.errors import FormulaError
from partialpool.formula.expressions import (
    ADD,
    Bar,
    Call,
    Chain,
    Expr,
    Flag,
    Name,
    Negative,
    Number,
    Power,
    Text,
    Values,
    to_formulaic,
    to_text,
    variables,
)
from partialpool.formula.transforms import check_factor

MAX_TERMS: Final = 10_000
_MAX_PRODUCTS: Final = 1_000_000

Signed = tuple[bool, Expr]  # (True, x) for `+ x`, (False, x) for `- x`


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms as sets of factor bits, in written order; `intercept` None if nothing was said."""

    masks: tuple[int, ...] = ()
    intercept: bool | None = None


@dataclass(frozen=True, slots=True)
class ExpandedTerms:
    """A sum of terms, written out.

    Attributes
    ----------
    intercept
        Whether the intercept is in.
    terms
        The factors of each term, without the intercept; by degree, then as written.
    factors
        The factors that are left in any term, in order of first use.
    """

    intercept: bool
    terms: tuple[tuple[Expr, ...], ...]
    factors: tuple[Expr, ...]

    @property
    def formulaic(self) -> str:
        """The text for formulaic, with the intercept explicit."""
        self._check_names()
        return self._written(str(int(self.intercept)), to_formulaic)

    @property
    def text(self) -> str:
        """The formula language's own text, an intercept written only if it is alone or absent."""
        explicit = "" if self.intercept and self.terms else str(int(self.intercept))
        return self._written(explicit, to_text)

    @property
    def products(self) -> tuple[tuple[str, ...], ...] | None:
        """Names of the columns of each term, () for the intercept; None if a transform is used."""
        products: list[tuple[str, ...]] = [()] if self.intercept else []
        for term in self.terms:
            names = tuple(factor.name for factor in term if isinstance(factor, Name))
            if len(names) < len(term):
                return None
            products.append(names)
        return tuple(products)

    @property
    def variables(self) -> tuple[str, ...]:
        """Columns used, in order of first use."""
        return tuple(dict.fromkeys(name for factor in self.factors for name in variables(factor)))

    def _written(self, intercept: str, write: Callable[[Expr], str]) -> str:
        texts = {factor: write(factor) for factor in self.factors}
        parts = [":".join(texts[factor] for factor in term) for term in self.terms]
        return " + ".join([intercept, *parts] if intercept else parts)

    def _check_names(self) -> None:
        """Refuse the one name that a written-out formula would misread."""
        if Name("1") in self.factors:
            raise FormulaError("a column called `1` cannot be told from 1; rename it")


def expand(
    parts: Sequence[Signed], where: str, dot: Sequence[Signed] | None = None
) -> ExpandedTerms:
    """Write out a signed sum of terms.

    Parameters
    ----------
    parts
        The summands, none of them a random term or an offset.
    where
        Named in messages.
    dot
        What `.` stands for, if it stands for anything.

    Raises
    ------
    FormulaError
        If a part is no term, or if there are more than 10,000 terms.
    """
    algebra = _Algebra(where, dot)
    result = algebra.total(parts)
    ordered = sorted(result.masks, key=int.bit_count)
    terms = tuple(algebra.members(mask) for mask in ordered)
    left = algebra.members(_union(ordered))
    return ExpandedTerms(result.intercept is not False, terms, left)


class _Algebra:
    """Factors seen so far, each with its bit."""

    __slots__ = ("_bits", "_dot", "_where", "factors")

    def __init__(self, where: str, dot: Sequence[Signed] | None) -> None:
        self.factors: list[Expr] = []
        self._bits: dict[Expr, int] = {}
        self._dot = dot
        self._where = where

    def members(self, mask: int) -> tuple[Expr, ...]:
        """The factors of a term."""
        found: list[Expr] = []
        while mask:
            low = mask & -mask
            found.append(self.factors[low.bit_length() - 1])
            mask ^= low
        return tuple(found)

    def total(self, parts: Iterable[Signed]) -> Terms:
        masks: dict[int, None] = {}
        intercept: bool | None = None
        for positive, part in parts:
            terms = self.of(part)
            if positive:
                masks.update(dict.fromkeys(terms.masks))
                self._check_size(len(masks))
            else:
                for mask in terms.masks:
                    masks.pop(mask, None)
            if terms.intercept is not None:
                intercept = terms.intercept is positive
        return Terms(tuple(masks), intercept)

    def of(self, expr: Expr) -> Terms:
        match expr:
            case Name("."):
                if self._dot is None:
                    raise FormulaError(
                        f"`.` has no meaning in {self._where}; name the columns"
                        " (only update() reads `.`)"
                    )
                dot, self._dot = self._dot, None
                terms = self.total(dot)
                self._dot = dot
                return terms
            case Name():
                return Terms((self._bit(expr),))
            case Call("offset"):
                raise FormulaError(
                    f"{to_text(expr)} must be a term of its own, added to the fixed part, not in"
                    f" {self._where}"
                )
            case Call():
                return Terms((self._bit(check_factor(expr)),))
            case Number(value):
                if value not in (0, 1) or not isinstance(value, int):
                    raise FormulaError(
                        f"the number {value} is no term in {self._where}; only 0 and 1 are (the"
                        " intercept), and arithmetic goes in I(), such as I(2 * x)"
                    )
                return Terms((), bool(value))
            case Negative(operand):
                return self.total([(False, operand)])
            case Chain(first, rest) if expr.level == ADD:
                return self.total([(True, first), *((sign == "+", part) for sign, part in rest)])
            case Chain(first, rest):
                result = self._operand(first, expr)
                for operator, part in rest:
                    result = self._product(operator, result, self._operand(part, expr), expr)
                return result
            case Power(base, exponent):
                return self._power(self._operand(base, expr), exponent, expr)
            case Bar():
                raise FormulaError(
                    f"the random term {to_text(expr)} cannot stand in {self._where};"
                    " add it by itself with `+`"
                )
            case Text() | Flag() | Values():
                raise FormulaError(
                    f"{to_text(expr)} is no term in {self._where}; a column's name needs no quotes"
                    " (or backticks)"
                )

    def _bit(self, factor: Expr) -> int:
        if factor not in self._bits:
            self._bits[factor] = 1 << len(self.factors)
            self.factors.append(factor)
        return self._bits[factor]

    def _operand(self, expr: Expr, whole: Expr) -> Terms:
        terms = self.of(expr)
        if not terms.masks:
            raise FormulaError(
                f"`{to_text(expr)}` cannot be part of the interaction `{to_text(whole)}` because"
                " it names no column; add it with `+`, or use I() for arithmetic"
            )
        return terms

    def _product(self, operator: str, left: Terms, right: Terms, whole: Expr) -> Terms:
        intercept = left.intercept if right.intercept is None else right.intercept
        if operator == "/":
            nest = _union(left.masks)
            masks = (*left.masks, *(mask | nest for mask in right.masks))
        elif operator == "%in%":
            nest = _union(right.masks)
            masks = tuple(mask | nest for mask in left.masks)
        else:
            masks = self._pairs(left.masks, right.masks)
            if operator == "*":
                masks = (*left.masks, *right.masks, *masks)
            elif intercept:
                raise FormulaError(
                    f"the intercept 1 cannot be part of the interaction `{to_text(whole)}`;"
                    " write `a * b` for a + b + a:b"
                )
        unique = tuple(dict.fromkeys(masks))
        self._check_size(len(unique))
        return Terms(unique, intercept)

    def _power(self, base: Terms, exponent: Expr, whole: Expr) -> Terms:
        power = exponent.value if isinstance(exponent, Number) else 0
        if not isinstance(power, int) or power < 1:
            raise FormulaError(
                f"the power in `{to_text(whole)}` must be a whole number from 1 on (it makes"
                " interactions); arithmetic goes in I(), such as I(x^2)"
            )
        masks = dict.fromkeys(base.masks)
        for _ in range(power - 1):
            before = len(masks)
            masks.update(dict.fromkeys(self._pairs(masks, base.masks)))
            self._check_size(len(masks))
            if len(masks) == before:
                break
        return Terms(tuple(masks), base.intercept)

    def _pairs(self, left: Collection[int], right: Collection[int]) -> tuple[int, ...]:
        """Every product of a term on the left with one on the right."""
        if len(left) * len(right) > _MAX_PRODUCTS:
            self._check_size(len(left) * len(right))
        pairs: dict[int, None] = {}
        for one in left:
            pairs.update(dict.fromkeys([one | other for other in right]))
            self._check_size(len(pairs))
        return tuple(pairs)

    def _check_size(self, count: int) -> None:
        if count > MAX_TERMS:
            raise FormulaError(
                f"{self._where} has more than {MAX_TERMS:,} terms when it is written out;"
                " lower the order of its interactions"
            )


def _union(masks: Iterable[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union
