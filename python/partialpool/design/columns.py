"""Columns of a fixed part, or of the left side of a bar, from a table — now and for new data.

Products of plain numeric columns are formed here; everything else is formulaic's.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import CODINGS, Coding, check_choice
from partialpool.design.frame import Frame
from partialpool.design.levels import find_levels, restore_level, store_level
from partialpool.design.plan import plan_terms
from partialpool.errors import ArgumentError, DataError, DesignError, FormulaError, NewDataError
from partialpool.formula.expressions import Call, Expr, Name, variables

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


#: Levels of a factor from which its columns are written as sparse ones.
MANY_LEVELS = 32


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
    """Terms with factors or transforms, encoded by formulaic.

    Parameters
    ----------
    text
        Written out: `Formula.fixed` or `RandomTerm.lhs`.
    variables
        Columns that it uses.
    levels
        Of the columns that are factors somewhere in it, in the rows used.
    contrasts
        Of factors named alone, formulaic's names.
    numbers
        Columns of numbers, which only C() makes factors.
    """

    def __init__(
        self,
        text: str,
        variables: Sequence[str],
        levels: Mapping[str, tuple[Any, ...]],
        contrasts: Mapping[str, str],
        numbers: Iterable[str] = (),
    ) -> None:
        self.text = text
        self.variables = tuple(variables)
        self.levels = dict(levels)
        self.contrasts = {k: v for k, v in contrasts.items() if k in levels}
        self.numbers = frozenset(numbers)
        self._plan = plan_terms(text, self.levels, self.contrasts, self.numbers)
        self._spec: Any = None
        self._known = ""
        self._example: dict[str, float] = {}
        self.names: tuple[str, ...] = ()
        self.term_names: tuple[str, ...] = ()
        self.term_of: tuple[int, ...] = ()

    def fit(
        self, numeric: Mapping[str, NDArray[np.float64]], codes: Mapping[str, NDArray[np.int64]]
    ) -> list[Column]:
        """Encode the training rows: numbers by column, and codes into `levels`; none missing."""
        table = self._table(numeric, codes)
        matrix = self._materialise(formula_object(self._plan.text), table)
        self._keep(matrix.model_spec)
        self._example = self._example_of(numeric)
        return self._columns(matrix)

    def of(self, frame: Frame, rows: Rows = None) -> list[Column]:
        """Columns for new data, with the training data's levels, knots, centres and scales."""
        sources = self._plan.sources.values()
        coded = {s.variable for s in sources if s.levels is not None}
        plain = {s.variable for s in sources if s.levels is None}
        numeric = {name: take(frame.numeric(name), rows) for name in plain}
        codes = {name: self._codes(frame, name, rows) for name in coded}
        if not self._spec.transform_state.keys() >= self._plan.states.keys():
            self._fail_for_state()
        matrix = self._materialise(self._spec, self._table(numeric, codes))
        if self._states(self._spec) != self._known:
            self._fail_for_state()
        return self._columns(matrix)

    def factor_of(self, factor: Expr) -> str | None:
        """The column that a factor of a term codes by its levels; None for numbers."""
        match factor:
            case Name(name) if name in self.levels and name not in self.numbers:
                return name
            case Call("C", (Name(name),)):
                return name
            case _:
                return None

    def bounds(self, name: str) -> tuple[float, float] | None:
        """Values of a numeric column that its splines accept; None where any will do."""
        for key, state in self._spec.transform_state.items():
            bounded = isinstance(state, Mapping) and "lower_bound" in state
            if bounded and self._plan.arguments.get(key) == Name(name):
                return float(state["lower_bound"]), float(state["upper_bound"])
        return None

    def _codes(self, frame: Frame, name: str, rows: Rows) -> NDArray[np.int64]:
        coded = frame.coded(name)
        codes = take(coded.codes, rows)
        found = find_levels(self.levels[name], coded.levels, name)
        new = np.append(np.where(found < 0, -2, found), -1)
        known = new[codes]
        if (known == -2).any():
            unknown = coded.levels[codes[int(np.argmax(known == -2))]]
            levels = ", ".join(repr(str(v)) for v in self.levels[name][:8])
            raise NewDataError(
                f"level {str(unknown)!r} of {name!r} was not in the data of the fit ({levels}); a"
                " fixed effect cannot be predicted for it"
            )
        return known

    def _table(
        self, numeric: Mapping[str, NDArray[np.float64]], codes: Mapping[str, NDArray[np.int64]]
    ) -> dict[str, Any]:
        """The table for formulaic: safe names, and tokens in place of levels."""
        import pandas as pd

        table: dict[str, Any] = {}
        for safe, source in self._plan.sources.items():
            if source.levels is None:
                table[safe] = numeric[source.variable]
                continue
            place = {level: i for i, level in enumerate(source.levels)}
            own = [place.get(level, -1) for level in self.levels[source.variable]]
            table[safe] = pd.Categorical.from_codes(
                np.array([*own, -1], dtype=np.int64)[codes[source.variable]],
                categories=pd.Index(list(source.tokens)),
            )
        return table

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
                    frame, context=context, output=self._output(), na_action="ignore"
                )
        except FormulaicError as error:
            raise self._failure(error.__cause__ or error) from error
        except (ValueError, TypeError, ZeroDivisionError, np.linalg.LinAlgError) as error:
            raise self._failure(error) from error

    def _failure(self, cause: BaseException) -> DesignError:
        why = self._plan.shown(first_line(cause))
        return DesignError(f"`{self.text}` cannot be worked out: {why}")

    def _output(self) -> str:
        """Where most of the columns are indicators, only what is not zero is written."""
        many = max((len(v) for v in self.levels.values()), default=0) >= MANY_LEVELS
        return "sparse" if many else "numpy"

    def _keep(self, spec: Any) -> None:
        self._spec = spec
        self._known = self._states(spec)
        self.names = tuple(self._plan.shown(name) for name in spec.column_names)
        terms = []
        term_of = [0] * len(self.names)
        for i, (term, where) in enumerate(spec.term_indices.items()):
            text = str(term)
            terms.append("Intercept" if text == "1" else self._plan.shown(text))
            for j in where:
                term_of[j] = i
        self.term_names, self.term_of = tuple(terms), tuple(term_of)

    @staticmethod
    def _states(spec: Any) -> str:
        """The states of all transforms, to be compared: new data may not change them."""
        from partialpool.design.stored import pack

        return repr(pack(dict(spec.transform_state)))

    def _fail_for_state(self) -> NoReturn:
        raise DesignError(
            f"what the transforms in `{self.text}` saw of the data (centre, scale, knots) is not at"
            " hand, so new data cannot be transformed alike; fit the model again"
        )

    def _columns(self, matrix: Any) -> list[Column]:
        columns = contiguous_columns(matrix)
        for name, column in zip(self.names, columns, strict=True):
            # a column's sum is finite unless a value is not, or their sum overflows
            if not np.isfinite(np.add.reduce(column)) and not np.isfinite(column).all():
                row = int(np.argmin(np.isfinite(column)))
                raise DataError(
                    f"`{name}` is not finite in row {row} of those used; look at the values there"
                )
        return [
            1.0 if name == "Intercept" else column
            for name, column in zip(self.names, columns, strict=True)
        ]

    def _example_of(self, numeric: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
        """Values that a spline of an expression, such as bs(log(x)), accepts: those of a row."""
        states = self._spec.transform_state
        bounded = [a for key, a in self._plan.arguments.items() if "lower_bound" in states[key]]
        names = {v for a in bounded if not isinstance(a, Name) for v in variables(a)}
        return {name: float(numeric[name][0]) for name in sorted(names)}

    def state(self) -> dict[str, Any]:
        """What `columns_from_state` needs, as plain JSON values."""
        from partialpool.design.stored import pack

        states = self._spec.transform_state
        return {
            "text": self.text,
            "variables": list(self.variables),
            "levels": {k: [store_level(v) for v in levels] for k, levels in self.levels.items()},
            "contrasts": self.contrasts,
            "numbers": sorted(self.numbers),
            "example": self._example,
            "transforms": pack({call: states[key] for key, call in self._plan.states.items()}),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> FormulaicColumns:
        """The encoder of a stored fit: levels and transforms as they were."""
        from formulaic import ModelSpec

        from partialpool.design.stored import unpack

        levels = {k: tuple(map(restore_level, v)) for k, v in state["levels"].items()}
        numbers = state.get("numbers", ())
        self = cls(state["text"], state["variables"], levels, state["contrasts"], numbers)
        stored = unpack(state["transforms"])
        if not all(call in stored for call in self._plan.states.values()):
            self._fail_for_state()
        transforms = {key: stored[call] for key, call in self._plan.states.items()}
        self._spec = ModelSpec(
            formula=formula_object(self._plan.text), transform_state=copy.deepcopy(transforms)
        )
        self._example = dict(state.get("example", {}))
        size = max([2, *(len(v) for v in levels.values())])
        numeric: dict[str, NDArray[np.float64]] = {}
        for name in self.variables:
            low, high = self.bounds(name) or (1.0, 1.0)
            numeric[name] = np.full(size, self._example.get(name, 0.5 * (low + high)))
        codes = {name: np.arange(size) % len(own) for name, own in levels.items()}
        before = self._states(self._spec)
        matrix = self._materialise(self._spec, self._table(numeric, codes))
        self._keep(matrix.model_spec)
        if self._known != before:
            self._fail_for_state()
        return self


def contiguous_columns(matrix: Any) -> list[NDArray[np.float64]]:
    """Columns of a dense or sparse model matrix, each contiguous.

    The zeros of a sparse one are pages that the operating system has not been asked for yet.
    """
    if not hasattr(matrix, "tocsc"):
        return list(np.asfortranarray(np.asarray(matrix, dtype=np.float64)).T)
    sparse = matrix.tocsc()
    out: NDArray[np.float64] = np.zeros(sparse.shape[::-1])
    for j, (start, end) in enumerate(zip(sparse.indptr, sparse.indptr[1:], strict=False)):
        out[j, sparse.indices[start:end]] = sparse.data[start:end]
    return [out[j] for j in range(len(out))]


@lru_cache(maxsize=256)
def formula_object(text: str) -> Any:
    """formulaic's formula; its class is abstract to type checkers and makes one of a subclass."""
    from formulaic import Formula

    return Formula(text)  # pyright: ignore[reportAbstractUsage]


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


def check_contrasts(
    contrasts: Mapping[str, Coding] | None, factors: Sequence[str]
) -> dict[str, str]:
    """Contrast names as formulaic's, for factors that the formula has."""
    out: dict[str, str] = {}
    if contrasts is not None and not isinstance(contrasts, Mapping):
        raise ArgumentError(f"contrasts must be a mapping of factor to name, not {contrasts!r}")
    for factor, wanted in (contrasts or {}).items():
        try:
            name = str(wanted).removeprefix("contr.")
            key = check_choice(name, f"contrasts of {factor!r}", CODINGS).lower()
        except ArgumentError:
            raise FormulaError(
                f"contrasts of {factor!r}: {str(wanted)!r} is not offered; use one of"
                f" {', '.join(CONTRASTS)}"
            ) from None
        if factor not in factors:
            raise FormulaError(
                f"contrasts are given for {factor!r}, which is no factor in the formula"
            )
        out[factor] = CONTRASTS[key]
    return out
