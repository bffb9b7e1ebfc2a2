"""Small panels that share their axes, one a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.errors import ArgumentError
from partialpool.figures.style import SMALL, TINY, grid_of, magnified, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Inches: of a panel, and left and right of all.
PANEL, LEFT, RIGHT = (1.6, 1.5), 0.72, 0.12


def facet_grid(count: int, ncol: int | None) -> tuple[int, int]:
    """Rows and columns of so many small panels."""
    if ncol is None and count > 6:
        ncol = min(6, int(np.ceil(np.sqrt(1.5 * count))))
    return grid_of(count, 6, ncol)


def facet_margins(
    owner: Any, width: float, height: float, *, above: float, down: int, below: float = 0.52
) -> None:
    """Room around a grid of panels that share their axes, all in inches.

    matplotlib's constrained layout takes seconds for tens of panels.
    """
    bottom, top = below * magnified(), height - above
    panel = (top - bottom) / down
    # Between rows: the title of the lower panel.
    gap = 0.3 * magnified()
    left = LEFT * magnified()
    if min(panel - gap * (down - 1) / down, width - left - RIGHT) < 0.2:
        raise ArgumentError(
            f"figsize has no room for {down} rows of panels and the text; give a larger one"
        )
    owner.subplots_adjust(
        left=left / width,
        right=1 - RIGHT / width,
        bottom=bottom / height,
        top=top / height,
        wspace=0.08,
        hspace=gap / (panel - gap * (down - 1) / down),
    )


def put_facet(ax: Axes, name: str, *, labelled: bool) -> None:
    """A small panel's name; labels of the ticks only in the bottom row."""
    ax.set_title(name, fontsize=points(SMALL), pad=3, parse_math=False, y=1.0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=points(TINY), labelbottom=labelled)


def few_ticks(ax: Axes, *, x: bool = True) -> None:
    """Ticks of small panels that share the axes of this one."""
    most = max(2, round(4 / magnified()))
    ax.locator_params(axis="y", nbins=most)
    if x:
        # A label at the end would touch the next panel's.
        ax.locator_params(axis="x", nbins=most, steps=[1, 2, 5, 10])
