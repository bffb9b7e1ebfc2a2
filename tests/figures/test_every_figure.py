"""What holds of every figure: its class, its size, its text, its ink, its names."""

import inspect
from itertools import pairwise

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from matplotlib import rc_context, style
from matplotlib.axes import Axes
from matplotlib.colors import same_color, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from partialpool.errors import ArgumentError
from partialpool.figures.accessor import Plots
from partialpool.figures.posterior.accessor import PosteriorPlots
from partialpool.figures.shown import ShownFigure

DATA = {
    "jitter": ("Reaction ~ 1 | Subject", "jitter"),
    "box": ("Reaction ~ 1 | Subject", "box"),
    "facets": ("Reaction ~ Days | Subject", "facets"),
    "pooled": ("Reaction ~ Days | Subject", "pooled"),
    "boxes in facets": ("Reaction ~ Days | Subject", "box"),
    "places": ("Reaction ~ Days", "jitter"),
}
OF_FIT = [f"fit.plot.{n}" for n in vars(Plots) if not n.startswith("_")]
OF_POSTERIOR = [f"post.plot.{n}" for n in vars(PosteriorPlots) if not n.startswith("_")]
OTHERS = ["emmeans", "contrast", "plot_compare", *(f"plot_data {k}" for k in DATA)]
EVERY = [*OF_FIT, *OF_POSTERIOR, *OTHERS]
FACETED = {
    *("fit.plot.fits", "fit.plot.lines", "fit.plot.cells", "fit.plot.residuals", "fit.plot.qq"),
    *("fit.plot.caterpillar", "fit.plot.profile", "post.plot.densities", "post.plot.traces"),
    *("post.plot.ranks", "post.plot.caterpillar", "plot_compare"),
    *("plot_data facets", "plot_data boxes in facets"),
}


@pytest.fixture(scope="module")
def post():
    data = pp.load_dataset("sleepstudy")
    return pp.sample(
        "Reaction ~ Days + (Days | Subject)", data, chains=2, warmup=150, draws=100, seed=1
    )


@pytest.fixture(scope="module")
def makers(sleep, irrigation, post):
    data = pp.load_dataset("sleepstudy")
    means = pp.emmeans(irrigation, "irrigation")
    out = {name: getattr(sleep.plot, name.rpartition(".")[2]) for name in OF_FIT}
    out["fit.plot.cells"] = irrigation.plot.cells
    out |= {name: getattr(post.plot, name.rpartition(".")[2]) for name in OF_POSTERIOR}
    out |= {"emmeans": means.plot, "contrast": means.contrast("pairwise").plot}
    out["plot_compare"] = lambda **o: pp.plot_compare({"a": sleep}, **o)
    for name, (formula, kind) in DATA.items():
        out[f"plot_data {name}"] = lambda f=formula, k=kind, **o: pp.plot_data(f, data, kind=k, **o)
    return out


def texts_of(figure):
    return [t for t in figure.findobj(Text) if t.get_text() and t.get_visible()]


@pytest.mark.parametrize("name", EVERY)
def test_every_figure_shows_itself_in_a_notebook(makers, name):
    figure = makers[name]()
    assert type(figure) is ShownFigure
    assert figure._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", EVERY)
def test_figsize_is_the_size_of_every_figure(makers, name):
    figure = makers[name](figsize=(11, 7.5))
    assert tuple(figure.get_size_inches()) == (11, 7.5)
    figure.draw_without_rendering()
    for wrong in (5, (5,), (0, 4), ("a", 3), (np.nan, 3), "wide", (True, 4)):
        with pytest.raises(ArgumentError, match=r"figsize must be the width and the height"):
            makers[name](figsize=wrong)


@pytest.mark.parametrize("name", sorted(FACETED))
def test_ncol_is_the_number_of_panels_beside_each_other(makers, name):
    figure = makers[name](ncol=2)
    figure.draw_without_rendering()
    axes = [ax for ax in figure.axes if ax.get_visible()]
    beside = {round(ax.get_position().x0, 3) for ax in axes}
    assert len(beside) == min(2, len(axes))
    with pytest.raises(ArgumentError, match="ncol"):
        makers[name](ncol=0)


def test_every_function_with_ncol_is_tried():
    given = [(f"fit.plot.{n}", m) for n, m in vars(Plots).items() if not n.startswith("_")]
    given += [(f"post.plot.{n}", m) for n, m in vars(PosteriorPlots).items() if n[0] != "_"]
    for name, method in given:
        parameters = inspect.signature(method).parameters
        assert "figsize" in parameters
        assert ("ncol" in parameters) == (name in FACETED)


