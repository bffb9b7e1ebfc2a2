"""Formula and table → `Design`: rows that are complete, columns, codes, and every check of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import NA_ACTIONS, Coding, NaAction, check_choice
from partialpool.design.alignment import doubles_of, in_order, is_pandas
from partialpool.design.columns import Column, Rows, take
from partialpool.design.contrasts import check_contrasts
from partialpool.design.covariance import Block, term_blocks
from partialpool.design.design import Design, Factor, Term, group_labels
from partialpool.design.encoder import Encoder
from partialpool.design.frame import Coded, Frame
from partialpool.design.levels import check_texts_distinct
from partialpool.design.listed import check_listed, factor_calls, transformed, unlisted
from partialpool.design.names import check_names, refuse_same_names
from partialpool.design.size import check_columns, check_parameters, random_columns
from partialpool.errors import DataError, DesignError
from partialpool.formula import Formula, RandomTerm, evaluate, variables
from partialpool.formula.model import written_terms


def build_design(
    formula: Formula,
    data: Any,
    *,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Coding] | None = None,
    na_action: NaAction = "drop",
    check: bool = True,
    with_response: bool = True,
    response: NDArray[np.float64] | None = None,
) -> Design:
    """Read what a formula needs from a table.

    Parameters
    ----------
    check
        Refuse factors that cannot be fitted.
    with_response
        False: the response is not read, the table need not have it, and `Design.y` is zeros.
    response
        In the place of the table's (`Design.replaced`): one value per row of the table, NaN in rows
        that are then left out.

    Raises
    ------
    DataError
        For missing columns, types that do not suit, values that are not finite.
    DesignError
        For grouping factors that cannot be fitted.
    """
    own = with_response and response is None
    needed = formula.variables if own else predictor_columns(formula)
    for name in ("Intercept", "(Intercept)"):
        if name in needed:
            raise DataError(
                f"a column named {name!r} cannot be told from the constant; rename the column"
            )
    na_action = check_choice(na_action, "na_action", NA_ACTIONS)
    frame = Frame(data)
    reader = _Reader(frame, formula, needed, weights, offset, response, na_action)
    coding = check_contrasts(contrasts, reader.factors_used()) if contrasts else {}
    encoders: dict[str, tuple[Encoder, list[Column]]] = {}

    def encode_part(text: str, used: Sequence[str]) -> tuple[Encoder, list[Column]]:
        if text not in encoders:
            encoders[text] = reader.columns(text, used, coding)
            refuse_same_names(encoders[text][0])
        return encoders[text]

    fixed, x = encode_part(formula.fixed, fixed_variables(formula))
    factors = reader.factors(encode_part)
    check_names(fixed, factors)
    if check:
        check_factors(factors, reader.n)
    return Design(
        formula=formula,
        y=reader.response() if with_response else np.zeros(reader.n),
        weights=reader.weights,
        offset=reader.offset,
        fixed=fixed,
        x=tuple(x),
        factors=factors,
        rows=reader.rows,
        total=frame.length,
        kind=frame.kind,
        contrasts=dict(contrasts or {}),
        table=data,
        given={
            "na_action": na_action,
            **{k: v for k, v in (("weights", weights), ("offset", offset)) if v is not None},
        },
        replaced=response,
        index=frame.index,
    )


def predictor_columns(formula: Formula) -> tuple[str, ...]:
    """Every column used, but for those of the response alone."""
    random = [v for term in formula.random for v in (*term.variables, *term.group)]
    offsets = [v for part in formula.offsets for v in variables(part)]
    return tuple(dict.fromkeys((*fixed_variables(formula), *random, *offsets)))


def fixed_variables(formula: Formula) -> tuple[str, ...]:
    """Columns of the fixed part."""
    return _variables(formula.fixed)


@lru_cache(maxsize=512)
def _variables(text: str) -> tuple[str, ...]:
    return written_terms(text).variables


def written_texts(formula: Formula) -> tuple[str, ...]:
    """The fixed part and the left sides of the bars that have calls in them."""
    parts = [(formula.fixed, formula.fixed_products)]
    parts += [(term.lhs, term.products) for term in formula.random]
    return tuple(dict.fromkeys(text for text, products in parts if products is None))


class _Reader:
    """Columns of one table for one formula, with the rows that are complete in all of them."""

    def __init__(
        self,
        frame: Frame,
        formula: Formula,
        needed: Sequence[str],
        weights: Any,
        offset: Any,
        response: NDArray[np.float64] | None,
        na: str,
    ) -> None:
        self.frame, self.formula, self.needed = frame, formula, needed
        if frame.length == 0:
            raise DataError("the data have no rows")
        self.predictors = tuple(
            dict.fromkeys(
                (*fixed_variables(formula), *(v for t in formula.random for v in t.variables))
            )
        )
        self.numeric: dict[str, NDArray[np.float64]] = {}
        given_weights = _vector(weights, frame, "weights")
        given_offset = _vector(offset, frame, "offset")
        self.replaced = response
        self.rows = self._complete(na, given_weights, given_offset, response)
        n = frame.length if self.rows is None else len(self.rows)
        self.n = n
        self.weights = (
            None if given_weights is None else np.ascontiguousarray(take(given_weights, self.rows))
        )
        if self.weights is not None and not (self.weights > 0).all():
            row = int(np.argmin(self.weights > 0))
            raise DataError(
                f"weights must be positive, that of row {self._row(row)} is {self.weights[row]:g};"
                " leave such rows out"
            )
        total = None if given_offset is None else take(given_offset, self.rows)
        for part in formula.offsets:
            value = evaluate(part, {v: self.column(v) for v in variables(part)})
            value = np.broadcast_to(value, (n,))
            total = value if total is None else total + value
        if total is not None and not np.isfinite(total).all():
            row = self._row(int(np.argmin(np.isfinite(total))))
            raise DataError(f"the offset is not finite in row {row}")
        self.offset = total

    def _row(self, used: int) -> int:
        return used if self.rows is None else int(self.rows[used])

    def _complete(self, na: str, *vectors: Any) -> Rows:
        incomplete = None
        counts: dict[str, int] = {}
        for name in self.needed:
            mask = self.frame.missing(name)
            if mask is not None:
                counts[name] = int(mask.sum())
                incomplete = mask if incomplete is None else incomplete | mask
        names = ("weights", "offset", "response of the refit")
        for vector, name in zip(vectors, names, strict=True):
            if vector is not None and np.isnan(vector).any():
                counts[name] = int(np.isnan(vector).sum())
                mask = np.isnan(vector)
                incomplete = mask if incomplete is None else incomplete | mask
        texts = written_texts(self.formula)
        for text in texts:
            check_listed(text, self.frame)
        left_out = unlisted(texts, self.frame)
        for mask in left_out.values():
            incomplete = mask if incomplete is None else incomplete | mask
        if incomplete is None:
            return None
        if na == "error":
            where = ", ".join(f"{name!r} ({count})" for name, count in counts.items())
            others = ", ".join(f"`{call}` ({mask.sum()})" for call, mask in left_out.items())
            found = f"missing values in {where}" if counts else ""
            found += "; " if counts and left_out else ""
            found += f"rows of levels not listed in {others}" if left_out else ""
            raise DataError(f"{found}; drop those rows, or use na_action='drop'")
        rows = np.flatnonzero(~incomplete)
        if len(rows) == 0:
            if not counts:
                raise DataError(f"no row has a level that is listed in {' and '.join(left_out)}")
            worst = max(counts, key=counts.__getitem__)
            raise DataError(
                f"no row is complete: column {worst!r} alone is missing in {counts[worst]} of"
                f" {self.frame.length} rows"
            )
        return rows

    def column(self, name: str) -> NDArray[np.float64]:
        """A numeric column's rows in use; infinite values are refused."""
        if name not in self.numeric:
            values = np.ascontiguousarray(take(self.frame.numeric(name), self.rows))
            if not np.isfinite(np.add.reduce(values)) and not np.isfinite(values).all():
                row = self._row(int(np.argmin(np.isfinite(values))))
                raise DataError(f"column {name!r} is infinite in row {row}; replace or drop it")
            self.numeric[name] = values
        return self.numeric[name]

    def response(self) -> NDArray[np.float64]:
        formula = self.formula
        if self.replaced is not None:
            y = take(self.replaced, self.rows)
            return np.ascontiguousarray(y if self.offset is None else y - self.offset)
        for name in variables(formula.response):
            if not self.frame.is_numeric(name):
                raise DataError(
                    f"the response {name!r} does not hold numbers; a linear mixed model needs a"
                    " numeric response"
                )
        y = evaluate(formula.response, {v: self.column(v) for v in variables(formula.response)})
        if y.ndim == 0:
            raise DataError(f"the response `{formula.response_name}` is a constant; name a column")
        if not np.isfinite(np.add.reduce(y)) and not np.isfinite(y).all():
            row = int(np.argmin(np.isfinite(y)))
            raise DataError(
                f"the response `{formula.response_name}` is not finite in row {self._row(row)};"
                " check the values that it is made of"
            )
        return np.ascontiguousarray(y if self.offset is None else y - self.offset)

    def columns(
        self, text: str, used: Sequence[str], contrasts: Mapping[str, str]
    ) -> tuple[Encoder, list[Column]]:
        """The columns of a written-out right side, and how new ones are made like them."""
        levels: dict[str, tuple[Any, ...]] = {}
        codes: dict[str, NDArray[np.int64]] = {}
        numeric: dict[str, NDArray[np.float64]] = {}
        for name in used:
            if self.frame.is_numeric(name) or name in transformed(text):
                numeric[name] = self.column(name)
                if name not in factor_calls(text):
                    continue
            coded = self._coded(name)
            if len(coded.levels) < 2:
                only = f"only {str(coded.levels[0])!r}" if coded.levels else "none"
                raise DesignError(
                    f"factor {name!r} has fewer than two levels in the rows used ({only}); take it"
                    " out of the formula"
                )
            check_texts_distinct(coded.levels, name, "the names of coefficients")
            levels[name], codes[name] = coded.levels, coded.codes
        check_columns(text, levels, self.n)
        return Encoder.fit(text, numeric, codes, levels, contrasts, self.n)

    def factors_used(self) -> list[str]:
        """Predictors that are factors somewhere."""
        called = {v for text in written_texts(self.formula) for v in factor_calls(text)}
        known = [v for v in self.predictors if v in self.frame]
        return [v for v in known if v in called or not self.frame.is_numeric(v)]

    def _coded(self, name: str) -> Coded:
        coded = self.frame.coded(name)
        if self.rows is None:
            return coded
        codes = coded.codes[self.rows]
        used = np.unique(codes)
        if len(used) == len(coded.levels):
            return Coded(codes, coded.levels)
        place = np.zeros(len(coded.levels), dtype=np.int64)
        place[used] = np.arange(len(used))
        return Coded(place[codes], tuple(coded.levels[i] for i in used))

    def _levels(self, source: RandomTerm) -> dict[str, int]:
        """Levels of the factors before the bar."""
        called = factor_calls(source.lhs)
        factors = [v for v in source.variables if v in called or not self.frame.is_numeric(v)]
        return {name: len(self._coded(name).levels) for name in factors}

    def factors(self, encode_part: Any) -> tuple[Factor, ...]:
        grouped: dict[tuple[str, ...], list[RandomTerm]] = {}
        for term in self.formula.random:
            grouped.setdefault(term.group, []).append(term)
        out = []
        for group, sources in grouped.items():
            coded = group_labels(self.frame, group, self.rows)
            terms: list[Term] = []
            columns: list[Column] = []
            blocks: list[Block] = []
            for source in sources:
                check_parameters(source, random_columns(source, self._levels(source)))
                encoder, own = encode_part(source.lhs, source.variables)
                own_blocks = term_blocks(source, len(own))
                terms.append(Term(source, encoder, encoder.names, len(columns), own_blocks))
                columns.extend(own)
                blocks.extend(own_blocks)
            out.append(
                Factor(
                    name=":".join(group),
                    variables=group,
                    codes=np.ascontiguousarray(coded.codes, dtype=np.uint32),
                    levels=coded.levels,
                    terms=tuple(terms),
                    columns=tuple(columns),
                    blocks=tuple(blocks),
                )
            )
        return tuple(out)


