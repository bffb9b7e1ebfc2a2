"""Whether models can be compared: fits of ours, on the same rows, response, weights and offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from partialpool.design import Design
from partialpool.errors import ArgumentError, DataError
from partialpool.models.fit import Fit, MixedFit

Array = NDArray[np.float64]
Model = Fit


def is_least_squares(model: object) -> TypeGuard[Fit]:
    """Whether it is a Gaussian model without random effects."""
    return isinstance(model, Fit) and not isinstance(model, MixedFit) and model.family == "gaussian"


def require_mixed(model: object, argument: str) -> None:
    """Refuse anything but a linear mixed model."""
    if not isinstance(model, MixedFit):
        kind = type(model).__name__
        raise ArgumentError(f"{argument} must be a fit of pp.lmer, not an object of type {kind}")


def require_model(model: object, argument: str) -> None:
    """Refuse anything but a linear (mixed) model."""
    if not isinstance(model, Fit):
        kind = type(model).__name__
        raise ArgumentError(
            f"{argument} must be a fit of pp.lmer or pp.lm, not an object of type {kind}"
        )


def require_same_data(large: Model, small: Model) -> None:
    """Refuse models without rows, or of other rows, responses, weights or offsets."""
    for model in (large, small):
        model.design.with_rows()
    check_same_data([large, small])
    check_same_offset(large, small)


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
