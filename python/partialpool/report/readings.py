"""One sentence for each figure, computed from the fit; each check says what it looked at.

The checks are plain ones, meant to direct the eye: an effect is named only if it is both of a size
that a reader could see (`*_SIZE`) and unlikely to be chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design.names import column_names
from partialpool.models.random_effects import by_group
from partialpool.report.equations import shown
from partialpool.report.wording import count, listed, number, p_text, rounded

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

Vector = NDArray[np.float64]

#: Rank correlation of |residual| and fitted value from which the spread is said to change.
SPREAD_SIZE = 0.15
#: p-value below which it is.
CHANCE = 0.01
#: Standard errors from 0, and size, from which skewness or excess kurtosis are named.
MOMENT_ERRORS, SKEWNESS_SIZE, KURTOSIS_SIZE = 3.0, 0.3, 0.6
#: Levels below which the shape of random effects is not judged.
FEW_LEVELS = 10
#: Half-width of a 95% interval in standard deviations.
HALF_WIDTH = 1.959963984540054


def read_fits(fit: MixedFit) -> str:
    """How far the groups' lines lie apart, beside the residual spread."""
    factor = fit.terms[0].factor
    sd = np.sqrt(np.diag(fit.random_covariance(fit.terms[0].index))).tolist()
    spread = [f"{number(s)} in {shown(n)}" for n, s in zip(factor.names, sd, strict=True)]
    return (
        f"Between levels of {factor.name} the standard deviation is {listed(spread, 4)}; the"
        f" residual one is {number(fit.sigma)}. Of random and residual variances added together,"
        f" {percent(fit.explained_variance)} is random."
    )


def read_residuals(fit: MixedFit) -> str:
    """Whether the spread of the residuals changes with the fitted value."""
    from scipy.stats import spearmanr

    size, fitted = np.abs(fit.residuals("scaled")), fit.fitted
    if _constant(fitted) or _constant(size):
        return "All fitted values are the same: a change of spread cannot be seen."
    found: Any = spearmanr(size, fitted)
    rho, p = float(found.statistic), float(found.pvalue)
    check = f"rank correlation of |residual| with fitted value {number(rho)}, {p_text(p)}"
    if p < CHANCE and abs(rho) >= SPREAD_SIZE:
        verb = "grows" if rho > 0 else "shrinks"
        return f"Residual spread {verb} with the fitted value ({check})."
    return f"Residual spread shows no clear change with the fitted value ({check})."


def read_qq(fit: MixedFit) -> str:
    """Whether the residuals have the tails and the symmetry of a normal sample."""
    scaled = fit.residuals("scaled")
    far = int(np.sum(np.abs(scaled) > 3))
    expected = 0.0026998 * len(scaled)
    verdict = shape(scaled, "The residuals")
    return (
        f"{verdict} Beyond three standard deviations: {count(far, 'residual')},"
        f" {rounded(expected)} expected of {len(scaled):,} normal ones. {read_random_effects(fit)}"
    )


def read_observed(fit: MixedFit) -> str:
    """How closely the model follows the observations, with and without random effects."""
    offset = 0.0 if fit.design.offset is None else fit.design.offset
    observed = fit.design.response + offset
    fixed = np.asarray(fit.predict(random="none"))
    if _constant(observed) or _constant(fixed):
        return "The fixed effects predict the same value for every row."
    both = float(np.corrcoef(observed, fit.fitted)[0, 1]) ** 2
    alone = float(np.corrcoef(observed, fixed)[0, 1]) ** 2
    return (
        f"The squared correlation of observed and fitted values is {number(both)}; with the fixed"
        f" effects alone it is {number(alone)}."
    )


def read_caterpillar(fit: MixedFit, group: str | None = None) -> str:
    """How many levels differ clearly from the average one, and which most."""
    groups = by_group(fit)
    index = next(iter(groups.values())) if group is None else groups[group]
    factor = fit.design.factors[index]
    effects, sds = fit.random_effects[index], fit.conditional_sds()[index]
    clear = np.abs(effects) > HALF_WIDTH * sds
    parts = [
        f"{int(clear[:, j].sum()):,} in {shown(name)}"
        for j, name in enumerate(column_names(factor))
    ]
    most = int(np.argmax(np.abs(effects[:, 0])))
    return (
        f"Of {count(len(factor.levels), 'level')} of {factor.name}, the 95% interval leaves out 0"
        f" for {listed(parts, 4)}. Farthest out in {shown(factor.names[0])} is"
        f" {factor.levels[most]} ({number(float(effects[most, 0]))})."
    )


def read_random_effects(fit: MixedFit) -> str:
    """Whether predicted random effects are skewed or heavy-tailed, where there are enough."""
    out = []
    for name, index in by_group(fit).items():
        effects = fit.random_effects[index]
        if len(effects) < FEW_LEVELS:
            out.append(f"{name} has {len(effects)} levels, too few to judge their distribution.")
            continue
        for j, column in enumerate(fit.design.factors[index].names[:4]):
            out.append(shape(effects[:, j], f"The random effects of {name} ({shown(column)})"))
    return " ".join(out)


def shape(values: Vector, what: str) -> str:
    """Skewness and excess kurtosis against those of a normal sample of this size."""
    n = len(values)
    if _constant(values):
        return f"{what} do not vary."
    z = values - values.mean()
    m2 = float(np.mean(z**2))
    skewness = float(np.mean(z**3)) / m2**1.5
    kurtosis = float(np.mean(z**4)) / m2**2 - 3
    # Large-sample standard errors under normality: √(6/n) and √(24/n).
    skewed = abs(skewness) > max(SKEWNESS_SIZE, MOMENT_ERRORS * (6 / n) ** 0.5)
    tailed = abs(kurtosis) > max(KURTOSIS_SIZE, MOMENT_ERRORS * (24 / n) ** 0.5)
    found = []
    if tailed:
        found.append(f"{'heavier' if kurtosis > 0 else 'lighter'} tails than normal ones")
    if skewed:
        found.append(f"a longer {'right' if skewness > 0 else 'left'} tail")
    verdict = f"have {' and '.join(found)}" if found else "look normal in symmetry and tails"
    return (
        f"{what} {verdict} (skewness {rounded(skewness)}, excess kurtosis {rounded(kurtosis)};"
        f" normal: 0 and 0)."
    )


def read_convergence(fit: MixedFit) -> str:
    """The verdicts on the optimum."""
    verdict = fit.convergence
    text = f"{verdict.message[:1].upper()}{verdict.message[1:]}."
    if fit.is_singular:
        return f"{text} The fit is singular: {'; '.join(fit.singular_directions)}."
    return f"{text} The fit is not singular: every direction of the random effects has variance."


def percent(share: float) -> str:
    """As in "71.4%"."""
    return f"{100 * share:.1f}%"


def _constant(values: Vector) -> bool:
    return bool(np.ptp(values) <= 1e-12 * max(1.0, float(np.max(np.abs(values)))))
