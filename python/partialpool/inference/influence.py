"""What deleting rows does to the fixed effects: leverage, Cook's distance, DFBETAs.

With V and the variance parameters fixed, deletion of the rows I is exact in closed form: with
P = V⁻¹ - V⁻¹XΦXᵀV⁻¹ and Φ = (XᵀV⁻¹X)⁻¹, one row i changes β by -ΦXᵀV⁻¹eᵢ (Py)ᵢ / Pᵢᵢ; where V is
block-diagonal over the groups, deleting group g changes it by -(Φ⁻¹ - G)⁻¹ X_gᵀV_g⁻¹(y - Xβ)_g
with G = X_gᵀV_g⁻¹X_g. Else, and for refits, the deleted rows are taken away from the
cross-products (NUMERICS §1); no model is built from rows again.

Sources: Christensen, Pearson & Johnson (1992), Technometrics 34(1); Demidenko & Stukel (2005),
Statistics in Medicine 24(6); lme4's ``influence``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool import _core
from partialpool.design import Frame
from partialpool.design.design import group_labels
from partialpool.design.frame import to_native
from partialpool.errors import ArgumentError, PartialPoolError

if TYPE_CHECKING:
    from partialpool.models.linear_mixed import LinearMixedModel

Vector = NDArray[np.float64]

#: Relative size of eigenvalues below which what is left cannot determine the fixed effects.
RANK_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Influence:
    """Deletion diagnostics, a row for each observation or group.

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
        dfbetaᵀ Cov(β)⁻¹ dfbeta / p, (m,).
    sigma
        Residual standard deviation after deletion, (m,).
    theta
        Relative covariance parameters after deletion, (m, number of θ).
    theta_names
    failed
        By label, why there is no estimate without it; its numbers are NaN.
    """

    by: str
    labels: tuple[Any, ...]
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
            label: list(self.labels),
            "leverage": self.leverage,
            "cooks_distance": self.cooks_distance,
        }
        if self.refitted:
            columns["sigma"] = self.sigma
        columns |= {f"dfbetas_{n}": self.dfbetas[:, j] for j, n in enumerate(self.names)}
        return to_native(columns, self.kind)

    def __str__(self) -> str:
        from partialpool.tables.influence_text import influence_text

        return influence_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from partialpool.tables.influence_text import influence_html

        return influence_html(self)


def influence(fit: LinearMixedModel, by: str, refit: bool) -> Influence:
    """See `LinearMixedModel.influence`."""
    if not isinstance(refit, bool):
        raise ArgumentError(f"refit must be True or False, not {refit!r}")
    design = fit._rows()
    labels, codes = deletions(fit, by)
    size, p = len(labels), len(fit.beta)
    hat = fit.hatvalues
    leverage = hat
    if codes is not None:
        leverage = np.bincount(codes, weights=hat, minlength=size).astype(np.float64)
    failed: dict[Any, str] = {}
    sigma = np.full(size, fit.sigma)
    theta = np.tile(fit.theta.to_numpy(), (size, 1))
    if refit:
        found = _by_downdating(fit, codes, size, refit=True)
    elif codes is None:
        found = _one_row_each(fit, hat)
    elif _blocks_of(fit, codes):
        found = _one_block_each(fit, codes, size)
    else:
        found = _by_downdating(fit, codes, size, refit=False)
    if refit:
        sigma, theta = found.sigma, found.theta
    for i, why in found.failed.items():
        failed[labels[i]] = why
    precision = np.linalg.inv(fit.covariance) if p else np.zeros((0, 0))
    cook = np.einsum("ij,jk,ik->i", found.dfbeta, precision, found.dfbeta) / max(p, 1)
    return Influence(
        by=by,
        labels=labels,
        names=fit.fixed_names,
        refitted=refit,
        leverage=leverage,
        dfbeta=found.dfbeta,
        std_error=found.std_error,
        cooks_distance=cook,
        sigma=sigma,
        theta=theta,
        theta_names=tuple(fit.theta.index),
        failed=failed,
        kind=design.kind,
    )


@dataclass(frozen=True, eq=False)
class _Deletions:
    dfbeta: Vector
    std_error: Vector
    sigma: Vector
    theta: Vector
    failed: dict[int, str]


def deletions(fit: LinearMixedModel, by: str) -> tuple[tuple[Any, ...], NDArray[np.intp] | None]:
    """Labels of what is deleted, and the code of each row; None for single rows."""
    design = fit._rows()
    if not isinstance(by, str):
        raise ArgumentError(f"by must be 'observation' or the name of a group, not {by!r}")
    if by == "observation":
        rows = range(design.n) if design.rows is None else design.rows.tolist()
        return tuple(rows), None
    for factor in design.factors:
        if factor.name == by and factor.codes is not None:
            return factor.levels, factor.codes.astype(np.intp)
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
    return coded.levels, coded.codes.astype(np.intp)


def _blocks_of(fit: LinearMixedModel, codes: NDArray[np.intp]) -> bool:
    """Whether rows of different groups are independent: each random level lies in one group."""
    for factor in fit.design.factors:
        assert factor.codes is not None  # asked of fits that have their rows
        own = factor.codes.astype(np.intp)
        first = np.zeros(len(factor.levels), dtype=np.intp)
        first[own] = codes
        if not np.array_equal(first[own], codes):
            return False
    return True


def weighted_columns(fit: LinearMixedModel) -> tuple[Vector, Vector]:
    """X, (n, p), and σ²V⁻¹X, (n, p)."""
    design = fit._rows()
    n, p = fit.nobs, len(fit.beta)
    x = np.empty((n, p))
    for j, i in enumerate(fit._products.kept):
        x[:, j] = design.x[i]
    out = x.copy()
    for factor, flat in zip(design.factors, _core.smoothed_columns(fit._native), strict=True):
        assert factor.codes is not None  # asked of fits that have their rows
        k = len(factor.columns)
        smooth = flat.reshape(len(factor.levels), k, p)
        for a, z in enumerate(factor.columns):
            column = np.asarray(z, dtype=np.float64).reshape(-1, 1)
            out -= column * smooth[factor.codes, a]
    if design.weights is not None:
        out *= design.weights[:, None]
    return x, out


def _one_row_each(fit: LinearMixedModel, hat: Vector) -> _Deletions:
    """Pᵢᵢ = wᵢ(1 - hᵢ)/σ² and (Py)ᵢ = wᵢeᵢ/σ², with e the conditional residuals."""
    design = fit._rows()
    weights = np.ones(fit.nobs) if design.weights is None else design.weights
    _, wx = weighted_columns(fit)
    phi = fit.covariance / fit.sigma**2
    step = wx @ phi
    with np.errstate(divide="ignore", invalid="ignore"):
        alone = 1 - hat <= RANK_TOLERANCE
        dfbeta = -step * (fit.residuals() / (1 - hat))[:, None]
        variance = np.diag(phi) + step**2 / (weights * (1 - hat))[:, None]
    dfbeta[alone], variance[alone] = np.nan, np.nan
    failed = {int(i): "the row alone determines a fixed effect" for i in np.flatnonzero(alone)}
    return _fixed_variance(fit, dfbeta, fit.sigma * np.sqrt(variance), failed)


def _one_block_each(fit: LinearMixedModel, codes: NDArray[np.intp], size: int) -> _Deletions:
    design = fit._rows()
    p = len(fit.beta)
    x, wx = weighted_columns(fit)
    assert design.y is not None  # asked of fits that have their rows
    offset = 0.0 if design.offset is None else design.offset
    residual = (design.y + offset) - fit.predict(random="none")

    def total(values: Vector) -> Vector:
        return np.bincount(codes, weights=values, minlength=size).astype(np.float64)

    gram = np.empty((size, p, p))
    for a in range(p):
        for b in range(a + 1):
            gram[:, a, b] = gram[:, b, a] = total(wx[:, a] * x[:, b])
    score = np.column_stack([total(wx[:, a] * residual) for a in range(p)]).reshape(size, p)
    precision = np.linalg.inv(fit.covariance / fit.sigma**2)
    scale = np.sqrt(np.diag(precision))
    dfbeta, std_error = np.full((size, p), np.nan), np.full((size, p), np.nan)
    failed: dict[int, str] = {}
    for g in range(size):
        left = (precision - gram[g]) / np.outer(scale, scale)
        values, vectors = np.linalg.eigh(left)
        if values[0] <= RANK_TOLERANCE:
            failed[g] = "the other rows do not determine the fixed effects"
            continue
        inverse = (vectors / values) @ vectors.T / np.outer(scale, scale)
        dfbeta[g] = -inverse @ score[g]
        std_error[g] = fit.sigma * np.sqrt(np.diag(inverse))
    return _fixed_variance(fit, dfbeta, std_error, failed)


def _fixed_variance(
    fit: LinearMixedModel, dfbeta: Vector, std_error: Vector, failed: dict[int, str]
) -> _Deletions:
    size = len(dfbeta)
    theta = np.tile(fit.theta.to_numpy(), (size, 1))
    return _Deletions(dfbeta, std_error, np.full(size, fit.sigma), theta, failed)


def _by_downdating(
    fit: LinearMixedModel, codes: NDArray[np.intp] | None, size: int, *, refit: bool
) -> _Deletions:
    """Cross-products less each group's rows, evaluated or optimised from the full fit's θ."""
    from partialpool.models.linear_mixed import LinearMixedModel as Model

    design = fit._rows()
    assert design.y is not None  # its rows are at hand
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
    start = fit._native.lambdas
    for i, rows in enumerate(np.split(order.astype(np.int64), ends)[:size]):
        try:
            products = _core.delete_rows(
                fit._products, design.y, design.x, factors, design.weights, rows
            )
            native = (
                products.fit(fit.reml, start)
                if refit
                else _core.Fit.restore(
                    products, fit.reml, start, (0.0, 0.0, 0.0, 0), fit._native.hessian
                )
            )
        except (_core.CoreError, PartialPoolError) as error:
            out.failed[i] = f"the other rows do not determine the model ({error})"
            continue
        part = Model(design, products, native, reml=fit.reml)
        sigma = native.sigma if refit else fit.sigma
        unscaled = native.unscaled_covariance.reshape(p, p)
        out.dfbeta[i] = native.beta - fit.beta
        out.std_error[i] = sigma * np.sqrt(np.diag(unscaled))
        out.sigma[i] = sigma
        out.theta[i] = part.theta.to_numpy()
    return out
