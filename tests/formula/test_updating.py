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


@pytest.mark.parametrize(
    ("old", "change", "random"),
    [
        ("(x || g)", "(1 | g)", ["(0 + x || g)"]),
        ("(x || g)", "(0 + x | g)", ["(1 | g)"]),
        ("(x + z || g:h)", "(x - 1 | h:g)", ["(1 + z || g:h)"]),
        ("(scale(`a b`) + f || g)", "(0 + scale(`a b`) + f || g)", ["(1 | g)"]),
        ("(x*z || g) + (1 | h)", "(0 + z:x | g)", ["(1 + x + z || g)", "(1 | h)"]),
    ],
)
def test_a_part_of_an_uncorrelated_term_can_be_taken_away(
    old: str, change: str, random: list[str]
) -> None:
    new = update_formula(parse_formula(f"y ~ x + {old}"), f". ~ . - {change}")
    assert [term.text for term in new.random] == random


@pytest.mark.parametrize("change", ["(x | g)", "(0 + z | g)", "(1 | h)", "(log(x) | g)"])
def test_what_is_no_part_of_an_uncorrelated_term_is_refused(change: str) -> None:
    with pytest.raises(FormulaError, match=r"is not in the formula.*\(x \|\| g\)"):
        update_formula(parse_formula("y ~ (x || g)"), f". ~ . - {change}")
