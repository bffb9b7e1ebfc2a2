"""Single term deletions, and the word on cells without data."""

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from numpy.testing import assert_allclose


@pytest.fixture
def data():
    rng = np.random.default_rng(7)
    n = 160
    table = pd.DataFrame(
        {
            "g": rng.integers(0, 16, n).astype(str),
            "a": rng.choice(list("pqr"), n),
            "b": rng.choice(list("uvw"), n),
            "x": rng.normal(size=n),
        }
    )
    table["twice"] = 2 * table["x"]
    table["a2"] = table["a"].map({"p": "1", "q": "2", "r": "3"})
    table["between"] = np.where(table["g"].astype(int) % 3 == 0, "k", "l")
    table["y"] = rng.normal(size=n) + rng.normal(size=16)[table["g"].astype(int)] + table["x"]
    return table


@pytest.mark.parametrize(
    ("formula", "term"),
    [("y ~ x + twice + (1 | g)", "x"), ("y ~ a + a2 + x + (1 | g)", "a")],
)
def test_a_term_whose_columns_others_give_cannot_be_dropped(formula, term, data):
    frame = pp.lmer(formula, data).drop1().to_frame().set_index("term")
    for name in (term, "twice" if term == "x" else "a2"):
        assert np.isnan(frame.loc[name, ["den_df", "statistic", "p_value"]].astype(float)).all()
    if term == "a":
        assert np.isfinite(frame.loc["x", "p_value"])


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
@pytest.mark.parametrize("coding", ["treatment", "sum", "helmert"])
def test_a_deletion_is_the_test_of_its_own_anova(coding, ddf, data):
    fit = pp.lmer(
        "y ~ a + between * b + x + (x | g)",
        data,
        contrasts={"a": coding, "b": coding, "between": coding},
    )
    whole = fit.anova(3, ddf).to_frame().set_index("term")
    for row in fit.drop1(ddf).to_frame().to_dict("records"):
        name = row.pop("term")
        assert_allclose(list(row.values()), whole.loc[name].to_numpy(), rtol=1e-9)


def test_a_deletion_from_a_design_with_empty_cells_is_the_refitted_one(data):
    """The F statistic that the asymptotic test gives is that of the smaller model's columns."""
    data = data[~((data["a"] == "r") & (data["b"] == "w"))].reset_index(drop=True)
    fit = pp.lmer("y ~ a * b + x + (1 | g)", data)
    assert fit.aliased
    frame = fit.drop1("asymptotic").to_frame().set_index("term")
    assert frame.loc["a:b", "num_df"] == 3
    own = [i for i, n in enumerate(fit.fixed_names) if ":" in n]
    part = fit.covariance[np.ix_(own, own)]
    wald = fit.beta[own] @ np.linalg.solve(part, fit.beta[own])
    assert_allclose(frame.loc["a:b", "statistic"] * 3, wald, rtol=1e-8)


def test_empty_cells_are_named_under_a_type_three_table(data):
    gap = data[~((data["a"] == "r") & (data["b"] == "w"))].reset_index(drop=True)
    fit = pp.lmer("y ~ a * b + x + (1 | g)", gap)
    table = fit.anova(3)
    assert table.notes == (
        "Missing cells for: a[r]:b[w]. Interpret type III hypotheses with care.",
    )
    assert table.notes[0] in str(table)
    assert "Missing cells" in table._repr_html_()
    assert not fit.anova(2).notes
    assert not pp.lmer("y ~ a * b + x + (1 | g)", data).anova(3).notes
