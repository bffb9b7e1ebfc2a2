"""Stored fits: a zip of JSON and the cross-products' bytes. No pickle, no rows."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partialpool import _core
from partialpool.crossproducts.build import cross_products
from partialpool.design import Design, Factor, build_design
from partialpool.design.columns import columns_from_state, plain_level
from partialpool.design.design import NOT_KEPT, Term
from partialpool.errors import ArgumentError, DataError, FileError
from partialpool.formula import parse_formula
from partialpool.models.reporting import given

if TYPE_CHECKING:
    from partialpool.models.linear_mixed import LinearMixedModel

FORMAT = "partialpool fit"
VERSION = 2
ROW_ARGUMENTS = ("weights", "offset")


def native_state(fit: LinearMixedModel) -> dict[str, Any]:
    """The native objects as bytes and numbers."""
    native = fit._native
    return {
        "products": fit._products.to_bytes(),
        "lambdas": native.lambdas,
        "convergence": list(native.convergence),
        "hessian": native.hessian,
    }


def restore_native(state: dict[str, Any], reml: bool) -> tuple[_core.CrossProducts, _core.Fit]:
    """The inverse of `native_state`."""
    try:
        products = _core.CrossProducts.from_bytes(state["products"])
        gradient, low, high, evaluations = state["convergence"]
        checks = (float(gradient), float(low), float(high), int(evaluations))
        native = _core.Fit.restore(products, reml, state["lambdas"], checks, state["hessian"])
    except _core.CoreError as error:
        raise FileError(f"the stored fit cannot be read: {error}") from None
    return products, native


def save(fit: LinearMixedModel, path: str | Path) -> None:
    """See `LinearMixedModel.save`."""
    if not isinstance(path, str | Path):
        raise ArgumentError(f"the place of a file is text or a Path, not {path!r}")
    design = fit.design
    state = native_state(fit)
    products = state.pop("products")
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "formula": fit.formula,
        "reml": fit.reml,
        "data_name": fit.data_name,
        "dropped": fit.dropped_rows,
        "described": {what: given(fit, what) for what in ROW_ARGUMENTS},
        "columns": {k: v for k in ROW_ARGUMENTS if isinstance(v := design.given.get(k), str)},
        "arrays": [k for k in ROW_ARGUMENTS if not isinstance(design.given.get(k), str | None)],
        "quantiles": list(fit.residual_quantiles),
        "contrasts": dict(design.contrasts),
        "fixed": design.fixed.state(),
        "factors": [
            {
                "levels": [plain_level(v) for v in f.levels],
                "terms": [t.encoder.state() for t in f.terms],
            }
            for f in design.factors
        ],
        "native": state,
    }
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("fit.json", json.dumps(manifest))
            archive.writestr("crossproducts.bin", products)
    except OSError as error:
        raise FileError(f"cannot write {str(path)!r}: {error.strerror or error}") from None


def load(
    path: str | Path, data: Any = None, *, weights: Any = None, offset: Any = None
) -> LinearMixedModel:
    """Read a fit stored by ``fit.save``.

    Parameters
    ----------
    path
        The file.
    data
        The data of the fit, if what is stated a row (fitted values, residuals, refits) is wanted;
        everything else, predictions included, needs none.
    weights, offset
        With `data`, if the fit was given them as arrays; names of columns are remembered.

    Raises
    ------
    FileError
        If the file is no stored fit. Nothing in it is executed.
    DataError
        If the data are not those that the fit was made from.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read("fit.json"))
            products = archive.read("crossproducts.bin")
    except FileNotFoundError:
        raise FileError(f"there is no file {str(path)!r}") from None
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        raise FileError(f"{str(path)!r} is not a stored fit") from None
    if manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
        raise FileError(
            f"{str(path)!r} was stored by another version of partialpool; fit the model again"
        )
    try:
        return _rebuild(manifest, products, data, {"weights": weights, "offset": offset})
    except (KeyError, TypeError, ValueError, IndexError):
        raise FileError(f"{str(path)!r} is damaged: its parts do not fit together") from None


def _rebuild(
    manifest: dict[str, Any], products: bytes, data: Any, rows: dict[str, Any]
) -> LinearMixedModel:
    from partialpool.models.linear_mixed import LinearMixedModel

    formula = parse_formula(manifest["formula"])
    state = {**manifest["native"], "products": products}
    cross, native = restore_native(state, bool(manifest["reml"]))
    if data is not None:
        design = _design_with_rows(formula, manifest, data, rows)
        if design.n != cross.n:
            raise DataError(
                f"the data have {design.n} complete rows, the stored fit was made from {cross.n}"
            )
        criterion, _ = cross_products(design).evaluate(manifest["reml"], native.lambdas)
        if abs(criterion - native.criterion) > 1e-6 * native.magnitude:
            raise DataError(
                "the data are not those of the stored fit: its criterion is"
                f" {native.criterion:.6g}, at the same parameters theirs is {criterion:.6g}"
            )
    else:
        design = _design_without_rows(formula, manifest, cross.n)
    return LinearMixedModel(
        design,
        cross,
        native,
        reml=bool(manifest["reml"]),
        data_name=manifest["data_name"],
        stored={
            "quantiles": manifest["quantiles"],
            "dropped": manifest["dropped"],
            **manifest["described"],
        },
    )


def _design_with_rows(
    formula: Any, manifest: dict[str, Any], data: Any, rows: dict[str, Any]
) -> Design:
    named = manifest["columns"]
    arguments = {k: named.get(k) if rows[k] is None else rows[k] for k in ROW_ARGUMENTS}
    if manifest["described"]["weights"] and arguments["weights"] is None:
        raise DataError(
            "the stored fit has prior weights that were given as an array; pass them too:"
            " pp.load(path, data=..., weights=...)"
        )
    return build_design(formula, data, contrasts=manifest["contrasts"], **arguments)


def _design_without_rows(formula: Any, manifest: dict[str, Any], n: int) -> Design:
    grouped: dict[tuple[str, ...], list[Any]] = {}
    for source in formula.random:
        grouped.setdefault(source.group, []).append(source)
    factors = []
    for (group, sources), stored in zip(grouped.items(), manifest["factors"], strict=True):
        terms: list[Term] = []
        start = 0
        for source, state in zip(sources, stored["terms"], strict=True):
            encoder = columns_from_state(state)
            k = len(encoder.names)
            blocks = (k,) if source.correlated else (1,) * k
            terms.append(Term(source, encoder, encoder.names, start, blocks))
            start += k
        factors.append(
            Factor(
                name=":".join(group),
                variables=group,
                codes=None,
                levels=tuple(stored["levels"]),
                terms=tuple(terms),
                columns=(),
                blocks=tuple(b for t in terms for b in t.blocks),
            )
        )
    return Design(
        formula=formula,
        y=None,
        weights=None,
        offset=None,
        fixed=columns_from_state(manifest["fixed"]),
        x=(),
        factors=tuple(factors),
        rows=None,
        total=n,
        kind="pandas",
        contrasts=manifest["contrasts"],
        given=_given(manifest),
    )


def _given(manifest: dict[str, Any]) -> dict[str, Any]:
    """Weights and offset as the fit was given them: a column's name, or an array not kept."""
    return {**manifest["columns"], **dict.fromkeys(manifest["arrays"], NOT_KEPT)}
