"""Every transform of a column of any name: predictions of the rows are their fitted values."""

import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool.design.encoder import Encoder
from partialpool.errors import DesignError, FileError
from partialpool.formula.transforms import TRANSFORMS

#: A transform each, of the numeric column X or the factor F.
CALLS = [
    *("C(F)", "factor(F)", "as.factor(F)", "C(F, contr.sum)", "C(F, contr.treatment(base='b'))"),
    *("C(F, contr.helmert)", "C(F, contr.poly)", "C(F, contr.SAS)", "C(F, contr.diff)"),
    *("C(F, levels=['c', 'a', 'b'])", "F"),
    *("bs(X, df=4)", "ns(X, df=3)", "cr(X, df=3)", "cs(X, df=3)", "cc(X, df=3)"),
    *("poly(X, 2)", "poly(X, 2, raw=TRUE)", "bs(log(X), df=4)", "poly(scale(X), 2)"),
    *("scale(X)", "center(X)", "standardize(X)", "scale(log(X))", "scale(X, scale=FALSE)"),
    *("log(X)", "log10(X)", "log2(X)", "log1p(X)", "exp(X)", "expm1(X)", "sqrt(X)", "abs(X)"),
    *("sin(X)", "cos(X)", "I(X^2)", "I((X - 1) / 2)", "I(scale(X) * X)", "offset(log(X))"),
]
NAMES = [
    *("x", "a b", "a.b", "it's", 'say "x"', "größe", "²", "ﬁ", "class", "lambda", "scale", "poly"),
    *("log", "C", "contr", "np", "v0_", "v0_0_", "v0_0L0_", "scale(x)", "a:b", "x + 1", "x[T.a]"),
    *("2nd", "TRUE", "T", "I", "a_b_", "my__col"),
]


def table(x: str, f: str) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 60
    data = {x: rng.uniform(0.5, 3.0, n), f: np.resize(["a", "b", "c"], n)}
    data["other"] = rng.normal(size=n)
    data["group"] = np.resize(np.arange(10), n)
    data["second"] = rng.permutation(np.resize(np.arange(6), n))
    data["response"] = rng.normal(size=n) + data[x] + rng.normal(size=10)[data["group"]]
    return pd.DataFrame(data)


def written(call: str, x: str, f: str) -> str:
    return re.sub(r"\b[XF]\b", lambda m: f"`{x if m.group() == 'X' else f}`", call)


def test_every_transform_is_tested() -> None:
    assert {re.match(r"[\w.]+", call).group() for call in CALLS} >= set(TRANSFORMS)  # pyright: ignore[reportOptionalMemberAccess]


@pytest.mark.parametrize("call", CALLS)
def test_predictions_of_rows_are_their_fitted_values(call: str) -> None:
    state = repr(np.random.get_state())
    rows = [31, 4, 50, 5]
    for i, name in enumerate(NAMES[CALLS.index(call) % 4 :: 4]):
        x, f = (name, "f") if "X" in call else ("x_", name)
        data = table(x, f)
        one = written(call, x, f)
        formula = f"response ~ other + {one}"
        if not call.startswith("offset"):
            formula += f" + {one}:other" if i % 2 else f" + other:{one}"
        fit = pp.lm(formula, data)
        np.testing.assert_allclose(fit.predict(data), fit.fitted, rtol=1e-9)
        np.testing.assert_allclose(fit.predict(data.iloc[rows]), fit.fitted[rows], rtol=1e-9)
        np.testing.assert_allclose(fit.predict(data.iloc[[7]]), fit.fitted[[7]], rtol=1e-9)
        again = pickle.loads(pickle.dumps(fit))
        np.testing.assert_array_equal(again.predict(data), fit.predict(data))
        # The same columns as under a plain name, and names as they were written.
        plain = pp.lm(re.sub(r"`[^`]*`", "plain", formula), data.rename(columns={name: "plain"}))
        np.testing.assert_allclose(fit.fitted, plain.fitted, rtol=1e-9)
        assert len(fit.names) == len(plain.names)
        if not call.startswith("offset"):
            assert any(name in shown for shown in fit.names)
            assert [n.replace("plain", name) for n in plain.names] == list(fit.names)
    assert repr(np.random.get_state()) == state


@pytest.mark.parametrize("call", CALLS)
def test_stored_fits_predict_as_before_in_any_order(call: str, tmp_path: Path) -> None:
    state = repr(np.random.get_state())
    for name in NAMES[CALLS.index(call) % 7 :: 7]:
        x, f = (name, "f") if "X" in call else ("x_", name)
        data = table(x, f)
        one = written(call, x, f)
        formula = f"response ~ {one} + (1 | group)"
        if not call.startswith("offset"):
            formula += f" + other:{one} + (0 + {one} || second)"
        fit = pp.lmer(formula, data, reml=False)
        fit.save(tmp_path / "fit.pp")
        stored = pp.load(tmp_path / "fit.pp")
        rows = np.random.default_rng(1).permutation(60)[:25]
        for model in (fit, stored, pickle.loads(pickle.dumps(fit))):
            new = data.iloc[rows].drop(columns="response")
            np.testing.assert_allclose(model.predict(new), fit.fitted[rows], rtol=1e-7)
        assert stored.fixed_names == fit.fixed_names
        term = fit.formula[fit.formula.rindex("(0 +") :] if "||" in formula else "(1 | group)"
        base = fit.predict(data, random="none")
        parts = [fit.predict(data, random=text) - base for text in {term, "(1 | group)"}]
        np.testing.assert_allclose(base + sum(parts), fit.fitted, rtol=1e-7)
        stored.save(tmp_path / "again.pp")
        third = pp.load(tmp_path / "again.pp")
        np.testing.assert_allclose(third.predict(data), fit.fitted, rtol=1e-7)
    assert repr(np.random.get_state()) == state


