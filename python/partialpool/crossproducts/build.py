"""Rows → cross-products."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.crossproducts.values import check_values
from partialpool.design import Design
from partialpool.errors import DesignError


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
