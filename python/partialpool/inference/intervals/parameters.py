"""The parameters of a mixed model that people read: standard deviations, correlations, σ, β."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from partialpool.errors import ArgumentError
from partialpool.models.random_effects import told_apart, unique_names

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

Vector = NDArray[np.float64]
#: What no parameter is called: the words of `parm` for the random part with σ and for the fixed.
RESERVED = ("theta_", "beta_")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes
    ----------
    name
        "sd_(Intercept)|Subject", "cor_Days.(Intercept)|Subject", "sigma", or a fixed effect's name,
        with "b_" before it where another parameter is called so.
    old_name
        lme4's short name: ".sig01", ".sigma"; of a fixed effect as in `name`.
    kind
        "sd", "cor", "sigma" or "fixed".
    at
        Factor and column(s) in the design, or the place among the fixed effects.
    """

    name: str
    old_name: str
    kind: str
    at: tuple[int, ...]

    @property
    def bounds(self) -> tuple[float, float]:
        """Ends of the parameter's range."""
        return {"sd": (0.0, np.inf), "cor": (-1.0, 1.0), "sigma": (0.0, np.inf)}.get(
            self.kind, (-np.inf, np.inf)
        )


def parameters(fit: MixedFit) -> tuple[Parameter, ...]:
    """All parameters in lme4's order: random effects by term, σ, fixed effects."""
    out: list[Parameter] = []

    def add(name: str, kind: str, at: tuple[int, ...]) -> None:
        out.append(Parameter(name, f".sig{len(out) + 1:02d}", kind, at))

    for term in fit.terms:
        names = ["(Intercept)" if n == "Intercept" else n for n in term.names]
        first, group = term.columns.start, term.factor.name
        for i, j in term.free_entries:
            if i == j:
                add(f"sd_{names[i]}|{group}", "sd", (term.index, first + i))
            else:
                at = (term.index, first + j, first + i)
                add(f"cor_{names[i]}.{names[j]}|{group}", "cor", at)
    out.append(Parameter("sigma", ".sigma", "sigma", ()))
    # A second term with the same column has its name with a number.
    names = unique_names(tuple(p.name for p in out))
    out = [replace(p, name=name) for p, name in zip(out, names, strict=True)]
    full = told_apart(fit.fixed_names, (*names, *RESERVED))
    short = told_apart(fit.fixed_names, (*(p.old_name for p in out), *RESERVED))
    fixed = enumerate(zip(full, short, strict=True))
    return (*out, *(Parameter(name, old_name, "fixed", (j,)) for j, (name, old_name) in fixed))


def select(
    known: Sequence[Parameter], parm: str | int | Sequence[str | int] | None
) -> tuple[Parameter, ...]:
    """Parameters by name (either kind), position, "theta_" (random part, σ) or "beta_" (fixed)."""
    if parm is None:
        return tuple(known)
    if not isinstance(parm, str | int) and not (isinstance(parm, Sequence) and len(parm)):
        raise ArgumentError(f"parm must be names or positions of parameters, not {parm!r}")
    wanted = [parm] if isinstance(parm, (str, int)) else list(parm)
    chosen: list[Parameter] = []
    for item in wanted:
        if item == "beta_":
            chosen += [p for p in known if p.kind == "fixed"]
        elif item == "theta_":
            chosen += [p for p in known if p.kind != "fixed"]
        elif isinstance(item, int) and not isinstance(item, bool) and 0 <= item < len(known):
            chosen.append(known[item])
        else:
            match = [p for p in known if item in (p.name, p.old_name)]
            if len(match) > 1:
                both = " or ".join(repr(_own_name(p, match)) for p in match)
                raise ArgumentError(
                    f"parm has {item!r}, which two parameters are called; say {both}"
                )
            if not match:
                names = ", ".join(p.name for p in known)
                raise ArgumentError(
                    f"parm has {item!r}, which is no parameter of this model; it has {names}"
                )
            chosen.append(match[0])
    return tuple(dict.fromkeys(chosen))


def _own_name(parameter: Parameter, beside: Sequence[Parameter]) -> str:
    """Whichever of a parameter's names none of the others has."""
    others = {name for p in beside if p is not parameter for name in (p.name, p.old_name)}
    return parameter.old_name if parameter.old_name not in others else parameter.name


def undetermined(fit: MixedFit, parameter: Parameter) -> bool:
    """Whether the data leave a parameter open: it has no interval."""
    found = fit.identification
    if found.complete:
        return False
    if parameter.kind == "sd":
        return found.variance_open(*parameter.at)
    if parameter.kind == "cor":
        return found.correlation_open(*parameter.at)
    if parameter.kind == "sigma":
        return found.residual_open
    return bool(fit.undetermined(np.eye(len(fit.beta))[parameter.at[0]])[0])


def values(
    wanted: Sequence[Parameter], sigma: Vector, beta: Vector, lambdas: Sequence[Vector]
) -> Vector:
    """Values of parameters for many fits at once.

    Parameters
    ----------
    wanted
    sigma
        (r,)
    beta
        (r, p)
    lambdas
        Per factor in design order, (r, k, k).

    Returns
    -------
    ndarray, shape (r, len(wanted))
        The correlation with an effect that has no variance is NaN.
    """
    covariances = [lam @ np.swapaxes(lam, 1, 2) for lam in lambdas]
    out = np.empty((len(sigma), len(wanted)))
    for column, p in enumerate(wanted):
        if p.kind == "sigma":
            out[:, column] = sigma
        elif p.kind == "fixed":
            out[:, column] = beta[:, p.at[0]]
        elif p.kind == "sd":
            factor, i = p.at
            out[:, column] = sigma * np.sqrt(covariances[factor][:, i, i])
        else:
            factor, i, j = p.at
            v = covariances[factor]
            with np.errstate(invalid="ignore", divide="ignore"):
                out[:, column] = v[:, i, j] / (np.sqrt(v[:, i, i]) * np.sqrt(v[:, j, j]))
    return out


def estimates(fit: MixedFit, wanted: Sequence[Parameter]) -> Vector:
    """A fit's own values of parameters, (len(wanted),)."""
    lambdas = [lam[None] for lam in fit.relative_factors]
    return values(wanted, np.array([fit.sigma]), fit.beta[None, :], lambdas)[0]
