"""C(f, levels=[…]): rows of other levels are missing, and no level is counted as another."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pytest
from partialpool.errors import DataError, DesignError, FormulaError

#: Levels of a factor, and the text of the two listed, in another order than the data's.
TYPED: dict[str, tuple[list[Any], str]] = {
    "text": (["a", "b", "c"], "'c', 'a'"),
    "int": ([1, 2, 3], "3, 1"),
    "float": ([0.5, 1.0, 2.0], "2, 0.5"),
    "text of numbers": (["1", "2", "3"], "'3', '1'"),
    "date": (list(pd.date_range("2024-01-01", periods=3)), None),  # pyright: ignore[reportAssignmentType]
}


def table(levels: list[Any]) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    f = np.resize(np.arange(3), 60)
    data = pd.DataFrame({"g": np.resize(np.arange(10), 60), "x": rng.normal(size=60)})
    data["f"] = pd.Series(levels)[f].to_numpy()
    # The level left out is far from the others.
    data["y"] = np.array([0.0, 100.0, 10.0])[f] + rng.normal(size=60) + rng.normal(size=10)[data.g]
    return data


@pytest.mark.parametrize("kind", TYPED)
@pytest.mark.parametrize("use", ["fixed", "random"])
def test_rows_of_other_levels_are_missing(kind: str, use: str, tmp_path: Path) -> None:
    levels, text = TYPED[kind]
    listed = text or ", ".join(repr(str(levels[i])) for i in (2, 0))
    data = table(levels)
    call = f"C(f, levels=[{listed}])"
    fixed = f"y ~ {call} + x + (1 | g)"
    fit = pp.lmer(fixed if use == "fixed" else f"y ~ x + (0 + {call} | g)", data, reml=False)
    assert (fit.nobs, fit.dropped_rows) == (40, 20)
    out = (data["f"] == levels[1]).to_numpy()
    kept = data[~out].assign(f=np.where(data["f"][~out] == levels[2], "1st", "2nd"))
    same = pp.lmer(
        "y ~ f + x + (1 | g)" if use == "fixed" else "y ~ x + (0 + f | g)", kept, reml=False
    )
    assert fit.criterion == pytest.approx(same.criterion, abs=1e-7)
    np.testing.assert_allclose(fit.beta, same.beta, rtol=1e-6)
    fit.save(tmp_path / "fit.pp")
    for model in (fit, pp.load(tmp_path / "fit.pp"), pickle.loads(pickle.dumps(fit))):
        predicted = model.predict(data)
        np.testing.assert_array_equal(np.isnan(predicted), out)
        np.testing.assert_allclose(predicted[~out], fit.fitted, rtol=1e-9)
    with pytest.raises(DataError, match=r"not listed in `C\(f, levels=.*` \(20\)"):
        pp.lmer(fit.formula, data, na_action="error")


def test_flags_and_categories_are_levels_too() -> None:
    data = table([1, 2, 3])
    data["b"] = pd.Series(np.resize([True, False, None], 60), dtype=object)
    data["c"] = pd.Categorical.from_codes(np.resize([0, 1, 2], 60), ["z", "m", "a", "unused"])
    fit = pp.lm("y ~ C(b, levels=[TRUE, FALSE])", data)
    assert fit.names[1] == "C(b, levels=[True, False])[T.False]"
    means = data.groupby("b")["y"].mean()
    assert fit.beta[0] == pytest.approx(means[True])
    assert fit.beta.sum() == pytest.approx(means[False])
    for frame in (data, pl.from_pandas(data)):
        fit = pp.lm("y ~ C(c, contr.treatment(base='a'), levels=['z', 'a'])", frame)
        assert fit.nobs == 40
        np.testing.assert_array_equal(np.isnan(fit.predict(frame)), data["c"] == "m")
    plain = pp.lm("y ~ C(b, contr.treatment(base=TRUE))", data.dropna())
    assert plain.names[1].endswith("[T.False]")


@pytest.mark.parametrize(
    ("levels", "listed", "culprit"),
    [
        (["a", "b", "c"], "'a', 'q'", "'q'"),
        ([1, 2, 3], "'1', '2'", "'1'"),
        (["1", "2", "3"], "1, 2", "1"),
        ([1, 2, 3], "TRUE, 2", "True"),
        (["a", "b", "c"], "'a', 'b', 'a'", "'a' is given twice"),
        (["a", "b", "c"], "'a'", "fewer than two levels"),
    ],
)
def test_levels_that_match_nothing_are_refused(levels: Any, listed: str, culprit: str) -> None:
    for formula in (
        f"y ~ C(f, levels=[{listed}]) + (1 | g)",
        f"y ~ x + (C(f, levels=[{listed}])|g)",
    ):
        with pytest.raises((DesignError, FormulaError), match="f") as caught:
            pp.lmer(formula, table(levels))
        assert culprit in str(caught.value)


def test_a_reference_level_that_is_not_there_is_named() -> None:
    with pytest.raises(DesignError, match=r"'q'.*'a', 'b', 'c'"):
        pp.lm("y ~ C(f, contr.treatment(base='q'))", table(["a", "b", "c"]))


def test_levels_of_dropped_rows_are_no_strangers(tmp_path: Path) -> None:
    data = table(["a", "b", "c"])
    data.loc[data["f"] == "b", "x"] = np.nan
    fit = pp.lmer("y ~ f * x + (1 | g)", data)
    assert "f[T.b]" not in fit.fixed_names
    np.testing.assert_array_equal(np.isnan(fit.predict(data)), data["f"] == "b")
    assert np.isfinite(fit.anova().p_value).all()
    listed = pp.lmer("y ~ C(f, levels=['c', 'a']) + (1 | g)", table(["a", "b", "c"]))
    listed.report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "a level listed in C(f, levels=" in page
    means = pp.emmeans(
        pp.lmer("y ~ C(f, levels=['c', 'a']) + (1 | g)", table(["a", "b", "c"])), "f"
    )
    assert len(means.estimate) == 2
