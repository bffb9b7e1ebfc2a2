"""Whether models are of the same rows and response, and whether one contains the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from partialpool.design import Design
from partialpool.errors import ArgumentError, DataError
from partialpool.inference.coding import compress
from partialpool.models.baseline import LinearModel
from partialpool.models.linear_mixed import LinearMixedModel

Array = NDArray[np.float64]
Model = LinearMixedModel | LinearModel

#: What is left of a column on others, over the column, below which it is a combination of them.
SPAN_TOLERANCE = 1e-7


def check_same_data(models: Sequence[Model]) -> None:
    """Refuse models of different rows, responses or prior weights."""
    first = models[0]
    for other in models[1:]:
        pair = f"`{first.formula}` and `{other.formula}`"
        a, b = first.design, other.design
        if first.nobs != other.nobs:
            raise DataError(
                f"{pair} use different rows ({first.nobs} and {other.nobs}); fit them to the same"
                " data, without the rows that have missing values in either"
            )
        if a.formula.response_name != b.formula.response_name:
            raise DataError(
                f"{pair} have different responses, `{a.formula.response_name}` and"
                f" `{b.formula.response_name}`; likelihoods of different data cannot be compared"
            )
        if a.y is None or b.y is None:
            continue
        if not np.array_equal(_observed(a), _observed(b)):
            raise DataError(
                f"{pair} were fitted to different values of `{a.formula.response_name}`; fit them"
                " to the same rows of the same data, in the same order"
            )
        if not np.array_equal(_weights(a), _weights(b)):
            raise DataError(f"{pair} have different prior weights; fit both with the same")


def _weights(design: Design) -> Array:
    return np.ones(1) if design.weights is None else design.weights


def _observed(design: Design) -> Array:
    y = design.response
    return y if design.offset is None else y + design.offset


def check_same_offset(a: Model, b: Model) -> None:
    """Refuse models whose offsets differ: L β = 0 would not be the difference between them."""
    if a.design.y is None or b.design.y is None:
        return
    if not np.array_equal(a.design.response, b.design.response):
        raise ArgumentError(
            f"`{a.formula}` and `{b.formula}` have different offsets; state the hypothesis in the"
            " fixed effects instead, as 'x = 1'"
        )


def fixed_names(model: Model) -> tuple[str, ...]:
    """Columns of the fixed part that were estimated."""
    return model.fixed_names if isinstance(model, LinearMixedModel) else model.names


def same_fixed_part(a: Model, b: Model) -> bool:
    """Whether the fixed parts are the same columns, in any order."""
    return sorted(fixed_names(a)) == sorted(fixed_names(b))


def restriction(large: Model, small: Model) -> Array:
    """L whose hypothesis L β = 0 makes the fixed part of `large` that of `small`, (q, p).

    q is 0 where the fixed parts span the same space.

    Raises
    ------
    ArgumentError
        If the small model's fixed part is not within the large one's.
    """
    wide, narrow = fixed_names(large), fixed_names(small)
    if set(narrow) <= set(wide):
        return np.eye(len(wide))[[i for i, name in enumerate(wide) if name not in narrow]]
    a, b = large.design.with_rows(), small.design.with_rows()

    def block(rows: slice) -> Array:
        length = len(range(*rows.indices(a.n)))
        columns = [*_columns(b, narrow), *_columns(a, wide)]
        parts = [c[rows] if isinstance(c, np.ndarray) else np.full(length, c) for c in columns]
        return np.column_stack(parts)

    whole = compress(block, a.n)
    x_small, x_large = whole[:, : len(narrow)], whole[:, len(narrow) :]
    rest = x_small - x_large @ np.linalg.lstsq(x_large, x_small, rcond=None)[0]
    size = np.linalg.norm(x_small, axis=0)
    if (np.linalg.norm(rest, axis=0) > SPAN_TOLERANCE * size).any():
        name = narrow[int(np.argmax(np.linalg.norm(rest, axis=0) / size))]
        raise ArgumentError(
            f"the models are not nested: `{name}` of `{small.formula}` is no combination of the"
            f" fixed effects of `{large.formula}`"
        )
    # What the small part cannot fit of the large one's columns, as functions of β.
    q, _ = np.linalg.qr(x_small)
    left = x_large - q @ (q.T @ x_large)
    scaled = left / np.linalg.norm(x_large, axis=0)
    u, values, _ = np.linalg.svd(scaled, full_matrices=False)
    return (u.T @ x_large)[values > SPAN_TOLERANCE * max(1.0, float(values[0]))]


def _columns(design: Design, names: tuple[str, ...]) -> list[float | Array]:
    return [design.x[design.fixed.names.index(name)] for name in names]


def check_random_nested(large: LinearMixedModel, small: LinearMixedModel) -> None:
    """Refuse random parts of which one is not within the other, as far as names can tell."""
    factors = {frozenset(f.variables): f for f in large.design.factors}
    for f in small.design.factors:
        other = factors.get(frozenset(f.variables))
        if other is None:
            raise ArgumentError(
                f"the models are not nested: `{small.formula}` has random effects of {f.name!r} and"
                f" `{large.formula}` has none; compare their .aic or .bic instead"
            )
        if len(f.names) > len(other.names):
            extra = next(name for name in f.names if name not in other.names)
            raise ArgumentError(
                f"the models are not nested: the random effects of {f.name!r} in"
                f" `{small.formula}` have `{extra}` and those in `{large.formula}` do not; compare"
                " their .aic or .bic instead"
            )
