"""Names of levels along an axis: all of them, or as many as can be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from partialpool.figures.style import (
    SMALL,
    TEXT,
    height_of,
    points,
    room_for_text,
    short,
    short_all,
    width_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

#: Levels above which none is named.
NAMED = 60
#: Size of many names; how far lines of text are apart, as a multiple of their size.
DENSE, LINE = 0.6, 1.25
#: Of a character, as a multiple of its size; what of a panel's height its names may take.
WIDTH, SHARE = 0.6, 0.3


def put_levels(
    ax: Axes, axis: str, levels: Sequence[Any], name: str, inches: float | None = None
) -> float:
    """Levels at 0, 1, …: all named where there is room, else some, and the label says how many.

    `inches` is the length of the axis, where the caller makes room for the names beside it: about
    as many inches as are returned.
    """
    texts = short_all(levels, 24)
    count, along_x = len(texts), axis == "x"
    set_ticks = ax.set_xticks if along_x else ax.set_yticks
    label: Any = ax.set_xlabel if along_x else ax.set_ylabel
    if count > NAMED:
        set_ticks([])
        said = f"{short(name, 40)}: {count} levels, not named"
        label(said, fontsize=points(TEXT), parse_math=False)
        return 0.0
    own_room = inches is not None
    if inches is None:
        inches = width_of(ax) if along_x else height_of(ax)
    across = along_x and sum(map(len, texts)) + count <= room_for_text(inches, SMALL, 1)
    size = points(SMALL if count <= 30 else DENSE)
    step = 1
    if not across:
        fit = [int(72 * inches / (LINE * points(share))) for share in (SMALL, DENSE)]
        size = points(SMALL if count <= fit[0] else DENSE)
        step = -(-count // max(1, fit[1]))
    turned = 90 if along_x and not across else 0
    if turned and not own_room:
        # Names that stand upright take their length from the panel.
        length = int(72 * SHARE * height_of(ax) / (WIDTH * size))
        texts = short_all(levels, min(24, max(10, length)))
    places = list(range(0, count, step))
    named = [texts[i] for i in places]
    set_ticks(places, named, fontsize=size, rotation=turned)
    ticks: list[Text] = (ax.get_xticklabels if along_x else ax.get_yticklabels)()
    for tick in ticks:
        tick.set_parse_math(False)
    said = short(name, 60) if step == 1 else f"{short(name, 40)}: {len(named)} of {count} named"
    label(said, fontsize=points(TEXT), parse_math=False)
    longest = max(map(len, named)) if turned or not along_x else 1
    return WIDTH * size * longest / 72
