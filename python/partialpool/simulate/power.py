"""`power`: how often a test finds an effect, by simulation and refits of one design."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.arguments import Coding, Ddf, check_nsim, check_seed, check_share
from partialpool.crossproducts.build import cross_products
from partialpool.design import Design
from partialpool.design.covariance import free_entries
from partialpool.errors import ArgumentError, ConvergenceError, PartialPoolError
from partialpool.formula import parse_formula, require_random
from partialpool.inference.comparison.nesting import require_nested
from partialpool.inference.fixed.hypotheses import fixed_terms
from partialpool.inference.fixed.linear_hypotheses import Hypothesis, read_hypothesis
from partialpool.inference.fixed.satterthwaite import ingredients
from partialpool.inference.fixed.wald import METHODS, check_ddf, f_test
from partialpool.inference.intervals.bootstrap import (
    CAUSES,
    model_of,
    notes_of,
    refit_simulated,
)
from partialpool.models.baseline import LinearModel, least_squares
from partialpool.models.convergence import judge
from partialpool.models.fit import MixedFit
from partialpool.models.linear_mixed import LinearMixedModel
from partialpool.models.native import fit_native
from partialpool.models.simulation import Law
from partialpool.progress.bar import in_slices
from partialpool.progress.interruption import interruption, marked
from partialpool.simulate.lmm import response_free_design
from partialpool.simulate.parameters import read_beta, read_roots, read_sigma
from partialpool.tables.printed import Printed

if TYPE_CHECKING:
    import pandas as pd

Vector = NDArray[np.float64]

#: What `effects` holds.
PARTS = ("beta", "sd", "cor", "sigma")
#: Stream of the response that a reference fit needs; no replicate gets that far.
REFERENCE = 2**62


@dataclass(frozen=True, eq=False, repr=False)
class Power(Printed):
    """Share of simulated data sets in which a test rejects.

    Attributes
    ----------
    method
        The test.
    hypotheses
        What is tested, one text per row.
    power
        rejections / nsim.
    conf_low, conf_high
        Clopper and Pearson's interval of the power at `level`.
    alpha
        The test rejects where p is below it.
    nsim
        Replicates that could be fitted.
    rejections
    p_values
        (nsim,), in order of the replicates.
    failures
        Failed replicates by cause, left out of `nsim`.
    formula
    seed
        Gives the same numbers again.
    null_is_true
        The effects satisfy the hypothesis: the power is the test's actual level.
    interrupted
        "interrupted after 300 of 1,000" where Ctrl-C ended it; else empty.
    """

    method: str
    hypotheses: tuple[str, ...]
    power: float
    conf_low: float
    conf_high: float
    level: float
    alpha: float
    nsim: int
    rejections: int
    p_values: Vector
    formula: str
    seed: int
    failures: Mapping[str, int] = field(default_factory=dict)
    null_is_true: bool = False
    interrupted: str = ""

    @property
    def std_error(self) -> float:
        """Monte Carlo standard error of the power."""
        return float(np.sqrt(self.power * (1 - self.power) / self.nsim))

    def to_frame(self) -> pd.DataFrame:
        """One row: ``test, method, power, conf_low, conf_high, alpha, nsim, rejections``."""
        import pandas as pd

        row: dict[str, Any] = {"test": ", ".join(self.hypotheses), "method": self.method}
        names = ("power", "conf_low", "conf_high", "alpha", "nsim", "rejections")
        table = pd.DataFrame([{**row, **{name: getattr(self, name) for name in names}}])
        return marked(table, self.interrupted)

    def __str__(self) -> str:
        share = f"{100 * self.power:.1f}% ({100 * self.conf_low:.1f}, {100 * self.conf_high:.1f})"
        lines = [
            f"Power by simulation: {self.method}",
            f"Model: {self.formula}",
            f"Test: {', '.join(self.hypotheses)}",
            "",
            f"{share}, {100 * self.level:g}% interval",
            f"{self.rejections} rejections at {self.alpha:g} in {self.nsim} simulations"
            f" (seed {self.seed})",
        ]
        if self.null_is_true:
            lines.append(
                "the hypothesis is true for these effects: this is the test's actual level"
            )
        return "\n".join(lines + notes_of(self))

    def _repr_html_(self) -> str:
        from partialpool.simulate.power_html import power_html

        return power_html(self)


def power(
    formula: str,
    design: Any,
    effects: Any,
    test: Any = None,
    nsim: int = 1000,
    seed: int | None = None,
    *,
    alpha: float = 0.05,
    ddf: Ddf = "satterthwaite",
    level: float = 0.95,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Coding] | None = None,
) -> Power:
    """Power of a test for a design, by simulation.

    Parameters
    ----------
    formula
        The model that is simulated and fitted.
    design
        Its predictors and groups, one row per observation (see `make_design`).
    effects
        ``{"beta": …, "sd": …, "cor": …, "sigma": …}`` as in `simulate_lmm`, or a fit of `lmer`
        with the same fixed effects and random terms (of a pilot study, say).
    test
        A hypothesis about the fixed effects as ``fit.test`` takes it ("dose", "a - b = 0", a
        contrast): F test with `ddf`. Or a smaller formula, ``"y ~ 1 + (1 | g)"``: likelihood-ratio
        test of both models by ML against χ² (conservative for variances, as `pp.anova`). Default:
        the model's only fixed term.
    nsim
        Data sets simulated.
    seed
        The same seed gives the same numbers, whatever the number of threads.
    alpha
        Level of the test.
    ddf
        "satterthwaite", "kenward-roger" or "asymptotic".
    level
        Coverage of the interval.
    weights, offset, contrasts
        As in `lmer`.

    Returns
    -------
    Power

    Raises
    ------
    ArgumentError
        For effects that do not fit the design, tests that cannot be read, nsim below 1.

    Notes
    -----
    The frame is read once; each replicate has its own random stream, so that the same seed gives
    the same numbers on any number of cores. All cores are used. Ctrl-C keeps what is done.
    """
    nsim, seed = check_nsim(nsim), check_seed(seed)
    check_share(alpha, "alpha")
    check_share(level, "level")
    parsed = parse_formula(formula)
    require_random(parsed)
    rows = response_free_design(parsed, design, weights, offset, contrasts, check=True)
    beta, law = _law(rows, effects)
    native = law.native()
    model = _fit(rows, _core.simulated_response(native, seed, REFERENCE))
    if isinstance(test, str) and "~" in test:
        small = response_free_design(
            parse_formula(test), design, weights, offset, contrasts, check=True
        )
        return _likelihood_ratio(model, small, native, (nsim, seed, alpha, level))
    ddf = check_ddf(model, ddf)
    method = f"F test with {METHODS[ddf]}"
    if ddf == "asymptotic":
        method = "Wald χ² test"
    asked = read_hypothesis(model, _only_term(model) if test is None else test)

    done: list[float | str] = []

    def work(first: int, count: int) -> None:
        if ddf == "satterthwaite":
            done.extend(_native_p_values(model, asked, native, (seed, first, count)))
        else:
            # The fits and their algebra leave Python's lock: threads, in the replicates' order.
            one = partial(_p_value, rows, asked, ddf, native, seed)
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                done.extend(pool.map(one, range(first, first + count)))

    in_slices(nsim, work, "Power", lambda: len(done))
    found = np.array([p for p in done if not isinstance(p, str)])
    causes = [p for p in done if isinstance(p, str)]
    failures = {cause: causes.count(cause) for cause in dict.fromkeys(causes)}
    true = _holds(asked, beta) if not model.aliased else False
    how = seed, alpha, level
    said = interruption(len(done), nsim)
    return _result(method, asked.texts, found, failures, model, how, null_is_true=true, said=said)


def _p_value(
    rows: Design, asked: Hypothesis, ddf: Ddf, law: _core.LawArgs, seed: int, replicate: int
) -> float | str:
    """The p-value of the ordinary fit to a replicate, or why there is none."""
    try:
        fit = _fit(rows, _core.simulated_response(law, seed, replicate))
        if not fit.convergence.converged:
            return CAUSES[2]
        return f_test(fit, asked.rows, ddf, asked.rhs).p_value
    except PartialPoolError as error:
        return str(error)


def _native_p_values(
    model: LinearMixedModel, asked: Hypothesis, law: _core.LawArgs, which: tuple[int, int, int]
) -> list[float | str]:
    """The same with Satterthwaite's method for (seed, first, count), fitted by native threads."""
    out: list[float | str] = []
    for parts in _core.simulated_tests(law, model_of(model), *which):
        if parts is None:
            out.append(CAUSES[1])
            continue
        if not judge(parts.convergence, parts.magnitude).converged:
            out.append(CAUSES[2])
            continue
        method = ingredients(
            parts.sigma, parts.covariance, parts.hessian, parts.jacobian, len(parts.beta)
        )
        contrasts = method.units.contrasts(asked.rows, np.array(parts.beta), asked.rhs)
        out.append(method.f_test(contrasts).p_value)
    return out


