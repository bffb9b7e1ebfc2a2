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
from partialpool.arguments import PARAMETER_NAMES, ParameterNames, check_choice, check_level
from partialpool.errors import ArgumentError, ConvergenceError
from partialpool.inference.intervals.bootstrap import interval_frame
from partialpool.inference.intervals.parameters import estimates, select, undetermined
from partialpool.inference.intervals.parameters import values as parameter_values
from partialpool.models.parameters import Parameter, listed
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
    style
        How the parameters are named: "canonical", "lme4" or "lme4-long".
    interrupted
        "interrupted after 2 of 6 parameters" where Ctrl-C ended it; else empty.
    """

    fit: MixedFit
    parameters: tuple[Parameter, ...]
    points: pd.DataFrame
    style: ParameterNames = "canonical"
    interrupted: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters profiled."""
        return tuple(p.called(self.style) for p in self.parameters)

    def parameter(self, name: str) -> Parameter:
        """The parameter of a name."""
        return select(self.parameters, [name], self.style)[0]

    def zeta(self, name: str) -> tuple[Vector, Vector]:
        """Values of a parameter, ascending, and ζ at each: a line where normal theory holds."""
        label = self.parameter(name).called(self.style)
        own = (self.points["parameter"] == label).to_numpy()
        values = self.points[label].to_numpy(dtype=float)
        return values[own], self.points["zeta"].to_numpy(dtype=float)[own]

    def confint(
        self, level: float = 0.95, parm: str | int | Sequence[str | int] | None = None
    ) -> pd.DataFrame:
        """Where ζ is the normal quantile on either side (or the parameter's range ends)."""
        wanted = select(self.parameters, parm, self.style)
        return profile_intervals(self.fit, wanted, check_level(level), self.style)

    def to_frame(self) -> pd.DataFrame:
        """The points."""
        return marked(self.points.copy(), self.interrupted) if self.interrupted else self.points

    def __str__(self) -> str:
        said = f" ({self.interrupted})" if self.interrupted else ""
        return f"Profile of {', '.join(self.names)}{said}\n{self.confint()}"

    def _repr_html_(self) -> str:
        from partialpool.tables.html import tables_html
        from partialpool.tables.rformat import CellTable

        table = self.confint()
        columns = [
            tuple("–" if np.isnan(v) else f"{v:.6g}" for v in table[name].tolist())
            for name in table
        ]
        cells = CellTable(tuple(map(str, table.index)), tuple(map(str, table)), tuple(columns))
        lines = [("Formula:", self.fit.formula)]
        notes = [self.interrupted] if self.interrupted else []
        return tables_html("Profile likelihood intervals", [("", cells)], lines=lines, notes=notes)


def profile(
    fit: MixedFit,
    parm: str | int | Sequence[str | int] | None = None,
    *,
    names: ParameterNames = "canonical",
) -> Profile:
    """Profile the deviance along each parameter.

    Parameters
    ----------
    fit
        Refitted by ML if it is a REML fit.
    parm
        Names, positions, "theta_" or "beta_"; None for all.
    names
        "canonical" ("sd_Subject__Intercept"), or as lme4 has them by default (".sig01": "lme4") or
        at length ("sd_(Intercept)|Subject": "lme4-long").

    Returns
    -------
    Profile
        Without parameters that the data do not determine; interrupted by Ctrl-C, with the
        parameters done so far.
    """
    from scipy.stats import chi2

    fit = fit.by_criterion(reml=False)
    names = check_choice(names, "names", PARAMETER_NAMES)
    known = listed(fit)
    wanted = [p for p in select(known, parm, names) if not undetermined(fit, p)]
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
            tables.append(_points(fit, known, p, lower, upper, names))
            done.append(p)
            advance(1)
    import pandas as pd

    points = pd.concat(tables, ignore_index=True)
    said = interruption(len(done), len(wanted), "parameters")
    return Profile(fit, tuple(done), points, names, said)


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
    fit: MixedFit, wanted: Sequence[Parameter], level: float, names: ParameterNames
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
    return marked(interval_frame([p.called(names) for p in wanted], ends, level), said)


def _end(side: _core.ProfileSide) -> float:
    if side.points:
        return side.points[-1].value
    return np.nan if side.bound is None else side.bound.value


def _points(
    fit: MixedFit,
    known: Sequence[Parameter],
    parameter: Parameter,
    lower: _core.ProfileSide,
    upper: _core.ProfileSide,
    names: ParameterNames,
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
    label = parameter.called(names)
    columns = {"parameter": label, "zeta": zeta}
    columns |= {p.called(names): table[:, i] for i, p in enumerate(known)}
    frame = pd.DataFrame(columns)
    # An estimate on its bound is there twice.
    return frame.drop_duplicates(subset=[label], ignore_index=True)
