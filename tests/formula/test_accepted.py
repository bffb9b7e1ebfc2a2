"""What the formula language reads, and what it makes of it."""

import pickle

import pytest
from partialpool.formula import Name, parse_formula, parse_grouped, parse_random, to_text

# right side → formulaic's text of the fixed part
FIXED = [
    ("1", "1"),
    ("0", "0"),
    ("-1", "0"),
    ("x", "1 + x"),
    ("+x", "1 + x"),
    ("1 + x", "1 + x"),
    ("x + z", "1 + x + z"),
    ("0 + f", "0 + f"),
    ("f - 1", "0 + f"),
    ("f + 0", "0 + f"),
    ("f - 1 + 1", "1 + f"),
    ("f + (x - 1)", "0 + f + x"),
    ("x + x", "1 + x"),
    ("x:x", "1 + x"),
    ("x:z + z:x", "1 + x:z"),
    ("x:z + x", "1 + x + x:z"),
    ("a*b", "1 + a + b + a:b"),
    ("a/b", "1 + a + a:b"),
    ("a %in% b", "1 + a:b"),
    ("(a + b)^2", "1 + a + b + a:b"),
    ("(a + b)**2", "1 + a + b + a:b"),
    ("a*b - a:b", "1 + a + b"),
    ("x - z", "1 + x"),
    ("((x))", "1 + x"),
    ("x\n  + z", "1 + x + z"),
    ("log(x)", "1 + log(x)"),
    ("log(x + 1):f", "1 + log(x + 1):f"),
    ("log10(x) + log2(x) + log1p(x)", "1 + log10(x) + log2(x) + log1p(x)"),
    ("exp(x) + expm1(x)", "1 + exp(x) + expm1(x)"),
    ("sqrt(x) + abs(x)", "1 + sqrt(x) + abs(x)"),
    ("sin(2*x) + cos(2 * x)", "1 + sin(2 * x) + cos(2 * x)"),
    ("I(x^2)", "1 + I(x ** 2)"),
    ("I(x**2)", "1 + I(x ** 2)"),
    ("I((x - 1)/(z + 2)^2)", "1 + I((x - 1) / (z + 2) ** 2)"),
    ("I(2 * -x)", "1 + I(2 * (-x))"),
    ("I(-x^2)", "1 + I(-x ** 2)"),
    ("I((-x)^2)", "1 + I((-x) ** 2)"),
    ("I((x^2)^3)", "1 + I((x ** 2) ** 3)"),
    ("I(x - (z - 1))", "1 + I(x - (z - 1))"),
    ("poly(x, 2)", "1 + poly(x, 2)"),
    ("poly(x, degree = 2, raw = TRUE)", "1 + poly(x, degree=2, raw=True)"),
    ("poly(x, 2, raw=T)", "1 + poly(x, 2, raw=True)"),
    ("bs(x, 5)", "1 + bs(x, 5)"),
    ("bs(x, knots = c(1, 2.5))", "1 + bs(x, knots=[1, 2.5])"),
    ("bs(x, knots=[-1, 2], degree=2L)", "1 + bs(x, knots=[-1, 2], degree=2)"),
    ("bs(x, df=4, intercept=TRUE)", "1 + bs(x, df=4, include_intercept=True)"),
    ("ns(x, 3)", "1 + ns(x, 3)"),
    (
        "ns(x, df=3, Boundary.knots=c(0, 9))",
        "1 + ns(x, df=3, lower_bound=0, upper_bound=9)",
    ),
    ("cr(x, df=4) + cs(x, df=4) + cc(x, 4)", "1 + cr(x, df=4) + cs(x, df=4) + cc(x, 4)"),
    ("cr(x, df=4, constraints='center')", "1 + cr(x, df=4, constraints='center')"),
    ("scale(x) + center(x)", "1 + scale(x) + center(x)"),
    ("scale(log(x), scale=FALSE)", "1 + scale(log(x), scale=False)"),
    ("standardize(x)*f", "1 + standardize(x) + f + standardize(x):f"),
    ("C(f)", "1 + C(f)"),
    ("factor(f)", "1 + C(f)"),
    ("as.factor(f) + C(f)", "1 + C(f)"),
    ("factor(f, levels=c('b', 'a'))", "1 + C(f, levels=['b', 'a'])"),
    ("C(factor(f), sum)", "1 + C(f, contr.sum)"),
    ("C(f, contr.sum)", "1 + C(f, contr.sum)"),
    ("C(f, Sum)", "1 + C(f, contr.sum)"),
    ("C(f, contr=contr.sum)", "1 + C(f, contr.sum)"),
    ("C(f, 'contr.sum')", "1 + C(f, contr.sum)"),
    ("C(f, contrasts=Helmert)", "1 + C(f, contr.helmert)"),
    ("C(f, treatment)", "1 + C(f, contr.treatment)"),
    ("C(f, poly) + C(f, contr.SAS)", "1 + C(f, contr.poly) + C(f, contr.SAS)"),
    ("C(f, contr.diff)", "1 + C(f, contr.diff)"),
    ("C(f, contr.treatment('b'))", "1 + C(f, contr.treatment(base='b'))"),
    ('C(f, contr.treatment(base = "b"))', "1 + C(f, contr.treatment(base='b'))"),
    ('C(f, Treatment(reference="it\'s"))', '1 + C(f, contr.treatment(base="it\'s"))'),
    ("C(f, contr.treatment(base=1990))", "1 + C(f, contr.treatment(base=1990))"),
    ("C(f, contr.poly(scores=c(1, 2, 4)))", "1 + C(f, contr.poly(scores=[1, 2, 4]))"),
    ("C(f, sum, levels=['a', 'b'])", "1 + C(f, contr.sum, levels=['a', 'b'])"),
    ("total.fruits", "1 + `total.fruits`"),
    ("log(total.fruits)", "1 + log(`total.fruits`)"),
    ("x.values", "1 + `x.values`"),
    ("`my col`:x", "1 + `my col`:x"),
    ("`x`", "1 + x"),
    ("`class`", "1 + `class`"),
    ("class + yield:x", "1 + `class` + `yield`:x"),
    ("`user__id`", "1 + user__id"),
    ("I(`my col`^2)", "1 + I(`my col` ** 2)"),
    ("größe", "1 + `größe`"),
    ("x + (1 | g) + z", "1 + x + z"),
    ("(x + (1 | g))", "1 + x"),
    ("offset(w) + x", "1 + x"),
]

