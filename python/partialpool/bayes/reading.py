"""Formula and data of a posterior → design, for all that begin with them."""

from __future__ import annotations

from typing import Any

from partialpool.arguments import NaAction
from partialpool.design import Design, build_design
from partialpool.formula import parse_formula, require_random


def read_design(
    formula: str, data: Any, weights: Any, offset: Any, contrasts: Any, na_action: NaAction
) -> Design:
    """The design of a formula with random effects; arguments as of `lmer`."""
    parsed = parse_formula(formula)
    require_random(parsed)
    return build_design(
        parsed, data, weights=weights, offset=offset, contrasts=contrasts, na_action=na_action
    )
