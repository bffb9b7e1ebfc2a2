"""`fit.plot`: the figures of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.models.linear_mixed import LinearMixedModel

    Drawn = Figure | Axes


class Plots:
    """Figures of one fit.

    Each takes ``ax=``, a matplotlib Axes to draw on and to return, unless it consists of panels of
    its own (`fits`, `cells`); without it a new Figure is returned.
    """

    def __init__(self, fit: LinearMixedModel) -> None:
        self._fit = fit

    def fits(self, **options: Any) -> Figure:
        """Data and lines by group (see `partialpool.figures.fits.plot_fits`)."""
        from partialpool.figures.fits import plot_fits

        return plot_fits(self._fit, **options)

    def lines(self, **options: Any) -> Drawn:
        """All groups' lines together (see `partialpool.figures.lines.plot_lines`)."""
        from partialpool.figures.lines import plot_lines

        return plot_lines(self._fit, **options)

    def cells(self, **options: Any) -> Figure:
        """Observed and predicted by factors (see `partialpool.figures.cells.plot_cells`)."""
        from partialpool.figures.cells import plot_cells

        return plot_cells(self._fit, **options)

    def shrinkage(self, **options: Any) -> Drawn:
        """From no to partial pooling (see `partialpool.figures.shrinkage.plot_shrinkage`)."""
        from partialpool.figures.shrinkage import plot_shrinkage

        return plot_shrinkage(self._fit, **options)

    def caterpillar(self, **options: Any) -> Drawn:
        """Random effects, intervals (see `partialpool.figures.caterpillar.plot_caterpillar`)."""
        from partialpool.figures.caterpillar import plot_caterpillar

        return plot_caterpillar(self._fit, **options)

    def random_effects_pairs(self, **options: Any) -> Drawn:
        """Random effects in pairs (`partialpool.figures.random_effects_pairs`)."""
        from partialpool.figures.random_effects_pairs import plot_random_effects_pairs

        return plot_random_effects_pairs(self._fit, **options)

    def residuals(self, **options: Any) -> Drawn:
        """Residuals three ways (see `partialpool.figures.residuals.plot_residuals`)."""
        from partialpool.figures.residuals import plot_residuals

        return plot_residuals(self._fit, **options)

    def qq(self, **options: Any) -> Drawn:
        """Normal quantile plots (see `partialpool.figures.qq.plot_qq`)."""
        from partialpool.figures.qq import plot_qq

        return plot_qq(self._fit, **options)

    def profile(self, **options: Any) -> Drawn:
        """Profile ζ (see `partialpool.figures.profile.plot_profile`)."""
        from partialpool.figures.profile import plot_profile

        return plot_profile(self._fit, **options)

    def profile_pairs(self, **options: Any) -> Drawn:
        """Profile contours (see `partialpool.figures.profile.plot_profile_pairs`)."""
        from partialpool.figures.profile import plot_profile_pairs

        return plot_profile_pairs(self._fit, **options)
