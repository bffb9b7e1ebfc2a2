"""Criterion, gradient, Hessian and Satterthwaite's method against 50-digit arithmetic."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from high_precision import STEP, Deviance, gradient, hessian, moved
from mpmath import mp, mpf
from partialpool import _core
from partialpool.design.covariance import parts
from scipy.stats import t as student

Get = Callable[[str], Any]
Compare = Callable[..., list[str]]

FORMULAS = [
    "y ~ x + (1 | g)",
    "y ~ x + (x | g)",
    "y ~ f + (x + z || g)",
    "y ~ x * z + (x | g) + (1 | h)",
    "y ~ f + (0 + f | h)",
    "y ~ 1 + (0 + x | g) + (z | h) + (1 | g)",
]


def as_matrices(lambdas: Sequence[Sequence[float]]) -> list[list[list[Any]]]:
    """Flat Λ of each factor as k x k matrices of exact numbers."""
    out = []
    for flat in lambdas:
        k = round(len(flat) ** 0.5)
        out.append([[mpf(v) for v in flat[i * k : (i + 1) * k]] for i in range(k)])
    return out


def free_entries(fit: pp.LinearMixedModel) -> list[tuple[int, int, int]]:
    """Factor, row and column of each free entry of Λ, block by block, column by column."""
    out = []
    for f, factor in enumerate(fit.design.factors):
        start = 0
        for size in map(len, parts(factor.blocks)):
            block = range(start, start + size)
            out += [(f, i, j) for j in block for i in block if i >= j]
            start += size
    return out


def replaced(
    lambdas: list[list[list[Any]]], entries: Sequence[tuple[int, int, int]], values: Sequence[Any]
) -> list[list[list[Any]]]:
    """The matrices with some entries set."""
    out = [[row[:] for row in lam] for lam in lambdas]
    for (f, i, j), value in zip(entries, values, strict=True):
        out[f][i][j] = value
    return out


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_gradient_is_the_finite_difference_of_the_criterion(
    formula: str, weighted: bool, reml: bool, table: pd.DataFrame, compare: Compare
) -> None:
    fit = pp.lmer(formula, table, reml=reml, weights="w" if weighted else None)
    exact = Deviance(fit)
    rng = np.random.default_rng(3)
    lambdas = [np.zeros((len(f.names), len(f.names))) for f in fit.design.factors]
    entries = free_entries(fit)
    for f, i, j in entries:
        lambdas[f][i, j] = rng.normal() + (i == j)
    flat = [lam.ravel().tolist() for lam in lambdas]
    criterion, ours = fit._products.evaluate(reml, flat)
    matrices = as_matrices(flat)
    theirs = gradient(
        lambda values: exact.at(replaced(matrices, entries, values)),
        [matrices[f][i][j] for f, i, j in entries],
    )
    size = [len(lam) for lam in lambdas]
    wrong = compare("criterion", criterion, float(exact.at(matrices)), 1e-13)
    for (f, i, j), theirs_one in zip(entries, theirs, strict=True):
        wrong += compare(f"d/dΛ{f}[{i}, {j}]", ours[f][i * size[f] + j], float(theirs_one), 1e-9)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("formula", FORMULAS[:3])
@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
def test_hessian_is_that_of_the_criterion(formula: str, reml: bool, table: pd.DataFrame) -> None:
    fit = pp.lmer(formula, table, reml=reml)
    exact = Deviance(fit)
    basis = working_basis(fit)
    square = np.linalg.solve(basis, np.reshape(fit._native.lambdas[0], basis.shape))
    working = np.linalg.qr(square.T, mode="r").T
    working = working * np.where(np.diag(working) < 0, -1.0, 1.0)
    matrices = as_matrices([working.ravel().tolist()])
    entries = free_entries(fit)

    def criterion(values: list[Any]) -> Any:
        lower = mp.matrix(replaced(matrices, entries, values)[0])
        return exact.at([(mp.matrix(basis.tolist()) * lower).tolist()])

    theirs = hessian(criterion, [matrices[f][i][j] for f, i, j in entries])
    size = len(entries)
    ours = np.reshape(fit._native.hessian, (size, size))
    expected = np.array(theirs, dtype=float)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())
    lowest = np.linalg.eigvalsh(expected)[0]
    assert fit.convergence.min_eigenvalue == pytest.approx(lowest, rel=1e-5, abs=1e-6)


def working_basis(fit: pp.LinearMixedModel) -> np.ndarray:
    """T upper-triangular with the columns of the only factor times T orthonormal up to √n."""
    (factor,) = fit.design.factors
    n = fit.nobs
    columns = np.column_stack(
        [np.broadcast_to(np.asarray(c, dtype=float), (n,)) for c in factor.columns]
    )
    if len(parts(factor.blocks)) == 1:
        r = np.linalg.qr(columns, mode="r") / np.sqrt(n)
        return np.linalg.inv(r * np.sign(np.diag(r))[:, None])
    return np.diag(1 / np.sqrt(np.square(columns).mean(axis=0)))


def high_precision_df(fit: pp.LinearMixedModel) -> list[float]:
    """Satterthwaite's df of each coefficient, as lmerTest defines them, at the fit's θ."""
    exact = Deviance(fit)
    matrices = as_matrices(fit._native.lambdas)
    entries = free_entries(fit)
    start = [matrices[f][i][j] for f, i, j in entries]
    start.append(exact.sigma(matrices))

    def deviance(values: list[Any]) -> Any:
        return exact.at(replaced(matrices, entries, values[:-1]), values[-1])

    def variances(values: list[Any]) -> list[Any]:
        vcov = exact.vcov(replaced(matrices, entries, values[:-1]), values[-1])
        return [vcov[c][c] for c in range(exact.p)]

    slopes = [
        [(up - down) / (2 * STEP) for up, down in zip(*ends, strict=True)]
        for ends in (
            (variances(moved(start, {r: STEP})), variances(moved(start, {r: -STEP})))
            for r in range(len(start))
        )
    ]
    at_start = variances(start)
    values, vectors = mp.eigsy(mp.matrix(hessian(deviance, start)))
    out = []
    for c in range(exact.p):
        spread = mpf(0)
        for k, value in enumerate(values):
            if value > mpf(10) ** -8:  # lmerTest's tolerance
                along = sum(vectors[i, k] * slopes[i][c] for i in range(len(start)))
                spread += 2 * along**2 / value
        out.append(float(2 * at_start[c] ** 2 / spread))
    return out


@pytest.mark.parametrize("formula", FORMULAS[:4])
def test_satterthwaite_df_are_those_of_high_precision(formula: str, table: pd.DataFrame) -> None:
    fit = pp.lmer(formula, table)
    np.testing.assert_allclose(fit.summary().coefficients["df"], high_precision_df(fit), rtol=1e-5)


@pytest.mark.parametrize(
    "name", ["sleep_slope_ml", "penicillin_crossed", "dragons", "dragons_singular"]
)
def test_where_lmertest_is_off_df_and_p_are_those_of_high_precision(
    name: str, reference: Get, fit_of: Get, fit_at_r: Get
) -> None:
    fit = fit_of(name)
    ours = fit.summary().coefficients
    df = np.array(high_precision_df(fit))
    p = 2 * student.sf(np.abs(ours["statistic"]), df)
    # A central difference of the exact gradient, taken at the optimum, gives 1e-6 here.
    np.testing.assert_allclose(ours["df"], df, rtol=3e-6)
    np.testing.assert_allclose(ours["p_value"], p, rtol=1e-4)
    # lmerTest's own are those of its θ, up to its numeric derivatives.
    theirs = [row["df"] for row in reference(name)["coef_satterthwaite"]]
    np.testing.assert_allclose(theirs, high_precision_df(fit_at_r(name)), rtol=1e-3)


def test_satterthwaite_derivatives_of_a_large_singular_fit_are_taken_at_the_fit() -> None:
    """More random effects than the exact Hessian is made for: it is found by differences."""
    rng = np.random.default_rng(1)
    n = 6000
    columns = {"g": np.arange(n) % 1500, "s": rng.integers(0, 40, n), "h": rng.integers(0, 200, n)}
    data = pd.DataFrame({**columns, "x": rng.normal(size=n)})
    data["y"] = data["x"] + rng.normal(size=200)[data["h"]] * 0.5 + rng.normal(size=n)
    data["y"] -= data.groupby("s")["y"].transform("mean")
    fit = pp.lmer("y ~ x + (1 | g) + (1 | h) + (1 | s)", data)
    assert fit.is_singular
    native, products = fit._native, fit._products
    _, jacobian = native.satterthwaite()
    for f, lam in enumerate(native.lambdas):
        if lam[0] == 0.0:  # a derivative of zero
            continue

        def covariance(share: float, f: int = f) -> Any:
            lambdas = [list(own) for own in native.lambdas]
            lambdas[f][0] *= 1 + share
            args = native.convergence, native.hessian
            return _core.Fit.restore(products, True, lambdas, *args).unscaled_covariance

        h = 1e-3
        near, far = covariance(h) - covariance(-h), covariance(2 * h) - covariance(-2 * h)
        slope = (8 * near - far) / (12 * h * lam[0])
        # In units of the raw columns, which are powers of two.
        unit = 2.0 ** np.round(np.log2(jacobian[f][0] / slope[0]))
        np.testing.assert_allclose(
            jacobian[f], unit * slope, rtol=1e-7, atol=1e-9 * abs(slope).max()
        )
