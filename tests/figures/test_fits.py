"""What `fit.plot.fits()` draws: the numbers of the lines, not their pixels."""

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pytest
from matplotlib.colors import to_hex
from partialpool.errors import ArgumentError, DataError
from partialpool.figures.fits import POINTS, fits_data


def lines_of(fit, **options):
    facets, *_ = fits_data(fit, x=None, group=None, max_groups=36, **options)
    return facets


@pytest.fixture(scope="module")
def sleep():
    return pp.lmer("Reaction ~ Days + (Days | Subject)", pp.load_dataset("sleepstudy"))


def made_up(groups=60, rows=600):
    rng = np.random.default_rng(3)
    g = np.arange(rows) % groups
    x = rng.normal(size=rows)
    t = np.where(rng.random(rows) < 0.4, "ctl", "trt")
    y = 2 + x + (t == "trt") + rng.normal(size=groups)[g] + 0.5 * rng.normal(size=rows)
    return pd.DataFrame({"y": y, "x": x, "t": t, "g": [f"g{i:02}" for i in g], "h": g % 7})


def test_model_lines_are_predictions(sleep):
    for facet in lines_of(sleep):
        new = {"Days": facet.grid, "Subject": [facet.level] * len(facet.grid)}
        np.testing.assert_allclose(facet.partial, sleep.predict(new), rtol=1e-12)
        np.testing.assert_allclose(facet.population, sleep.predict(new, random="none"), rtol=1e-12)


def test_lines_of_no_pooling_are_the_regressions_of_lm_list(sleep):
    separate = pp.lm_list("Reaction ~ Days | Subject", pp.load_dataset("sleepstudy")).coef()
    for facet in lines_of(sleep):
        intercept, slope = separate.loc[facet.level]
        np.testing.assert_allclose(facet.separate, intercept + slope * facet.grid, rtol=1e-9)


def test_partial_pooling_lies_between_group_and_population_on_average(sleep):
    facets = lines_of(sleep)
    from_alone = np.mean([np.mean(np.abs(f.partial - f.separate)) for f in facets])
    from_population = np.mean([np.mean(np.abs(f.partial - f.population)) for f in facets])
    alone_from_population = np.mean([np.mean(np.abs(f.separate - f.population)) for f in facets])
    assert from_alone < alone_from_population
    assert from_population < alone_from_population


def test_points_are_the_rows_of_the_group(sleep):
    data = pp.load_dataset("sleepstudy")
    for facet in lines_of(sleep):
        own = data[data.Subject == facet.level]
        np.testing.assert_array_equal(facet.x, own.Days)
        np.testing.assert_array_equal(facet.y, own.Reaction)


def test_other_predictors_are_averaged_over_the_rows_of_the_group():
    data = made_up(groups=6)
    fit = pp.lmer("y ~ poly(x, 2) * t + (x | g) + (1 | h)", data)
    for facet in lines_of(fit):
        rows = data[data.g == facet.level]
        for at in (0, 20, 40):
            moved = rows.assign(x=facet.grid[at])
            assert facet.partial[at] == pytest.approx(fit.predict(moved).mean(), rel=1e-10)
            fixed = fit.predict(moved, random="none").mean()
            assert facet.population[at] == pytest.approx(fixed, rel=1e-10)


@pytest.mark.parametrize("given", ["formula", "argument"])
def test_offsets_are_part_of_points_and_lines(given):
    data = made_up(groups=6).assign(known=lambda d: 10 * (d.h + 1))
    if given == "formula":
        fit = pp.lmer("y ~ x + offset(known) + (1 | g)", data)
    else:
        fit = pp.lmer("y ~ x + (1 | g)", data, offset="known")
    effects = fit.ranef()["g"]["Intercept"]
    for facet in lines_of(fit):
        own = data[data.g == facet.level]
        line = fit.fixef["Intercept"] + fit.fixef["x"] * facet.grid + own.known.mean()
        np.testing.assert_allclose(facet.population, line, rtol=1e-12)
        np.testing.assert_allclose(facet.partial, line + effects[facet.level], rtol=1e-12)
        np.testing.assert_allclose(facet.y, own.y, rtol=1e-13, atol=1e-13)


def test_a_polars_table_with_dropped_rows_gives_the_same_lines():
    data = made_up(groups=6)
    data.loc[[3, 77], "x"] = np.nan
    model = "y ~ x * t + (x | g)"
    theirs = lines_of(pp.lmer(model, pl.from_pandas(data, nan_to_null=True)))
    for ours, other in zip(lines_of(pp.lmer(model, data)), theirs, strict=True):
        assert ours.level == other.level
        np.testing.assert_allclose(ours.partial, other.partial, rtol=1e-10)
        np.testing.assert_allclose(ours.separate, other.separate, rtol=1e-8)


def test_no_own_regression_where_x_does_not_vary_in_the_group():
    data = made_up(groups=6)
    data.loc[data.g == "g02", "x"] = 1.5
    for facet in lines_of(pp.lmer("y ~ x + (1 | g)", data)):
        assert (len(facet.separate) == 0) == (facet.level == "g02")


def test_figure_of_sleepstudy(sleep):
    figure = sleep.plot.fits()
    axes = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title() for ax in axes] == [str(v) for v in sleep.ranef()["Subject"].index]
    for ax in axes:
        points, population, partial, separate = ax.lines
        assert points.get_linestyle() == "None"
        styles = [line.get_linestyle() for line in (population, partial, separate)]
        assert sorted(styles) == ["-", "--", ":"]
        colours = {to_hex(line.get_color()) for line in ax.lines}
        assert len(colours) == 4
    legends = [legend for sub in figure.subfigs for legend in sub.legends]
    assert [t.get_text() for t in legends[0].get_texts()] == [
        "population (fixed effects)",
        "this group in the model (partial pooling)",
        "this group alone (no pooling)",
    ]


