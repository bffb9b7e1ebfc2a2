"""Inequalities between parameters and their posterior probability."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
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
            f" 5 % to 95 %: {self.q5:.4g} to {self.q95:.4g}"
        )


def hypothesis(post: Posterior, text: str) -> Hypothesis:
    """See `Posterior.hypothesis`."""
    if not isinstance(text, str) or len(re.findall(r"[<>]", text)) != 1 or "=" in text:
        raise ArgumentError(
            f"a hypothesis is an inequality with one < or >, as 'Days > 0', not {text!r}"
        )
    if len(text) > MAX_LENGTH:
        raise ArgumentError(
            f"the hypothesis has {len(text):,} characters, more than the {MAX_LENGTH:,} that are"
            " read; shorten it"
        )
    sign = 1.0 if ">" in text else -1.0
    left, right = re.split(r"[<>]", text)
    with np.errstate(all="ignore"):
        try:
            sides = _value(post, left, text) - _value(post, right, text)
        except ArithmeticError:
            raise ArgumentError(f"a constant in {text!r} is no finite number") from None
        difference = np.asarray(sides, dtype=float)
    difference = np.broadcast_to(difference, post.values.shape[:2])
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


def _value(post: Posterior, side: str, text: str) -> Any:
    """One side's value for every draw; nothing but arithmetic is evaluated."""
    # Names may hold brackets and colons, so that they are replaced before the text is parsed.
    names = sorted(post.variables, key=len, reverse=True)
    pattern = "|".join(rf"(?<![\w.]){re.escape(name)}(?![\w\[:])" for name in names)
    order = {name: f"v_{i}" for i, name in enumerate(names)}
    plain = re.sub(pattern, lambda m: order[m.group()], side)
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ArgumentError(f"cannot read {side.strip()!r} in the hypothesis {text!r}") from None
    _check_depth(tree)
    return _evaluate(post, tree, {v: k for k, v in order.items()}, text)


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


def _evaluate(post: Posterior, node: ast.expr, names: dict[str, str], text: str) -> Any:
    def again(part: ast.expr) -> Any:
        return _evaluate(post, part, names, text)

    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value)
        case ast.Name(id=name) if name in names:
            return post.draws(names[name])
        case ast.Name(id=name):
            known = ", ".join(post.variables)
            raise ArgumentError(f"{name!r} in {text!r} is no variable; there are {known}")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -again(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](again(left), again(right))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](again(argument))
    raise ArgumentError(
        f"{text!r} holds more than names, numbers, + - * / ** and exp, log, sqrt, abs"
    )
