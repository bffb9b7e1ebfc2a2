"""Powers of ten and constants of the ticks, told by the axis' name.

matplotlib writes them above the axis, upon the titles of panels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from partialpool.figures.style import put_label

#: What matplotlib's formatter writes above an axis: a power of ten, a constant, or both.
OFFSET = re.compile(r"(?:1?e(?P<order>-?[0-9]+))?(?P<constant>[+-].+)?")


def put_scales(axes: Iterable[Any]) -> None:
    """Say in the labels of each panel what its ticks leave out; the limits must be final."""
    for ax in axes:
        for axis, side in ((ax.xaxis, "labelbottom"), (ax.yaxis, "labelleft")):
            said = scale_of(axis)
            if said and axis.get_tick_params().get(side, True):
                put_label(axis, f"{axis.label.get_text()} {said}".strip())


def shared_scales(axes: Iterable[Any]) -> tuple[str, str]:
    """What the ticks of panels that share their axes leave out, for the names of x and y."""
    said = [("", "")]
    for ax in axes:
        said.append((scale_of(ax.xaxis), scale_of(ax.yaxis)))
    return said[-1]


def scale_of(axis: Any) -> str:
    """As in "(×1e8)"; the axis keeps to it, and does not write it."""
    from matplotlib.ticker import ScalarFormatter

    form = axis.get_major_formatter()
    if not isinstance(form, ScalarFormatter) or axis.get_scale() != "linear":
        return ""
    form.set_useMathText(False)
    form.set_locs(axis.get_majorticklocs())
    found = OFFSET.fullmatch(form.get_offset().replace("−", "-"))
    axis.get_offset_text().set_visible(False)
    if found is None:
        return ""
    said = []
    if found["order"]:
        order = int(found["order"])
        form.set_powerlimits((order, order))
        said.append(f"×1e{order}")
    if found["constant"]:
        constant = float(found["constant"])
        form.set_useOffset(constant)
        said.append(f"{'+' if constant > 0 else '−'}{abs(constant):.12g}")
    return f"({' '.join(said)})" if said else ""
