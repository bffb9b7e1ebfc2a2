"""Residual and quantile figures."""

import numpy as np
import partialpool as pp
import pytest
from matplotlib.figure import Figure
from partialpool.errors import ArgumentError, DataError
from partialpool.figures.qq import normal_quantiles
from partialpool.figures.residuals import SHARES, quantiles_by_group
from partialpool.figures.style import running_mean
from scipy.stats import norm


def test_points_are_the_fits_residuals(sleep):
    fitted, spread, _ = sleep.plot.residuals().axes
    points = np.asarray(fitted.collections[0].get_offsets())
    np.testing.assert_allclose(points, np.c_[sleep.fitted, sleep.residuals()])
    points = np.asarray(spread.collections[0].get_offsets())
    np.testing.assert_allclose(points[:, 1], np.sqrt(np.abs(sleep.residuals("scaled"))))


def test_residuals_by_group_are_in_order_of_the_median(sleep):
    ax = sleep.plot.residuals(kind="group").axes[0]
    data = pp.load_dataset("sleepstudy").assign(r=sleep.residuals())
    medians = data.groupby("Subject", observed=True)["r"].median().sort_values()
    assert [t.get_text() for t in ax.get_xticklabels()] == [str(v) for v in medians.index]
    np.testing.assert_allclose(ax.lines[-1].get_ydata(), medians)


def test_quantiles_by_group_are_those_of_r_type_7():
    rng = np.random.default_rng(2)
    codes = np.r_[rng.integers(0, 5, 300), np.arange(7)]
    values = rng.normal(size=307)
    order, marks, rows = quantiles_by_group(values, codes, 7, 10)
    for i, row, mark in zip(order, rows, marks, strict=True):
        own = values[codes == i]
        np.testing.assert_allclose(row, np.sort(own))
        np.testing.assert_allclose(mark, np.quantile(own, SHARES))


def test_weighted_residuals_say_so():
    rng = np.random.default_rng(3)
    data = {"y": rng.normal(size=60), "g": np.arange(60) % 6, "w": 1.0 + np.arange(60) % 3}
    fit = pp.lmer("y ~ 1 + (1 | g)", data, weights="w")
    ax = fit.plot.residuals(kind="fitted").axes[0]
    assert ax.get_ylabel() == "residual × √weight"
    points = np.asarray(ax.collections[0].get_offsets())
    np.testing.assert_allclose(points[:, 1], fit.residuals("pearson"))


def test_many_rows_are_counted_and_the_figure_says_so(many, written):
    figure = many.plot.residuals(max_groups=100)
    text = written(figure)
    assert "12,000 points in hexagons; dark: many" in text
    assert "100 of 700 groups" in text
    counts = figure.axes[0].collections[0].get_array()
    assert counts.sum() == 12_000


def test_the_running_mean_follows_a_line_exactly():
    x = np.random.default_rng(4).uniform(1e6, 1e6 + 1, 2_000)
    at, means = running_mean(x, 3 * x)
    np.testing.assert_allclose(means, 3 * at, rtol=1e-12)
    assert np.ptp(at) > 0.9 * np.ptp(x)


def test_no_trend_through_few_different_values(pulp):
    assert "running mean" not in pulp.plot.residuals(kind="fitted").axes[0].get_title()


def test_quantiles_of_a_small_sample_are_the_order_statistics():
    values = np.random.default_rng(5).normal(size=40)
    data = normal_quantiles(values)
    np.testing.assert_array_equal(data.sample, np.sort(values))
    np.testing.assert_allclose(data.theoretical, norm.ppf((np.arange(40) + 0.5) / 40))
    line = data.centre + data.scale * norm.ppf([0.25, 0.75])
    np.testing.assert_allclose(line, np.quantile(values, [0.25, 0.75]))


def test_large_samples_are_thinned_but_keep_the_outermost():
    values = np.random.default_rng(6).normal(size=30_000)
    data = normal_quantiles(values)
    ordered = np.sort(values)
    assert len(data.sample) < 1_500
    np.testing.assert_array_equal(data.sample[:50], ordered[:50])
    np.testing.assert_array_equal(data.sample[-50:], ordered[-50:])


