"""`import partialpool` in a fresh interpreter, and the first fit of a session."""

from __future__ import annotations

import statistics
import subprocess
import sys

from timing import Options, Row, command_line

IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
FIRST_FIT = """
import pandas, partialpool as pp, time
data = pp.load_dataset("sleepstudy")
t = time.perf_counter()
pp.lmer("Reaction ~ Days + (Days | Subject)", data)
print(time.perf_counter() - t)
"""
PEERS = {"glmm": "glmm", "mixedlm": "mixedlm", "statsmodels": "statsmodels.formula.api"}


def seconds(code: str, repeats: int) -> float:
    """Median of what fresh interpreters print; the first run, which fills the cache, is left out.

    Raises
    ------
    subprocess.CalledProcessError
        If the code fails, for instance where a package is absent.
    """
    times = [
        float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
        for _ in range(repeats + 1)
    ]
    return statistics.median(times[1:])


def measure(options: Options) -> list[Row]:
    """Import of ours and of each peer; our first fit after it."""
    repeats = 3 if options.quick else 15

    def row(name: str, package: str, code: str, target: float | None) -> Row:
        try:
            return Row(name, package, seconds(code, repeats), target=target, repeats=repeats)
        except subprocess.CalledProcessError as error:
            last = error.stderr.decode().strip().splitlines()[-1]
            return Row(name, package, None, note=last)

    rows = [row("import", "partialpool", IMPORT.format("partialpool"), 0.15)]
    if options.peers:
        rows += [row("import", name, IMPORT.format(code), None) for name, code in PEERS.items()]
    return [*rows, row("first fit of a session (sleepstudy)", "partialpool", FIRST_FIT, None)]


if __name__ == "__main__":
    command_line(__doc__, measure)
