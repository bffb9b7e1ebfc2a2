"""Inequalities between parameters, and point hypotheses, and their posterior probability."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.bayes.savage_dickey import savage_dickey
from partialpool.bayes.summaries import location_and_spread
from partialpool.errors import ArgumentError
from partialpool.inference.fixed.coefficient_names import CoefficientNames
from partialpool.inference.fixed.linear_hypotheses import without_inner_backticks
from partialpool.tables.printed import Printed

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
QUOTED = re.compile(r"`([^`]*)`")


#: Characters, and levels of a side's tree, that are read.
MAX_LENGTH = 10_000
MAX_DEPTH = 150


@dataclass(frozen=True, slots=True, repr=False)
class Hypothesis(Printed):
    """A hypothesis and what the posterior says of it.

    Attributes
    ----------
    hypothesis
        As written.
    estimate, sd, q5, q95
        Posterior mean, standard deviation and quantiles of the left side less the right.
    probability
        Share of the draws for which an inequality holds; for an equation, its posterior
        probability where it and its contrary are given equal ones before.
    evidence_ratio
        Odds: probability / (1 - probability), infinite if every draw agrees; for an equation the
        Savage-Dickey ratio.
    draws
        Their number.
    note
        What is to be known of an equation's ratio.
    """

    hypothesis: str
    estimate: float
    sd: float
    q5: float
    q95: float
    probability: float
    evidence_ratio: float
    draws: int
    note: str = ""

    def __str__(self) -> str:
        every, digits = self.draws, 10.0 ** -np.ceil(np.log10(self.draws))
        if self.probability == 1.0:
            said = f"> {1 - digits:.10g} (all {every:,} draws)"
            odds = f"> {every - 1:,}"
        elif self.probability == 0.0:
            said, odds = f"< {digits:.10g} (none of {every:,} draws)", f"< {1 / every:.2g}"
        else:
            said, odds = f"{self.probability:.4g}", f"{self.evidence_ratio:.4g}"
        lines = [
            f"{self.hypothesis}: posterior probability {said}, evidence ratio {odds}",
            f"  difference {self.estimate:.4g}, sd {self.sd:.4g},"
            f" 5% to 95%: {self.q5:.4g} to {self.q95:.4g}",
        ]
        return "\n".join([*lines, f"  {self.note}"] if self.note else lines)


def hypothesis(post: Posterior, text: str) -> Hypothesis:
    """See `Posterior.hypothesis`."""
    wanted = f"a hypothesis has one of < > =, as 'Days > 0' or 'Days = 0', not {text!r}"
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
    plain, names = _without_names(without_inner_backticks(text), post.variables, text)
    signs = re.findall(r"==?|[<>]=?", plain)
    if len(signs) != 1 or signs[0] in {"<=", ">="}:
        raise ArgumentError(wanted)
    left, right = (_tree(side, text) for side in plain.split(signs[0]))
    with np.errstate(all="ignore"):
        try:
            difference = _evaluate(post, left, names, text) - _evaluate(post, right, names, text)
        except ArithmeticError:
            raise ArgumentError(f"a constant in {text!r} is no finite number") from None
    difference = np.broadcast_to(np.asarray(difference, dtype=float), post.values.shape[:2])
    if not np.isfinite(difference).all():
        raise ArgumentError(f"{text!r} is not a finite number for every draw")
    if "=" in signs[0]:
        ratio, note = savage_dickey(post, *_point(left, right, names, text, difference, post))
        probability = ratio / (1.0 + ratio)
    else:
        probability = float(np.mean(difference > 0 if signs[0] == ">" else difference < 0))
        ratio, note = _odds(probability), ""
    numbers = location_and_spread(difference)
    return Hypothesis(
        hypothesis=text.strip(),
        estimate=numbers["mean"],
        sd=numbers["sd"],
        q5=numbers["q5"],
        q95=numbers["q95"],
        probability=probability,
        evidence_ratio=ratio,
        draws=difference.size,
        note=note,
    )


def _odds(probability: float) -> float:
    against = 1.0 - probability
    return probability / against if against > 0 else float("inf")


def _point(
    left: ast.expr,
    right: ast.expr,
    names: dict[str, str],
    text: str,
    difference: Any,
    post: Posterior,
) -> tuple[str, float, Any]:
    """The parameter of an equation, the number that it is set to, and its draws."""
    sides = (left, right) if isinstance(left, ast.Name) else (right, left)
    words = {node.id for side in sides for node in ast.walk(side) if isinstance(node, ast.Name)}
    if not isinstance(sides[0], ast.Name) or words != {sides[0].id}:
        raise ArgumentError(
            f"an equation sets one parameter to a number, as 'Days = 0', not {text!r}"
        )
    name = names[sides[0].id]
    draws = post.draws(name)
    offset = difference if sides[0] is left else -difference
    return name, float((draws - offset).flat[0]), draws


def _without_names(text: str, variables: Sequence[str], whole: str) -> tuple[str, dict[str, str]]:
    """The text with a plain word for each variable, and the variables by these words.

    Names may hold any characters: the longest that stands somewhere is meant, or what is in
    backticks. One that could be read as arithmetic too, as `log(x)` beside `x`, needs them.
    """
    known = CoefficientNames(variables)
    out, names, at = "", {}, 0
    while at < len(text):
        found = None
        if not (at and (text[at - 1].isalnum() or text[at - 1] in "_.")):
            found = known.at(text, at, lambda name: _is_arithmetic(name, variables))
        name, end = None, at + 1
        if found is not None and (found.quoted or not _is_call(text, text[at : found.end], at)):
            name, end = known.names[found.place], found.end
            if not found.quoted and _is_arithmetic(name, variables):
                raise ArgumentError(
                    f"{name!r} in {whole!r} is a variable and can be read as arithmetic; write"
                    f" `{name}` in backticks for the variable"
                )
        quoted, other = QUOTED.match(text, at), WORD.match(text, at)
        if name is None and quoted is not None:
            name, end = quoted[1].strip(), quoted.end()  # which will be refused as no variable
        elif name is None and other is not None:
            # A number, one of our functions, or a word that will be refused as no variable.
            word, end = other[0], other.end()
            if word[0].isdigit() or _is_call(text, word, at) or iskeyword(word):
                out, at = out + word, end
                continue
            name = word
        if name is None:
            out, at = out + text[at], at + 1
            continue
        names[f"v{len(names)}"] = name
        out, at = f"{out} v{len(names) - 1} ", end
    return out, names


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
        for side in re.split(r"[<>=]+", plain):
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