def test_the_band_holds_an_order_statistic_as_often_as_it_says():
    rng = np.random.default_rng(7)
    samples = np.sort(rng.normal(size=(4_000, 30)), axis=1)
    data = normal_quantiles(rng.normal(size=30))
    low, high = ((v - data.centre) / data.scale for v in (data.lower, data.upper))
    share = ((samples > low) & (samples < high)).mean(axis=0)
    np.testing.assert_allclose(share, 0.95, atol=0.02)


def test_qq_has_a_panel_for_residuals_and_each_random_effect(sleep):
    axes = sleep.plot.qq().axes
    titles = [ax.get_title() for ax in axes if ax.get_visible()]
    assert titles == ["residuals", "Intercept | Subject", "Days | Subject"]
    np.testing.assert_allclose(axes[0].lines[1].get_ydata(), np.sort(sleep.residuals("scaled")))
    modes = sleep.ranef()["Subject"]["Days"]
    np.testing.assert_allclose(axes[2].lines[1].get_ydata(), np.sort(modes))


@pytest.mark.parametrize("name", ["residuals", "qq"])
@pytest.mark.parametrize("which", ["sleep", "pulp", "many", "odd_names"])
def test_no_text_overlaps_another(name, which, request, no_overlap):
    no_overlap(getattr(request.getfixturevalue(which).plot, name)())


def test_a_panel_is_drawn_on_axes_given(sleep):
    left, right = Figure().subplots(1, 2)
    assert sleep.plot.residuals(kind="scale-location", ax=left) is left
    assert sleep.plot.qq(of="Subject", column="Days", ax=right) is right
    assert left.get_ylabel() == "√|scaled residual|"
    assert right.get_title() == "Days | Subject"


@pytest.mark.parametrize(
    ("name", "options", "mentioned"),
    [
        ("residuals", {"kind": "leverage"}, ("'leverage'", "'scale-location'")),
        ("residuals", {"group": "clinic"}, ("'clinic'", "Subject")),
        ("residuals", {"max_groups": -1}, ("max_groups", "-1")),
        ("residuals", {"ax": Figure().subplots()}, ("kind", "'fitted'")),
        ("qq", {"of": "clinic"}, ("'clinic'", "Subject")),
        ("qq", {"column": "Days"}, ("of=", "'Days'")),
        ("qq", {"of": "Subject", "ax": Figure().subplots()}, ("one plot", "column=")),
    ],
)
def test_what_cannot_be_drawn_is_said(sleep, name, options, mentioned):
    with pytest.raises(ArgumentError) as caught:
        getattr(sleep.plot, name)(**options)
    assert all(part in str(caught.value) for part in mentioned)


def test_a_fit_without_its_rows_says_how_to_give_them(sleep, tmp_path):
    sleep.save(tmp_path / "fit.zip")
    loaded = pp.load(tmp_path / "fit.zip")
    for name in ("residuals", "shrinkage", "qq", "cells"):
        with pytest.raises(DataError, match="data="):
            getattr(loaded.plot, name)()
    assert isinstance(loaded.plot.caterpillar(), Figure)


def test_many_groups_are_bands_of_their_quantiles(many):
    ax = many.plot.residuals(kind="group", ax=Figure().subplots())
    codes = many.design.factors[0].codes
    residual = many.residuals("pearson")
    own = [residual[codes == i] for i in range(700)]
    order = np.argsort([np.median(v) for v in own], kind="stable")
    shown = order[np.unique(np.linspace(0, 699, 400).round().astype(int))]
    wide, middle = ax.collections
    for band, shares in ((wide, (0.05, 0.95)), (middle, (0.25, 0.75))):
        heights = band.get_paths()[0].vertices[:, 1]
        low, high = np.quantile(own[shown[0]], shares)
        assert np.isclose(heights, low).any()
        assert np.isclose(heights, high).any()
    (line,) = [ln for ln in ax.lines if len(ln.get_xdata()) == 400]
    np.testing.assert_allclose(line.get_ydata(), [np.median(own[i]) for i in shown])


def test_titles_break_between_their_parts(many):
    ax = many.plot.residuals(kind="fitted", ax=Figure(figsize=(4, 3)).subplots())
    assert ax.get_title().split("\n")[0] == "residuals; line: running mean"
