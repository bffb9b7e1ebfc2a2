"""Fixed parts of many columns go other ways than small ones: the numbers are the same.

Each is compared with dense algebra on the rows: V = I + ZΛΛᵀZᵀ, over the weights.
"""

from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest

LEVELS = 66


def table(groups: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = 220
    g = rng.integers(0, groups, n)
    own = np.r_[np.arange(LEVELS), rng.integers(0, LEVELS, n - LEVELS)]
    return pd.DataFrame(
        {
            "y": rng.normal(size=n) + rng.normal(size=groups)[g] + 5e3,
            "f": [f"l{i:02d}" for i in own],
            "x": rng.normal(size=n),
            "g": g,
            "w": rng.uniform(0.5, 2.0, n),
        }
    )


def dense(fit: Any, lam: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """REML criterion, β and its covariance over σ², at a Λ."""
    design = fit.design
    n = design.n
    x = np.column_stack([np.broadcast_to(design.x[j], n) for j in fit._products.kept])
    factor = design.factors[0]
    k = len(factor.columns)
    z = np.zeros((n, len(factor.levels) * k))
    for j, column in enumerate(factor.columns):
        z[np.arange(n), factor.codes * k + j] = column
    zl = z @ np.kron(np.eye(len(factor.levels)), lam)
    w = np.ones(n) if design.weights is None else design.weights
    v = np.diag(1 / w) + zl @ zl.T
    inverse = np.linalg.inv(v)
    information = x.T @ inverse @ x
    beta = np.linalg.solve(information, x.T @ inverse @ design.y)
    rest = design.y - x @ beta
    nu = n - x.shape[1]
    r2 = rest @ inverse @ rest
    dets = np.linalg.slogdet(v)[1] + np.linalg.slogdet(information)[1]
    return dets + nu * (1 + np.log(2 * np.pi * r2 / nu)), beta, np.linalg.inv(information)


CASES = [
    # few random effects: by way of their matrix; many: by the columns'; slopes; weights
    ("y ~ f + x + (1 | g)", 8, None),
    ("y ~ f + x + (1 | g)", 150, None),
    ("y ~ f + (x | g)", 12, "w"),
    ("y ~ f + (x | g)", 60, "w"),
    ("y ~ 0 + f + (1 | g)", 8, None),
]


@pytest.mark.parametrize(("formula", "groups", "weights"), CASES)
def test_many_columns_agree_with_dense_algebra(
    formula: str, groups: int, weights: str | None
) -> None:
    fit = pp.lmer(formula, table(groups, 3), weights=weights)
    k = len(fit.design.factors[0].columns)
    lam = np.reshape(fit._native.lambdas[0], (k, k))
    criterion, beta, unscaled = dense(fit, lam)
    assert fit.criterion == pytest.approx(criterion, rel=1e-10)
    np.testing.assert_allclose(fit.beta, beta, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(fit.covariance, fit.sigma**2 * unscaled, rtol=1e-7, atol=1e-10)
    # the exact gradient, away from the optimum
    off = lam + 0.3 * np.tril(np.ones((k, k)))
    _, (gradient,) = fit._products.evaluate(True, [off.ravel().tolist()])
    for i, j in zip(*np.tril_indices(k), strict=True):
        step = np.zeros((k, k))
        step[i, j] = 1e-4
        slope = (dense(fit, off + step)[0] - dense(fit, off - step)[0]) / 2e-4
        assert np.reshape(gradient, (k, k))[i, j] == pytest.approx(slope, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(("formula", "groups", "weights"), CASES[:2])
def test_satterthwaite_of_many_columns_agrees_with_differences(
    formula: str, groups: int, weights: str | None
) -> None:
    fit = pp.lmer(formula, table(groups, 3), weights=weights)
    theta = np.array(fit._native.lambdas[0]).reshape(1, 1)
    step = 1e-4
    up, down = (dense(fit, theta + s)[2] for s in (step, -step))
    slope = fit.sigma**2 * (up - down) / (2 * step)
    found = fit.satterthwaite.units.raw(fit.satterthwaite.jacobian[0])
    # the working parameter is θ in other units
    ratio = found[1, 1] / slope[1, 1]
    np.testing.assert_allclose(found, ratio * slope, rtol=1e-5, atol=1e-8)
    p = len(fit.beta)
    one_by_one = [fit.satterthwaite.df(row) for row in np.eye(p)[:5]]
    np.testing.assert_allclose(fit.satterthwaite.dfs()[:5], one_by_one, rtol=1e-10)
    whole = np.vstack([np.eye(p)[:3], np.ones(p)])
    alone = [fit.satterthwaite.df(row) for row in whole]
    np.testing.assert_allclose(fit.satterthwaite.dfs(whole), alone, rtol=1e-10)


@pytest.mark.parametrize("units", [(1e150, 1e20, 1.0), (1e-140, 1.0, 1e250)])
def test_units_of_many_sparse_columns_do_not_matter(units: tuple[float, float, float]) -> None:
    x, y, w = units
    base = table(6, 5)
    data = base.assign(x=base["x"] * x, y=base["y"] * y, w=base["w"] * w)
    one, other = (pp.lmer("y ~ f:x + (1 | g)", t, weights="w") for t in (base, data))
    np.testing.assert_allclose(other.beta * x / y, [*(one.beta[:1] * x), *one.beta[1:]], rtol=1e-7)
    ours, theirs = (f.summary().coefficients for f in (other, one))
    for column in ("statistic", "df", "p_value"):
        np.testing.assert_allclose(ours[column], theirs[column], rtol=1e-6)


def test_aliased_columns_among_many_are_dropped() -> None:
    data = table(8, 4)
    data["part"] = data["f"].str[1]
    fit = pp.lmer("y ~ f + part + (1 | g)", data)
    assert len(fit.aliased) == data["part"].nunique() - 1
    assert fit.criterion == pytest.approx(pp.lmer("y ~ f + (1 | g)", data).criterion, rel=1e-11)
    plain = pp.lm("y ~ f + part", data)
    assert len(plain.aliased) == len(fit.aliased)
    assert plain.rss == pytest.approx(pp.lm("y ~ f", data).rss, rel=1e-10)


def test_kenward_roger_of_many_columns_keeps_its_numbers() -> None:
    data = table(8, 5)
    many = pp.lmer("y ~ f + x + (1 | g)", data)
    row = np.zeros(len(many.beta))
    row[-1] = 1.0
    # The same column space in another basis: tests of x do not change.
    other = pp.lmer("y ~ f + x + (1 | g)", data, contrasts={"f": "sum"})
    assert many.kenward_roger.df(row) == pytest.approx(other.kenward_roger.df(row), rel=1e-7)
    assert many.satterthwaite.df(row) == pytest.approx(other.satterthwaite.df(row), rel=1e-7)


@pytest.mark.parametrize("weights", [None, "w"])
def test_least_squares_of_many_columns_agree_with_numpy(weights: str | None) -> None:
    rng = np.random.default_rng(3)
    n, levels = 2_000, 230
    d = pd.DataFrame(
        {
            "f": [
                f"l{i:03d}" for i in np.r_[np.arange(levels), rng.integers(0, levels, n - levels)]
            ],
            "x": rng.normal(size=n),
            "w": rng.uniform(0.5, 2.0, n),
            "y": rng.normal(size=n) + 5e3,
        }
    )
    fit = pp.lm("y ~ f + x", d, weights=weights)
    x = np.column_stack([np.broadcast_to(c, n) for c in fit.design.x])
    root = np.sqrt(d["w"].to_numpy()) if weights else np.ones(n)
    want, (rss,), rank, _ = np.linalg.lstsq(x * root[:, None], d["y"].to_numpy() * root)
    assert rank == x.shape[1] == len(fit.beta)
    np.testing.assert_allclose(fit.beta, want, rtol=0, atol=1e-9)
    assert fit.rss == pytest.approx(float(rss), rel=1e-12)
    inverse = np.linalg.inv((x * root[:, None] ** 2).T @ x)
    np.testing.assert_allclose(np.diag(fit.unscaled), np.diag(inverse), rtol=1e-10)
    # A column that others give is left out as R does.
    again = pp.lm("y ~ f + x + z", d.assign(z=2.0 * d["x"] - 1.0), weights=weights)
    assert again.aliased == ("z",)
    assert again.rss == pytest.approx(fit.rss, rel=1e-12)
