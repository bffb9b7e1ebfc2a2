"""What the data of a fit are, and what of them was not used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design.columns import take
from partialpool.design.frame import Frame
from partialpool.design.listed import unlisted
from partialpool.design.reading import fixed_variables, written_texts
from partialpool.models.random_effects import by_group
from partialpool.report.wording import count, listed, number
from partialpool.tables.rformat import CellTable

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

Array = NDArray[Any]

NUMERIC_HEADER = ("Role", "Mean", "SD", "Min", "Median", "Max")
FACTOR_HEADER = ("Role", "Levels", "Rows per level", "Names")
#: Of weights and offsets that are not a column of the data.
DEFAULT_NAMES = {"weights": "prior weights", "offset": "offset"}
#: Levels that are named.
NAMED = 5


@dataclass(frozen=True, slots=True)
class DataSummary:
    """Tables of the columns used, None where there are none of a kind, and sentences.

    Attributes
    ----------
    rows
        How many rows were used, and of how many.
    numeric, factors
        The response and the numeric predictors; factors of both parts of the formula.
    dropped
        A sentence for each thing that was not used, or one that everything was.
    """

    rows: str
    numeric: CellTable | None
    factors: CellTable | None
    dropped: tuple[str, ...]


def summarise_data(fit: MixedFit) -> DataSummary:
    """Describe the rows of a fit; of a fit without its rows, their number only."""
    design = fit.design
    numeric: list[tuple[str, ...]] = []
    factors: list[tuple[str, ...]] = []
    if design.y is not None:
        offset = 0.0 if design.offset is None else design.offset
        response = design.y + offset
        numeric.append((design.formula.response_name, "response", *_figures(response)))
        for what, values in (("weights", design.weights), ("offset", design.offset)):
            if values is not None:
                column = design.given.get(what)
                name = column if isinstance(column, str) else DEFAULT_NAMES[what]
                numeric.append((name, what, *_figures(values)))
    if design.y is not None and design.source is not None:
        frame = Frame(design.source)
        for name, values, levels in _predictors(fit, frame):
            if levels is None:
                numeric.append((name, "predictor", *_figures(values)))
            else:
                factors.append((name, "predictor", *_levels(values, levels)))
    for index in by_group(fit).values():
        factor = design.factors[index]
        if factor.codes is not None:
            factors.append((factor.name, "group", *_levels(factor.codes, factor.levels)))
        else:
            names = listed([str(v) for v in factor.levels], NAMED)
            factors.append((factor.name, "group", f"{len(factor.levels):,}", "–", names))
    return DataSummary(
        _rows(fit),
        _table(NUMERIC_HEADER, numeric),
        _table(FACTOR_HEADER, factors),
        tuple(_dropped(fit)),
    )


def _rows(fit: MixedFit) -> str:
    total = fit.nobs + fit.dropped_rows
    if not fit.dropped_rows:
        return f"{count(fit.nobs, 'row')}, all of them used."
    return f"{fit.nobs:,} of {count(total, 'row')} used."


def _predictors(fit: MixedFit, frame: Frame) -> Iterator[tuple[str, Array, tuple[Any, ...] | None]]:
    """Name, values or codes, and levels of each predictor."""
    design = fit.design
    grouping = {f.variables for f in design.factors}
    leveled = {name for e in design.encoders for name in e.levels}
    names = dict.fromkeys(
        [*fixed_variables(design.formula), *(v for t in design.formula.random for v in t.variables)]
    )
    for name in names:
        if (name,) in grouping:
            continue  # described as a group
        if name in leveled:
            coded = frame.coded(name)
            yield name, take(coded.codes, design.rows), coded.levels
        else:
            yield name, take(frame.numeric(name), design.rows), None


def _figures(values: Array) -> tuple[str, ...]:
    finite = np.asarray(values, dtype=float)
    sd = float(finite.std(ddof=1)) if len(finite) > 1 else float("nan")
    five = (finite.mean(), sd, finite.min(), np.median(finite), finite.max())
    return tuple(number(float(v)) for v in five)


def _levels(codes: Array, levels: tuple[Any, ...]) -> tuple[str, ...]:
    counts = np.bincount(codes, minlength=len(levels))
    used = [str(v) for v, n in zip(levels, counts, strict=True) if n]
    counts = counts[counts > 0]
    low, high = int(counts.min()), int(counts.max())
    each = f"{low:,}" if low == high else f"{low:,} to {high:,}, median {np.median(counts):,.10g}"
    return f"{len(used):,}", each, listed(used, NAMED)


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> CellTable | None:
    if not rows:
        return None
    names, *columns = zip(*rows, strict=True)
    return CellTable(names, header, tuple(columns))


def _dropped(fit: MixedFit) -> Iterator[str]:
    design = fit.design
    frame = None if design.source is None or design.y is None else Frame(design.source)
    if fit.dropped_rows:
        where = f": {listed(list(_missing(fit, frame)))}" if frame is not None else ""
        plural = "was" if fit.dropped_rows == 1 else "were"
        yield (
            f"{count(fit.dropped_rows, 'row')} {plural} dropped for a missing value in a variable"
            f" of the model{where}."
        )
    if frame is not None and fit.dropped_rows:
        for factor in design.factors:
            if len(factor.variables) == 1:
                before = {str(v) for v in frame.coded(factor.variables[0]).levels}
                lost = sorted(before - {str(v) for v in factor.levels})
                if lost:
                    yield (
                        f"{count(len(lost), 'level')} of {factor.name} had no complete row:"
                        f" {listed(lost)}."
                    )
    if fit.aliased:
        plural = "is a combination" if len(fit.aliased) == 1 else "are combinations"
        yield (
            f"{count(len(fit.aliased), 'column')} of the fixed part {plural} of earlier ones and"
            f" got no estimate: {listed(fit.aliased)}."
        )
    if not fit.dropped_rows and not fit.aliased:
        yield "Nothing was dropped: no missing values, no redundant columns."


def _missing(fit: MixedFit, frame: Frame) -> Iterator[str]:
    """In which variables values are missing, and how many."""
    design = fit.design
    beside = [design.given.get(k) for k in ("weights", "offset")]
    names = [*design.formula.variables, *(v for v in beside if isinstance(v, str))]
    for name in dict.fromkeys(names):
        mask = frame.missing(name)
        if mask is not None:
            yield f"{name} in {count(int(mask.sum()), 'row')}"
    for what in ("weights", "offset"):
        values = design.given.get(what)
        if values is not None and not isinstance(values, str):
            gone = int(np.isnan(np.asarray(values, dtype=np.float64)).sum())
            if gone:
                yield f"the given {what} in {count(gone, 'row')}"
    for call, mask in unlisted(written_texts(design.formula), frame).items():
        yield f"a level listed in {call} in {count(int(mask.sum()), 'row')}"
