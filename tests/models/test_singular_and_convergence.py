"""Singular fits are named, never an exception; warnings are given for failures only."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool.errors import ConvergenceWarning
from partialpool.models import convergence as checks

Get = Callable[[str], Any]


def grouped(
    seed: int, levels: int, rows: int, effects: Callable[[np.random.Generator], Any]
) -> pd.DataFrame:
    """y = 1 + [1 x z] b_g + noise, with the effects b (levels, 3) that are given.

    Within each group the noise is orthogonal to 1, x and z, so that the group's regression gives
    b_g exactly: what b does not span has no variance between groups, and its estimate is 0.
    """
    rng = np.random.default_rng(seed)
    g = np.arange(levels * rows) % levels
    x, z, noise = rng.normal(size=(3, levels * rows))
    design = np.column_stack([np.ones(len(g)), x, z])
    for level in range(levels):
        own = g == level
        noise[own] -= design[own] @ np.linalg.lstsq(design[own], noise[own], rcond=None)[0]
    y = 1 + np.einsum("nk,nk->n", design, effects(rng)[g]) + noise
    return pd.DataFrame({"y": y, "x": x, "z": z, "g": g})


def no_spread(data: pd.DataFrame) -> pd.DataFrame:
    """The same rows with every group's mean of y equal, so that its variance is 0."""
    means = data.groupby("g")["y"].transform("mean")
    return data.assign(y=data["y"] - means)


@pytest.fixture
def flat() -> pd.DataFrame:
    return no_spread(grouped(1, 10, 8, lambda rng: np.zeros((10, 3))))


@pytest.fixture
def sloped() -> pd.DataFrame:
    """Slopes that are exactly twice the intercepts; noise small against both."""

    def effects(rng: np.random.Generator) -> Any:
        one = 5 * rng.normal(size=30)
        return np.column_stack([one, 2 * one, np.zeros(30)])

    return grouped(2, 30, 10, effects)


def test_a_variance_of_zero_is_named(flat: pd.DataFrame) -> None:
    for reml in (True, False):
        fit = pp.lmer("y ~ 1 + (1 | g)", flat, reml=reml)
        assert fit.is_singular
        assert fit.theta.tolist() == [0.0]
        assert fit.singular_directions == ("variance of Intercept | g is 0",)
        assert "boundary (singular) fit: variance of Intercept | g is 0" in str(fit.summary())
        assert fit.convergence.converged
        assert (fit.ranef()["g"].to_numpy() == 0).all()
        np.testing.assert_allclose(fit.fitted, flat["y"].mean(), atol=1e-12)


def test_at_zero_variance_the_fit_is_least_squares(flat: pd.DataFrame) -> None:
    fit, line = pp.lmer("y ~ 1 + (1 | g)", flat, reml=False), pp.lm("y ~ 1", flat)
    assert fit.loglik == pytest.approx(line.loglik, rel=1e-12)
    np.testing.assert_allclose(fit.beta, line.beta, atol=1e-12)
    reml = pp.lmer("y ~ 1 + (1 | g)", flat)
    assert reml.sigma == pytest.approx(line.sigma, rel=1e-10)
    np.testing.assert_allclose(reml.covariance, line.vcov, rtol=1e-9)


def test_dyestuff2_is_singular_as_in_lme4(fit_of: Get) -> None:
    fit = fit_of("dyestuff2_singular")
    assert fit.is_singular
    assert fit.singular_directions == ("variance of Intercept | Batch is 0",)
    assert fit.explained_variance == 0.0


@pytest.mark.parametrize(("sign", "shown"), [(1.0, "1"), (-1.0, "-1")])
def test_a_correlation_of_one_is_named_with_its_sign(
    sign: float, shown: str, sloped: pd.DataFrame
) -> None:
    fit = pp.lmer("y ~ x + (x | g)", sloped.assign(x=sign * sloped["x"]))
    assert fit.is_singular
    (sentence,) = fit.singular_directions
    assert sentence == (
        f"correlation of Intercept and x | g is {shown}; the random effects of g span 1 of 2"
        " dimensions"
    )
    correlation = fit.varcorr["sdcor"].iloc[2]
    assert correlation == pytest.approx(sign, abs=1e-6)
    assert fit.convergence.converged


def test_the_direction_of_three_effects_is_named(sloped: pd.DataFrame) -> None:
    """Slopes on z of their own: two dimensions, since those on x follow the intercepts."""
    data = sloped.assign(y=sloped["y"] + 3 * sloped["z"] * np.sin(7.0 * sloped["g"]))
    fit = pp.lmer("y ~ x + z + (x + z | g)", data)
    assert fit.is_singular
    (sentence,) = fit.singular_directions
    assert "span 2 of 3 dimensions" in sentence
    assert "| g" in sentence
    lost = np.linalg.eigvalsh(fit.terms[0].covariance)
    assert lost[0] == pytest.approx(0.0, abs=1e-9)
    assert lost[1] > 1e-3


