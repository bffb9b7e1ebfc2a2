"""Linear hypotheses about the fixed effects, given as numbers, names, or text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import Ddf
from partialpool.design.alignment import is_pandas
from partialpool.errors import ArgumentError
from partialpool.inference.fixed.coefficient_names import NUMBER, CoefficientNames, NameFound
from partialpool.inference.fixed.hypotheses import fixed_terms
from partialpool.inference.fixed.independence import independent_rows
from partialpool.inference.fixed.tested_contrasts import ContrastTest
from partialpool.inference.fixed.wald import METHODS, check_ddf, f_test, t_rows

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

Array = NDArray[np.float64]

CONSISTENT = 1e-8
#: Characters of a hypothesis that are read.
MAX_LENGTH = 10_000


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """L β = c: texts (k), L (k, p), c (k,)."""

    texts: tuple[str, ...]
    rows: Array
    rhs: Array


def linear_test(
    fit: MixedFit, hypothesis: Any, ddf: Ddf = "satterthwaite", rhs: Any = None
) -> ContrastTest:
    """Test a linear hypothesis about the fixed effects.

    Parameters
    ----------
    hypothesis
        Text, ``"x1 = 0, x2 - x3 = 0"``; the name of a coefficient or a term, or several; a contrast
        of p numbers or k of them, shape (k, p); or {coefficient: weight}.
    ddf
        "satterthwaite", "kenward-roger" or "asymptotic".
    rhs
        c in L β = c, a number or k of them; 0 if not given. Text says it by itself.
    """
    ddf = check_ddf(fit, ddf)
    method = METHODS[ddf]
    asked = read_hypothesis(fit, hypothesis, rhs)
    joint = f_test(fit, asked.rows, ddf, asked.rhs)
    return ContrastTest(
        method=f"Tests of linear hypotheses with {method}",
        statistic=joint.statistic * joint.scaling,
        ndf=joint.ndf,
        ddf=joint.ddf,
        p_value=joint.p_value,
        f_scaling=joint.scaling,
        hypotheses=asked.texts,
        contrasts=asked.rows,
        rhs=asked.rhs,
        rows=t_rows(fit, asked.rows, asked.rhs, ddf),
    )


def read_hypothesis(fit: MixedFit, hypothesis: Any, rhs: Any = None) -> Hypothesis:
    """L and c from whatever the user gave; consistent, finite, and no row of zeros."""
    names = fit.fixed_names
    if not names:
        raise ArgumentError(f"`{fit.formula}` has no fixed effects, so there is nothing to test")
    if isinstance(hypothesis, str):
        asked = _from_texts(fit, [hypothesis])
    elif isinstance(hypothesis, Mapping):
        row = np.zeros(len(names))
        for name, weight in hypothesis.items():
            try:
                row[_index(names, str(name))] += float(weight)
            except (TypeError, ValueError):
                raise ArgumentError(
                    f"the weight of {name!r} must be a number, not {weight!r}"
                ) from None
        asked = _from_numbers(names, row)
    elif _all_text(hypothesis):
        asked = _from_texts(fit, list(hypothesis))
    else:
        asked = _from_numbers(names, hypothesis)
    if rhs is not None:
        if np.any(asked.rhs != 0.0):
            raise ArgumentError("the hypothesis has right sides already; leave rhs out")
        right = _right_sides(rhs, len(asked.rows))
        pairs = zip(asked.rows, right.tolist(), strict=True)
        asked = Hypothesis(tuple(_written(names, row, c) for row, c in pairs), asked.rows, right)
    for text, row in zip(asked.texts, asked.rows, strict=True):
        if not row.any():
            raise ArgumentError(f"the hypothesis `{text}` does not involve any coefficient")
    _check_consistent(asked)
    return asked


def _all_text(value: Any) -> bool:
    return isinstance(value, Sequence) and len(value) > 0 and all(isinstance(v, str) for v in value)


def _right_sides(rhs: Any, k: int) -> Array:
    try:
        values = np.asarray(rhs, dtype=float)
    except (TypeError, ValueError):
        raise ArgumentError("rhs must be a number, or one per row of the contrasts") from None
    if values.ndim > 1 or (values.ndim == 1 and len(values) != k):
        raise ArgumentError(f"rhs has shape {values.shape}, but there are {k} contrasts")
    if not np.isfinite(values).all():
        raise ArgumentError("rhs must be finite")
    return np.broadcast_to(values, (k,)).copy()


def _from_numbers(names: tuple[str, ...], value: Any) -> Hypothesis:
    try:
        if value is None or np.ndim(value) not in {1, 2}:
            raise TypeError
        value = _in_order_of(names, value)
        rows = np.atleast_2d(np.asarray(value, dtype=float))
    except (TypeError, ValueError):
        raise ArgumentError(
            "a hypothesis is text, names of coefficients or terms, or a row or rows of"
            f" contrasts of numbers, not {describe(value)}"
        ) from None
    if rows.ndim != 2 or rows.shape[1] != len(names) or len(rows) == 0:
        listed = ", ".join(names)
        raise ArgumentError(
            f"the contrast has {rows.shape[-1]} numbers per row, but there are {len(names)} fixed"
            f" effects: {listed}"
        )
    if not np.isfinite(rows).all():
        raise ArgumentError("the contrast has values that are not finite")
    texts = tuple(_written(names, row) for row in rows)
    return Hypothesis(texts, rows, np.zeros(len(rows)))


def _in_order_of(names: tuple[str, ...], value: Any) -> Any:
    """A pandas contrast labelled by the coefficients, in their order."""
    if not is_pandas(value, "Series", "DataFrame"):
        return value
    given = list(value.index if value.ndim == 1 else value.columns)
    if given == list(names) or not any(isinstance(label, str) for label in given):
        return value
    if sorted(map(str, given)) != sorted(names):
        raise ArgumentError(
            f"the contrast's labels are not the fixed effects: {', '.join(names)}; label it by"
            " them, or pass an array"
        )
    return value[list(names)]


def describe(value: Any) -> str:
    """What came in the place of something else."""
    kind = type(value).__name__
    return f"{kind} of shape {value.shape}" if isinstance(value, np.ndarray) else kind


def _written(names: tuple[str, ...], row: Array, rhs: float = 0.0) -> str:
    """An equation as text."""
    out = ""
    for name, weight in zip(names, row, strict=True):
        if weight:
            sign = "-" if weight < 0 else "+"
            factor = "" if abs(weight) == 1 else f"{abs(weight):.4g} * "
            out += f" {sign} {factor}{name}" if out else f"{sign.strip('+')}{factor}{name}"
    return f"{out or '0'} = {rhs:.7g}"


def _index(names: tuple[str, ...], name: str) -> int:
    index = CoefficientNames(names).index(name)
    if index is None:
        raise ArgumentError(f"there is no fixed effect {name!r}; there are {', '.join(names)}")
    return index


def without_inner_backticks(text: str) -> str:
    """Names inside calls as coefficients show them: poly(a b, 2) for poly(`a b`, 2)."""
    out, calls, quoted = "", [], False
    for i, mark in enumerate(text):
        if mark == "`":
            quoted = not quoted
            out += "" if any(calls) else mark
            continue
        if not quoted and mark == "(":
            calls.append(i > 0 and (text[i - 1].isalnum() or text[i - 1] == "_"))
        elif not quoted and mark == ")" and calls:
            calls.pop()
        out += mark
    return out


def _from_texts(fit: MixedFit, texts: list[str]) -> Hypothesis:
    names = fit.fixed_names
    terms = fixed_terms(fit)
    out: list[tuple[str, Array, float]] = []
    known, known_terms = CoefficientNames(names), CoefficientNames(terms.names)
    pieces = []
    for text in texts:
        text = without_inner_backticks(text)
        if len(text) > MAX_LENGTH:
            raise ArgumentError(
                f"a hypothesis has {len(text):,} characters, more than the {MAX_LENGTH:,} that are"
                " read; shorten it, or give contrasts as numbers"
            )
        parts = text.split(",")
        listed = len(parts) > 1 and all(
            known.index(part) is not None or known_terms.index(part) is not None for part in parts
        )
        pieces += parts if listed else [text]
    for text in pieces:
        term = known_terms.index(text) if known.index(text) is None else None
        if term is None:
            out += _Reader(text, known).equations()
            continue
        for i in terms.columns[term]:
            out.append((f"{names[i]} = 0", np.eye(len(names))[i], 0.0))
    if not out:
        raise ArgumentError("the hypothesis is empty; write one such as 'x1 = 0, x2 - x3 = 0'")
    return Hypothesis(
        tuple(t for t, _, _ in out),
        np.array([row for _, row, _ in out]),
        np.array([c for _, _, c in out]),
    )


class _Reader:
    """Equations in the names of the coefficients, which may hold any characters."""

    def __init__(self, text: str, known: CoefficientNames) -> None:
        self.text, self.names, self.at = text, known.names, 0
        self.known = known

    def equations(self) -> list[tuple[str, Array, float]]:
        out = []
        while True:
            start = self.at
            row, constant = self._side()
            if self._take("="):
                self._take("=")
                right, other = self._side()
                row, constant = row - right, constant - other
                text = " ".join(self.text[start : self.at].split())
            else:
                text = f"{' '.join(self.text[start : self.at].split())} = 0"
            out.append((text, row, 0.0 - constant))
            if not self._take(","):
                break
        self._skip()
        if self.at < len(self.text):
            self._fail()
        return out

    def _side(self) -> tuple[Array, float]:
        row, constant = np.zeros(len(self.names)), 0.0
        sign = -1.0 if self._take("-") else 1.0
        if sign > 0:
            self._take("+")
        while True:
            weight, index = self._product()
            if index is None:
                constant += sign * weight
            else:
                row[index] += sign * weight
            if self._take("+"):
                sign = 1.0
            elif self._take("-"):
                sign = -1.0
            else:
                return row, constant

    def _product(self) -> tuple[float, int | None]:
        weight, index, inverse = 1.0, None, False
        while True:
            value = self._number()
            if value is not None:
                if inverse and value == 0.0:
                    raise ArgumentError(f"division by zero in the hypothesis `{self.text}`")
                weight = weight / value if inverse else weight * value
            elif index is None and not inverse:
                index = self._name()
            else:
                self._fail()
            if self._take("*"):
                inverse = False
            elif self._take("/"):
                inverse = True
            else:
                return weight, index

    def _skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def _take(self, mark: str) -> bool:
        self._skip()
        if self.text.startswith(mark, self.at):
            self.at += len(mark)
            return True
        return False

    def _number(self) -> float | None:
        self._skip()
        found = NUMBER.match(self.text, self.at)
        if found is None or self._starts_name() is not None:
            return None
        self.at = found.end()
        return float(found.group())

    def _name(self) -> int:
        self._skip()
        found = self._starts_name()
        if found is None:
            self._fail()
        name = self.names[found.place]
        if not found.quoted and _is_arithmetic(name, self.names):
            raise ArgumentError(
                f"{name!r} in the hypothesis `{self.text}` is a coefficient and can be read as"
                f" arithmetic; write `{name}` in backticks for the coefficient"
            )
        self.at = found.end
        return found.place

    def _starts_name(self) -> NameFound | None:
        return self.known.at(self.text, self.at, lambda name: _is_arithmetic(name, self.names))

    def _fail(self) -> NoReturn:
        rest = self.text[self.at :].strip()
        where = f"at {rest.split(',')[0]!r}" if rest else "at its end"
        raise ArgumentError(
            f"the hypothesis `{self.text}` cannot be read {where}; write equations in the fixed"
            f" effects {', '.join(self.names)}"
        )


def _is_arithmetic(name: str, names: tuple[str, ...]) -> bool:
    """Whether a coefficient's name, as `a - b`, can be read as numbers and other coefficients."""
    if name.isidentifier():
        return False
    try:
        _Reader(name, CoefficientNames([n for n in names if n != name])).equations()
    except ArgumentError:
        return False
    return True


def _check_consistent(asked: Hypothesis) -> None:
    """Refuse equations that contradict each other."""
    sizes = np.abs(asked.rows).max(axis=1)
    rows, rhs = asked.rows / sizes[:, None], asked.rhs / sizes
    kept = independent_rows(rows)
    rest = [i for i in range(len(asked.rows)) if i not in kept]
    if not rest:
        return
    weights = np.linalg.lstsq(rows[kept].T, rows[rest].T, rcond=None)[0]
    # Relative to the terms of the sums: nothing else says how large a right side is.
    implied, scale = rhs[kept] @ weights, np.abs(rhs[kept]) @ np.abs(weights)
    for i, value, size in zip(rest, implied, scale, strict=True):
        if abs(value - rhs[i]) > CONSISTENT * max(size, abs(rhs[i])):
            raise ArgumentError(f"the hypothesis `{asked.texts[i]}` contradicts the ones before it")
