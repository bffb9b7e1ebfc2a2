"""The sentences: said when what they say is so, and not otherwise."""

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool.report import readings
from partialpool.report.wording import count, listed, number, p_text, rounded, shortened
from scipy.stats import norm


def made_up(spread, seed=3):
    """Rows whose error has a standard deviation that depends on x."""
    rng = np.random.default_rng(seed)
    g = np.arange(600) % 30
    x = rng.uniform(0, 10, size=600)
    y = 5 + 2 * x + rng.normal(size=30)[g] + spread(x) * rng.normal(size=600)
    return pp.lmer("y ~ x + (1 | g)", pd.DataFrame({"y": y, "x": x, "g": g}))


@pytest.mark.parametrize(
    ("spread", "said"),
    [
        (lambda x: 0.2 + 0.3 * x, "grows with the fitted value"),
        (lambda x: 3.2 - 0.3 * x, "shrinks with the fitted value"),
        (lambda x: 1.0 + 0 * x, "shows no clear change with the fitted value"),
    ],
)
def test_spread_is_said_to_change_only_if_it_does(spread, said):
    assert f"Residual spread {said} (rank" in readings.read_residuals(made_up(spread))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (norm.ppf((np.arange(500) + 0.5) / 500), "look normal in symmetry and tails"),
        (norm.ppf((np.arange(500) + 0.5) / 500) ** 3, "heavier tails than normal ones"),
        (np.linspace(-1, 1, 500), "lighter tails than normal ones"),
        (np.exp(norm.ppf((np.arange(500) + 0.5) / 500)), "a longer right tail"),
        (-np.exp(norm.ppf((np.arange(500) + 0.5) / 500)), "a longer left tail"),
        (np.full(20, 3.0), "do not vary"),
    ],
)
def test_shape_of_a_sample(values, said):
    assert said in readings.shape(values, "They")


def test_few_levels_are_not_judged(sleep):
    fit = pp.lmer("bright ~ 1 + (1 | operator)", pp.load_dataset("pulp"))
    assert "operator has 4 levels, too few" in readings.read_random_effects(fit)
    assert "too few" not in readings.read_random_effects(sleep)


def test_caterpillar_counts_the_intervals_without_zero(sleep):
    table = sleep.ranef(condsd=True)["Subject"]
    clear = (table["Days"].abs() > 1.959964 * table["Days_condsd"]).sum()
    text = readings.read_caterpillar(sleep)
    assert "Of 18 levels of Subject" in text
    assert f"and {clear} in Days" in text
    assert f"is {table['Intercept'].abs().idxmax()} (" in text


def test_singular_fits_are_said_to_be_so():
    data = pp.load_dataset("dyestuff2")
    fit = pp.lmer("Yield ~ 1 + (1 | Batch)", data)
    assert "The fit is singular: variance of Intercept | Batch is 0." in readings.read_convergence(
        fit
    )


def test_observed_and_fitted(sleep):
    data = sleep.design.source
    with_all = np.corrcoef(data["Reaction"], sleep.fitted)[0, 1] ** 2
    fixed = np.corrcoef(data["Reaction"], data["Days"])[0, 1] ** 2
    text = readings.read_observed(sleep)
    assert number(with_all) in text
    assert number(fixed) in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"),
        (251.405, "251.4"),
        (-0.065551, "−0.06555"),
        (123456.0, "123456"),
        (1e9, "1.000e+09"),
        (3e-9, "3.000e−09"),
        (float("nan"), "–"),
        (float("-inf"), "−∞"),
    ],
)
def test_numbers_have_four_digits(value, text):
    assert number(value) == text


def test_words():
    assert [rounded(v) for v in (-9e-16, -0.126, 1234.5)] == ["0.00", "−0.13", "1,234.50"]
    assert listed(["a"] * 2000, 1) == "a and 1,999 more"
    assert p_text(1e-20) == "p < 2e-16"
    assert p_text(0.03) == "p = 0.03"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"
    assert (count(1, "row"), count(1000, "row")) == ("1 row", "1,000 rows")
    assert len(shortened("x" * 200)) == 32
