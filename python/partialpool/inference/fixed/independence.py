"""Which rows of a matrix say something that the earlier ones do not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: R's tolerance of `qr` in `lm` and lme4: what is left of a row over the row itself.
TOLERANCE = 1e-7


def independent_rows(rows: NDArray[np.float64]) -> list[int]:
    """Indices of the rows, of a (k, p) array, that are no combination of earlier ones."""
    kept: list[int] = []
    basis = np.zeros((min(rows.shape), rows.shape[1]))
    for i, row in enumerate(rows):
        size = float(np.linalg.norm(row))
        if len(kept) == len(basis) or size == 0.0:
            continue
        rest = row
        for _ in range(2):  # once more, for orthogonality to working precision
            known = basis[: len(kept)]
            rest = rest - known.T @ (known @ rest)
        left = float(np.linalg.norm(rest))
        if left > TOLERANCE * size:
            basis[len(kept)] = rest / left
            kept.append(i)
    return kept
