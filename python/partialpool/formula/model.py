"""`Formula`: what a model's text says, as one immutable object."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from partialpool.errors import FormulaError
from partialpool.formula.expressions import (
    ADD,
    INTERACT,
    Bar,
    Call,
    Chain,
    Expr,
    Negative,
    Number,
    to_text,
    variables,
    walk,
)
from partialpool.formula.parser import Parsed, parse
from partialpool.formula.random_terms import RandomTerm, check_distinct, random_terms
from partialpool.formula.terms import ExpandedTerms, Signed, expand
from partialpool.formula.transforms import check_elementwise, check_factor


@dataclass(frozen=True, slots=True, repr=False)
class Formula:
    """A mixed model's formula.

    Attributes
    ----------
    text
        As written, with each run of white space made one space.
    response
        Tree of the left side; see `evaluate`.
    response_name
        Canonical text of the response: "log(y)".
    fixed
        The fixed part for formulaic, written out, with the intercept explicit: "1 + a + b + a:b".
    fixed_products
        Names of the columns of each fixed term, () for the intercept, in formulaic's order; None if
        a transform is used.
    random
        The random terms in written order, with nested grouping factors expanded.
    offsets
        Trees of the arguments of offset(); see `evaluate`.
    variables
        Every column that is used: of the response, the fixed part, the random terms, the offsets.
    """

    text: str
    response: Expr
    response_name: str
    fixed: str
    fixed_products: tuple[tuple[str, ...], ...] | None
    random: tuple[RandomTerm, ...]
    offsets: tuple[Expr, ...]
    variables: tuple[str, ...]

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Formula({self.text!r})"


@dataclass(frozen=True, slots=True)
class Parts:
    """A right side taken apart: signed fixed terms, bars and offsets, added and taken away."""

    fixed: tuple[Signed, ...]
    bars: tuple[tuple[bool, Bar], ...]
    offsets: tuple[tuple[bool, Expr], ...]


def parse_formula(text: str) -> Formula:
    """Read a formula such as `y ~ x + (x | g)`.

    Parameters
    ----------
    text
        lme4's language: `+ - : * / ^ %in%`, random terms `(x | g)` and `(x || g)`, `offset()`, and
        the transforms in `TRANSFORMS`. The answer is kept, so that reading it again is free.

    Raises
    ------
    FormulaError
        If the text is no such formula. Nothing is evaluated.
    """
    if not isinstance(text, str):
        raise FormulaError(f"a formula must be text, not {type(text).__name__}; write it in quotes")
    return _parse_formula(text)


@lru_cache(maxsize=512)
def _parse_formula(text: str) -> Formula:
    try:
        return _build(parse(text))
    except RecursionError:
        raise FormulaError("the formula is nested too deeply; remove parentheses") from None


def require_random(formula: Formula) -> None:
    """Refuse formulas without a bar."""
    if not formula.random:
        raise FormulaError(
            f"`{formula.text}` has no random effects; add a term such as (1 | group), or use pp.lm"
        )


def parse_grouped(text: str, *, needed: bool = True) -> tuple[Formula, tuple[str, ...]]:
    """Read `y ~ x | g`, the formula of separate regressions by group.

    Parameters
    ----------
    needed
        Refuse a formula without a group; else its group is ().

    Returns
    -------
    formula, group
        The formula before the bar, and the columns whose interaction is the grouping factor.
    """
    parsed = parse(text)
    bar = parsed.right
    if not needed and not parsed.bare:
        read = parse_formula(text)
        if not read.random:
            return read, ()
    if not parsed.bare or not isinstance(bar, Bar) or not bar.correlated:
        raise FormulaError(f"`{parsed.text}` has no group; write `y ~ x | g`, without parentheses")
    terms = random_terms(bar)
    if len(terms) != 1:
        raise FormulaError(f"`{to_text(bar.group)}` is more than one group; name one factor")
    left = to_text(check_response(parsed.left)) if parsed.left is not None else ""
    return parse_formula(f"{left} ~ {to_text(bar.terms)}"), terms[0].group


def parse_random(text: str) -> tuple[RandomTerm, ...]:
    """Read random terms alone, `(1 | g)` or `~ (1 | g) + (x | h)`."""
    if not isinstance(text, str):
        raise FormulaError(f"a formula must be text, not {type(text).__name__}; write it in quotes")
    parsed = parse(text if text.lstrip().startswith("~") else f"~ {text}")
    parts = take_apart(parsed.right)
    if parsed.left is not None or parsed.bare or parts.fixed or parts.offsets or not parts.bars:
        raise FormulaError(f"`{parsed.text}` must be random terms alone, such as `(1 | g)`")
    return _random(parts.bars)


@lru_cache(maxsize=512)
def written_terms(text: str) -> ExpandedTerms:
    """Terms of a right side that we wrote out: `Formula.fixed` or `RandomTerm.lhs`."""
    right = parse(f"~ {text}", ours=True).right
    intercept, *summands = _operands(right, ADD)
    terms = tuple(tuple(map(check_factor, _operands(part, INTERACT))) for part in summands)
    factors = tuple(dict.fromkeys(factor for term in terms for factor in term))
    return ExpandedTerms(intercept != Number(0), terms, factors)


def _operands(expr: Expr, level: int) -> tuple[Expr, ...]:
    """What a chain of operators of one level joins; any other expression is one operand."""
    if isinstance(expr, Chain) and expr.level == level:
        return expr.first, *(part for _, part in expr.rest)
    return (expr,)


def _build(parsed: Parsed) -> Formula:
    if parsed.left is None:
        raise FormulaError(f"`{parsed.text}` needs a response before `~`; write `y {parsed.text}`")
    response = check_response(parsed.left)
    check_bare(parsed)
    parts = take_apart(parsed.right)
    fixed = expand(parts.fixed, "the fixed part")
    random = _random(parts.bars)
    offsets = tuple(check_elementwise(offset, "offset()") for _, offset in parts.offsets)
    columns = [
        *variables(response),
        *fixed.variables,
        *(name for term in random for name in (*term.variables, *term.group)),
        *(name for offset in offsets for name in variables(offset)),
    ]
    return Formula(
        text=parsed.text,
        response=response,
        response_name=to_text(response),
        fixed=fixed.formulaic,
        fixed_products=fixed.products,
        random=random,
        offsets=offsets,
        variables=tuple(dict.fromkeys(columns)),
    )


def check_bare(parsed: Parsed) -> None:
    """Refuse a bar outside parentheses."""
    if parsed.bare:
        bar = to_text(parsed.right)
        raise FormulaError(f"the random term `{bar[1:-1]}` must be in parentheses: {bar}")


def check_response(left: Expr) -> Expr:
    """Check the left side: one column, or row-by-row arithmetic on columns."""
    if any(isinstance(part, Call) and part.function == "cbind" for part in walk(left)):
        raise FormulaError(
            "cbind() is not offered as a response; use the proportion and give the sizes as weights"
        )
    return check_elementwise(left, "the response")


def take_apart(right: Expr, updating: bool = False) -> Parts:
    """Separate random terms and offsets from the terms of the fixed part.

    Parameters
    ----------
    right
        The right side.
    updating
        Whether random terms and offsets can be taken away with `-`.
    """
    fixed: list[Signed] = []
    bars: list[tuple[bool, Bar]] = []
    offsets: list[tuple[bool, Expr]] = []

    def take(positive: bool, part: Expr) -> None:
        match part:
            case Chain(first, rest) if positive and part.level == ADD:
                take(True, first)
                for sign, summand in rest:
                    take(sign == "+", summand)
            case Negative(operand) if positive:
                take(False, operand)
            case Bar():
                if not positive and not updating:
                    _cannot_subtract(part)
                bars.append((positive, part))
            case Call("offset", arguments, options):
                if not positive and not updating:
                    _cannot_subtract(part)
                if len(arguments) != 1 or options:
                    raise FormulaError(f"`{to_text(part)}` must have one argument; write offset(x)")
                offsets.append((positive, arguments[0]))
            case _:
                fixed.append((positive, part))

    take(True, right)
    return Parts(tuple(fixed), tuple(bars), tuple(offsets))


def _cannot_subtract(part: Expr) -> NoReturn:
    raise FormulaError(f"{to_text(part)} cannot be taken away here; leave it out of the formula")


def _random(bars: Sequence[tuple[bool, Bar]]) -> tuple[RandomTerm, ...]:
    terms = tuple(term for _, bar in bars for term in random_terms(bar))
    check_distinct(terms)
    return terms
