"""Arguments of a wrong kind are said to be so, whatever is asked of a fit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import partialpool as pp
import pytest
from partialpool.errors import ArgumentError

DATA = pp.load_dataset("cake")


@pytest.fixture(scope="module")
def fit() -> Any:
    return pp.lmer("angle ~ recipe * temp + (1 | recipe:replicate)", DATA)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda f: f.test({"temp": "q"}), "the weight of 'temp' must be a number, not 'q'"),
        (lambda f: f.test(None), "not NoneType"),
        (lambda f: f.test(3), "not int"),
        (lambda f: f.test(np.zeros((2, 2, 6))), "not ndarray of shape (2, 2, 6)"),
        (lambda f: f.test([1, 0]), "2 numbers per row, but there are 6"),
        (lambda f: pp.kr_test(f, None), "NoneType"),
        (lambda f: f.anova(ddf=["a"]), "ddf must be one of"),
        (lambda f: pp.variance_components("angle ~ 1 + (1 | recipe)", DATA, method=[1]), "[1]"),
        (lambda f: pp.emmeans(f, 3), "specs must be names of predictors, not 3"),
        (lambda f: pp.emmeans(f, "recipe", by=3), "by must be names of predictors, not 3"),
        (lambda f: pp.emmeans(f, "recipe").contrast(None), "not None"),
        (lambda f: pp.emmeans(f, "recipe").contrast(5), "not 5"),
        (lambda f: pp.anova([f, f]), "pp.anova(small, large)"),
        (lambda f: pp.bootstrap(pp.lm("angle ~ temp", DATA), nsim=5), "not LinearModel"),
        (lambda f: f.confint("boot", nsim=5, boot_type="bca"), "boot_type must be one of"),
        (lambda f: f.profile([]), "parm must be names or positions of parameters, not []"),
        (lambda f: f.profile(3.5), "not 3.5"),
        (lambda f: f.confint("boot", nsim=1), "more than one simulation"),
    ],
)
def test_is_named_in_one_line(call: Callable[[Any], Any], says: str, fit: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        call(fit)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
