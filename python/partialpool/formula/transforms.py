"""The published list of transforms, and the check of every call against it.

`check_arithmetic` and `check_factor` return the normal form of what they are given: R's spellings
(`as.factor`, `TRUE`, `contr=`, `intercept=`, `Boundary.knots=`) become the ones formulaic knows.
"""

from math import isfinite
from typing import Final, NoReturn

from partialpool.errors import FormulaError
from partialpool.formula.expressions import (
    Bar,
    Call,
    Chain,
    Expr,
    Flag,
    Name,
    Negative,
    Number,
    Power,
    Text,
    Values,
    to_text,
    variables,
)

TRANSFORMS: Final[dict[str, str]] = {
    "C": "a factor, with contrasts: C(f, contr.sum), C(f, contr.treatment('b')), C(f, levels=[..])",
    "factor": "the same as C(f)",
    "as.factor": "the same as C(f)",
    "bs": "B-splines: bs(x, df=5), bs(x, knots=[1, 2], degree=3)",
    "ns": "natural cubic splines, R's basis: ns(x, df=3)",
    "cr": "natural cubic regression splines: cr(x, df=4)",
    "cs": "cubic regression splines, shrunk as in mgcv: cs(x, df=4)",
    "cc": "cyclic cubic regression splines: cc(x, df=4)",
    "poly": "orthogonal polynomials: poly(x, 2), poly(x, 2, raw=TRUE)",
    "scale": "centred and divided by the standard deviation (n - 1)",
    "center": "centred",
    "standardize": "centred and divided by the standard deviation (n)",
    "log": "natural logarithm",
    "log10": "logarithm to base 10",
    "log2": "logarithm to base 2",
    "log1p": "log(1 + x)",
    "exp": "exponential",
    "expm1": "exp(x) - 1",
    "sqrt": "square root",
    "abs": "absolute value",
    "sin": "sine, of radians",
    "cos": "cosine, of radians",
    "I": "arithmetic with + - * / ^ as it is written: I(x^2)",
    "offset": "a known part of the linear predictor: offset(log(x))",
}

CONTRASTS: Final[dict[str, tuple[str, ...]]] = {
    "contr.treatment": ("base",),
    "contr.SAS": ("base",),
    "contr.sum": (),
    "contr.helmert": ("reverse", "scale"),
    "contr.poly": ("scores",),
    "contr.diff": ("backward",),
}

ELEMENTWISE: Final = frozenset(
    ("log", "log10", "log2", "log1p", "exp", "expm1", "sqrt", "abs", "sin", "cos", "I")
)
ONE_COLUMN: Final = ELEMENTWISE | {"scale", "center", "standardize"}
FACTORS: Final = frozenset(("C", "factor", "as.factor"))

_SPLINE: Final = ("df", "knots", "lower_bound", "upper_bound", "constraints")
_OPTIONS: Final[dict[str, tuple[str, ...]]] = {
    "C": ("contrasts", "levels"),
    "factor": ("levels",),
    "as.factor": (),
    "bs": (
        "df",
        "knots",
        "degree",
        "include_intercept",
        "lower_bound",
        "upper_bound",
        "extrapolation",
    ),
    "ns": ("df", "knots", "include_intercept", "lower_bound", "upper_bound"),
    "cr": _SPLINE,
    "cs": _SPLINE,
    "cc": _SPLINE,
    "poly": ("degree", "raw"),
    "scale": ("center", "scale", "ddof"),
    "center": (),
    "standardize": ("center", "rescale", "ddof"),
}
_R_KEYS: Final = {"intercept": "include_intercept", "contr": "contrasts", "reference": "base"}
_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "a number": (Number,),
    "TRUE or FALSE": (Flag,),
    "a list of numbers such as [1, 2]": (Values,),
    "a list of levels such as ['a', 'b']": (Values,),
    "a quoted text": (Text,),
    "a level": (Text, Number, Flag),
}
_KIND_OF: Final = {
    **dict.fromkeys(("df", "degree", "lower_bound", "upper_bound", "ddof"), "a number"),
    **dict.fromkeys(
        ("include_intercept", "raw", "center", "scale", "rescale", "reverse", "backward"),
        "TRUE or FALSE",
    ),
    **dict.fromkeys(("knots", "scores"), "a list of numbers such as [1, 2]"),
    **dict.fromkeys(("extrapolation", "constraints"), "a quoted text"),
    "levels": "a list of levels such as ['a', 'b']",
    "base": "a level",
}
_CONSTANT_LIMIT: Final = 1e15
#: Columns that one basis may have, and the largest degree of its polynomials.
MAX_BASIS: Final = 1_000
MAX_DEGREE: Final = 100


def check_factor(expr: Expr) -> Expr:
    """Check a name or a call that stands as a term of its own; return its normal form."""
    return _check_call(expr) if isinstance(expr, Call) else expr


