"""R's update(): `.` stands for a side of the old formula."""

import pytest
from partialpool.errors import FormulaError
from partialpool.formula import parse_formula, update_formula

OLD = "log(y) ~ x*z + offset(w) + (1 | g) + (0 + x | g)"
UPDATES = [
    (". ~ .", "log(y) ~ x + z + x:z + (1 | g) + (0 + x | g) + offset(w)"),
    (". ~ . - x:z", "log(y) ~ x + z + (1 | g) + (0 + x | g) + offset(w)"),
    (". ~ . - (1 | g)", "log(y) ~ x + z + x:z + (0 + x | g) + offset(w)"),
    (". ~ . - (x - 1 | g)", "log(y) ~ x + z + x:z + (1 | g) + offset(w)"),
    (". ~ . - offset(w)", "log(y) ~ x + z + x:z + (1 | g) + (0 + x | g)"),
    ("~ . + (1 | h) - 1", "log(y) ~ 0 + x + z + x:z + (1 | g) + (0 + x | g) + (1 | h) + offset(w)"),
    ("sqrt(.) ~ . - x:z - z", "sqrt(log(y)) ~ x + (1 | g) + (0 + x | g) + offset(w)"),
    (". ~ .:k - offset(w)", "log(y) ~ x:k + z:k + x:z:k + (1 | g) + (0 + x | g)"),
    (". ~ . - . + k", "log(y) ~ k + (1 | g) + (0 + x | g) + offset(w)"),
    ("y ~ .", "y ~ x + z + x:z + (1 | g) + (0 + x | g) + offset(w)"),
    ("y2 ~ k + (1 | h)", "y2 ~ k + (1 | h)"),
    ("~ factor(k.1) + `a b`", "log(y) ~ C(k.1) + `a b`"),
    (". ~ 1", "log(y) ~ 1"),
    (". ~ 0 + (1 | g)", "log(y) ~ 0 + (1 | g)"),
    (". ~ . + (1 | g)", "log(y) ~ x + z + x:z + (1 | g) + (0 + x | g) + offset(w)"),
]


@pytest.mark.parametrize(("new", "expected"), UPDATES)
def test_update_changes_the_formula(new: str, expected: str) -> None:
    updated = update_formula(parse_formula(OLD), new)
    assert updated.text == expected
    assert updated == parse_formula(expected)


@pytest.mark.parametrize(
    ("new", "culprit"),
    [
        (". ~ . - (1 | h)", "(1 | h)"),
        (". ~ . - offset(v)", "offset(v)"),
        (". ~ foo(.)", "foo()"),
        (". ~ log(.)", "`.`"),
        (". ~ (. | g)", "`.`"),
        ("scale(.) ~ .", "scale()"),
        (". ~ . | g", "parentheses"),
        ("- x", "`~`"),
    ],
)
def test_update_refuses_in_one_line(new: str, culprit: str) -> None:
    with pytest.raises(FormulaError) as caught:
        update_formula(parse_formula(OLD), new)
    assert culprit in str(caught.value)


def test_updating_keeps_an_absent_intercept_absent() -> None:
    assert update_formula(parse_formula("y ~ 0 + x"), ". ~ . + z").fixed == "0 + x + z"


def test_updating_a_nested_term_keeps_its_parts() -> None:
    updated = update_formula(parse_formula("y ~ 1 + (x || a/b)"), ". ~ . - (x || a)")
    assert [term.text for term in updated.random] == ["(x || b:a)"]
