"""Ellipses of two random effects' fitted covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.figures.style import Vector, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Shares of the levels that the ellipses hold, and how each is drawn.
COVERAGE: tuple[tuple[float, Any], ...] = ((0.5, "-"), (0.95, "--"))


def ellipse(covariance: Vector, centre: Vector, share: float) -> Vector:
    """Points of the ellipse that holds this share of a normal pair, (2, 181); a line if singular.

    Parameters
    ----------
    covariance
        (2, 2)
    centre
        (2,)
    """
    # A pair's squared distance is χ² with two degrees of freedom: an exponential of mean 2.
    radius = np.sqrt(-2 * np.log1p(-share))
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    angle = np.linspace(0, 2 * np.pi, 181)
    circle = radius * np.vstack([np.cos(angle), np.sin(angle)])
    return centre[:, None] + root @ circle


def draw_ellipses(ax: Axes, covariance: Vector, centre: Vector) -> list[Any]:
    """One line for each of `COVERAGE`, in the colour of the population."""
    color = look("population")["color"]
    return [
        ax.plot(*ellipse(covariance, centre, share), color=color, ls=style, lw=1.2, zorder=2)[0]
        for share, style in COVERAGE
    ]


def coverage_labels() -> list[str]:
    """What the legend says of the ellipses."""
    return [f"fitted distribution, {100 * share:g}%" for share, _ in COVERAGE]