def _law(design: Design, effects: Any) -> tuple[Vector, Law]:
    """β and the distribution that the effects give."""
    if isinstance(effects, MixedFit) and effects.family == "gaussian":
        beta, roots, sigma = _of_pilot(design, effects)
    elif isinstance(effects, Mapping):
        unknown = [k for k in effects if k not in PARTS]
        if unknown:
            raise ArgumentError(f"effects has no {unknown[0]!r}; it holds {', '.join(PARTS)}")
        for name in ("beta", "sd", "sigma"):
            if name not in effects:
                raise ArgumentError(f"effects lacks {name!r}; it holds {', '.join(PARTS)}")
        beta = read_beta(design, effects["beta"])
        roots = read_roots(design, effects["sd"], effects.get("cor"))
        sigma = read_sigma(effects["sigma"])
    else:
        raise ArgumentError(
            f"effects must be a dict of {', '.join(PARTS)} or a fit of pp.lmer, not"
            f" {type(effects).__name__}"
        )
    if sigma == 0.0:
        raise ArgumentError("sigma must be above 0: without residuals there is nothing to test")
    return beta, Law.of(design, beta, roots, sigma)


def _of_pilot(design: Design, pilot: MixedFit) -> tuple[Vector, list[Vector], float]:
    beta = read_beta(design, pilot.fixef)
    known = {
        factor.name: (factor.names, free_entries(factor.blocks), lam)
        for factor, lam in zip(pilot.design.factors, pilot.relative_factors, strict=True)
    }
    roots = []
    for factor in design.factors:
        names, entries, lam = known.pop(factor.name, ((), [], None))
        same = names == factor.names and entries == free_entries(factor.blocks)
        if lam is None or not same:
            raise ArgumentError(
                f"the random effects of {factor.name!r} are not those of the fit given as effects"
                f" (`{pilot.formula}`); give a dict instead"
            )
        roots.append(pilot.sigma * lam)
    if known:
        raise ArgumentError(
            f"the fit given as effects has random effects of {next(iter(known))!r}, the formula"
            " does not; give a dict instead"
        )
    return beta, roots, pilot.sigma


