"""Shrinkage, caterpillar and pairs of random effects: what is drawn is the fit's."""

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from matplotlib.figure import Figure
from partialpool.errors import ArgumentError
from partialpool.figures.caterpillar import effects
from partialpool.figures.covariance import ellipse
from partialpool.figures.labels import coefficient_unit
from partialpool.figures.shrinkage import shrinkage_data
from scipy.stats import norm


def test_arrows_go_from_separate_regressions_to_the_fits_coefficients(sleep):
    shown = shrinkage_data(sleep, None, None, 400)
    separate = pp.lm_list("Reaction ~ Days | Subject", pp.load_dataset("sleepstudy")).coef()
    np.testing.assert_allclose(shown.separate, separate.to_numpy(), rtol=1e-9)
    np.testing.assert_allclose(shown.partial, sleep.coef()["Subject"].to_numpy(), rtol=1e-12)
    ax = sleep.plot.shrinkage().axes[0]
    (arrows,) = ax.collections
    np.testing.assert_allclose(np.c_[arrows.X, arrows.Y], shown.separate)
    np.testing.assert_allclose(np.c_[arrows.U, arrows.V], shown.partial - shown.separate)


def test_the_ellipse_holds_its_share_of_the_fitted_distribution(sleep):
    covariance = shrinkage_data(sleep, None, None, 400).covariance
    table = sleep.varcorr.set_index(["grp", "var1"])
    variance = table.loc[("Subject", "Days"), "vcov"]
    assert np.ravel(variance)[0] == pytest.approx(covariance[1, 1])
    line = ellipse(covariance, np.zeros(2), 0.95)
    distance = np.einsum("in,ij,jn->n", line, np.linalg.inv(covariance), line)
    np.testing.assert_allclose(distance, 5.991464547107979, rtol=1e-9)  # χ²₂, 95 %


def test_the_ellipse_of_a_singular_covariance_is_a_line():
    line = ellipse(np.array([[4.0, 2.0], [2.0, 1.0]]), np.zeros(2), 0.5)
    np.testing.assert_allclose(line[0], 2 * line[1], atol=1e-7)


def test_one_random_effect_is_drawn_along_one_axis(pulp):
    ax = pulp.plot.shrinkage().axes[0]
    own, model = (line.get_xdata() for line in ax.lines[1:])
    means = pp.load_dataset("pulp").groupby("operator", observed=True)["bright"].mean()
    np.testing.assert_allclose(own, np.sort(means), rtol=1e-12)
    ratio = (own - pulp.beta[0]) / (model - pulp.beta[0])
    np.testing.assert_allclose(ratio, 1.312117, rtol=1e-5)  # Faraway's lecture
    assert [t.get_text() for t in ax.get_yticklabels()] == ["b", "a", "c", "d"]


def test_groups_that_have_no_estimate_of_their_own_are_counted(written):
    rng = np.random.default_rng(1)
    g = np.r_[np.repeat(np.arange(6), 8), 6, 7]
    x, y = rng.normal(size=50), rng.normal(size=50) + g
    figure = pp.lmer("y ~ x + (x | g)", {"x": x, "y": y, "g": g}).plot.shrinkage()
    assert "2 without an estimate of their own" in written(figure)
    assert len(figure.axes[0].lines[0].get_xdata()) == 6


def test_intervals_of_the_caterpillar_are_of_the_conditional_sds(sleep):
    shown = effects(sleep, 0, None, 0.9, 400)
    table = sleep.ranef(condsd=True)["Subject"].sort_values("Intercept")
    assert list(table.index) == list(shown.levels)
    np.testing.assert_allclose(shown.estimate, table[["Intercept", "Days"]])
    sds = table[["Intercept_condsd", "Days_condsd"]]
    np.testing.assert_allclose(shown.half_width, norm.ppf(0.95) * sds)
    for j, ax in enumerate(sleep.plot.caterpillar(level=0.9).axes):
        ends = np.array([[s[0, 0], s[1, 0]] for s in ax.collections[0].get_segments()])
        np.testing.assert_allclose(ends.mean(axis=1), shown.estimate[:, j], atol=1e-9)
        np.testing.assert_allclose(np.diff(ends)[:, 0] / 2, shown.half_width[:, j])


def test_many_levels_are_thinned_and_the_figure_says_so(many, written):
    text = written(many.plot.caterpillar(max_levels=300))
    assert "300 of 700 levels" in text
    assert "not named" in text
    assert "300 of 700 levels" in written(many.plot.shrinkage(max_groups=300))


