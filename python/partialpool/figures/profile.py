"""Profile likelihood: ζ of each parameter, and contours of their pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.errors import ArgumentError
from partialpool.figures.labels import parameter_label
from partialpool.figures.scales import put_scales
from partialpool.figures.style import (
    BLUE,
    GREY,
    ORANGE,
    Vector,
    check_fit,
    check_page,
    grid_of,
    ink,
    new_figure,
    paper,
    put_heading,
    put_labels,
    put_title,
)
from partialpool.inference.intervals.parameters import select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.inference.intervals.profile import Profile
    from partialpool.models.fit import MixedFit

#: Coverages of the intervals and of the contours that are drawn.
LEVELS = (0.5, 0.8, 0.95)
#: Parameters that a page of pairs holds.
MOST = 7


def plot_profile(
    fit: MixedFit | Profile,
    *,
    parm: str | int | Sequence[str | int] | None = None,
    ncol: int | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Profile ζ of each parameter: a straight line where the estimate is normal.

    Horizontal bars are the 50, 80 and 95% profile intervals.

    Parameters
    ----------
    fit
        A fit, refitted by ML if need be, or its ``profile()``, which saves making it again.
    parm
        Parameters, as for `LinearMixedModel.profile`; default all.
    ncol
        Panels beside each other; default by how many there are.
    figsize
        Width and height of the new figure in inches; default by what it holds.
    ax
        Draw there; one parameter must be named.

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure

    Raises
    ------
    ArgumentError
        If there is no such parameter.
    """
    page = check_page(ax, figsize, ncol)
    profile, names = _profile(fit, parm)
    if ax is not None:
        if len(names) > 1:
            raise ArgumentError(f"one Axes holds one parameter; name it: parm={names[0]!r}")
        _zeta(ax, profile, names[0])
        put_labels(ax, _label(profile, names[0]), "ζ")
        put_scales([ax])
        return ax
    down, across = grid_of(len(names), 4, ncol)
    figure = new_figure(max(4.2, 2.7 * across + 0.4), 2.5 * down + 0.5, figsize=page)
    axes = figure.subplots(down, across, sharey=True, squeeze=False)
    for i, name in enumerate(names):
        panel = axes.flat[i]
        _zeta(panel, profile, name)
        put_labels(panel, _label(profile, name, 34), "ζ" if i % across == 0 else "")
        panel.locator_params(axis="x", nbins=5)
    for panel in axes.flat[len(names) :]:
        panel.set_visible(False)
    heading = f"{profile.fit.formula}, ML; profile ζ with 50, 80 and 95% intervals"
    put_scales(axes.flat[: len(names)])
    put_heading(figure, heading)
    return figure


