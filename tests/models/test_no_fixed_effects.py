"""`y ~ 0 + (1 | g)`: what is asked works, or says in a line why not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool.errors import ArgumentError


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    g = np.arange(40) % 5
    return pd.DataFrame({"y": rng.normal(size=40) + 2 * g, "x": rng.normal(size=40), "g": g})


@pytest.fixture(scope="module", params=["y ~ 0 + (1 | g)", "y ~ 0 + (x | g)"])
def fit(request: pytest.FixtureRequest, data: pd.DataFrame) -> Any:
    return pp.lmer(request.param, data)


@pytest.mark.parametrize("conf_int", [False, True])
@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "asymptotic"])
def test_tidy_has_no_row_of_a_fixed_effect(fit: Any, conf_int: bool, ddf: str) -> None:
    fixed = fit.tidy("fixed", conf_int=conf_int, ddf=ddf)
    assert len(fixed) == 0
    full = pp.lmer("y ~ x + (1 | g)", fit.design.source).tidy("fixed", conf_int=conf_int, ddf=ddf)
    assert list(fixed.columns) == list(full.columns)
    both = fit.tidy(["fixed", "ran_pars"])
    assert set(both["effect"]) == {"ran_pars"}


REFUSED: dict[str, Callable[[Any], Any]] = {
    "emmeans": lambda fit: pp.emmeans(fit, "x"),
    "emtrends": lambda fit: pp.emtrends(fit, "x", "x"),
    "joint_tests": pp.joint_tests,
    "test": lambda fit: fit.test("x = 0"),
    "test of numbers": lambda fit: fit.test([1.0]),
}


@pytest.mark.parametrize("call", REFUSED)
def test_what_needs_fixed_effects_says_so(fit: Any, call: str) -> None:
    with pytest.raises(ArgumentError, match="has no fixed effects") as caught:
        REFUSED[call](fit)
    assert "\n" not in str(caught.value)


def test_the_rest_is_answered(fit: Any, data: pd.DataFrame, tmp_path: Path) -> None:
    for ddf in ("satterthwaite", "kenward-roger", "asymptotic"):
        assert "Fixed effects" not in str(fit.summary(ddf))
    assert len(fit.fixef) == len(fit.vcov) == len(fit.confint(parm="beta_")) == 0
    assert len(fit.anova().to_frame()) == 0
    assert np.isfinite(fit.glance()["loglik"]).all()
    np.testing.assert_allclose(fit.augment()["fitted"], fit.predict(data))
    for interval in ("confidence", "prediction"):
        table = fit.predict(data, interval=interval)
        assert (table["upper"] > table["lower"]).all()
    assert (fit.predict(data, random="none") == 0).all()
    assert np.isnan(fit.influence().cooks_distance).all()
    fit.save(tmp_path / "fit.pp")
    np.testing.assert_allclose(pp.load(tmp_path / "fit.pp").predict(data), fit.fitted)


def test_the_posterior_has_no_row_of_a_fixed_effect(data: pd.DataFrame) -> None:
    post = pp.sample("y ~ 0 + (1 | g)", data, chains=2, warmup=60, draws=60, seed=4)
    assert len(post.tidy("fixed")) == 0
    assert list(post.summary()["variable"]) == ["sd_g__Intercept", "sigma"]
