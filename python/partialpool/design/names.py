"""Names of columns and coefficients that cannot be told apart, refused before any work."""

from __future__ import annotations

from partialpool.design.columns import FormulaicColumns, ProductColumns
from partialpool.errors import DesignError


def refuse_same_names(encoder: ProductColumns | FormulaicColumns) -> None:
    """Refuse coefficients or terms of one name, as of a column `f[T.b]` beside the factor f."""
    for what, names in (("coefficients", encoder.names), ("terms", encoder.term_names)):
        if len(set(names)) < len(names):
            twice = next(n for i, n in enumerate(names) if n in names[:i])
            raise DesignError(
                f"two {what} of the model would be called {twice!r}; rename the column of that name"
            )
