"""Responses and offsets are worked out row by row."""

import numpy as np
import pytest
from numpy.typing import NDArray
from partialpool.errors import DataError, FormulaError
from partialpool.formula import Call, Name, Number, evaluate, parse_formula, to_text, variables

Y = np.array([1.0, 2.0, 4.5])
Z = np.array([3, 1, 2])
COLUMNS = {"y": Y, "z": Z, "my col": Y + 1, "b": Z > 1, "s": np.array(["a", "b", "c"])}

CASES = [
    ("y", Y),
    ("z", Z),
    ("b", [1.0, 0.0, 1.0]),
    ("`my col`", Y + 1),
    ("log(y)", np.log(Y)),
    ("log10(y) + log2(y)", np.log10(Y) + np.log2(Y)),
    ("log1p(y) - expm1(y)", np.log1p(Y) - np.expm1(Y)),
    ("exp(-y)", np.exp(-Y)),
    ("sqrt(abs(-y))", np.sqrt(Y)),
    ("sin(y)*cos(y)", np.sin(Y) * np.cos(Y)),
    ("y/100", Y / 100),
    ("y/z/2", Y / Z / 2),
    ("y - z - 1", Y - Z - 1),
    ("y - (z - 1)", Y - (Z - 1)),
    ("-y^2", -(Y**2)),
    ("(-y)^2", Y**2),
    ("y^-1", 1 / Y),
    ("z^-1", 1 / Z),
    ("2^y^2", 2 ** (Y**2)),
    ("y**2 * 3 + 1", Y**2 * 3 + 1),
    ("-y * z", -Y * Z),
    ("I(y + z)*2", (Y + Z) * 2),
]


@pytest.mark.parametrize(("left", "expected"), CASES)
def test_response_is_worked_out(left: str, expected: NDArray[np.float64] | list[float]) -> None:
    response = parse_formula(f"{left} ~ x").response
    values = evaluate(response, COLUMNS)
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, expected, rtol=1e-15)


@pytest.mark.filterwarnings("error")
def test_what_has_no_value_is_not_finite_and_warns_of_nothing() -> None:
    assert not np.isfinite(evaluate(parse_formula("log(y - 2) ~ x").response, COLUMNS)[:2]).any()


@pytest.mark.parametrize(("left", "culprit"), [("q", "`q`"), ("log(s)", "`s`")])
def test_columns_must_be_there_and_numeric(left: str, culprit: str) -> None:
    with pytest.raises(DataError, match=culprit):
        evaluate(parse_formula(f"{left} ~ x").response, COLUMNS)


@pytest.mark.parametrize(
    "tree", [Call("scale", (Name("y"),)), Call("open", (Name("y"),)), Number(3), Name(".")]
)
def test_a_tree_made_by_hand_is_checked_too(tree: object) -> None:
    with pytest.raises(FormulaError):
        evaluate(tree, COLUMNS)  # pyright: ignore[reportArgumentType]


def test_offsets_are_worked_out() -> None:
    (offset,) = parse_formula("y ~ x + offset(log(z) + 1)").offsets
    assert (to_text(offset), variables(offset)) == ("log(z) + 1", ("z",))
    np.testing.assert_allclose(evaluate(offset, COLUMNS), np.log(Z) + 1)
