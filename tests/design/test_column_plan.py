"""Columns that are planned before a row is seen are those of formulaic, and the same for any rows.

Formulas are generated: sums of terms of numbers, factors of every contrast, transforms and bases,
with and without an intercept.
"""

from __future__ import annotations

import pickle
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from formulaic import Formula, ModelSpec
from partialpool.design import Frame, build_design
from partialpool.design.encoder import Encoder
from partialpool.design.in_memory import MANY_LEVELS
from partialpool.errors import DataError, DesignError, FormulaError
from partialpool.formula import elementwise_functions, parse_formula
from partialpool.formula.model import written_terms

N = 48
NUMBERS = ["x", "z", "w", "log(w)", "I(x ** 2)", "sqrt(w)", "I((x - 1) / (w + 2))", "exp(z)"]
SEEING = ["scale(x)", "center(z)", "standardize(x)", "scale(log(w))", "scale(x, scale=False)"]
FACTORS = ["f", "h", "C(f)", "C(k)", "C(f, contr.sum)", "C(h, contr.helmert)", "C(k, contr.poly)"]
FACTORS += ["C(f, contr.SAS)", "C(h, contr.diff)", "C(f, contr.treatment(base='c'))", "b"]
FACTORS += ["C(k, contr.poly(scores=[1, 2, 4, 8]))", "C(h, contr.helmert(reverse=False))"]
FACTORS += ["C(h, contr.helmert(scale=True))", "C(f, contr.diff(backward=False))"]
FACTORS += ["C(f, levels=['c', 'a', 'b'])", "C(h, contr.sum, levels=['q', 's', 'p', 'r'])"]
BASES = ["poly(x, 2)", "poly(z, 3)", "poly(x, 2, raw=True)", "bs(x, df=4)", "cr(z, df=3)"]
BASES += ["bs(w, df=5, include_intercept=True)", "cc(x, df=3)"]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "y": rng.normal(size=N),
            "x": rng.normal(size=N),
            "z": rng.normal(size=N),
            "w": rng.uniform(0.5, 3.0, size=N),
            "f": rng.permutation(np.resize(["a", "b", "c"], N)),
            "h": rng.permutation(np.resize(["p", "q", "r", "s"], N)),
            "b": rng.permutation(np.resize(["no", "yes"], N)),
            "k": rng.permutation(np.resize([1, 2, 3, 4], N)),
            "g": np.resize(np.arange(8), N),
        }
    )


def generated(count: int, seed: int) -> list[str]:
    """Right sides: interactions, crossings, powers, with the intercept or without."""
    choose = random.Random(seed)
    out: dict[str, None] = {}
    while len(out) < count:
        pools = [NUMBERS, FACTORS, FACTORS, FACTORS, SEEING, BASES]
        atoms = [choose.choice(choose.choice(pools)) for _ in range(choose.randint(1, 4))]
        if len({re.sub(r"\W.*", "", a.removeprefix("C(")) for a in atoms}) < len(atoms):
            continue  # twice the same column is mostly aliased, and slow to no end
        text = atoms[0]
        for atom in atoms[1:]:
            text += choose.choice([" + ", ":", " * ", " + ", " / "]) + atom
        if len(atoms) == 3 and choose.random() < 0.3:
            text = f"({' + '.join(atoms)}) ** 2"
        out[choose.choice(["", "", "0 + "]) + text] = None
    return list(out)


def matrix(columns: Any, n: int) -> np.ndarray:
    return np.column_stack([np.broadcast_to(np.asarray(c, dtype=float), (n,)) for c in columns])


def encoded(right: str, data: pd.DataFrame, **arguments: Any) -> tuple[Encoder, np.ndarray]:
    design = build_design(parse_formula(f"y ~ {right}"), data, **arguments)
    return design.fixed, matrix(design.x, design.n)


