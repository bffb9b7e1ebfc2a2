"""Forked and spawned processes, threads and event loops: all work, none waits for ever."""

from __future__ import annotations

import asyncio
import concurrent.futures as futures
import multiprocessing
import os
import subprocess
import sys
from typing import Any

import numpy as np
import partialpool as pp
import pytest

from tests.forks import PATIENCE, forked_beside


def table() -> dict[str, Any]:
    """Crossed, and large enough for parallel products."""
    rng = np.random.default_rng(3)
    g, h = rng.integers(0, 400, 6_000), rng.integers(0, 60, 6_000)
    x = rng.normal(size=6_000)
    y = x + rng.normal(size=400)[g] + rng.normal(size=60)[h] + rng.normal(size=6_000)
    return {"y": y, "x": x, "g": g, "h": h}


def numbers(seed: int = 1) -> list[float]:
    """Of every part of the native module that has threads."""
    fit = pp.lmer("y ~ x + (x | g) + (1 | h)", table())
    sleep = pp.load_dataset("sleepstudy")
    small = pp.lmer("Reaction ~ Days + (Days | Subject)", sleep)
    boot = pp.bootstrap(small, nsim=20, seed=seed)
    post = pp.sample(
        "Reaction ~ Days + (Days | Subject)",
        sleep,
        chains=2,
        warmup=20,
        draws=20,
        seed=seed,
        progress=False,
    )
    out = [fit.criterion, fit.hatvalues.sum(), boot.replicates.sum(), post.values.sum()]
    return [float(v) for v in out]


@pytest.fixture(scope="module")
def want() -> list[float]:
    return numbers()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking a process with threads
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_child_process_gives_the_same_numbers(start: str, want: list[float]) -> None:
    context = multiprocessing.get_context(start)
    with futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        jobs = [pool.submit(numbers) for _ in range(2)]
        try:
            for job in jobs:
                assert job.result(timeout=PATIENCE) == want
        except TimeoutError:
            for process in multiprocessing.active_children():
                process.kill()
            raise
    assert numbers() == want


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_during_a_fit_in_another_thread() -> None:
    _fit_a_little()  # what is imported late is imported now: CPython's import locks outlive a fork
    forked_beside(
        lambda: pp.lmer("Reaction ~ Days + (Days | Subject)", pp.load_dataset("sleepstudy")),
        _fit_and_leave,
        times=40,
    )


def _fit_a_little() -> None:
    x = np.arange(60.0)
    pp.lmer("y ~ 1 + (1 | g)", {"y": np.sin(x * x), "g": np.arange(60) % 6})


def _fit_and_leave() -> None:
    _fit_a_little()
    os._exit(0)


def test_threads_and_event_loops_give_the_same_numbers(want: list[float]) -> None:
    with futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: numbers(), range(4))) == [want] * 4

    async def both() -> list[list[float]]:
        return list(await asyncio.gather(*(asyncio.to_thread(numbers) for _ in range(2))))

    assert asyncio.run(both()) == [want] * 2


@pytest.mark.parametrize("asked", ["100000", "0", "-3", "many", "", "9" * 30])
def test_any_wish_for_threads_is_bounded(asked: str) -> None:
    code = (
        "import partialpool as pp, numpy as np\n"
        "x = np.arange(60.0)\n"
        "fit = pp.lmer('y ~ 1 + (1 | g)', {'y': np.sin(x * x), 'g': np.arange(60) % 6})\n"
        "print(pp.bootstrap(fit, nsim=5, seed=1).nsim)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "RAYON_NUM_THREADS": asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")
