"""A fit comes back from pickle and from a file as it was; the file does not grow with the rows."""

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool.errors import DataError, FileError

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("y ~ x + (x | g)", {}),
    "ML": ("y ~ x + (1 | g)", {"reml": False}),
    "factors": ("y ~ x * f + (f || h)", {"contrasts": {"f": "sum"}}),
    "nested": ("y ~ x + (1 | g/f)", {}),
    "transforms": ("y ~ poly(x, 2) + scale(z) + ns(w, 3) + (bs(x, 4) || g)", {}),
    "offset in the formula": ("log(y + 9) ~ x + offset(z) + (1 | g) + (1 | h)", {}),
    "weights": ("y ~ x + (1 | g)", {"weights": "w"}),
    "offset": ("y ~ x + (1 | g)", {"offset": "z"}),
}


@pytest.fixture(params=MODELS)
def fit(request: pytest.FixtureRequest, table: pd.DataFrame) -> Any:
    formula, arguments = MODELS[request.param]
    return pp.lmer(formula, table, **arguments)


def assert_equal_without_rows(a: Any, b: Any) -> None:
    for name in ("formula", "reml", "nobs", "ngroups", "npar", "is_singular", "data_name"):
        assert getattr(a, name) == getattr(b, name), name
    for name in ("criterion", "deviance", "aic", "bic", "sigma", "explained_variance"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-12), name
    assert a.convergence == b.convergence
    pd.testing.assert_series_equal(a.fixef, b.fixef)
    pd.testing.assert_series_equal(a.theta, b.theta)
    pd.testing.assert_frame_equal(a.vcov, b.vcov)
    pd.testing.assert_frame_equal(a.varcorr, b.varcorr)
    for group, frame in b.ranef(condsd=True).items():
        pd.testing.assert_frame_equal(a.ranef(condsd=True)[group], frame, check_index_type=False)
    assert str(a.summary()) == str(b.summary())
    assert a._repr_html_() == b._repr_html_()


def assert_equal_rows(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a.fitted, b.fitted, rtol=1e-12)
    np.testing.assert_allclose(a.residuals("scaled"), b.residuals("scaled"), rtol=1e-9)
    np.testing.assert_allclose(a.hatvalues, b.hatvalues, rtol=1e-9)
    pd.testing.assert_frame_equal(a.simulate(2, seed=1), b.simulate(2, seed=1))


def test_pickle_round_trip(fit: Any, table: pd.DataFrame) -> None:
    again = pickle.loads(pickle.dumps(fit))
    assert_equal_without_rows(again, fit)
    assert_equal_rows(again, fit)
    np.testing.assert_allclose(again.predict(table), fit.predict(table), rtol=1e-13)
    np.testing.assert_array_equal(again.refit(table["y"]).beta, fit.refit(table["y"]).beta)