def of_formulaic(right: str, data: pd.DataFrame) -> Any:
    spec = ModelSpec(formula=Formula(parse_formula(f"y ~ {right}").fixed))  # pyright: ignore[reportAbstractUsage]
    return spec.get_model_matrix(data, context=elementwise_functions())


@pytest.mark.parametrize("seed", range(4))
def test_names_and_values_are_those_of_formulaic(seed: int, table: pd.DataFrame) -> None:
    for right in generated(60, seed):
        encoder, ours = encoded(right, table)
        theirs = of_formulaic(right, table)
        assert list(encoder.names) == list(theirs.columns), right
        np.testing.assert_allclose(
            ours, theirs.to_numpy(dtype=float), rtol=1e-10, atol=1e-10, err_msg=right
        )
        terms = theirs.model_spec.term_indices
        of_term = [i for i, places in enumerate(terms.values()) for _ in places]
        assert list(encoder.term_of) == of_term, right


def test_columns_of_some_rows_are_some_of_the_columns(table: pd.DataFrame) -> None:
    rows = np.array([31, 4, 4, 47, 0])
    some = table.iloc[rows].drop(columns="y")
    for right in generated(80, 11):
        encoder, whole = encoded(right, table)
        stored = Encoder.restore(encoder.state())
        assert (stored.names, stored.term_of) == (encoder.names, encoder.term_of)
        assert stored.state() == encoder.state()
        for own in (encoder, stored, pickle.loads(pickle.dumps(encoder))):
            again = matrix(own.of(Frame(some)), len(rows))
            np.testing.assert_allclose(again, whole[rows], rtol=1e-12, atol=1e-12, err_msg=right)


