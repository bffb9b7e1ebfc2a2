"""What deleting rows does to the fixed effects: leverage, Cook's distance, DFBETAs.

With V and the variance parameters fixed, deletion of the rows I is exact in closed form: with
P = V⁻¹ - V⁻¹XΦXᵀV⁻¹ and Φ = (XᵀV⁻¹X)⁻¹, one row i changes β by -ΦXᵀV⁻¹eᵢ (Py)ᵢ / Pᵢᵢ; where V is
block-diagonal over the groups, deleting group g changes it by -(Φ⁻¹ - G)⁻¹ X_gᵀV_g⁻¹(y - Xβ)_g
with G = X_gᵀV_g⁻¹X_g. Else, and for refits, the deleted rows are taken away from the
cross-products (theory.md §1); no model is built from rows again.

Sources: Christensen, Pearson & Johnson (1992), Technometrics 34(1); Demidenko & Stukel (2005),
Statistics in Medicine 24(6); lme4's ``influence``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.arguments import check_flag
from partialpool.design import Frame
from partialpool.design.columns import ROWS_AT_ONCE, row_slices, rows_of
from partialpool.design.design import group_labels
from partialpool.design.frame import to_native
from partialpool.errors import ArgumentError, PartialPoolError
from partialpool.inference.fixed.wald import scaled_covariance, units_of
from partialpool.progress.bar import in_slices

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

Vector = NDArray[np.float64]
Codes = NDArray[np.uint32] | NDArray[np.int64]

#: Relative size of eigenvalues below which what is left cannot determine the fixed effects.
RANK_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Influence:
    """Deletion diagnostics, one row for each observation or group.

    Attributes
    ----------
    by
        "observation", or the group's name.
    labels
        Row numbers of the data, from 0, or levels; m of them.
    names
        The p fixed effects.
    refitted
        Whether the variance parameters were estimated anew after each deletion.
    leverage
        Sum of the leverages of the rows deleted, (m,).
    dfbeta
        Fixed effects after deletion less those of all rows, (m, p).
    std_error
        Standard errors of the fixed effects after deletion, (m, p).
    cooks_distance
        dfbetaᵀ Cov(β)⁻¹ dfbeta / p, (m,). (lme4's, of refits, is this times (m - p)/m.)
    sigma
        Residual standard deviation after deletion, (m,).
    theta
        Relative covariance parameters after deletion, (m, number of θ).
    theta_names
    failed
        By label, why there is no estimate without it; its numbers are NaN.
    """

    by: str
    labels: Sequence[Any]
    names: tuple[str, ...]
    refitted: bool
    leverage: Vector
    dfbeta: Vector
    std_error: Vector
    cooks_distance: Vector
    sigma: Vector
    theta: Vector
    theta_names: tuple[str, ...]
    failed: Mapping[Any, str]
    kind: Any

    @property
    def dfbetas(self) -> Vector:
        """DFBETA over the standard errors after deletion, (m, p)."""
        return self.dfbeta / self.std_error

    def to_frame(self) -> Any:
        """Label, ``leverage, cooks_distance``, of a refit ``sigma``, then ``dfbetas_<term>``."""
        label = self.by if self.by != "observation" else "row"
        columns: dict[str, Any] = {
            "leverage": self.leverage,
            "cooks_distance": self.cooks_distance,
        }
        if self.refitted:
            columns["sigma"] = self.sigma
        columns |= {f"dfbetas_{n}": self.dfbetas[:, j] for j, n in enumerate(self.names)}
        while label in columns:
            label = f".{label}"
        return to_native({label: list(self.labels), **columns}, self.kind)

    def __str__(self) -> str:
        from partialpool.inference.influence_text import influence_text

        return influence_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from partialpool.inference.influence_text import influence_html

        return influence_html(self)


def influence(fit: MixedFit, by: str, refit: bool) -> Influence:
    """See `LinearMixedModel.influence`."""
    refit = check_flag(refit, "refit")
    design = fit.design.with_rows()
    labels, codes = deletions(fit, by)
    size, p = len(labels), len(fit.beta)
    leverage = fit.hatvalues
    if codes is not None:
        leverage = _totals(codes, leverage, size)
    if refit:
        found = _by_downdating(fit, codes, size, refit=True)
    elif codes is None:
        found = _one_row_each(fit, leverage)
    elif _blocks_of(fit, codes):
        found = _one_block_each(fit, codes, size)
    else:
        found = _by_downdating(fit, codes, size, refit=False)
    units = units_of(fit)
    precision = np.linalg.inv(scaled_covariance(fit, units)) if p else np.zeros((0, 0))
    # Without fixed effects there is nothing that a deletion could move.
    cook = np.zeros(size) if p else np.full(size, np.nan)
    for rows in row_slices(size):
        moved = np.ldexp(found.dfbeta[rows], -units.exponents)
        for a, b in np.ndindex(p, p):
            cook[rows] += precision[a, b] / p * moved[:, a] * moved[:, b]
    return Influence(
        by=by,
        labels=labels,
        names=fit.parameters.coefficients,
        refitted=refit,
        leverage=leverage,
        dfbeta=found.dfbeta,
        std_error=found.std_error,
        cooks_distance=cook,
        sigma=found.sigma,
        theta=found.theta,
        theta_names=tuple(fit.theta.index),
        failed={labels[i]: why for i, why in found.failed.items()},
        kind=design.kind,
    )


@dataclass(frozen=True, eq=False)
class _Deletions:
    dfbeta: Vector
    std_error: Vector
    sigma: Vector
    theta: Vector
    failed: dict[int, str]


def deletions(fit: MixedFit, by: str) -> tuple[Sequence[Any], Codes | None]:
    """Labels of what is deleted, and the code of each row; None for single rows."""
    design = fit.design.with_rows()
    if not isinstance(by, str):
        raise ArgumentError(f"by must be 'observation' or the name of a group, not {by!r}")
    if by == "observation":
        return range(design.n) if design.rows is None else design.rows.tolist(), None
    for factor in design.factors:
        if factor.name == by and factor.codes is not None:
            return factor.levels, factor.codes
    known = ", ".join(repr(f.name) for f in design.factors)
    if design.source is None:
        raise ArgumentError(f"by={by!r} is no grouping factor of the model; it has {known}")
    frame = Frame(design.source)
    if by not in frame:
        raise ArgumentError(
            f"by={by!r} is neither 'observation' nor a column of the data; the model's groups are"
            f" {known}"
        )
    coded = group_labels(frame, (by,), design.rows)
    if (coded.codes < 0).any():
        raise ArgumentError(f"by={by!r} has missing values in the rows used")
    if len(coded.levels) < 2:
        raise ArgumentError(f"by={by!r} has one level; without it there are no rows")
    return coded.levels, coded.codes


def _blocks_of(fit: MixedFit, codes: Codes) -> bool:
    """Whether rows of different groups are independent: each random level lies in one group."""
    for factor in fit.design.factors:
        assert factor.codes is not None  # asked of fits that have their rows
        first = np.zeros(len(factor.levels), dtype=codes.dtype)
        first[factor.codes] = codes
        for rows in row_slices(len(codes)):
            if not np.array_equal(first[factor.codes[rows]], codes[rows]):
                return False
    return True


def weighted_columns(fit: MixedFit) -> Iterator[tuple[slice, Vector, Vector]]:
    """X and σ²V⁻¹X by slices of rows, (rows, p) each."""
    design = fit.design.with_rows()
    p = len(fit.beta)
    smoothed = _core.smoothed_columns(fit.optimum)
    for rows in row_slices(fit.nobs):
        x = np.empty((rows.stop - rows.start, p))
        for j, i in enumerate(fit.kept):
            x[:, j] = rows_of(design.x[i], rows)
        out = x.copy()
        for factor, flat in zip(design.factors, smoothed, strict=True):
            assert factor.codes is not None  # asked of fits that have their rows
            smooth = flat.reshape(len(factor.levels), len(factor.columns), p)
            own = smooth[factor.codes[rows]]
            for a, z in enumerate(factor.columns):
                out -= np.reshape(rows_of(z, rows), (-1, 1)) * own[:, a]
        if design.weights is not None:
            out *= design.weights[rows, None]
        yield rows, x, out


def _one_row_each(fit: MixedFit, hat: Vector) -> _Deletions:
    """Pᵢᵢ = wᵢ(1 - hᵢ)/σ² and (Py)ᵢ = wᵢeᵢ/σ², with e the conditional residuals."""
    design = fit.design.with_rows()
    n, p = fit.nobs, len(fit.beta)
    phi = fit.unscaled_covariance
    dfbeta, std_error, residual = np.empty((n, p)), np.empty((n, p)), fit.residuals()
    for rows, _, wx in weighted_columns(fit):
        step = wx @ phi
        left = 1 - hat[rows]
        weights = 1.0 if design.weights is None else design.weights[rows]
        with np.errstate(divide="ignore", invalid="ignore"):
            dfbeta[rows] = -step * (residual[rows] / left)[:, None]
            variance = np.diag(phi) + step**2 / (weights * left)[:, None]
            std_error[rows] = fit.sigma * np.sqrt(variance)
    alone = np.flatnonzero(1 - hat <= RANK_TOLERANCE)
    dfbeta[alone], std_error[alone] = np.nan, np.nan
    failed = {int(i): "the row alone determines a fixed effect" for i in alone}
    return _fixed_variance(fit, dfbeta, std_error, failed)


def _totals(codes: Codes, values: Vector, size: int) -> Vector:
    """Sums of the values of each group's rows, (size,)."""
    out = np.zeros(size)
    for rows in row_slices(len(codes), max(ROWS_AT_ONCE, size)):
        out += np.bincount(codes[rows], weights=values[rows], minlength=size)
    return out


def _one_block_each(fit: MixedFit, codes: Codes, size: int) -> _Deletions:
    p = len(fit.beta)
    marginal = fit.linear_predictor(random="none")
    design = fit.design.with_rows()
    if design.offset is not None:
        marginal -= design.offset
    residual = np.subtract(design.response, marginal, out=marginal)
    gram, score = np.zeros((size, p, p)), np.zeros((size, p))
    for rows, x, wx in weighted_columns(fit):
        own, inverse = np.unique(codes[rows], return_inverse=True)
        for a in range(p):
            score[own, a] += np.bincount(inverse, weights=wx[:, a] * residual[rows])
            for b in range(p):
                gram[own, a, b] += np.bincount(inverse, weights=wx[:, a] * x[:, b])
    precision = np.linalg.inv(fit.unscaled_covariance)
    scale = np.sqrt(np.diag(precision))
    product = np.outer(scale, scale)
    dfbeta, std_error = np.full((size, p), np.nan), np.full((size, p), np.nan)
    values, vectors = np.linalg.eigh((precision - (gram + gram.swapaxes(1, 2)) / 2) / product)
    good = values[:, 0] > RANK_TOLERANCE if p else np.ones(size, dtype=bool)
    inverses = (vectors[good] / values[good][:, None, :]) @ vectors[good].swapaxes(1, 2) / product
    dfbeta[good] = -(inverses @ score[good][:, :, None])[:, :, 0]
    std_error[good] = fit.sigma * np.sqrt(np.diagonal(inverses, axis1=1, axis2=2))
    why = "the other rows do not determine the fixed effects"
    failed = {int(g): why for g in np.flatnonzero(~good)}
    return _fixed_variance(fit, dfbeta, std_error, failed)


def _fixed_variance(
    fit: MixedFit, dfbeta: Vector, std_error: Vector, failed: dict[int, str]
) -> _Deletions:
    # One value seen by all rows, not a million copies of it.
    size, theta = len(dfbeta), fit.theta.to_numpy()
    sigma = np.broadcast_to(np.float64(fit.sigma), (size,))
    return _Deletions(dfbeta, std_error, sigma, np.broadcast_to(theta, (size, len(theta))), failed)


def _by_downdating(fit: MixedFit, codes: Codes | None, size: int, *, refit: bool) -> _Deletions:
    """Cross-products less each group's rows, evaluated or optimised from the full fit's θ."""
    from partialpool.models.linear_mixed import LinearMixedModel

    design = fit.design.with_rows()
    y = design.response
    p, m = len(fit.beta), len(fit.theta)
    factors: list[Any] = [(f.codes, len(f.levels), f.columns, f.blocks) for f in design.factors]
    order = np.arange(size) if codes is None else np.argsort(codes, kind="stable")
    ends = np.arange(1, size) if codes is None else np.cumsum(np.bincount(codes, minlength=size))
    out = _Deletions(
        np.full((size, p), np.nan),
        np.full((size, p), np.nan),
        np.full(size, np.nan),
        np.full((size, m), np.nan),
        {},
    )
    start = fit.optimum.lambdas
    parts = np.split(order.astype(np.int64), ends)[:size]

    def delete(i: int) -> None:
        try:
            products = _core.delete_rows(
                fit.products, y, design.x, factors, design.weights, parts[i]
            )
            native = (
                products.fit(fit.reml, start)
                if refit
                else _core.Fit.restore(
                    products, fit.reml, start, (0.0, 0.0, 0.0, 0), fit.optimum.hessian
                )
            )
        except (_core.CoreError, PartialPoolError) as error:
            out.failed[i] = f"the other rows do not determine the model ({error})"
            return
        part = LinearMixedModel(design, products, native, reml=fit.reml)
        sigma = native.sigma if refit else fit.sigma
        unscaled = native.unscaled_covariance.reshape(p, p)
        out.dfbeta[i] = native.beta - fit.beta
        out.std_error[i] = sigma * np.sqrt(np.diag(unscaled))
        out.sigma[i] = sigma
        out.theta[i] = part.theta.to_numpy()

    made: list[int] = []

    def work(first: int, count: int) -> None:
        for i in range(first, first + count):
            delete(i)
            made.append(i)

    done = in_slices(size, work, "Influence", lambda: len(made))
    out.failed.update(dict.fromkeys(range(done, size), "interrupted before its turn"))
    return out
