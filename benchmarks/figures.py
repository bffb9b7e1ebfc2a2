"""Every figure at 10⁶ rows in 400 groups, and of InstEval: seconds to its PNG, peak memory.

    python benchmarks/figures.py [--quick] [--keep FOLDER] [--json]

Memory is what Python and NumPy allocate above the table and the fit (tracemalloc, a run of its
own). There are no peers.
"""

from __future__ import annotations

import io
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
from partialpool.figures.profile import plot_profile
from timing import Options, Row, options_parser, read_options, table

#: Seconds that a figure may take.
TARGET = 2.0
Figure = tuple[str, Callable[[], Any]]
EVALUATIONS = "y ~ service + (1 | s) + (1 | d) + (1 | dept)"


def simulated(rows: int, groups: int) -> pd.DataFrame:
    """A slope and two factors; the groups differ in intercept and slope."""
    rng = np.random.default_rng(1)
    g = rng.integers(0, groups, rows)
    x = rng.normal(size=rows)
    b = rng.normal(size=(groups, 2)) @ [[2.0, 0.0], [0.5, 1.0]]
    arm = rng.integers(0, 2, rows)
    stage = rng.integers(0, 3, rows)
    y = 3 + 0.5 * x + 0.4 * arm + b[g, 0] + b[g, 1] * x + rng.normal(size=rows)
    return pd.DataFrame(
        {
            "y": y,
            "x": x,
            "arm": pd.Categorical.from_codes(arm, ["control", "treated"]),
            "stage": pd.Categorical.from_codes(stage, ["early", "middle", "late"]),
            "g": g,
        }
    )


def slopes(rows: int, groups: int) -> Iterator[Figure]:
    """Name and maker of each figure; fits are made here, outside the stopwatch."""
    data = simulated(rows, groups)
    slope = pp.lmer("y ~ x + (x | g)", data)
    cells = pp.lmer("y ~ arm * stage + (1 | g)", data)
    profile = slope.profile()
    means = pp.emmeans(cells, ["arm", "stage"])
    plot = slope.plot
    yield from {
        "fits": plot.fits,
        "fits, complete pooling and a second model": lambda: plot.fits(
            complete=True, models={"cells": cells}
        ),
        "lines": plot.lines,
        "shrinkage": plot.shrinkage,
        "shrinkage, one coefficient": lambda: plot.shrinkage(columns="x"),
        "caterpillar": plot.caterpillar,
        "residuals": lambda: plot.residuals(kind="fitted"),
        "scale-location": lambda: plot.residuals(kind="scale-location"),
        "residuals by group": lambda: plot.residuals(kind="group"),
        "residuals, all three": plot.residuals,
        "qq": plot.qq,
        "random_effects_pairs": plot.random_effects_pairs,
        "profile, made before": lambda: plot_profile(profile),
        "profile": plot.profile,
        "profile_pairs": plot.profile_pairs,
        "cells": cells.plot.cells,
        "data, jitter": lambda: pp.plot_data("y ~ 1 | g", data),
        "data, box": lambda: pp.plot_data("y ~ 1 | g", data, kind="box"),
        "data, facets": lambda: pp.plot_data("y ~ x | g", data),
        "data, pooled": lambda: pp.plot_data("y ~ x | g", data, kind="pooled"),
        "means": means.plot,
        "compare": lambda: pp.plot_compare({"slope": slope, "cells": cells}),
    }.items()


def crossed() -> Iterator[Figure]:
    """Figures of students, lecturers and departments: thousands of levels, few rows in each."""
    data = pp.load_dataset("insteval")
    fit = pp.lmer(EVALUATIONS, data)
    plot = fit.plot
    yield from {
        "shrinkage": plot.shrinkage,
        "caterpillar": plot.caterpillar,
        "residuals, all three": plot.residuals,
        "qq": plot.qq,
        "cells": plot.cells,
        "data, jitter": lambda: pp.plot_data("y ~ 1 | s", data),
        "data, box": lambda: pp.plot_data("y ~ 1 | d", data, kind="box"),
        "data, facets": lambda: pp.plot_data("y ~ service | d", data),
        "means": pp.emmeans(fit, "service").plot,
        "compare": lambda: pp.plot_compare({"all": fit}),
    }.items()


def timed(name: str, make: Callable[[], Any], keep: Path | None) -> list[Row]:
    """Seconds of the better of two runs, and peak memory of a third."""
    seconds, processor, picture = [], [], b""
    for _ in range(2):
        begun, worked = time.perf_counter(), time.process_time()
        picture = png(make())
        seconds.append(time.perf_counter() - begun)
        processor.append(time.process_time() - worked)
    if keep is not None:
        (keep / f"{name.translate(str.maketrans(' ,:', '___'))}.png").write_bytes(picture)
    tracemalloc.start()
    png(make())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return [
        Row(
            name,
            "partialpool",
            min(seconds),
            target=TARGET,
            repeats=2,
            note=f"{min(processor):.2f} s of processor",
        ),
        Row(f"{name}: memory", "partialpool", peak / 2**20, "MiB"),
    ]


def png(drawn: Any) -> bytes:
    """A figure as it is looked at."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def measure(options: Options, keep: Path | None = None) -> list[Row]:
    """Rows of the table."""
    size, groups = (20_000, 400) if options.quick else (1_000_000, 400)
    problems = {f"{size:,} x {groups}": slopes(size, groups), "InstEval": crossed()}
    out: list[Row] = []
    for problem, drawn in problems.items():
        for name, make in drawn:
            out += timed(f"{problem}: {name}", make, keep)
    return out


def main() -> None:
    parser = options_parser(__doc__)
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    parser.add_argument("--keep", type=Path, help="folder for the pictures")
    given = parser.parse_args()
    rows = measure(read_options(given), given.keep)
    print(json.dumps([asdict(r) for r in rows], indent=1) if given.json else table(rows))


if __name__ == "__main__":
    main()
