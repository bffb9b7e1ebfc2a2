"""What the formula language refuses: each message is one line and names the culprit."""

import pytest
from partialpool.errors import FormulaError, PartialPoolError
from partialpool.formula import TRANSFORMS, parse_formula, parse_grouped, parse_random

# formula → what the message must mention
REFUSED = [
    ("", "empty"),
    ("   ", "empty"),
    ("y", "`~`"),
    ("y ~", "after `~`"),
    ("~ x", "response"),
    ("y ~ x ~ z", "`~`"),
    ("y ~ x +", "y ~ x +"),
    ("y ~ + ", "stops"),
    ("y ~ x z", "`z`"),
    ("y ~ (x", "`)`"),
    ("y ~ x)", "`)`"),
    ("y ~ ()", "`()`"),
    ("y ~ x + * z", "`*`"),
    ("y ~ x = 3", "`=`"),
    ("y = x", "`=`"),
    ("y ~ x, z", "`,`"),
    # bars
    ("y ~ x | g", "(x | g)"),
    ("y ~ x + 1|g", "parentheses"),
    ("y ~ x:(1|g)", "(1 | g)"),
    ("y ~ x*(1|g)", "(1 | g)"),
    ("y ~ (x + (1|g))^2", "(1 | g)"),
    ("y ~ (1|g|h)", "second `|`"),
    ("y ~ ((1|g)|h)", "(1 | g)"),
    ("y ~ (1|(1|g))", "(1 | g)"),
    ("y ~ (|g)", "before `|`"),
    ("y ~ (1|)", "grouping factor"),
    ("y ~ (1||)", "grouping factor"),
    ("(y|g) ~ x", "(y | g)"),
    ("y|g ~ x", "(y | g)"),
    ("y ~ x - (1|g)", "(1 | g)"),
    ("y ~ log((1|g))", "(1 | g)"),
    ("y ~ log(x | g)", "`|`"),
    ("y ~ (0|g)", "(0 | g)"),
    ("y ~ (1|1)", "`1`"),
    ("y ~ (1|log(g))", "log(g)"),
    ("y ~ (1|a - b)", "a - b"),
    ("y ~ (1|.)", "`.`"),
    ("y ~ (.|g)", "`.`"),
    ("y ~ (offset(x)|g)", "offset(x)"),
    ("y ~ (1|g) + (1|g)", "(1 | g)"),
    ("y ~ (1|g) + (1|g/h)", "(1 | g)"),
    # names and characters
    ("y ~ .", "`.`"),
    ("y ~ x:.", "`.`"),
    ("y ~ ...", "`...`"),
    ("y ~ x.__class__", "x.__class__"),
    ("y ~ __import__", "__import__"),
    ("y ~ `__import__`", "__import__"),
    ("y ~ user__id", "user__id"),
    ("y ~ lambda x: x", "`lambda`"),
    ("y ~ x if z else w", "`if`"),
    ("y ~ [i for i in x]", "`for`"),
    ("y ~ {x}", "braces"),
    ("y ~ x[0]", "`[`"),
    ("y ~ x @ z", "`@`"),
    ("y ~ x; z", "`;`"),
    ("y ~ x # note", "`#`"),
    ("y ~ x \\ z", "backslash"),
    ("y ~ x < 3", "`<`"),
    ("y ~ I(x == 3)", "`=`"),
    ("y ~ x$z", "`$`"),
    ("y ~ x %o% z", "`%in%`"),
    ("y ~ `x", "backtick"),
    ("y ~ ``", "empty"),
    ("y ~ `.`", "'.'"),
    ("y ~ `a\\b`", "backslash"),
    ("y ~ `a\nb`", "unprintable"),
    ("y ~ 'x'", "'x'"),
    ("y ~ 'x", "quote"),
    ("y ~ TRUE", "True"),
    ("y ~ [1, 2]", "[1, 2]"),
    ("y ~ 2x", "`2x`"),
    ("y ~ x\x00", "\\x00"),
    # numbers
    ("y ~ 2", "number 2"),
    ("y ~ x + 2*z", "number 2"),
    ("y ~ x + 0.5", "0.5"),
    ("y ~ x:1", "`1`"),
    ("y ~ x*0", "`0`"),
    ("y ~ (1 + x):(1 + z)", "(1 + x):(1 + z)"),
    ("y ~ (a + b)^0", "(a + b) ^ 0"),
    ("y ~ (a + b)^1.5", "1.5"),
    ("y ~ (a + b)^c", "(a + b) ^ c"),
    ("y ~ (a + b)^-1", "-1"),
    ("3 ~ x", "`3`"),
    ("y ~ I(1e999 * x)", "1e999"),
    ("y ~ I(x + 9^9^9^9)", "9 ^ 9 ^ 9"),
    ("y ~ I(x + 1/0)", "1 / 0"),
    ("y ~ I(x + (-8)^0.5)", "(-8) ^ 0.5"),
    ("y ~ " + "9" * 50, "999"),
    # transforms
    ("y ~ foo(x)", "foo()"),
    ("y ~ np.log(x)", "np.log()"),
    ("y ~ x.mean()", "x.mean()"),
    ("y ~ eval('x')", "eval()"),
    ("y ~ open('file')", "open()"),
    ("y ~ Q('x')", "Q()"),
    ("y ~ hashed(x, levels=3)", "hashed()"),
    ("y ~ log(foo(x))", "foo()"),
    ("y ~ log()", "log()"),
    ("y ~ log(3)", "`log(3)`"),
    ("y ~ log(x, 2)", "`2`"),
    ("y ~ log('x')", "'x'"),
    ("y ~ log(x:z)", "`:`"),
    ("y ~ I(x %in% z)", "`%in%`"),
    ("y ~ log(poly(x, 2))", "poly()"),
    ("y ~ log(C(f))", "C()"),
    ("y ~ poly(x, 2, TRUE, 3)", "`3`"),
    ("y ~ poly(x, z)", "`z`"),
    ("y ~ poly(x, 2, order=3)", "`order`"),
    ("y ~ poly(x, degree=2, degree=3)", "`degree`"),
    ("y ~ poly(x, 2, degree=3)", "`degree`"),
    ("y ~ poly(x, degree=2, TRUE)", "`degree=`"),
    ("y ~ bs(x, knots=['a'])", "`knots`"),
    ("y ~ bs(x, knots=c(z, 2))", "`knots`"),
    ("y ~ bs(x, df='5')", "`df`"),
    ("y ~ bs(x, Boundary.knots=3)", "Boundary.knots"),
    ("y ~ scale(x, center=z)", "`center`"),
    ("y ~ C(f, contr.foo)", "contr.foo"),
    ("y ~ C(f, 3)", "`3`"),
    ("y ~ C(f, contr.sum(2))", "contr.sum()"),
    ("y ~ C(f, contr.treatment(4, base=2))", "(n, base)"),
    ("y ~ C(x + z)", "x + z"),
    ("y ~ factor(log(x))", "log(x)"),
    ("y ~ contr.sum(f)", "contr.sum()"),
    ("y ~ `1` + x", "`1`"),
    # responses and offsets
    ("cbind(a, b) ~ x", "cbind()"),
    ("scale(y) ~ x", "scale()"),
    ("log(scale(y)) ~ x", "scale()"),
    ("poly(y, 2) ~ x", "poly()"),
    ("factor(y) ~ x", "factor()"),
    ("y:z ~ x", "`:`"),
    (". ~ x", "`.`"),
    ("'y' ~ x", "'y'"),
    ("y ~ offset(x):z", "offset(x)"),
    ("y ~ x - offset(z)", "offset(z)"),
    ("y ~ offset(poly(x, 2))", "poly()"),
    ("y ~ offset(x, z)", "offset(x, z)"),
    ("y ~ offset(3)", "`3`"),
    ("y ~ log(offset(x))", "offset()"),
    # size
    ("y ~ " + "x + " * 5000 + "x", "10,000"),
    ("y ~ " + "(" * 101 + "x" + ")" * 101, "100"),
    ("y ~ " + "-" * 200 + "x", "100"),
    ("y ~ I(" + "^".join(["x"] * 200) + ")", "100"),
    ("y ~ " + "log(" * 150 + "x" + ")" * 150, "100"),
    ("y ~ (" + "+".join(f"x{i}" for i in range(30)) + ")^30", "10,000"),
    ("y ~ " + "*".join(f"x{i}" for i in range(40)), "10,000"),
    ("y ~ (1|" + "/".join(f"g{i}" for i in range(1000)) + ")", "too many grouping"),
    ("y ~ (1|" + "*".join(f"g{i}" for i in range(40)) + ")", "too many grouping"),
    ("y ~ (" + "+".join(f"x{i}" for i in range(900)) + ")^2", "10,000"),
]


