"""Profile likelihood of a linear mixed model's parameters.

Source: Bates, Mächler, Bolker & Walker (2015), J. Stat. Software 67(1), section 5.1. Profiles
are of the ML deviance, as lme4's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.arguments import check_level
from partialpool.errors import ArgumentError, ConvergenceError
from partialpool.inference.intervals.bootstrap import interval_frame, maximum_likelihood
from partialpool.inference.intervals.parameters import (
    Parameter,
    estimates,
    parameters,
    select,
    undetermined,
)
from partialpool.inference.intervals.parameters import values as parameter_values
from partialpool.models.random_effects import told_apart
from partialpool.progress.bar import progress
from partialpool.progress.interruption import interruption, marked
from partialpool.tables.printed import Printed

if TYPE_CHECKING:
    import pandas as pd

    from partialpool.models.fit import MixedFit

Vector = NDArray[np.float64]

#: How near ζ comes to the values asked for: at an interval's end, and at the points of a figure.
END_TOLERANCE = 1e-7
POINT_TOLERANCE = 0.02
#: lme4's: the profile goes to the square root of this χ² quantile, in eight steps.
ALPHA_MAX = 0.01
STEPS = 8
#: Of a profile's points, beside the parameters.
OTHER_COLUMNS = ("parameter", "zeta")


@dataclass(frozen=True, eq=False, repr=False)
class Profile(Printed):
    """Signed roots ζ of the profiled deviance's rise above its minimum.

    Attributes
    ----------
    fit
        The fit by maximum likelihood.
    parameters
        Those profiled.
    points
        A row a constrained optimum: parameter, zeta, and the value there of every parameter.
    oldnames
        Whether parameters have lme4's short names.
    interrupted
        "interrupted after 2 of 6 parameters" where Ctrl-C ended it; else empty.
    """

    fit: MixedFit
    parameters: tuple[Parameter, ...]
    points: pd.DataFrame
    oldnames: bool = False
    interrupted: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters profiled."""
        columns = _columns(parameters(self.fit), self.oldnames)
        return tuple(columns[p] for p in self.parameters)

    def parameter(self, name: str) -> Parameter:
        """The parameter that is shown by a name, or else known by it."""
        shown = dict(zip(self.names, self.parameters, strict=True))
        return shown[name] if name in shown else select(self.parameters, [name])[0]

    def zeta(self, name: str) -> tuple[Vector, Vector]:
        """Values of a parameter, ascending, and ζ at each: a line where normal theory holds."""
        chosen = self.parameter(name)
        label = _columns(parameters(self.fit), self.oldnames)[chosen]
        own = (self.points["parameter"] == label).to_numpy()
        values = self.points[label].to_numpy(dtype=float)
        return values[own], self.points["zeta"].to_numpy(dtype=float)[own]

    def confint(
        self, level: float = 0.95, parm: str | int | Sequence[str | int] | None = None
    ) -> pd.DataFrame:
        """Where ζ is the normal quantile on either side (or the parameter's range ends)."""
        return profile_intervals(
            self.fit, select(self.parameters, parm), check_level(level), self.oldnames
        )

    def to_frame(self) -> pd.DataFrame:
        """The points."""
        return marked(self.points.copy(), self.interrupted) if self.interrupted else self.points

    def __str__(self) -> str:
        said = f" ({self.interrupted})" if self.interrupted else ""
        return f"Profile of {', '.join(self.names)}{said}\n{self.confint()}"

    def _repr_html_(self) -> str:
        from partialpool.inference.results_html import profile_html

        return profile_html(self)


def profile(
    fit: MixedFit,
    parm: str | int | Sequence[str | int] | None = None,
    *,
    oldnames: bool = True,
) -> Profile:
    """Profile the deviance along each parameter.

    Parameters
    ----------
    fit
        Refitted by ML if it is a REML fit.
    parm
        Names, positions, "theta_" or "beta_"; None for all.
    oldnames
        Use lme4's short names (".sig01", ".sigma").

    Returns
    -------
    Profile
        Without parameters that the data do not determine; interrupted by Ctrl-C, with the
        parameters done so far.
    """
    from scipy.stats import chi2

    fit = maximum_likelihood(fit)
    known = parameters(fit)
    wanted = [p for p in select(known, parm) if not undetermined(fit, p)]
    if not wanted:
        raise ArgumentError(f"there is nothing to profile: {'; '.join(fit.undetermined_sentences)}")
    cutoff = float(np.sqrt(chi2.ppf(1 - ALPHA_MAX, len(known))))
    zetas = (cutoff * np.arange(1, STEPS + 1) / STEPS).tolist()
    done: list[Parameter] = []
    tables: list[pd.DataFrame] = []
    with progress("Profile", len(wanted)) as advance:
        for p in wanted:
            try:
                lower, upper = sides(fit, p, zetas, zetas, POINT_TOLERANCE)
            except KeyboardInterrupt:
                if not done:
                    raise
                break
            tables.append(_points(fit, known, p, lower, upper, oldnames))
            done.append(p)
            advance(1)
    import pandas as pd

    points = pd.concat(tables, ignore_index=True)
    said = interruption(len(done), len(wanted), "parameters")
    return Profile(fit, tuple(done), points, oldnames, said)


