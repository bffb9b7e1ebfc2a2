"""Names are keys: everything that is asked of a fit by name must be one thing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from partialpool.errors import DataError, DesignError
from partialpool.formula.tokens import tokenize

if TYPE_CHECKING:
    from partialpool.design.design import Encoder, Factor

#: What tables call the residual where they call the others by their grouping factor.
RESIDUAL = "Residual"


def check_names(fixed: Encoder, factors: Sequence[Factor], texts: Iterable[str]) -> None:
    """Refuse names that two coefficients, terms or grouping factors would share.

    Parameters
    ----------
    texts
        Of the fixed part and of the random terms' left sides, as written.

    Raises
    ------
    DataError, DesignError
        With the column that is to be renamed.
    """
    encoders = [fixed, *(term.encoder for factor in factors for term in factor.terms)]
    variables = dict.fromkeys(v for encoder in encoders for v in encoder.variables)
    _check_calls(variables, texts)
    for encoder in encoders:
        for what, names in (("column", encoder.names), ("term", encoder.term_names)):
            twice = _first_twice(names)
            if twice is not None:
                raise _clash(twice, f"two {what}s of the model", variables)
        for name in encoder.names:
            if name in variables and name not in encoder.variables:
                raise _clash(name, "a column of the data and another of the model", variables)
    names = [factor.name for factor in factors]
    twice = _first_twice(names)
    if twice is not None:
        raise DataError(
            f"the column {twice!r} and the interaction {twice} are grouping factors of one name;"
            f" rename the column {twice!r}"
        )
    if RESIDUAL in names:
        raise DataError(
            f"a grouping factor {RESIDUAL!r} cannot be told from the residual; rename the column"
        )
    labels = [label for factor in factors for label in set(_labels(factor))]
    twice = _first_twice(labels)
    if twice is not None:
        raise DesignError(
            f"two parameters of different grouping factors ({', '.join(names)}) would be called"
            f" {twice!r}; rename a column"
        )


def _labels(factor: Factor) -> list[str]:
    """Names of the factor's parameters, in both styles."""
    group, names = factor.name, factor.names
    single = [f"{group}.{n}" for n in names] + [f"sd_{group}__{n}" for n in names]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[:i]]
    return [
        *single,
        *(f"{group}.{a}.{b}" for a, b in pairs),
        *(f"cor_{group}__{b}__{a}" for a, b in pairs),
    ]


def _check_calls(variables: Iterable[str], texts: Iterable[str]) -> None:
    """Refuse a column that is called as a transform is written: `scale(x)` beside scale(x)."""
    odd = {_squeezed(v): v for v in variables if "(" in v}
    if not odd:
        return
    for text in texts:
        for call in calls(text):
            name = odd.get(_squeezed(call))
            if name is not None:
                raise DataError(
                    f"the column {name!r} cannot be told from the transform {call}; rename it"
                )


def calls(text: str) -> list[str]:
    """Every call in a formula's text, as written."""
    out, open_ones = [], []
    tokens = tokenize(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.text == "(" and token.kind not in {"name", "text"}:
            called = before is not None and before.kind == "name"
            open_ones.append(before.start if called and before is not None else None)
        elif token.text == ")" and token.kind not in {"name", "text"} and open_ones:
            start = open_ones.pop()
            if start is not None:
                out.append(text[start : token.end])
    return out


def _squeezed(text: str) -> str:
    return re.sub(r"[\s`]", "", text).replace("**", "^")


def _first_twice(names: Sequence[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _clash(name: str, what: str, variables: Iterable[str]) -> DataError:
    culprit = name if name in variables else next((v for v in variables if v in name), name)
    return DataError(f"{name!r} would be the name of {what}; rename the column {culprit!r}")