def test_pairs_are_the_conditional_modes(sleep):
    table = sleep.ranef()["Subject"]
    figure = sleep.plot.random_effects_pairs()
    points = figure.axes[2].collections[0].get_offsets()
    np.testing.assert_allclose(points, table[["Intercept", "Days"]])
    assert [ax.get_visible() for ax in figure.axes] == [True, False, True, True]


def test_each_draws_on_axes_given_and_returns_them(sleep):
    figure = Figure()
    for ax, draw in zip(
        figure.subplots(1, 3),
        (
            sleep.plot.shrinkage,
            lambda ax: sleep.plot.caterpillar(ax=ax, column="Days"),
            sleep.plot.random_effects_pairs,
        ),
        strict=True,
    ):
        assert draw(ax=ax) is ax
        assert ax.get_xlabel()
        assert ax.has_data()


@pytest.mark.parametrize("name", ["shrinkage", "caterpillar", "random_effects_pairs"])
@pytest.mark.parametrize("which", ["sleep", "many", "odd_names"])
def test_no_text_overlaps_another(name, which, request, no_overlap):
    fit = request.getfixturevalue(which)
    no_overlap(getattr(fit.plot, name)())


def test_units_are_on_the_axes(sleep):
    ax = sleep.plot.shrinkage().axes[0]
    assert ax.get_xlabel() == "Intercept (ms)"
    assert ax.get_ylabel() == "coefficient of Days (ms per unit)"
    labels = [ax.get_xlabel() for ax in sleep.plot.caterpillar().axes]
    assert labels == ["deviation from the mean (ms)", "deviation from the mean (ms per unit)"]


def test_units_of_coefficients():
    frame = pd.DataFrame({"y": [1.0], "t": [1.0], "u": [1.0]})
    frame.attrs["units"] = {"y": "mm", "t": "s"}
    units = [coefficient_unit(frame, "y", n) for n in ("Intercept", "t", "u", "f[T.b]", "log(t)")]
    assert units == ["mm", "mm per s", "mm per unit", "mm", None]
    assert coefficient_unit(frame, "u", "Intercept") is None


@pytest.mark.parametrize(
    ("name", "options", "mentioned"),
    [
        ("shrinkage", {"group": "clinic"}, ("'clinic'", "Subject")),
        ("shrinkage", {"columns": ["Days", "Hours"]}, ("'Hours'", "Days")),
        ("shrinkage", {"columns": ["Days", "Days"]}, ("one or two", "Days")),
        ("shrinkage", {"max_groups": 0}, ("max_groups", "0")),
        ("shrinkage", {"ax": "left"}, ("ax", "str")),
        ("caterpillar", {"column": "Hours"}, ("'Hours'", "Days")),
        ("caterpillar", {"level": 1.5}, ("level", "1.5")),
        ("caterpillar", {"max_levels": 2.5}, ("max_levels", "2.5")),
        ("random_effects_pairs", {"columns": "Days"}, ("columns", "list")),
        ("random_effects_pairs", {"columns": ["Days"]}, ("two", "columns")),
    ],
)
def test_what_cannot_be_drawn_is_said(sleep, name, options, mentioned):
    with pytest.raises(ArgumentError) as caught:
        getattr(sleep.plot, name)(**options)
    assert all(part in str(caught.value) for part in mentioned)


def test_one_axes_needs_one_random_effect(sleep, pulp):
    ax = Figure().subplots()
    with pytest.raises(ArgumentError, match="column='Intercept'"):
        sleep.plot.caterpillar(ax=ax)
    with pytest.raises(ArgumentError, match="two random effects"):
        pulp.plot.random_effects_pairs()
    with pytest.raises(ArgumentError, match="'operator' has one random effect"):
        pulp.plot.random_effects_pairs(group="operator")


def test_means_go_on_axes_that_are_given_with_plain_names():
    data = pp.load_dataset("irrigation")
    data["variety"] = data["variety"].cat.rename_categories({"v1": "$v_1$", "v2": "w" * 200})
    means = pp.emmeans(pp.lmer("yield ~ variety + (1 | field)", data), "variety")
    ax = Figure().subplots()
    assert means.plot(ax=ax) is ax
    labels = ax.get_yticklabels()
    assert labels[0].get_text() == "$v_1$"
    assert labels[1].get_text().replace("\n", "") == "w" * 44 + "…" + "w" * 15
    assert not any(t.get_parse_math() for t in labels)
    np.testing.assert_allclose(ax.lines[0].get_xdata(), means.estimate)