@pytest.mark.parametrize("levels", [["a`b", "ab", "v0_0L1_"], ["a:b", "T.b]", ""], ["1", "T", "."]])
def test_levels_of_any_text_keep_their_columns(levels: list[str]) -> None:
    data = table("x", "f").assign(f=np.resize(levels, 60))
    for coding in (None, {"f": "sum"}):
        fit = pp.lm("response ~ x * f", data, contrasts=coding)
        assert len(fit.names) == 6
        mark = "S" if coding else "T"
        kept = sorted(levels)[:-1] if coding else sorted(levels)[1:]
        assert [f"f[{mark}.{v}]" for v in kept] == list(fit.names[2:4])
        np.testing.assert_allclose(fit.predict(data.iloc[::-1]), fit.fitted[::-1], rtol=1e-9)


def test_a_number_and_its_factor_are_two_columns() -> None:
    data = table("x", "f").assign(k=np.resize([1, 2, 4, 8], 60))
    fit = pp.lm("response ~ k + C(k)", data)
    assert fit.names == ("Intercept", "k", "C(k)[T.2]", "C(k)[T.4]")
    np.testing.assert_allclose(fit.predict(data.iloc[::-1]), fit.fitted[::-1], rtol=1e-9)


def test_two_columns_of_one_name_are_refused() -> None:
    data = table("x", "f").assign(**{"scale(x)": 1.0 + np.arange(60), "x:other": np.arange(60.0)})
    for formula in ("scale(x) + `scale(x)`", "x*other + `x:other`", "f + x*other + `x:other`"):
        with pytest.raises(DesignError, match=r"would be called '(scale\(x\)|x:other)'"):
            pp.lm(f"response ~ {formula}", data)


def test_a_state_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    data = table("a b", "f")
    fit = pp.lmer("response ~ scale(`a b`) + f + (1 | group)", data)
    encoder = fit.design.fixed
    stored = encoder.state()
    with pytest.raises(DesignError, match="fit the model again"):
        Encoder.restore({**stored, "transforms": {"dict": []}})
    empty = {"dict": [["scale(`a b`)", {"dict": []}]]}
    with pytest.raises(DesignError, match="fit the model again"):
        Encoder.restore({**stored, "transforms": empty})
    encoder.states.clear()
    with pytest.raises(DesignError, match="fit the model again"):
        fit.predict(data)


def test_tests_means_and_hypotheses_of_awkward_names() -> None:
    data = table("a b", "my f").assign(w=np.random.default_rng(1).uniform(0.5, 2, 60))
    plain = data.rename(columns={"a b": "x", "my f": "f"})
    awkward = "response ~ poly(`a b`, 2) * C(`my f`, contr.sum) + (scale(`a b`) | group)"
    fit = pp.lmer(awkward, data)
    same = pp.lmer("response ~ poly(x, 2) * C(f, contr.sum) + (scale(x) | group)", plain)
    np.testing.assert_allclose(fit.anova().p_value, same.anova().p_value, rtol=1e-6)
    np.testing.assert_allclose(
        pp.emmeans(fit, "my f").estimate, pp.emmeans(same, "f").estimate, rtol=1e-7
    )
    slopes = [
        pp.emtrends(m, g, var=x).estimate for m, g, x in ((fit, "my f", "a b"), (same, "f", "x"))
    ]
    np.testing.assert_allclose(*slopes, rtol=1e-6)
    for text in ("poly(a b, 2)[1] = 0", "poly(`a b`, 2)[1] = 0", "poly(a b, 2)"):
        expected = same.test(text.replace("`", "").replace("a b", "x"))
        assert fit.test(text).p_value == pytest.approx(expected.p_value, rel=1e-6)
    np.testing.assert_allclose(
        fit.simulate(2, seed=1).to_numpy(), same.simulate(2, seed=1).to_numpy(), rtol=1e-6
    )
    each = pp.lm_list("response ~ scale(`a b`) | `my f`", data).coef()
    np.testing.assert_allclose(each, pp.lm_list("response ~ scale(x) | f", plain).coef())


def test_a_damaged_file_of_an_awkward_fit_is_a_file_error(tmp_path: Path) -> None:
    import json
    import zipfile

    pp.lmer("response ~ scale(`a b`) + (1 | group)", table("a b", "f")).save(tmp_path / "fit.pp")
    with zipfile.ZipFile(tmp_path / "fit.pp") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(parts["fit.json"])
    manifest["fixed"]["transforms"] = {"dict": []}
    with zipfile.ZipFile(tmp_path / "fit.pp", "w") as archive:
        archive.writestr("fit.json", json.dumps(manifest))
        archive.writestr("crossproducts.bin", parts["crossproducts.bin"])
    with pytest.raises((FileError, DesignError)):
        pp.load(tmp_path / "fit.pp")
