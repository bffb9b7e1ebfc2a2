"""R's `update()`: a new formula in which `.` stands for a side of the old one."""

from collections.abc import Iterable

from partialpool.errors import FormulaError
from partialpool.formula.expressions import (
    Call,
    Chain,
    Expr,
    Name,
    Negative,
    Power,
    quote_name,
    to_text,
    walk,
)
from partialpool.formula.model import (
    Formula,
    Parts,
    check_bare,
    check_response,
    parse_formula,
    parse_random,
    take_apart,
    written_terms,
)
from partialpool.formula.parser import parse
from partialpool.formula.random_terms import RandomTerm, random_terms
from partialpool.formula.terms import expand
from partialpool.formula.transforms import check_elementwise

Key = tuple[str, frozenset[str], bool]


def update_formula(old: Formula, new: str) -> Formula:
    """Change a formula, as R's `update(old, new)` does.

    Parameters
    ----------
    old
        The formula that `.` stands for, on either side of `new`.
    new
        `. ~ . - Days + (1 | g)`. On the right, `.` brings the old fixed part, and the old random
        terms and offsets with it; `- (1 | g)` and `- offset(x)` take those away. Without a left
        side the response stays; without `.` the new side replaces the old one. Of `(x || g)`, which
        stands for `(1 | g) + (0 + x | g)`, either part can be taken away.

    Returns
    -------
    Formula
        Its text is simplified: interactions are written out.

    Raises
    ------
    FormulaError
        If `new` is no formula, or takes away a random term or an offset that is not there.
    """
    parsed = parse(new)
    check_bare(parsed)
    left = parsed.left
    response = old.response if left is None else check_response(_fill(left, old.response))
    added = take_apart(parsed.right, updating=True)
    inherits = any(
        piece == Name(".") for positive, part in added.fixed if positive for piece in walk(part)
    )
    dot = take_apart(parse(old.text).right).fixed
    fixed = expand(added.fixed, "the fixed part", dot).text
    random = _merge_random(old.random if inherits else (), added)
    offsets = _merge_offsets(old.offsets if inherits else (), added)
    pieces = [fixed, *random, *(f"offset({to_text(offset)})" for offset in offsets)]
    return parse_formula(f"{to_text(response)} ~ {' + '.join(pieces)}")


def _merge_random(old: tuple[RandomTerm, ...], added: Parts) -> list[str]:
    terms = {term.key: term for term in old}
    for positive, bar in added.bars:
        for term in random_terms(bar):
            if positive:
                terms.setdefault(term.key, term)
            elif terms.pop(term.key, None) is None:
                terms = _split(terms.values(), term)
    return [term.text for term in terms.values()]


def _split(terms: Iterable[RandomTerm], gone: RandomTerm) -> dict[Key, RandomTerm]:
    """Random terms without a part of one: `(x || g)` less `(1 | g)` is `(0 + x || g)`, as in R."""
    out: dict[Key, RandomTerm] = {}
    found = False
    for term in terms:
        rest = None if found else _rest(term, gone)
        found = found or rest is not None
        for kept in (term,) if rest is None else rest:
            out[kept.key] = kept
    if not found:
        listed = ", ".join(term.text for term in terms) or "none"
        raise FormulaError(
            f"the random term {gone.text} is not in the formula; its random terms are: {listed}"
        )
    return out


def _rest(term: RandomTerm, gone: RandomTerm) -> tuple[RandomTerm, ...] | None:
    """What is left of a `||` term; None if `gone` is no part of it."""
    if term.correlated or set(term.group) != set(gone.group):
        return None
    whole, part = written_terms(term.lhs), written_terms(gone.lhs)
    taken = {frozenset(own) for own in part.terms}
    several = len(taken) + part.intercept > 1
    inside = taken <= {frozenset(own) for own in whole.terms}
    if not inside or part.intercept > whole.intercept or (gone.correlated and several):
        return None
    left = [":".join(map(to_text, own)) for own in whole.terms if frozenset(own) not in taken]
    intercept = whole.intercept and not part.intercept
    if not left and not intercept:
        return ()
    sign = "||" if left else "|"
    group = ":".join(map(quote_name, term.group))
    return parse_random(f"({' + '.join([str(int(intercept)), *left])} {sign} {group})")


def _merge_offsets(old: tuple[Expr, ...], added: Parts) -> list[Expr]:
    offsets = list(old)
    for positive, offset in added.offsets:
        checked = check_elementwise(offset, "offset()")
        if positive:
            offsets.append(checked)
        elif checked in offsets:
            offsets.remove(checked)
        else:
            raise FormulaError(f"offset({to_text(checked)}) is not in the formula; leave it out")
    return offsets


def _fill(expr: Expr, response: Expr) -> Expr:
    """The left side with `.` replaced by the old response."""
    match expr:
        case Name("."):
            return response
        case Negative(operand):
            return Negative(_fill(operand, response))
        case Power(base, exponent):
            return Power(_fill(base, response), _fill(exponent, response))
        case Chain(first, rest):
            filled = tuple((sign, _fill(part, response)) for sign, part in rest)
            return Chain(_fill(first, response), filled)
        case Call(function, arguments, options):
            filled_arguments = tuple(_fill(part, response) for part in arguments)
            return Call(function, filled_arguments, options)
        case _:
            return expr
