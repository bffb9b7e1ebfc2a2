"""Do 95% intervals cover the truth 95% of the time, and do 5% tests reject 5% of the time?

    python benchmarks/coverage.py [--quick] [--replicates N] [--minutes M] [--processes N]

Responses are drawn from known models of few groups, and each is fitted again from its
cross-products. Without --quick the two tables go into README.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import partialpool as pp
from numpy.typing import NDArray
from partialpool.inference.comparison.exact import restricted_loglik_without_variance
from partialpool.inference.fixed.wald import t_rows
from timing import machine

LEVEL, ALPHA = 0.95, 0.05
#: Drawn in each bootstrap, and the share of the replicates that get one.
NSIM, BOOTSTRAP_SHARE = 199, 5
BEGIN, END = "<!-- coverage -->", "<!-- end of coverage -->"

Vector = NDArray[np.float64]
#: (what, how) → whether it is so; None where it is not defined.
Outcome = dict[tuple[str, str], bool | None]
#: (what, how) → (true, defined)
Counts = dict[tuple[str, str], tuple[int, int]]
FAILED = ("failed", "")
CHUNK = 50


@dataclass(frozen=True, slots=True)
class World:
    """A model whose truth is known: rows, formula, β, the groups' SD, and σ."""

    formula: str
    data: pd.DataFrame
    mean: Vector
    sd: float
    sigma: float

    def response(self, *seed: int) -> Vector:
        """One draw of y."""
        rng = np.random.default_rng(seed)
        group = self.data["g"].to_numpy()
        effects = self.sd * rng.standard_normal(group.max() + 1)
        return self.mean + effects[group] + self.sigma * rng.standard_normal(len(group))


def _rows(sizes: Iterable[int], arms: int) -> pd.DataFrame:
    """Groups of these sizes, dealt to the arms in turn; x runs from 0 to 1 within each group."""
    sizes = list(sizes)
    g = np.repeat(np.arange(len(sizes)), sizes)
    x = np.concatenate([np.linspace(0, 1, n) for n in sizes])
    names = np.array([f"arm{i}" for i in range(arms)])
    return pd.DataFrame({"g": g, "x": x, "arm": names[g % arms]})


#: Ten groups of two to eight rows, in two arms.
SMALL_SIZES = (2, 8, 3, 7, 4, 6, 5, 5, 8, 2)
TRUTH = {"arm[T.arm1]": 0.5, "x": 1.0, "sd_g__Intercept": 0.7, "sigma": 1.0}
#: Nine groups of two to six rows, three to an arm.
FEW_SIZES = (2, 6, 3, 5, 4, 4, 6, 2, 5)


@cache
def small_sample() -> World:
    """For the intervals: a difference between arms, a slope within groups, two variances."""
    data = _rows(SMALL_SIZES, 2)
    mean = 1.0 + 0.5 * (data["arm"] == "arm1") + 1.0 * data["x"]
    return World("y ~ arm + x + (1 | g)", data, mean.to_numpy(), 0.7, 1.0)


@cache
def few_groups(sd: float) -> World:
    """For the tests: three arms that do not differ, and groups with the SD given (0 is a null)."""
    data = _rows(FEW_SIZES, 3)
    return World("y ~ arm + (1 | g)", data, np.ones(len(data)), sd, 1.0)


@cache
def first_fit(world: Callable[[], World]) -> pp.LinearMixedModel:
    """A fit that the others are refits of."""
    made = world()
    return pp.lmer(made.formula, made.data.assign(y=made.response(0)))


# ---- coverage of intervals -----------------------------------------------------------------------


def intervals(seed: int, replicate: int) -> Outcome:
    """Which intervals of one replicate hold the truth."""
    fit = first_fit(small_sample).refit(small_sample().response(seed, replicate))
    fixed = list(fit.fixed_names)
    out: Outcome = {}

    def note(kind: str, table: pd.DataFrame) -> None:
        for name, truth in TRUTH.items():
            if name in table.index:
                low, high = table.loc[name]
                out[name, kind] = None if np.isnan(low) else bool(low <= truth <= high)

    kinds = {
        "Wald z": "asymptotic",
        "Satterthwaite t": "satterthwaite",
        "Kenward-Roger t": "kenward-roger",
    }
    for kind, ddf in kinds.items():
        note(kind, _t_intervals(fit, fixed, ddf))
    note("profile", fit.confint("profile", LEVEL))
    if replicate % BOOTSTRAP_SHARE == 0:
        drawn = pp.bootstrap(fit, nsim=NSIM, seed=replicate)
        for kind in ("percentile", "basic", "normal"):
            note(f"bootstrap, {kind}", drawn.confint(kind, LEVEL))
    return out