def test_predictions_are_the_fitted_values_before_and_after_storage(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    for right in generated(12, 5):
        fit = pp.lmer(f"y ~ {right} + (1 | g)", table, reml=False)
        fit.save(tmp_path / "fit")
        for model in (fit, pp.load(tmp_path / "fit")):
            got = model.predict(table.iloc[5:9])
            np.testing.assert_allclose(got, fit.fitted[5:9], rtol=1e-7, atol=1e-9, err_msg=right)


def test_missing_values_of_new_rows_are_not_a_number(table: pd.DataFrame) -> None:
    new = table.astype({"f": object}).iloc[:6].copy()
    new.loc[1, "f"], new.loc[3, "x"] = None, np.nan
    encoder, whole = encoded("f * x + C(h, contr.sum) + scale(x)", table)
    again = matrix(encoder.of(Frame(new)), 6)
    np.testing.assert_allclose(again[[0, 2, 4, 5]], whole[[0, 2, 4, 5]])
    assert np.isnan(again[[1, 3]]).any(axis=1).all()


# Polynomials of degree 127 are lost to rounding in any program.
@pytest.mark.parametrize("coding", ["treatment", "sum", "helmert", "SAS", "diff"])
def test_factors_of_many_levels_are_written_alike(coding: str) -> None:
    rng = np.random.default_rng(2)
    few, many = MANY_LEVELS - 1, 4 * MANY_LEVELS
    data = pd.DataFrame({"y": rng.normal(size=900), "x": rng.normal(size=900)})
    data["f"] = rng.permutation(np.resize([f"l{i:03}" for i in range(many)], 900))
    data["h"] = rng.permutation(np.resize([f"m{i:02}" for i in range(few)], 900))
    for text in ("C(f, contr.{}) * x", "0 + x:C(f, contr.{})", "C(f, contr.{}) + h"):
        right = text.format(coding)
        encoder, ours = encoded(right, data)
        theirs = of_formulaic(right, data)
        assert list(encoder.names) == list(theirs.columns)
        np.testing.assert_allclose(ours, theirs.to_numpy(dtype=float), rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(matrix(encoder.of(Frame(data[:40])), 40), ours[:40])


def test_products_of_two_factors_of_many_levels() -> None:
    n = 400
    row = np.arange(n)
    data = pd.DataFrame({"y": np.sin(row), "x": np.cos(row), "f": row % 40, "h": row // 4 % 36})
    encoder, ours = encoded("0 + C(f):C(h):x", data)
    assert ours.shape == (n, 40 * 36)
    np.testing.assert_array_equal(ours.sum(axis=1), data["x"])
    j = encoder.names.index("C(f)[7]:C(h)[1]:x")
    np.testing.assert_array_equal(ours[:, j], data["x"] * (data["f"] == 7) * (data["h"] == 1))


@pytest.mark.parametrize("coding", ["sum", "helmert", "poly", "SAS", "diff"])
def test_contrasts_apply_to_the_column_wherever_it_is_a_factor(
    coding: str, table: pd.DataFrame
) -> None:
    for column in ("f", "k"):
        _, given = encoded(f"C({column}) * x", table, contrasts={column: coding})
        _, written = encoded(f"C({column}, contr.{coding}) * x", table)
        np.testing.assert_array_equal(given, written)
    # What the formula says of a factor goes first.
    own, columns = encoded("C(f, contr.treatment) + x", table, contrasts={"f": coding})
    np.testing.assert_array_equal(columns, encoded("f + x", table)[1])
    assert own.names[1] == "C(f, contr.treatment)[T.b]"
    with pytest.raises(FormulaError, match="'k', which is no factor"):
        encoded("k + f", table, contrasts={"k": coding})


def test_levels_that_are_equal_and_differ_have_their_own_names(table: pd.DataFrame) -> None:
    names = []
    for levels in ([1, 2], [1.0, 2.0], ["1", "2"], [False, True], [0, 1]):
        data = table.assign(k=pd.Series(np.resize(np.array(levels, dtype=object), N)))
        names.append(encoded("C(k)", data)[0].names[1])
    assert names == ["C(k)[T.2]", "C(k)[T.2.0]", "C(k)[T.2]", "C(k)[T.True]", "C(k)[T.1]"]


@pytest.mark.parametrize("unit", [1e-150, 1e-170, 1e150, 1e170])
def test_scale_works_in_any_unit(unit: float, table: pd.DataFrame) -> None:
    for call in ("scale(x)", "standardize(x)"):
        _, plain = encoded(call, table)
        _, other = encoded(call, table.assign(x=table["x"] * unit))
        np.testing.assert_allclose(other, plain, rtol=1e-12, atol=1e-12)


def test_what_is_not_finite_is_named(table: pd.DataFrame) -> None:
    far = table.assign(x=1e200, z=1e200 * (1 + np.arange(N)))
    for right, name in (("x:z", "x:z"), ("log(x - 1e300)", "log(x - 1e+300)"), ("x:z:f", "x:z:f")):
        with pytest.raises(DataError, match=r"not finite in row 0") as caught:
            encoded(right, far)
        assert name in str(caught.value)


def test_a_state_of_another_formula_is_refused(table: pd.DataFrame) -> None:
    encoder, _ = encoded("f + scale(x) + poly(z, 2)", table)
    state = encoder.state()
    for changed in (
        {"transforms": {"dict": state["transforms"]["dict"][:1]}},
        {"transforms": {"dict": [*state["transforms"]["dict"], ["scale(z)", {"dict": []}]]}},
        {"levels": {**state["levels"], "x": ["a", "b"]}},
        {"levels": {"f": ["a"]}},
        {"contrasts": {"z": "contr.sum"}},
        {"numbers": ["z"]},
    ):
        with pytest.raises((DesignError, pp.errors.FileError)):
            Encoder.restore({**state, **changed})


def test_a_plan_has_the_terms_as_they_were_written() -> None:
    terms = written_terms(parse_formula("y ~ w:z + z").fixed)
    assert [":".join(f.name for f in own) for own in terms.terms] == ["z", "w:z"]  # pyright: ignore[reportAttributeAccessIssue]