def test_singular_dragons_span_fewer_dimensions(fit_of: Get) -> None:
    fit = fit_of("dragons_singular")
    (sentence,) = fit.singular_directions
    rank = int((np.linalg.eigvalsh(correlations(fit)) > 1e-9).sum())
    assert f"the random effects of mountain span {rank} of 4 dimensions" in sentence
    assert sentence.startswith("variances of scales[T.metallic] and wingspan:scales[T.metallic]")
    assert "| mountain are 0" in sentence


def correlations(fit: Any) -> Any:
    """Correlation matrix of the first term's effects."""
    covariance = fit.terms[0].covariance
    sd = np.sqrt(np.diag(covariance))
    return covariance / np.outer(sd, sd)


def test_each_singular_term_has_its_sentence(flat: pd.DataFrame) -> None:
    data = flat.assign(h=np.arange(len(flat)) // 10 % 4)
    data["y"] -= data.groupby("h")["y"].transform("mean")
    data = no_spread(data)
    fit = pp.lmer("y ~ 1 + (1 | g) + (1 | h)", data)
    assert fit.singular_directions == (
        "variance of Intercept | g is 0",
        "variance of Intercept | h is 0",
    )


def test_only_the_singular_part_of_a_double_bar_is_named(sloped: pd.DataFrame) -> None:
    data = sloped.assign(y=sloped["y"] - sloped.groupby("g")["y"].transform("mean"))
    data["x"] -= data.groupby("g")["x"].transform("mean")
    fit = pp.lmer("y ~ x + (x || g)", data)
    assert fit.singular_directions == ("variance of Intercept | g is 0",)
    assert fit.theta["theta_g__Intercept"] == 0
    assert fit.theta["theta_g__x"] > 1


def test_a_regular_fit_is_not_called_singular(fit_of: Get) -> None:
    for name in ("sleep_slope", "penicillin_crossed", "dragons", "cake"):
        fit = fit_of(name)
        assert not fit.is_singular
        assert fit.singular_directions == ()
        assert "singular" not in str(fit.summary())


def test_convergence_of_the_reference_models(fit_of: Get, reference: Get) -> None:
    for name in reference("exact"):
        verdict = fit_of(name).convergence
        assert verdict.converged
        assert 0 <= verdict.gradient_norm < 1e-9
        assert verdict.min_eigenvalue > 0
        assert 1 <= verdict.evaluations < 200
        assert verdict.message.startswith("converged")
        assert str(verdict.evaluations) in verdict.message


def test_no_warning_is_given_when_the_checks_pass(flat: pd.DataFrame, sloped: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pp.lmer("y ~ 1 + (1 | g)", flat)
        pp.lmer("y ~ x + (x | g)", sloped)
        pp.lmer("y ~ x + (x + z | g)", sloped, reml=False)


@pytest.mark.parametrize(
    ("check", "limit", "mentioned"),
    [
        ("GRADIENT_TOLERANCE", -1.0, "gradient norm"),
        ("CURVATURE_TOLERANCE", 2.0, "saddle"),
    ],
)
def test_a_failed_check_is_a_warning_and_stays_on_record(
    check: str,
    limit: float,
    mentioned: str,
    sloped: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checks, check, limit)
    with pytest.warns(ConvergenceWarning, match=mentioned) as given:
        fit = pp.lmer("y ~ x + (x | g)", sloped)
    assert len(given) == 1
    assert given[0].filename == __file__  # the caller's line, not ours
    assert not fit.convergence.converged
    assert mentioned in fit.convergence.message
    assert fit.convergence.message in str(fit.summary())


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("mean", [0.0, 50.0])
def test_bad_scales_do_not_hurt(scale: float, mean: float, sloped: pd.DataFrame) -> None:
    """x with a mean of 50 SD and units from a thousandth to a thousand: the same optimum."""
    plain = pp.lmer("y ~ x + z + (x + z | g)", sloped, reml=False)
    fit = pp.lmer(
        "y ~ x + z + (x + z | g)", sloped.assign(x=scale * (sloped["x"] + mean)), reml=False
    )
    assert fit.convergence.converged
    assert fit.criterion == pytest.approx(plain.criterion, abs=1e-6)
    assert fit.is_singular == plain.is_singular


def test_a_search_whose_gain_rounding_swallows_ends() -> None:
    """10⁵ rows in all but as many groups: one pair of rows tells the variances apart."""
    rng = np.random.default_rng(0)
    n = 100_000
    g = np.concatenate([np.arange(n - 1), rng.integers(0, n - 1, 1)])
    x = rng.normal(size=n)
    y = 1 + 2 * x + 0.5 * rng.normal(size=n - 1)[g] + rng.normal(size=n)
    verdict = pp.lmer("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}).convergence
    assert verdict.converged
    assert verdict.evaluations < 60
