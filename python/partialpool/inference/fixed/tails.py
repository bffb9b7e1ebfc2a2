"""Upper tails of the F distribution, infinite denominator degrees of freedom included."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def f_tail(f: ArrayLike, ndf: ArrayLike, ddf: ArrayLike) -> NDArray[np.float64]:
    """P(F > f); SciPy's is NaN where the denominator has infinite df, where F is χ² over its df."""
    from scipy.stats import chi2
    from scipy.stats import f as fisher

    f, ndf, ddf = np.asarray(f, float), np.asarray(ndf, float), np.asarray(ddf, float)
    infinite = np.isposinf(ddf)
    finite = fisher.sf(f, ndf, np.where(infinite, 1.0, ddf))
    return np.asarray(np.where(infinite, chi2.sf(f * ndf, ndf), finite), dtype=np.float64)
