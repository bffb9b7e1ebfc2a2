"""Columns of a fixed part, or of the left side of a bar, from a table — now and for new data.

Products of plain numeric columns are formed here; everything else is formulaic's.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design.frame import Frame
from partialpool.design.levels import categorical, find_levels, restore_level, store_level
from partialpool.errors import ArgumentError, DataError, DesignError, FormulaError, NewDataError
from partialpool.formula.expressions import quote_for_formulaic
from partialpool.formula.tokens import tokenize

Column = float | NDArray[np.float64]
Rows = NDArray[np.intp] | None

CONTRASTS = {
    "treatment": "contr.treatment",
    "sum": "contr.sum",
    "helmert": "contr.helmert",
    "poly": "contr.poly",
    "sas": "contr.SAS",
    "diff": "contr.diff",
}


class ProductColumns:
    """Terms that are products of numeric columns, such as `1 + x + x:z`."""

    def __init__(self, products: Sequence[tuple[str, ...]]) -> None:
        self.products = tuple(products)
        self.names = tuple(":".join(p) if p else "Intercept" for p in self.products)
        self.variables = tuple(dict.fromkeys(name for p in self.products for name in p))
        self.term_names = self.names
        self.term_of = tuple(range(len(self.names)))

    def build(self, numeric: Mapping[str, NDArray[np.float64]]) -> list[Column]:
        """Columns from the numeric columns by name; the intercept is the number 1."""
        out: list[Column] = []
        for product in self.products:
            if not product:
                out.append(1.0)
                continue
            column = numeric[product[0]]
            for name in product[1:]:
                column = column * numeric[name]
            out.append(column)
        return out

    def of(self, frame: Frame, rows: Rows = None) -> list[Column]:
        """Columns for new data."""
        return self.build({v: take(frame.numeric(v), rows) for v in self.variables})

    def state(self) -> dict[str, Any]:
        """What `columns_from_state` needs, as plain JSON values."""
        return {"products": [list(p) for p in self.products]}


class FormulaicColumns:
    """Terms with factors or transforms, encoded by formulaic."""

    def __init__(
        self,
        text: str,
        variables: Sequence[str],
        levels: Mapping[str, tuple[Any, ...]],
        contrasts: Mapping[str, str],
    ) -> None:
        self.text = text
        self.variables = tuple(variables)
        self.levels = dict(levels)
        self.contrasts = {k: v for k, v in contrasts.items() if k in levels}
        self._spec: Any = None
        self.names: tuple[str, ...] = ()
        self.term_names: tuple[str, ...] = ()
        self.term_of: tuple[int, ...] = ()

    def fit(self, table: Mapping[str, Any]) -> list[Column]:
        """Encode the training table (numeric arrays and pandas categoricals, no missing)."""
        formula = formula_object(with_contrasts(self.text, self.contrasts))
        matrix = self._materialise(formula, table)
        self._keep(matrix.model_spec)
        return self._columns(matrix)

    def of(self, frame: Frame, rows: Rows = None) -> list[Column]:
        """Columns for new data, with the training data's levels, knots, centres and scales."""
        table: dict[str, Any] = {}
        for name in self.variables:
            if name in self.levels:
                table[name] = self._categorical(frame, name, rows)
            else:
                table[name] = take(frame.numeric(name), rows)
        return self._columns(self._materialise(self._spec, table))

    def _categorical(self, frame: Frame, name: str, rows: Rows) -> Any:
        coded = frame.coded(name)
        levels = self.levels[name]
        new = np.append(find_levels(levels, coded.levels, name), -1)
        if (new[:-1] < 0).any():
            unknown = coded.levels[int(np.argmax(new[:-1] < 0))]
            known = ", ".join(repr(str(v)) for v in levels[:8])
            raise NewDataError(
                f"level {str(unknown)!r} of {name!r} was not in the data of the fit ({known}); a"
                " fixed effect cannot be predicted for it"
            )
        return categorical(take(new[coded.codes], rows), levels)

    def _materialise(self, spec: Any, table: Mapping[str, Any]) -> Any:
        import pandas as pd
        from formulaic.errors import FormulaicError

        from partialpool.design.natural_spline import ns
        from partialpool.formula import elementwise_functions

        context = {**elementwise_functions(), "ns": ns}
        frame = pd.DataFrame(dict(table), copy=False)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                return spec.get_model_matrix(
                    frame, context=context, output="numpy", na_action="ignore"
                )
        except FormulaicError as error:
            cause = error.__cause__ or error
            raise DesignError(f"`{self.text}` cannot be worked out: {first_line(cause)}") from error
        except (ValueError, TypeError, ZeroDivisionError, np.linalg.LinAlgError) as error:
            raise DesignError(f"`{self.text}` cannot be worked out: {first_line(error)}") from error

    def _keep(self, spec: Any) -> None:
        self._spec = spec
        renamed = {f"C({quote_for_formulaic(f)}, {c})": f for f, c in self.contrasts.items()}
        names = []
        for name in spec.column_names:
            for written, factor in renamed.items():
                name = name.replace(written, factor)
            names.append(name.replace("`", ""))
        self.names = tuple(names)
        terms = []
        term_of = [0] * len(names)
        for i, (term, where) in enumerate(spec.term_indices.items()):
            text = str(term)
            for written, factor in renamed.items():
                text = text.replace(written, factor)
            terms.append("Intercept" if text == "1" else text.replace("`", ""))
            for j in where:
                term_of[j] = i
        self.term_names, self.term_of = tuple(terms), tuple(term_of)

    def _columns(self, matrix: Any) -> list[Column]:
        values = np.asarray(matrix, dtype=np.float64)
        for j, name in enumerate(self.names):
            if not np.isfinite(values[:, j]).all():
                row = int(np.argmin(np.isfinite(values[:, j])))
                raise DataError(
                    f"`{name}` is not finite in row {row} of those used; look at the values there"
                )
        columns = np.asfortranarray(values)
        return [1.0 if name == "Intercept" else columns[:, j] for j, name in enumerate(self.names)]

    def state(self) -> dict[str, Any]:
        """What `columns_from_state` needs, as plain JSON values."""
        from partialpool.design.stored import pack

        return {
            "text": self.text,
            "variables": list(self.variables),
            "levels": {k: [store_level(v) for v in levels] for k, levels in self.levels.items()},
            "contrasts": self.contrasts,
            "transforms": pack(dict(self._spec.transform_state)),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> FormulaicColumns:
        """The encoder of a stored fit: levels and transforms as they were."""
        from formulaic import ModelSpec

        from partialpool.design.stored import unpack

        levels = {k: tuple(map(restore_level, v)) for k, v in state["levels"].items()}
        self = cls(state["text"], state["variables"], levels, state["contrasts"])
        transforms = unpack(state["transforms"])
        size = max([2, *(len(v) for v in levels.values())])
        table: dict[str, Any] = {}
        for name in self.variables:
            if name in levels:
                codes = np.arange(size) % len(levels[name])
                table[name] = categorical(codes, levels[name])
            else:
                table[name] = np.full(size, inner_value(name, transforms))
        spec = ModelSpec(
            formula=formula_object(with_contrasts(self.text, self.contrasts)),
            transform_state=transforms,
        )
        matrix = self._materialise(spec, table)
        self._keep(matrix.model_spec)
        return self


@lru_cache(maxsize=256)
def formula_object(text: str) -> Any:
    """formulaic's formula; its class is abstract to type checkers and makes one of a subclass."""
    from formulaic import Formula

    return Formula(text)  # pyright: ignore[reportAbstractUsage]


def inner_value(name: str, transforms: Mapping[str, Any]) -> float:
    """A value of a numeric column that every stored transform of it accepts."""
    for text, state in transforms.items():
        if name in text and isinstance(state, Mapping) and "lower_bound" in state:
            return 0.5 * (float(state["lower_bound"]) + float(state["upper_bound"]))
    return 1.0


def columns_from_state(state: Mapping[str, Any]) -> ProductColumns | FormulaicColumns:
    """The encoder of a stored fit."""
    if "products" in state:
        return ProductColumns([tuple(p) for p in state["products"]])
    return FormulaicColumns.from_state(state)


def first_line(error: BaseException) -> str:
    """The first line of an exception's text."""
    return str(error).strip().split("\n")[0] or type(error).__name__


#: Rows worked on at a time where arrays of all rows would be more than the fit needed.
ROWS_AT_ONCE = 1 << 14


def row_slices(n: int, size: int = ROWS_AT_ONCE) -> Iterator[slice]:
    """Slices of at most `size` rows that cover 0 … n - 1 in order."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def rows_of(column: Column, rows: slice) -> Column:
    """Some rows of a column; a number is itself."""
    return column[rows] if isinstance(column, np.ndarray) else column


def take(values: Any, rows: Rows) -> Any:
    """The rows used; all of them, without a copy, where none was dropped."""
    return values if rows is None else values[rows]


def check_contrasts(contrasts: Mapping[str, str] | None, factors: Sequence[str]) -> dict[str, str]:
    """Contrast names as formulaic's, for factors that the formula has."""
    out: dict[str, str] = {}
    if contrasts is not None and not isinstance(contrasts, Mapping):
        raise ArgumentError(f"contrasts must be a mapping of factor to name, not {contrasts!r}")
    for factor, wanted in (contrasts or {}).items():
        key = str(wanted).removeprefix("contr.").lower()
        if key not in CONTRASTS:
            raise FormulaError(
                f"contrasts of {factor!r}: {str(wanted)!r} is not offered; use one of"
                f" {', '.join(CONTRASTS)}"
            )
        if factor not in factors:
            raise FormulaError(
                f"contrasts are given for {factor!r}, which is no factor in the formula"
            )
        out[factor] = CONTRASTS[key]
    return out


def with_contrasts(text: str, contrasts: Mapping[str, str]) -> str:
    """`a + a:b` with a's contrasts written out; names inside calls stay as they are."""
    if not contrasts:
        return text
    out: list[str] = []
    depth, last = 0, 0
    tokens = tokenize(text)
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        if token.text == "(" and token.kind not in {"name", "text"}:
            depth += 1
        elif token.text == ")" and token.kind not in {"name", "text"}:
            depth -= 1
        called = after is not None and after.text == "(" and after.kind != "name"
        if token.kind == "name" and depth == 0 and not called and token.text in contrasts:
            out.append(text[last : token.start])
            out.append(f"C({quote_for_formulaic(token.text)}, {contrasts[token.text]})")
            last = token.end
    return "".join(out) + text[last:]
