"""Inequalities between parameters and their posterior probability."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.bayes.summaries import location_and_spread
from partialpool.errors import ArgumentError

if TYPE_CHECKING:
    from partialpool.bayes.posterior import Posterior

FUNCTIONS = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt, "abs": np.abs}
OPERATORS = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
NUMBER = re.compile(r"\d+(\.\d*)?([eE][+-]?\d+)?")
WORD = re.compile(rf"{NUMBER.pattern}|\w+")


#: Characters, and levels of a side's tree, that are read.
MAX_LENGTH = 10_000
MAX_DEPTH = 150


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """An inequality and what the posterior says of it.

    Attributes
    ----------
    hypothesis
        As written.
    estimate, sd, q5, q95
        Of the difference between its sides, left less right.
    probability
        Share of the draws for which it holds.
    evidence_ratio
        probability / (1 - probability).
    """

    hypothesis: str
    estimate: float
    sd: float
    q5: float
    q95: float
    probability: float

    @property
    def evidence_ratio(self) -> float:
        """Odds of the hypothesis; infinite if every draw agrees."""
        against = 1.0 - self.probability
        return self.probability / against if against > 0 else float("inf")

    def __str__(self) -> str:
        return (
            f"{self.hypothesis}: posterior probability {self.probability:.4g}, evidence ratio"
            f" {self.evidence_ratio:.4g}\n"
            f"  difference {self.estimate:.4g}, sd {self.sd:.4g},"
            f" 5% to 95%: {self.q5:.4g} to {self.q95:.4g}"
        )


def hypothesis(post: Posterior, text: str) -> Hypothesis:
    """See `Posterior.hypothesis`."""
    wanted = f"a hypothesis is an inequality with one < or >, as 'Days > 0', not {text!r}"
    if not isinstance(text, str):
        raise ArgumentError(wanted)
    if len(text) > MAX_LENGTH:
        raise ArgumentError(
            f"the hypothesis has {len(text):,} characters, more than the {MAX_LENGTH:,} that are"
            " read; shorten it"
        )
    try:
        return _tested(post, text, wanted)
    except RecursionError:
        raise ArgumentError("the hypothesis is nested too deeply; remove parentheses") from None


def _tested(post: Posterior, text: str, wanted: str) -> Hypothesis:
    plain, names = _without_names(text, post.variables, text)
    if len(re.findall(r"[<>]", plain)) != 1 or "=" in plain:
        raise ArgumentError(wanted)
    sign = 1.0 if ">" in plain else -1.0
    left, right = (_tree(side, text) for side in re.split(r"[<>]", plain))
    with np.errstate(all="ignore"):
        try:
            difference = _evaluate(post, left, names, text) - _evaluate(post, right, names, text)
        except ArithmeticError:
            raise ArgumentError(f"a constant in {text!r} is no finite number") from None
    difference = np.broadcast_to(np.asarray(difference, dtype=float), post.values.shape[:2])
    if not np.isfinite(difference).all():
        raise ArgumentError(f"{text!r} is not a finite number for every draw")
    numbers = location_and_spread(difference)
    return Hypothesis(
        hypothesis=text.strip(),
        estimate=numbers["mean"],
        sd=numbers["sd"],
        q5=numbers["q5"],
        q95=numbers["q95"],
        probability=float(np.mean(sign * difference > 0)),
    )


def _without_names(text: str, variables: Sequence[str], whole: str) -> tuple[str, dict[str, str]]:
    """The text with a plain word for each variable, and the variables by these words.

    Names may hold any characters: the longest that stands somewhere is meant, or what is in
    backticks. One that could be read as arithmetic too, as `log(x)` beside `x`, needs them.
    """
    # One that is called by a number needs backticks.
    plain = (v for v in variables if not NUMBER.fullmatch(v))
    by_length = sorted(plain, key=len, reverse=True)
    out, names, at = "", {}, 0
    while at < len(text):
        quoted = re.compile(r"`([^`]*)`").match(text, at)
        if quoted is not None:
            name, end = quoted[1].strip(), quoted.end()
        else:
            name, end = _name_at(text, at, by_length)
            if name is not None and _is_arithmetic(name, variables):
                raise ArgumentError(
                    f"{name!r} in {whole!r} is a variable and can be read as arithmetic; write"
                    f" `{name}` in backticks for the variable"
                )
        other = WORD.match(text, at)
        if name is None and other is not None:
            # A number, one of our functions, or a word that will be refused as no variable.
            word, end = other[0], other.end()
            own = word[0].isdigit() or _is_call(text, word, at) or iskeyword(word)
            out, at = (out + word, end) if own else (out, at)
            if own:
                continue
            name = word
        if name is None:
            out, at = out + text[at], at + 1
            continue
        names[f"v{len(names)}"] = name
        out, at = f"{out} v{len(names) - 1} ", end
    return out, names


def _name_at(text: str, at: int, by_length: Sequence[str]) -> tuple[str | None, int]:
    """The longest variable that stands at a place as a whole word, and where it ends."""
    if at and (text[at - 1].isalnum() or text[at - 1] in "_."):
        return None, at
    for name in by_length:
        end = at + len(name)
        inside = end < len(text) and (text[end].isalnum() or text[end] in "_[:")
        if text.startswith(name, at) and not inside and not _is_call(text, name, at):
            return name, end
    return None, at


def _is_call(text: str, word: str, at: int) -> bool:
    """Whether one of our functions is called there."""
    return word in FUNCTIONS and text[at + len(word) :].lstrip().startswith("(")


def _is_arithmetic(name: str, variables: Sequence[str]) -> bool:
    """Whether a variable's name can be read as numbers, other variables and operators too."""
    if name.isidentifier():
        return False
    try:
        variables = [v for v in variables if v != name]
        plain, words = _without_names(name, variables, name)
        for side in re.split(r"[<>]", plain):
            _check(_tree(side, name), words, variables, name)
    except ArgumentError:
        return False
    return True


