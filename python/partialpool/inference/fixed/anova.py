"""F tables of the terms of a fixed part: lmerTest's ``anova`` and ``drop1`` of one fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool.arguments import Ddf
from partialpool.errors import ArgumentError
from partialpool.inference.fixed.deletions import deletions, empty_cells
from partialpool.inference.fixed.hypotheses import Hypotheses, hypotheses
from partialpool.inference.fixed.wald import METHODS, check_ddf, f_test
from partialpool.inference.results import AnovaTable, FTest

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

ROMAN = {1: "I", 2: "II", 3: "III"}
TYPES = {1: 1, 2: 2, 3: 3, "1": 1, "2": 2, "3": 3, "I": 1, "II": 2, "III": 3}


def anova(fit: MixedFit, type_: Any = 3, ddf: Ddf = "satterthwaite") -> AnovaTable:
    """Tests of the terms of the fixed part.

    Parameters
    ----------
    type_
        1: each term after those before it; 2: after all but those that contain it; 3: averages
        over the cells of a balanced design, the same under every coding of the factors.
    ddf
        "satterthwaite", "kenward-roger" (REML fits) or "asymptotic" (infinite denominator df).

    References
    ----------
    Kuznetsova, Brockhoff & Christensen (2017), J. Stat. Software 82(13).
    """
    chosen = TYPES.get(type_) if isinstance(type_, int | str) else None
    if chosen is None or isinstance(type_, bool):
        raise ArgumentError(f"type must be 1, 2 or 3, not {type_!r}")
    ddf = check_ddf(fit, ddf)
    method = METHODS[ddf]
    heading = f"Type {ROMAN[chosen]} Analysis of Variance Table with {method}"
    tested = hypotheses(fit, chosen)
    notes: tuple[str, ...] = ()
    if chosen == 3 and (empty := empty_cells(fit)):
        notes = (
            f"Missing cells for: {', '.join(empty)}. Interpret type III hypotheses with care.",
        )
    return _table(fit, heading, tested, ddf, notes=notes)


def drop1(fit: MixedFit, ddf: Ddf = "satterthwaite") -> AnovaTable:
    """Tests of each term that is part of no other, as if it were dropped from the model."""
    ddf = check_ddf(fit, ddf)
    method = METHODS[ddf]
    chosen = deletions(fit)
    heading = f"Single term deletions using {method}:"
    return _table(fit, heading, chosen, ddf, model=fit.formula)


def _table(
    fit: MixedFit,
    heading: str,
    tested: Hypotheses,
    ddf: Ddf,
    *,
    model: str | None = None,
    notes: tuple[str, ...] = (),
) -> AnovaTable:
    return AnovaTable(
        method=heading,
        terms=tuple(tested),
        tests=tuple(_test(fit, rows, ddf) for rows in tested.values()),
        sigma2=fit.sigma**2,
        contrasts=tested,
        model=model,
        notes=notes,
    )


def _test(fit: MixedFit, rows: Any, ddf: Ddf) -> FTest:
    if len(rows) == 0:  # nothing of the term is not in the others, too
        return FTest(np.nan, 0, np.nan, np.nan)
    return f_test(fit, rows, ddf)