# bar terms → (text, lhs, group, correlated)
RANDOM = [
    ("(1|g)", [("(1 | g)", "1", ("g",), True)]),
    ("(x|g)", [("(x | g)", "1 + x", ("g",), True)]),
    ("(1+x|g)", [("(1 + x | g)", "1 + x", ("g",), True)]),
    ("(0+x|g)", [("(0 + x | g)", "0 + x", ("g",), True)]),
    ("(x-1|g)", [("(x - 1 | g)", "0 + x", ("g",), True)]),
    ("(-1+x|g)", [("(-1 + x | g)", "0 + x", ("g",), True)]),
    ("(x||g)", [("(x || g)", "1 + x", ("g",), False)]),
    ("(x*z||g)", [("(x * z || g)", "1 + x + z + x:z", ("g",), False)]),
    ("((x|g))", [("(x | g)", "1 + x", ("g",), True)]),
    ("(1|a:b)", [("(1 | a:b)", "1", ("a", "b"), True)]),
    ("(1|b:a)", [("(1 | b:a)", "1", ("b", "a"), True)]),
    ("(1|(a:b))", [("(1 | a:b)", "1", ("a", "b"), True)]),
    ("(1|a:b:c)", [("(1 | a:b:c)", "1", ("a", "b", "c"), True)]),
    ("(1|a%in%b)", [("(1 | a:b)", "1", ("a", "b"), True)]),
    ("(1|a/b)", [("(1 | b:a)", "1", ("b", "a"), True), ("(1 | a)", "1", ("a",), True)]),
    (
        "(x||a/b)",
        [("(x || b:a)", "1 + x", ("b", "a"), False), ("(x || a)", "1 + x", ("a",), False)],
    ),
    ("(1|g)+(0+x|g)", [("(1 | g)", "1", ("g",), True), ("(0 + x | g)", "0 + x", ("g",), True)]),
    ("(1|g)+(x|g)", [("(1 | g)", "1", ("g",), True), ("(x | g)", "1 + x", ("g",), True)]),
    ("(1|factor(g))", [("(1 | g)", "1", ("g",), True)]),
    ("(1|`my group`)", [("(1 | `my group`)", "1", ("my group",), True)]),
    ("(poly(x, 2)|g)", [("(poly(x, 2) | g)", "1 + poly(x, 2)", ("g",), True)]),
    ("(0+C(f, sum)|g)", [("(0 + C(f, sum) | g)", "0 + C(f, contr.sum)", ("g",), True)]),
    ("(1|my.group)", [("(1 | my.group)", "1", ("my.group",), True)]),
]