def _tree(side: str, text: str) -> ast.expr:
    try:
        tree = ast.parse(side.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ArgumentError(f"cannot read {side.strip()!r} in the hypothesis {text!r}") from None
    _check_depth(tree)
    return tree


def _check_depth(tree: ast.expr) -> None:
    """Limit the tree's depth, so that no walk over it can exhaust Python's stack."""
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [part for node in level for part in ast.iter_child_nodes(node)]
        if not level:
            return
    raise ArgumentError(
        f"the hypothesis is nested, or a sum of terms, more than {MAX_DEPTH} deep; shorten it"
    )


def _check(node: ast.expr, words: dict[str, str], variables: Sequence[str], text: str) -> None:
    """Refuse all but arithmetic of variables."""

    def again(part: ast.expr) -> None:
        _check(part, words, variables, text)

    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return
        case ast.Name(id=word) if words.get(word, word) in variables:
            return
        case ast.Name(id=word):
            known = ", ".join(variables)
            raise ArgumentError(
                f"{words.get(word, word)!r} in {text!r} is no variable; there are {known}"
            )
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return again(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            again(left)
            return again(right)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            return again(argument)
    raise ArgumentError(
        f"{text!r} holds more than names, numbers, + - * / ** and exp, log, sqrt, abs"
    )


def _evaluate(post: Posterior, tree: ast.expr, words: dict[str, str], text: str) -> Any:
    """A tree's value for every draw; nothing but arithmetic is evaluated."""
    _check(tree, words, post.variables, text)

    def value(node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=word):
                return post.draws(words[word])
            case ast.UnaryOp(operand=operand):
                return -value(operand)
            case ast.BinOp(left=left, op=op, right=right):
                return OPERATORS[type(op)](value(left), value(right))
            case ast.Call(func=ast.Name(id=name), args=[argument]):
                return FUNCTIONS[name](value(argument))
        raise AssertionError(node)  # `_check` lets nothing else pass

    return value(tree)
