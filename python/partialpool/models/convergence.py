"""Honest messages: whether the optimum was reached, and which direction is singular."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.design import Design
from partialpool.design.covariance import parts
from partialpool.models.identification import Identification, listed, lower_factor
from partialpool.tables.printed import Printed

#: Norm of the exact gradient over the criterion's size above which a fit has not converged.
GRADIENT_TOLERANCE = 1e-6
#: Smallest Hessian eigenvalue over the largest below which the point is a saddle.
CURVATURE_TOLERANCE = -1e-5
#: Standard deviations over the residual's, in columns of unit size, that are zero (lme4's too).
SINGULAR_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, repr=False)
class Convergence(Printed):
    """Checks of the optimum.

    Attributes
    ----------
    converged
        Whether both checks passed.
    gradient_norm
        Norm of the exact gradient in standardised parameters, over the size of the criterion (which
        the units of the data do not change).
    min_eigenvalue
        Smallest eigenvalue of the criterion's Hessian in these parameters.
    evaluations
        Evaluations of criterion and gradient together.
    message
        The verdict in a sentence.
    identified
        Whether the data determine every variance and covariance; if not, the message names them.
    """

    converged: bool
    gradient_norm: float
    min_eigenvalue: float
    evaluations: int
    message: str
    identified: bool = True

    def __str__(self) -> str:
        low = f"smallest Hessian eigenvalue {self.min_eigenvalue:.3g}"
        return f"{self.message[:1].upper()}{self.message[1:]}; {low}."


def read_convergence(native: _core.Fit, undetermined: Sequence[str] = ()) -> Convergence:
    """The verdict on a fit, and what its data do not determine."""
    verdict = judge(native.convergence, native.magnitude)
    if not undetermined:
        return verdict
    message = f"{verdict.message}; {'; '.join(undetermined)}"
    return replace(verdict, message=message, identified=False)


def judge(search: tuple[float, float, float, int], magnitude: float) -> Convergence:
    """The verdict on a search's gradient norm, extreme eigenvalues and number of evaluations.

    `magnitude` is the size of the criterion, free of the data's units.
    """
    gradient, low, high, evaluations = search
    if not gradient <= GRADIENT_TOLERANCE:
        message = (
            f"the fit may not have converged: gradient norm {gradient:.1e} after {evaluations}"
            f" evaluations (should be below {GRADIENT_TOLERANCE:.0e}); rescale predictors or"
            " simplify the random effects"
        )
    elif not low >= CURVATURE_TOLERANCE * max(high, 1e-3 * magnitude):
        message = (
            f"the fit may have stopped at a saddle: smallest Hessian eigenvalue {low:.1e} after"
            f" {evaluations} evaluations; simplify the random effects"
        )
    else:
        message = f"converged: gradient norm {gradient:.1e} after {evaluations} evaluations"
    ok = message.startswith("converged")
    return Convergence(ok, float(gradient), float(low), int(evaluations), message)


def singular_sentences(
    design: Design, native: _core.Fit, found: Identification | None = None
) -> tuple[str, ...]:
    """For each covariance block of deficient rank, which direction has no variance.

    A variance that the data do not determine is zero by our choice, and not said to be.
    """
    out: list[str] = []
    info = zip(design.factors, native.null_directions, native.lambdas, strict=True)
    for index, (factor, null, lam) in enumerate(info):
        k = len(factor.names)
        full = np.array(lam).reshape(k, k)
        for part in parts(factor.blocks):
            own = slice(part.start, part.stop)
            lost = sum(1 for d in null.directions if any(abs(v) > 0 for v in d[own]))
            closed = [i for i in part if found is None or not found.variance_open(index, i)]
            names, root = factor.names[own], full[own, own]
            if found is not None and lost and len(closed) < len(part):
                names = tuple(factor.names[i] for i in closed)
                root = lower_factor((full @ full.T)[np.ix_(closed, closed)])
                rms = np.array([found.rms[index][i] for i in closed])
                lost = int(np.sum(np.linalg.svd(root * rms[:, None])[1] < SINGULAR_TOLERANCE))
            if lost:
                out.append(_sentence(names, factor.name, root, lost))
    return tuple(out)


def _sentence(names: Sequence[str], group: str, lam: NDArray[np.float64], lost: int) -> str:
    k = len(names)
    sd = np.sqrt(np.square(lam).sum(axis=1))
    zero = [n for n, s in zip(names, sd, strict=True) if s == 0]
    if k == 1:
        return _no_variance(names, group)
    span = f"the random effects of {group} span {k - lost} of {k} dimensions"
    if len(zero) == lost:
        return f"{_no_variance(zero, group)}; {span}"
    if k == 2:
        sign = "-" if lam[1, 0] * lam[0, 0] < 0 else ""
        return f"correlation of {names[0]} and {names[1]} | {group} is {sign}1; {span}"
    # Columns of which nothing is left once the others are known: smallest pivots of Λ.
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(sd > 0, np.abs(lam.diagonal()) / sd, 0.0)
    determined = set(np.argsort(left, kind="stable")[:lost].tolist())
    lacking = [n for i, n in enumerate(names) if i in determined]
    others = [n for i, n in enumerate(names) if i not in determined]
    return f"{_no_variance(lacking, group)} given {listed(others)}; {span}"


def _no_variance(names: Sequence[str], group: str) -> str:
    if len(names) == 1:
        return f"variance of {names[0]} | {group} is 0"
    return f"variances of {listed(names)} | {group} are 0"
