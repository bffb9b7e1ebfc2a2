"""Figures of draws: what is drawn are the posterior's numbers, and what is left out is said."""

import numpy as np
import partialpool as pp
import pytest
from matplotlib.figure import Figure
from partialpool.bayes.prior_density import prior_density
from partialpool.errors import ArgumentError
from partialpool.figures.caterpillar import posterior_effects
from partialpool.figures.posterior.predictive import replicated
from scipy import integrate

SLOPE = "Reaction ~ Days + (Days | Subject)"
RUN = {"chains": 2, "warmup": 200, "draws": 300, "seed": 3, "progress": False}
EACH = ("densities", "traces", "ranks", "pairs", "caterpillar", "predictive")


@pytest.fixture(scope="module")
def post():
    return pp.sample(SLOPE, pp.load_dataset("sleepstudy"), **RUN)


@pytest.fixture(scope="module")
def wide():
    """Many variables, many levels, divergences, names that are hard to set."""
    rng = np.random.default_rng(4)
    n, groups = 2_400, 480
    g = rng.integers(0, groups, n)
    columns = {f"a_rather_long_name_${i}$": rng.normal(size=n) for i in range(9)}
    data = {"y": 0.1 * g / groups + rng.normal(size=n), "gruppe_äöü": g, **columns}
    fixed = " + ".join(f"`{name}`" for name in columns)
    formula = f"y ~ {fixed} + (`a_rather_long_name_$0$` + `a_rather_long_name_$1$` | gruppe_äöü)"
    out = pp.sample(formula, data, **{**RUN, "warmup": 40, "draws": 60})
    out.stats["diverging"] = out.stats["diverging"] | (rng.uniform(size=(2, 60)) < 0.2)
    return out


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("which", ["post", "wide"])
def test_no_text_overlaps_another(name, which, request, no_overlap):
    no_overlap(getattr(request.getfixturevalue(which).plot, name)())


@pytest.mark.parametrize("name", EACH)
def test_each_draws_on_axes_given_and_returns_them(post, name):
    ax = Figure().subplots()
    options = {"pairs": {"variables": ["Days", "sigma"]}, "caterpillar": {"column": "Days"}}
    chosen = options.get(name, {"variables": "sigma"} if name != "predictive" else {})
    assert getattr(post.plot, name)(ax=ax, **chosen) is ax
    assert ax.has_data()
    assert ax.get_xlabel()


def test_densities_enclose_one_and_bars_are_quantiles(post):
    ax = post.plot.densities(variables="Days", level=0.8, ax=Figure().subplots())
    grid, height = ax.lines[0].get_data()
    assert integrate.trapezoid(height, grid) == pytest.approx(1, abs=0.02)
    ends = ax.collections[1].get_segments()[0][:, 0]
    np.testing.assert_allclose(ends, np.quantile(post.draws("Days"), [0.1, 0.9]))
    assert ax.lines[1].get_xdata()[0] == np.median(post.draws("Days"))


PRIORS = [pp.normal(1, 2), pp.student_t(4, -1, 2), pp.cauchy(0.5, 1), pp.uniform(-1, 3)]


@pytest.mark.parametrize("prior", [*PRIORS, pp.exponential(2), pp.uniform(1, 3)], ids=str)
def test_priors_of_deviations_are_drawn_as_densities_above_zero(prior):
    data = pp.load_dataset("sleepstudy")
    run = {**RUN, "warmup": 20, "draws": 20, "chains": 1}
    post = pp.sample(SLOPE, data, priors={"sd": prior}, **run)

    def at(x):
        return float(prior_density(post, "sd_Subject__Days", np.array([x]))[0])

    total = sum(integrate.quad(at, a, b)[0] for a, b in ((0, 1), (1, 3), (3, np.inf)))
    assert total == pytest.approx(1, abs=1e-6)
    assert at(-0.5) == 0


@pytest.mark.parametrize(("size", "eta"), [(2, 1.0), (2, 3.0), (3, 2.0)])
def test_priors_of_correlations_are_their_marginals(size, eta):
    # Beta(η + k/2 - 1) on (-1, 1); Lewandowski, Kurowicka & Joe (2009)
    from scipy.stats import beta

    rng = np.random.default_rng(1)
    data = {n: rng.normal(size=80) for n in ("y", "x", "z")} | {"g": np.arange(80) % 8}
    formula = "y ~ 1 + (x | g)" if size == 2 else "y ~ 1 + (x + z | g)"
    run = {**RUN, "warmup": 20, "draws": 20, "chains": 1}
    post = pp.sample(formula, data, priors={"cor": pp.lkj(eta)}, **run)
    shape = eta + size / 2 - 1
    points = np.linspace(-0.9, 0.9, 7)
    expected = beta.pdf((points + 1) / 2, shape, shape) / 2
    found = prior_density(post, "cor_g__Intercept__x", points)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_flat_prior_is_not_drawn():
    data = pp.load_dataset("sleepstudy")
    post = pp.sample(SLOPE, data, priors={"Days": pp.flat()}, **{**RUN, "draws": 30})
    ax = post.plot.densities(variables="Days", ax=Figure().subplots())
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["posterior"]


