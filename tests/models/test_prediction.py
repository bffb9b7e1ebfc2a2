"""Predictions, simulations, refits and updates agree with the fit that they come from."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pytest
from partialpool.errors import ArgumentError, DataError, NewDataError
from scipy.stats import norm

FORMULAS = [
    "y ~ x + (1 | g)",
    "y ~ x * f + (x || g) + (1 | h)",
    "y ~ poly(x, 2) + log(w) + (x | g) + offset(z)",
    "y ~ ns(x, 3) + (f | h)",
    "y ~ scale(x) + bs(z, 4) + (1 | g/f)",
    "log(y + 10) ~ center(x):f + (1 | g:h)",
]


@pytest.fixture(params=FORMULAS)
def fit(request: pytest.FixtureRequest, table: pd.DataFrame) -> Any:
    return pp.lmer(request.param, table)


def test_fitted_values_are_predictions_of_the_rows(fit: Any, table: pd.DataFrame) -> None:
    np.testing.assert_allclose(fit.predict(), fit.fitted, rtol=1e-12)
    np.testing.assert_allclose(fit.predict(table), fit.fitted, rtol=1e-9)
    np.testing.assert_allclose(fit.predict(random="none"), fit.predict(table, random="none"))


def test_new_rows_are_coded_as_the_old_ones(fit: Any, table: pd.DataFrame) -> None:
    # One level of each factor only, in another order, and no response at all.
    some = table[table["f"] == "top"].iloc[::-1].drop(columns="y")
    np.testing.assert_allclose(fit.predict(some), fit.predict(table)[some.index], rtol=1e-9)
    np.testing.assert_allclose(
        fit.predict(some.iloc[[3]]), fit.predict(table)[[some.index[3]]], rtol=1e-9
    )


def test_random_terms_add_up(fit: Any, table: pd.DataFrame) -> None:
    base = fit.predict(table, random="none")
    terms = [term.text for term in fit.terms]
    parts = [fit.predict(table, random=text) - base for text in terms]
    np.testing.assert_allclose(base + sum(parts), fit.fitted, rtol=1e-9)
    np.testing.assert_allclose(fit.predict(table, random=" + ".join(terms)), fit.fitted)


def test_a_new_level_is_refused_or_predicted_for_the_population(table: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ x + (x | g) + (1 | h)", table)
    new = table.assign(g="newcomer")
    with pytest.raises(NewDataError, match=r"'g'.*'newcomer'"):
        fit.predict(new)
    expected = fit.predict(table, random="(1 | h)")
    np.testing.assert_allclose(fit.predict(new, new_levels="population"), expected)
    np.testing.assert_allclose(fit.predict(new, random="(1 | h)"), expected)
    only_fixed = fit.predict(table[["x"]], random="none")
    np.testing.assert_allclose(only_fixed, fit.fixef["Intercept"] + fit.fixef["x"] * table["x"])


def test_missing_predictors_are_predicted_as_missing(table: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ x + (1 | g)", table)
    new = table.copy()
    new.loc[5, "x"] = np.nan
    new.loc[7, "g"] = None
    predicted = fit.predict(new)
    assert np.flatnonzero(np.isnan(predicted)).tolist() == [5, 7]
    np.testing.assert_allclose(np.delete(predicted, [5, 7]), np.delete(fit.fitted, [5, 7]))
    assert np.flatnonzero(np.isnan(fit.predict(new, random="none"))).tolist() == [5]


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_confidence_interval_of_the_population_line(level: float, table: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ x + (x | g)", table)
    out = fit.predict(table, random="none", interval="confidence", level=level)
    x = np.column_stack([np.ones(48), table["x"]])
    half = norm.ppf(0.5 + level / 2) * np.sqrt(np.einsum("ni,ij,nj->n", x, fit.covariance, x))
    np.testing.assert_allclose(out["upper"] - out["fit"], half, rtol=1e-8)
    np.testing.assert_allclose(out["fit"] - out["lower"], half, rtol=1e-8)


def test_prediction_interval_adds_what_is_not_conditioned_on(table: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ x + (x | g)", table)
    z = float(norm.ppf(0.975))
    x = np.column_stack([np.ones(48), table["x"]])

    def variance(**arguments: Any) -> Any:
        out = fit.predict(table, **arguments)
        return ((out["upper"] - out["fit"]) / z) ** 2

    # Of the rows' own groups: the residual is added; of a group not named: its effects too.
    known = variance(interval="prediction") - variance(interval="confidence")
    np.testing.assert_allclose(known, fit.sigma**2, rtol=1e-7)
    random = fit.sigma**2 * np.einsum("ni,ij,nj->n", x, fit.terms[0].covariance, x)
    population = variance(interval="prediction", random="none")
    expected = variance(interval="confidence", random="none") + random + fit.sigma**2
    np.testing.assert_allclose(population, expected, rtol=1e-7)
    new = fit.predict(table.assign(g="new"), interval="prediction", new_levels="population")
    np.testing.assert_allclose(((new["upper"] - new["fit"]) / z) ** 2, expected, rtol=1e-7)


def test_confidence_interval_with_random_effects_is_that_of_the_blup(table: pd.DataFrame) -> None:
    """Var(ŷ - E y | b) = [X Z] C⁻¹ [X Z]ᵀ σ², Henderson's mixed-model equations."""
    fit = pp.lmer("y ~ x + (1 | g)", table)
    z = pd.get_dummies(table["g"]).to_numpy(dtype=float)
    xz = np.column_stack([np.ones(48), table["x"], z])
    c = xz.T @ xz
    c[2:, 2:] += np.eye(8) / fit.theta.iloc[0] ** 2
    expected = fit.sigma**2 * np.einsum("ni,ij,nj->n", xz, np.linalg.inv(c), xz)
    out = fit.predict(interval="confidence")
    half = norm.ppf(0.975) * np.sqrt(expected)
    np.testing.assert_allclose(out["upper"] - out["fit"], half, rtol=1e-7)


