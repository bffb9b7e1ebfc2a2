"""At 10⁶ rows nothing that is asked of a fit allocates more than the fit did.

One process (Linux) fits 10⁶ rows and asks for everything in turn. The peak is the kernel's (VmHWM,
reset before each), so it counts NumPy, Rust and all else; what is imported once is imported
beforehand. What is handed out, as a million residuals, is not counted: it is the user's.
"""

import json
import subprocess
import sys
import tempfile
from functools import cache

import pytest

#: What is asked → Python; `fit` is the model, `small` a submodel fitted beforehand.
ASKED = {
    "kenward_roger": "kr_of(fit)",
    "satterthwaite": "satterthwaite_of(fit)",
    "anova": "fit.anova()",
    "anova of two fits": "pp.anova(small, fit)",
    "drop1": "fit.drop1()",
    "ranova": "fit.ranova()",
    "test": "fit.test('x = 0')",
    "confint by Wald": "fit.confint('wald')",
    "varcorr": "fit.varcorr",
    "vcov": "fit.vcov",
    "ranef": "fit.ranef(condsd=True)",
    "coef": "fit.coef()",
    "tidy": "fit.tidy(conf_int=True)",
    "tidy of random effects": "fit.tidy(effects=('ran_vals', 'ran_coefs'))",
    "glance": "fit.glance()",
    "fitted": "fit.fitted",
    "residuals": "fit.residuals('scaled')",
    "hatvalues": "fit.hatvalues",
    "predict": "fit.predict(random='none')",
    "predict with intervals": "fit.predict(interval='prediction')",
    "summary": "str(fit.summary())",
    "summary by Kenward-Roger": "str(fit.summary('kenward-roger'))",
    "HTML": "fit._repr_html_()",
    "quantiles of residuals": "fit.residual_quantiles",
    "augment": "fit.augment()",
    "simulate": "fit.simulate(1, seed=1)",
    "refit": "fit.refit(fit.design.y)",
    "update": "fit.update('. ~ . - x')",
    "shrinkage": "fit.shrinkage()",
    "influence of rows": "fit.influence('observation')",
    "influence of groups": "fit.influence('g')",
    "bootstrap": "pp.bootstrap(fit, nsim=4, seed=1)",
    "profile": "fit.profile(['sigma'])",
    "save": "fit.save(path)",
    "emmeans": "pp.emmeans(fit, [])",
}

SCRIPT = """
import ctypes, gc, json, sys
from pathlib import Path
import numpy as np, pandas as pd, partialpool as pp

def status(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024

def resident():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return status("VmRSS")

def peak_of(action):
    before = resident()
    Path("/proc/self/clear_refs").write_text("5")
    value = action()
    return status("VmHWM") - before, value

def kr_of(fit):
    fit.__dict__.pop("kenward_roger", None)
    return fit.kenward_roger

def satterthwaite_of(fit):
    fit.__dict__.pop("satterthwaite", None)
    return fit.satterthwaite

def table(n, groups):
    rng = np.random.default_rng(1)
    g, x = np.arange(n) % groups, rng.normal(size=n)
    u, v = rng.normal(size=groups), rng.normal(size=groups)
    y = 1 + 2 * x + u[g] + 0.5 * v[g] * x + rng.normal(size=n)
    return pd.DataFrame({"y": y, "x": x, "g": g})

asked = json.loads(sys.argv[1])
def models(data):
    return lambda: pp.lmer("y ~ x + (x | g)", data)
warm = models(table(2_000, 40))()
names = {"path": sys.argv[2], "pp": pp, "kr_of": kr_of, "satterthwaite_of": satterthwaite_of}
for code in asked.values():
    eval(code, {**names, "fit": warm, "small": pp.lmer("y ~ 1 + (x | g)", table(2_000, 40))})
data = table(1_000_000, 20_000)
fitted, fit = peak_of(models(data))
small = pp.lmer("y ~ 1 + (x | g)", data)
out = {"fit": fitted}
for name, code in asked.items():
    peak, value = peak_of(lambda: eval(code, {**names, "fit": fit, "small": small}))
    held = resident()
    del value
    # What is given back when the answer is let go was the answer.
    out[name] = peak - (held - resident())
print(json.dumps(out))
"""


@cache
def peaks() -> dict[str, int]:
    """Bytes allocated at most beyond the answer; "fit" is the fit with its design."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", SCRIPT, json.dumps(ASKED), f"{folder}/stored.fit"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ASKED)
def test_allocates_no_more_than_the_fit(name: str) -> None:
    found = peaks()
    mib = 2**20
    assert found[name] <= found["fit"], (
        f"{name}: {found[name] / mib:.1f} MiB, the fit {found['fit'] / mib:.1f} MiB"
    )
