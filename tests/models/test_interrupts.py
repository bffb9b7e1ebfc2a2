"""Ctrl-C reaches native work: a large fit, and what is read off it."""

import signal
import subprocess
import sys

import pytest

START = """
import sys
import numpy as np
import partialpool as pp
import partialpool._core

def crossed(n, a_levels, b_levels):
    rng = np.random.default_rng(5)
    a, b, x = rng.integers(0, a_levels, n), rng.integers(0, b_levels, n), rng.normal(size=n)
    y = x + rng.normal(size=a_levels)[a] + rng.normal(size=b_levels)[b] + rng.normal(size=n)
    return {"y": y, "x": x, "a": a, "b": b}

formula = "y ~ x + (1 | a) + (1 | b)"
"""
FIT = """
data = crossed(60_000, 5_000, 4_500)
print("ready", flush=True)
while True:
    pp.lmer(formula, data)
"""
READ = """
fit = pp.lmer(formula, crossed(4_000, 700, 600))
print("ready", flush=True)
while True:
    {}
"""
#: One evaluation of the fit takes seconds: a Cholesky factor of order 4,500.
WORK = {
    "fit": FIT,
    "Satterthwaite": READ.format("fit._native.satterthwaite()"),
    "Kenward-Roger": READ.format("pp._core.kenward_roger(fit._native)"),
    "profile": READ.format("fit.profile()"),
    "conditional SDs": READ.format("fit._native.conditional_covariances()"),
}


@pytest.mark.parametrize("work", WORK)
def test_a_signal_ends_native_work_as_a_keyboard_interrupt(work: str) -> None:
    begun = subprocess.Popen(
        [sys.executable, "-c", START + WORK[work]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert begun.stdout is not None
        assert begun.stdout.readline() == "ready\n"
        begun.send_signal(signal.SIGINT)
        _, errors = begun.communicate(timeout=60)
    finally:
        begun.kill()
    assert errors.rstrip().endswith("KeyboardInterrupt")