def crossed(n: int, seed: int) -> pd.DataFrame:
    """Three factors, most pairs of whose levels never meet."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({name: rng.integers(0, size, n) for name, size in SIZES.items()})
    data["x"] = rng.normal(size=n)
    effect = {name: rng.normal(size=size) for name, size in SIZES.items()}
    data["y"] = data["x"] + sum(effect[k][data[k]] for k in SIZES) + rng.normal(size=n)
    return data


SIZES = {"f": 40, "g": 30, "h": 12}


def test_intervals_of_levels_that_never_met_are_the_same_alone_and_together() -> None:
    data = crossed(150, 1)
    fit = pp.lmer("y ~ x + (x | f) + (1 | g) + (1 | h)", data)
    new = crossed(300, 2)
    new = new[new["f"].isin(data["f"]) & new["g"].isin(data["g"]) & new["h"].isin(data["h"])]
    met = {tuple(v) for v in data[["f", "g"]].to_numpy()}
    assert any(tuple(v) not in met for v in new[["f", "g"]].to_numpy())
    for interval in ("confidence", "prediction"):
        # Many rows: from the inverse on the pattern; a row alone: by a solve.
        together = fit.predict(new, interval=interval)
        alone = [fit.predict(new.iloc[[i]], interval=interval) for i in range(len(new))]
        np.testing.assert_allclose(together, pd.concat(alone), rtol=1e-10)


def test_predictions_are_those_of_r(
    reference: Callable[[str], Any], fit_of: Callable[[str], Any]
) -> None:
    expected, fit = reference("tests")["sleep_predict"], fit_of("sleep_slope")
    new = pd.DataFrame(expected["newdata"])  # with a Subject "new"
    conditional = fit.predict(new, new_levels="population")
    np.testing.assert_allclose(conditional, expected["conditional"], rtol=2e-4)
    population = fit.predict(new, random="none")
    np.testing.assert_allclose(population, expected["population"], rtol=1e-9)


def test_same_seed_same_simulations(fit: Any) -> None:
    a, b = fit.simulate(3, seed=11), fit.simulate(5, seed=11)
    assert list(b.columns) == [f"sim_{i}" for i in range(1, 6)]
    assert len(b) == fit.nobs
    pd.testing.assert_frame_equal(a, b.iloc[:, :3])
    assert not np.allclose(a["sim_1"], a["sim_2"])
    assert not np.allclose(a["sim_1"], fit.simulate(1, seed=12)["sim_1"])


def test_simulations_have_the_moments_of_the_model(table: pd.DataFrame) -> None:
    data = table.assign(y=table["y"] + 2 * table["h"])
    fit = pp.lmer("y ~ x + (x | g) + (1 | h)", data, weights="w", offset="z")
    n = 5_000
    draws = fit.simulate(n, seed=1).to_numpy()
    mean = fit.predict(random="none")
    x = np.column_stack([np.ones(48), data["x"]])
    g, h = (pd.get_dummies(data[c]).to_numpy(dtype=float) for c in ("g", "h"))
    blocks = {t.factor.name: fit.sigma**2 * t.covariance for t in fit.terms}
    v = (g @ g.T) * (x @ blocks["g"] @ x.T) + blocks["h"][0, 0] * h @ h.T
    v += np.diag(fit.sigma**2 / data["w"])
    sd = np.sqrt(np.diag(v))
    assert np.abs((draws.mean(axis=1) - mean) / sd).max() < 4.5 / np.sqrt(n)
    off = (np.cov(draws) - v) / np.sqrt(np.outer(np.diag(v), np.diag(v)) + v**2)
    assert np.abs(off).max() < 5 / np.sqrt(n)
    kept = fit.simulate(n, seed=1, new_random=False).to_numpy()
    error = (kept.mean(axis=1) - fit.fitted) * np.sqrt(data["w"]) / fit.sigma
    assert np.abs(error).max() < 4.5 / np.sqrt(n)


@pytest.mark.parametrize("n", [0, -1, 2.0, True, "3", None])
def test_number_of_simulations_is_a_positive_whole_number(n: Any, table: pd.DataFrame) -> None:
    with pytest.raises(ArgumentError, match="positive whole number"):
        pp.lmer("y ~ x + (1 | g)", table).simulate(n)


def test_refit_is_the_fit_of_the_new_response(table: pd.DataFrame) -> None:
    for arguments in ({}, {"weights": "w", "offset": "z"}, {"reml": False}):
        fit = pp.lmer("y ~ x + (x | g)", table, **arguments)
        y = fit.simulate(1, seed=4)["sim_1"].to_numpy()
        direct = pp.lmer("y ~ x + (x | g)", table.assign(y=y), **arguments)
        again = fit.refit(y)
        assert again.criterion == pytest.approx(direct.criterion, abs=1e-9)
        np.testing.assert_allclose(again.fitted, direct.fitted, rtol=1e-7)
        np.testing.assert_array_equal(fit.refit(table["y"]).beta, fit.beta)


def test_refit_takes_one_value_a_row_used_or_a_row_given(table: pd.DataFrame) -> None:
    holes = table.copy()
    holes.loc[[3, 30], "x"] = np.nan
    fit = pp.lmer("y ~ x + (1 | g)", holes)
    full, used = table["z"].to_numpy(), table["z"].drop([3, 30]).to_numpy()
    assert fit.refit(full).criterion == fit.refit(used).criterion
    for wrong in (used[1:], np.append(full, 1.0)):
        with pytest.raises(DataError, match=rf"{len(wrong)} values for 46 rows"):
            fit.refit(wrong)
    with pytest.raises(DataError, match="row 2"):
        fit.refit(np.where(np.arange(46) == 2, np.nan, used))
    with pytest.raises(DataError, match="numbers"):
        fit.refit(["a"] * 46)


@pytest.mark.parametrize(
    ("change", "formula"),
    [
        (". ~ . - x", "y ~ f + (1 | g)"),
        (". ~ . + z", "y ~ x + f + z + (1 | g)"),
        (". ~ . + (0 + x | g)", "y ~ x + f + (1 | g) + (0 + x | g)"),
        ("z ~ .", "z ~ x + f + (1 | g)"),
        ("log(w) ~ x + (1 | h)", "log(w) ~ x + (1 | h)"),
        (". ~ . - (1 | g) + (1 | h)", "y ~ x + f + (1 | h)"),
    ],
)
def test_update_changes_the_formula(change: str, formula: str, table: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ x + f + (1 | g)", table, reml=False, contrasts={"f": "sum"})
    # Contrasts of a factor that is taken out are taken out too.
    kept: dict[str, Any] = {} if "f" in formula.split("~")[1] else {"contrasts": None}
    expected = pp.lmer(formula, table, reml=False, **({"contrasts": {"f": "sum"}} | kept))
    updated = fit.update(change, **kept)
    assert updated.reml is False
    assert updated.criterion == pytest.approx(expected.criterion, abs=1e-9)
    assert sorted(updated.fixed_names) == sorted(expected.fixed_names)


def test_update_keeps_what_it_is_not_told_to_change(table: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ x + f + (1 | g)", table, weights="w", offset="z", contrasts={"f": "sum"})
    assert fit.update().criterion == fit.criterion
    ml = fit.update(reml=False)
    direct = pp.lmer(fit.formula, table, weights="w", offset="z", reml=False)
    assert ml.criterion == pytest.approx(direct.criterion, abs=1e-9)
    assert ml.criterion == pytest.approx(ml.deviance, abs=1e-12)
    assert ml.fixed_names == fit.fixed_names
    bare = fit.update(weights=None, offset=None, contrasts=None)
    plain = pp.lmer(fit.formula, table)
    assert bare.criterion == plain.criterion
    half = fit.update(data=table.iloc[:40], weights="w", offset="z")
    expected = pp.lmer(
        fit.formula, table.iloc[:40], weights="w", offset="z", contrasts={"f": "sum"}
    )
    assert half.criterion == expected.criterion
    with pytest.raises(ArgumentError, match="'nonsense'"):
        fit.update(nonsense=1)


def test_update_keeps_na_action(table: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ x + (1 | g)", table, na_action="error")
    table.loc[5, "x"] = np.nan
    with pytest.raises(DataError, match="'x'"):
        fit.update(data=table)


def test_tables_come_back_in_kind(table: pd.DataFrame) -> None:
    frame = pl.from_pandas(table)
    fit, same = pp.lmer("y ~ x + (x | g)", frame), pp.lmer("y ~ x + (x | g)", table)
    ranef = fit.ranef(condsd=True)["g"]
    assert isinstance(ranef, pl.DataFrame)
    assert ranef.columns[0] == "level"
    np.testing.assert_array_equal(ranef["x"], same.ranef()["g"]["x"])
    assert isinstance(fit.coef()["g"], pl.DataFrame)
    assert isinstance(fit.simulate(2, seed=1), pl.DataFrame)
    assert isinstance(fit.predict(frame, interval="confidence"), pl.DataFrame)
    np.testing.assert_array_equal(fit.predict(frame), same.predict(table))


def test_coef_is_fixed_plus_random(table: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ x + f + (x | g) + (0 + z | g) + (1 | h)", table)
    coef, ranef = fit.coef()["g"], fit.ranef()["g"]
    for name in ("Intercept", "x"):
        np.testing.assert_allclose(coef[name], fit.fixef[name] + ranef[name])
    np.testing.assert_allclose(coef["z"], ranef["z"])
    np.testing.assert_allclose(coef["f[T.mid]"], fit.fixef["f[T.mid]"])


def test_identities_of_residuals_and_leverages(fit: Any) -> None:
    design = fit.design
    offset = 0.0 if design.offset is None else design.offset
    np.testing.assert_allclose(fit.fitted + fit.residuals(), design.y + offset)
    np.testing.assert_allclose(fit.residuals("scaled") * fit.sigma, fit.residuals("pearson"))
    assert (fit.hatvalues > 0).all()
    assert (fit.hatvalues < 1).all()
    y = design.y.copy()
    y[7] += 1e-3
    # The hat matrix is that of fixed θ: refitting at the same θ is the linear smoother itself.
    from partialpool import _core
    from partialpool.crossproducts.build import cross_products
    from partialpool.models.prediction import own_rows

    rows = own_rows(fit)

    state = (fit._native.lambdas, fit._native.convergence, fit._native.hessian)
    native = _core.Fit.restore(cross_products(design, y), fit.reml, *state)
    effects = (native.beta, native.random_effects())
    moved = native.linear_predictor(
        rows.n, rows.x, rows.factors, effects, [True] * len(rows.factors)
    )
    slope = (moved[7] + np.broadcast_to(offset, (fit.nobs,))[7] - fit.fitted[7]) / 1e-3
    assert slope == pytest.approx(fit.hatvalues[7], rel=1e-6)
