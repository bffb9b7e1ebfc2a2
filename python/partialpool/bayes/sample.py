"""`sample`: formula, data and priors → posterior."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.arguments import (
    SAMPLERS,
    Coding,
    NaAction,
    Sampler,
    check_choice,
    check_count,
    check_flag,
    check_seed,
    check_share,
)
from partialpool.bayes.posterior import Posterior, Settings
from partialpool.bayes.prior_table import PriorTable, defaults, require_proper, resolve
from partialpool.bayes.priors import Prior
from partialpool.bayes.reading import read_design
from partialpool.crossproducts.build import cross_products
from partialpool.design import Design
from partialpool.design.covariance import count_parameters
from partialpool.errors import ArgumentError, ConvergenceError, DesignError, warn
from partialpool.hints import knows_foreign_arguments
from partialpool.limits import require_memory
from partialpool.models.linear_mixed import LinearMixedModel
from partialpool.models.native import fit_native
from partialpool.models.parameters import Parameters
from partialpool.models.representable import check_variances
from partialpool.progress.bar import shown_bar
from partialpool.progress.interruption import FEWEST

#: Columns of a factor that the native kernels of the joint form are made for.
LARGEST_KERNEL = 6
#: Most of each that may be asked for: a tree has up to 2^depth steps, and a chain has a thread.
MOST_CHAINS = 1_000
MOST_DRAWS = 100_000_000
MOST_DEPTH = 20
MOST_CORES = 1_024
STATS = (
    "lp",
    "energy",
    "tree_depth",
    "reached_max_treedepth",
    "diverging",
    "step_size",
)


@knows_foreign_arguments
def sample(
    formula: str,
    data: Any,
    *,
    priors: Mapping[str, Prior | str] | None = None,
    chains: int = 4,
    warmup: int = 1000,
    draws: int = 2000,
    seed: int | None = None,
    cores: int | None = None,
    keep_random: bool = True,
    prior_only: bool = False,
    target_accept: float = 0.8,
    max_depth: int = 10,
    method: Sampler = "auto",
    progress: bool | None = None,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Coding] | None = None,
    na_action: NaAction = "drop",
) -> Posterior:
    """Draw from the posterior of a Gaussian mixed model by NUTS.

    The random effects are integrated out exactly, so that NUTS moves in the fixed effects, the
    standard deviations and the correlations only, started at the posterior's mode and in its
    metric; the random effects are then drawn from their exact normal distribution in each draw.
    Where that is expensive (crossed factors with many levels), the random effects of all grouping
    factors but the largest are sampled by NUTS too. The posterior is the same.

    Parameters
    ----------
    formula, data, weights, offset, contrasts, na_action
        As in `lmer`.
    priors
        By parameter: "Intercept", "b", a coefficient's name, "sd", "sd_<group>",
        "sd_<group>__<coefficient>", "cor", "cor_<group>", "sigma"; the others keep those of
        `default_priors`. The intercept's prior is that of the raw one, where all columns are 0.
        A fixed effect that is called like one of these, as "sigma", is "b_sigma". A prior is an
        object, `pp.half_normal(5)`, or its text, "half_normal(5)".
    chains, warmup, draws
        Chains; tuning draws of each, not kept; draws of each that are kept.
    seed
        Same seed, same draws, for any number of cores; None for a fresh one.
    cores
        Threads; None for as many as there are.
    keep_random
        Random effects are drawn when they are first asked for, and kept. False: never.
    prior_only
        Ignore the data: draws from the priors, all of which must be proper.
    target_accept, max_depth
        Of NUTS: acceptance rate that the step size aims at, greatest depth of a trajectory.
    method
        "collapsed": all random effects are integrated out; "joint": those of all grouping factors
        but the largest are sampled (of the only one, if there is one); "auto": whichever takes
        less time for an effective draw, as estimated. `Posterior.settings` says which it was.
    progress
        Show a bar; None: in a terminal or notebook.

    Returns
    -------
    Posterior
        Where the run is interrupted (Ctrl-C), with the draws made so far.

    Raises
    ------
    FormulaError, DataError, DesignError, ArgumentError
        Before sampling, one line that names the culprit.
    ConvergenceError
        If a chain cannot move at all.

    References
    ----------
    Hoffman & Gelman (2014), J. Machine Learning Research 15; nuts-rs (PyMC developers).
    Papaspiliopoulos, Roberts & Sköld (2007), Statistical Science 22, on partly non-centred effects.
    """
    chains = check_count(chains, "chains", most=MOST_CHAINS)
    draws = check_count(draws, "draws", most=MOST_DRAWS)
    max_depth = check_count(max_depth, "max_depth", most=MOST_DEPTH)
    warmup = check_count(warmup, "warmup", least=0, most=MOST_DRAWS)
    cores = None if cores is None else check_count(cores, "cores", most=MOST_CORES)
    target_accept = check_share(target_accept, "target_accept")
    seed, method = check_seed(seed), check_choice(method, "method", SAMPLERS)
    keep_random = check_flag(keep_random, "keep_random")
    prior_only = check_flag(prior_only, "prior_only")
    design = read_design(formula, data, weights, offset, contrasts, na_action)
    products = cross_products(design)
    if not products.kept and design.x:
        raise DesignError("no column of the fixed part varies; check the formula")
    covariances = sum(count_parameters(f.blocks) for f in design.factors)
    width = len(products.kept) + covariances + 1
    require_memory(
        8.0 * chains * draws * width,
        f"a posterior of {chains:,} chains of {draws:,} draws",
        "ask for fewer draws",
        gradual=True,
    )
    fit = LinearMixedModel(design, products, _likelihood_fit(products, design), reml=True)
    check_variances(fit)
    parameters = fit.parameters
    table = resolve(priors, defaults(design, products.kept, parameters), parameters)
    if prior_only:
        require_proper(table)
    native = _core.LogPosterior(products, *table.native(parameters), prior_only)
    chosen, why = _method(method, native, parameters, prior_only)
    settings = Settings(
        chains=chains,
        warmup=warmup,
        draws=draws,
        seed=seed,
        target_accept=target_accept,
        max_depth=max_depth,
        keep_random=keep_random,
        prior_only=prior_only,
        method=chosen,
        why=why,
    )
    threads = min(chains, cores or os.cpu_count() or 1)
    with shown_bar("sampling", chains * (warmup + draws), wanted=progress, stays=True) as move:

        def callback(made: int, divergences: int, step: float) -> None:
            if move is not None:
                move(made, f"{divergences} divergences, step {step:.2f}")

        try:
            result, interrupted = native.sample(
                fit.optimum,
                chains,
                warmup,
                draws,
                settings.seed,
                threads,
                settings.target_accept,
                max_depth,
                chosen == "joint",
                None if move is None else callback,
            )
        except _core.CoreError as error:
            raise ConvergenceError(f"{error}; give proper priors or rescale the columns") from None
    values, stats = _together(result, len(parameters.names), draws, interrupted)
    post = Posterior(fit, native, table, settings, values, stats)
    if post.interrupted:
        warn(f"sampling was {post.interrupted}")
    return post


def default_priors(
    formula: str,
    data: Any,
    *,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Coding] | None = None,
    na_action: NaAction = "drop",
) -> PriorTable:
    """Priors that `sample` takes where none are given: weakly informative, scaled to the data.

    Parameters
    ----------
    formula, data, weights, offset, contrasts, na_action
        As in `lmer`.

    Returns
    -------
    PriorTable
        ``print`` it, or ask ``table["sigma"]``.
    """
    design = read_design(formula, data, weights, offset, contrasts, na_action)
    kept = cross_products(design).kept
    parameters = Parameters.of(design, kept)
    return PriorTable(defaults(design, kept, parameters))


def _likelihood_fit(products: _core.CrossProducts, design: Design) -> _core.Fit:
    return fit_native(products, True, response=design.formula.response_name)


def _method(
    wanted: str, native: _core.LogPosterior, parameters: Parameters, prior_only: bool
) -> tuple[str, str]:
    """How the random effects are treated, and a sentence that says so and why."""
    widest = max(parameters.factors, key=lambda f: len(f.names))
    if wanted == "joint" and len(widest.names) > LARGEST_KERNEL:
        raise ArgumentError(
            f"method='joint' is for at most {LARGEST_KERNEL} random coefficients a grouping factor;"
            f" {widest.name} has {len(widest.names)}: take method='collapsed'"
        )
    estimated = native.cost()
    collapsed, joint, effects = estimated.collapsed, estimated.joint, estimated.effects
    cost = "an effective draw costs"
    if prior_only or wanted == "collapsed" or (wanted == "auto" and not estimated.joint_is_quicker):
        why = "all random effects are integrated out"
        if len(parameters.factors) > 1 and wanted == "auto" and not prior_only:
            why += f" ({cost} {_time(collapsed)}, {_time(joint)} were they sampled)"
        return "collapsed", why
    if len(parameters.factors) == 1:
        why = f"the {effects} random effects are sampled"
    else:
        largest = max(parameters.factors, key=lambda f: len(f.levels) * len(f.names)).name
        why = f"random effects of {largest} are integrated out, the other {effects} are sampled"
    if wanted == "auto":
        why += f" ({cost} {_time(joint)}, {_time(collapsed)} were all integrated out)"
    return "joint", why


def _time(seconds: float) -> str:
    return f"about {seconds:.2g} s" if seconds >= 1 else f"about {1e3 * seconds:.2g} ms"


def _together(
    chains: list[dict[str, Any]], size: int, draws: int, interrupted: bool
) -> tuple[NDArray[np.float64], dict[str, NDArray[Any]]]:
    """Arrays of (chains, draws); after an interruption the largest rectangle of what was drawn."""
    lengths = sorted({len(c["lp"]) for c in chains} - {0})
    if not lengths:
        if interrupted:
            raise KeyboardInterrupt
        raise ConvergenceError("no chain made a draw")
    best = max(lengths, key=lambda n: n * sum(len(c["lp"]) >= n for c in chains))
    if interrupted and best < min(FEWEST, draws):
        raise KeyboardInterrupt
    whole = [c for c in chains if len(c["lp"]) >= best]
    values = np.stack([c["values"].reshape(-1, size)[:best] for c in whole])
    return values, {name: np.stack([c[name][:best] for c in whole]) for name in STATS}
