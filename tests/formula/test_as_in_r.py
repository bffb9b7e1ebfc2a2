"""Terms as R writes them out, and grouping factors as lme4 does.

Values from R 4.2's `attr(terms(f), "term.labels")` and from lme4 1.1-31's `findbars()` and
`lFormula(f)$reTrms$cnms`, whose names `c:(b:a)` and `(a:b)` are written here without parentheses.
"""

import pytest
from partialpool.formula import parse_formula

# right side → intercept, then R's term labels
TERMS = [
    ("a/b", "1 a a:b"),
    ("(a+b)/c", "1 a b a:b:c"),
    ("a/(b+c)", "1 a a:b a:c"),
    ("a/b/c", "1 a a:b a:b:c"),
    ("(a+b)/(c+d)", "1 a b a:b:c a:b:d"),
    ("a*b/c", "1 a b a:b a:b:c"),
    ("a/b*c", "1 a c a:b a:c a:b:c"),
    ("a:b/c", "1 a:b a:b:c"),
    ("(a/b)^2", "1 a a:b"),
    ("a%in%b", "1 a:b"),
    ("(a+b)%in%c", "1 a:c b:c"),
    ("(a+b)%in%(c+d)", "1 a:c:d b:c:d"),
    ("a:b%in%c", "1 a:b:c"),
    ("a%in%b/c", "1 a:b a:b:c"),
    ("a%in%b*c", "1 c a:b a:b:c"),
    ("a*b%in%c", "1 a b:c a:b:c"),
    ("a+b%in%a", "1 a a:b"),
    ("(a+b+c)^2", "1 a b c a:b a:c b:c"),
    ("(a+b+c)^3-a:b:c", "1 a b c a:b a:c b:c"),
    ("a*b-a:b", "1 a b"),
    ("a*b*c-a:b:c", "1 a b c a:b a:c b:c"),
    ("a*b*c-a", "1 b c a:b a:c b:c a:b:c"),
    ("(a+b)*(c+d)", "1 a b c d a:c a:d b:c b:d"),
    ("a*b+c*d", "1 a b c d a:b c:d"),
    ("a-1+1", "1 a"),
    ("-1+a+1", "1 a"),
    ("-a+b", "1 b"),
    ("a-(b+a)", "1"),
    ("(a+b)^2-1", "0 a b a:b"),
    ("(a-1):b", "0 a:b"),
    ("(a-1)*b", "0 a b a:b"),
    ("(a+0)^2", "0 a"),
    ("(0+a):b", "0 a:b"),
    ("(1+a)^2", "1 a"),
    ("a--1", "1 a"),
    ("a-0", "1 a"),
    ("a-(b-1)", "1 a"),
    ("a+(b-1)", "0 a b"),
    ("(a+b)-(a-b)", "1 b"),
    ("b:a+c", "1 c b:a"),
    ("b+a+a:b", "1 b a b:a"),
    ("a+b:a+a:b", "1 a a:b"),
    ("0+a:b+c", "0 c a:b"),
    ("a^2", "1 a"),
    ("a*b^2", "1 a b a:b"),
    ("a^2:b", "1 a:b"),
    ("-a^2", "1"),
    ("a:a", "1 a"),
]

# bars → the names of lme4's random-effects terms with their columns
GROUPS = [
    ("(1|a/b)", ["b:a: 1", "a: 1"]),
    ("(1|a/b/c)", ["c:b:a: 1", "b:a: 1", "a: 1"]),
    ("(x|a/b)", ["b:a: 1 + x", "a: 1 + x"]),
    ("(1|a:b)", ["a:b: 1"]),
    ("(1|(a:b))", ["a:b: 1"]),
    ("(1|a/b:c)", ["b:c:a: 1", "a: 1"]),
    ("(x||g)", ["g: 1 + x"]),
    ("(x*z||g)", ["g: 1 + x + z + x:z"]),
    ("(f-1|g)", ["g: 0 + f"]),
    ("((x|g))", ["g: 1 + x"]),
    ("(1|g)+(0+x|g)", ["g: 1", "g: 0 + x"]),
    ("(1|a)+(1|b)", ["a: 1", "b: 1"]),
    # refused by 1.1-31; lme4 from 1.1-36 (reformulas) expands them so
    ("(1|a+b)", ["a: 1", "b: 1"]),
    ("(1|a*b)", ["a: 1", "b: 1", "a:b: 1"]),
    ("(1|a*b*c)", ["a: 1", "b: 1", "c: 1", "a:b: 1", "a:c: 1", "b:c: 1", "a:b:c: 1"]),
    ("(1|(a/b)/c)", ["c:b:a: 1", "b:a: 1", "a: 1"]),
    ("(1|a/(b+c))", ["b:a: 1", "c:a: 1", "a: 1"]),
    ("(1|a:b/c)", ["c:a:b: 1", "a:b: 1"]),
    ("(1|(a*b):c)", ["a:c: 1", "b:c: 1", "a:b:c: 1"]),
    ("(1|a + a)", ["a: 1"]),
]


@pytest.mark.parametrize(("right", "labels"), TERMS)
def test_terms_are_written_out_as_in_r(right: str, labels: str) -> None:
    formula = parse_formula(f"y ~ {right}")
    intercept, *terms = labels.split()
    assert formula.fixed == " + ".join([intercept, *terms])
    expected = [() for _ in range(int(intercept))] + [tuple(term.split(":")) for term in terms]
    assert formula.fixed_products == tuple(expected)


@pytest.mark.parametrize(("bars", "expected"), GROUPS)
def test_grouping_factors_are_expanded_as_in_lme4(bars: str, expected: list[str]) -> None:
    random = parse_formula(f"y ~ 1 + {bars}").random
    assert [f"{term.group_name}: {term.lhs}" for term in random] == expected
