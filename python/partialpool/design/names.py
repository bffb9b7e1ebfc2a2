"""Names of columns and coefficients that cannot be told apart, refused before any work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from partialpool.design.columns import FormulaicColumns, ProductColumns
from partialpool.errors import DesignError
from partialpool.formula.tokens import tokenize


def refuse_same_names(encoder: ProductColumns | FormulaicColumns) -> None:
    """Refuse coefficients or terms of one name, as of a column `f[T.b]` beside the factor f."""
    for what, names in (("coefficients", encoder.names), ("terms", encoder.term_names)):
        if len(set(names)) < len(names):
            twice = next(n for i, n in enumerate(names) if n in names[:i])
            raise DesignError(
                f"two {what} of the model would be called {twice!r}; rename the column of that name"
            )


def refuse_names_of_calls(text: str, used: Sequence[str]) -> None:
    """Refuse a column called `log(x)` beside the transform log(x), which formulaic takes for it."""
    if not any("(" in name for name in used):
        return
    calls = {"".join(call.split()) for call in written_calls(text)}
    for name in used:
        if "".join(name.split()) in calls:
            raise DesignError(
                f"a column called `{name}` cannot be told from the transform; rename the column"
            )


def written_calls(text: str) -> Iterator[str]:
    """The calls, `log(x)`, in a formula that we have written out."""
    tokens = tokenize(text, own=True)
    opened: list[int | None] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.text == "(" and token.kind not in {"name", "text"}:
            called = before is not None and before.kind == "name"
            opened.append(before.start if before is not None and called else None)
        elif token.text == ")" and token.kind not in {"name", "text"} and opened:
            start = opened.pop()
            if start is not None:
                yield text[start : token.end]