@pytest.mark.parametrize("groups", [2, 5, 60])
def test_no_text_overlaps_another(groups):
    data = made_up(groups)
    figure = pp.lmer("y ~ x + (x | g)", data).plot.fits()
    figure.draw_without_rendering()
    top, bottom = figure.subfigs
    boxes = [t.get_window_extent() for t in top.legends[0].get_texts()]
    boxes += [t.get_window_extent() for t in (top._suptitle, bottom._supxlabel)]
    boxes += [ax.title.get_window_extent() for ax in figure.axes if ax.get_visible()]
    page = figure.bbox
    for i, box in enumerate(boxes):
        assert page.x0 <= box.x0 <= box.x1 <= page.x1
        assert page.y0 <= box.y0 <= box.y1 <= page.y1
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_only_the_lowest_facet_of_each_column_has_tick_labels():
    figure = pp.lmer("y ~ x + (1 | h)", made_up()).plot.fits()
    visible = [ax for ax in figure.axes if ax.get_visible()]
    figure.draw_without_rendering()
    labelled = [
        any(t.get_visible() and t.get_text() for t in ax.get_xticklabels()) for ax in visible
    ]
    assert labelled == [False] * 3 + [True] * 4


def test_many_groups_and_many_points_are_thinned_and_the_title_says_so():
    fit = pp.lmer("y ~ x + (1 | g)", made_up(groups=60))
    figure = fit.plot.fits(max_groups=9)
    assert "9 of 60 levels" in figure.subfigs[0]._suptitle.get_text()
    assert sum(ax.get_visible() for ax in figure.axes) == 9
    fit = pp.lmer("y ~ x + (1 | g)", made_up(groups=2, rows=3000))
    figure = fit.plot.fits()
    assert f"at most {POINTS} points" in figure.subfigs[0]._suptitle.get_text().replace("\n", " ")
    assert {len(ax.lines[0].get_xdata()) for ax in figure.axes} == {POINTS}


def test_names_are_not_read_as_mathematics():
    data = made_up(groups=4)
    data["g"] = data["g"].map({f"g{i:02}": f"$x_{i}$ {{" for i in range(4)})
    figure = pp.lmer("y ~ x + (1 | g)", data).plot.fits()
    figure.draw_without_rendering()
    assert figure.axes[0].get_title() == "$x_0$ {"


@pytest.mark.parametrize(
    ("options", "mentioned"),
    [
        ({"group": "clinic"}, ("'clinic'", "Subject")),
        ({"max_groups": 0}, ("max_groups", "0")),
    ],
)
def test_what_cannot_be_drawn_is_said(sleep, options, mentioned):
    with pytest.raises(ArgumentError) as caught:
        sleep.plot.fits(**options)
    assert all(part in str(caught.value) for part in mentioned)


def test_without_a_numeric_predictor_one_can_be_named():
    fit = pp.lmer("Reaction ~ 1 + (1 | Subject)", pp.load_dataset("sleepstudy"))
    with pytest.raises(ArgumentError, match="no numeric predictor"):
        fit.plot.fits()
    facets, _, name, _ = fits_data(fit, x="Days", group=None, max_groups=36)
    assert name == "Days"
    assert all(np.ptp(f.partial) == 0 for f in facets)


def test_own_regressions_are_weighted_and_curved_as_the_model():
    data = made_up(groups=6).assign(w=lambda d: 1.0 + d.h)
    fit = pp.lmer("y ~ x + I(x ** 2) + (1 | g)", data, weights="w")
    for facet in lines_of(fit):
        own = pp.lm("y ~ x + I(x ** 2)", data[data.g == facet.level], weights="w")
        expected = own.predict({"x": facet.grid})
        np.testing.assert_allclose(facet.separate, expected, rtol=1e-9)


def test_levels_of_nested_factors_and_numbers_as_factors():
    data = made_up(groups=10)
    fit = pp.lmer("y ~ x + C(h) + (x | t/h)", data)
    facets = lines_of(fit)
    assert [f.level for f in facets] == list(fit.ranef()["h:t"].index)
    for facet in facets:
        rows = data[(data.h.astype(str) + ":" + data.t) == facet.level]
        expected = fit.predict(rows.assign(x=facet.grid[7])).mean()
        assert facet.partial[7] == pytest.approx(expected, rel=1e-10)


def test_a_loaded_fit_draws_with_its_data_and_says_so_without(sleep, tmp_path):
    sleep.save(tmp_path / "fit.zip")
    with pytest.raises(DataError, match="data="):
        pp.load(tmp_path / "fit.zip").plot.fits()
    loaded = pp.load(tmp_path / "fit.zip", data=pp.load_dataset("sleepstudy"))
    for ours, theirs in zip(lines_of(loaded), lines_of(sleep), strict=True):
        np.testing.assert_allclose(ours.partial, theirs.partial, rtol=1e-10)


def test_a_figure_can_be_pickled_and_draws_itself_in_a_notebook() -> None:
    import pickle

    figure = pp.lmer("bright ~ 1 + (1 | operator)", pp.load_dataset("pulp")).plot.qq()
    assert pickle.loads(pickle.dumps(figure))._repr_png_().startswith(b"\x89PNG")
