"""`ns` has the values of R's splines::ns, within the boundary, beyond it, and in a stored fit."""

import json

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool.design import Frame, build_design
from partialpool.design.encoder import Encoder
from partialpool.errors import DesignError

from tests.references import read_reference

R = read_reference("splines")
CASES = {case["formula"]: case for case in R["cases"]}


@pytest.fixture
def table():
    x = np.array(R["x"])
    rng = np.random.default_rng(8)
    return pd.DataFrame({"x": x, "g": np.arange(len(x)) % 5, "y": rng.normal(size=len(x)) + x})


def design_of(text, table):
    # Without the formula's intercept every column of the basis is there to be compared.
    return build_design(pp.parse_formula(f"y ~ 0 + {text} + (1 | g)"), table)


@pytest.mark.parametrize("text", CASES)
def test_columns_are_those_of_r(text, table):
    columns = np.column_stack(design_of(text, table).fixed.of(Frame(table)))
    np.testing.assert_allclose(columns, CASES[text]["values"], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("text", CASES)
def test_new_values_beyond_the_boundary_lie_on_straight_lines_as_in_r(text, table):
    new = Frame({"x": np.array(R["new"], dtype=float)})
    columns = np.column_stack(design_of(text, table).fixed.of(new))
    np.testing.assert_allclose(columns, CASES[text]["predicted"], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("text", CASES)
def test_stored_columns_give_the_same_values(text, table):
    fixed = design_of(text, table).fixed
    restored = Encoder.restore(json.loads(json.dumps(fixed.state())))
    new = Frame({"x": np.array(R["new"], dtype=float)})
    assert restored.names == fixed.names
    np.testing.assert_array_equal(np.column_stack(restored.of(new)), np.column_stack(fixed.of(new)))


def test_a_loaded_fit_predicts_as_before(table, tmp_path):
    fit = pp.lmer("y ~ ns(x, df=4, Boundary.knots=c(0, 8)) + (1 | g)", table)
    fit.save(tmp_path / "fit.zip")
    new = pd.DataFrame({"x": R["new"], "g": 2})
    loaded = pp.load(tmp_path / "fit.zip")
    np.testing.assert_allclose(loaded.predict(new), fit.predict(new), rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("ns(x, df=0)", ("df", "1", "0")),
        ("ns(x, df=1, intercept=TRUE)", ("df", "2")),
        ("ns(x, df=2.5)", ("df", "2.5")),
        ("ns(x, knots=c(1, 99))", ("99", "bounds")),
        ("ns(x, Boundary.knots=c(8, 0))", ("8", "0")),
        ("ns(x, df=3, Boundary.knots=c(20, 30))", ("20", "30")),
    ],
)
def test_impossible_splines_are_refused(text, mentioned, table):
    with pytest.raises(DesignError) as caught:
        design_of(text, table)
    assert all(part in str(caught.value) for part in ("ns(x", *mentioned)), caught.value
