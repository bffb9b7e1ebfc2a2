"""Normal quantile plots of the residuals and of each random effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.errors import ArgumentError
from partialpool.figures.labels import coefficient_unit, in_unit
from partialpool.figures.scales import put_scales
from partialpool.figures.style import (
    BLUE,
    SKY,
    Vector,
    check_fit,
    check_name,
    check_page,
    column_index,
    factor_index,
    grid_of,
    ink,
    mark_size,
    new_figure,
    put_heading,
    put_labels,
    put_title,
    spread,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.models.fit import MixedFit

#: Order statistics drawn; the outermost are all among them.
POINTS, OUTERMOST = 1_000, 50


@dataclass(frozen=True, eq=False)
class NormalQuantiles:
    """Order statistics beside the normal's.

    Attributes
    ----------
    theoretical, sample
        Those drawn.
    lower, upper
        Where each lies with probability 95% if the sample is normal.
    centre, scale
        Intercept and slope of the line through the quartiles, as R's ``qqline``.
    total
        Values that there are.
    """

    theoretical: Vector
    sample: Vector
    lower: Vector
    upper: Vector
    centre: float
    scale: float
    total: int


def plot_qq(
    fit: MixedFit,
    *,
    of: str | None = None,
    column: str | None = None,
    ncol: int | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Normal quantile plots with a line through the quartiles and a pointwise 95% band.

    Parameters
    ----------
    of
        "residuals" (scaled), or a grouping factor; default the residuals and every random effect,
        a panel each.
    column
        One random effect of that factor.
    ncol
        Panels beside each other; default by how many there are.
    figsize
        Width and height of the new figure in inches; default by what it holds.
    ax
        Draw there; needs `of`, and `column` where the factor has several random effects.

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure

    Raises
    ------
    ArgumentError
        If there is no such group or random effect.
    """
    page = check_page(ax, figsize, ncol)
    chosen = _samples(fit, of, column)
    if ax is not None:
        if len(chosen) > 1:
            raise ArgumentError("one Axes holds one plot; name it with of= and column=")
        _panel(ax, *chosen[0])
        put_scales([ax])
        return ax
    down, across = grid_of(len(chosen), 3, ncol)
    figure = new_figure(3.5 * across + 0.4, 3.4 * down + 0.4, figsize=page)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for panel, sample in zip(axes, chosen, strict=False):
        _panel(panel, *sample)
    for panel in axes[len(chosen) :]:
        panel.set_visible(False)
    put_scales(axes[: len(chosen)])
    put_heading(figure, f"{fit.formula}; band: pointwise 95%")
    return figure


def _samples(fit: MixedFit, of: str | None, column: str | None) -> list[tuple[Vector, str, str]]:
    """Values, title and label of each panel."""
    from partialpool.design.names import column_names

    out: list[tuple[Vector, str, str]] = []
    check_fit(fit)
    check_name(of, "of")
    if column is not None and (of is None or of == "residuals"):
        raise ArgumentError(f"name the grouping factor that {column!r} is of with of=")
    if of in {None, "residuals"}:
        out.append((fit.residuals("scaled"), "residuals", "scaled residual"))
    if of == "residuals":
        return out
    indices = list(dict.fromkeys(t.index for t in fit.terms))
    for index in indices if of is None else [factor_index(fit, of)]:
        factor = fit.design.factors[index]
        for j, name in enumerate(column_names(factor)):
            if column is None or j == column_index(fit, index, column):
                response = fit.design.formula.response_name
                unit = coefficient_unit(fit.design.source, response, name)
                label = in_unit("random effect", unit)
                out.append((fit.random_effects[index][:, j], f"{name} | {factor.name}", label))
    return out


def _panel(ax: Axes, values: Vector, title: str, label: str) -> None:
    data = normal_quantiles(values)
    ax.fill_between(data.theoretical, data.lower, data.upper, color=SKY, alpha=0.3, lw=0, zorder=1)
    ends: Any = data.theoretical[[0, -1]]
    ax.plot(ends, data.centre + data.scale * ends, color=ink(), lw=1, zorder=2)
    size = mark_size(len(data.sample))
    ax.plot(data.theoretical, data.sample, "o", ms=size, color=BLUE, mec="none", zorder=3)
    put_labels(ax, "normal quantile", label)
    thinned = len(data.sample) < data.total
    said = f"{len(data.sample):,} of {data.total:,} points, all the outermost" if thinned else ""
    put_title(ax, title, said)


def normal_quantiles(values: Vector) -> NormalQuantiles:
    """What a panel draws; positions are R's ``ppoints``."""
    from scipy.stats import beta, norm

    total = len(values)
    ordered = np.sort(values)
    shown = spread(total, POINTS)
    if len(shown) < total:
        outer = np.arange(OUTERMOST)
        # Evenly along the axis too, else the tails between those and the outermost were empty.
        edge = float(norm.ppf(0.5 / total))
        along = np.floor(total * norm.cdf(np.linspace(edge, -edge, 200))).astype(np.intp)
        along = np.clip(along, 0, total - 1)
        shown = np.unique(np.concatenate([outer, shown, along, total - 1 - outer]))
    shift = 3 / 8 if total <= 10 else 1 / 2
    theoretical = norm.ppf((shown + 1 - shift) / (total + 1 - 2 * shift))
    quartiles = np.quantile(ordered, [0.25, 0.75])
    scale = float(np.diff(quartiles)[0] / np.diff(norm.ppf([0.25, 0.75]))[0])
    centre = float(quartiles[0] - scale * norm.ppf(0.25))
    # The i-th of n uniforms is Beta(i, n + 1 - i).
    low, high = (norm.ppf(beta.ppf(p, shown + 1, total - shown)) for p in (0.025, 0.975))
    return NormalQuantiles(
        theoretical=theoretical,
        sample=ordered[shown],
        lower=centre + scale * low,
        upper=centre + scale * high,
        centre=centre,
        scale=scale,
        total=total,
    )
