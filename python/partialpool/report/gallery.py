"""The figures of the page: a table, so that adding one is a line."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from partialpool.errors import PartialPoolError
from partialpool.models.random_effects import by_group
from partialpool.report import readings

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

#: A figure is embedded as SVG up to this many bytes, above as PNG.
SVG_LIMIT = 400_000
#: Grouping factors whose random effects are drawn.
GROUPS = 4
#: Dots an inch of a PNG.
RESOLUTION = 160


@dataclass(frozen=True, slots=True)
class Kind:
    """A figure of `fit.plot` with its heading and its reading.

    `always`: where it cannot be drawn of a fit, the page says why. `key`: its place on the page,
    if not the method's name.
    """

    method: str
    title: str
    reading: Callable[[Any], str]
    always: bool = True
    key: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


#: Figures in the page's order; those that `fit.plot` does not offer are left out.
FIGURES = (
    Kind("fits", "Observations and fitted lines by group", readings.read_fits),
    Kind("cells", "Observed and predicted by factors", readings.read_observed, always=False),
    Kind("residuals", "Residuals against fitted values", readings.read_residuals),
    Kind("qq", "Normal quantiles of residuals and random effects", readings.read_qq),
    Kind("caterpillar", "Random effects by level", readings.read_caterpillar),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure as it stands on the page.

    Attributes
    ----------
    key, title
    reading
        One or two sentences.
    source
        data: address of the picture; None where it could not be drawn.
    width, height
        In CSS pixels.
    reason
        Why there is no picture.
    """

    key: str
    title: str
    reading: str
    source: str | None
    width: int
    height: int
    reason: str = ""


def draw_figures(fit: MixedFit) -> list[Shown]:
    """Every figure that the fit offers."""
    offered = [kind for kind in FIGURES if hasattr(fit.plot, kind.method)]
    drawn = [(kind, draw(fit, kind)) for first in offered for kind in of_each_group(fit, first)]
    return [picture for kind, picture in drawn if kind.always or picture.source is not None]


def of_each_group(fit: MixedFit, kind: Kind) -> list[Kind]:
    """The caterpillar of every grouping factor; every other figure once."""
    names = [fit.design.factors[i].name for i in by_group(fit).values()]
    if kind.method != "caterpillar" or len(names) == 1:
        return [kind]
    return [
        replace(
            kind,
            key=f"{kind.method}-{i}",
            title=f"{kind.title} of {name}",
            reading=partial(readings.read_caterpillar, group=group),
            options={"group": name},
        )
        for i, (group, name) in enumerate(zip(by_group(fit), names, strict=True), start=1)
    ][:GROUPS]


def draw(fit: Any, kind: Kind) -> Shown:
    """One figure of a fit or a posterior; what cannot be drawn of it says why."""
    key = kind.key or kind.method
    try:
        reading = kind.reading(fit)
        figure = figure_of(getattr(fit.plot, kind.method)(**kind.options))
    except PartialPoolError as error:
        return Shown(key, kind.title, "", None, 0, 0, str(error))
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return Shown(key, kind.title, reading, embedded(figure), width, height)


def figure_of(drawn: Any) -> Any:
    """The Figure, also of Axes or of several."""
    while not hasattr(drawn, "savefig"):
        drawn = drawn.figure if hasattr(drawn, "figure") else next(iter(drawn))
    return drawn


def embedded(figure: Any) -> str:
    """A picture as a data: address. It cannot reach the page, and its ids meet no others there."""
    import matplotlib as mpl

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Names in emoji or scripts that the figures' font lacks: they are in the page's text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # Fixed salt and no date: the same fit gives the same bytes.
        with mpl.rc_context({"svg.hashsalt": "partialpool", "svg.fonttype": "path"}):
            figure.savefig(buffer, format="svg", metadata={"Date": None})
        kind = "svg+xml"
        if buffer.tell() > SVG_LIMIT:
            buffer, kind = io.BytesIO(), "png"
            figure.savefig(buffer, format="png", dpi=RESOLUTION)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
