"""Simulation-based calibration of `pp.sample`: parameters from the priors, data from the model,
the rank of each true value among the draws. The ranks are uniform if the sampler is right.

    python benchmarks/sbc.py [--replicates 500] [--processes 2] [--save benchmarks/sbc.md]

Talts, Betancourt, Simpson, Vehtari & Gelman (2018), arXiv:1804.06788; simultaneous bands of the
ranks' distribution function: Säilynoja, Bürkner & Vehtari (2022), Statistics and Computing 32.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import partialpool as pp
from numpy.typing import NDArray
from partialpool.bayes.summaries import mixing
from scipy import stats
from timing import machine

#: Draws among which a true value is ranked, and groups of ranks of the χ² test.
RANKED = 99
BINS = 20
#: Effective draws that the ranked ones are taken from.
LEAST_ESS = 1.5 * RANKED
#: Draws of a chain at first; doubled until there are enough effective ones.
DRAWS = (400, 800, 1600, 3200, 6400)
BANDS = 4000
PRIORS = {
    "Intercept": pp.normal(0, 2),
    "b": pp.normal(0, 1),
    "sd": pp.half_normal(1),
    "cor": pp.lkj(2),
    "sigma": pp.gamma(4, 4),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A model and how it is sampled. `groups`: levels of each grouping factor."""

    name: str
    formula: str
    groups: dict[str, int]
    rows: int
    method: str


CASES = (
    Case("slopes, collapsed", "y ~ x + (x | g)", {"g": 24}, 192, "collapsed"),
    Case("slopes, joint", "y ~ x + (x | g)", {"g": 24}, 192, "joint"),
    Case("crossed, joint", "y ~ x + (x | g) + (x | h)", {"g": 30, "h": 20}, 300, "joint"),
)


def truth(case: Case, rng: np.random.Generator) -> tuple[dict[str, float], dict[str, NDArray]]:
    """Parameters from the priors, and a table with a response from the model."""
    true = {"Intercept": rng.normal(0, 2), "x": rng.normal(0, 1)}
    x = rng.normal(size=case.rows)
    mean = true["Intercept"] + true["x"] * x
    table: dict[str, NDArray] = {"x": x}
    for group, levels in case.groups.items():
        sd = np.abs(rng.normal(0, 1, 2))
        rho = 2 * rng.beta(2, 2) - 1  # LKJ(2) of a 2 x 2 matrix
        z = rng.normal(size=(levels, 2))
        b = np.column_stack(
            [sd[0] * z[:, 0], sd[1] * (rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1])]
        )
        codes = rng.permutation(np.arange(case.rows) % levels)
        mean = mean + b[codes, 0] + b[codes, 1] * x
        table[group] = codes
        true |= {f"sd_{group}__Intercept": sd[0], f"sd_{group}__x": sd[1]}
        true |= {f"cor_{group}__Intercept__x": rho}
        true |= {f"r_{group}[0, Intercept]": b[0, 0], f"r_{group}[0, x]": b[0, 1]}
    true["sigma"] = rng.gamma(4, 1 / 4)
    table["y"] = mean + true["sigma"] * rng.normal(size=case.rows)
    return true, table


def one(case: Case, seed: int, replicate: int) -> tuple[dict[str, int], int, bool]:
    """Ranks of the true values, divergences, and whether there were enough effective draws."""
    rng = np.random.default_rng([seed, CASES.index(case), replicate])
    true, table = truth(case, rng)
    enough = False
    post = draws = None
    for count in DRAWS:
        post = pp.sample(
            case.formula,
            table,
            priors=PRIORS,
            chains=2,
            warmup=300,
            draws=count,
            seed=replicate,
            cores=1,
            method=case.method,
            progress=False,
        )
        draws = {name: np.ascontiguousarray(post.draws(name)) for name in post.variables}
        enough = min(mixing(d)["ess_bulk"] for d in draws.values()) >= LEAST_ESS
        if enough:
            break
    assert post is not None
    assert draws is not None
    for group, effects in zip(case.groups, post.random_draws, strict=True):
        draws[f"r_{group}[0, Intercept]"] = effects[:, :, 0, 0]
        draws[f"r_{group}[0, x]"] = effects[:, :, 0, 1]
    ranks = {}
    for name, value in true.items():
        flat = draws[name].ravel()
        thinned = flat[np.linspace(0, flat.size - 1, RANKED).round().astype(int)]
        ranks[name] = int(np.sum(thinned < value))
    return ranks, int(post.stats["diverging"].sum()), enough


def chi_square(ranks: NDArray) -> float:
    """p-value of Pearson's test of uniform ranks in equal groups."""
    counts = np.bincount(ranks * BINS // (RANKED + 1), minlength=BINS)
    return float(stats.chisquare(counts).pvalue)


def farthest(ranks: NDArray) -> NDArray:
    """Least pointwise tail probability of the ranks' distribution function, (sets, n) → (sets,)."""
    n = ranks.shape[1]
    counts = np.stack([np.bincount(row, minlength=RANKED + 1) for row in ranks]).cumsum(axis=1)
    counts = counts[:, :-1]
    share = np.arange(1, RANKED + 1) / (RANKED + 1)
    below = stats.binom.cdf(counts, n, share)
    above = stats.binom.sf(counts - 1, n, share)
    return 2 * np.minimum(below, above).min(axis=1)


def band(ranks: NDArray, null: NDArray) -> float:
    """p-value of the simultaneous band: how often uniform ranks stray as far."""
    return float(np.mean(null <= farthest(ranks[None])[0]))


def rows(case: Case, replicates: int, processes: int, seed: int) -> Iterator[str]:
    """The table of a case, line by line."""
    begun = time.perf_counter()
    with ProcessPoolExecutor(processes) as pool:
        found = list(pool.map(partial(one, case, seed), range(replicates), chunksize=5))
    seconds = time.perf_counter() - begun
    rng = np.random.default_rng(0)
    null = farthest(rng.integers(0, RANKED + 1, (BANDS, replicates)))
    few = sum(not enough for _, _, enough in found)
    diverged = sum(n > 0 for _, n, _ in found)
    yield f"### {case.name}: `{case.formula}`, {case.rows} rows, levels {case.groups}"
    yield ""
    yield (
        f"{replicates} replicates in {seconds:.0f} s; {diverged} with a divergence; {few} with"
        f" fewer than {LEAST_ESS:.0f} effective draws (kept)."
    )
    yield ""
    yield "| parameter | mean rank / expected | p (χ², 20 groups) | p (ECDF band) |"
    yield "|---|---:|---:|---:|"
    for name in found[0][0]:
        ranks = np.array([r[name] for r, _, _ in found])
        mean = ranks.mean() / (RANKED / 2)
        yield f"| {name} | {mean:.3f} | {chi_square(ranks):.3f} | {band(ranks, null):.3f} |"
    yield ""


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=500)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--save", type=Path)
    given = parser.parse_args()
    about = machine()
    lines = [
        "# Simulation-based calibration",
        "",
        f"`python benchmarks/sbc.py --replicates {given.replicates} --seed {given.seed}` on"
        f" {about['date']}, {about['processor']}, {given.processes} processes. Ranks of the true"
        f" values among {RANKED} draws thinned by effective sample size; small p-values speak"
        " against the sampler.",
        "",
    ]
    for case in CASES:
        for line in rows(case, given.replicates, given.processes, given.seed):
            lines.append(line)
            print(line, flush=True)
        if given.save is not None:  # after each case, so that an interruption keeps those done
            given.save.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