def _t_intervals(fit: pp.LinearMixedModel, names: list[str], ddf: str) -> pd.DataFrame:
    from scipy.stats import t

    p = len(names)
    rows = t_rows(fit, np.eye(p), np.zeros(p), ddf)
    half = t.ppf((1 + LEVEL) / 2, rows["df"]) * rows["std_error"]
    ends = np.column_stack([rows["estimate"] - half, rows["estimate"] + half])
    return pd.DataFrame(ends, index=names)


# ---- size of tests -------------------------------------------------------------------------------

ARMS = "no difference between 3 arms"
VARIANCE = "no variance between groups"


@cache
def _fixed_null() -> pp.LinearMixedModel:
    made = few_groups(0.7)
    return pp.lmer("y ~ 1 + (1 | g)", made.data.assign(y=made.response(0)), reml=False)


def _some_groups() -> World:
    return few_groups(0.7)


def _no_groups() -> World:
    return few_groups(0.0)


def arm_tests(seed: int, replicate: int) -> Outcome:
    """Which tests of one replicate reject equal arms, which are equal."""
    y = _some_groups().response(seed, 1, replicate)
    fit = first_fit(_some_groups).refit(y)
    large, small = fit.update(reml=False), _fixed_null().refit(y)
    p: dict[str, float] = {}
    for name, ddf in {
        "Wald χ²": "asymptotic",
        "Satterthwaite F": "satterthwaite",
        "Kenward-Roger F": "kenward-roger",
    }.items():
        p[name] = fit.test("arm", ddf).p_value
    p["LRT χ²"] = float(pp.anova(small, large).p_value[1])
    if replicate % BOOTSTRAP_SHARE == 0:
        test = pp.pb_test(large, small, nsim=NSIM, seed=replicate)
        table = test.to_frame()["p_value"]
        p |= {"parametric bootstrap": test.p_value, "Bartlett": table["Bartlett"]}
    return {(ARMS, name): bool(value <= ALPHA) for name, value in p.items()}


@cache
def _exact_law() -> Vector:
    """A million draws of the RLRT under no variance; the law depends on the design alone."""
    return np.sort(pp.exact_rlrt(first_fit(_no_groups), nsim=1_000_000, seed=1).sample)


def variance_tests(seed: int, replicate: int) -> Outcome:
    """Which tests of one replicate reject a variance of zero, which is zero."""
    from scipy.stats import chi2

    world, y = _no_groups(), _no_groups().response(seed, 2, replicate)
    fit = first_fit(_no_groups).refit(y)
    rlrt = max(0.0, 2 * (fit.loglik - restricted_loglik_without_variance(fit)))
    law = _exact_law()
    exact = 1 - np.searchsorted(law, rlrt, side="left") / len(law)
    p = {"LRT χ², REML": float(chi2.sf(rlrt, 1)), "exact RLRT": float(exact)}
    if replicate % BOOTSTRAP_SHARE == 0:
        null = pp.lm("y ~ arm", world.data.assign(y=y))
        p["parametric bootstrap"] = pp.pb_test(fit, null, nsim=NSIM, seed=replicate).p_value
    return {(VARIANCE, name): bool(value <= ALPHA) for name, value in p.items()}


# ---- many replicates -----------------------------------------------------------------------------


STUDIES = (intervals, arm_tests, variance_tests)