RESPONSES = [
    ("y", "y"),
    ("log(y)", "log(y)"),
    ("y/100", "y / 100"),
    ("sqrt( y )", "sqrt(y)"),
    ("-y", "-y"),
    ("y1 + y2", "y1 + y2"),
    ("(y1 + y2)/2", "(y1 + y2) / 2"),
    ("log(y^2 + 1) - 3", "log(y ^ 2 + 1) - 3"),
    ("I(y*2)", "I(y * 2)"),
    ("`my y`", "`my y`"),
    ("total.fruits", "total.fruits"),
    ("2^y", "2 ^ y"),
    ("(-y)^2", "(-y) ^ 2"),
    ("y^-1", "y ^ (-1)"),
]


@pytest.mark.parametrize(("right", "fixed"), FIXED)
def test_fixed_part_is_written_out_for_formulaic(right: str, fixed: str) -> None:
    assert parse_formula(f"y ~ {right}").fixed == fixed


@pytest.mark.parametrize(("right", "expected"), RANDOM)
def test_random_terms_are_read(right: str, expected: list[tuple[object, ...]]) -> None:
    formula = parse_formula(f"y ~ x + {right}")
    assert [(t.text, t.lhs, t.group, t.correlated) for t in formula.random] == expected
    assert formula.fixed == "1 + x"
    assert parse_random(right) == formula.random
    for term in formula.random:
        assert parse_random(term.text) == (term,)


@pytest.mark.parametrize(("left", "name"), RESPONSES)
def test_response_has_a_canonical_name_that_reads_back(left: str, name: str) -> None:
    formula = parse_formula(f"{left} ~ x")
    assert formula.response_name == name == to_text(formula.response)
    assert parse_formula(f"{name} ~ x").response == formula.response


@pytest.mark.parametrize("right", [right for right, _ in FIXED])
def test_normalised_text_reads_back_as_the_same_formula(right: str) -> None:
    formula = parse_formula(f"  y  ~\t{right} ")
    assert parse_formula(formula.text) == formula


def test_a_formula_knows_all_that_it_was_told() -> None:
    formula = parse_formula("log(y) ~ x*f + offset(log(n.days))  + (z | site/plot)")
    assert formula.text == "log(y) ~ x*f + offset(log(n.days)) + (z | site/plot)"
    assert str(formula) == formula.text
    assert formula.fixed_products == ((), ("x",), ("f",), ("x", "f"))
    assert [term.group_name for term in formula.random] == ["plot:site", "site"]
    assert formula.random[0].products == ((), ("z",))
    assert formula.random[0].variables == ("z",)
    assert [to_text(offset) for offset in formula.offsets] == ["log(n.days)"]
    assert formula.variables == ("y", "x", "f", "z", "plot", "site", "n.days")


def test_products_are_unknown_when_a_transform_is_used() -> None:
    formula = parse_formula("y ~ log(x) + (z | g) + (poly(z, 2) | h)")
    assert formula.fixed_products is None
    assert [term.products for term in formula.random] == [((), ("z",)), None]
    assert formula.variables == ("y", "x", "z", "g", "h")


def test_a_removed_column_is_not_needed() -> None:
    assert parse_formula("y ~ x + z - z").variables == ("y", "x")


def test_variables_are_in_order_of_first_use() -> None:
    assert parse_formula("y ~ a/b*c").variables == ("y", "a", "b", "c")


def test_a_formula_is_read_once_and_can_be_pickled() -> None:
    formula = parse_formula("y ~ poly(x, 2) + (x || g)")
    assert parse_formula("y ~ poly(x, 2) + (x || g)") is formula
    assert pickle.loads(pickle.dumps(formula)) == formula
    assert hash(pickle.loads(pickle.dumps(formula))) == hash(formula)


def test_white_space_inside_backticks_is_kept() -> None:
    formula = parse_formula("`my  y`~  x")
    assert formula.text == "`my  y`~ x"
    assert formula.response == Name("my  y")


def test_separate_regressions_have_a_bar_without_parentheses() -> None:
    formula, group = parse_grouped("Reaction ~ Days | Subject")
    assert (formula.response_name, formula.fixed, group) == ("Reaction", "1 + Days", ("Subject",))


def test_a_sum_of_many_columns_is_read() -> None:
    names = [f"x{i}" for i in range(1500)]
    assert parse_formula("y ~ " + "+".join(names)).variables == ("y", *names)
