"""The same numbers, to the last bit, whatever the number of threads."""

import os
import subprocess
import sys

SCRIPT = """
import numpy as np
import partialpool as pp

rng = np.random.default_rng(8)
n = 60_000
g, h = rng.integers(0, 3_000, n), rng.integers(0, 90, n)
x = rng.normal(size=n)
y = x + rng.normal(size=3_000)[g] + rng.normal(size=90)[h] * x + rng.normal(size=n)
data = {"y": y, "x": x, "g": g, "h": h, "w": rng.uniform(0.5, 2, n)}
data["k"] = rng.integers(0, 500, n)
models = (
    ("y ~ x + (x | g)", None),
    ("y ~ x + (1 | g) + (0 + x | h)", "w"),
    ("y ~ x + (1 | g) + (1 | k)", None),
)
for formula, weights in models:
    fit = pp.lmer(formula, data, weights=weights)
    numbers = [fit.criterion, fit.sigma, *fit.beta, *fit.theta, *fit.covariance.ravel()]
    numbers += [fit.fitted.sum(), fit.hatvalues.sum()]
    for frame in fit.ranef(condsd=True).values():
        numbers += list(frame.to_numpy()[::29].ravel())
    print(" ".join(float(v).hex() for v in numbers))
"""


def test_numbers_do_not_depend_on_threads() -> None:
    printed = set()
    for threads in (1, 2, 4):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "RAYON_NUM_THREADS": str(threads)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.split()) > 100
        printed.add(done.stdout)
    assert len(printed) == 1
