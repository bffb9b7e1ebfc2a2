"""`fit.plot`: the figures of a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from partialpool.arguments import Pooling, ResidualFigure
from partialpool.figures.caterpillar import plot_caterpillar
from partialpool.figures.cells import plot_cells
from partialpool.figures.documented import documented_by, offered
from partialpool.figures.fits import plot_fits
from partialpool.figures.lines import plot_lines
from partialpool.figures.profile import plot_profile, plot_profile_pairs
from partialpool.figures.qq import plot_qq
from partialpool.figures.random_effects_pairs import plot_random_effects_pairs
from partialpool.figures.residuals import plot_residuals
from partialpool.figures.shrinkage import plot_shrinkage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from partialpool.models.fit import MixedFit


class Plots:
    """Figures of one fit.

    Each takes ``ax=``, a matplotlib Axes to draw on and to return, unless it consists of panels of
    its own (`fits`, `cells`); without it a new Figure is returned.
    """

    def __init__(self, fit: MixedFit) -> None:
        self._fit = fit

    def __repr__(self) -> str:
        return offered(type(self))

    @documented_by(plot_fits)
    def fits(
        self,
        *,
        x: str | None = None,
        group: str | None = None,
        max_groups: int = 30,
        population: bool = True,
        separate: bool = True,
        complete: bool = False,
        models: Mapping[str, MixedFit] | None = None,
        ncol: int | None = None,
        figsize: tuple[float, float] | None = None,
    ) -> Figure:
        """Facets by group with the fitted lines."""
        return plot_fits(
            self._fit,
            x=x,
            group=group,
            max_groups=max_groups,
            population=population,
            separate=separate,
            complete=complete,
            models=models,
            ncol=ncol,
            figsize=figsize,
        )

    @documented_by(plot_lines)
    def lines(
        self,
        *,
        x: str | None = None,
        group: str | None = None,
        pooling: Pooling | Sequence[Pooling] | None = None,
        max_groups: int = 100,
        ncol: int | None = None,
        figsize: tuple[float, float] | None = None,
        ax: Axes | None = None,
    ) -> Figure | Axes:
        """The lines of all groups together."""
        return plot_lines(
            self._fit,
            x=x,
            group=group,
            pooling=pooling,
            max_groups=max_groups,
            ncol=ncol,
            figsize=figsize,
            ax=ax,
        )

    @documented_by(plot_cells)
    def cells(
        self,
        *,
        x: str | None = None,
        by: str | None = None,
        group: str | None = None,
        max_points: int = 400,
        ncol: int | None = None,
        figsize: tuple[float, float] | None = None,
    ) -> Figure:
        """Observed beside predicted values in a design of factors."""
        return plot_cells(
            self._fit, x=x, by=by, group=group, max_points=max_points, ncol=ncol, figsize=figsize
        )

    @documented_by(plot_shrinkage)
    def shrinkage(
        self,
        *,
        group: str | None = None,
        columns: Sequence[str] | None = None,
        max_groups: int = 400,
        figsize: tuple[float, float] | None = None,
        ax: Axes | None = None,
    ) -> Figure | Axes:
        """Arrows from no pooling to partial pooling."""
        return plot_shrinkage(
            self._fit, group=group, columns=columns, max_groups=max_groups, figsize=figsize, ax=ax
        )

    @documented_by(plot_caterpillar)
    def caterpillar(
        self,
        *,
        group: str | None = None,
        column: str | None = None,
        level: float = 0.95,
        max_levels: int = 400,
        ncol: int | None = None,
        figsize: tuple[float, float] | None = None,
        ax: Axes | None = None,
    ) -> Figure | Axes:
        """Conditional modes with intervals from their conditional standard deviations."""
        return plot_caterpillar(
            self._fit,
            group=group,
            column=column,
            level=level,
            max_levels=max_levels,
            ncol=ncol,
            figsize=figsize,
            ax=ax,
        )

    @documented_by(plot_random_effects_pairs)
    def random_effects_pairs(
        self,
        *,
        group: str | None = None,
        columns: Sequence[str] | None = None,
        figsize: tuple[float, float] | None = None,
        ax: Axes | None = None,
    ) -> Figure | Axes:
        """Conditional modes in pairs, with ellipses of the fitted covariance."""
        return plot_random_effects_pairs(
            self._fit, group=group, columns=columns, figsize=figsize, ax=ax
        )

    @documented_by(plot_residuals)
    def residuals(
        self,
        *,
        kind: ResidualFigure | None = None,
        group: str | None = None,
        max_groups: int = 400,
        ncol: int | None = None,
        figsize: tuple[float, float] | None = None,
        ax: Axes | None = None,
    ) -> Figure | Axes:
        """Residuals against fitted values, scale-location, and residuals by group."""
        return plot_residuals(
            self._fit,
            kind=kind,
            group=group,
            max_groups=max_groups,
            ncol=ncol,
            figsize=figsize,
            ax=ax,
        )

    @documented_by(plot_qq)
    def qq(
        self,
        *,
        of: str | None = None,
        column: str | None = None,
        ncol: int | None = None,
        figsize: tuple[float, float] | None = None,
        ax: Axes | None = None,
    ) -> Figure | Axes:
        """Normal quantile plots with a line through the quartiles and a pointwise 95% band."""
        return plot_qq(self._fit, of=of, column=column, ncol=ncol, figsize=figsize, ax=ax)

    @documented_by(plot_profile)
    def profile(
        self,
        *,
        parm: str | int | Sequence[str | int] | None = None,
        ncol: int | None = None,
        figsize: tuple[float, float] | None = None,
        ax: Axes | None = None,
    ) -> Figure | Axes:
        """Profile ζ of each parameter: a straight line where the estimate is normal."""
        return plot_profile(self._fit, parm=parm, ncol=ncol, figsize=figsize, ax=ax)

    @documented_by(plot_profile_pairs)
    def profile_pairs(
        self,
        *,
        parm: str | int | Sequence[str | int] | None = None,
        figsize: tuple[float, float] | None = None,
        ax: Axes | None = None,
    ) -> Figure | Axes:
        """Contours of the profiled likelihood of each pair of parameters."""
        return plot_profile_pairs(self._fit, parm=parm, figsize=figsize, ax=ax)
