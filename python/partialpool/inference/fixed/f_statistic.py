"""What every F test says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FTest:
    """An F test, as a method of inference/ computes it.

    Attributes
    ----------
    statistic
        F, before scaling.
    scaling
        Kenward-Roger's factor on F; 1 for other methods.
    ndf, ddf
        Degrees of freedom; `ddf` is infinite for an asymptotic test.
    p_value
    """

    statistic: float
    ndf: int
    ddf: float
    p_value: float
    scaling: float = 1.0
