"""Names are keys: two things never share one."""

import numpy as np
import pandas as pd
import partialpool as pp
import polars as pl
import pytest
from partialpool.design.names import unique_names
from partialpool.errors import ArgumentError, PartialPoolError

CLASHES = {
    "y ~ x + (1 | f:g) + (1 | `f:g`)": "f:g",
    "y ~ x * z + `x:z` + (1 | g)": "x:z",
    "y ~ f * x + `f:x` + (1 | g)": "f:x",
    "y ~ f + `f[T.mid]` + (1 | g)": "f[T.mid]",
    "y ~ x + (f + `f[T.mid]` | g)": "f[T.mid]",
    "y ~ f + (`f[T.mid]` | g)": "f[T.mid]",
    "y ~ scale(x) + `scale(x)` + (1 | g)": "scale(x)",
    "y ~ I(x^2) + `I(x ** 2)` + (1 | g)": "I(x ** 2)",
    "y ~ scale(x) + (`scale(x)` | g)": "scale(x)",
    "y ~ x + (1 | Residual)": "Residual",
}


def awkward(table: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(9)
    names = ["x:z", "f:x", "f[T.mid]", "scale(x)", "I(x ** 2)", "x__z", "zeta", "sigma", "x.1"]
    more = {name: rng.normal(size=48) for name in [*names, "level", "x_condsd"]}
    groups = {"f:g": rng.permutation(table["g"]), "Residual": table["g"], "f__x": table["g"]}
    return table.assign(**more, **groups)


@pytest.mark.parametrize("formula", CLASHES)
def test_a_name_for_two_things_is_refused(formula: str, table: pd.DataFrame) -> None:
    with pytest.raises(PartialPoolError, match="rename") as caught:
        pp.lmer(formula, awkward(table))
    assert repr(CLASHES[formula]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parameters_of_two_factors_are_told_apart(table: pd.DataFrame) -> None:
    data = awkward(table)
    with pytest.raises(PartialPoolError, match="'sd_f__x__z'"):
        pp.lmer("y ~ x + (0 + `x__z` | f) + (0 + z | `f__x`)", data)


def test_awkward_names_alone_are_what_they_are(table: pd.DataFrame) -> None:
    data = awkward(table)
    plain = data.rename(columns={"f:g": "h", "x:z": "w"})
    fit = pp.lmer("y ~ `x:z` + (`x:z` | `f:g`)", data)
    assert fit.criterion == pp.lmer("y ~ w + (w | h)", plain).criterion
    assert fit.ngroups == {"f:g": 8}
    assert list(fit.ranef()["f:g"].columns) == ["Intercept", "x:z"]


def test_a_coefficient_called_as_a_parameter_is_told_apart(table: pd.DataFrame) -> None:
    fit = pp.lmer("y ~ sigma + zeta + (1 | g)", awkward(table))
    assert fit.confint(parm=".sigma", names="lme4").index.tolist() == [".sigma"]
    assert fit.confint(parm=["sigma", "b_sigma"]).index.tolist() == ["sigma", "b_sigma"]
    assert fit.confint(method="boot", nsim=20, seed=1).index.is_unique


def test_columns_of_two_terms_on_a_factor_have_their_own_names() -> None:
    assert unique_names(("x", "x.1", "x")) == ["x", "x.1", "x.2"]
    assert unique_names(("x", "x", "x.1")) == ["x", "x.2", "x.1"]


def test_tables_of_random_effects_lose_no_column(table: pd.DataFrame) -> None:
    data = pl.from_pandas(awkward(table))
    fit = pp.lmer("y ~ level + (level | g)", data)
    effects = fit.ranef()["g"]
    assert effects.columns == [".level", "Intercept", "level"]
    with pytest.raises(ArgumentError, match="two columns called 'x_condsd'"):
        pp.lmer("y ~ x + (x + x_condsd || g)", data).ranef(condsd=True)
