"""How long a fit takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

#: A first fit that took longer (seconds) is not repeated for its timing.
REPEAT_LIMIT = 1.0


def timing(first: float, run: Callable[[], Any]) -> str:
    """How long a fit takes. The first one also loads libraries, so short ones are repeated."""
    if first > REPEAT_LIMIT:
        return f"fitted in {duration(first)}, from table to fit"
    seconds: list[float] = []
    while len(seconds) < 20 and sum(seconds) < 0.1:
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    times = "one repeat" if len(seconds) == 1 else f"median of {len(seconds)} repeats"
    return (
        f"fitted in {duration(statistics.median(seconds))}, from table to fit ({times};"
        f" the first took {duration(first)}, libraries to load included)"
    )


def duration(seconds: float) -> str:
    """Two or three digits, with their unit."""
    milliseconds = 1000 * seconds
    if milliseconds >= 1000:
        return f"{seconds:.2f} s"
    return f"{milliseconds:.{0 if milliseconds >= 10 else 1}f} ms"
