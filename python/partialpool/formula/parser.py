"""Tokens → syntax tree, by precedence climbing over R's operators."""

from dataclasses import dataclass
from math import isfinite
from typing import Final, NoReturn

from partialpool.errors import FormulaError
from partialpool.formula.expressions import (
    ADD,
    LEVELS,
    MULTIPLY,
    RAISE,
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
    children,
    to_text,
)
from partialpool.formula.tokens import Token, normal_text, tokenize

MAX_DEPTH: Final = 100
_LARGEST_INTEGER: Final = 2**53  # above, a float says the same and cannot overflow int64


@dataclass(frozen=True, slots=True)
class Parsed:
    """Both sides of a formula.

    Attributes
    ----------
    left
        Tree of the left side; None if there is none.
    right
        Tree of the right side.
    text
        As written, with each run of white space made one space.
    bare
        Whether a bar stands outside parentheses, as in `y ~ x | g`; `right` is then its `Bar`.
    """

    left: Expr | None
    right: Expr
    text: str
    bare: bool


def parse(text: str, *, ours: bool = False) -> Parsed:
    """Read a formula's text.

    Parameters
    ----------
    text
        The formula, with or without a left side.
    ours
        Whether the text is one that we wrote out; see `tokenize`.

    Raises
    ------
    FormulaError
        If the text is not a formula.
    """
    if not isinstance(text, str):
        raise FormulaError(f"a formula must be text, not {type(text).__name__}; write it in quotes")
    try:
        return _parse(text, tokenize(text, ours=ours))
    except RecursionError:  # where the caller's own stack is nearly full
        raise FormulaError("the formula is nested too deeply; remove parentheses") from None


def _parse(text: str, tokens: list[Token]) -> Parsed:
    if len(tokens) == 1:
        raise FormulaError("the formula is empty; write for example `y ~ x + (1 | g)`")
    reader = _Reader(text, tokens)
    left: Expr | None = None
    if reader.peek != "~":
        left = reader.side()
    if reader.peek != "~":
        if reader.token.kind == "end":
            raise FormulaError(
                f"`{normal_text(text, tokens)}` has no `~`; write `response ~ terms`"
            )
        reader.unexpected()
    reader.advance()
    if reader.token.kind == "end":
        raise FormulaError("the formula has nothing after `~`; write 1 for an intercept alone")
    reader.bare = False
    right = reader.side()
    if reader.token.kind != "end":
        reader.unexpected()
    for tree in (left, right):
        if tree is not None:
            _check_depth(tree)
    return Parsed(left, right, normal_text(text, tokens), reader.bare)


