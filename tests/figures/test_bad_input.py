"""What a figure cannot draw is refused in one line that names the culprit."""

import numpy as np
import partialpool as pp
import pytest
from matplotlib.figure import Figure
from partialpool.errors import ArgumentError, PartialPoolError
from partialpool.figures.caterpillar import plot_caterpillar
from partialpool.figures.cells import plot_cells
from partialpool.figures.fits import plot_fits
from partialpool.figures.lines import plot_lines
from partialpool.figures.means import plot_means
from partialpool.figures.profile import plot_profile, plot_profile_pairs
from partialpool.figures.qq import plot_qq
from partialpool.figures.random_effects_pairs import plot_random_effects_pairs
from partialpool.figures.residuals import plot_residuals
from partialpool.figures.shrinkage import plot_shrinkage

FIGURES = (
    plot_caterpillar,
    plot_cells,
    plot_fits,
    plot_lines,
    plot_profile,
    plot_profile_pairs,
    plot_qq,
    plot_random_effects_pairs,
    plot_residuals,
    plot_shrinkage,
)
GROUPED = (
    "caterpillar",
    "cells",
    "fits",
    "lines",
    "random_effects_pairs",
    "residuals",
    "shrinkage",
)
ON_AXES = {
    "caterpillar": {"column": "Days"},
    "lines": {},
    "profile": {"parm": "sigma"},
    "profile_pairs": {"parm": ["sigma", "Days"]},
    "qq": {"of": "residuals"},
    "random_effects_pairs": {},
    "residuals": {"kind": "fitted"},
    "shrinkage": {},
}


def refused(match, draw, *given, **options):
    with pytest.raises(ArgumentError, match=match) as caught:
        draw(*given, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("draw", FIGURES)
def test_what_is_no_fit_of_lmer(draw):
    data = pp.load_dataset("sleepstudy")
    refused("a fit of lmer, not of LinearModel$", draw, pp.lm("Reaction ~ Days", data))
    refused("a fit of lmer, not of DataFrame$", draw, data)
    refused("a fit of lmer, not of str$", draw, "Reaction ~ Days + (Days | Subject)")


@pytest.mark.parametrize("name", ON_AXES)
def test_axes_must_be_one_axes(sleep, name):
    for ax, kind in ((Figure().subplots(1, 2), "ndarray"), (Figure(), "Figure"), ("ax", "str")):
        refused(f"Axes, not {kind}", getattr(sleep.plot, name), ax=ax, **ON_AXES[name])


@pytest.mark.parametrize("name", GROUPED)
def test_unknown_groups(sleep, name):
    refused("no grouping factor 'Group'", getattr(sleep.plot, name), group="Group")
    refused(
        r"group must be a name, not \['Subject'\]", getattr(sleep.plot, name), group=["Subject"]
    )


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("fits", {"x": "Hours"}, "Hours"),
        ("fits", {"x": 5}, "x must be a name, not 5"),
        ("fits", {"x": "Subject"}, "Subject"),
        ("lines", {"x": ["Days"]}, "x must be a name"),
        ("lines", {"pooling": 5}, "pooling must be a list of names, not 5"),
        ("lines", {"pooling": ["full"]}, "not 'full'"),
        ("fits", {"models": "x"}, "models must be a dict of fits by name"),
        ("fits", {"models": {"a": 1}}, "must be a fit of lmer, not int"),
        ("fits", {"max_groups": 0}, "max_groups must be a positive whole number"),
        ("cells", {"by": "Subject"}, "the fixed part has no factor 'Subject'; it has none"),
        ("caterpillar", {"column": "Hours"}, "no random effect 'Hours'; it has Intercept, Days"),
        ("caterpillar", {"level": 95}, "not 95"),
        ("shrinkage", {"columns": 3}, "columns must be a list of names, not 3"),
        ("random_effects_pairs", {"columns": ["Days"]}, "two different random effects"),
        ("qq", {"of": ["Subject"]}, "of must be a name"),
        ("qq", {"of": "Subject", "column": "x"}, "no random effect 'x'"),
        ("residuals", {"kind": ["fitted"]}, "kind must be one of"),
        ("profile", {"parm": []}, r"parm must name parameters of the fit, not \[\]"),
        ("profile", {"parm": 3.5}, "parm must name parameters"),
        ("profile", {"parm": "tau"}, "'tau', which is no parameter"),
        ("profile_pairs", {"parm": "sigma"}, "a pair needs two parameters"),
    ],
)
def test_unknown_names_and_numbers(sleep, name, options, match):
    with pytest.raises(PartialPoolError, match=match) as caught:
        getattr(sleep.plot, name)(**options)
    assert "\n" not in str(caught.value)


def test_what_the_model_does_not_have(pulp):
    refused("no grouping factor has two random effects", pulp.plot.random_effects_pairs)
    refused("'operator' has one", pulp.plot.random_effects_pairs, group="operator")
    refused("no numeric predictor to draw lines along", pulp.plot.fits)
    refused("the fixed part has no factor for the horizontal axis", pulp.plot.cells)


@pytest.mark.parametrize("given", [None, {}, "x", {"a": None}, {"a": np.ones(3)}])
def test_comparison_needs_fits_by_name(given):
    refused("fits", pp.plot_compare, given)


def test_comparison_of_unknown_terms(sleep):
    refused("no.* fixed effect 'Hours'", pp.plot_compare, {"a": sleep}, terms=["Hours"])
    refused("terms must be a list of names, not 5", pp.plot_compare, {"a": sleep}, terms=5)
    refused("Axes, not str", pp.plot_compare, {"a": sleep}, terms="Days", ax="x")


@pytest.mark.parametrize("seed", ["x", -1, 1.5])
def test_seed_of_the_jitter(seed):
    data = pp.load_dataset("pulp")
    refused("seed must be a whole number", pp.plot_data, "bright ~ 1 | operator", data, seed=seed)


def test_means(sleep):
    refused("emmeans or emtrends, not of LinearMixedModel", plot_means, sleep)
    refused("Axes, not int", pp.emmeans(sleep, "Days").plot, ax=3)
