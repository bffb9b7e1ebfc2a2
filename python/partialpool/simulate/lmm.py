"""`simulate_lmm`: data from a formula, a frame, coefficients and covariances."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import Coding
from partialpool.cached import cached_property
from partialpool.design import Design, build_design
from partialpool.design.frame import to_native, with_columns
from partialpool.design.reading import predictor_columns
from partialpool.errors import ArgumentError, DataError, FormulaError
from partialpool.formula import Formula, Name, parse_formula
from partialpool.models.simulation import Law, generator
from partialpool.simulate.parameters import read_beta, read_roots, read_sigma

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csc_array

Vector = NDArray[np.float64]

#: Columns beside the response: Xβ (and the offset), Zb, ε.
STEPS = ("fixed", "random", "residual")


@dataclass(frozen=True, eq=False)
class Simulated:
    """Data simulated from a linear mixed model, with what they were made of.

    Attributes
    ----------
    frame
        The rows with columns ``fixed`` = Xβ (+ offset), ``random`` = Zb, ``residual`` = ε and the
        response, their sum.
    beta
        Fixed effects by name, (p,).
    effects
        Random effects by grouping factor: frames of levels x columns.
    """

    frame: Any
    beta: pd.Series
    effects: Mapping[str, Any]
    _design: Design
    _drawn: tuple[Vector, ...]

    @cached_property
    def x(self) -> pd.DataFrame:
        """X, (n, p)."""
        import pandas as pd

        design = self._design
        columns = [np.broadcast_to(np.asarray(c, float), (design.n,)) for c in design.x]
        names = list(design.fixed.names)
        if not columns:
            return pd.DataFrame(index=range(design.n))
        return pd.DataFrame(np.column_stack(columns), columns=names)

    @cached_property
    def z(self) -> csc_array:
        """Z, (n, q), sparse: the columns of the first factor's first level, of its second, ….

        With an intercept and a slope they are interleaved.
        """
        from scipy.sparse import csc_array

        design = self._design
        rows, places, values = [], [], []
        start = 0
        for factor in design.factors:
            assert factor.codes is not None  # simulated designs have their rows
            k = len(factor.names)
            for j, column in enumerate(factor.columns):
                rows.append(np.arange(design.n))
                places.append(start + factor.codes.astype(np.int64) * k + j)
                values.append(np.broadcast_to(np.asarray(column, float), (design.n,)))
            start += k * len(factor.levels)
        parts = [np.concatenate(v) if v else np.zeros(0) for v in (values, rows, places)]
        return csc_array((parts[0], (parts[1], parts[2])), shape=(design.n, start))

    @cached_property
    def b(self) -> Vector:
        """b, (q,), in the order of the columns of Z."""
        return np.concatenate([v.ravel() for v in self._drawn]) if self._drawn else np.zeros(0)

    @property
    def z_names(self) -> tuple[tuple[str, Hashable, str], ...]:
        """Factor, level and column of each of the q columns of Z."""
        return tuple(
            (factor.name, level, name)
            for factor in self._design.factors
            for level in factor.levels
            for name in factor.names
        )

    def __repr__(self) -> str:
        n, q = self._design.n, len(self.b)
        return f"<Simulated: {self._design.formula.text}; {n} rows, {q} random effects>"


def simulate_lmm(
    formula: str,
    frame: Any,
    beta: Any,
    sd: Any = None,
    cor: Any = None,
    sigma: float = 1.0,
    seed: Any = None,
    *,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Coding] | None = None,
    parts: bool = False,
) -> Any:
    """Simulate a response: y = Xβ + Zb + ε, b ~ N(0, Σ), ε ~ N(0, σ²).

    Parameters
    ----------
    formula
        lme4's language, as in `lmer`. The response, a plain name, need not be in `frame`.
    frame
        Predictors and grouping factors, one row per observation (`make_design` makes such frames).
    beta
        Fixed effects, in the order of the columns of X or by name.
    sd
        Standard deviations of the random effects by grouping factor, ``{"group": [3, 2]}``: in
        the order of the terms' columns, or by their names. One factor needs no dict.
    cor
        Correlations by grouping factor: the free ones in lme4's order (the lower triangle column
        by column), or a matrix. Default none.
    sigma
        Residual standard deviation.
    seed
        Whole number from 0 to 2**64 - 1; or a Generator, BitGenerator or SeedSequence of NumPy.
    weights, offset, contrasts
        As in `lmer`: the residual variance of row i is σ²/wᵢ.
    parts
        Return the matrices and the effects too.

    Returns
    -------
    frame or Simulated
        The frame, of the kind that came in, with columns ``fixed`` (Xβ and the offset),
        ``random`` (Zb), ``residual`` (ε) and the response, exactly ``fixed + random + residual``.
        Columns of these names that were there before are replaced. With ``parts=True`` a
        `Simulated`, which holds that frame.

    Raises
    ------
    ArgumentError
        For parameters that do not fit the design, negative standard deviations, or correlations
        that are not positive definite.
    DataError
        For missing values in a variable of the model.
    """
    parsed = parse_formula(formula)
    design = response_free_design(parsed, frame, weights, offset, contrasts)
    reserved = [c for c in (*STEPS, parsed.response_name) if c in predictor_columns(parsed)]
    if reserved:
        raise ArgumentError(
            f"`{formula}` uses a column {reserved[0]!r}, a name that the result needs; rename it"
        )
    values = read_beta(design, beta)
    law = Law.of(design, values, read_roots(design, sd, cor), read_sigma(sigma))
    rng = generator(seed)
    effects = law.effects(rng)
    random, residual = law.random(effects), law.residual(rng)
    steps = dict(zip(STEPS, (law.fixed(), random, residual), strict=True))
    response = response_column(parsed)
    out = with_columns(frame, {**steps, response: steps[STEPS[0]] + random + residual})
    if not parts:
        return out
    import pandas as pd

    frames = {
        factor.name: to_native(
            dict(zip(factor.names, b.T, strict=True)), design.kind, (factor.name, factor.levels)
        )
        for factor, b in zip(design.factors, effects, strict=True)
    }
    labelled = pd.Series(values, index=list(design.fixed.names), name="beta")
    return Simulated(out, labelled, frames, design, tuple(effects))


def response_column(formula: Formula) -> str:
    """Name of the response; transforms are refused, they would have to be undone."""
    if not isinstance(formula.response, Name):
        raise FormulaError(
            f"the response `{formula.response_name}` is not a plain column; simulate that column"
            " under a name of its own and transform it afterwards"
        )
    return formula.response.name


def response_free_design(
    formula: Formula,
    frame: Any,
    weights: Any,
    offset: Any,
    contrasts: Any,
    check: bool = False,
) -> Design:
    """The design of a frame whose response is not read; every row must be complete.

    `check`: refuse grouping factors that cannot be fitted.
    """
    response_column(formula)
    design = build_design(
        formula,
        frame,
        weights=weights,
        offset=offset,
        contrasts=contrasts,
        check=check,
        with_response=False,
    )
    if design.dropped:
        raise DataError(
            f"{design.dropped} rows of the design have missing values in a variable of"
            f" `{formula.text}`; fill or drop them"
        )
    return design
