"""The forest of several fits, and the figures of a profile."""

import numpy as np
import partialpool as pp
import polars as pl
import pytest
from matplotlib.figure import Figure
from partialpool.errors import ArgumentError
from partialpool.figures.comparison import intervals
from partialpool.figures.profile import contour, plot_profile, plot_profile_pairs
from scipy.stats import norm


class Posterior:
    """What the forest asks of a posterior: its tidy frame."""

    def tidy(self, effects, *, conf_int, conf_level):
        assert (effects, conf_int, conf_level) == ("fixed", True, 0.9)
        return pl.DataFrame(
            {
                "term": ["Intercept", "Days"],
                "estimate": [250.0, 10.0],
                "conf_low": [240.0, 8.0],
                "conf_high": [260.0, 13.0],
            }
        )


@pytest.fixture(scope="module")
def profile(sleep):
    return sleep.profile()


def test_the_forest_holds_estimates_and_intervals_of_each_fit(sleep):
    pooled = pp.lm("Reaction ~ Days", pp.load_dataset("sleepstudy"))
    fits = {"mixed": sleep, "pooled": pooled, "posterior": Posterior()}
    figure = pp.plot_compare(fits, level=0.9)
    tidy = sleep.tidy("fixed", conf_int=True, conf_level=0.9).set_index("term")
    for ax, term in zip(figure.axes, ["Intercept", "Days"], strict=True):
        assert ax.get_title() == term
        ends = [c.get_segments()[0][:, 0] for c in ax.collections]
        np.testing.assert_allclose(ends[0], tidy.loc[term, ["conf_low", "conf_high"]].tolist())
        assert [line.get_xdata()[0] for line in ax.lines[:2]] == [
            tidy.loc[term, "estimate"],
            pooled.fixef[term],
        ]
        assert len({line.get_marker() for line in ax.lines[:3]}) == 3
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == list(fits)
    np.testing.assert_allclose(figure.axes[1].collections[2].get_segments()[0][:, 0], [8, 13])


def test_intervals_of_lm_are_students():
    # R 4: coef and confint of lm(Reaction ~ Days, sleepstudy)
    pooled = pp.lm("Reaction ~ Days", pp.load_dataset("sleepstudy"))
    estimate, low, high = intervals("lm", pooled, 0.95)["Days"]
    assert (estimate, low, high) == pytest.approx((10.46729, 8.023855, 12.910716), rel=1e-5)


def test_a_fit_without_a_term_leaves_its_row_empty(sleep):
    data = pp.load_dataset("sleepstudy")
    null = pp.lmer("Reaction ~ 1 + (1 | Subject)", data)
    axes = pp.plot_compare({"null": null, "slope": sleep}).axes
    assert [len(ax.collections) for ax in axes] == [2, 1]


def test_zero_is_drawn_where_it_is_near(sleep):
    intercept = pp.plot_compare({"a": sleep}, terms="Intercept").axes[0]
    assert not any(np.all(np.asarray(ln.get_xdata()) == 0) for ln in intercept.lines)
    data = pp.load_dataset("sleepstudy").assign(noise=np.resize([1.0, -1.0, 0.5], 180))
    fit = pp.lmer("Reaction ~ noise + (1 | Subject)", data)
    ax = pp.plot_compare({"a": fit}, terms="noise").axes[0]
    assert any(np.all(np.asarray(ln.get_xdata()) == 0) for ln in ax.lines)


def test_no_text_overlaps_another(sleep, irrigation, no_overlap):
    no_overlap(pp.plot_compare({f"model {i} of $several": irrigation for i in range(9)}))
    no_overlap(pp.plot_compare({"a": sleep}))


def test_zeta_of_the_figure_is_that_of_the_profile(sleep, profile):
    figure = sleep.plot.profile()
    axes = [ax for ax in figure.axes if ax.get_visible()]
    units = {"cor_Subject__Intercept__Days": ""}
    units |= dict.fromkeys(["sd_Subject__Intercept", "sigma", "Intercept"], " (ms)")
    slope = " (ms per unit)"
    labels = [name + units.get(name, slope) for name in profile.names]
    assert [ax.get_xlabel() for ax in axes] == labels
    for ax, name in zip(axes, profile.names, strict=True):
        values, zeta = profile.zeta(name)
        points = next(ln for ln in ax.lines if ln.get_marker() == "o")
        np.testing.assert_allclose(points.get_xdata(), values)
        np.testing.assert_allclose(points.get_ydata(), zeta)


