"""Small models at the edge come back: searches are bounded in evaluations and say what they saw."""

import warnings

import numpy as np
import partialpool as pp
import pytest
from partialpool.errors import PartialPoolError

from tests.hard_problems.small_models import small_model

#: Those whose searches went on for thousands of evaluations in steps that rounding swallowed, or
#: that need the most evaluations of the first 2,500.
LONG = (0, 2, 10, 37, 38, 40, 56, 64, 90, 94, 101, 104, 113, 121, 129, 673, 707, 752, 965, 1866)
SEEDS = (*LONG, *range(200, 240))


def fitted(seed: int) -> pp.LinearMixedModel | None:
    """The model's fit; None where it is refused."""
    model = small_model(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pp.lmer(model.formula, model.data, reml=model.reml, weights=model.weights)
        except PartialPoolError:
            return None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_search_ends_within_its_evaluations(seed: int) -> None:
    fit = fitted(seed)
    if fit is None:
        return
    verdict = fit.convergence
    # The limit, and what the last look at the point found takes beyond it.
    assert verdict.evaluations <= 1000 + 50 * len(fit.theta) + 200
    assert f"after {verdict.evaluations} evaluations" in verdict.message


@pytest.mark.parametrize("seed", [0, 40, 104, 380, 443, *range(200, 212)])
def test_what_is_read_off_a_fit_comes_or_is_refused(seed: int) -> None:
    fit = fitted(seed)
    if fit is None:
        return
    reads = [
        lambda: str(fit.summary(ddf="satterthwaite")),
        lambda: str(fit.summary(ddf="kenward-roger")),
        lambda: fit.confint(),
        lambda: fit.ranef(condsd=True),
        lambda: str(fit.anova(type=3)),
        lambda: str(fit.ranova()),
        lambda: str(fit.drop1()),
        lambda: fit.predict(small_model(seed).data, interval="prediction"),
        lambda: fit.refit(np.asarray(fit.fitted)[::-1].copy()),
        lambda: pp.bootstrap(fit, nsim=20, seed=1),
    ]
    for read in reads:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read()
            except PartialPoolError as e:
                assert "\n" not in str(e)  # noqa: PT017
