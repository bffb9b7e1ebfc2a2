"""A pandas Series given beside pandas data goes by its labels."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool.errors import DataError

FORMULA = "y ~ x + (1 | g)"


@pytest.fixture
def data() -> pd.DataFrame:
    """60 rows with shuffled labels and weights w."""
    rng = np.random.default_rng(5)
    g = np.arange(60) % 6
    columns = {"y": rng.normal(size=60) + g, "x": rng.normal(size=60), "g": g}
    return pd.DataFrame({**columns, "w": rng.uniform(1, 3, 60)}, index=rng.permutation(60) * 2)


CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "lmer": lambda d, w: pp.lmer(FORMULA, d, weights=w).beta,
    "lmer of a dict": lambda d, w: pp.lmer(FORMULA, dict(d.items()), weights=w).beta,
    "offset": lambda d, w: pp.lmer(FORMULA, d, offset=w).beta,
    "lm": lambda d, w: pp.lm("y ~ x", d, weights=w).beta,
    "simulate_lmm": lambda d, w: pp.simulate_lmm(
        FORMULA, d, beta=[0, 1], sd=[1], weights=w, seed=1
    )["y"],
    "update": lambda d, w: pp.lmer(FORMULA, d).update(weights=w).beta,
}


@pytest.mark.parametrize("call", CALLS)
def test_a_series_in_another_order_is_brought_into_the_datas(call: str, data: pd.DataFrame) -> None:
    run = CALLS[call]
    np.testing.assert_array_equal(run(data, data["w"].sort_index()), run(data, "w"))
    np.testing.assert_array_equal(run(data, data["w"].to_numpy()), run(data, "w"))
    for other in (data["w"].reset_index(drop=True), data["w"].set_axis(np.arange(60) // 2)):
        with pytest.raises(DataError, match="index differs from that of the data"):
            run(data, other)


def test_repeated_labels_in_the_same_order_are_the_same_rows(data: pd.DataFrame) -> None:
    twice = data.set_axis(np.arange(60) // 2)
    fit = pp.lmer(FORMULA, twice, weights=twice["w"].copy())
    np.testing.assert_array_equal(fit.beta, pp.lmer(FORMULA, data, weights="w").beta)


def test_masked_and_missing_weights_drop_their_rows(data: pd.DataFrame) -> None:
    mask = np.arange(60) < 7
    expected = pp.lmer(FORMULA, data[~mask], weights="w").beta
    for weights in (
        np.ma.MaskedArray(data["w"].to_numpy(), mask=mask),
        data["w"].astype("Float64").mask(mask),
    ):
        np.testing.assert_allclose(pp.lmer(FORMULA, data, weights=weights).beta, expected)


@pytest.mark.parametrize("bad", [["a"] * 60, np.ones(60) * 1j, {"w": 1}, np.ones((60, 2))])
def test_weights_that_are_no_numbers_are_refused(bad: Any, data: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="weights"):
        pp.lmer(FORMULA, data, weights=bad)


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("stored", [False, True])
def test_refit_takes_a_response_by_label(dropped: bool, stored: bool, data: pd.DataFrame) -> None:
    if dropped:
        data = data.mask((data.index % 14 == 0)[:, None] & (data.columns == "x"))
    fit = pp.lmer(FORMULA, data)
    if stored:
        fit = pickle.loads(pickle.dumps(fit))
    y = pd.Series(np.random.default_rng(2).normal(size=60), index=data.index)
    used = y[data["x"].notna()]
    expected = fit.refit(used.to_numpy()).beta
    for given in (y, y.sort_index(), used, used.sort_index(), used.sort_index().to_frame()):
        np.testing.assert_array_equal(fit.refit(given).beta, expected)
    for other in (y.reset_index(drop=True), used.reset_index(drop=True)):
        with pytest.raises(DataError, match="index differs from that of the"):
            fit.refit(other)
    simulated = fit.simulate(1, seed=3)["sim_1"]
    assert simulated.index.equals(used.index)
    again = fit.refit(simulated.sort_index())
    np.testing.assert_array_equal(again.beta, fit.refit(simulated.to_numpy()).beta)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.ones((30, 2)), "one dimension"),
        (np.ones((60, 1)) * 1j, "must be numbers"),
        (np.ma.MaskedArray(np.arange(60.0), mask=np.arange(60) == 5), "not finite in row 5"),
        (np.ones(59), "59 values for 60 rows"),
    ],
)
def test_a_response_that_does_not_fit_is_refused(y: Any, message: str, data: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=message):
        pp.lmer(FORMULA, data).refit(y)


def test_a_contrast_goes_by_its_labels(data: pd.DataFrame) -> None:
    fit = pp.lmer(FORMULA, data)
    by_label = fit.test(pd.Series({"x": 1.0, "Intercept": 0.0}))
    assert by_label.p_value == fit.test([0.0, 1.0]).p_value
    with pytest.raises(pp.errors.ArgumentError, match="labels are not the fixed effects"):
        fit.test(pd.Series({"x": 1.0, "z": 0.0}))
