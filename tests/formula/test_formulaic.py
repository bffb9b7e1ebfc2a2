"""formulaic makes of `fixed` what the formula says."""

import subprocess
import sys

import numpy as np
import pytest
from partialpool.formula import elementwise_functions, parse_formula

formulaic = pytest.importorskip("formulaic")
pd = pytest.importorskip("pandas")

ROWS = 60
NUMERIC = ("x", "z", "w", "v", "a.b", "my col", "class", "größe", "a_b")
PRODUCTS = [
    *("1", "x", "x + z", "0 + x", "x - 1", "z + x", "x:z", "z:x + x", "x*z", "x*z*w", "x/z"),
    *("x/z/w", "(x + z)/w", "x/(z + w)", "(x + z + w)^2", "(x + z + w + v)^3", "x*z - x:z"),
    *("x*z*w - x", "x:z + w", "w + x %in% z", "(x + z):(w + v)", "x:z:w + v", "0 + x:z + w"),
    *("a.b", "a.b*x", "`my col`", "`my col`:a.b", "`class` + x", "größe:x", "a.b + a_b"),
    *("x + x:z + z", "v*w*x - v:w:x", "(x + z)*(w + v) - x:w", "x + (1 | g)", "x + offset(w)"),
    *("(x/z)*w", "x:x + z", "v + w + x + z", "-x + z", "x*(z - 1)", "x + z - z", "w:v:x:z"),
]
TRANSFORMED = [
    *("log(x)", "log1p(x) + expm1(x)", "sqrt(a.b):f", "I(x^2) + I(-x)", "I((x - 1)/(z + 2)^2)"),
    *("sin(2*x) + cos(2*x)", "poly(x, 2)*f", "bs(x, df=5)", "bs(x, knots=c(0.5, 1), degree=2)"),
    *("cr(x, df=4)", "cc(x, df=4)", "cs(x, df=4, constraints='center')", "scale(log(x))"),
    *("center(x) + standardize(z)", "C(f)", "factor(f)*x", "0 + as.factor(f)"),
    *("C(f, contr.sum)", "C(f, helmert)", "C(f, Poly)", "C(f, contr.SAS)", "C(f, diff)"),
    *("C(f, contr.treatment('b'))", "C(f, treatment(base='c'))", "C(f, sum)*k"),
    *("factor(f, levels=c('c', 'b', 'a'))", "C(f, contr.poly(scores=c(1, 2, 4)))"),
    *("C(f, contr.helmert(reverse=FALSE))", "poly(x, 2, raw=TRUE)", "log(`my col` + 1)"),
    *("abs(x) + exp(x)", "log10(x) + log2(x)", "I(größe * a.b)", "bs(x, df=5, intercept=TRUE)"),
]


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(20260101)
    columns = {name: rng.uniform(0.1, 2.0, ROWS) for name in NUMERIC}
    factors = {"f": np.resize(["a", "b", "c"], ROWS), "k": np.resize(["u", "v"], ROWS)}
    return pd.DataFrame({**columns, **factors})


@pytest.mark.parametrize("right", PRODUCTS)
def test_formulaic_orders_columns_as_the_products(right: str, frame) -> None:
    formula = parse_formula(f"y ~ {right}")
    matrix = formulaic.Formula(formula.fixed).get_model_matrix(frame)
    assert formula.fixed_products is not None
    names = [":".join(product) or "Intercept" for product in formula.fixed_products]
    assert list(matrix.columns) == names
    for name, product in zip(names, formula.fixed_products, strict=True):
        expected = np.prod([frame[column] for column in product], axis=0) * np.ones(ROWS)
        np.testing.assert_allclose(matrix[name].to_numpy(), expected)


@pytest.mark.parametrize("right", TRANSFORMED)
def test_formulaic_knows_every_transform(right: str, frame) -> None:
    formula = parse_formula(f"y ~ {right}")
    matrix = formulaic.Formula(formula.fixed).get_model_matrix(
        frame, context=elementwise_functions()
    )
    assert matrix.shape[0] == ROWS
    assert matrix.shape[1] > 1
    assert np.isfinite(matrix.to_numpy(dtype=float)).all()


def test_reading_a_formula_imports_neither_pandas_nor_formulaic_nor_numpy() -> None:
    program = (
        "import sys, partialpool.formula as f; f.parse_formula('y ~ log(x) + (x | g)');"
        "print([m for m in ('numpy', 'pandas', 'formulaic') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout.strip() == "[]", run.stderr
