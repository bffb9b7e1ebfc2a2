"""Whether the model makes data like those observed: densities of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from partialpool.arguments import check_count, check_seed
from partialpool.bayes.likelihood import observed
from partialpool.bayes.prediction import own_rows, spread_draws
from partialpool.bayes.streams import Stream, stream
from partialpool.figures.labels import with_unit
from partialpool.figures.posterior.panels import density, kind_of, reach
from partialpool.figures.scales import put_scales
from partialpool.figures.style import (
    BLUE,
    Vector,
    check_page,
    ink,
    new_figure,
    put_labels,
    put_legend,
    put_title,
    spread,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.bayes.posterior import Posterior


def plot_predictive(
    post: Posterior,
    *,
    draws: int = 50,
    max_rows: int = 20_000,
    seed: int | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Density of the observed response, and of the response replicated from draws of the model.

    Parameters
    ----------
    draws
        Replicates, each of one draw, evenly spread over the chains.
    max_rows
        Where there are more rows, this many, evenly spread, are used; the title says so.
    seed
        Seed of the residuals; None: the sampler's.
    figsize
        Width and height of the new figure in inches; default by what it holds.
    ax
        Draw there.

    Returns
    -------
    `ax` if it was given, else a new matplotlib Figure. Of a posterior with ``prior_only=True`` the
    figure shows prior predictive draws.
    """
    page = check_page(ax, figsize)
    y, replicates = replicated(post, draws, max_rows, seed)
    n = post.fit.nobs
    owner = None
    if ax is None:
        owner = new_figure(5.6, 3.6, figsize=page)
        ax = owner.subplots()
    low, high = reach(replicates.ravel())
    room = 0.15 * float(np.ptp(y))
    ends = min(low, float(y.min()) - room), max(high, float(y.max()) + room)
    thin = []
    for values in replicates:
        inside = values[(values > ends[0]) & (values < ends[1])]
        if len(inside) > 1:
            thin = ax.plot(*density(inside, ends), color=BLUE, lw=0.6, alpha=0.35, zorder=2)
    thick = ax.plot(*density(y, ends), color=ink(), lw=1.8, zorder=3)
    ax.set_xlim(*ends)
    ax.set_ylim(bottom=0)
    design = post.fit.design
    put_labels(ax, with_unit(design.source, design.formula.response_name), "density")
    ax.set_yticks([])
    put_scales([ax])
    some = f"{len(y):,} of {n:,} rows" if len(y) < n else ""
    put_title(ax, f"observed response and {len(replicates)} {kind_of(post)} predictive draws", some)
    handles = [*thick, *thin]
    put_legend(ax, handles, ["observed", "replicated"])
    return ax if owner is None else owner


def replicated(
    post: Posterior, draws: int, max_rows: int, seed: int | None
) -> tuple[Vector, Vector]:
    """Observed response of some rows, (m,), and as many replicates of it, (draws, m)."""
    chosen = spread_draws(post, check_count(draws, "draws"))
    n, most = post.fit.nobs, check_count(max_rows, "max_rows")
    rows = None if n <= most else spread(n, most)
    blocks = own_rows(post, "all", chosen, rows)
    means = np.empty((len(chosen), blocks.n))
    for at, block in blocks.means(post):
        means[:, at] = block
    scale = post.draws("sigma").ravel()[chosen][:, None]
    weights = post.fit.design.weights
    if weights is not None:
        scale = scale / np.sqrt(weights if rows is None else weights[rows])
    own = post.settings.seed if seed is None else check_seed(seed)
    rng = stream(own, Stream.REPLICATES)
    y = observed(post)
    means += scale * rng.standard_normal(means.shape)
    return (y if rows is None else y[rows]), means
