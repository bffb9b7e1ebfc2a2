"""Whether one model is the other with something left out, on the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from partialpool.errors import ArgumentError
from partialpool.inference.nesting import check_same_data, check_same_offset
from partialpool.models.baseline import LinearModel

if TYPE_CHECKING:
    from partialpool.design import Design
    from partialpool.models.linear_mixed import LinearMixedModel

    Model = LinearMixedModel | LinearModel

#: A column whose part outside the other model's columns is shorter than this share of it is inside.
SPAN_TOLERANCE = 1e-7


def design_of(model: Model) -> Design:
    """The rows of a fit; an error if it was loaded without them."""
    return model.design if isinstance(model, LinearModel) else model._rows()


def fixed_columns(model: Model) -> NDArray[np.float64]:
    """Columns of the fixed part that were estimated, (n, p)."""
    design = design_of(model)
    names = model.names if isinstance(model, LinearModel) else model.fixed_names
    columns = [design.x[design.fixed.names.index(name)] for name in names]
    return np.column_stack([np.broadcast_to(np.asarray(c, float), (design.n,)) for c in columns])


def require_mixed(model: object, argument: str) -> None:
    """Refuse anything but a linear mixed model."""
    from partialpool.models.linear_mixed import LinearMixedModel

    if not isinstance(model, LinearMixedModel):
        raise ArgumentError(f"{argument} must be a fit of pp.lmer, not {_kind(model)}")


def require_model(model: object, argument: str) -> None:
    """Refuse anything but a linear (mixed) model."""
    if not isinstance(model, LinearModel):
        from partialpool.models.linear_mixed import LinearMixedModel

        if not isinstance(model, LinearMixedModel):
            raise ArgumentError(f"{argument} must be a fit of pp.lmer or pp.lm, not {_kind(model)}")


def _kind(value: object) -> str:
    return f"an object of type {type(value).__name__}"


def require_same_data(large: Model, small: Model) -> None:
    """Refuse models of other rows, responses, weights or offsets."""
    for model in (large, small):
        design_of(model)
    check_same_data([large, small])
    check_same_offset(large, small)


def require_nested(large: Model, small: Model) -> None:
    """Refuse a small model that is not the large one with something left out."""
    require_same_data(large, small)
    both = f"`{small.formula}` and `{large.formula}`"
    x, own = fixed_columns(large), fixed_columns(small)
    scale = np.linalg.norm(x, axis=0)
    solution = np.linalg.lstsq(x / scale, own, rcond=None)[0]
    outside = np.linalg.norm(own - (x / scale) @ solution, axis=0)
    if (outside > SPAN_TOLERANCE * np.linalg.norm(own, axis=0)).any():
        names = small.names if isinstance(small, LinearModel) else small.fixed_names
        culprit = names[int(np.argmax(outside))]
        raise ArgumentError(
            f"the models are not nested: fixed effect {culprit!r} of the small model is not in the"
            f" large one ({both}; the larger model comes first)"
        )
    if not isinstance(small, LinearModel):
        _require_random_nested(large, small, both)
    if large.npar <= small.npar:
        raise ArgumentError(
            f"nothing is left out between {both}: {small.npar} and {large.npar} parameters; give"
            " the larger model first"
        )


def _require_random_nested(large: Model, small: LinearMixedModel, both: str) -> None:
    there = {} if isinstance(large, LinearModel) else random_columns(large)
    for group, names in random_columns(small).items():
        missing = names - there.get(group, frozenset())
        if missing:
            raise ArgumentError(
                f"the models are not nested: the random effect of {sorted(missing)[0]!r} by"
                f" {group!r} in the small model is not in the large one ({both})"
            )


def random_columns(fit: LinearMixedModel) -> dict[str, frozenset[str]]:
    """Columns with random effects by grouping factor (its variables in any order)."""
    return {":".join(sorted(f.variables)): frozenset(f.names) for f in fit.design.factors}
