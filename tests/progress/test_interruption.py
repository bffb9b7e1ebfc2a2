"""Ctrl-C: what is done is kept and said to be a part, in fields, prints, frames and pages."""

from __future__ import annotations

from typing import Any

import numpy as np
import partialpool as pp
import pytest
from partialpool import _core
from partialpool.errors import ConvergenceWarning
from partialpool.inference.intervals import profile as profiles
from partialpool.models import baseline
from partialpool.progress.bar import in_slices

FORMULA = "Reaction ~ Days + (Days | Subject)"
SLEEP = pp.load_dataset("sleepstudy")
#: Parts done before Ctrl-C: more than the fewest, fewer than all.
ASKED = 100_000


@pytest.fixture(scope="module")
def fit() -> Any:
    return pp.lmer(FORMULA, SLEEP)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ctrl-C in a native function once it was asked for so many replicates."""

    def at(name: str, after: int, place: int) -> None:
        real = getattr(_core, name)

        def call(*arguments: Any) -> Any:
            if arguments[place] >= after:
                raise KeyboardInterrupt
            return real(*arguments)

        monkeypatch.setattr(_core, name, call)

    return at


def assert_said(result: Any) -> None:
    said = result.interrupted
    assert said.startswith("interrupted after ")
    assert said.endswith(f" of {ASKED:,}")
    done = int(said.split()[2].replace(",", ""))
    assert 20 <= done < ASKED
    assert done == result.nsim + (
        0 if hasattr(result, "replicates") else sum(result.failures.values())
    )
    assert said in str(result)
    assert said in result._repr_html_()
    assert result.to_frame().attrs["interrupted"] == said
    assert said in str(result.to_frame())
    assert said in result.to_frame()._repr_html_()


def test_bootstrap_says_it(fit: Any, stopped: Any) -> None:
    stopped("bootstrap_refits", 20, 3)
    boot = pp.bootstrap(fit, nsim=ASKED, seed=1)
    assert_said(boot)
    assert boot.interrupted in str(boot.confint())


def test_bootstrap_of_a_statistic_says_it(fit: Any, stopped: Any) -> None:
    stopped("simulated_response", 25, 2)
    assert_said(pp.bootstrap(fit, lambda m: m.sigma, nsim=ASKED, seed=1))


def test_intervals_say_it(fit: Any, stopped: Any) -> None:
    stopped("bootstrap_refits", 20, 3)
    with pytest.warns(ConvergenceWarning, match=r"interrupted after .* of 100,000"):
        table = fit.confint("boot", nsim=ASKED, seed=1)
    assert "interrupted after" in str(table)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        fit.tidy(conf_int=True, conf_method="boot", nsim=ASKED, seed=1)


def test_pb_test_says_it(fit: Any, stopped: Any) -> None:
    stopped("bootstrap_refits", 20, 3)
    small = pp.lmer("Reaction ~ 1 + (Days | Subject)", SLEEP)
    assert_said(pp.pb_test(fit, small, nsim=ASKED, seed=1))


@pytest.mark.parametrize("test", ["Days", "Reaction ~ 1 + (1 | Subject)"])
def test_power_says_it(test: str, stopped: Any) -> None:
    stopped("simulated_tests", 20, 3)
    stopped("bootstrap_refits", 20, 3)
    effects = {"beta": [250, 10], "sd": [20], "sigma": 25}
    formula = "Reaction ~ Days + (1 | Subject)"
    assert_said(pp.power(formula, SLEEP, effects, test, nsim=ASKED, seed=1))


def test_a_profile_says_it(fit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = profiles.sides, []

    def call(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) % 3 == 0:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(profiles, "sides", call)
    with pytest.warns(ConvergenceWarning, match="interrupted after 2 of 6 parameters"):
        table = fit.confint("profile")
    # Each interval stands in its own parameter's row; those left undone are empty.
    assert len(table) == 6
    assert np.isfinite(table.iloc[:2].to_numpy()).all()
    assert table.iloc[2:].isna().to_numpy().all()
    found = fit.profile()
    assert found.interrupted == "interrupted after 2 of 6 parameters"
    assert len(found.parameters) == 2
    monkeypatch.setattr(profiles, "sides", real)
    for text in (str(found), found._repr_html_(), str(found.to_frame())):
        assert found.interrupted in text
    assert found.to_frame().attrs["interrupted"] == found.interrupted


@pytest.mark.parametrize("done", [0, 3, 19])
def test_fewer_than_twenty_are_no_result(done: int, fit: Any, stopped: Any) -> None:
    stopped("simulated_response", done, 2)
    with pytest.raises(KeyboardInterrupt):
        pp.bootstrap(fit, lambda m: m.sigma, nsim=1000, seed=1)
    stopped("bootstrap_refits", 2, 3)
    for call in (pp.bootstrap, lambda f, **k: f.confint("boot", **k)):
        with pytest.raises(KeyboardInterrupt):
            call(fit, nsim=1000, seed=1)


def test_whole_work_says_nothing(fit: Any) -> None:
    boot = pp.bootstrap(fit, nsim=25, seed=1)
    assert boot.interrupted == ""
    assert "interrupted" not in str(boot) + boot._repr_html_() + str(boot.confint())
    assert fit.profile("sigma").interrupted == ""
    assert in_slices(5, lambda first, count: None, "") == 5


def test_influence_names_what_was_left_out(fit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = _core.delete_rows, []

    def call(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) > 60:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(_core, "delete_rows", call)
    found = fit.influence("observation", refit=True)
    left = [label for label, why in found.failed.items() if "interrupted" in why]
    assert 0 < len(left) < 160
    assert np.isnan(found.cooks_distance[left]).all()
    assert "interrupted" in str(found)
    calls.extend([()] * 60)
    with pytest.raises(KeyboardInterrupt):
        fit.influence("observation", refit=True)


def test_lm_list_and_exact_tests_pass_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    one = pp.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    monkeypatch.setattr(_core, "null_draws", stop)
    with pytest.raises(KeyboardInterrupt):
        pp.exact_rlrt(one)
    real, calls = baseline.least_squares, []

    def some(part: Any) -> Any:
        calls.append(part)
        return real(part) if len(calls) < 5 else stop()

    monkeypatch.setattr(baseline, "least_squares", some)
    with pytest.raises(KeyboardInterrupt):
        pp.lm_list("Reaction ~ Days | Subject", SLEEP)
    assert len(calls) == 5


def test_a_posterior_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    post = pp.sample(FORMULA, SLEEP, chains=2, warmup=30, draws=30, seed=1, progress=False)
    assert post.interrupted == ""
    part = pp.sample(FORMULA, SLEEP, chains=2, warmup=30, draws=30, seed=1, progress=False)
    part.values = part.values[:, :25]
    part.stats = {name: values[:, :25] for name, values in part.stats.items()}
    assert part.interrupted == "interrupted: 2 chains of 25 draws are kept, of 2 chains of 30"
    assert part.interrupted in str(part)