def _only_term(model: LinearMixedModel) -> str:
    names = fixed_terms(model).names
    if len(names) != 1:
        listed = ", ".join(names) or "none but the intercept"
        raise ArgumentError(f"say which effect to test: test=...; the terms are {listed}")
    return names[0]


def _fit(design: Design, y: Vector, reml: bool = True) -> LinearMixedModel:
    rows = replace(design, y=y)
    products = cross_products(rows)
    native = fit_native(products, reml, response=design.formula.response_name)
    return LinearMixedModel(rows, products, native, reml=reml)


def _holds(asked: Hypothesis, beta: Vector) -> bool:
    scale = 1.0 + np.abs(asked.rows) @ np.abs(beta)
    return bool((np.abs(asked.rows @ beta - asked.rhs) <= 1e-12 * scale).all())


def _likelihood_ratio(
    model: LinearMixedModel, small: Design, law: _core.LawArgs, how: tuple[int, int, float, float]
) -> Power:
    """Both models by ML; all replicates in the native module."""
    from scipy.stats import chi2

    nsim, seed, alpha, level = how
    large = _fit(model.design, model.design.response, reml=False)
    rows = replace(small, y=large.design.response)
    null: LinearMixedModel | LinearModel
    null = _fit(small, large.design.response, reml=False) if small.factors else least_squares(rows)
    require_nested(large, null)
    of_large, of_null = refit_simulated(law, [large, null], nsim, seed, "Power")
    good = (of_large.outcomes == 0) & (of_null.outcomes == 0)
    statistic = np.maximum(of_null.criterion - of_large.criterion, 0.0)[good]
    failures = {f"large model: {cause}": n for cause, n in of_large.failures.items()}
    failures |= {f"small model: {cause}": n for cause, n in of_null.failures.items()}
    df = large.npar - null.npar
    text = (f"`{null.formula}` against `{large.formula}`",)
    method = f"likelihood-ratio test (χ², {df} df)"
    p, shares, said = chi2.sf(statistic, df), (seed, alpha, level), of_large.interrupted
    return _result(method, text, p, failures, large, shares, said=said)


def _result(
    method: str,
    texts: tuple[str, ...],
    found: Vector,
    failures: Mapping[str, int],
    model: LinearMixedModel,
    how: tuple[int, float, float],
    *,
    null_is_true: bool = False,
    said: str = "",
) -> Power:
    from scipy.stats import beta

    seed, alpha, level = how
    n, k = len(found), int(np.sum(found < alpha))
    if n == 0:
        raise ConvergenceError(f"no simulated data set could be fitted: {next(iter(failures))}")
    tail = (1 - level) / 2
    return Power(
        method=method,
        hypotheses=texts,
        power=k / n,
        conf_low=float(beta.ppf(tail, k, n - k + 1)) if k else 0.0,
        conf_high=float(beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0,
        level=level,
        alpha=alpha,
        nsim=n,
        rejections=k,
        p_values=found,
        formula=model.formula,
        seed=seed,
        failures=failures,
        null_is_true=null_is_true,
        interrupted=said,
    )
