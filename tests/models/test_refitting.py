"""A refit's data are the table with the new response, for everything that reads the data again."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pyarrow as pa
import pytest
from partialpool.errors import ArgumentError, DataError

KINDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda t: t,
    "polars": pl.from_pandas,
    "pyarrow": pa.Table.from_pandas,
    "dict": lambda t: {k: t[k].to_numpy() for k in t},
}
VERBS: dict[str, Callable[[pp.LinearMixedModel], Any]] = {
    "ranova": lambda fit: fit.ranova().to_frame(),
    "drop1": lambda fit: fit.drop1().to_frame(),
    "anova": lambda fit: fit.anova().to_frame(),
    "update": lambda fit: fit.update(". ~ . - z").summary().coefficients,
    "update by ML": lambda fit: fit.update(reml=False).summary().coefficients,
    "update, other random part": lambda fit: fit.update(". ~ x + (1 | h)").theta.to_frame(),
    "augment": lambda fit: fit.augment(),
    "predict": lambda fit: fit.predict(),
    "influence": lambda fit: fit.influence("h").to_frame(),
    "emmeans": lambda fit: pp.emmeans(fit, "f").to_frame(),
    "bootstrap": lambda fit: (
        pp.bootstrap(fit, lambda f: f.ranova().statistic[1:], nsim=2, seed=1).confint().to_numpy()
    ),
}
FORMULA = "y ~ x + f + z + (0 + x | g)"


def numbers(answer: Any) -> np.ndarray:
    if isinstance(answer, np.ndarray):
        return answer
    if isinstance(answer, pd.DataFrame):
        frame = answer
    else:
        frame = (
            answer.to_pandas() if isinstance(answer, pa.Table) else pd.DataFrame(answer.to_dict())
        )
    return frame.select_dtypes("number").to_numpy(dtype=float)


def new_response(table: pd.DataFrame) -> np.ndarray:
    fit = pp.lmer("y ~ x + f + (x | g)", table)
    return fit.simulate(1, seed=7)["sim_1"].to_numpy() + 3.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_refit_is_the_fit_of_its_own_data(verb: str, kind: str, table: pd.DataFrame) -> None:
    y = new_response(table)
    as_kind = KINDS[kind]
    refit = pp.lmer(FORMULA, as_kind(table)).refit(y)
    fresh = pp.lmer(FORMULA, as_kind(table.assign(y=y)))
    ask = VERBS[verb]
    np.testing.assert_allclose(numbers(ask(refit)), numbers(ask(fresh)), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("given", ["column", "array"])
def test_weights_offset_and_dropped_rows_come_along(given: str, table: pd.DataFrame) -> None:
    table = table.assign(o=np.linspace(0, 4, 48)).reset_index(drop=True)
    y = new_response(table)
    table.loc[[3, 11], "x"] = np.nan
    arguments: dict[str, Any] = {"weights": "w", "offset": "o", "contrasts": {"f": "sum"}}
    if given == "array":
        arguments |= {"weights": table["w"].to_numpy(), "offset": table["o"].to_numpy()}
    fit = pp.lmer("y ~ x + f + (0 + x | g)", table, **arguments)
    fresh = pp.lmer("y ~ x + f + (0 + x | g)", table.assign(y=y), **arguments)
    used = np.setdiff1d(np.arange(48), [3, 11])
    for refit in (fit.refit(y), fit.refit(y[used]), fit.refit(-y).refit(y)):
        for ask in (VERBS["ranova"], VERBS["augment"], lambda f: f.update(". ~ . - f").fixef):
            a, b = (np.asarray(numbers(pd.DataFrame(ask(f)))) for f in (refit, fresh))
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)
    # Without x its rows are back, where the new response is known for them.
    whole, part = (fit.refit(v).update(". ~ . - x - (0 + x | g) + (1 | g)") for v in (y, y[used]))
    assert (whole.nobs, part.nobs) == (48, 46)


def test_rows_without_the_old_response_stay_out(table: pd.DataFrame) -> None:
    y = new_response(table)
    table.loc[5, "y"] = np.nan
    refit = pp.lmer(FORMULA, table).refit(y)
    assert refit.nobs == refit.update(". ~ . - z").nobs == refit.refit(y).update("~ .").nobs == 47


def test_a_transformed_response_is_taken_as_it_is(table: pd.DataFrame) -> None:
    table = table.assign(y=np.exp(table["y"] / 5))
    logs = new_response(table)
    formula = "log(y) ~ x + z + (0 + x | g)"
    refit = pp.lmer(formula, table).refit(logs)
    fresh = pp.lmer(formula, table.assign(y=np.exp(logs)))
    for verb in ("ranova", "update", "update by ML", "update, other random part"):
        a, b = (numbers(VERBS[verb](f)) for f in (refit, fresh))
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8)
    shown = refit.augment()
    assert "y" not in shown
    np.testing.assert_allclose(shown["log(y)"], logs)
    np.testing.assert_allclose(shown["log(y)"] - shown["fitted"], shown["resid"], atol=1e-12)
    for change in ("y ~ .", "sqrt(y) ~ ."):
        with pytest.raises(ArgumentError, match=r"new `log\(y\)`, and 'y' still has the old"):
            refit.update(change)
    again = refit.update("sqrt(y) ~ .", data=table)
    assert again.criterion == pp.lmer(again.formula, table).criterion


def test_a_plain_response_can_be_transformed_later(table: pd.DataFrame) -> None:
    y = np.exp(new_response(table) / 5)
    refit = pp.lmer(FORMULA, table).refit(y)
    later = refit.update("log(y) ~ .")
    fresh = pp.lmer(later.formula, table.assign(y=y))
    assert later.criterion == fresh.criterion


def test_a_response_that_is_a_predictor_too(table: pd.DataFrame) -> None:
    y = new_response(table)
    refit = pp.lmer("y ~ I(y ** 2) + (0 + x | g)", table).refit(y)
    fresh = pp.lmer("new ~ I(y ** 2) + (0 + x | g)", table.assign(new=y))
    np.testing.assert_allclose(refit.ranova().statistic, fresh.ranova().statistic, rtol=1e-10)
    shown = refit.augment()
    np.testing.assert_array_equal(shown["refit(y)"], y)
    np.testing.assert_array_equal(shown["y"], table["y"])
    with pytest.raises(ArgumentError, match="'y' still has the old values"):
        refit.update("log(y) ~ x + (1 | g)")


def test_other_data_have_their_own_response(table: pd.DataFrame) -> None:
    refit = pp.lmer(FORMULA, table).refit(new_response(table))
    assert refit.update(data=table).criterion == pp.lmer(FORMULA, table).criterion


def test_the_table_is_left_alone(table: pd.DataFrame) -> None:
    before = table.copy()
    table.attrs["units"] = {"y": "ms"}
    refit = pp.lmer(FORMULA, table).refit(new_response(table))
    assert refit.design.source.attrs == table.attrs
    pd.testing.assert_frame_equal(table, before, check_flags=False)


def test_an_unpickled_or_loaded_refit_asks_for_its_data(table: pd.DataFrame, tmp_path: Any) -> None:
    y = new_response(table)
    refit = pp.lmer(FORMULA, table).refit(y)
    refit.augment()
    again = pickle.loads(pickle.dumps(refit))
    assert len(pickle.dumps(refit)) < len(pickle.dumps((refit, table)))
    with pytest.raises(ArgumentError, match="no data at hand"):
        again.ranova()
    refit.save(tmp_path / "fit.zip")
    with pytest.raises(DataError, match="not those of the stored fit"):
        pp.load(tmp_path / "fit.zip", data=table)
    loaded = pp.load(tmp_path / "fit.zip", data=table.assign(y=y))
    np.testing.assert_allclose(loaded.ranova().statistic, refit.ranova().statistic, rtol=1e-10)


def test_update_takes_named_weights_to_other_data(table: pd.DataFrame, tmp_path: Any) -> None:
    fit = pp.lmer("y ~ x + (1 | g)", table, weights="w", offset="z")
    fit.save(tmp_path / "fit.zip")
    half = table.iloc[:40]
    expected = pp.lmer("y ~ x + (1 | g)", half, weights="w", offset="z").criterion
    for own in (fit, pp.load(tmp_path / "fit.zip")):
        assert own.update(data=half).criterion == expected


@pytest.mark.parametrize("what", ["weights", "offset"])
def test_update_does_not_leave_out_given_arrays(
    what: str, table: pd.DataFrame, tmp_path: Any
) -> None:
    fit = pp.lmer("y ~ x + (1 | g)", table, **{what: table["w"].to_numpy()})
    fit.save(tmp_path / "fit.zip")
    for own in (fit, pp.load(tmp_path / "fit.zip")):
        for data in (table, table.iloc[:40]):
            with pytest.raises(ArgumentError, match=f"the {what} of this fit are an array"):
                own.update(data=data)
        plain = own.update(data=table, **{what: None})
        assert plain.criterion == pp.lmer("y ~ x + (1 | g)", table).criterion


def test_update_keeps_the_contrasts_of_the_factors_that_are_left(table: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ f + C(h) + (1 | g)", table, contrasts={"f": "sum"})
    assert fit.update(". ~ . - f").fixed_names == pp.lmer("y ~ C(h) + (1 | g)", table).fixed_names
    assert "f[S.low]" in fit.update(". ~ . - C(h)").fixed_names


def test_a_report_says_that_the_response_was_replaced(table: pd.DataFrame) -> None:
    from partialpool.report.provenance import python_call

    refit = pp.lmer(FORMULA, table).refit(new_response(table))
    assert python_call(refit).endswith(".refit(<array>)")
