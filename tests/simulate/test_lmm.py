"""`simulate_lmm`: the steps of y = Xβ + Zb + ε, their moments, and what is refused."""

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pyarrow as pa
import pytest
from partialpool.errors import PartialPoolError

# Tutorial 001: β = (6, 4), sd 3 and 2, ρ = .7, σ = 1, x = 1..10 in each group.
FORMULA = "y ~ x + (x | group)"
TRUTH = {"beta": [6, 4], "sd": {"group": [3, 2]}, "cor": {"group": 0.7}, "sigma": 1}
SIGMA = np.array([[9.0, 4.2], [4.2, 4.0]])


def tutorial(groups: int) -> pd.DataFrame:
    return pp.make_design({"group": groups}, within={"x": range(1, 11)})


def test_response_is_exactly_the_sum_of_its_steps():
    sim = pp.simulate_lmm(FORMULA, tutorial(3), **TRUTH, seed=1)
    assert list(sim.columns) == ["group", "x", "fixed", "random", "residual", "y"]
    assert (sim["fixed"] + sim["random"] + sim["residual"] == sim["y"]).all()
    assert sim["fixed"][:10].tolist() == [10, 14, 18, 22, 26, 30, 34, 38, 42, 46]


def test_matrices_reproduce_the_steps():
    sim = pp.simulate_lmm(FORMULA, tutorial(3), **TRUTH, seed=1, parts=True)
    z = sim.z.toarray()
    assert z.shape == (30, 6)
    # Block-diagonal, with intercept and slope interleaved.
    assert np.array_equal(z[:10, :2], np.column_stack([np.ones(10), np.arange(1, 11)]))
    assert not z[:10, 2:].any()
    np.testing.assert_allclose(z @ sim.b, sim.frame["random"], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(sim.x.to_numpy() @ sim.beta, sim.frame["fixed"], rtol=1e-14)
    np.testing.assert_array_equal(sim.effects["group"].to_numpy().ravel(), sim.b)
    assert sim.z_names[1] == ("group", "group1", "x")


def test_crossed_and_nested_matrices_reproduce_the_steps():
    frame = pp.make_design(
        {"school": 3, "school/class": 2, "item": 4},
        within={"time": [0.0, 1.0, 2.0]},
        between={"item": {"kind": ["b", "a"]}},
    )
    formula = "y ~ time * kind + (1 | school/class) + (0 + time | school) + (kind || item)"
    sd = {"school": [1, 0.5], "school/class": 2, "item": {"Intercept": 1, "kind[T.a]": 3}}
    sim = pp.simulate_lmm(formula, frame, [1, 2, 3, 4], sd, sigma=0.5, seed=5, parts=True)
    assert sim.z.shape == (72, 6 + 2 * 3 + 2 * 4)
    np.testing.assert_allclose(sim.z @ sim.b, sim.frame["random"], atol=1e-12)
    np.testing.assert_allclose(sim.x.to_numpy() @ sim.beta, sim.frame["fixed"], atol=1e-12)
    assert sim.frame["fixed"].iloc[0] == 1.0  # b is the reference: it was named first


def test_same_seed_same_numbers():
    a = pp.simulate_lmm(FORMULA, tutorial(4), **TRUTH, seed=8)
    b = pp.simulate_lmm(FORMULA, tutorial(4), **TRUTH, seed=8)
    c = pp.simulate_lmm(FORMULA, tutorial(4), **TRUTH, seed=9)
    pd.testing.assert_frame_equal(a, b)
    assert not np.allclose(a["y"], c["y"])


def test_covariance_of_the_effects_is_the_one_asked_for():
    groups = 20_000
    sim = pp.simulate_lmm(FORMULA, tutorial(groups), **TRUTH, seed=3, parts=True)
    b = sim.effects["group"].to_numpy()
    # var of a sample covariance: (Σii Σjj + Σij²)/m
    error = np.sqrt((np.outer(np.diag(SIGMA), np.diag(SIGMA)) + SIGMA**2) / groups)
    assert (np.abs(np.cov(b.T) - SIGMA) < 4 * error).all()
    assert (np.abs(b.mean(axis=0)) < 4 * np.sqrt(np.diag(SIGMA) / groups)).all()
    residual = sim.frame["residual"].to_numpy()
    assert abs(residual.var() - 1) < 4 * np.sqrt(2 / len(residual))


def test_moments_of_the_response():
    groups = 20_000
    y = pp.simulate_lmm(FORMULA, tutorial(groups), **TRUTH, seed=4)["y"].to_numpy()
    y = y.reshape(groups, 10)
    z = np.column_stack([np.ones(10), np.arange(1, 11)])
    v = z @ SIGMA @ z.T + np.eye(10)
    assert (np.abs(y.mean(axis=0) - z @ [6, 4]) < 4 * np.sqrt(np.diag(v) / groups)).all()
    error = np.sqrt((np.outer(np.diag(v), np.diag(v)) + v**2) / groups)
    assert (np.abs(np.cov(y.T) - v) < 5 * error).all()


def test_the_fit_recovers_the_tutorials_parameters():
    groups = 2000
    fit = pp.lmer(FORMULA, pp.simulate_lmm(FORMULA, tutorial(groups), **TRUTH, seed=6))
    error = np.sqrt(np.diag(fit.vcov))
    assert (np.abs(fit.beta - [6, 4]) < 4 * error).all()
    (term,) = fit.terms
    cov = fit.sigma**2 * term.covariance
    sd = np.sqrt(np.diag(cov))
    assert sd == pytest.approx([3, 2], rel=4 / np.sqrt(2 * groups) + 0.02)
    assert cov[0, 1] / np.prod(sd) == pytest.approx(0.7, abs=4 * 0.6 / np.sqrt(groups))
    assert fit.sigma == pytest.approx(1, abs=4 / np.sqrt(2 * 8 * groups))


def test_weights_and_offset():
    frame = tutorial(3000).assign(w=4.0, o=100.0)
    sim = pp.simulate_lmm(FORMULA, frame, **TRUTH, seed=2, weights="w", offset="o")
    assert sim["fixed"].iloc[0] == 110.0
    assert sim["residual"].std() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(2 * 30_000))


