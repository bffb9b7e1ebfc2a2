"""Raw data by group, lines on one panel, models laid over each other, factor designs."""

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pytest
from matplotlib.figure import Figure
from partialpool.errors import ArgumentError, DataError, FormulaError
from partialpool.figures.cells import cells_data
from partialpool.figures.fits import fits_data
from partialpool.figures.labels import with_unit
from partialpool.figures.raw_data import grouped_rows
from partialpool.figures.raw_panels import POINTS


@pytest.fixture(scope="module")
def intercept():
    return pp.lmer("Reaction ~ Days + (1 | Subject)", pp.load_dataset("sleepstudy"))


def test_facets_show_the_rows_of_each_group():
    data = pp.load_dataset("sleepstudy")
    figure = pp.plot_data("Reaction ~ Days | Subject", data)
    groups = data.groupby("Subject", observed=True)
    axes = [ax for ax in figure.axes if ax.get_visible()]
    for ax, (level, own) in zip(axes, groups, strict=True):
        assert ax.get_title() == str(level)
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), own["Reaction"])
        np.testing.assert_array_equal(ax.lines[0].get_xdata(), own["Days"])


def test_bars_of_the_jitter_are_the_means_of_all_rows():
    data = pp.load_dataset("pulp")
    ax = pp.plot_data("bright ~ 1 | operator", data).axes[0]
    points, bars = ax.collections
    heights = [segment[0, 1] for segment in bars.get_segments()]
    means = data.groupby("operator", observed=True)["bright"].mean()
    np.testing.assert_allclose(heights, means)
    np.testing.assert_array_equal(np.sort(points.get_offsets()[:, 1]), np.sort(data["bright"]))
    place = np.round(points.get_offsets()[:, 0]).astype(int)
    assert list(np.bincount(place)) == [5, 5, 5, 5]


def test_the_pooled_line_is_that_of_lm():
    data = pp.load_dataset("sleepstudy")
    ax = pp.plot_data("Reaction ~ Days | Subject", data, kind="pooled").axes[0]
    line = ax.lines[0]
    expected = pp.lm("Reaction ~ Days", data).predict({"Days": line.get_xdata()})
    np.testing.assert_allclose(line.get_ydata(), expected)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Days", "Reaction (ms)")


def test_medians_of_the_boxes():
    data = pp.load_dataset("sleepstudy")
    ax = pp.plot_data("Reaction ~ 1 | Subject", data, kind="box").axes[0]
    medians = [ln.get_ydata()[0] for ln in ax.lines if ln.get_linewidth() == 2]
    np.testing.assert_allclose(medians, data.groupby("Subject", observed=True)["Reaction"].median())


def test_many_groups_rows_and_missing_values_are_said(written):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.normal(size=90_000), "x": 1.0, "g": np.arange(90_000) % 300})
    data["x"] = rng.normal(size=90_000)
    data.loc[:2, "y"] = np.nan
    text = written(pp.plot_data("y ~ 1 | g", data, max_groups=50))
    assert "50 of 300 groups" in text
    assert f"at most {POINTS} random points per group, means of all" in text
    assert "3 rows with missing values left out" in text
    assert "36 of 300 groups" in written(pp.plot_data("y ~ x | g", data))
    assert "89,997 points in hexagons" in written(pp.plot_data("y ~ x | g", data, kind="pooled"))
    assert "beyond the whiskers not drawn" in written(
        pp.plot_data("y ~ 1 | g", data, kind="box", max_groups=300)
    )


def test_transforms_interactions_factors_and_polars():
    data = pp.load_dataset("cake")
    read = grouped_rows("log(angle) ~ temperature | recipe:replicate", pl.from_pandas(data))
    assert (read.y_name, read.x_name, read.group) == (
        "log(angle)",
        "temperature",
        "recipe:replicate",
    )
    assert len(read.levels) == 45
    np.testing.assert_allclose(read.y, np.log(data["angle"]))
    assert read.x_levels is None  # numbers in a polars table
    read_pandas = grouped_rows("angle ~ temperature | recipe", data)
    assert [str(v) for v in read_pandas.x_levels] == ["175", "185", "195", "205", "215", "225"]
    own = data[(data.recipe == "A") & (data.replicate == 1)]
    at = [str(v) for v in read.levels].index("A:1")
    np.testing.assert_array_equal(read.rows[at], own.index)


@pytest.mark.parametrize("kind", ["jitter", "box", "facets", "pooled"])
@pytest.mark.parametrize("groups", [4, 40, 400])
def test_no_text_overlaps_another(kind, groups, no_overlap):
    rng = np.random.default_rng(2)
    data = {"y": rng.normal(size=1_600), "x": rng.normal(size=1_600)}
    data["g"] = [f"$centre_{i}" for i in np.arange(1_600) % groups]
    x = "1" if kind in {"jitter", "box"} else "x"
    no_overlap(pp.plot_data(f"y ~ {x} | g", data, kind=kind))