class _Reader:
    """A position in the tokens; each method reads one construct from there on."""

    __slots__ = ("_at", "_depth", "_text", "_tokens", "bare", "token")

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self.bare = False
        self.token = tokens[0]

    @property
    def peek(self) -> str:
        """The operator that comes next, or ""."""
        return self.token.text if self.token.kind == "operator" else ""

    def advance(self) -> Token:
        taken = self.token
        self._at += 1
        self.token = self._tokens[self._at]
        return taken

    def expect(self, operator: str) -> None:
        if self.peek != operator:
            self.unexpected(f"; a `{operator}` is missing before it")
        self.advance()

    def unexpected(self, advice: str = "") -> NoReturn:
        before = self._text[: self.token.start].rstrip()
        before = ("..." + before[-30:]) if len(before) > 30 else before
        before = " ".join(before.split())
        if self.token.kind == "end":
            raise FormulaError(f"the formula stops after `{before}`{advice or '; finish it'}")
        token = self._text[self.token.start : self.token.end]
        if not advice and self.token.kind not in {"operator", "end"}:
            advice = "; an operator such as `+` is missing before it"
        if not advice and token == "=":
            advice = "; `=` only names a transform's options, and `~` follows the response"
        if not advice and token == "~":
            advice = "; a formula has only one `~`"
        where = f"after `{before}`" if before else "at the start of the formula"
        raise FormulaError(f"`{token}` is not expected {where}{advice or '; remove it'}")

    def side(self) -> Expr:
        """One side of the tilde; a bare bar is read too, for lm_list or for the message."""
        expr = self.binary(ADD)
        self.bare = self.peek in {"|", "||"}
        return self.bar(expr) if self.bare else expr

    def bar(self, terms: Expr) -> Bar:
        correlated = self.advance().text == "|"
        group = self.binary(ADD)
        if self.peek in {"|", "||"}:
            raise FormulaError(
                f"a random term has one bar, but `{to_text(Bar(terms, group, correlated))}`"
                f" is followed by a second `{self.peek}`; write one term per grouping factor"
            )
        return Bar(terms, group, correlated)

    def binary(self, level: int) -> Expr:
        """Operators that bind at least as tightly as `level`."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FormulaError(
                f"the formula is nested more than {MAX_DEPTH} deep; remove parentheses"
            )
        first = self.operand(level)
        if self.peek in {"^", "**"}:
            self.advance()
            first = Power(first, self.binary(RAISE))
        while (own := LEVELS.get(self.peek, 0)) >= level:
            rest: list[tuple[str, Expr]] = []
            while LEVELS.get(self.peek, 0) == own:
                operator = self.advance().text
                rest.append((operator, self.binary(own + 1)))
            first = Chain(first, tuple(rest))
        self._depth -= 1
        return first

    def operand(self, level: int) -> Expr:
        if self.peek in {"-", "+"}:
            # At the start of a sum the sign is of the whole first term, as in `-a:b + c`.
            negative = self.advance().text == "-"
            operand = self.binary(MULTIPLY if level == ADD else RAISE)
            return Negative(operand) if negative else operand
        return self.atom()

    def atom(self) -> Expr:
        kind, text = self.token.kind, self.token.text
        if kind == "name":
            quoted = self._text[self.token.start] == "`"
            self.advance()
            return self.call(text) if self.peek == "(" and not quoted else Name(text)
        if kind == "number":
            self.advance()
            return _number(text)
        if kind == "text":
            self.advance()
            return Text(text)
        if kind == "flag":
            self.advance()
            return Flag(text.upper() == "TRUE")
        if text == "(" and kind == "operator":
            return self.parentheses()
        if text == "[" and kind == "operator":
            self.advance()
            return Values(self.listed("]"))
        return self.unexpected()

    def parentheses(self) -> Expr:
        self.advance()
        if self.peek == ")":
            raise FormulaError("the parentheses `()` are empty; remove them or put a term inside")
        if self.peek in {"|", "||"}:
            raise FormulaError(
                f"a random term has nothing before `{self.peek}`; write 1 for an intercept"
            )
        expr = self.binary(ADD)
        if self.peek in {"|", "||"}:
            following = self._tokens[self._at + 1].text
            if following == ")":
                raise FormulaError(
                    f"`({to_text(expr)} {self.peek} )` has no grouping factor after the bar;"
                    " name one"
                )
            expr = self.bar(expr)
        self.expect(")")
        return expr

    def call(self, function: str) -> Expr:
        """Arguments of a function; whether it is offered is decided when the tree is checked."""
        self.advance()
        arguments: list[Expr] = []
        options: list[tuple[str, Expr]] = []
        while self.peek != ")":
            following = self._tokens[self._at + 1] if self.token.kind != "end" else self.token
            named = following.kind == "operator" and following.text == "="
            if named and self.token.kind == "name":
                key = self.advance().text
                self.advance()
                if key in dict(options):
                    raise FormulaError(f"{function}() is given `{key}` twice; remove one")
                options.append((key, self.binary(ADD)))
            elif options:
                raise FormulaError(
                    f"in {function}() an argument without a name follows `{options[-1][0]}=`;"
                    " name it too"
                )
            else:
                arguments.append(self.binary(ADD))
            if self.peek != ",":
                break
            self.advance()
        if self.peek in {"|", "||"}:
            raise FormulaError(
                f"`{self.peek}` has no meaning inside {function}(); write random terms outside"
            )
        self.expect(")")
        if function == "c" and not options:
            return Values(tuple(arguments))
        return Call(function, tuple(arguments), tuple(options))

    def listed(self, closing: str) -> tuple[Expr, ...]:
        items: list[Expr] = []
        while self.peek != closing:
            items.append(self.binary(ADD))
            if self.peek != ",":
                break
            self.advance()
        self.expect(closing)
        return tuple(items)


def _check_depth(tree: Expr) -> None:
    """Limit the tree's depth, so that no walk over it can exhaust Python's stack."""
    pending = [(tree, 0)]
    while pending:
        part, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise FormulaError(
                f"the formula is nested more than {MAX_DEPTH} deep; remove parentheses"
            )
        pending.extend((child, depth + 1) for child in children(part))


def _number(text: str) -> Number:
    text = text.removesuffix("L")
    if text.isdigit() and int(text) <= _LARGEST_INTEGER:
        return Number(int(text))
    value = float(text)
    if not isfinite(value):
        raise FormulaError(f"the number {text} is too large; rescale it")
    return Number(value)
