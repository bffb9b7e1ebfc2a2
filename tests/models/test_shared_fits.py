"""One fit asked by several threads at once, and by forked children, answers as if asked alone."""

from __future__ import annotations

import concurrent.futures as futures
import copy
import os
import signal
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool import _core

from tests.forks import forked_beside

THREADS = 8


def crossed() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    g, h = rng.integers(0, 300, 4_000), rng.integers(0, 40, 4_000)
    x = rng.normal(size=4_000)
    y = x + rng.normal(size=300)[g] + rng.normal(size=40)[h] + rng.normal(size=4_000)
    return pd.DataFrame({"y": y, "x": x, "g": g, "h": h})


def without_variance() -> pd.DataFrame:
    """Singular: Satterthwaite's method moves such a fit on its way."""
    rng = np.random.default_rng(6)
    g, x = np.arange(400) % 20, rng.normal(size=400)
    y = x + rng.normal(size=20)[g] + rng.normal(size=400)
    return pd.DataFrame({"y": y - pd.Series(y).groupby(g).transform("mean"), "x": x, "g": g})


FITS: dict[str, Callable[[], pp.LinearMixedModel]] = {
    "crossed": lambda: pp.lmer("y ~ x + (x | g) + (1 | h)", crossed(), reml=False),
    "singular": lambda: pp.lmer("y ~ x + (1 | g)", without_variance()),
    "small": lambda: pp.lmer("Reaction ~ Days + (Days | Subject)", pp.load_dataset("sleepstudy")),
}


def told(answer: Any) -> Any:
    """An answer's numbers, to the last bit."""
    if isinstance(answer, pd.DataFrame | pd.Series):
        return told(answer.to_dict())
    if isinstance(answer, dict):
        return {key: told(value) for key, value in answer.items()}
    if isinstance(answer, tuple | list):
        return [told(value) for value in answer]
    if isinstance(answer, float | np.floating | np.ndarray):
        return np.asarray(answer).tobytes()
    return answer if isinstance(answer, int | None) else str(answer)


def profiled(native: _core.Fit) -> Any:
    try:
        return _core.profile_sides(native, "sigma", [], ([1.0], [1.0]), 1e-8)
    except _core.CoreError as error:
        return str(error)


def native_accessors(fit: pp.LinearMixedModel) -> dict[str, Callable[[], Any]]:
    """Everything that the native fit answers, and the native functions that are given one."""
    native, rows = fit._native, fit.design.with_rows()
    x = [rows.x[i] for i in fit._products.kept]
    factors = [(list(f.columns), f.codes) for f in rows.factors]
    shape = (rows.n, x, factors)
    with_ = [True] * len(factors)
    out: dict[str, Callable[[], Any]] = {
        name: lambda name=name: getattr(native, name)
        for name in dir(native)
        if not name.startswith("_") and not callable(getattr(native, name))
    }
    effects = native.beta, native.random_effects()
    out |= {
        "random_effects": native.random_effects,
        "conditional_covariances": native.conditional_covariances,
        "satterthwaite": native.satterthwaite,
        "linear_predictor": lambda: native.linear_predictor(*shape, effects, with_),
        "leverages": lambda: native.leverages(*shape),
        "prediction_variances": lambda: native.prediction_variances(*shape, with_, True),
    }
    missing = {n for n in dir(native) if not n.startswith("_")} - set(out) - {"restore"}
    assert not missing
    out |= {
        "kenward_roger": lambda: _core.kenward_roger(native),
        "fixed_root": lambda: _core.fixed_root(native),
        "smoothed_columns": lambda: _core.smoothed_columns(native),
        # Of a fit by REML it is refused, in the same words.
        "profile": lambda: profiled(native),
        "bootstrap": lambda: pp.bootstrap(fit, nsim=2, seed=1).replicates,
    }
    return out


