"""A singular fit says in one sentence which direction of the random effects has no variance."""

import numpy as np
import pytest
from partialpool.design.covariance import Block
from partialpool.models.convergence import singular_sentences


class Part:
    """A factor or a native fit reduced to what the sentence is made from."""

    def __init__(self, **values):
        self.__dict__.update(values)


def sentences(names, lam, directions, blocks=None, group="mountain"):
    k = len(names)
    factor = Part(name=group, names=tuple(names), blocks=blocks or (Block("us", k),))
    native = Part(
        null_directions=[Part(directions=directions, basis=np.eye(k).ravel().tolist())],
        lambdas=[np.asarray(lam, dtype=float).ravel().tolist()],
    )
    return singular_sentences(Part(factors=(factor,)), native)


def test_full_rank_says_nothing():
    assert sentences(["Intercept", "x"], [[1, 0], [0.2, 1]], []) == ()


def test_one_variance():
    assert sentences(["Intercept"], [[0]], [[1]]) == ("variance of Intercept | mountain is 0",)


def test_one_direction_of_several():
    lam = np.diag([1.0, 2, 3, 0])
    assert sentences(
        ["Intercept", "wingspan", "scales", "scales:wingspan"], lam, [[0, 0, 0, 1]]
    ) == (
        "variance of scales:wingspan | mountain is 0; the random effects of mountain span 3 of 4"
        " dimensions",
    )


def test_all_directions():
    assert sentences(["Intercept", "x"], np.zeros((2, 2)), [[1, 0], [0, 1]]) == (
        "variances of Intercept and x | mountain are 0; the random effects of mountain span 0 of"
        " 2 dimensions",
    )


@pytest.mark.parametrize(("entry", "value"), [(0.3, "1"), (-0.3, "-1")])
def test_perfect_correlation(entry, value):
    (text,) = sentences(["Intercept", "x"], [[1, 0], [entry, 0]], [[-entry, 1]])
    assert text == (
        f"correlation of Intercept and x | mountain is {value}; the random effects of mountain"
        " span 1 of 2 dimensions"
    )


def test_effects_that_the_others_determine():
    lam = [[1, 0, 0, 0], [0.1, 2, 0, 0], [1, 1, 0, 0], [0.5, 0.2, 0, 0]]
    (text,) = sentences(["Intercept", "a", "b", "c"], lam, [[1, 0, 1, 0], [0, 1, 0, 1]])
    assert text == (
        "variances of b and c | mountain are 0 given Intercept and a; the random effects of"
        " mountain span 2 of 4 dimensions"
    )


def test_independent_terms_are_named_one_by_one():
    texts = sentences(
        ["Intercept", "x", "z"],
        np.diag([1.0, 0, 0]),
        [[0, 1, 0], [0, 0, 1]],
        blocks=(Block("diag", 3),),
    )
    assert texts == ("variance of x | mountain is 0", "variance of z | mountain is 0")


def test_dragons(fit_of):
    fit = fit_of("dragons_singular")
    assert fit.is_singular
    (text,) = fit.singular_directions
    assert text.endswith("the random effects of mountain span 2 of 4 dimensions")
    assert f"boundary (singular) fit: {text}" in str(fit.summary())
