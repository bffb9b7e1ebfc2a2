"""Random streams of one seed that do not depend on each other."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What is drawn."""

    RESIDUALS = 1
    NEW_LEVELS = 2
    REPLICATES = 3


def stream(seed: int, of: Stream) -> np.random.Generator:
    """The generator of one kind of draws."""
    return np.random.default_rng([seed, int(of)])
