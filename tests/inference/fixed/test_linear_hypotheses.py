"""Contrasts of fixed effects: as numbers, names and text."""

import numpy as np
import partialpool as pp
import pytest
from numpy.testing import assert_allclose
from partialpool.errors import ArgumentError


def made_up():
    random = np.random.default_rng(5)
    columns = {f"x{j}": random.normal(size=96) for j in (1, 2, 3)}
    y = random.normal(size=96) + np.repeat(random.normal(size=12), 8)
    return {"g": np.repeat(np.arange(12), 8).astype(str), "y": y, **columns}


FIT = pp.lmer("y ~ x1 + x2 + x3 + (1 | g)", made_up())


@pytest.mark.parametrize(
    ("text", "row", "rhs"),
    [
        ("x1 = 0", [0, 1, 0, 0], 0),
        ("x1", [0, 1, 0, 0], 0),
        ("(Intercept) = 2", [1, 0, 0, 0], 2),
        ("Intercept - 2 = 0", [1, 0, 0, 0], 2),
        ("x2 - x3 = 0", [0, 0, 1, -1], 0),
        ("x2 == x3", [0, 0, 1, -1], 0),
        ("2 * x1 + x2 / 4 - 1 = x3 * .5", [0, 2, 0.25, -0.5], 1),
        ("-x1 + 1e-1*x2=3", [0, -1, 0.1, 0], 3),
        ("  x1+x1 =+ 1 ", [0, 2, 0, 0], 1),
        ("`x1` = 1", [0, 1, 0, 0], 1),
    ],
)
def test_text_is_read(text, row, rhs):
    result = FIT.test(text)
    assert_allclose(result.contrasts, [row])
    assert_allclose(result.rhs, [rhs])


@pytest.mark.parametrize(
    "asked",
    [
        "x1 = 0, x2 - x3 = 0",
        ["x1 = 0", "x2 - x3 = 0"],
        [[0, 1, 0, 0], [0, 0, 1, -1]],
        np.array([[0, 1, 0, 0], [0, 0, 1, -1.0]]),
    ],
)
@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "asymptotic"])
def test_every_way_of_writing_is_the_same_test(asked, ddf):
    want = FIT.test("x1 = 0, x2 = x3", ddf)
    result = FIT.test(asked, ddf)
    assert (result.ndf, result.ddf) == (want.ndf, want.ddf)
    assert_allclose([result.statistic, result.p_value], [want.statistic, want.p_value])


def test_weights_by_name_are_a_contrast():
    assert_allclose(FIT.test({"x2": 1, "x3": -1}).p_value, FIT.test("x2 - x3").p_value)
    assert FIT.test({"x2": 1, "x3": -2}).hypotheses == ("x2 - 2 * x3 = 0",)


def test_one_contrast_is_the_t_test_of_the_summary():
    table = FIT.summary().coefficients.set_index("term")
    result = FIT.test("x2")
    row = result.to_frame().iloc[0]
    for name in ("estimate", "std_error", "df", "statistic", "p_value"):
        assert_allclose(row[name], table.loc["x2", name])
    assert_allclose(result.statistic, row["statistic"] ** 2)
    assert_allclose([result.ddf, result.p_value], [row["df"], row["p_value"]])


def test_lmertests_contests(reference, terms_data):
    r = reference("tests_of_terms")["contests"]
    fit = pp.lmer(r["formula"], terms_data)
    for ddf, rtol in (("satterthwaite", 1e-3), ("kenward_roger", 2e-5)):
        result = fit.test(np.array(r["L"]), ddf.replace("_", "-"), rhs=r["rhs"])
        want = r[ddf][0]
        ours = [result.statistic, result.ndf, result.ddf, result.p_value]
        assert_allclose(
            ours, [want[k] for k in ("statistic", "num_df", "den_df", "p_value")], rtol=rtol
        )


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "asymptotic"])
def test_rows_that_follow_from_others_add_nothing(ddf):
    rows = np.array([[0, 1, 0, 0], [0, 0, 1, -1.0]])
    once = FIT.test(rows, ddf)
    more = FIT.test(np.vstack([rows, rows[0] - 3 * rows[1], rows[1]]), ddf)
    assert more.ndf == once.ndf == 2
    assert_allclose([more.statistic, more.ddf], [once.statistic, once.ddf], rtol=1e-3)


def test_a_dependent_contest_is_lmertests(reference, terms_data):
    r = reference("tests_of_terms")["contests"]
    fit = pp.lmer(r["formula"], terms_data)
    rows = np.array(r["L"])
    result = fit.test(np.vstack([rows, rows[0] + rows[1]]))
    assert result.ndf == r["twice"][0]["num_df"]
    assert_allclose(result.statistic, r["twice"][0]["statistic"], rtol=1e-4)
    assert_allclose(result.ddf, r["twice"][0]["den_df"], rtol=1e-3)


