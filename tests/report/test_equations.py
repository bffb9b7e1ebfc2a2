"""The equations: which coefficient varies by what, at which level a predictor stands, estimates."""

import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool.report.equations import (
    MATRIX_LIMIT,
    TERMS_LIMIT,
    factor_covariance,
    write_equations,
)


def plain(pieces):
    """The text of an equation, or of a symbol."""
    pieces = pieces if isinstance(pieces, tuple) else (pieces,)
    return " ".join(re.sub("<[^>]*>", "", str(p)) for p in pieces)


def equations_of(formula, data):
    return write_equations(pp.lmer(formula, data))


def test_intercept_and_slope_of_sleepstudy_as_the_course_writes_them(sleep):
    found = write_equations(sleep)
    assert [plain(e) for e in found.level_one] == [
        "Reactionij=β0j +β1jDaysij +εij",
        "εij∼N(0,σ2)",
    ]
    assert [plain(e) for e in found.level_two] == ["β0j=γ0 +U0j", "β1j=γ1 +U1j"]
    assert plain(found.covariances[0]).startswith("U0jU1j∼N(0,ΣU), ΣU=τ02ρ01τ0τ1ρ01τ1τ0τ12")
    estimates = {plain(s.math): s.estimate for s in found.symbols if s.estimate}
    assert estimates == {
        "γ0": "251.4",
        "γ1": "10.47",
        "τ0": "24.74",
        "τ1": "5.922",
        "ρ01": "0.06555",
        "σ": "25.59",
    }


def test_predictors_that_are_constant_in_a_group_stand_at_level_two():
    found = equations_of("yield ~ irrigation*variety + (1|field)", pp.load_dataset("irrigation"))
    (intercept,) = map(plain, found.level_two)
    one = plain(found.level_one[0])
    for level in ("i2", "i3", "i4"):
        assert f"irrigation[T.{level}]j" in intercept
        assert f"irrigation[T.{level}]ij" not in one.replace(f"irrigation[T.{level}]:", "")
    assert "γ4variety[T.v2]ij" in one


def test_crossed_factors_have_letters_of_their_own():
    data = pp.load_dataset("penicillin_assay")
    found = equations_of("diameter ~ 1 + (1|plate) + (1|sample)", data)
    assert [plain(e) for e in found.level_two] == ["β0jk=γ0 +U0j +V0k"]
    assert [plain(e).split(",")[0] for e in found.covariances] == ["U0j∼N(0", "V0k∼N(0"]


def test_independent_terms_have_zero_covariances():
    found = equations_of("Reaction ~ Days + (Days || Subject)", pp.load_dataset("sleepstudy"))
    assert "ΣU=τ0200τ12" in plain(found.covariances[0])
    assert not any("ρ" in plain(s.math) for s in found.symbols)


def test_a_random_slope_without_a_fixed_one_has_no_gamma():
    found = equations_of("Reaction ~ 1 + (Days | Subject)", pp.load_dataset("sleepstudy"))
    assert [plain(e) for e in found.level_two] == ["β0j=γ0 +U0j", "β1j=U1j"]


def test_weights_and_offset_are_in_the_equation():
    data = pp.load_dataset("sleepstudy").assign(w=np.linspace(1, 2, 180), o=np.arange(180.0))
    fit = pp.lmer("Reaction ~ Days + (1 | Subject)", data, weights="w", offset="o")
    first, law = (plain(e) for e in write_equations(fit).level_one)
    assert "+oij +εij" in first
    assert law == "εij∼N(0,σ2/wij)"


@pytest.mark.parametrize("k", [MATRIX_LIMIT, MATRIX_LIMIT + 1])
def test_large_covariance_matrices_are_named_and_not_written(k):
    rng = np.random.default_rng(1)
    columns = {f"x{i}": rng.normal(size=400) for i in range(k - 1)}
    frame = pd.DataFrame({**columns, "g": np.arange(400) % 40, "y": rng.normal(size=400)})
    found = equations_of(f"y ~ 1 + ({' + '.join(columns)} || g)", frame)
    written = k <= MATRIX_LIMIT
    assert len(found.covariances) == written
    assert any(f"is {k} × {k}" in s for s in found.left_out) != written


def test_long_sums_are_cut_but_the_table_has_every_symbol():
    rng = np.random.default_rng(2)
    p = TERMS_LIMIT + 6
    columns = {f"x{i}": rng.normal(size=300) for i in range(p)}
    frame = pd.DataFrame({**columns, "g": np.arange(300) % 10, "y": rng.normal(size=300)})
    found = equations_of(f"y ~ {' + '.join(columns)} + (1 | g)", frame)
    assert "…" in plain(found.level_one[0])
    assert sum("γ" in plain(s.math) for s in found.symbols) == p + 1


def test_covariance_of_a_factor_is_that_of_the_summary(sleep):
    covariance = factor_covariance(sleep, sleep.terms[0].factor)
    expected = sleep.varcorr["vcov"].to_numpy()
    np.testing.assert_allclose(covariance[[0, 1, 0], [0, 1, 1]], expected[:3], rtol=1e-12)


def test_mathml_is_well_formed_whatever_the_names(hostile):
    found = write_equations(hostile)
    pieces = [
        p for part in (found.level_one, found.level_two, found.covariances) for e in part for p in e
    ]
    for piece in [*pieces, *(s.math for s in found.symbols)]:
        tree = ElementTree.fromstring(str(piece))
        assert tree.tag == "math"
        assert {e.tag for e in tree.iter()} <= {
            "math",
            "mrow",
            "mi",
            "mn",
            "mo",
            "mtext",
            "msub",
            "msup",
            "mtable",
            "mtr",
            "mtd",
        }
