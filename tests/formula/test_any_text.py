"""Whatever the text: it is read, and reads back, or it is a FormulaError."""

import pytest
from partialpool.errors import FormulaError
from partialpool.formula import Formula, parse_formula, to_text, update_formula

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

PIECES = (
    *("x", "y", "z", "f", "g", "a.b", "`my col`", "`1`", "0", "1", "2", "0.5", "1e3", "."),
    *("+", "-", "*", "/", ":", "^", "**", "%in%", "~", "|", "||", "(", ")", "[", "]", ",", "="),
    *("log(", "I(", "poly(", "C(", "bs(", "offset(", "scale(", "c(", "factor(", "foo("),
    *("contr.sum", "contr.treatment('a')", "df=", "knots=", "TRUE", "'a'", "lambda", "__", " "),
    *("(1|g)", "(x||g/f)", "(0+x|g:f)", ", 2)", "\n", "#", "\\", "{", "é", "\u0301", "\x00"),
)
likely = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)

terms = st.recursive(
    st.sampled_from(["x", "z", "f", "a.b", "`my col`", "log(x)", "I(x^2 - -z)", "0", "1"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/:"), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("-({})".format),
        inner.map("({})^2".format),
    ),
    max_leaves=6,
)


def read(text: str) -> Formula | None:
    try:
        return parse_formula(text)
    except FormulaError as error:
        return one_line(error)


def one_line(error: FormulaError) -> None:
    assert "\n" not in str(error)


def term_sets(fixed: str) -> list[list[str]]:
    return [sorted(term.split(":")) for term in fixed.split(" + ")]


def check(text: str) -> None:
    formula = read(text)
    if formula is None:
        return
    assert parse_formula(formula.text) == formula
    assert parse_formula(f"{formula.response_name} ~ {formula.text.split('~', 1)[1]}").response == (
        formula.response
    )
    for offset in formula.offsets:
        assert parse_formula(f"y ~ offset({to_text(offset)})").offsets == (offset,)
    updated = update_formula(formula, ". ~ .")
    # As in R, writing interactions out can change the order of the factors inside a term.
    assert term_sets(updated.fixed) == term_sets(formula.fixed)
    assert updated.random == formula.random
    assert updated.offsets == formula.offsets


@hypothesis.settings(max_examples=400, deadline=None)
@hypothesis.given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    check(text)
    check(f"y ~ {text}")


@hypothesis.settings(max_examples=1500, deadline=None)
@hypothesis.given(likely)
def test_likely_text_is_read_or_refused(text: str) -> None:
    check(text)
    check(f"y ~ x + {text}")
    check(f"{text} ~ x")


@hypothesis.settings(max_examples=400, deadline=None)
@hypothesis.given(terms, terms)
def test_sums_and_products_read_back(fixed: str, random: str) -> None:
    check(f"y ~ {fixed}")
    check(f"y ~ {fixed} + ({random} | g) + offset({random})")
    check(f"{random} ~ {fixed}")


@hypothesis.settings(max_examples=400, deadline=None)
@hypothesis.given(likely)
def test_updates_are_made_or_refused(text: str) -> None:
    old = parse_formula("y ~ x*z + offset(w) + (x | g/h)")
    try:
        update_formula(old, text)
        update_formula(old, f". ~ . + {text}")
    except FormulaError as error:
        one_line(error)