def sides(
    fit: MixedFit,
    parameter: Parameter,
    lower: Sequence[float],
    upper: Sequence[float],
    tolerance: float,
) -> tuple[_core.ProfileSide, _core.ProfileSide]:
    """Constrained optima below and above an ML fit's estimate, where |ζ| takes the values given."""
    try:
        return _core.profile_sides(
            fit.optimum,
            parameter.kind,
            list(parameter.at),
            (list(lower), list(upper)),
            tolerance,
        )
    except _core.CoreError as error:
        raise ConvergenceError(
            f"the profile of {parameter.name!r} could not be followed ({error}); rescale the"
            " columns or simplify the model"
        ) from None


def profile_intervals(
    fit: MixedFit, wanted: Sequence[Parameter], level: float, oldnames: bool
) -> pd.DataFrame:
    """Profile intervals of an ML fit's parameters; NaN for those that Ctrl-C left undone."""
    from scipy.stats import norm

    z = float(norm.ppf((1 + level) / 2))
    ends: list[tuple[float, float]] = []
    with progress("Profile", len(wanted)) as advance:
        for p in wanted:
            if undetermined(fit, p):
                ends.append((np.nan, np.nan))
                advance(1)
                continue
            try:
                found = sides(fit, p, [z], [z], END_TOLERANCE)
            except KeyboardInterrupt:
                if not ends:
                    raise
                break
            low, high = (_end(side) for side in found)
            ends.append((low, high))
            advance(1)
    said = interruption(len(ends), len(wanted), "parameters")
    ends += [(np.nan, np.nan)] * (len(wanted) - len(ends))
    return marked(interval_frame([_name(p, oldnames) for p in wanted], ends, level), said)


def _end(side: _core.ProfileSide) -> float:
    if side.points:
        return side.points[-1].value
    return np.nan if side.bound is None else side.bound.value


def _name(parameter: Parameter, oldnames: bool) -> str:
    return parameter.old_name if oldnames else parameter.name


def _columns(known: Sequence[Parameter], oldnames: bool) -> dict[Parameter, str]:
    """Each parameter's column of `Profile.points`, told from the other columns."""
    names = told_apart([_name(p, oldnames) for p in known], OTHER_COLUMNS)
    return dict(zip(known, names, strict=True))


def _points(
    fit: MixedFit,
    known: Sequence[Parameter],
    parameter: Parameter,
    lower: _core.ProfileSide,
    upper: _core.ProfileSide,
    oldnames: bool,
) -> pd.DataFrame:
    """One parameter's optima in ascending order, the estimate among them."""
    import pandas as pd

    below, above = (
        [*side.points, *([side.bound] if side.bound else [])] for side in (lower, upper)
    )
    held = [*reversed(below), *above]
    lambdas = [
        np.array([h.lambdas[i] for h in held]).reshape(len(held), len(f.names), len(f.names))
        for i, f in enumerate(fit.design.factors)
    ]
    table = parameter_values(
        known, np.array([h.sigma for h in held]), np.array([h.beta for h in held]), lambdas
    )
    # What is held has its own value exactly, also where a zero variance leaves it undefined.
    table[:, known.index(parameter)] = [h.value for h in held]
    table = np.insert(table, len(below), estimates(fit, known), axis=0)
    zeta = np.insert([h.zeta for h in held], len(below), 0.0)
    names = _columns(known, oldnames)
    label = names[parameter]
    columns = dict(zip(OTHER_COLUMNS, (label, zeta), strict=True))
    columns |= {names[p]: table[:, i] for i, p in enumerate(known)}
    frame = pd.DataFrame(columns)
    # An estimate on its bound is there twice.
    return frame.drop_duplicates(subset=[label], ignore_index=True)
