"""`fit.plot`: the figures of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from partialpool.models.linear_mixed import LinearMixedModel


class Plots:
    """Figures of one fit."""

    def __init__(self, fit: LinearMixedModel) -> None:
        self._fit = fit

    def fits(self, **options: Any) -> Figure:
        """Data and lines by group (see `partialpool.figures.fits.plot_fits`)."""
        from partialpool.figures.fits import plot_fits

        return plot_fits(self._fit, **options)
