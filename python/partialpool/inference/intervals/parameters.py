"""Parameters that `parm` asks for, and their values in fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import PARAMETER_NAMES, ParameterNames
from partialpool.errors import ArgumentError
from partialpool.models.parameters import Parameter

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

Vector = NDArray[np.float64]


def select(
    known: Sequence[Parameter],
    parm: str | int | Sequence[str | int] | None,
    names: ParameterNames = "canonical",
) -> tuple[Parameter, ...]:
    """Parameters by name, position, "theta_" (random part, σ) or "beta_" (fixed).

    A name is read in the style of `names` first, then in the others.
    """
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
            chosen.append(_named(known, item, names))
    return tuple(dict.fromkeys(chosen))


def _named(known: Sequence[Parameter], item: object, names: ParameterNames) -> Parameter:
    """The parameter of a name."""
    shown = [p for p in known if p.called(names) == item]
    match = shown or [p for p in known if item in {p.called(style) for style in PARAMETER_NAMES}]
    if len(match) > 1:
        both = " or ".join(repr(p.called(names)) for p in match)
        raise ArgumentError(f"parm has {item!r}, which two parameters are called; say {both}")
    if not match:
        listed = ", ".join(p.called(names) for p in known)
        raise ArgumentError(
            f"parm has {item!r}, which is no parameter of this model; it has {listed}"
        )
    return match[0]


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
