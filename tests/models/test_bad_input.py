"""What cannot be fitted, or asked of a fit, is refused by one line that names the culprit.

Each case: what is asked of a table of 48 rows (see conftest.py), the error, and what its message
must mention.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pytest
from partialpool.errors import (
    ArgumentError,
    DataError,
    DesignError,
    FileError,
    FormulaError,
    NewDataError,
    PartialPoolError,
)

Call = Callable[[pd.DataFrame], Any]
MODEL = "y ~ x + (1 | g)"


def fit(formula: str = MODEL, **arguments: Any) -> Call:
    return lambda data: pp.lmer(formula, data, **arguments)


def with_column(formula: str, name: str, make: Callable[[pd.DataFrame], Any]) -> Call:
    """The formula on the table with one column replaced or added."""
    return lambda data: pp.lmer(formula, data.assign(**{name: make(data)}))


def with_cell(column: str, row: int, value: Any, formula: str = MODEL, **arguments: Any) -> Call:
    def call(data: pd.DataFrame) -> Any:
        data.loc[row, column] = value
        return pp.lmer(formula, data, **arguments)

    return call


def weights_with(row: int, value: float) -> Call:
    def call(data: pd.DataFrame) -> Any:
        weights = np.ones(len(data))
        weights[row] = value
        return pp.lmer(MODEL, data, weights=weights)

    return call


def offset_with(row: int, value: float) -> Call:
    def call(data: pd.DataFrame) -> Any:
        offset = np.zeros(len(data))
        offset[row] = value
        return pp.lmer(MODEL, data, offset=offset)

    return call


def asked(method: str, *given: Any, **arguments: Any) -> Call:
    """A method of the fit of `MODEL`."""
    return lambda data: getattr(pp.lmer(MODEL, data), method)(*given, **arguments)


def twice_named(data: pd.DataFrame) -> Any:
    return pp.lmer(MODEL, pd.concat([data, data[["x"]]], axis=1))


def ragged(data: pd.DataFrame) -> Any:
    return pp.lmer(MODEL, {"y": data["y"], "x": data["x"].head(40), "g": data["g"]})


def every_row_incomplete(data: pd.DataFrame) -> Any:
    odd = np.arange(len(data)) % 2 == 1
    return pp.lmer(MODEL, data.assign(x=data["x"].where(odd), y=data["y"].where(~odd)))


def one_group_is_complete(data: pd.DataFrame) -> Any:
    return pp.lmer(MODEL, data.assign(x=data["x"].where(data["g"] == "c")))


# what it is | call | error | the message mentions
CASES: list[tuple[str, Call, type[PartialPoolError], tuple[str, ...]]] = [
    # the table
    ("list", lambda _: pp.lmer(MODEL, [1, 2, 3]), DataError, ("list",)),
    ("none", lambda _: pp.lmer(MODEL, None), DataError, ("NoneType",)),
    ("text for data", lambda _: pp.lmer(MODEL, "sleep"), DataError, ("str",)),
    ("array", lambda d: pp.lmer(MODEL, d[["x", "y"]].to_numpy()), DataError, ("ndarray",)),
    ("series", lambda d: pp.lmer(MODEL, d["y"]), DataError, ("Series",)),
    ("lazy", lambda d: pp.lmer(MODEL, pl.LazyFrame(dict(d))), DataError, ("collect",)),
    ("empty", lambda d: pp.lmer(MODEL, d.head(0)), DataError, ("no rows",)),
    ("empty dict", lambda _: pp.lmer(MODEL, {}), DataError, ("no rows",)),
    ("no columns", lambda _: pp.lmer(MODEL, pd.DataFrame(index=range(9))), DataError, ("'y'",)),
    ("columns twice", twice_named, DataError, ("'x'",)),
    ("ragged dict", ragged, DataError, ("'x'", "40", "48")),
    (
        "two-dimensional column",
        lambda d: pp.lmer(MODEL, {"y": d["y"], "x": d[["x", "z"]], "g": d["g"]}),
        DataError,
        ("'x'", "one dimension"),
    ),
    # columns that are not there
    ("no response", fit("yy ~ x + (1 | g)"), DataError, ("'yy'", "'y'")),
    ("no predictor", fit("y ~ dose + (1 | g)"), DataError, ("'dose'",)),
    ("no group", fit("y ~ x + (1 | clinic)"), DataError, ("'clinic'",)),
    ("no slope", fit("y ~ x + (slope | g)"), DataError, ("'slope'",)),
    ("no nested group", fit("y ~ x + (1 | g/plot)"), DataError, ("'plot'",)),
    ("no column in a transform", fit("y ~ log(dose) + (1 | g)"), DataError, ("'dose'",)),
    ("no column in offset()", fit("y ~ x + offset(size) + (1 | g)"), DataError, ("'size'",)),
    ("no weights column", fit(weights="n"), DataError, ("'n'",)),
    ("no offset column", fit(offset="n"), DataError, ("'n'",)),
    # the response
    ("text response", fit("f ~ x + (1 | g)"), DataError, ("'f'", "numeric")),
    ("constant response", with_column(MODEL, "y", lambda d: 3.0), DesignError, ("y", "constant")),
    (
        "response is a predictor",
        with_column(MODEL, "x", lambda d: 2 * d["y"] + 1),
        DesignError,
        ("`y`", "exactly"),
    ),
    ("all missing", with_column(MODEL, "y", lambda d: np.nan), DataError, ("'y'",)),
    ("infinite response", with_cell("y", 7, np.inf), DataError, ("'y'", "row 7")),
    (
        "log of a negative response",
        with_cell("y", 5, -1.0, "log(y) ~ x + (1 | g)"),
        DataError,
        ("log(y)", "row 5"),
    ),
    ("number as response", fit("1 ~ x + (1 | g)"), PartialPoolError, ("1",)),
    (
        "complex response",
        with_column(MODEL, "y", lambda d: d["y"] * 1j),
        DataError,
        ("'y'",),
    ),
    (
        "dates as response",
        with_column(MODEL, "y", lambda d: pd.date_range("2024-01-01", periods=48)),
        DataError,
        ("'y'",),
    ),
    # predictors
    ("infinite predictor", with_cell("x", 11, -np.inf), DataError, ("'x'", "row 11")),
    (
        "log of zero",
        with_cell("w", 4, 0.0, "y ~ log(w) + (1 | g)"),
        DataError,
        ("log(w)", "row 4"),
    ),
    (
        "factor of one level",
        with_column("y ~ f + (1 | g)", "f", lambda d: "low"),
        DesignError,
        ("'f'", "'low'"),
    ),
    (
        "factor of one level in a bar",
        with_column("y ~ x + (f | g)", "f", lambda d: "low"),
        DesignError,
        ("'f'", "'low'"),
    ),
    (
        "no column varies",
        with_column("y ~ 0 + x + (1 | g)", "x", lambda d: 0.0),
        DesignError,
        ("x",),
    ),
    (
        "as many columns as rows",
        with_column("y ~ f + (1 | g)", "f", lambda d: [f"r{i}" for i in range(len(d))]),
        DesignError,
        ("48", "fixed"),
    ),
    ("text in poly()", fit("y ~ poly(f, 2) + (1 | g)"), PartialPoolError, ("f",)),
    (
        "unhashable levels",
        with_column("y ~ f + (1 | g)", "f", lambda d: [[1]] * len(d)),
        DataError,
        ("'f'",),
    ),
    (
        "contrasts unknown",
        fit("y ~ f + (1 | g)", contrasts={"f": "deviation"}),
        FormulaError,
        ("'f'", "'deviation'"),
    ),
    ("contrasts of a number", fit(contrasts={"x": "sum"}), FormulaError, ("'x'",)),
    (
        "contrasts of nothing",
        fit("y ~ f + (1 | g)", contrasts={"ff": "sum"}),
        FormulaError,
        ("'ff'",),
    ),
    (
        "contrasts no mapping",
        fit("y ~ f + (1 | g)", contrasts="sum"),
        PartialPoolError,
        ("contrasts",),
    ),
    # grouping factors
    ("one level", with_column(MODEL, "g", lambda d: "a"), DesignError, ("'g'", "(1 | g)", "two")),
    (
        "as many levels as rows",
        with_column(MODEL, "g", lambda d: np.arange(len(d))),
        DesignError,
        ("'g'", "(1 | g)", "48"),
    ),
    ("too many effects", fit("y ~ x + (1 + x + z + w + f | g)"), DesignError, ("'g'", "48")),
    ("too many by interaction", fit("y ~ x + (1 | g:h) + (x | g:h)"), DesignError, ("g:h",)),
    ("one level is complete", one_group_is_complete, DesignError, ("'g'", "1 level")),
    ("no random term", fit("y ~ x"), FormulaError, ("(1 | group)",)),
    ("bar outside parentheses", fit("y ~ x + 1 | g"), FormulaError, ("parentheses",)),
    ("formula is no text", lambda d: pp.lmer(3, d), FormulaError, ("int",)),
    ("code in the formula", fit("y ~ x.sum() + (1 | g)"), FormulaError, ("x.sum",)),
    # weights and offset
    ("negative weight", weights_with(3, -1.0), DataError, ("weights", "row 3", "-1")),
    ("zero weight", weights_with(4, 0.0), DataError, ("weights", "row 4")),
    ("infinite weight", weights_with(5, np.inf), DataError, ("weights", "row 5")),
    ("missing weights", fit(weights=np.full(48, np.nan)), DataError, ("weights",)),
    ("few weights", fit(weights=np.ones(47)), DataError, ("weights", "48", "47")),
    ("text as weights", fit(weights="f"), DataError, ("weights", "'f'")),
    ("words as weights", fit(weights=["a"] * 48), DataError, ("weights",)),
    ("one number as weights", fit(weights=2.0), DataError, ("weights",)),
    ("table as weights", lambda d: pp.lmer(MODEL, d, weights=d[["w"]]), DataError, ("weights",)),
    ("many offsets", fit(offset=np.ones(49)), DataError, ("offset", "48", "49")),
    ("infinite offset", offset_with(6, np.inf), DataError, ("offset", "row 6")),
    ("text as offset", fit(offset="f"), DataError, ("offset", "'f'")),
    ("text in offset()", fit("y ~ x + offset(f) + (1 | g)"), DataError, ("'f'",)),
    (
        "log offset of zero",
        with_cell("w", 9, 0.0, "y ~ x + offset(log(w)) + (1 | g)"),
        DataError,
        ("offset", "row 9"),
    ),
    # missing values and arguments
    ("na_action", fit(na_action="omit"), ArgumentError, ("na_action", "'omit'")),
    ("na refused", with_cell("x", 2, np.nan, na_action="error"), DataError, ("'x'", "1")),
    ("nothing complete", every_row_incomplete, DataError, ("'y'", "24")),
    ("reml is text", fit(reml="yes"), ArgumentError, ("reml", "'yes'")),
    ("reml is a number", fit(reml=1), ArgumentError, ("reml", "1")),
    ("reml is none", fit(reml=None), ArgumentError, ("reml", "None")),
    # what is asked of a fit
    ("residuals", asked("residuals", "deviance"), ArgumentError, ("'deviance'", "'pearson'")),
    ("ddf", asked("summary", "exact"), ArgumentError, ("ddf", "'exact'", "'satterthwaite'")),
    ("ddf is a number", asked("summary", 3), ArgumentError, ("ddf", "3")),
    ("interval", asked("predict", interval="wide"), ArgumentError, ("interval", "'wide'")),
    (
        "level of an interval",
        asked("predict", interval="confidence", level=95),
        ArgumentError,
        ("level", "95"),
    ),
    ("new levels", asked("predict", new_levels="drop"), ArgumentError, ("new_levels", "'drop'")),
    ("random term", asked("predict", random="(1 | h)"), ArgumentError, ("(1 | h)", "(1 | g)")),
    (
        "random term with more than the model's",
        asked("predict", random="(x | g)"),
        ArgumentError,
        ("(x | g)", "(1 | g)"),
    ),
    ("random is no text", asked("predict", random=False), ArgumentError, ("random", "False")),
    ("random is no bar", asked("predict", random="g"), FormulaError, ("g",)),
    ("new data", asked("predict", {"x": [1.0]}), NewDataError, ("'g'",)),
    ("new data empty", asked("predict", {"x": [], "g": []}), NewDataError, ("no rows",)),
    (
        "new level",
        asked("predict", {"x": [1.0, 2.0], "g": ["a", "zz"]}),
        NewDataError,
        ("'g'", "'zz'"),
    ),
    ("new text", asked("predict", {"x": ["a"], "g": ["a"]}), NewDataError, ("'x'", "text")),
    ("new infinite", asked("predict", {"x": [np.inf], "g": ["a"]}), NewDataError, ("'x'",)),
    ("new data no table", asked("predict", 3), PartialPoolError, ("int",)),
    (
        "new level of a fixed factor",
        lambda d: pp.lmer("y ~ f + (1 | g)", d).predict({"f": ["bottom"], "g": ["a"]}),
        NewDataError,
        ("'f'", "'bottom'"),
    ),
    (
        "REML criterion by ML",
        lambda d: pp.lmer(MODEL, d, reml=False).reml_criterion,
        ArgumentError,
        ("ML", "reml=True"),
    ),
    ("refit with few", asked("refit", [1.0, 2.0]), DataError, ("2 values", "48 rows")),
    ("refit with a constant", asked("refit", np.ones(48)), DesignError, ("y", "constant")),
    ("update unknown", asked("update", colour="red"), ArgumentError, ("'colour'",)),
    ("update of nothing", asked("update", ". ~ . + dose"), DataError, ("'dose'",)),
    ("update to no bar", asked("update", ". ~ . - (1 | g)"), FormulaError, ("(1 | group)",)),
    ("simulate", asked("simulate", 0), ArgumentError, ("n", "0")),
    ("seed", asked("simulate", 1, seed="a"), ArgumentError, ("seed", "'a'")),
    ("place of a file", asked("save", 3), PartialPoolError, ("3",)),
    ("data set", lambda _: pp.load_dataset("sleepstuddy"), FileError, ("sleepstuddy",)),
    ("load", lambda _: pp.load("/no/such/fit.pp"), FileError, ("/no/such/fit.pp",)),
]


@pytest.mark.parametrize(
    ("call", "error", "mentioned"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_message_names_the_culprit_in_one_line(
    call: Call, error: type[PartialPoolError], mentioned: tuple[str, ...], table: pd.DataFrame
) -> None:
    with pytest.raises(error) as caught:
        call(table)
    message = str(caught.value)
    assert "\n" not in message
    assert [part for part in mentioned if part not in message] == [], message


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 50
    assert len({case[0] for case in CASES}) == len(CASES)