def test_panels_of_pooling_hold_the_lines_of_the_facets(sleep):
    facets, *_ = fits_data(sleep, x=None, group=None, max_groups=100, complete=True)
    complete, partial, none = sleep.plot.lines().axes
    for ax, heights in ((partial, "partial"), (none, "separate")):
        lines = ax.collections[0].get_segments()
        assert len(lines) == 18
        for line, facet in zip(lines, facets, strict=True):
            np.testing.assert_allclose(line[:, 1], getattr(facet, heights))
    (line,) = complete.collections[0].get_segments()
    pooled = pp.lm("Reaction ~ Days", pp.load_dataset("sleepstudy"))
    np.testing.assert_allclose(line[:, 1], pooled.predict({"Days": line[:, 0]}))


def test_one_panel_names_its_lines(sleep):
    ax = Figure().subplots()
    assert sleep.plot.lines(ax=ax) is ax
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    assert labels == ["complete pooling", "partial pooling", "no pooling"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Days", "Reaction (ms)")


def test_complete_pooling_averages_over_the_other_predictors():
    data = pp.load_dataset("dragons")
    fit = pp.lmer("intelligence ~ wingspan * scales + (1 | mountain)", data)
    pooled = pp.lm("intelligence ~ wingspan * scales", data)
    facets, *_ = fits_data(fit, x=None, group=None, max_groups=9, complete=True)
    for facet in facets:
        rows = data[data.mountain == facet.level]
        expected = pooled.predict(rows.assign(wingspan=facet.grid[9])).mean()
        assert facet.complete[9] == pytest.approx(expected, rel=1e-10)


def test_other_models_lie_over_the_fit(sleep, intercept):
    figure = sleep.plot.fits(models={"intercept model": intercept}, complete=True)
    labels = [t.get_text() for t in figure.subfigs[0].legends[0].get_texts()]
    assert labels[0] == "all groups as one (complete pooling)"
    assert labels[-1] == "this group in intercept model"
    ax = next(a for a in figure.axes if a.get_title() == "308")
    line = ax.lines[-1]
    new = {"Days": line.get_xdata(), "Subject": [308] * len(line.get_xdata())}
    np.testing.assert_allclose(line.get_ydata(), intercept.predict(new))


def test_lines_of_other_models_are_inside_the_panels(sleep, intercept):
    figure = sleep.plot.fits(models={"intercept model": intercept})
    axes = [a for a in figure.axes if a.get_visible()]
    low, high = axes[0].get_ylim()
    for ax in axes:
        heights = ax.lines[-1].get_ydata()
        assert low < heights.min()
        assert heights.max() < high


@pytest.mark.parametrize("kind", ["facets", "pooled"])
def test_points_of_a_factor_lie_about_its_places(kind):
    data = pp.load_dataset("irrigation")
    figure = pp.plot_data("yield ~ irrigation | variety", data, kind=kind)
    ax = figure.axes[0]
    if kind == "facets":
        points = ax.lines[0].get_xydata()
        own = data[data["variety"] == "v1"]
    else:
        points = ax.collections[0].get_offsets()
        own = data
    np.testing.assert_array_equal(np.round(points[:, 0]), own["irrigation"].cat.codes)
    np.testing.assert_array_equal(points[:, 1], own["yield"])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["i1", "i2", "i3", "i4"]


def test_facets_of_a_factor_with_many_levels_name_as_many_as_have_room(no_overlap):
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"y": rng.normal(size=400), "g": np.arange(400) % 8})
    data["f"] = [f"level {i}" for i in rng.integers(0, 12, 400)]
    figure = pp.plot_data("y ~ f | g", data)
    assert len(figure.axes[0].get_xticks()) == 12
    no_overlap(figure)
    data["f"] = [f"level {i}" for i in rng.integers(0, 30, 400)]
    figure = pp.plot_data("y ~ f | g", data)
    named = len(figure.axes[0].get_xticks())
    assert 2 < named < 30
    assert figure._supxlabel.get_text() == f"f: {named} of 30 named"
    no_overlap(figure)


def test_many_lines_are_thinned_and_the_figure_says_so(many, written):
    text = written(many.plot.lines(pooling=["partial"]))
    assert "100 of 700 levels" in text
    assert "partial pooling" in text
    assert "no pooling" not in text


def test_cells_are_observed_and_fitted_rows(irrigation):
    data = pp.load_dataset("irrigation")
    shown = cells_data(irrigation, None, None, None, 400)
    assert (shown.x, shown.by, shown.group) == ("irrigation", "variety", "field")
    fitted = irrigation.fitted
    for i in range(16):
        row = data.index[
            (data.irrigation == shown.x_levels[shown.x_code[i]])
            & (data.variety == shown.by_levels[shown.by_code[i]])
            & (data.field == shown.levels[shown.code[i]])
        ]
        assert shown.observed[i] == data.loc[row[0], "yield"]
        assert shown.predicted[i] == pytest.approx(fitted[row[0]], rel=1e-12)
    new = {"irrigation": ["i2"], "variety": ["v2"]}
    assert shown.fixed[1, 1] == pytest.approx(irrigation.predict(new, random="none")[0])


