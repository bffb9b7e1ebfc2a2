"""Does real Stan, given our program, find our posterior?

    python benchmarks/stan_agreement.py --python .venv-stan/bin/python

Each model is sampled by `partialpool.sample`; `post.stan_code()` and `post.stan_data()` are
compiled and sampled by pystan in an environment of its own. They agree if every parameter's means
differ by at most 4 Monte-Carlo standard errors, and its standard deviations by at most 5 %.
`make stan` makes the environment and runs this; it is no part of CI: a program takes about a
minute to compile.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import partialpool as pp
from partialpool.bayes.stan import covariance_blocks
from partialpool.models.parameters import Parameters

MEAN_LIMIT, SD_LIMIT = 4.0, 0.05


def models() -> dict[str, tuple[str, Any, dict[str, Any]]]:
    """Formula, data and other arguments of `sample`, by name."""
    sleep = pp.load_dataset("sleepstudy")
    weighted = sleep.assign(w=1.0 + (sleep["Days"] > 4), o=3.0 * sleep["Days"])
    slopes = {
        "sd": pp.half_normal(50),
        "cor": pp.lkj(2),
        "Intercept": pp.normal(250, 100),
        "sigma": pp.exponential(0.05),
    }
    return {
        "correlated slopes": ("Reaction ~ Days + (Days | Subject)", sleep, {"priors": slopes}),
        "crossed intercepts": (
            "diameter ~ 1 + (1 | plate) + (1 | sample)",
            pp.load_dataset("penicillin_assay"),
            {},
        ),
        "uncorrelated slopes": ("Reaction ~ Days + (Days || Subject)", sleep, {}),
        "weights and offset": (
            "Reaction ~ Days + (1 | Subject)",
            weighted,
            {"weights": "w", "offset": "o"},
        ),
    }


def stan_names(post: pp.Posterior) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Where Stan has each of our parameters: its variable and the place in it."""
    out: dict[str, tuple[str, tuple[int, ...]]] = {}
    for i, name in enumerate(post.parameters.fixed):
        out[name] = ("beta", (i,))
    for r, block in enumerate(covariance_blocks(post.fit.design), start=1):
        deviations = Parameters.deviations(block.factor)
        for i, column in enumerate(block.columns):
            out[deviations[column]] = (f"sd_{r}", (i,))
        if block.correlated:
            first = block.columns[0]
            names = Parameters.correlations(block.factor)
            for (i, j), name in zip(Parameters.pairs(block.factor), names, strict=True):
                if i in block.columns:
                    out[name] = (f"cor_{r}", (i - first, j - first))
    return out | {"sigma": ("sigma", (0,))}


def by_stan(python: str, post: pp.Posterior, run: dict[str, int]) -> dict[str, Any]:
    """Draws of each Stan variable, and the seconds of building and sampling."""
    places = stan_names(post)
    data = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in post.stan_data().items()
    }
    variables = sorted({variable for variable, _ in places.values()})
    job = {"code": post.stan_code(), "data": data, "variables": variables, **run}
    with tempfile.TemporaryDirectory() as folder:
        job_path, out_path = Path(folder) / "job.json", Path(folder) / "out.npz"
        job_path.write_text(json.dumps(job), "utf-8")
        script = Path(__file__).resolve().with_name("stan_sample.py")
        # pystan finds its headers by the environment that it runs in: no PYTHONPATH of ours. It
        # leaves a folder `build` where it compiles.
        done = subprocess.run(
            [python, "-I", str(script), str(job_path), str(out_path)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"stan_sample.py failed:\n{done.stderr[-3000:]}")
        with np.load(out_path) as archive:
            return {name: archive[name] for name in archive.files}


def moments(draws: Any) -> tuple[float, float, float]:
    """Mean, its Monte-Carlo standard error, standard deviation."""
    from arviz_stats.base import array_stats

    draws = np.ascontiguousarray(draws)
    sd = float(draws.std(ddof=1))
    ess = float(array_stats.ess(draws, chain_axis=0, draw_axis=1, method="mean"))
    return float(draws.mean()), sd / ess**0.5, sd


def main() -> None:
    """Print a table a model; exit code 1 if any parameter disagrees."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", required=True, help="of an environment with pystan")
    parser.add_argument("--draws", type=int, default=5000)
    parser.add_argument("--model", action="append", choices=list(models()), help="default all")
    arguments = parser.parse_args()
    # Not resolved: the link of an environment's python is what makes it that environment.
    python = str(Path(arguments.python).absolute())
    run = {"chains": 4, "warmup": 1000, "draws": arguments.draws, "seed": 1}
    worst_mean = worst_sd = 0.0
    for title, (formula, data, options) in models().items():
        if arguments.model and title not in arguments.model:
            continue
        start = time.perf_counter()
        post = pp.sample(formula, data, progress=False, **run, **options)
        ours_seconds = time.perf_counter() - start
        theirs = by_stan(python, post, run)
        built, sampled = theirs["seconds"]
        print(f"\n{title}: {formula}")
        print(f"  partialpool {ours_seconds:.2f} s; Stan {built:.0f} s to build, {sampled:.1f} s")
        print(f"  {'':<32}{'mean':>10}{'Stan':>10}{'MC SEs':>8}{'sd':>9}{'Stan':>9}{'ratio':>7}")
        for name, (variable, place) in stan_names(post).items():
            mean, error, sd = moments(post.draws(name))
            mean_s, error_s, sd_s = moments(theirs[variable][(..., *place)])
            apart, ratio = abs(mean - mean_s) / np.hypot(error, error_s), sd / sd_s
            worst_mean, worst_sd = max(worst_mean, apart), max(worst_sd, abs(ratio - 1))
            print(
                f"  {name:<32}{mean:>10.4g}{mean_s:>10.4g}{apart:>8.2f}{sd:>9.3g}{sd_s:>9.3g}"
                f"{ratio:>7.3f}",
                flush=True,
            )
    agree = worst_mean <= MEAN_LIMIT and worst_sd <= SD_LIMIT
    print(
        f"\n{'agreement' if agree else 'DISAGREEMENT'}: means within {worst_mean:.2f} Monte-Carlo"
        f" standard errors (limit {MEAN_LIMIT:g}), standard deviations within {worst_sd:.1%}"
        f" (limit {SD_LIMIT:.0%})"
    )
    sys.exit(0 if agree else 1)


if __name__ == "__main__":
    main()