@pytest.mark.parametrize("kind", [pl.DataFrame, pa.table, dict])
def test_the_frame_is_of_the_kind_that_came_in(kind):
    columns = {"group": ["a", "b"] * 10, "x": np.arange(20.0), "note": ["z"] * 20}
    sim = pp.simulate_lmm(FORMULA, kind(columns), **TRUTH, seed=1)
    assert isinstance(sim, pd.DataFrame if kind is dict else type(kind(columns)))
    ours = pp.simulate_lmm(FORMULA, pd.DataFrame(columns), **TRUTH, seed=1)
    np.testing.assert_array_equal(np.asarray(sim["y"]), ours["y"])
    assert "note" in (sim.column_names if kind is pa.table else list(sim.columns))


def test_pandas_index_stays_and_the_input_is_not_changed():
    frame = tutorial(2).set_index(pd.Index(range(100, 120)))
    sim = pp.simulate_lmm(FORMULA, frame, **TRUTH, seed=1)
    assert sim.index.tolist() == list(range(100, 120))
    assert "y" not in frame


def test_response_in_the_frame_is_not_read():
    frame = tutorial(2).assign(y=np.nan)
    assert pp.simulate_lmm(FORMULA, frame, **TRUTH, seed=1)["y"].notna().all()


def test_parameters_by_name_and_as_matrix():
    by_name = pp.simulate_lmm(
        FORMULA,
        tutorial(3),
        beta={"x": 4, "(Intercept)": 6},
        sd={"group": {"x": 2, "Intercept": 3}},
        cor={"group": [[1, 0.7], [0.7, 1]]},
        seed=1,
    )
    pd.testing.assert_frame_equal(by_name, pp.simulate_lmm(FORMULA, tutorial(3), **TRUTH, seed=1))


