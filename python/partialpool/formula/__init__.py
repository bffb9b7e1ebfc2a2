"""Formula text → `Formula`: response, fixed part, random terms, offsets.

A formula is data, not code: names, numbers, operators and the transforms listed in `TRANSFORMS`.
Everything else is refused while reading, before any column is touched.
"""

from partialpool.formula.evaluation import arithmetic, elementwise_functions, evaluate
from partialpool.formula.expressions import (
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
    to_text,
    variables,
)
from partialpool.formula.model import (
    Formula,
    parse_formula,
    parse_grouped,
    parse_random,
    require_random,
)
from partialpool.formula.random_terms import RandomTerm
from partialpool.formula.transforms import CONTRASTS, TRANSFORMS
from partialpool.formula.updating import update_formula

__all__ = [
    "CONTRASTS",
    "TRANSFORMS",
    "Bar",
    "Call",
    "Chain",
    "Expr",
    "Flag",
    "Formula",
    "Name",
    "Negative",
    "Number",
    "Power",
    "RandomTerm",
    "Text",
    "Values",
    "arithmetic",
    "elementwise_functions",
    "evaluate",
    "parse_formula",
    "parse_grouped",
    "parse_random",
    "require_random",
    "to_text",
    "update_formula",
    "variables",
]