@pytest.mark.parametrize("option", [{"figsize": (4, 4)}, {"ncol": 1}])
def test_the_size_of_a_new_figure_goes_with_no_axes(sleep, option):
    with pytest.raises(ArgumentError, match="is of a new figure; leave it out, or ax"):
        sleep.plot.residuals(kind="fitted", ax=Figure().subplots(), **option)


@pytest.mark.parametrize("name", ["fit.plot.fits", "plot_data facets"])
def test_a_page_without_room_is_refused(makers, name):
    with pytest.raises(ArgumentError, match="figsize has no room"):
        makers[name](figsize=(4, 0.9))


@pytest.mark.parametrize("name", EVERY)
def test_font_size_is_of_all_texts(makers, name):
    small = sorted(t.get_fontsize() for t in texts_of(makers[name]()))
    with rc_context({"font.size": 20}):
        large = sorted(t.get_fontsize() for t in texts_of(makers[name](figsize=(30, 30))))
    assert min(small) >= 4.0
    assert max(small) <= 10.0
    assert min(large) >= 2 * min(small) * 0.99
    assert max(large) >= 2 * max(small) * 0.99


@pytest.mark.parametrize("name", EVERY)
def test_nothing_vanishes_on_a_dark_ground(makers, name):
    with style.context("dark_background"):
        figure = makers[name]()
    drawn = [t.get_color() for t in texts_of(figure)]
    for ax in figure.axes:
        if ax.get_visible():
            drawn += [line.get_color() for line in ax.lines if line.get_linestyle() != "None"]
            for collection in ax.collections:
                drawn += list(collection.get_edgecolor()[:1])
    assert not any(max(to_rgb(color)) < 0.2 for color in drawn)


def test_lines_mean_the_same_in_every_figure(sleep):
    facets, lines = sleep.plot.fits(complete=True), sleep.plot.lines()
    complete, population, partial, separate = facets.axes[0].lines[1:]
    for line, ax in zip((complete, partial, separate), lines.axes, strict=True):
        (collection,) = ax.collections
        assert same_color(collection.get_edgecolor()[0][:3], to_rgb(line.get_color()))
    data = pp.load_dataset("sleepstudy")
    pooled = pp.plot_data("Reaction ~ Days | Subject", data, kind="pooled").axes[0].lines[0]
    assert pooled.get_color() == complete.get_color()
    centre, alone = sleep.plot.shrinkage().axes[0].lines[2], sleep.plot.shrinkage().axes[0].lines[0]
    assert same_color(centre.get_color(), population.get_color())
    assert alone.get_markeredgecolor() == separate.get_color()


def test_lines_of_model_and_group_alone_have_one_range(sleep):
    data = pp.load_dataset("sleepstudy")
    data = data[(data.Subject != 308) | (data.Days < 4)]
    fit = pp.lmer("Reaction ~ Days + (Days | Subject)", data)
    for ax in fit.plot.fits().axes:
        ends = {(line.get_xdata().min(), line.get_xdata().max()) for line in ax.lines[1:]}
        assert ends in ({(0.0, 9.0)}, set())


def test_lines_that_are_averages_say_so(sleep, written):
    fit = pp.lmer("intelligence ~ wingspan + scales + (1 | mountain)", pp.load_dataset("dragons"))
    for figure in (fit.plot.fits(), fit.plot.lines()):
        assert "lines averaged over scales in each group" in written(figure)
    assert "averaged" not in written(sleep.plot.fits()) + written(sleep.plot.lines())