def test_correlations_are_read_column_by_column():
    frame = tutorial(50_000).assign(z=lambda d: d["x"] ** 2)
    sim = pp.simulate_lmm(
        "y ~ 1 + (x + z | group)", frame, 0, [1, 1, 1], [0.5, -0.3, 0.2], seed=1, parts=True
    )
    r = np.corrcoef(sim.effects["group"].to_numpy().T)
    assert [r[1, 0], r[2, 0], r[2, 1]] == pytest.approx([0.5, -0.3, 0.2], abs=0.02)


def test_fit_simulate_draws_from_the_same_law():
    """A fit's simulations have the moments of `simulate_lmm` at its estimates."""
    fit = pp.lmer("Reaction ~ Days + (Days | Subject)", pp.load_dataset("sleepstudy"))
    draws = fit.simulate(3000, seed=1).to_numpy()
    z = np.column_stack([np.ones(10), np.arange(10)])
    v = fit.sigma**2 * (z @ fit.terms[0].covariance @ z.T + np.eye(10))
    mean = z @ fit.beta
    assert (np.abs(draws[:10].mean(axis=1) - mean) < 4.5 * np.sqrt(np.diag(v) / 3000)).all()
    error = np.sqrt((np.outer(np.diag(v), np.diag(v)) + v**2) / 3000)
    assert (np.abs(np.cov(draws[:10]) - v) < 5 * error).all()


BAD = [
    ({"beta": [6]}, "beta must be 2 numbers (Intercept, x), not 1"),
    ({"beta": {"Intercept": 6}}, "beta lacks 'x'"),
    ({"beta": {"Intercept": 6, "x": 1, "w": 2}}, "'w'"),
    ({"beta": ["a", 1]}, "beta must be numbers"),
    ({"beta": [6, np.nan]}, "beta must be finite"),
    ({"sd": {"group": [3]}}, "sd of 'group' must be 2 numbers"),
    ({"sd": {"group": [3, -2]}}, "x is -2"),
    ({"sd": {"grp": [3, 2]}}, "'grp'"),
    ({"sd": {}}, "no entry for 'group'"),
    ({"cor": {"group": [0.1, 0.2]}}, "cor of 'group' must be 1 number"),
    ({"cor": {"group": 1.2}}, "between -1 and 1"),
    ({"cor": {"group": 1.0}}, "not positive definite"),
    ({"cor": {"group": [[1, 0.2], [0.3, 1]]}}, "symmetric"),
    ({"cor": {"group": np.eye(3)}}, "2x2"),
    ({"cor": {"other": 0.3}}, "'other'"),
    ({"sigma": -1}, "sigma must not be negative"),
    ({"sigma": "wide"}, "sigma must be numbers"),
    ({"seed": -1}, "seed must be"),
    ({"formula": "log(y) ~ x + (x | group)"}, "log(y)"),
    ({"formula": "y ~ x + z + (x | group)"}, "no column 'z'"),
    ({"formula": "y ~ fixed + (x | group)", "beta": [1, 1]}, "'fixed'"),
    ({"formula": "y ~ x + (x || group)"}, "no correlations"),
]


@pytest.mark.parametrize(("changes", "culprit"), BAD, ids=[c for _, c in BAD])
def test_bad_input_is_named(changes, culprit):
    frame = tutorial(3).assign(fixed=1.0)
    arguments = {"formula": FORMULA, "frame": frame, **TRUTH, "seed": 1, **changes}
    with pytest.raises(PartialPoolError) as caught:
        pp.simulate_lmm(**arguments)
    assert culprit in str(caught.value)
    assert "\n" not in str(caught.value)


def test_three_correlations_that_contradict_each_other_are_refused():
    frame = tutorial(3).assign(z=1.0)
    with pytest.raises(PartialPoolError, match="not positive definite"):
        pp.simulate_lmm("y ~ 1 + (x + z | group)", frame, 0, [1, 1, 1], [0.9, 0.9, -0.9], seed=1)


def test_missing_values_are_counted():
    frame = tutorial(3).assign(x=[np.nan, np.nan, *range(28)])
    with pytest.raises(PartialPoolError, match="2 rows"):
        pp.simulate_lmm(FORMULA, frame, **TRUTH, seed=1)
