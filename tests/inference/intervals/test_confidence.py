"""Intervals against lme4's, and what they must satisfy by definition."""

from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import chi2, norm

from tests.references import read_reference as reference
from tests.references import reference_fit as fit_of

MODELS = (
    "sleep_intercept",
    "sleep_slope",
    "sleep_slope_ml",
    "sleep_slope_only",
    "sleep_zerocorr",
    "irrigation",
    "dragons",
    "solutions",
    "solutions_fixed",
    "pulp_ml",
    "pulp_reml",
    "penicillin_faraway",
    "penicillin_faraway_ml",
    "penicillin_faraway_sum",
    "penicillin_crossed",
    "pastes_nested",
    "dyestuff",
    "cake",
)


def r_table(rows: list[dict[str, Any]]) -> np.ndarray:
    ends = [[row["2.5 %"], row["97.5 %"]] for row in rows]
    return np.array(ends, dtype=float)


@pytest.mark.parametrize("name", MODELS)
def test_profile_ends_are_lme4s(name: str) -> None:
    # lme4 interpolates by a spline between eight points a side; here ζ is solved for.
    theirs = reference(name)["confint_profile"]
    ours = fit_of(name).confint("profile", names="lme4-long")
    np.testing.assert_allclose(ours.to_numpy(), r_table(theirs), rtol=1e-3)
    random = [row["term"] for row in theirs if row["term"].startswith(("sd_", "cor_", "sigma"))]
    assert list(ours.index[: len(random)]) == random
    assert list(ours.columns) == ["2.5 %", "97.5 %"]


@pytest.mark.parametrize("name", MODELS)
def test_wald_ends_are_lme4s_and_none_are_given_for_variances(name: str) -> None:
    theirs = reference(name)["confint_wald"]
    ours = fit_of(name).confint(names="lme4")
    # dragons: lme4's variances, and with them its standard errors, are exact to about 1e-3.
    np.testing.assert_allclose(ours.to_numpy(), r_table(theirs), rtol=1e-3)
    short = [row["term"] for row in theirs if row["term"].startswith(".sig")]
    assert list(ours.index[: len(short)]) == short
    assert ours.loc[short].isna().all().all()


def deviance_with_sd(data: pd.DataFrame, sd: float) -> float:
    """ML deviance of balanced one-way data at a between-group SD, σ² and the mean maximised."""
    from scipy.optimize import minimize_scalar

    groups = data.groupby("operator")["bright"]
    n, k, m = len(data), groups.ngroups, len(data) // groups.ngroups
    within = float(((data["bright"] - groups.transform("mean")) ** 2).sum())
    between = float(m * ((groups.mean() - data["bright"].mean()) ** 2).sum())

    def deviance(log_sigma: float) -> float:
        s2 = np.exp(2 * log_sigma)
        total = s2 + m * sd**2
        logs = (n - k) * np.log(s2) + k * np.log(total)
        return n * np.log(2 * np.pi) + logs + within / s2 + between / total

    return float(minimize_scalar(deviance, bracket=(-3, 0), tol=1e-12).fun)


def test_profile_of_a_variance_is_the_deviance_of_one_way_data() -> None:
    fit = fit_of("pulp_ml")
    profile = fit.profile("sd_operator__Intercept")
    values, zetas = profile.zeta("sd_operator__Intercept")
    rise = [deviance_with_sd(pp.load_dataset("pulp"), v) - fit.deviance for v in values]
    np.testing.assert_allclose(zetas**2, rise, atol=1e-6)
    assert values[0] == 0.0
    assert (np.diff(values) > 0).all()
    assert (np.diff(zetas) > 0).all()


def test_profile_of_a_fixed_effect_is_the_deviance_with_it_as_offset() -> None:
    data = pp.load_dataset("sleepstudy")
    fit = pp.lmer("Reaction ~ Days + (Days | Subject)", data, reml=False)
    values, zetas = fit.profile("Days").zeta("Days")
    for value, zeta in zip(values[::5], zetas[::5], strict=True):
        held = pp.lmer(
            "Reaction ~ 1 + (Days | Subject)", data, reml=False, offset=value * data["Days"]
        )
        assert zeta**2 == pytest.approx(held.deviance - fit.deviance, abs=1e-6)


def test_profile_points_hold_a_likelihood_no_worse_than_any_other_there() -> None:
    # The correlation held at 0 is the model with independent terms.
    data = pp.load_dataset("sleepstudy")
    fit = pp.lmer("Reaction ~ Days + (Days | Subject)", data, reml=False)
    independent = pp.lmer("Reaction ~ Days + (Days || Subject)", data, reml=False)
    values, zetas = fit.profile(".sig02").zeta(".sig02")
    at_zero = np.interp(0.0, values, zetas)
    assert at_zero**2 == pytest.approx(independent.deviance - fit.deviance, abs=2e-3)


