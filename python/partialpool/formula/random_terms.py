"""Random terms: `(x | a/b)` → one `RandomTerm` per grouping factor, in lme4's order."""

from dataclasses import dataclass

from partialpool.errors import FormulaError
from partialpool.formula.expressions import (
    ADD,
    Bar,
    Call,
    Chain,
    Expr,
    Name,
    quote_name,
    to_text,
    walk,
)
from partialpool.formula.terms import MAX_TERMS, expand
from partialpool.formula.transforms import check_factor

Groups = list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class RandomTerm:
    """The columns that vary by one grouping factor.

    Attributes
    ----------
    lhs
        formulaic's text of the columns, with the intercept explicit: "1 + Days", "0 + Days".
    products
        Names of the columns of each term of `lhs`, () for the intercept; None if `lhs` uses a
        transform.
    group
        Columns whose interaction is the grouping factor: ("cask", "batch").
    correlated
        False for `||`: the covariances between the columns of different terms are zero.
    text
        The term as it is reported: "(Days | Subject)", "(1 | cask:batch)".
    variables
        Columns that `lhs` uses, in order of first use.
    """

    lhs: str
    products: tuple[tuple[str, ...], ...] | None
    group: tuple[str, ...]
    correlated: bool
    text: str
    variables: tuple[str, ...]

    @property
    def group_name(self) -> str:
        """The grouping factor's name, as lme4 gives it: "cask:batch"."""
        return ":".join(self.group)

    @property
    def key(self) -> tuple[str, frozenset[str], bool]:
        """What makes two terms the same, however they are written."""
        return self.lhs, frozenset(self.group), self.correlated

    def __str__(self) -> str:
        return self.text


def random_terms(bar: Bar) -> tuple[RandomTerm, ...]:
    """The random terms that one bar stands for.

    `(x | a/b)` is (x | b:a) and (x | a), in this order, as in lme4; `(x | a + b)` and `(x | a*b)`,
    which lme4 before 1.1-36 refuses, are expanded as its successor reformulas does.

    Raises
    ------
    FormulaError
        If the left side has no column or the right side is no grouping factor.
    """
    where = f"the left side of {to_text(bar)}"
    left = expand([(True, bar.terms)], where)
    if not left.intercept and not left.terms:
        raise FormulaError(
            f"{to_text(bar)} has no column before the bar; write (1 | g) or leave it"
        )
    groups = _grouping_factors(bar.group, bar)
    if not any(isinstance(part, Chain) and _nests(part) for part in walk(bar.group)):
        groups.sort(key=len)
    lhs, products, columns = left.formulaic, left.products, left.variables
    written, sign = to_text(bar.terms), "|" if bar.correlated else "||"
    terms: list[RandomTerm] = []
    seen: set[frozenset[str]] = set()
    for group in groups:
        if frozenset(group) not in seen:
            seen.add(frozenset(group))
            text = f"({written} {sign} {':'.join(map(quote_name, group))})"
            terms.append(RandomTerm(lhs, products, group, bar.correlated, text, columns))
    return tuple(terms)


def check_distinct(terms: tuple[RandomTerm, ...]) -> None:
    """Refuse a term that is given twice: its two variances could not be told apart."""
    seen: set[tuple[str, frozenset[str], bool]] = set()
    for term in terms:
        if term.key in seen:
            raise FormulaError(f"the random term {term.text} is given twice; remove one")
        seen.add(term.key)


def _nests(chain: Chain) -> bool:
    return any(operator == "/" for operator, _ in chain.rest)


def _grouping_factors(expr: Expr, bar: Bar) -> Groups:
    match expr:
        case Name(name) if name != ".":
            return [(name,)]
        case Call("C" | "factor" | "as.factor"):
            checked = check_factor(expr)
            if isinstance(checked, Call) and not checked.options:
                return _grouping_factors(checked.arguments[0], bar)
        case Chain(first, rest):
            groups = _grouping_factors(first, bar)
            for operator, part in rest:
                if operator == "-":
                    break
                groups = _combine(operator, groups, _grouping_factors(part, bar))
                if sum(map(len, groups)) > MAX_TERMS:
                    raise FormulaError(
                        f"{to_text(bar)} has too many grouping factors when it is written out;"
                        " name those that you need"
                    )
            else:
                return groups
        case _:
            pass
    advice = "columns joined by : / * + are"
    if isinstance(expr, Chain) and expr.level == ADD:
        advice = "write one random term per grouping factor"
    raise FormulaError(f"`{to_text(expr)}` in {to_text(bar)} is no grouping factor; {advice}")


def _combine(operator: str, left: Groups, right: Groups) -> Groups:
    match operator:
        case "+":
            return left + right
        case "/":
            # lme4 puts the nested factor first: a/b is b:a, then a.
            nest = tuple(dict.fromkeys(name for group in left for name in group))
            return [_distinct((*inner, *nest)) for inner in right] + left
        case "%in%":
            nest = [name for group in right for name in group]
            return [_distinct((*inner, *nest)) for inner in left]
        case _:
            products = [_distinct((*a, *b)) for a in left for b in right]
            return left + right + products if operator == "*" else products


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