@pytest.mark.parametrize(("text", "culprit"), REFUSED, ids=[text[:40] for text, _ in REFUSED])
def test_refused_in_one_line_that_names_the_culprit(text: str, culprit: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    message = str(caught.value)
    assert culprit in message
    assert "\n" not in message
    assert message[-1] != "."


@pytest.mark.parametrize("value", [None, 3, ["y ~ x"], b"y ~ x"])
def test_a_formula_is_text(value: object) -> None:
    with pytest.raises(FormulaError, match=type(value).__name__):
        parse_formula(value)  # pyright: ignore[reportArgumentType]


def test_an_unknown_function_is_told_what_is_allowed() -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula("y ~ relevel(f, ref='b')")
    assert all(name in str(caught.value) for name in TRANSFORMS)


def test_formula_errors_are_the_librarys_own() -> None:
    assert issubclass(FormulaError, PartialPoolError)


@pytest.mark.parametrize("text", ["y ~ x", "y ~ (x | g)", "y ~ x || g", "y ~ x | g/h"])
def test_separate_regressions_need_one_bare_group(text: str) -> None:
    with pytest.raises(FormulaError):
        parse_grouped(text)


@pytest.mark.parametrize(
    "text", ["x", "1 | g", "(1 | g) + x", "y ~ (1 | g)", "(1 | g) + offset(x)"]
)
def test_random_terms_alone_are_nothing_else(text: str) -> None:
    with pytest.raises(FormulaError, match=r"random terms alone|only one"):
        parse_random(text)