def test_file_round_trip_without_rows(fit: Any, table: pd.DataFrame, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit.pp")
    again = pp.load(tmp_path / "fit.pp")
    assert_equal_without_rows(again, fit)
    new = table.iloc[[5, 17, 40]]
    np.testing.assert_allclose(
        again.predict(new, random="none"), fit.predict(new, random="none"), rtol=1e-9
    )
    np.testing.assert_allclose(again.predict(new), fit.predict(new), rtol=1e-9)
    again.save(tmp_path / "again.pp")
    assert_equal_without_rows(pp.load(tmp_path / "again.pp"), fit)


def test_file_round_trip_with_rows(fit: Any, table: pd.DataFrame, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit.pp")
    again = pp.load(tmp_path / "fit.pp", data=table)
    assert_equal_without_rows(again, fit)
    assert_equal_rows(again, fit)


@pytest.mark.parametrize("use", ["fitted", "hatvalues"])
def test_what_is_stated_a_row_needs_the_rows(use: str, table: pd.DataFrame, tmp_path: Path) -> None:
    pp.lmer("y ~ x + (1 | g)", table).save(tmp_path / "fit.pp")
    again = pp.load(tmp_path / "fit.pp")
    with pytest.raises(DataError, match="data="):
        getattr(again, use)
    for call in (again.residuals, again.predict, again.simulate):
        with pytest.raises(DataError, match="data="):
            call()


def test_size_of_the_file_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    sizes = []
    for rows in (1_000, 100_000):
        rng = np.random.default_rng(5)
        group = np.arange(rows) % 20
        x = rng.normal(size=rows)
        y = x + rng.normal(size=20)[group] + rng.normal(size=rows)
        fit = pp.lmer("y ~ x + (x | g)", {"y": y, "x": x, "g": group})
        fit.save(tmp_path / "fit.pp")
        sizes.append((tmp_path / "fit.pp").stat().st_size)
    assert sizes[1] < 1.1 * sizes[0]
    assert sizes[1] < 20_000


def test_dropped_rows_and_quantiles_survive(table: pd.DataFrame, tmp_path: Path) -> None:
    table.loc[[2, 9], "x"] = np.nan
    fit = pp.lmer("y ~ x + (1 | g)", table)
    fit.save(tmp_path / "fit.pp")
    for again in (pp.load(tmp_path / "fit.pp"), pp.load(tmp_path / "fit.pp", data=table)):
        assert again.dropped_rows == 2
        assert again.residual_quantiles == pytest.approx(fit.residual_quantiles)
        assert_equal_without_rows(again, fit)


@pytest.mark.parametrize(
    "levels",
    [
        np.arange(8) + 2001,
        np.array([False, True] * 4),
        np.arange(8) / 4,
        pd.date_range("2024-01-01", periods=8),
        np.array(["ä", "'", '"', "\n", "<b>", "a:b", "", "🦊"], dtype=object),
    ],
    ids=["int", "bool", "float", "date", "text"],
)
def test_levels_of_any_type_survive(levels: Any, table: pd.DataFrame, tmp_path: Path) -> None:
    data = table.assign(g=pd.Series(levels)[np.arange(48) % 8].to_numpy())
    fit = pp.lmer("y ~ x + (1 | g) + (1 | h)", data)
    fit.save(tmp_path / "fit.pp")
    again = pp.load(tmp_path / "fit.pp")
    np.testing.assert_allclose(again.predict(data), fit.predict(data), rtol=1e-13)
    assert [str(v) for v in again.ranef()["g"].index] == [str(v) for v in fit.ranef()["g"].index]


def test_data_of_another_fit_are_refused(table: pd.DataFrame, tmp_path: Path) -> None:
    pp.lmer("y ~ x + (1 | g)", table).save(tmp_path / "fit.pp")
    with pytest.raises(DataError, match=r"40 .*48"):
        pp.load(tmp_path / "fit.pp", data=table.head(40))


def test_what_is_no_stored_fit_is_refused(table: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "fit.pp"
    with pytest.raises(FileError, match=r"no file .*fit\.pp"):
        pp.load(path)
    path.write_bytes(pickle.dumps({"not": "a fit"}))
    with pytest.raises(FileError, match=r"fit\.pp.* not a stored fit"):
        pp.load(path)
    pp.lmer("y ~ x + (1 | g)", table).save(path)
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("fit.json"))
        products = archive.read("crossproducts.bin")
    for damage in ({"version": 99}, {"native": {}}, {"factors": []}):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("fit.json", json.dumps({**manifest, **damage}))
            archive.writestr("crossproducts.bin", products)
        with pytest.raises(FileError, match=r"fit\.pp"):
            pp.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("fit.json", json.dumps(manifest))
        archive.writestr("crossproducts.bin", products[: len(products) // 2])
    with pytest.raises(FileError):
        pp.load(path)


def test_a_place_that_cannot_be_written_is_named(table: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="nowhere"):
        pp.lmer("y ~ x + (1 | g)", table).save(tmp_path / "nowhere" / "fit.pp")