def plot_profile_pairs(
    fit: MixedFit | Profile,
    *,
    parm: str | int | Sequence[str | int] | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Contours of the profiled likelihood of each pair of parameters, with the profiles' traces.

    The contours hold the two parameters jointly with 50, 80 and 95% confidence; between the points
    of the traces they are interpolated (Bates & Watts 1988, appendix A3.3; lme4's ``splom``).
    Where the two traces (full and dashed) are at right angles the estimates do not depend on each
    other.

    Parameters
    ----------
    fit
        A fit, refitted by ML if need be, or its ``profile()``.
    parm
        Parameters, two or more; default all, of more than seven the first seven, and the title
        says so.
    figsize
        Width and height of the new figure in inches; default by what it holds.
    ax
        Draw there; two parameters must be named.

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure

    Raises
    ------
    ArgumentError
        If there are no such parameters, or fewer than two.
    """
    page = check_page(ax, figsize)
    profile, names = _profile(fit, parm)
    if len(names) < 2:
        raise ArgumentError("a pair needs two parameters; for one see fit.plot.profile()")
    if ax is not None:
        if len(names) > 2:
            raise ArgumentError(f"one Axes holds one pair; name it: parm={list(names[:2])!r}")
        _pair(ax, profile, names[0], names[1])
        put_labels(ax, _label(profile, names[0]), _label(profile, names[1]))
        put_scales([ax])
        put_title(ax, "contours: joint 50, 80 and 95%; lines: profile traces")
        return ax
    k = min(len(names), MOST)
    figure = new_figure(1.9 * k + 0.4, 1.7 * k + 0.6, figsize=page)
    grid = figure.add_gridspec(k - 1, k - 1)
    columns: dict[int, Axes] = {}
    for i in range(1, k):
        left: Axes | None = None
        for j in range(i):
            # Panels take time: there are none above the diagonal.
            place = grid[i - 1, j]
            panel = figure.add_subplot(place, sharex=columns.get(j), sharey=left)
            columns.setdefault(j, panel)
            left = left or panel
            panel.tick_params(labelbottom=i == k - 1, labelleft=j == 0)
            _pair(panel, profile, names[j], names[i])
            x, y = (_label(profile, names[v], 24).replace(" (", "\n(") for v in (j, i))
            put_labels(panel, x if i == k - 1 else "", y if j == 0 else "")
            panel.locator_params(nbins=4)
    heading = "profile pairs, ML; contours: joint 50, 80 and 95%; lines: profile traces"
    if k < len(names):
        heading += f" (the first {k} of {len(names)} parameters)"
    put_scales(figure.axes)
    put_heading(figure, heading)
    return figure


def _profile(fit: Any, parm: Any) -> tuple[Profile, Sequence[str]]:
    from partialpool.inference.intervals.profile import Profile

    if not isinstance(fit, Profile):
        check_fit(fit)
        if parm is not None and (
            not isinstance(parm, str | int | list | tuple) or parm in ([], ())
        ):
            raise ArgumentError(f"parm must name parameters of the fit, not {parm!r}")
        made = fit.profile(parm)
        return made, made.names
    return fit, [p.called(fit.style) for p in select(fit.parameters, parm, fit.style)]


def _label(profile: Profile, name: str, width: int = 60) -> str:
    return parameter_label(profile.fit, profile.parameter(name).name, width, shown=name)


def _trace(profile: Profile, name: str) -> tuple[Vector, Vector]:
    """ζ, strictly ascending, and the parameter's value at each."""
    own = _points(profile, name)
    values, zeta = own[name].to_numpy(dtype=float), own["zeta"].to_numpy(dtype=float)
    # Where a likelihood is flat two points may share a ζ but for rounding.
    order = np.argsort(zeta, kind="stable")
    values, zeta = values[order], zeta[order]
    kept = np.concatenate([[True], np.diff(zeta) > 1e-9])
    return zeta[kept], values[kept]


def _points(profile: Profile, name: str) -> Any:
    """The points profiled along a parameter, by ζ, those of a correlation without a fold."""
    points: Any = profile.points
    own = points[points["parameter"] == name].sort_values("zeta", kind="stable")
    if profile.parameter(name).kind != "cor":
        return own
    return own[_unfolded(own[name].to_numpy(dtype=float), own["zeta"].to_numpy(dtype=float))[1]]


def _unfolded(values: Vector, zeta: Vector) -> tuple[Vector, Any]:
    """ζ of a correlation's values, none beyond what is found farther out, and which are minima.

    Where a standard deviation is zero its correlations are free: the deviance of ±1 reached there
    is one that every value can have.
    """
    size, capped, kept = np.abs(zeta), zeta.copy(), zeta == 0
    # The search ends at ±1 but for rounding.
    away = np.round(np.abs(values - values[np.argmin(size)]), 6)
    farthest = np.lexsort((size, -away))
    for side in (-1.0, 1.0):
        at = farthest[np.sign(zeta[farthest]) == side]
        least = np.minimum.accumulate(size[at])
        capped[at] = side * least
        kept[at] = size[at] < np.concatenate([[np.inf], least])[:-1]
    return capped, kept


def _level_ends(values: Vector, zeta: Vector) -> tuple[Vector, Vector]:
    """A line through ζ by value, level where a correlation is free."""
    from scipy.interpolate import PchipInterpolator

    capped, _ = _unfolded(values, zeta)
    order = np.lexsort((np.abs(capped), np.round(values, 6)))
    first = np.concatenate([[True], np.diff(values[order]) > 1e-6])
    curve = PchipInterpolator(values[order][first], capped[order][first])
    at = np.linspace(float(values.min()), float(values.max()), 241)
    return at, curve(at)


def _zeta(ax: Axes, profile: Profile, name: str) -> None:
    from scipy.interpolate import PchipInterpolator
    from scipy.stats import norm

    zeta, values = _trace(profile, name)
    if len(zeta) > 1:
        at = np.linspace(zeta[0], zeta[-1], 121)
        curve = PchipInterpolator(zeta, values)
        line = curve(at), at
        if profile.parameter(name).kind == "cor":
            line = _level_ends(*profile.zeta(name))
        ax.plot(*line, color=BLUE, lw=1.5, zorder=3)
        for level in LEVELS:
            z = float(norm.ppf((1 + level) / 2))
            # A side that ends at the parameter's bound ends its intervals too.
            low, high = np.clip([-z, z], zeta[0], zeta[-1])
            a, b = curve([low, high])
            ax.vlines([a, b], [low, high], 0, color=GREY, lw=0.9, zorder=1)
            ax.hlines(0, a, b, color=ORANGE, lw=1 + 2.2 * (1 - level), zorder=2)
    ax.plot(values, zeta, "o", color=BLUE, ms=2.8, zorder=4)
    ax.axhline(0, color=GREY, lw=0.8, zorder=0)


def _pair(ax: Axes, profile: Profile, x: str, y: str) -> None:
    for level, style in zip(LEVELS, ("-", "--", ":"), strict=True):
        ax.plot(*contour(profile, x, y, level), color=BLUE, lw=1.2, ls=style, zorder=2)
    points: Any = profile.points
    for name, style in ((x, "-"), (y, "--")):
        own = _points(profile, name)
        ax.plot(own[x], own[y], color=ORANGE, lw=1, ls=style, zorder=3)
    at = points.loc[points["zeta"] == 0.0, [x, y]].iloc[0]
    ax.plot(at[x], at[y], "P", ms=6, color=ink(), mec=paper(), zorder=4)


def contour(profile: Profile, x: str, y: str, level: float) -> Vector:
    """Points of the contour, (2, 201), NaN beyond what was profiled or a parameter's range.

    On the ζ scales the contour touches the square of half side c, c² the χ²₂ quantile, where the
    traces cross its sides; between the four points the phase is interpolated.
    """
    from scipy.interpolate import CubicSpline, PchipInterpolator

    c = float(np.sqrt(-2 * np.log1p(-level)))
    (zx, vx), (zy, vy) = _trace(profile, x), _trace(profile, y)
    if min(len(zx), len(zy)) < 3:
        return np.full((2, 1), np.nan)
    own = {n: _points(profile, n) for n in (x, y)}
    to_zeta = {x: _inverse(vx, zx), y: _inverse(vy, zy)}

    def other(along: str, across: str, at: float) -> float:
        """ζ of `across` where ζ of `along` is `at`, kept inside the square."""
        zeta = to_zeta[across](own[along][across].to_numpy(dtype=float))
        known = np.isfinite(zeta)
        position = own[along]["zeta"].to_numpy(dtype=float)[known]
        found = np.interp(at, position, zeta[known])
        reached = np.interp(at, position, position)
        # Beyond the last point (a bound) the trace goes on as a line through the estimate.
        return float(np.clip(found * (at / reached if reached else 1.0) / c, -1, 1))

    # Phases of the four points at which the contour touches the square.
    phases = [
        (0.0, np.arccos(other(x, y, c))),
        (np.arccos(other(y, x, c)), 0.0),
        (np.pi, np.arccos(other(x, y, -c))),
        (np.arccos(other(y, x, -c)), np.pi),
    ]
    angles = []
    for first, second in phases:
        mean, difference = (first + second) / 2, first - second
        # Phases (-a, -b) are the same point.
        if difference < 0:
            mean, difference = -mean, -difference
        angles.append((float(np.mod(mean, 2 * np.pi)), float(difference)))
    angles.sort()
    mean, difference = np.array(angles).T
    kept = np.concatenate([[True], np.diff(mean) > 1e-6])
    mean, difference = mean[kept], difference[kept]
    spline = CubicSpline(
        np.append(mean, mean[0] + 2 * np.pi),
        np.append(difference, difference[0]),
        bc_type="periodic",
    )
    at = np.linspace(mean[0], mean[0] + 2 * np.pi, 201)
    half = spline(at) / 2
    out = []
    for zeta, (z, v) in ((c * np.cos(at + half), (zx, vx)), (c * np.cos(at - half), (zy, vy))):
        out.append(PchipInterpolator(z, v, extrapolate=False)(zeta))
    together = np.array(out, dtype=np.float64)
    together[:, np.isnan(together).any(axis=0)] = np.nan
    return together


def _inverse(values: Vector, zeta: Vector) -> Any:
    """ζ at a value, NaN outside the values profiled."""
    from scipy.interpolate import PchipInterpolator

    order = np.argsort(values, kind="stable")
    kept = np.concatenate([[True], np.diff(values[order]) > 0])
    return PchipInterpolator(values[order][kept], zeta[order][kept], extrapolate=False)
