"""Stored fits: the model, its cross-products and where the search ended. No pickle, no rows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partialpool import _core
from partialpool.crossproducts.build import cross_products
from partialpool.design import Design, Factor, build_design
from partialpool.design.covariance import term_blocks
from partialpool.design.design import NOT_KEPT, Term
from partialpool.design.encoder import Encoder
from partialpool.design.levels import restore_level, store_level
from partialpool.errors import DataError, FileError
from partialpool.files.container import (
    damaged,
    from_json,
    read_container,
    to_json,
    write_container,
)
from partialpool.files.fields import Fields, written
from partialpool.formula import Formula, parse_formula
from partialpool.models.reporting import given

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit
    from partialpool.models.linear_mixed import LinearMixedModel

#: The parts of the file.
MODEL, PRODUCTS = "fit.json", "crossproducts.bin"
PARTS = frozenset({MODEL, PRODUCTS})
ROW_ARGUMENTS = ("weights", "offset")
NATIVE = ("lambdas", "convergence", "hessian")
FIELDS = (
    "formula",
    "reml",
    "data_name",
    "dropped",
    "described",
    "columns",
    "arrays",
    "quantiles",
    "contrasts",
    "fixed",
    "factors",
    "native",
    "criterion",
    "products",
)
#: Agreement of the stored criterion with that of the stored parameters.
SAME_CRITERION = 1e-8


def native_state(fit: MixedFit) -> dict[str, Any]:
    """The native objects as bytes and numbers."""
    native = fit.optimum
    return {
        "products": fit.products.to_bytes(),
        "lambdas": native.lambdas,
        "convergence": list(native.convergence),
        "hessian": native.hessian,
    }


def restore_native(state: Mapping[str, Any], reml: bool) -> tuple[_core.CrossProducts, _core.Fit]:
    """The inverse of `native_state`."""
    try:
        products = _core.CrossProducts.from_bytes(state["products"])
        gradient, low, high, evaluations = state["convergence"]
        checks = (float(gradient), float(low), float(high), int(evaluations))
        numbers = state["lambdas"], checks, state["hessian"], state.get("working")
        native = _core.Fit.restore(products, reml, *numbers)
    except _core.CoreError as error:
        raise FileError(f"the stored fit cannot be read: {error}") from None
    return products, native


def save(fit: LinearMixedModel, path: str | Path) -> None:
    """See `LinearMixedModel.save`."""
    write_container(path, "fit", parts_of(fit))


def parts_of(fit: MixedFit) -> dict[str, bytes]:
    """The parts of a stored fit."""
    design = fit.design
    state = native_state(fit)
    products = state.pop("products")
    state["convergence"] = [written(v) for v in state["convergence"]]
    state["hessian"] = [written(v) for v in state["hessian"]]
    manifest = {
        "formula": fit.formula,
        "reml": fit.reml,
        "data_name": fit.data_name,
        "dropped": fit.dropped_rows,
        "described": {what: given(fit, what) for what in ROW_ARGUMENTS},
        "columns": {k: v for k in ROW_ARGUMENTS if isinstance(v := design.given.get(k), str)},
        "arrays": [k for k in ROW_ARGUMENTS if not isinstance(design.given.get(k), str | None)],
        "quantiles": [written(v) for v in fit.residual_quantiles],
        "contrasts": dict(design.contrasts),
        "fixed": design.fixed.state(),
        "factors": [
            {
                "levels": [store_level(v) for v in f.levels],
                "terms": [t.encoder.state() for t in f.terms],
            }
            for f in design.factors
        ],
        "native": state,
        "criterion": written(fit.optimum.criterion),
        "products": sha256(products).hexdigest(),
    }
    return {MODEL: to_json(manifest, MODEL), PRODUCTS: products}


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
        If the file is no stored fit, or not as it was stored. Nothing in it is executed.
    DataError
        If the data are not those that the fit was made from.
    """
    parts = read_container(path, "fit", PARTS, "fit the model again")
    with damaged(path):
        stored = StoredFit.read(parts)
    return stored.fit(data, {"weights": weights, "offset": offset})


@dataclass(frozen=True, eq=False)
class StoredFit:
    """What a file says of a fit, each part checked by itself and against the others."""

    formula: Formula
    fields: Fields
    products: _core.CrossProducts
    native: _core.Fit
    design: Design

    @classmethod
    def read(cls, parts: Mapping[str, bytes]) -> StoredFit:
        """From the parts of a file; whatever does not fit together is an error."""
        fields = Fields(from_json(parts[MODEL]), FIELDS, "the stored fit")
        for name in ("described", "columns"):
            _row_arguments(fields, name)
        fields.text_or_none("data_name")
        fields.whole("dropped")
        if not set(fields.texts("arrays")) <= set(ROW_ARGUMENTS):
            raise fields.refuse("arrays", "of weights and offset")
        fields.numbers("quantiles", 5, finite=False)
        fields.texts_by_name("contrasts")
        formula = parse_formula(fields.text("formula"))
        if fields.text("products") != sha256(parts[PRODUCTS]).hexdigest():
            raise FileError("the cross-products are not those of the fit")
        products, native = _native(fields, parts[PRODUCTS])
        design = _design_without_rows(formula, fields, products.n)
        shapes = [(len(f.levels), [(b.kind, b.size) for b in f.blocks]) for f in design.factors]
        if products.shapes != shapes:
            raise FileError("the grouping factors are not those of the cross-products")
        if any(i >= len(design.fixed.names) for i in products.kept):
            raise FileError("the fixed effects are not those of the cross-products")
        return cls(formula, fields, products, native, design)

    def fit(self, data: Any, rows: Mapping[str, Any]) -> LinearMixedModel:
        """The fit, with its rows where the data are given."""
        from partialpool.models.linear_mixed import LinearMixedModel

        fields, design, native = self.fields, self.design, self.native
        if data is not None:
            design = _design_with_rows(self.formula, fields, data, rows)
            self._require_same(design)
        return LinearMixedModel(
            design,
            self.products,
            native,
            reml=fields.flag("reml"),
            data_name=fields.text_or_none("data_name"),
            stored={
                "quantiles": fields.numbers("quantiles", 5, finite=False),
                "dropped": fields.whole("dropped"),
                **fields["described"],
            },
        )

    def _require_same(self, design: Design) -> None:
        """Refuse data that are not those of the fit."""
        if design.n != self.products.n:
            raise DataError(
                f"the data have {design.n} complete rows, the stored fit was made from"
                f" {self.products.n}"
            )
        native, reml = self.native, self.fields.flag("reml")
        criterion, _ = cross_products(design).evaluate(reml, native.lambdas)
        if abs(criterion - native.criterion) > 1e-6 * native.magnitude:
            raise DataError(
                "the data are not those of the stored fit: its criterion is"
                f" {native.criterion:.6g}, at the same parameters theirs is {criterion:.6g}"
            )