@pytest.fixture(scope="module")
def schools():
    """45 long names that differ at their ends, and a response of 1e8."""
    rng = np.random.default_rng(1)
    ends = [f"{a} {b}" for a in ("Augustin", "Johann", "Peter") for b in range(15)]
    g = np.arange(900) % 45
    x = rng.normal(size=900)
    what = np.array(["with tutoring", "without tutoring", "alone"])[np.arange(900) // 45 % 3]
    data = {
        "y": 1e8 * (2 + x + rng.normal(size=45)[g] + rng.normal(size=900)),
        "x": x,
        "school": [f"Gesamtschule Sankt {ends[i]}" for i in g],
        "curriculum": [f"standard curriculum {w} in the afternoon" for w in what],
    }
    return pd.DataFrame(data)


@pytest.fixture(scope="module")
def long_names(schools):
    return pp.lmer("y ~ x + curriculum + (1 | school)", schools)


def labels_of(ax, axis):
    ticks = (ax.get_xticklabels if axis == "x" else ax.get_yticklabels)()
    return [t.get_text() for t in ticks if t.get_text()]


def test_long_names_stay_different(long_names, schools):
    for figure in (long_names.plot.fits(max_groups=45), pp.plot_data("y ~ x | school", schools)):
        titles = [ax.get_title() for ax in figure.axes if ax.get_visible()]
        assert len(set(titles)) == len(titles) > 35
        assert max(map(len, titles)) < 26
    for figure in (long_names.plot.caterpillar(), long_names.plot.shrinkage()):
        names = labels_of(figure.axes[0], "y")
        assert len(set(names)) == len(names) == 45
    means = pp.emmeans(long_names, "curriculum")
    names = labels_of(means.contrast("pairwise").plot().axes[0], "y")
    assert len(set(names)) == 3


def test_names_along_an_axis_are_as_many_as_can_be_read(long_names, written):
    figure = long_names.plot.residuals(kind="group")
    figure.draw_without_rendering()
    ax = figure.axes[0]
    shown = [t for t in ax.get_xticklabels() if t.get_text()]
    boxes = [t.get_window_extent() for t in shown]
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))
    assert f"school: {len(shown)} of 45 named" in written(figure)
    assert 5 < len(shown) < 45


@pytest.mark.parametrize("name", ["fits", "caterpillar", "residuals", "lines", "shrinkage"])
def test_powers_of_ten_are_in_the_axis_name(long_names, written, no_overlap, name):
    figure = getattr(long_names.plot, name)()
    figure.draw_without_rendering()
    assert "(×1e8)" in written(figure)
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            text = axis.get_offset_text()
            assert not (text.get_visible() and text.get_text())
    if name != "fits":
        no_overlap(figure)


def test_a_large_constant_is_in_the_axis_name(written):
    data = {"y": 1e8 + np.arange(12.0) / 10, "x": np.arange(12.0)}
    figure = pp.plot_data("y ~ x", data)
    assert "y (+100000000)" in written(figure)
    ticks = figure.axes[0].yaxis.get_major_formatter().format_ticks([1e8, 1e8 + 1])
    assert [float(t) for t in ticks] == [0.0, 1.0]


def test_the_title_of_fits_is_clear_of_the_edge(sleep):
    for options in ({}, {"complete": True}, {"max_groups": 2}):
        figure = sleep.plot.fits(**options)
        figure.draw_without_rendering()
        title = figure.subfigs[0]._suptitle.get_window_extent()
        assert title.y1 <= figure.bbox.y1 - 4
        legend = figure.subfigs[0].legends[0].get_window_extent()
        assert not title.overlaps(legend)


def test_fewer_marks_are_larger():
    sizes = []
    for rows in (12, 120, 1200):
        data = {"y": np.arange(rows) % 7, "x": np.arange(rows) % 11}
        (points,) = pp.plot_data("y ~ x", data).axes[0].collections
        sizes.append(points.get_sizes()[0])
    assert sizes[0] > 36
    assert sizes == sorted(sizes, reverse=True)


def test_profile_of_a_correlation_does_not_fold_back():
    rng = np.random.default_rng(1)
    g, x = np.repeat(np.arange(12), 8), np.tile(np.arange(8.0), 12)
    b = rng.normal(size=(12, 2)) * [2, 0.12]
    y = 3 + b[g, 0] + (1 + b[g, 1]) * x + rng.normal(size=96)
    fit = pp.lmer("y ~ x + (x | g)", {"y": y, "x": x, "g": g})
    profile = fit.profile()
    (name,) = (n for n in profile.names if n.startswith("cor"))
    values, zeta = profile.zeta(name)
    assert (np.diff(zeta[np.argsort(values)]) < -0.1).any()  # the slope's sd reaches zero
    ax = fit.plot.profile(parm=name).axes[0]
    curve, marks = ax.lines[0], next(ln for ln in ax.lines if ln.get_marker() == "o")
    for line in (curve, marks):
        at, height = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert (np.diff(at) > 0).all()
        assert (np.diff(height) >= -1e-12).all()
    assert isinstance(ax, Axes)
