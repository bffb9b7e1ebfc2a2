"""The adapter for the marginaleffects package, against its interface (version 0.6)."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import partialpool as pp
import polars as pl
import pytest
from partialpool.errors import ArgumentError


class ModelAbstract:
    """What marginaleffects.classes.ModelAbstract does with its vault."""

    def __init__(self, model: Any, vault: Any) -> None:
        self.model, self.vault = model, vault
        assert isinstance(vault.coef, np.ndarray)
        assert isinstance(vault.modeldata, pl.DataFrame)
        assert "~" in vault.formula


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = ModuleType("marginaleffects.classes")
    classes.__dict__.update(ModelAbstract=ModelAbstract, ModelVault=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "marginaleffects", ModuleType("marginaleffects"))
    monkeypatch.setitem(sys.modules, "marginaleffects.classes", classes)


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("name", ["uneven", "holed", "plain"])
def test_predictions_are_those_of_the_fit(model: Any, name: str) -> None:
    fit = model(name)
    adapter = pp.marginaleffects_model(fit)
    data = adapter.vault.modeldata
    found = adapter.get_predict(adapter.vault.coef, adapter.get_exog(data))
    population = fit.predict() if name == "plain" else fit.predict(random="none")
    np.testing.assert_allclose(found["estimate"], population, rtol=1e-12)
    assert found["rowid"].dtype == pl.Int32
    assert len(adapter.vault.coefnames) == len(adapter.vault.coef) == len(adapter.get_vcov())
    assert adapter.vault.variable_names[0] == "angle"
    assert data["recipe"].dtype == pl.Enum(["A", "B", "C"])


@pytest.mark.usefixtures("package")
def test_rows_with_missing_values_are_left_out(model: Any) -> None:
    data = model("uneven").design.source.copy()
    data.loc[[2, 5], "number"] = np.nan
    fit = pp.lmer("angle ~ recipe + number + (1 | recipe:replicate)", data)
    assert len(pp.marginaleffects_model(fit).vault.modeldata) == fit.nobs


@pytest.mark.usefixtures("package")
def test_other_covariances_are_refused(model: Any) -> None:
    adapter = pp.marginaleffects_model(model("uneven"))
    assert adapter.get_vcov(False) is None
    with pytest.raises(ArgumentError, match="HC3"):
        adapter.get_vcov("HC3")


def test_without_the_package_the_error_says_what_to_install(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "marginaleffects", None)
    with pytest.raises(ArgumentError, match="pip install marginaleffects"):
        pp.marginaleffects_model(model("uneven"))
