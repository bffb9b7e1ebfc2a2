"""What tests of linear functions of the fixed effects need of a model, by method of df."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import DDF, Ddf, check_choice
from partialpool.errors import ArgumentError, DataError
from partialpool.models.fit import Fit, MixedFit

if TYPE_CHECKING:
    from partialpool.design import Design

Vector = NDArray[np.float64]
#: A linear function is estimable if its part in the null space of X is below this, relatively.
ESTIMABLE_TOLERANCE = 1e-6
#: Singular values of X (unit columns) below this, relatively, span its null space.
RANK_TOLERANCE = 1e-7


@dataclass(frozen=True, eq=False)
class FixedPart:
    """Estimates of the fixed effects with their covariance and degrees of freedom.

    Attributes
    ----------
    design
    kept
        Places of the p columns that were estimated, among the P of the fixed part.
    beta
        (p,)
    vcov
        (p, p)
    df
        Degrees of freedom of a contrast l, (p,); infinite for the normal approximation.
    method
        "satterthwaite", "kenward-roger", "asymptotic" or, of least squares, "residual".
    null
        Orthonormal basis of the null space of X, (P, d); None if X has full rank.
    scale
        Norms of X's columns, to which `null` refers, (P,).
    undetermined
        Which of k contrasts, (k, p), hang on variances that the data do not determine.
    """

    design: Design
    kept: tuple[int, ...]
    beta: Vector
    vcov: Vector
    df: Callable[[Vector], float]
    method: str
    null: Vector | None
    scale: Vector | None
    undetermined: Callable[[Vector], NDArray[np.bool_]] | None = None

    def hidden(self, contrasts: Vector) -> NDArray[np.bool_]:
        """Which of k contrasts, (k, p), have no standard error and no test."""
        if self.undetermined is None:
            return np.zeros(len(contrasts), dtype=bool)
        return self.undetermined(contrasts)

    def estimable(self, rows: Vector) -> NDArray[np.bool_]:
        """Whether each row of (m, P), a linear function of all columns, can be estimated."""
        known: NDArray[np.bool_] = np.all(np.isfinite(rows), axis=1)
        if self.null is None or self.scale is None:
            return known
        scaled = np.nan_to_num(rows) / self.scale
        outside = np.linalg.norm(scaled @ self.null, axis=1)
        return known & (outside <= ESTIMABLE_TOLERANCE * np.linalg.norm(scaled, axis=1))


def fixed_part(model: Any, ddf: Ddf = "satterthwaite") -> FixedPart:
    """Read a fit of `lmer` or `lm`.

    Raises
    ------
    ArgumentError
        For anything else, or a method of df that is not offered.
    """
    ddf = check_choice(ddf, "ddf", DDF)
    if not isinstance(model, Fit):
        raise ArgumentError(f"a fit of pp.lmer or pp.lm is needed here, not {type(model).__name__}")
    if not isinstance(model, MixedFit):
        residual = float("inf") if ddf == "asymptotic" else float(model.nobs - len(model.beta))
        null, scale = _null_space(model.design, model.kept)
        return FixedPart(
            design=model.design,
            kept=model.kept,
            beta=model.beta,
            vcov=model.vcov.to_numpy(),
            df=partial(_always, residual),
            method="asymptotic" if ddf == "asymptotic" else "residual",
            null=null,
            scale=scale,
        )
    vcov, df = covariance_and_df(model, ddf)
    kept = model.kept
    null, scale = _null_space(model.design, kept)
    return FixedPart(model.design, kept, model.beta, vcov, df, ddf, null, scale, model.undetermined)


def part_with_fixed_effects(model: Any, ddf: Ddf, what: str) -> FixedPart:
    """The fixed part, refused in one line where it is empty, as that of ``y ~ 0 + (1 | g)``."""
    part = fixed_part(model, ddf)
    if not len(part.beta):
        raise ArgumentError(
            f"`{part.design.formula.text}` has no fixed effects, so there are no {what}"
        )
    return part


def covariance_and_df(fit: MixedFit, ddf: Ddf) -> tuple[Vector, Callable[[Vector], float]]:
    """Covariance of the fixed effects, (p, p), and the df of a contrast by one of the methods."""
    if ddf == "satterthwaite":
        return fit.covariance, fit.satterthwaite.df
    if ddf == "asymptotic":
        return fit.covariance, partial(_infinite, fit)
    return kenward_roger_covariance(fit)


# Functions with a name, as a pickle knows no others.


def _always(df: float, _: Vector) -> float:
    return df


def _infinite(fit: MixedFit, contrast: Vector) -> float:
    return float("nan" if fit.undetermined(contrast)[0] else "inf")


def kenward_roger_covariance(
    fit: MixedFit,
) -> tuple[Vector, Callable[[Vector], float]]:
    """The one place where Kenward-Roger's adjusted covariance and df come in."""
    method = fit.kenward_roger
    return method.adjusted, method.df


def _null_space(design: Design, kept: tuple[int, ...]) -> tuple[Vector | None, Vector | None]:
    """Basis of the null space of X with unit columns, and the columns' norms."""
    size = len(design.fixed.names)
    if len(kept) == size:
        return None, None
    if design.y is None:
        raise DataError(
            "the model has aliased columns and its rows are not at hand; load it with them:"
            " pp.load(path, data=...)"
        )
    n, chunk = design.n, 65_536
    r = np.zeros((0, size))
    for start in range(0, n, chunk):
        rows = slice(start, min(n, start + chunk))
        height = rows.stop - rows.start
        part = np.empty((height, size))
        for j, column in enumerate(design.x):
            part[:, j] = column[rows] if isinstance(column, np.ndarray) else column
        r = np.linalg.qr(np.vstack([r, part]), mode="r")
    scale = np.linalg.norm(r, axis=0)
    scale[scale == 0] = 1.0
    _, values, vt = np.linalg.svd(r / scale)
    values = np.concatenate([values, np.zeros(size - len(values))])
    return np.ascontiguousarray(vt[values <= RANK_TOLERANCE * values[0]].T), scale