def test_bars_of_the_figure_are_profile_intervals(profile):
    exact = profile.confint(0.95, "sigma").to_numpy().ravel()
    ax = plot_profile(profile, parm="sigma").axes[0]
    bars = [c.get_segments() for c in ax.collections]
    widest = max((s[0][:, 0] for s in bars if len(s) == 1), key=np.ptp)
    np.testing.assert_allclose(np.sort(widest), exact, rtol=2e-3)


def test_an_interval_that_ends_at_the_bound_ends_there_on_the_figure(pulp):
    ax = pulp.plot.profile(parm="sd_(Intercept)|operator").axes[0]
    starts = [c.get_segments()[0][:, 0].min() for c in ax.collections]
    assert min(starts) == 0.0


def test_contours_of_the_fixed_effects_are_near_their_ellipse(sleep, profile):
    # In a balanced design the likelihood of β is nearly normal: compare the contour's reach.
    line = contour(profile, "Intercept", "Days", 0.5)
    fit = profile.fit
    radius = np.sqrt(-2 * np.log(0.5))
    for values, name in zip(line, ["Intercept", "Days"], strict=True):
        reach = (values.max() - values.min()) / 2
        assert reach == pytest.approx(radius * np.sqrt(fit.vcov.loc[name, name]), rel=0.05)


def test_contours_have_the_deviance_they_say(sleep, profile):
    # Profiled over θ and σ, at points of the contour of (Intercept, Days) by direct refits.
    data = pp.load_dataset("sleepstudy")
    line = contour(profile, "Intercept", "Days", 0.8)
    rise = -2 * np.log(0.2)
    for i in (0, 37, 90, 151):
        a, b = line[:, i]
        shifted = data.assign(r=data.Reaction - a - b * data.Days)
        held = pp.lmer("r ~ 0 + (Days | Subject)", shifted, reml=False)
        assert held.deviance - profile.fit.deviance == pytest.approx(rise, rel=0.05)


def test_pairs_of_the_profile_have_a_panel_each(profile, no_overlap):
    figure = plot_profile_pairs(profile)
    visible = [ax for ax in figure.axes if ax.get_visible()]
    assert len(visible) == 15
    for ax in visible:
        assert len(ax.lines) == 6
        assert np.isfinite(ax.lines[0].get_xdata()).any()
    no_overlap(figure)


def test_contours_stop_at_the_bound_of_a_variance(pulp):
    held = pulp.profile()
    line = contour(held, "sd_operator__Intercept", "sigma", 0.95)
    known = np.isfinite(line).all(axis=0)
    assert 0 < known.sum() < line.shape[1]
    assert (line[:, known] >= 0).all()


def test_names_of_lme4_work_too(sleep):
    held = sleep.profile([".sig01", ".sigma"], names="lme4")
    ax = Figure().subplots()
    assert plot_profile_pairs(held, ax=ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == (".sig01 (ms)", ".sigma (ms)")
    assert plot_profile(held, parm=".sigma", ax=Figure().subplots()).get_xlabel() == ".sigma (ms)"


@pytest.mark.parametrize(
    ("call", "mentioned"),
    [
        (lambda fit: pp.plot_compare({}), ("fits", "dict")),
        (lambda fit: pp.plot_compare([fit]), ("fits", "dict")),
        (lambda fit: pp.plot_compare({"a": fit, "b": 3}), ("fits['b']", "int")),
        (lambda fit: pp.plot_compare({"a": fit}, terms="Hours"), ("'Hours'", "Days")),
        (lambda fit: pp.plot_compare({"a": fit}, terms=[]), ("terms",)),
        (lambda fit: pp.plot_compare({"a": fit}, level=95), ("level", "95")),
        (lambda fit: pp.plot_compare({"a": fit}, ax=Figure().subplots()), ("terms='Intercept'",)),
        (lambda fit: fit.plot.profile(parm="Hours"), ("Hours",)),
        (lambda fit: fit.plot.profile(ax=Figure().subplots()), ("one parameter", "parm=")),
        (lambda fit: fit.plot.profile_pairs(parm="sigma"), ("two parameters",)),
    ],
)
def test_what_cannot_be_drawn_is_said(sleep, call, mentioned):
    with pytest.raises(ArgumentError) as caught:
        call(sleep)
    assert all(part in str(caught.value) for part in mentioned)


def test_the_normal_quantile_of_an_interval_is_where_the_line_ends(profile):
    ax = plot_profile(profile, parm="Days").axes[0]
    ends = [np.abs(s[:, 1]).max() for c in ax.collections for s in c.get_segments()]
    assert max(ends) == pytest.approx(norm.ppf(0.975))