def test_figure_of_cells(irrigation, no_overlap):
    figure = irrigation.plot.cells()
    assert [ax.get_title() for ax in figure.axes] == ["variety: v1", "variety: v2"]
    for ax in figure.axes:
        observed, predicted = ax.lines
        assert len(observed.get_ydata()) == len(predicted.get_ydata()) == 8
        assert [t.get_text() for t in ax.get_xticklabels()] == ["i1", "i2", "i3", "i4"]
    no_overlap(figure)


def test_cells_with_several_rows_and_many_groups_say_so(many, written, no_overlap):
    figure = many.plot.cells(max_points=200)
    text = written(figure)
    assert "200 of 1,399 means" in text
    assert "means of up to" in text
    no_overlap(figure)


def test_empty_cells_have_no_bar():
    data = pp.load_dataset("irrigation")
    data = data[~((data.irrigation == "i3") & (data.variety == "v1"))]
    fit = pp.lmer("yield ~ irrigation + variety + (1 | field)", data)
    shown = cells_data(fit, None, None, None, 400)
    assert np.isnan(shown.fixed).tolist() == [[False, False, True, False], [False] * 4]


def test_units_come_from_the_data():
    import pyarrow as pa

    frame = pd.DataFrame({"y": [1.0]})
    assert with_unit(frame, "y") == "y"
    frame.attrs["units"] = {"y": "kg"}
    assert with_unit(frame, "y", "residual") == "residual (kg)"
    field = pa.field("y", pa.float64(), metadata={"unit": "m/s"})
    table = pa.table({"y": [1.0], "z": [2.0]}, schema=pa.schema([field, ("z", pa.float64())]))
    assert with_unit(table, "y") == "y (m/s)"
    assert with_unit(table, "z") == "z"
    assert with_unit({"y": [1.0]}, "y") == "y"


@pytest.mark.parametrize(
    ("formula", "options", "error", "mentioned"),
    [
        ("Reaction ~ 1", {}, ArgumentError, ("against", "~ x | g")),
        ("Reaction ~ Days", {"kind": "facets"}, ArgumentError, ("group", "~ Days | g")),
        ("Reaction ~ Days + (1 | Subject)", {}, FormulaError, ("group", "| g")),
        ("Reaction ~ Days", {"ncol": 2}, ArgumentError, ("ncol", "facets")),
        ("Reaction ~ Hours | Subject", {}, DataError, ("'Hours'",)),
        ("Reaction ~ Days | Person", {}, DataError, ("'Person'",)),
        ("Reaction ~ Days | Subject", {"kind": "violin"}, ArgumentError, ("'violin'", "'box'")),
        ("Reaction ~ 1 | Subject", {"kind": "facets"}, ArgumentError, ("'facets'", "predictor")),
        ("Reaction ~ Days | Subject", {"max_groups": 0}, ArgumentError, ("max_groups", "0")),
        ("Reaction ~ Days | Subject", {"ax": Figure().subplots()}, ArgumentError, ("facets",)),
        ("Reaction ~ 1 | Subject", {"ax": [1]}, ArgumentError, ("ax", "list")),
    ],
)
def test_data_that_cannot_be_drawn(formula, options, error, mentioned):
    with pytest.raises(error) as caught:
        pp.plot_data(formula, pp.load_dataset("sleepstudy"), **options)
    assert all(part in str(caught.value) for part in mentioned)


@pytest.mark.parametrize(
    ("name", "options", "mentioned"),
    [
        ("lines", {"pooling": "some"}, ("'some'", "'partial'")),
        ("lines", {"pooling": []}, ("pooling", "'none'")),
        ("lines", {"group": "clinic"}, ("'clinic'", "Subject")),
        ("fits", {"models": {"m": 3}}, ("models['m']", "int")),
        ("cells", {}, ("no factor", "fit.plot.fits()")),
        ("cells", {"x": "Days"}, ("'Days'", "none")),
    ],
)
def test_lines_and_cells_that_cannot_be_drawn(sleep, name, options, mentioned):
    with pytest.raises(ArgumentError) as caught:
        getattr(sleep.plot, name)(**options)
    assert all(part in str(caught.value) for part in mentioned)


def test_models_of_other_rows_or_responses_are_refused(sleep):
    data = pp.load_dataset("sleepstudy")
    fewer = pp.lmer("Reaction ~ Days + (1 | Subject)", data.iloc[:170])
    with pytest.raises(ArgumentError, match=r"models\['fewer'\] was fitted to other rows"):
        sleep.plot.fits(models={"fewer": fewer})
    other = pp.lmer("log(Reaction) ~ Days + (1 | Subject)", data)
    with pytest.raises(ArgumentError, match=r"is of log\(Reaction\), the fit of Reaction"):
        sleep.plot.fits(models={"log": other})


def test_x_and_by_must_differ(irrigation):
    with pytest.raises(ArgumentError, match="'variety'"):
        irrigation.plot.cells(x="variety", by="variety")
