"""The syntax tree of a formula, and how it is written back as text.

Operators of one precedence level form one flat `Chain`, so a sum of a thousand columns is one node
and no walk over the tree is deeper than the parentheses that were typed.
"""

import keyword
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

ADD, MULTIPLY, WITHIN, INTERACT, RAISE, ATOM = range(1, 7)
LEVELS: Final = {"+": ADD, "-": ADD, "*": MULTIPLY, "/": MULTIPLY, "%in%": WITHIN, ":": INTERACT}


@dataclass(frozen=True, slots=True)
class Name:
    """A column; `quoted` text is kept raw, without its backticks."""

    name: str


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written; the intercept's 0 and 1 too."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string, as in `contr.treatment(base="b")`."""

    value: str


@dataclass(frozen=True, slots=True)
class Flag:
    """TRUE or FALSE, in R's or in Python's spelling."""

    value: bool


@dataclass(frozen=True, slots=True)
class Values:
    """A list of literals, `[1, 2]` or `c(1, 2)`."""

    items: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A transform of the data argument(s); an option's key is "" when it was given by position."""

    function: str
    arguments: tuple["Expr", ...]
    options: tuple[tuple[str, "Expr"], ...] = ()


@dataclass(frozen=True, slots=True)
class Negative:
    """A leading minus."""

    operand: "Expr"


@dataclass(frozen=True, slots=True)
class Power:
    """`base ^ exponent`; the exponent binds to the right."""

    base: "Expr"
    exponent: "Expr"


@dataclass(frozen=True, slots=True)
class Chain:
    """Operators of one level, from left to right: `a - b + c` is (a, ((-, b), (+, c)))."""

    first: "Expr"
    rest: tuple[tuple[str, "Expr"], ...]

    @property
    def level(self) -> int:
        """The precedence that the chain's operators share."""
        return LEVELS[self.rest[0][0]]


@dataclass(frozen=True, slots=True)
class Bar:
    """A random term in parentheses, `(terms | group)`, or `(terms || group)` if uncorrelated."""

    terms: "Expr"
    group: "Expr"
    correlated: bool


Expr: TypeAlias = Name | Number | Text | Flag | Values | Call | Negative | Power | Chain | Bar


def children(expr: Expr) -> Iterator[Expr]:
    """Direct parts of an expression, in the order in which they were written."""
    match expr:
        case Chain(first, rest):
            yield first
            for _, part in rest:
                yield part
        case Call(_, arguments, options):
            yield from arguments
            for _, value in options:
                yield value
        case Power(base, exponent):
            yield base
            yield exponent
        case Negative(operand):
            yield operand
        case Bar(terms, group):
            yield terms
            yield group
        case Values(items):
            yield from items
        case Name() | Number() | Text() | Flag():
            return


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and all its parts, in the order in which they were written."""
    pending = [expr]
    while pending:
        part = pending.pop()
        yield part
        pending.extend(reversed(tuple(children(part))))


def variables(expr: Expr) -> tuple[str, ...]:
    """Columns that an expression uses, in order of first use."""
    return tuple(dict.fromkeys(part.name for part in walk(expr) if isinstance(part, Name)))


def quote_name(name: str) -> str:
    """A column as R would write it: with backticks unless it is a plain (or dotted) name."""
    plain = name.replace(".", "_")
    reads_back = name not in {"TRUE", "FALSE", "True", "False", "lambda"} and "__" not in name
    if name[0] != "." and plain.isidentifier() and reads_back:
        return name
    return f"`{name}`"


def quote_for_formulaic(name: str) -> str:
    """A column as formulaic needs it: dots too need backticks, or they are attribute access."""
    reserved = keyword.iskeyword(name) or name in {"TRUE", "FALSE"}
    if name.isascii() and name.isidentifier() and not reserved:
        return name
    return f"`{name}`"


def to_text(expr: Expr) -> str:
    """Write an expression in the formula language, so that it reads back as the same tree."""
    return _write(expr, 0, quote_name, " ^ ")


def to_formulaic(expr: Expr) -> str:
    """Write a checked factor as formulaic (and so Python's parser) expects it."""
    return _write(expr, 0, quote_for_formulaic, " ** ")


def to_shown(expr: Expr) -> str:
    """A checked factor as names of columns show it: `to_formulaic` without backticks."""
    return _write(expr, 0, str, " ** ")


def _write(expr: Expr, level: int, quote: Callable[[str], str], power: str) -> str:
    """Text of `expr`, in parentheses where its operator binds less than `level` asks."""
    match expr:
        case Name(name):
            return quote(name) if name != "." else name
        case Number(value) | Text(value) | Flag(value):
            return repr(value)
        case Values(items):
            return f"[{', '.join(_write(item, 0, quote, power) for item in items)}]"
        case Call(function, arguments, options):
            if function.startswith("contr.") and not options:
                return function
            parts = [_write(argument, 0, quote, power) for argument in arguments]
            for key, value in options:
                text = _write(value, 0, quote, power)
                parts.append(f"{key}={text}" if key else text)
            return f"{function}({', '.join(parts)})"
        case Negative(operand):
            own, text = ADD, f"-{_write(operand, MULTIPLY, quote, power)}"
        case Power(base, exponent):
            own = RAISE
            text = (
                f"{_write(base, ATOM, quote, power)}{power}{_write(exponent, RAISE, quote, power)}"
            )
        case Chain(first, rest):
            own = expr.level
            # A leading minus belongs to the first of the terms; elsewhere it needs parentheses.
            leads = own == ADD and isinstance(first, Negative)
            text = _write(first, ADD if leads else own + 1, quote, power)
            for operator, part in rest:
                sign = operator if operator == ":" else f" {operator} "
                text += sign + _write(part, own + 1, quote, power)
        case Bar(terms, group, correlated):
            sign = "|" if correlated else "||"
            sides = _write(terms, 0, quote, power), _write(group, 0, quote, power)
            return f"({sides[0]} {sign} {sides[1]})"
    return f"({text})" if own < level else text