def _chunk(seed: int, replicates: range) -> list[list[Outcome]]:
    """Every study's outcomes of some replicates."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", pp.errors.ConvergenceWarning)
        return [[_outcome(study, seed, r) for r in replicates] for study in STUDIES]


def _outcome(study: Callable[[int, int], Outcome], seed: int, replicate: int) -> Outcome:
    try:
        return study(seed, replicate)
    except (pp.errors.PartialPoolError, pp.errors.ConvergenceWarning):
        return {FAILED: True}


def many(seed: int, replicates: int, processes: int, minutes: float) -> tuple[int, list[Counts]]:
    """Replicates done and each study's counts; the same for any number of processes."""
    until = time.monotonic() + 60 * minutes
    counts: list[Counts] = [{FAILED: (0, 0)} for _ in STUDIES]
    chunks = [range(i, min(i + CHUNK, replicates)) for i in range(0, replicates, CHUNK)]
    done = 0
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for chunk, found in zip(chunks, pool.map(partial(_chunk, seed), chunks), strict=True):
            for total, outcomes in zip(counts, found, strict=True):
                for key, value in (item for o in outcomes for item in o.items()):
                    hits, tries = total.get(key, (0, 0))
                    total[key] = (hits + (value is True), tries + (value is not None))
            done += len(chunk)
            print(f"\r{done:,} of {replicates:,}", end="", file=sys.stderr, flush=True)
            if time.monotonic() > until:
                pool.shutdown(wait=False, cancel_futures=True)
                break
    print(file=sys.stderr)
    return done, counts


def share(hits: int, tries: int) -> str:
    """Per cent and its Monte-Carlo standard error."""
    if not tries:
        return "–"
    rate = hits / tries
    return f"{100 * rate:.1f} ± {100 * (rate * (1 - rate) / tries) ** 0.5:.1f}"


def coverage_table(counts: Counts) -> str:
    """One row per kind of interval, one column per parameter."""
    kinds = list(dict.fromkeys(kind for _, kind in counts))
    heads = [f"`{name}` = {value:g}" for name, value in TRUTH.items()]
    lines = [
        "| interval | replicates | " + " | ".join(heads).replace(")|g", ")\\|g") + " |",
        "|---|---:|" + "---:|" * len(heads),
    ]
    for kind in kinds:
        cells = [share(*counts.get((name, kind), (0, 0))) for name in TRUTH]
        tries = max(n for (_, k), (_, n) in counts.items() if k == kind)
        lines.append(f"| {kind} | {tries:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def size_table(counts: Counts) -> str:
    """One row per test."""
    lines = ["| null hypothesis | test | replicates | rejected, % |", "|---|---|---:|---:|"]
    for (null, test), (hits, tries) in counts.items():
        lines.append(f"| {null} | {test} | {tries:,} | {share(hits, tries)} |")
    return "\n".join(lines)


def report(seed: int, replicates: int, processes: int, minutes: float) -> str:
    """Both studies as Markdown."""
    begun = time.perf_counter()
    done, counts = many(seed, replicates, processes, minutes)
    failed = sum(c.pop(FAILED)[0] for c in counts)
    covered, rejected = counts[0], counts[1] | counts[2]
    seconds, facts = time.perf_counter() - begun, machine()
    rows = len(small_sample().data), len(few_groups(0.0).data)
    return "\n".join(
        [
            f"95% intervals, per cent that hold the truth ± Monte-Carlo standard error."
            f" `{small_sample().formula}`, {rows[0]} rows in {len(SMALL_SIZES)} groups of"
            f" {min(SMALL_SIZES)} to {max(SMALL_SIZES)}, five groups an arm; REML, profiles by ML;"
            f" bootstraps of {NSIM} draws for one replicate in {BOOTSTRAP_SHARE}.",
            "",
            coverage_table(covered),
            "",
            f"Tests at 5%, per cent rejected where the null hypothesis is true."
            f" `{few_groups(0.0).formula}`, {rows[1]} rows in {len(FEW_SIZES)} groups of"
            f" {min(FEW_SIZES)} to {max(FEW_SIZES)}, three groups an arm; groups' SD 0.7 in the"
            f" first null, 0 in the second, σ = 1.",
            "",
            size_table(rejected),
            "",
            f"{done:,} replicates, {failed} of which failed; seed {seed}. {seconds:.0f} s in"
            f" {processes} processes; {facts['date']}, {facts['processor']}.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=60, help="stop with what is done by then")
    parser.add_argument("--quick", action="store_true", help="200 replicates; writes nothing")
    given = parser.parse_args()
    # Each process has one core, so its own threads would only wait for each other.
    os.environ.setdefault("RAYON_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    replicates = 200 if given.quick else given.replicates
    text = report(given.seed, replicates, given.processes, given.minutes)
    print(text)
    if not given.quick:
        readme = Path(__file__).parent / "README.md"
        before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
        after = rest.split(END)[1]
        readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