@pytest.mark.parametrize("kind", FITS)
def test_threads_that_ask_one_fit_at_once_get_the_same_numbers(kind: str) -> None:
    alone = {name: told(ask()) for name, ask in native_accessors(FITS[kind]()).items()}
    asked = native_accessors(FITS[kind]())
    start = threading.Barrier(THREADS)

    def every(shift: int) -> dict[str, Any]:
        names = list(asked)
        names = names[shift:] + names[:shift]
        start.wait()
        return {name: told(asked[name]()) for _ in range(3) for name in names}

    with futures.ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(every, range(0, 2 * THREADS, 2)):
            assert {n for n in alone if found[n] != alone[n]} == set()


#: What a user asks, some of it kept by the fit once it is known.
QUESTIONS: dict[str, Callable[[pp.LinearMixedModel], Any]] = {
    "summary": lambda f: str(f.summary()),
    "anova": lambda f: str(f.anova(ddf="kenward-roger")),
    "varcorr": lambda f: f.varcorr,
    "ranef": lambda f: f.ranef(condsd=True),
    "hatvalues": lambda f: f.hatvalues,
    "predict": lambda f: f.predict(interval="prediction"),
    "tidy": lambda f: f.tidy(),
    "influence": lambda f: f.influence("x" if "x" in str(f.formula) else "Subject").to_frame(),
    "is_singular": lambda f: f.is_singular,
    "ranova": lambda f: str(f.ranova()),
    "copy": lambda f: copy.deepcopy(f).vcov,
}


@pytest.mark.parametrize("kind", ["singular", "small"])
def test_threads_that_ask_a_model_at_once_get_the_same_numbers(kind: str) -> None:
    alone = {name: told(ask(FITS[kind]())) for name, ask in QUESTIONS.items()}
    shared = FITS[kind]()
    start = threading.Barrier(THREADS)

    def every(shift: int) -> dict[str, Any]:
        names = list(QUESTIONS)
        start.wait()
        return {n: told(QUESTIONS[n](shared)) for n in names[shift:] + names[:shift]}

    with futures.ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(every, range(THREADS)):
            assert {n for n in alone if found[n] != alone[n]} == set()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking a process with threads
def test_a_child_forked_while_a_thread_works_with_the_fit_asks_it() -> None:
    fit = FITS["crossed"]()
    accessors = native_accessors(fit)
    want = {name: told(accessors[name]()) for name in ("leverages", "beta", "criterion")}

    def child() -> None:
        found = {name: told(accessors[name]()) for name in want}
        os._exit(0 if found == want else 1)

    forked_beside(accessors["leverages"], child, times=10)


def test_a_signal_handler_may_ask_the_fit_that_it_interrupts() -> None:
    rng = np.random.default_rng(2)
    n = 150_000
    g, h = rng.integers(0, 2_000, n), rng.integers(0, 1_500, n)
    y = rng.normal(size=2_000)[g] + rng.normal(size=1_500)[h] + rng.normal(size=n)
    fit = pp.lmer("y ~ 1 + (1 | g) + (1 | h)", {"y": y, "g": g, "h": h})
    want, found = fit._native.sigma, []
    before = signal.signal(signal.SIGALRM, lambda *_: found.append(fit._native.sigma))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        while not found:
            fit._native.conditional_covariances()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert found == [want]


def test_work_that_is_stopped_leaves_the_fit_as_it_was() -> None:
    fit = FITS["crossed"]()
    accessors = native_accessors(fit)
    want = {name: told(ask()) for name, ask in accessors.items()}

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    def until_stopped(ask: Callable[[], Any]) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.002)
        while True:
            ask()

    before = signal.signal(signal.SIGALRM, stop)
    try:
        for name in ("leverages", "satterthwaite", "conditional_covariances"):
            with pytest.raises(KeyboardInterrupt):
                until_stopped(accessors[name])
            found = {name: told(ask()) for name, ask in accessors.items()}
            assert {n for n in want if found[n] != want[n]} == set()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_fit_goes_with_its_last_owner() -> None:
    fit = FITS["small"]()
    assert len(fit.hatvalues) == 180
    gone = weakref.ref(fit)
    del fit
    assert gone() is None
