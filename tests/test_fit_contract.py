"""What every fit answers (`models/fit.py`), and that nothing else is asked of one."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool.errors import ArgumentError, DataError
from partialpool.models.baseline import LinearModel
from partialpool.models.fit import Fit, MixedFit

PYTHON = Path(__file__).parents[1] / "python" / "partialpool"
#: What is a fit's own, and the models' room's.
PRIVATE = {"_native", "_products", "_effects", "_rows", "_row_arguments", "_stored", "_lambdas"}
KINDS = {"LinearModel", "LinearMixedModel"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """The files outside models/."""
    for path in sorted(PYTHON.rglob("*.py")):
        name = path.relative_to(PYTHON).as_posix()
        if not name.startswith("models/"):
            yield name, ast.parse(path.read_text())


def test_nothing_private_of_a_fit_crosses_a_room() -> None:
    found = [
        f"{name}:{node.lineno}: {ast.unparse(node)}"
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in PRIVATE
    ]
    assert not found, "\n".join(found)


def test_what_a_model_is_asked_by_the_contract_not_by_its_class() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance"
        if KINDS & {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
    ]
    assert not found, "\n".join(found)


def abstract(cls: type) -> set[str]:
    return set(getattr(cls, "__abstractmethods__", ()))


def test_the_contract_is_abstract_and_the_models_are_not() -> None:
    assert {"beta", "sigma", "loglik", "linear_predictor", "refit", "simulate"} <= abstract(Fit)
    assert {"random_effects", "relative_factors", "conditional_sds"} <= abstract(MixedFit)
    assert not abstract(LinearModel)
    assert not abstract(pp.LinearMixedModel)
    for cls in (Fit, MixedFit):
        with pytest.raises(TypeError, match="abstract"):
            cls()  # pyright: ignore


def test_every_answer_says_what_it_is() -> None:
    for cls in (Fit, MixedFit):
        for name, value in vars(cls).items():
            if not name.startswith("_") and (inspect.isfunction(value) or hasattr(value, "fget")):
                assert inspect.getdoc(value), f"{cls.__name__}.{name}"


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Rows with a missing value, weights, an offset and a column that others determine."""
    rng = np.random.default_rng(5)
    n = 60
    x, group = rng.normal(size=n), np.arange(n) % 6
    y = 2 + x + rng.normal(size=6)[group] + rng.normal(size=n)
    out = pd.DataFrame({"y": y, "x": x, "twice": 2 * x, "g": group.astype(str), "o": x**2})
    out["w"] = rng.uniform(0.5, 2, n)
    out.loc[7, "x"] = np.nan
    return out


FORMULAS = {
    "lm": "y ~ x + twice",
    "lmer": "y ~ x + twice + (x | g)",
    "lmer, ML": "y ~ x + twice + (1 | g)",
}


@pytest.fixture(params=FORMULAS)
def fit(request: pytest.FixtureRequest, data: pd.DataFrame) -> Fit:
    given = {"weights": "w", "offset": "o"}
    formula = FORMULAS[request.param]
    if request.param == "lm":
        return pp.lm(formula, data, **given)  # pyright: ignore
    return pp.lmer(formula, data, reml=request.param == "lmer", **given)  # pyright: ignore


def test_the_same_words_answer_the_same_questions(fit: Fit, data: pd.DataFrame) -> None:
    rows = data.dropna()
    assert isinstance(fit, Fit)
    assert fit.family == "gaussian"
    assert fit.nobs == len(rows) == fit.design.n
    assert fit.fixed_names == ("Intercept", "x")
    assert fit.aliased == ("twice",)
    assert fit.kept == (0, 1)
    np.testing.assert_array_equal(fit.fixef, fit.beta)
    np.testing.assert_array_equal(fit.vcov, fit.covariance)
    np.testing.assert_allclose(fit.covariance, fit.sigma**2 * fit.unscaled_covariance)
    np.testing.assert_array_equal(fit.fixed_columns[1], rows["x"])
    assert fit.aic == pytest.approx(2 * fit.npar - 2 * fit.loglik)
    assert fit.bic == pytest.approx(np.log(fit.nobs) * fit.npar - 2 * fit.loglik)


