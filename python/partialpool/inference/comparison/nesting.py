"""Whether one model is another with something left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from partialpool.design.columns import Column, dense
from partialpool.errors import ArgumentError
from partialpool.inference.comparison.comparable import Model, require_same_data
from partialpool.inference.fixed.coding import compress
from partialpool.models.fit import MixedFit

Array = NDArray[np.float64]

#: What is left of a column on others, over the column, below which it is a combination of them.
SPAN_TOLERANCE = 1e-7


def same_fixed_part(a: Model, b: Model) -> bool:
    """Whether the fixed parts are the same columns, in any order."""
    return sorted(a.fixed_names) == sorted(b.fixed_names)


def restriction(large: Model, small: Model) -> Array:
    """L whose hypothesis L β = 0 makes the fixed part of `large` that of `small`, (q, p).

    q is 0 where the fixed parts span the same space.

    Raises
    ------
    ArgumentError
        If the small model's fixed part is not within the large one's.
    """
    wide, narrow = large.fixed_names, small.fixed_names
    if set(narrow) <= set(wide):
        return np.eye(len(wide))[[i for i, name in enumerate(wide) if name not in narrow]]
    a, b = large.design.with_rows(), small.design.with_rows()
    x_small, x_large = triangles(
        [b.x[b.fixed.names.index(name)] for name in narrow],
        [a.x[a.fixed.names.index(name)] for name in wide],
        a.n,
    )
    outside = first_outside(x_small, x_large)
    if outside is not None:
        raise ArgumentError(
            f"the models are not nested: `{narrow[outside]}` of `{small.formula}` is no combination"
            f" of the fixed effects of `{large.formula}`"
        )
    # What the small part cannot fit of the large one's columns, as functions of β.
    q, _ = np.linalg.qr(x_small)
    left = x_large - q @ (q.T @ x_large)
    scaled = left / np.linalg.norm(x_large, axis=0)
    u, values, _ = np.linalg.svd(scaled, full_matrices=False)
    return (u.T @ x_large)[values > SPAN_TOLERANCE * max(1.0, float(values[0]))]


def triangles(a: Sequence[Column], b: Sequence[Column], n: int) -> tuple[Array, Array]:
    """Two sets of columns with the same products as these of n rows, a few rows long."""

    whole = compress(lambda rows: dense((*a, *b), n, rows), n)
    return whole[:, : len(a)], whole[:, len(a) :]


def first_outside(columns: Array, span: Array) -> int | None:
    """The column that is least a combination of the others, if any is none."""
    rest = columns - span @ np.linalg.lstsq(span, columns, rcond=None)[0]
    size = np.linalg.norm(columns, axis=0)
    left = np.linalg.norm(rest, axis=0)
    if not (left > SPAN_TOLERANCE * size).any():
        return None
    return int(np.argmax(left / np.where(size > 0, size, 1.0)))


def check_random_nested(large: Model, small: Model) -> None:
    """Refuse random parts of which one is not within the other."""
    if not isinstance(small, MixedFit):
        return
    if not isinstance(large, MixedFit):
        raise ArgumentError(
            f"the models are not nested: `{small.formula}` has random effects and the larger"
            f" `{large.formula}` has none; compare their .aic or .bic instead"
        )
    factors = {frozenset(f.variables): f for f in large.design.factors}
    for f in small.design.factors:
        other = factors.get(frozenset(f.variables))
        if other is None:
            raise ArgumentError(
                f"the models are not nested: `{small.formula}` has random effects of {f.name!r} and"
                f" `{large.formula}` has none; compare their .aic or .bic instead"
            )
        if set(f.names) <= set(other.names):
            continue
        rows = small.design.with_rows()
        large.design.with_rows()
        own, wide = triangles(f.columns, other.columns, rows.n)
        outside = first_outside(own, wide)
        if outside is not None:
            raise ArgumentError(
                f"the models are not nested: the random effects of {f.name!r} in"
                f" `{small.formula}` have `{f.names[outside]}` and those in `{large.formula}` do"
                " not; compare their .aic or .bic instead"
            )


def require_nested(large: Model, small: Model) -> None:
    """Refuse a small model that is not the large one with something left out, on the same rows."""
    require_same_data(large, small)
    both = f"`{small.formula}` ({small.npar} parameters) and `{large.formula}` ({large.npar})"
    if large.npar < small.npar:
        raise ArgumentError(f"{both} are in the wrong order: give the larger model first")
    restriction(large, small)
    check_random_nested(large, small)
    if large.npar == small.npar:
        raise ArgumentError(f"nothing is left out between {both}")