def test_profile_does_not_depend_on_reml_or_units() -> None:
    data = pp.load_dataset("sleepstudy")
    base = pp.lmer("Reaction ~ Days + (Days | Subject)", data).confint("profile")
    scaled = data.assign(Reaction=data["Reaction"] * 1e3, Days=data["Days"] * 1e-3 + 2)
    other = pp.lmer("Reaction ~ Days + (Days | Subject)", scaled, reml=False).confint("profile")
    for name, factor in (("sigma", 1e3), ("sd_Subject__Days", 1e6), ("Days", 1e6)):
        np.testing.assert_allclose(other.loc[name], factor * base.loc[name], rtol=1e-5)


def test_profile_of_a_singular_fit_ends_at_the_bounds() -> None:
    data = pp.load_dataset("dyestuff2")
    ends = pp.lmer("Yield ~ 1 + (1 | Batch)", data).confint("profile")
    assert ends.loc["sd_Batch__Intercept", "2.5 %"] == 0.0
    assert 0 < ends.loc["sd_Batch__Intercept", "97.5 %"] < ends.loc["sigma", "97.5 %"]


def test_profile_object_gives_the_same_ends_and_names_as_asked() -> None:
    fit = fit_of("sleep_slope")
    profile = fit.profile(names="lme4")
    assert profile.names == (".sig01", ".sig02", ".sig03", ".sigma", "Intercept", "Days")
    wide, narrow = profile.confint(0.99), profile.confint(0.5, "beta_")
    assert list(narrow.index) == ["Intercept", "Days"]
    assert list(wide.columns) == ["0.5 %", "99.5 %"]
    again = fit.confint("profile", 0.99, names="lme4")
    pd.testing.assert_frame_equal(wide, again)
    frame = profile.to_frame()
    reach = frame.groupby("parameter")["zeta"].max()
    assert (reach.drop(".sig02") > 4).all()
    # The correlation's range ends before: a profile goes to the end of it.
    assert frame.loc[frame["parameter"] == ".sig02", ".sig02"].max() == 1.0
    assert ".sig01" in str(profile)


def test_same_seed_gives_the_same_bootstrap_interval() -> None:
    fit = fit_of("pulp_reml")
    first, again = (fit.confint("boot", nsim=200, seed=5) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    assert first.attrs == {"nsim": 200, "seed": 5, "failures": {}}


def test_bootstrap_interval_of_the_mean_is_near_walds() -> None:
    fit = fit_of("sleep_slope")
    nsim = 4000
    boot = fit.confint("boot", nsim=nsim, seed=1, parm="beta_", boot_type="normal")
    wald = fit.confint(parm="beta_")
    se = np.sqrt(np.diag(fit.vcov))
    # An end moves with the mean's error and 1.96 times the standard deviation's.
    error = se * np.sqrt(1 / nsim + norm.ppf(0.975) ** 2 / (2 * nsim))
    assert (np.abs(boot.to_numpy() - wald.to_numpy()) < 4 * error[:, None]).all()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda fit: fit.confint("score"), "'score'"),
        (lambda fit: fit.confint(level=95), "95"),
        (lambda fit: fit.confint("boot", nsim=0), "nsim"),
        (lambda fit: fit.confint("boot", nsim=10, boot_type="bca"), "'bca'"),
        (lambda fit: fit.confint(parm="sd_Weeks|Subject"), "sd_Weeks|Subject"),
        (lambda fit: fit.confint(parm=17), "17"),
        (lambda fit: fit.profile("nothing"), "'nothing'"),
    ],
)
def test_bad_input_names_the_culprit(call: Any, says: str) -> None:
    with pytest.raises(pp.errors.ArgumentError) as caught:
        call(fit_of("sleep_slope"))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_profile_steps_off_the_saddle_at_a_zero_variance() -> None:
    """A search that lands on θ = 0 must not end there: this response made it (σ above 1.5)."""
    sizes = (2, 8, 3, 7, 4, 6, 5, 5, 8, 2)
    g = np.repeat(np.arange(10), sizes)
    x = np.concatenate([np.linspace(0, 1, n) for n in sizes])
    arm = (g % 2).astype(float)
    rng = np.random.default_rng((20, 1339))
    y = 1.0 + 0.5 * arm + x + 0.7 * rng.standard_normal(10)[g] + rng.standard_normal(50)
    fit = pp.lmer(
        "y ~ arm + x + (1 | g)", pd.DataFrame({"y": y, "arm": arm, "x": x, "g": g}), reml=False
    )
    design = np.column_stack([np.ones(50), arm, x])
    same = (g[:, None] == g[None, :]).astype(float)

    def deviance(theta: float, sigma: float) -> float:
        v = sigma**2 * (np.eye(50) + theta**2 * same)
        half = np.linalg.solve(np.linalg.cholesky(v), np.column_stack([design, y]))
        rest = half[:, 3] - half[:, :3] @ np.linalg.lstsq(half[:, :3], half[:, 3], rcond=None)[0]
        return float(rest @ rest + np.linalg.slogdet(2 * np.pi * v)[1])

    low, high = fit.confint("profile").loc["sigma"]
    for end in (low, high):
        held = min(
            minimize_scalar(deviance, (a, b), args=(end,)).fun for a, b in [(0.1, 0.3), (0.5, 1)]
        )
        assert held - fit.deviance == pytest.approx(chi2.ppf(0.95, 1), abs=1e-4)
