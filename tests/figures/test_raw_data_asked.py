"""`plot_data` draws what the formula asks for, or says that it cannot."""

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from partialpool.errors import ArgumentError
from partialpool.figures.style import SERIES


@pytest.fixture(scope="module")
def dragons():
    return pp.load_dataset("dragons")


def visible(figure):
    return [ax for ax in figure.axes if ax.get_visible()]


def medians(ax):
    return [ln.get_ydata()[0] for ln in ax.lines if ln.get_linewidth() == 2]


def legend_of(figure):
    (legend,) = figure.legends
    return [legend.get_title().get_text(), *(t.get_text() for t in legend.get_texts())]


def test_boxes_by_the_predictor_within_groups(dragons, no_overlap):
    figure = pp.plot_data("intelligence ~ scales | mountain", dragons, kind="box")
    groups = dragons.groupby("mountain", observed=True)
    for ax, (level, own) in zip(visible(figure), groups, strict=True):
        assert ax.get_title() == level
        expected = own.groupby("scales", observed=True)["intelligence"].median()
        np.testing.assert_allclose(medians(ax), expected)
    names = [t.get_text() for t in figure.axes[0].get_xticklabels()]
    assert names == sorted(dragons["scales"].unique())
    no_overlap(figure)


def test_a_second_predictor_is_the_colour(dragons, no_overlap):
    figure = pp.plot_data("intelligence ~ wingspan + scales | mountain", dragons)
    assert figure._supxlabel.get_text() == "wingspan"
    for ax, (_, own) in zip(visible(figure), dragons.groupby("mountain"), strict=True):
        for line, (i, (_, rows)) in zip(ax.lines, enumerate(own.groupby("scales")), strict=True):
            assert to_hex(line.get_color()) == SERIES[i].lower()
            np.testing.assert_array_equal(line.get_ydata(), rows["intelligence"])
    assert legend_of(figure)[1:] == ["scales:", "chromatic", "metallic"]
    no_overlap(figure)
    # Whichever comes first: a number has no colours.
    other = pp.plot_data("intelligence ~ scales + wingspan | mountain", dragons)
    assert other._supxlabel.get_text() == "wingspan"


def test_lines_of_each_colour_are_least_squares(dragons):
    figure = pp.plot_data("intelligence ~ wingspan * scales", dragons)
    for line, (_, own) in zip(figure.axes[0].lines, dragons.groupby("scales"), strict=True):
        expected = pp.lm("intelligence ~ wingspan", own).predict({"wingspan": line.get_xdata()})
        np.testing.assert_allclose(line.get_ydata(), expected)
    assert legend_of(figure) == ["scales", "chromatic", "metallic"]


@pytest.mark.parametrize("kind", ["jitter", "box"])
def test_a_frame_without_groups(kind, no_overlap):
    data = pp.load_dataset("irrigation")
    figure = pp.plot_data("yield ~ irrigation + variety", data, kind=kind)
    (ax,) = figure.axes
    cells = data.groupby(["variety", "irrigation"], observed=True)["yield"]
    if kind == "box":
        np.testing.assert_allclose(medians(ax), cells.median())
    else:
        bars = [c for c in ax.collections if hasattr(c, "get_segments")]
        heights = [s[0, 1] for c in bars for s in c.get_segments()]
        np.testing.assert_allclose(heights, cells.mean())
    assert [t.get_text() for t in ax.get_xticklabels()] == ["i1", "i2", "i3", "i4"]
    no_overlap(figure)


def test_a_number_alone_is_a_cloud_with_its_line():
    data = pp.load_dataset("sleepstudy")
    ax = Figure().subplots()
    assert pp.plot_data("Reaction ~ Days", data, ax=ax) is ax
    np.testing.assert_array_equal(ax.collections[0].get_offsets()[:, 1], data["Reaction"])
    assert ax.get_title().startswith("Reaction by Days")


def test_a_number_of_few_values_has_places():
    data = pp.load_dataset("sleepstudy")
    (ax,) = pp.plot_data("Reaction ~ Days", data, kind="box").axes
    np.testing.assert_allclose(medians(ax), data.groupby("Days")["Reaction"].median())
    assert [t.get_text() for t in ax.get_xticklabels()] == [str(i) for i in range(10)]


def test_names_of_a_factor_stand_on_the_axis_of_facets(no_overlap):
    data = pd.DataFrame({"y": np.arange(72.0), "g": np.arange(72) % 9})
    data["f"] = np.array(["untreated control", "treated for a week"])[np.arange(72) % 2]
    for formula, kind in (("y ~ f | g", "facets"), ("y ~ f | g", "box")):
        figure = pp.plot_data(formula, data, kind=kind)
        names = {t.get_text() for t in visible(figure)[-1].get_xticklabels()}
        assert names == set(data["f"])
        no_overlap(figure)


@pytest.mark.parametrize(
    ("formula", "options", "mentioned"),
    [
        ("intelligence ~ wingspan | mountain", {"kind": "box"}, ("'wingspan'", "~ 1 | mountain")),
        ("intelligence ~ wingspan", {"kind": "jitter"}, ("'wingspan'", "'pooled'")),
        ("intelligence ~ wingspan + scales + mountain", {}, ("two predictors", "'mountain'")),
        ("intelligence ~ wingspan + length", {}, ("'wingspan'", "'length'", "colour")),
        ("intelligence ~ scales | mountain", {"kind": "box", "ax": 1}, ("facets",)),
        ("intelligence ~ wingspan", {"kind": "facets"}, ("needs a group", "~ wingspan | g")),
        ("intelligence ~ scales", {"ncol": 2}, ("ncol", "one panel")),
    ],
)
def test_what_is_asked_and_cannot_be_drawn(dragons, formula, options, mentioned):
    data = dragons.assign(length=np.arange(len(dragons)) / 7)
    with pytest.raises(ArgumentError) as caught:
        pp.plot_data(formula, data, **options)
    assert all(part in str(caught.value) for part in mentioned)
    assert "\n" not in str(caught.value)
