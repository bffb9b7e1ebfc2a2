"""Between named models and the native module: arguments in its order, its errors in our words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.errors import ConvergenceError, DesignError

#: Code of a level never seen.
UNSEEN = np.uint32(np.iinfo(np.uint32).max)


def fit_native(
    products: _core.CrossProducts,
    reml: bool,
    start: Sequence[Sequence[float]] | None = None,
    *,
    response: str,
) -> _core.Fit:
    """Optimise; numerical failures name the response."""
    try:
        return products.fit(reml, start)
    except _core.MemoryLimitError as error:
        raise DesignError(
            f"{error}; the crossed factors are too large, drop one or subsample"
        ) from None
    except _core.CoreError as error:
        raise ConvergenceError(
            f"the likelihood of `{response}` could not be evaluated ({error}); rescale the columns"
            " or simplify the model"
        ) from None


def row_arguments(
    x: Sequence[Any], factors: Sequence[tuple[Sequence[Any], Any]]
) -> tuple[list[Any], list[tuple[list[Any], NDArray[np.uint32]]]]:
    """Columns and codes as the native module takes them for rows to predict; -1 is `UNSEEN`."""
    return list(x), [
        (list(columns), np.ascontiguousarray(codes).astype(np.uint32, copy=False))
        for columns, codes in factors
    ]