def check_elementwise(expr: Expr, where: str) -> Expr:
    """Check an expression of columns that is worked out row by row (a response or an offset)."""
    checked = check_arithmetic(expr, where, ELEMENTWISE)
    if not variables(checked):
        raise FormulaError(f"{where} `{to_text(expr)}` has no column; name one")
    return checked


def check_arithmetic(expr: Expr, where: str, allowed: frozenset[str] = ONE_COLUMN) -> Expr:
    """Check arithmetic on columns; `where` is named in messages, `allowed` may be called in it."""
    match expr:
        case Name(name):
            if name == ".":
                raise FormulaError(
                    f"`.` has no meaning in {where}; name the columns (only update() reads `.`)"
                )
            return expr
        case Number():
            return expr
        case Negative(operand):
            return Negative(check_arithmetic(operand, where, allowed))
        case Power(base, exponent):
            parts = (check_arithmetic(part, where, allowed) for part in (base, exponent))
            return _check_constant(Power(*parts))
        case Chain(first, rest):
            for operator, _ in rest:
                if operator not in "+-*/":
                    raise FormulaError(
                        f"`{operator}` in `{to_text(expr)}` is no arithmetic; in {where} only"
                        " + - * / ^ are"
                    )
            checked = tuple((sign, check_arithmetic(part, where, allowed)) for sign, part in rest)
            return _check_constant(Chain(check_arithmetic(first, where, allowed), checked))
        case Call(function):
            if function in TRANSFORMS and function not in allowed:
                _misplaced(function, where, allowed)
            return _check_call(expr, allowed)
        case Bar():
            raise FormulaError(f"the random term {to_text(expr)} cannot stand in {where}; move it")
        case Text() | Flag() | Values():
            raise FormulaError(
                f"{to_text(expr)} is no column or number, and so cannot stand in {where};"
                " a column's name needs no quotes (or backticks)"
            )


def _misplaced(function: str, where: str, allowed: frozenset[str]) -> NoReturn:
    if function in FACTORS:
        reason = "gives a factor"
    elif function == "offset":
        reason = "must be a term of its own"
    elif function in ONE_COLUMN:
        reason = "depends on all rows"
    else:
        reason = "gives several columns"
    listed = ", ".join(name for name in TRANSFORMS if name in allowed)
    raise FormulaError(f"{function}() {reason} and cannot stand in {where}; allowed are {listed}")


def _check_call(call: Call, allowed: frozenset[str] = ONE_COLUMN) -> Expr:
    function = call.function
    if function not in TRANSFORMS:
        if function in CONTRASTS or _contrast_name(function) is not None:
            raise FormulaError(f"{function}() only has a meaning in C(f, {function}); write that")
        raise FormulaError(
            f"the function {function}() is not offered in a formula; allowed are "
            f"{', '.join(TRANSFORMS)}; for anything else add a column to the data"
        )
    if not call.arguments:
        raise FormulaError(f"{function}() has no column; write {function}(x)")
    data, *positional = call.arguments
    given = [("", value) for value in positional] + list(call.options)
    if function in FACTORS:
        return _check_coding(function, data, given)
    options = _check_options(function, _OPTIONS.get(function, ()), given)
    argument = check_arithmetic(data, f"{function}()", allowed)
    if not variables(argument):
        raise FormulaError(f"`{to_text(call)}` has no column in it; name one")
    return Call(function, (argument,), options)


def _check_coding(function: str, data: Expr, given: list[tuple[str, Expr]]) -> Expr:
    inner: Expr = _check_call(data) if isinstance(data, Call) else data
    if isinstance(inner, Call) and inner.function == "C" and not inner.options:
        inner = inner.arguments[0]
    if not isinstance(inner, Name) or inner.name == ".":
        raise FormulaError(
            f"{function}() takes one column, not `{to_text(data)}`; add that as a column"
        )
    options: list[tuple[str, Expr]] = []
    for key, value in _check_options(function, _OPTIONS[function], given):
        if function == "C" and key in {"", "contrasts"}:
            options.insert(0, ("", _check_contrast(value)))
        else:
            options.append((key or "levels", value))
    return Call("C", (inner,), tuple(options))


def _contrast_name(name: str) -> str | None:
    """`Sum`, `sum`, `contr.Sum` and `contr.sum` all mean contr.sum."""
    bare = name.removeprefix("contr.")
    for known in CONTRASTS:
        short = known.removeprefix("contr.")
        if bare in {short, short.lower(), short.capitalize()}:
            return known
    return None