def test_a_terms_name_stands_for_its_coefficients(terms_fit_of):
    fit = terms_fit_of("crossed")
    assert fit.test("a").ndf == 2
    assert fit.test("a:b").hypotheses == ("a[T.q]:b[T.v] = 0", "a[T.r]:b[T.v] = 0")
    assert fit.test("a, x").ndf == 3
    assert fit.test(["a", "x = 1"]).ndf == 3
    assert_allclose(fit.test("a:b").p_value, fit.anova().p_value[-1], rtol=1e-9)


def test_names_with_any_characters(terms_data):
    data = terms_data.rename(columns={"x": "x, y = 2"})
    fit = pp.lmer("y ~ a + `x, y = 2` + (1 | g)", data)
    assert_allclose(fit.test("x, y = 2 - 2 * a[T.q] = 0").contrasts, [[0, -2, 0, 1]])


def test_prints_each_row_and_the_joint_test(fit_of):
    lines = str(fit_of("irrigation").test("irrigation", "kenward-roger")).splitlines()
    assert lines[0] == "Tests of linear hypotheses with Kenward-Roger's method"
    assert lines[2] == "irrigation[T.i2] = 0    1.200      4.279 4.487   0.280    0.792"
    assert lines[-1].startswith("all together     3")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ([1, 0], "2 numbers per row, but there are 4 fixed effects: Intercept, x1, x2, x3"),
        (np.zeros((2, 5)), "5 numbers per row"),
        (np.zeros((2, 2, 4)), "ndarray of shape"),
        (np.empty((0, 4)), "numbers per row"),
        ([0, np.nan, 0, 0], "not finite"),
        ([0, 0, 0, 0], "does not involve any coefficient"),
        ("x1 - x1 = 0", "does not involve any coefficient"),
        ("1 = 1", "does not involve any coefficient"),
        ("x4 = 0", "cannot be read at 'x4 = 0'"),
        ("x1 + ", "cannot be read at its end"),
        ("x1 = 0 = 0", "cannot be read at '= 0'"),
        ("x1 * x2 = 0", "cannot be read at 'x2 = 0'"),
        ("1 / x1 = 0", "cannot be read"),
        ("x1 / 0 = 0", "division by zero"),
        ("`x1 = 0", "cannot be read"),
        ("x1 = 0, x1 = 1", "`x1 = 1` contradicts the ones before it"),
        ("", "cannot be read at its end"),
        (["x1", "nonsense"], "cannot be read at 'nonsense'"),
        ({"nonsense": 1}, "there is no fixed effect 'nonsense'"),
        (object(), "contrasts of numbers, not object"),
        (["x1", 2], "contrasts of numbers"),
        ("__import__('os')", "cannot be read"),
    ],
)
def test_refuses(asked, words):
    with pytest.raises(ArgumentError, match=words):
        FIT.test(asked)


@pytest.mark.parametrize(
    ("rhs", "words"),
    [([1, 2], "rhs has shape"), (np.inf, "finite"), ("one", "rhs must be a number")],
)
def test_refuses_right_sides(rhs, words):
    with pytest.raises(ArgumentError, match=words):
        FIT.test([0, 1, 0, 0], rhs=rhs)


def test_refuses_two_right_sides():
    with pytest.raises(ArgumentError, match="has right sides already"):
        FIT.test("x1 = 1", rhs=2)


AS_WRITTEN = ["I(x^2)", "I(x ^ 2) = 0", "I(x**2)=0", "`I(x ** 2)` = 0", "0 = I( x^2 )"]


@pytest.mark.parametrize("text", AS_WRITTEN)
def test_a_transforms_name_is_read_as_it_was_written(text, terms_data):
    fit = pp.lmer("y ~ x + I(x^2) + (1 | g)", terms_data)
    assert_allclose(np.abs(fit.test(text).contrasts), [[0, 0, 1]])
    assert fit.test({"I(x^2)": 2}).rows["estimate"][0] == 2 * fit.beta[2]


@pytest.mark.parametrize(
    "text", ["scale(`a b`)", "scale(`a b`) = 0", "scale(a b) = 0", "2 * scale(`a b`) = 0"]
)
def test_a_backticked_name_is_read_as_it_was_written(text, terms_data):
    fit = pp.lmer("y ~ scale(`a b`) * a + (1 | g)", terms_data.rename(columns={"x": "a b"}))
    weights = fit.test(text).contrasts
    assert np.flatnonzero(weights).tolist() == [fit.fixed_names.index("scale(a b)")]
    crossed = fit.test("scale(`a b`):a[T.q] = 0")
    assert crossed.contrasts[0, fit.fixed_names.index("scale(a b):a[T.q]")] == 1


def test_a_right_side_that_is_given_is_printed():
    assert FIT.test({"x2": 1, "x3": -2}, rhs=10).hypotheses == ("x2 - 2 * x3 = 10",)
    assert FIT.test("x2 = x3", rhs=-0.25).hypotheses == ("x2 - x3 = -0.25",)
    assert FIT.test("x2, x3", rhs=[1, 2]).hypotheses == ("x2 = 1", "x3 = 2")
    assert "x2 = 10 " in str(FIT.test("x2", rhs=10))
