"""New data: their offset and weights, their gaps, and which random terms are wanted."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pytest
from partialpool.errors import ArgumentError, NewDataError
from scipy.stats import norm

TERMS = [
    *("x", "f", "x * f", "C(k)", "C(f, contr.sum)", "bs(x, df=4)", "ns(x, df=3)", "cr(x, df=3)"),
    *("cc(x, df=3)", "cs(x, df=3)", "poly(x, 2)", "scale(x)", "center(x)", "standardize(x)"),
    *("log(w)", "log10(w)", "log2(w)", "log1p(w)", "sqrt(w)", "exp(x)", "expm1(x)", "abs(x)"),
    *("sin(x)", "cos(x)", "I(x^2)", "f + offset(log(w))", "scale(x):f", "factor(f)"),
]


@pytest.fixture
def data(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(k=np.resize([1, 2, 3], len(table)))


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("random", ["(1 | g)", "(scale(x) | g)", "(f || h)"])
def test_gaps_are_nan_and_change_nothing_else(term: str, random: str, data: pd.DataFrame) -> None:
    fit = pp.lmer(f"y ~ {term} + {random}", data, reml=False)
    new = data.astype({"f": object, "g": object, "k": object, "h": object})
    gaps = {"x": 4, "f": 11, "g": 20, "w": 30, "h": 33, "k": 40}
    for name, row in gaps.items():
        new.loc[row, name] = None
    used = {v for v in gaps if v in fit.design.formula.variables}
    expected = fit.predict(data)
    expected[[gaps[name] for name in used]] = np.nan
    np.testing.assert_array_equal(fit.predict(new), expected)
    np.testing.assert_array_equal(fit.predict(pl.from_pandas(new, nan_to_null=True)), expected)
    np.testing.assert_array_equal(fit.augment(new, prefix=".")[".fitted"], expected)
    interval = fit.predict(new, interval="prediction")
    assert np.isnan(interval).any(axis=1).tolist() == np.isnan(expected).tolist()
    np.testing.assert_array_equal(fit.predict(new.iloc[[gaps[min(used)]]]), [np.nan])


def test_gaps_after_loading_and_in_lm(data: pd.DataFrame, tmp_path: Path) -> None:
    fit = pp.lmer("y ~ f + poly(x, 2) + (1 | g)", data, offset="z")
    fit.save(tmp_path / "fit.pp")
    least = pp.lm("y ~ f + poly(x, 2)", data, offset="z")
    new = data.copy()
    new.loc[3, "x"], new.loc[5, "z"] = np.nan, np.nan
    new.loc[7, "f"] = None
    # A level never seen, in a row that has no prediction anyway.
    new["f"] = new["f"].astype(object)
    new.loc[3, "f"] = "stranger"
    for model in (fit, pp.load(tmp_path / "fit.pp"), pickle.loads(pickle.dumps(fit)), least):
        predicted = model.predict(new)
        assert np.flatnonzero(np.isnan(predicted)).tolist() == [3, 5, 7]
        whole = np.delete(model.predict(data), [3, 5, 7])
        np.testing.assert_array_equal(np.delete(predicted, [3, 5, 7]), whole)
    with pytest.raises(NewDataError, match="'stranger'"):
        fit.predict(new.assign(x=data["x"]))
    values = {name: list(data[name]) for name in data}
    with_none: dict[str, Any] = {**values, "x": [None, *values["x"][1:]]}
    assert np.isnan(fit.predict(with_none)[0])
    np.testing.assert_array_equal(fit.predict(with_none)[1:], fit.predict(data)[1:])
    assert np.isnan(fit.predict(data.assign(x=None))).all()


def test_an_offset_in_a_column_is_that_of_the_new_data(data: pd.DataFrame, tmp_path: Path) -> None:
    fit = pp.lmer("y ~ x + offset(w) + (1 | g)", data, offset="z")
    fit.save(tmp_path / "fit.pp")
    stored = pp.load(tmp_path / "fit.pp")
    stored.save(tmp_path / "again.pp")
    moved = data.assign(z=data["z"] + 5, w=data["w"] + 2)
    for model in (fit, stored, pp.load(tmp_path / "again.pp"), pickle.loads(pickle.dumps(fit))):
        np.testing.assert_allclose(model.predict(data), fit.fitted, rtol=1e-9)
        np.testing.assert_allclose(model.predict(moved), fit.fitted + 7, rtol=1e-9)
        with pytest.raises(NewDataError, match="'z'"):
            model.predict(data.drop(columns="z"))
        np.testing.assert_allclose(model.augment(moved)["fitted"], fit.fitted + 7, rtol=1e-9)
    least = pp.lm("y ~ x + offset(w)", data, offset="z")
    np.testing.assert_allclose(least.predict(moved), least.fitted + 7, rtol=1e-9)
    with pytest.raises((NewDataError, pp.errors.DataError), match="'z'"):
        least.predict(data.drop(columns="z"))
    with pytest.raises(NewDataError, match="not finite in row 3"):
        fit.predict(data.assign(z=np.where(np.arange(len(data)) == 3, np.inf, data["z"])))


def test_an_offset_given_as_an_array_is_refused_for_new_data(
    data: pd.DataFrame, tmp_path: Path
) -> None:
    given = {"offset": data["z"].to_numpy()}
    fit = pp.lmer("y ~ x + (1 | g)", data, **given)
    fit.save(tmp_path / "fit.pp")
    stored = pp.load(tmp_path / "fit.pp")
    stored.save(tmp_path / "again.pp")
    models = [fit, stored, pp.load(tmp_path / "again.pp"), pickle.loads(pickle.dumps(fit))]
    for model in (*models, pp.lm("y ~ x", data, **given)):
        with pytest.raises(NewDataError, match=r"array.*offset='name'"):
            model.predict(data)
    np.testing.assert_allclose(fit.predict(), fit.fitted)
    with pytest.raises(ArgumentError, match="offset"):
        pp.emmeans(stored, "x", at={"x": 1.0})


def test_prediction_intervals_use_the_weights_of_the_new_rows(data: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ x + (x | g)", data, weights="w")
    own, new = fit.predict(interval="prediction"), fit.predict(data, interval="prediction")
    np.testing.assert_allclose(own, new, rtol=1e-9)
    wide = fit.predict(data.assign(w=data["w"] / 4), interval="prediction")
    z = float(norm.ppf(0.975))
    extra = ((wide["upper"] - wide["fit"]) / z) ** 2 - ((new["upper"] - new["fit"]) / z) ** 2
    np.testing.assert_allclose(extra, 3 * fit.sigma**2 / data["w"], rtol=1e-7)
    with pytest.raises(NewDataError, match="'w'"):
        fit.predict(data.drop(columns="w"), interval="prediction")
    fit.predict(data.drop(columns="w"), interval="confidence")
    gap = fit.predict(data.assign(w=data["w"].where(data.index != 4)), interval="prediction")
    assert np.isnan(gap.iloc[4]).tolist() == [False, True, True]
    assert np.isfinite(gap.drop(index=4)).all(axis=None)
    with pytest.raises(NewDataError, match="row 2"):
        fit.predict(data.assign(w=np.where(data.index == 2, 0, 1)), interval="prediction")
    array = pp.lmer("y ~ x + (1 | g)", data, weights=data["w"].to_numpy())
    with pytest.raises(NewDataError, match=r"weights.*array.*weights='name'"):
        array.predict(data, interval="prediction")
    np.testing.assert_allclose(array.predict(data), array.fitted)


def test_a_gap_in_a_slope_that_is_left_out_leaves_the_mean_known(data: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ x + (z | g)", data)
    whole = fit.predict(data, random="none", interval="prediction")
    gap = data.assign(z=data["z"].where(data.index != 4))
    out = fit.predict(gap, random="none", interval="prediction")
    assert np.isnan(out.iloc[4]).tolist() == [False, True, True]
    pd.testing.assert_frame_equal(out.drop(index=4), whole.drop(index=4))
    with pytest.raises(NewDataError, match="'z'"):
        fit.predict(data.drop(columns="z"), random="none", interval="prediction")
    fit.predict(data.drop(columns="z"), random="none", interval="confidence")


@pytest.mark.parametrize(
    ("terms", "parts"),
    [
        ("(I(x - 1) | g)", ["(1 | g)", "(0 + I(x - 1) | g)"]),
        ("(poly(x, 2) | g)", ["(1 | g)", "(0 + poly(x, 2) | g)"]),
        ("(scale(x) + log(w) || g)", ["(1 | g)", "(0 + scale(x) | g)", "(log(w) - 1 | g)"]),
        ("(x * scale(z) || g)", ["(scale(z) | g)", "(0 + x + scale(z):x | g)"]),
        ("(1 | g) + (0 + I(x^2) | g) + (f | h)", ["(I(x ^ 2) | g)", "(1 | h)", "(0 + f | h)"]),
        ("(C(f, contr.sum) | h)", ["(C(f, sum) | h)"]),
    ],
)
def test_transformed_random_terms_can_be_asked_for(
    terms: str, parts: list[str], data: pd.DataFrame
) -> None:
    fit = pp.lmer(f"y ~ x + {terms}", data)
    np.testing.assert_allclose(fit.predict(data, random=terms), fit.fitted, rtol=1e-9)
    np.testing.assert_allclose(fit.predict(random=terms), fit.fitted, rtol=1e-9)
    base = fit.predict(data, random="none")
    shares = [fit.predict(data, random=part) - base for part in parts]
    assert sum(np.abs(share).max() > 0 for share in shares) >= 1
    np.testing.assert_allclose(base + sum(shares), fit.fitted, rtol=1e-9)
    for other in ("(log(x) | g)", "(I(x - 2) | g)", "(poly(x, 3) | g)"):
        with pytest.raises(ArgumentError, match="no random term"):
            fit.predict(data, random=other)


def test_update_with_new_data_keeps_columns_and_refuses_arrays(data: pd.DataFrame) -> None:
    half = data.iloc[:40]
    fit = pp.lmer("y ~ x + (1 | g)", data, weights="w", offset="z")
    expected = pp.lmer("y ~ x + (1 | g)", half, weights="w", offset="z")
    assert fit.update(data=half).criterion == expected.criterion
    array = pp.lmer("y ~ x + (1 | g)", data, weights=data["w"].to_numpy())
    with pytest.raises(ArgumentError, match=r"weights.*array"):
        array.update(data=half)
    assert (
        array.update(data=half, weights=None).criterion
        == expected.update(weights=None, offset=None).criterion
    )


def test_figures_add_a_given_offset_once(data: pd.DataFrame) -> None:
    column = pp.lmer("y ~ x + (x | g)", data.assign(o=50.0), offset="o")
    array = pp.lmer("y ~ x + (x | g)", data, offset=np.full(len(data), 50.0))
    heights = [
        [line.get_ydata() for ax in fit.plot.fits().axes for line in ax.get_lines()]
        for fit in (column, array)
    ]
    assert len(heights[0]) > 0
    for a, b in zip(*heights, strict=True):
        np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=1e-6)