def _row_arguments(fields: Fields, name: str) -> None:
    """Words or columns of the weights and the offset."""
    value = fields[name]
    known = isinstance(value, dict) and set(value) <= set(ROW_ARGUMENTS)
    if not known or not all(v is None or isinstance(v, str) for v in value.values()):
        raise fields.refuse(name, "of weights and offset")
    if name == "described" and set(value) != set(ROW_ARGUMENTS):
        raise fields.refuse(name, "of weights and offset")


def _native(fields: Fields, products: bytes) -> tuple[_core.CrossProducts, _core.Fit]:
    """The native objects; their criterion must be the stored one."""
    state = fields.fields("native", NATIVE)
    numbers = [*state.numbers("convergence", 4, finite=False)]
    if not (numbers[3] >= 0 and numbers[3] == int(numbers[3])):
        raise state.refuse("convergence", "three numbers and a count")
    lambdas = state.items("lambdas")
    matrices = {str(i): matrix for i, matrix in enumerate(lambdas)}
    checked = Fields(matrices, list(matrices), "'lambdas'")
    native_parts = {
        "products": products,
        "lambdas": [checked.numbers(name) for name in matrices],
        "convergence": numbers,
        "hessian": state.numbers("hessian", finite=False),
    }
    cross, native = restore_native(native_parts, fields.flag("reml"))
    want = fields.number("criterion")
    if not abs(native.criterion - want) <= SAME_CRITERION * (1 + abs(want)):
        raise FileError("the criterion stored is not that of the parameters stored")
    return cross, native


def _encoder(state: Any, text: str) -> Encoder:
    """The encoder of a stored state, which must be one of this part of the formula."""
    encoder = Encoder.restore(state)
    # Written again it must be what was read: nothing was passed over.
    if encoder.text != text or to_json(encoder.state(), MODEL) != to_json(state, MODEL):
        raise FileError(f"the columns of `{text}` are not those of the formula")
    return encoder


def _design_with_rows(
    formula: Formula, fields: Fields, data: Any, rows: Mapping[str, Any]
) -> Design:
    named = fields["columns"]
    arguments = {k: named.get(k) if rows[k] is None else rows[k] for k in ROW_ARGUMENTS}
    if fields["described"]["weights"] and arguments["weights"] is None:
        raise DataError(
            "the stored fit has prior weights that were given as an array; pass them too:"
            " pp.load(path, data=..., weights=...)"
        )
    return build_design(formula, data, contrasts=fields["contrasts"], **arguments)


def _design_without_rows(formula: Formula, fields: Fields, n: int) -> Design:
    grouped: dict[tuple[str, ...], list[Any]] = {}
    for source in formula.random:
        grouped.setdefault(source.group, []).append(source)
    factors = []
    stored_factors = fields.items("factors", len(grouped))
    for (group, sources), value in zip(grouped.items(), stored_factors, strict=True):
        stored = Fields(value, ("levels", "terms"), f"the factor {':'.join(group)}")
        terms: list[Term] = []
        start = 0
        states = stored.items("terms", len(sources))
        for source, state in zip(sources, states, strict=True):
            encoder = _encoder(state, source.lhs)
            k = len(encoder.names)
            terms.append(Term(source, encoder, encoder.names, start, term_blocks(source, k)))
            start += k
        factors.append(
            Factor(
                name=":".join(group),
                variables=group,
                codes=None,
                levels=_levels(stored),
                terms=tuple(terms),
                columns=(),
                blocks=tuple(b for t in terms for b in t.blocks),
            )
        )
    fixed = fields["fixed"]
    return Design(
        formula=formula,
        y=None,
        weights=None,
        offset=None,
        fixed=_encoder(fixed, formula.fixed),
        x=(),
        factors=tuple(factors),
        rows=None,
        total=n,
        kind="pandas",
        contrasts=fields["contrasts"],
        # As the fit was given them: a column's name, or an array that is not kept.
        given={**fields["columns"], **dict.fromkeys(fields["arrays"], NOT_KEPT)},
    )


def _levels(stored: Fields) -> tuple[Hashable, ...]:
    """Labels of levels, each there once."""
    try:
        levels = tuple(map(restore_level, stored.items("levels")))
        distinct = len({(type(v), v) for v in levels}) == len(levels)
    except (KeyError, TypeError, ValueError, ArithmeticError):
        raise stored.refuse("levels", "labels") from None
    if not distinct:
        raise stored.refuse("levels", "labels, each there once")
    return levels
