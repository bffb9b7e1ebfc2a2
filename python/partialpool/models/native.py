"""Between named designs and the native module: arguments in its order, its errors in our words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.design import Design
from partialpool.errors import ConvergenceError, DesignError
from partialpool.models.limits import check_values

#: Code of a level never seen.
UNSEEN = np.uint32(np.iinfo(np.uint32).max)


def cross_products(design: Design, y: NDArray[np.float64] | None = None) -> _core.CrossProducts:
    """Cross-products of a design's rows, with another response if one is given."""
    factors: list[_core.FactorArgs] = []
    for f in design.factors:
        assert f.codes is not None  # rows are present wherever products are formed
        factors.append((f.codes, len(f.levels), f.columns, f.blocks))
    response = design.response if y is None else y
    try:
        return _core.CrossProducts.build(response, design.x, factors, design.weights)
    except _core.NoResidualError:
        check_values(design, response)
        if len(design.x) >= design.n:
            raise DesignError(
                f"{len(design.x)} fixed-effect columns for {design.n} rows leave no residual;"
                " simplify the fixed part"
            ) from None
        raise DesignError(
            f"the response `{design.formula.response_name}` is constant, or the fixed effects"
            " reproduce it exactly, so there is no residual variance to model"
        ) from None
    except _core.CoreError as error:
        check_values(design, response)
        raise DesignError(
            f"the products of the columns of `{design.formula.text}` could not be formed ({error});"
            " rescale the columns or simplify the model"
        ) from None


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