def test_rows_are_answered_alike(fit: Fit, data: pd.DataFrame) -> None:
    rows = data.dropna()
    fixed = np.column_stack([np.broadcast_to(c, fit.nobs) for c in fit.fixed_columns]) @ fit.beta
    np.testing.assert_allclose(fit.linear_predictor(random="none"), fixed + rows["o"])
    np.testing.assert_array_equal(fit.linear_predictor(), fit.fitted)
    np.testing.assert_allclose(fit.linear_predictor(rows), fit.fitted)
    assert np.isnan(fit.linear_predictor(data)[7])
    residuals = fit.residuals()
    np.testing.assert_allclose(residuals, rows["y"] - fit.fitted)
    np.testing.assert_allclose(fit.residuals("pearson"), residuals * np.sqrt(rows["w"]))
    np.testing.assert_allclose(fit.residuals("scaled"), fit.residuals("pearson") / fit.sigma)
    with pytest.raises(ArgumentError, match="kind"):
        fit.residuals("deviance")  # pyright: ignore


def test_what_is_asked_can_be_changed_without_changing_the_fit(fit: Fit) -> None:
    before = fit.fitted
    fit.fitted[:] = 0
    fit.residuals()[:] = 0
    np.testing.assert_array_equal(fit.fitted, before)


def test_every_fit_is_refitted_and_simulated(fit: Fit, data: pd.DataFrame) -> None:
    again = fit.refit(data["y"].dropna().to_numpy() * 3)
    assert type(again) is type(fit)
    assert again.sigma != fit.sigma
    drawn = fit.simulate(2, seed=1)
    assert list(drawn.columns) == ["sim_1", "sim_2"]
    np.testing.assert_array_equal(drawn, fit.simulate(2, seed=1))
    np.testing.assert_array_equal(drawn.index, data.dropna().index)
    assert fit.refit(drawn["sim_1"]).nobs == fit.nobs


def test_refit_to_its_own_response_changes_nothing(fit: Fit, data: pd.DataFrame) -> None:
    again = fit.refit(data["y"].to_numpy())
    np.testing.assert_allclose(again.beta, fit.beta, rtol=1e-12)
    assert again.loglik == pytest.approx(fit.loglik, rel=1e-12)


def test_simulated_responses_of_least_squares_have_its_distribution(data: pd.DataFrame) -> None:
    fit = pp.lm("y ~ x", data, weights="w", offset="o")
    drawn = fit.simulate(4000, seed=2).to_numpy()
    # of 4,000 draws, five standard errors of a mean and of a standard deviation
    sd = fit.sigma / np.sqrt(data.dropna()["w"].to_numpy())
    assert np.abs((drawn.mean(axis=1) - fit.fitted) / sd).max() < 5 / np.sqrt(4000)
    assert np.abs(drawn.std(axis=1) / sd - 1).max() < 5 / np.sqrt(8000)


def test_the_maximum_of_the_likelihood_whatever_was_maximised(data: pd.DataFrame) -> None:
    by_reml = pp.lmer("y ~ x + (1 | g)", data)
    by_ml = by_reml.by_criterion(reml=False)
    assert by_reml.ml_loglik == pytest.approx(by_ml.loglik, rel=1e-10)
    assert by_ml.ml_loglik == by_ml.loglik
    least = pp.lm("y ~ x", data)
    assert least.ml_loglik == least.loglik
    assert not least.reml


def test_random_effects_are_answered_by_factor(data: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ x + (x | g) + (1 | w)", data.assign(w=np.arange(len(data)) % 4))
    for index, factor in enumerate(fit.design.factors):
        shape = (len(factor.levels), len(factor.names))
        assert fit.random_effects[index].shape == shape
        assert fit.conditional_sds()[index].shape == shape
        lam = fit.relative_factors[index]
        np.testing.assert_allclose(fit.random_covariance(index), fit.sigma**2 * lam @ lam.T)
    table = fit.varcorr
    own = table[(table["grp"] == "g") & table["var2"].isna()]["vcov"]
    index = [f.name for f in fit.design.factors].index("g")
    np.testing.assert_allclose(np.diag(fit.random_covariance(index)), own)


def test_a_covariance_is_as_good_in_any_unit(data: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ x + (x | g)", data)
    tiny = pp.lmer("y ~ x + (x | g)", data.assign(y=data["y"] * 2.0**-490))
    np.testing.assert_allclose(
        np.ldexp(tiny.random_covariance(0), 980), fit.random_covariance(0), rtol=1e-6
    )


def test_without_its_rows_a_fit_says_so(tmp_path: Path, data: pd.DataFrame) -> None:
    pp.lmer("y ~ x + (1 | g)", data).save(tmp_path / "fit")
    stored = pp.load(tmp_path / "fit")
    assert stored.dropped_rows == 1
    assert stored.fixed_names == ("Intercept", "x")
    for ask in (lambda: stored.fitted, lambda: stored.fixed_columns, lambda: stored.residuals()):
        with pytest.raises(DataError, match="without its rows"):
            ask()
