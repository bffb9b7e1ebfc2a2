"""What the figures of draws have in common: which variables, how many panels, densities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from partialpool.bayes.estimators import array_stats
from partialpool.errors import ArgumentError
from partialpool.figures.labels import parameter_label
from partialpool.figures.style import TEXT, Vector, points, room_for_text, short, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from partialpool.bayes.posterior import Posterior

#: Panels that fit a page.
PANELS = 24
#: Divergent draws that are marked at most.
MARKED = 500


def chosen_variables(
    post: Posterior, variables: str | Sequence[str] | None, most: int = PANELS
) -> tuple[list[str], str]:
    """Variables to show, and what the heading must say where there are more than fit."""
    wanted = (
        list(post.variables)
        if variables is None
        else [variables]
        if isinstance(variables, str)
        else list(variables)
    )
    if not wanted:
        raise ArgumentError("variables is empty; name one, or leave it out for all")
    for name in wanted:
        post.draws(name)  # refuses a name that is none
    if len(set(wanted)) < len(wanted):
        raise ArgumentError(f"variables names one of {', '.join(map(repr, wanted))} twice")
    shown = wanted[:most]
    return shown, f"{len(shown)} of {len(wanted)} variables" if len(shown) < len(wanted) else ""


def one_variable(names: Sequence[str]) -> str:
    """The only variable that one Axes holds."""
    if len(names) > 1:
        raise ArgumentError(f"one Axes holds one variable; name it: variables={names[0]!r}")
    return names[0]


def kind_of(post: Posterior) -> str:
    """What the draws are of."""
    return "prior" if post.settings.prior_only else "posterior"


def label_of(post: Posterior, name: str) -> str:
    """A variable's name, with its unit where the data say it."""
    return parameter_label(post.fit, name, 44)


def put_name(ax: Axes, post: Posterior, name: str) -> None:
    """A panel's heading: the variable, broken at its double underscores where it is too long."""
    text = label_of(post, name)
    if len(text) > room_for_text(width_of(ax)):
        text = broken(text)
    ax.set_title(text, fontsize=points(TEXT), parse_math=False)


def broken(name: str) -> str:
    """A name in lines: what it is of, and its coefficients."""
    first, *rest = name.split("__")
    parts = [first, " · ".join(rest)] if rest else [first]
    return "\n".join(short(part, 26) for part in parts)


def density(values: Vector, ends: tuple[float, float] | None = None) -> tuple[Vector, Vector]:
    """Grid and kernel density, by ArviZ.

    Between two ends, or over the values' range, corrected there, as a parameter may be bounded.
    """
    flat = np.ravel(values)
    if not np.ptp(flat) > 0:
        return np.array([flat[0], flat[0]]), np.array([0.0, 1.0])
    options = {"bound_correction": True} if ends is None else {"custom_lims": ends}
    grid, height, _ = array_stats().kde(flat, **options)
    return np.asarray(grid), np.asarray(height)


def reach(values: Vector, share: float = 0.001) -> tuple[float, float]:
    """An interval that holds nearly all of the values, and some room around it."""
    low, high = np.quantile(values, [share, 1 - share]).tolist()
    room = 0.06 * (high - low)
    return low - room, high + room