def _check_contrast(value: Expr) -> Expr:
    match value:
        case Name(name) | Text(name):
            given: list[tuple[str, Expr]] = []
        case Call(name, arguments, options):
            given = [("", argument) for argument in arguments] + list(options)
        case _:
            name, given = to_text(value), []
    known = _contrast_name(name)
    if known is None:
        raise FormulaError(
            f"`{name}` is no contrast that C() knows; use one of {', '.join(CONTRASTS)}"
        )
    named = CONTRASTS[known]
    if "base" in named and len(given) > 1:
        raise FormulaError(
            f"{known}() takes one reference level, not R's (n, base); "
            "write contr.treatment(base='b') with the level itself"
        )
    # formulaic's first positional argument of each is its first named one.
    filled = [(key or named[at], val) for at, (key, val) in enumerate(given) if at < len(named)]
    if len(filled) < len(given):
        raise FormulaError(f"{known}() takes at most {len(named)} options; remove the others")
    return Call(known, (), _check_options(known, named, filled))


def _check_options(
    function: str, known: tuple[str, ...], given: list[tuple[str, Expr]]
) -> tuple[tuple[str, Expr], ...]:
    """Options in formulaic's names, each with a literal of the kind that it needs."""
    options: dict[str, tuple[str, Expr]] = {}
    for position, (written, value) in enumerate(given):
        key = _R_KEYS.get(written, written)
        if written == "Boundary.knots" and "lower_bound" in known:
            for bound, end in zip(
                ("lower_bound", "upper_bound"), _two_ends(function, value), strict=True
            ):
                options[bound] = (bound, end)
            continue
        if not written and position >= len(known):
            hint = "; use log2, log10 or a division" if function == "log" else ""
            raise FormulaError(
                f"{function}() takes {1 + len(known)} arguments at most, but `{to_text(value)}` is"
                f" one more; remove it{hint}"
            )
        meaning = key or known[position]
        if meaning not in known:
            listed = ", ".join(known) or "none"
            raise FormulaError(f"{function}() has no option `{written}`; its options are: {listed}")
        if meaning in options:
            raise FormulaError(f"{function}() is given `{meaning}` twice; remove one")
        options[meaning] = (key, value if meaning == "contrasts" else _literal(meaning, value))
    return tuple(options.values())


def _two_ends(function: str, value: Expr) -> tuple[Expr, ...]:
    ends = _literal("knots", value)
    if not isinstance(ends, Values) or len(ends.items) != 2:
        raise FormulaError(f"Boundary.knots of {function}() must be two numbers, c(low, high)")
    return ends.items


def _literal(option: str, value: Expr) -> Expr:
    """A literal of the kind that the option needs."""
    kind = _KIND_OF[option]
    literal = _plain(value)
    single = (Number, Text, Flag) if option == "levels" else (Number, Text)
    if option in {"knots", "levels"} and isinstance(literal, single):
        literal = Values((literal,))
    fits = isinstance(literal, _KINDS[kind])
    if fits and isinstance(literal, Values):
        fits = bool(literal.items) and (
            option == "levels" or all(isinstance(item, Number) for item in literal.items)
        )
    if option in {"df", "degree"} and isinstance(literal, Number):
        most = MAX_DEGREE if option == "degree" else MAX_BASIS
        if literal.value > most:
            raise FormulaError(
                f"`{option}` is {literal.value}, above the {most:,} that are offered; lower it"
            )
        if option == "degree" and not (literal.value >= 1 and literal.value == int(literal.value)):
            raise FormulaError(
                f"`degree` must be a whole number of at least 1, not {literal.value}"
            )
    if not fits or literal is None:
        raise FormulaError(f"the option `{option}` must be {kind}, not `{to_text(value)}`")
    return literal


def _plain(value: Expr) -> Expr | None:
    match value:
        case Number() | Text() | Flag():
            return value
        case Negative(Number(number)):
            return Number(-number)
        case Name("T") | Name("F"):
            return Flag(value.name == "T")
        case Values(items):
            plain = tuple(_plain(item) for item in items)
            kept = tuple(item for item in plain if isinstance(item, Number | Text | Flag))
            return Values(kept) if len(kept) == len(items) else None
        case _:
            return None


def _check_constant(expr: Power | Chain) -> Expr:
    """Refuse constants that cannot be worked out, before anyone tries: 1/0, 9^9^9^9."""
    if variables(expr):
        return expr
    try:
        value = constant(expr)
        usable = isinstance(value, float) and isfinite(value) and abs(value) < _CONSTANT_LIMIT
    except (ArithmeticError, ValueError):
        usable = False
    if not usable:
        raise FormulaError(f"the constant `{to_text(expr)}` is no usable number; change it")
    return expr


def constant(expr: Expr) -> float:
    """Value of an expression without columns, worked out in floating point."""
    match expr:
        case Number(value):
            return float(value)
        case Negative(operand):
            return -constant(operand)
        case Power(base, exponent):
            return constant(base) ** constant(exponent)
        case Chain(first, rest):
            total = constant(first)
            for operator, part in rest:
                value = constant(part)
                if operator == "+":
                    total += value
                elif operator == "-":
                    total -= value
                elif operator == "*":
                    total *= value
                else:
                    total /= value
            return total
        case _:
            raise ValueError("not a constant")