def check_factors(factors: Sequence[Factor], n: int) -> None:
    """lme4's checks of grouping factors, for n rows."""
    for factor in factors:
        for term in factor.terms:
            check_levels(term.source, factor.name, len(factor.levels), len(term.names), n)


def check_levels(source: RandomTerm, name: str, levels: int, k: int, n: int) -> None:
    """Enough levels for a variance, and fewer effects than rows."""
    if levels < 2:
        raise DesignError(
            f"grouping factor {name!r} of {source.text} has {levels} level in the rows used; a"
            " random effect needs at least two"
        )
    if levels >= n:
        raise DesignError(
            f"grouping factor {name!r} of {source.text} has as many levels as rows ({n}), so its"
            " variance cannot be told from the residual's; drop the term"
        )
    if levels * k >= n:
        raise DesignError(
            f"{source.text} has {levels * k} random effects ({k} a level of {name!r}) for {n} rows;"
            " use fewer columns in the bar"
        )


def _vector(value: Any, frame: Frame, what: str) -> NDArray[np.float64] | None:
    if value is None:
        return None
    if isinstance(value, str):
        if not frame.is_numeric(value):
            raise DataError(f"{what} column {value!r} does not hold numbers")
        array = frame.numeric(value)
    else:
        if is_pandas(value, "Series") and frame.index is not None:
            value = in_order(value, frame.index, what, "the data")
        array = doubles_of(value, what, " or the name of a column")
    if array.shape != (frame.length,):
        raise DataError(f"{what} must have one value per row: {frame.length}, not {array.shape}")
    if np.isinf(array).any():
        raise DataError(f"{what} are infinite in row {int(np.argmax(np.isinf(array)))}")
    return array