def test_traces_are_the_chains_and_mark_divergences(post, wide, written):
    ax = post.plot.traces(variables="sigma", ax=Figure().subplots())
    for line, chain in zip(ax.lines, post.draws("sigma"), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), chain)
    ax = wide.plot.traces(variables="sigma", ax=Figure().subplots())
    where = np.unique(np.nonzero(wide.stats["diverging"])[1]) + 1
    np.testing.assert_array_equal(ax.lines[-1].get_xdata(), where)
    diverged = int(wide.stats["diverging"].sum())
    assert f"{diverged} divergences" in written(wide.plot.traces())
    assert "no divergences" in written(post.plot.traces())


def test_ranks_count_every_draw_once(post):
    ax = post.plot.ranks(variables="Days", ax=Figure().subplots())
    counts = np.array([patch.get_data().values for patch in ax.patches])
    np.testing.assert_allclose(counts.sum(axis=1), 300)
    np.testing.assert_allclose(counts.sum(axis=0), 600 / counts.shape[1])


def test_pairs_mark_the_divergent_draws(wide, written):
    ax = wide.plot.pairs(variables=["Intercept", "sigma"], ax=Figure().subplots())
    where = wide.stats["diverging"].ravel()
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), wide.draws("Intercept").ravel()[where])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), wide.draws("sigma").ravel()[where])
    total = len(wide.variables)
    assert f"6 of {total} variables" in written(wide.plot.pairs())


def test_intervals_of_the_caterpillar_are_quantiles_of_the_effects(post):
    shown = posterior_effects(post, 0, "Days", 0.8, 400)
    levels = post.fit.design.factors[0].levels
    effects = post.random_draws[0][:, :, levels.index(shown.levels[3]), 1]
    expected = np.quantile(effects, [0.1, 0.5, 0.9])
    found = [shown.low[3, 0], shown.estimate[3, 0], shown.high[3, 0]]
    np.testing.assert_allclose(found, expected)
    assert (np.diff(shown.estimate[:, 0]) >= 0).all()


def test_many_levels_are_thinned_and_the_figure_says_so(wide, written):
    text = written(wide.plot.caterpillar(max_levels=300))
    assert f"300 of {len(wide.fit.design.factors[0].levels)} levels" in text
    assert "not named" in text


def test_replicates_have_the_models_mean_and_spread():
    data = pp.load_dataset("sleepstudy").assign(w=lambda d: 1.0 + 8 * (d["Days"] > 4))
    post = pp.sample(SLOPE, data, weights="w", **RUN)
    y, values = replicated(post, 200, 10**6, None)
    np.testing.assert_array_equal(y, data["Reaction"])
    means = post.predict(draws=200)
    error = (values - means) * np.sqrt(data["w"].to_numpy())
    ratio = (
        error.std(axis=1)
        / post.draws("sigma").ravel()[np.linspace(0, 599, 200).round().astype(int)]
    )
    assert ratio.mean() == pytest.approx(1, abs=0.02)
    again = replicated(post, 200, 10**6, None)[1]
    np.testing.assert_array_equal(values, again)


def test_rows_of_the_predictive_figure_are_thinned_and_it_says_so(post, written):
    assert "60 of 180 rows" in written(post.plot.predictive(max_rows=60, draws=5))
    y, values = replicated(post, 5, 60, 1)
    assert values.shape == (5, 60)
    rows = np.linspace(0, 179, 60).round().astype(int)
    np.testing.assert_array_equal(y, pp.load_dataset("sleepstudy")["Reaction"].to_numpy()[rows])


def test_draws_of_the_prior_are_called_so(written):
    data = pp.load_dataset("sleepstudy")
    prior = pp.sample(SLOPE, data, prior_only=True, **RUN)
    assert "5 prior predictive draws" in written(prior.plot.predictive(draws=5))
    assert "prior densities" in written(prior.plot.densities())


def test_likelihood_fits_and_posteriors_stand_in_one_forest(post):
    fit = pp.lmer(SLOPE, pp.load_dataset("sleepstudy"))
    ax = pp.plot_compare({"REML": fit, "posterior": post}, terms="Days", level=0.8).axes[0]
    ends = [c.get_segments()[0][:, 0] for c in ax.collections]
    np.testing.assert_allclose(ends[1], np.quantile(post.draws("Days"), [0.1, 0.9]))
    assert [line.get_xdata()[0] for line in ax.lines[:2]] == pytest.approx(
        [fit.fixef["Days"], post.draws("Days").mean()]
    )


@pytest.mark.parametrize(
    ("name", "options", "mentioned"),
    [
        ("densities", {"variables": "Hours"}, ("'Hours'", "Days")),
        ("densities", {"variables": []}, ("variables is empty",)),
        ("traces", {"variables": ["Days", "Days"]}, ("twice",)),
        ("traces", {"ax": Figure().subplots()}, ("variables='Intercept'",)),
        ("pairs", {"variables": "Days"}, ("list",)),
        ("pairs", {"variables": ["Days"]}, ("two",)),
        ("caterpillar", {"group": "clinic"}, ("'clinic'", "Subject")),
        ("predictive", {"draws": 0}, ("draws", "0")),
    ],
)
def test_what_cannot_be_drawn_is_said(post, name, options, mentioned):
    with pytest.raises(ArgumentError) as caught:
        getattr(post.plot, name)(**options)
    assert all(part in str(caught.value) for part in mentioned)
