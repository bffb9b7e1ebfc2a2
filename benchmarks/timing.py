"""What every benchmark shares: a problem, a stopwatch, rows of results, the command line."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pandas as pd

PACKAGES = (
    "partialpool", "glmm", "mixedlm", "statsmodels", "numpy", "scipy", "pandas", "formulaic",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """A model to fit with every package.

    Attributes
    ----------
    name
        As it stands in the table of results.
    formula
        In lme4's language.
    data
        Numeric columns and string, integer or categorical factors.
    target
        Seconds that we aim at, DataFrame → fit.
    factors
        Numeric columns that are factors (R is told).
    written
        The same model for packages that cannot read `formula`.
    statsmodels
        Arguments of `statsmodels.formula.api.mixedlm` beside data; None if it cannot fit it.
    """

    name: str
    formula: str
    data: pd.DataFrame
    target: float
    factors: tuple[str, ...] = ()
    written: dict[str, str] = field(default_factory=dict)
    statsmodels: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One package on one problem. `value` is in `unit`; None where there is none, see `note`."""

    benchmark: str
    package: str
    value: float | None
    unit: str = "s"
    target: float | None = None
    repeats: int = 1
    criterion: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    peers: bool = True
    quick: bool = False
    limit: float = 300.0

    @property
    def budget(self) -> float:
        """Seconds to spend on repeats of one fit."""
        return 0.3 if self.quick else 3.0


def median_time(action: Callable[[], Any], budget: float) -> tuple[float, int]:
    """Median seconds of `action` after a warm-up, and how often it ran.

    It is repeated for `budget` seconds, at least 3 times; a warm-up of 20 s counts as the only
    run, since what is loaded or compiled in it no longer matters.
    """
    first = _seconds(action)
    if first > 20:
        return first, 1
    times: list[float] = []
    while sum(times) < budget or len(times) < 3:
        times.append(_seconds(action))
    return statistics.median(times), len(times)


def _seconds(action: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def machine() -> dict[str, str]:
    """Where and with what the figures were made."""
    out = {
        "date": time.strftime("%Y-%m-%d"),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    for name in PACKAGES:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "from source" if name == "partialpool" else "absent"
    return out


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
        return names[0]
    except (OSError, IndexError):
        return platform.processor() or "unknown"


def with_ours_first(rows: Iterable[Row]) -> list[tuple[Row, Row | None]]:
    """Each row beside ours of the same benchmark (the first row of it)."""
    first: dict[str, Row] = {}
    return [(row, first.setdefault(row.benchmark, row)) for row in rows]


def table(rows: Iterable[Row]) -> str:
    """Markdown: value, how many times ours, criterion above ours, target met or not."""
    lines = [
        "| benchmark | package | median | times ours | criterion − ours | target | note |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for row, ours in with_ours_first(rows):
        ratio = difference = target = ""
        if ours is not None and row is not ours and row.unit == ours.unit:
            if row.value is not None and ours.value:
                ratio = f"{row.value / ours.value:.3g}"
            if row.criterion is not None and ours.criterion is not None:
                difference = f"{row.criterion - ours.criterion:.1e}"
        if row.target is not None:
            met = row.value is not None and row.value <= row.target
            target = f"≤ {show(row.target, row.unit)} {'met' if met else 'MISSED'}"
        cells = [row.benchmark, row.package, show(row.value, row.unit), ratio, difference, target]
        cells = [cell.replace("|", "\\|") for cell in [*cells, row.note]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def show(value: float | None, unit: str) -> str:
    """Three digits and a unit that suits."""
    if value is None:
        return "–"
    if unit == "s" and value < 1:
        return f"{value * 1e3:.3g} ms"
    return f"{value:.3g} {unit}".strip()


def command_line(about: str | None, run: Callable[[Options], list[Row]]) -> None:
    """`python benchmarks/x.py [--no-peers] [--quick] [--limit SECONDS] [--json]`."""
    parser = options_parser(about)
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    given = parser.parse_args()
    rows = run(read_options(given))
    print(json.dumps([asdict(r) for r in rows], indent=1) if given.json else table(rows))


def options_parser(about: str | None) -> argparse.ArgumentParser:
    """Arguments that every script takes."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--quick", action="store_true", help="few repeats, small tables, 20 s")
    parser.add_argument("--limit", type=float, help="seconds that a peer may take (300)")
    return parser


def read_options(given: argparse.Namespace) -> Options:
    """The common options from parsed arguments."""
    options = Options(given.peers, given.quick, 20.0 if given.quick else 300.0)
    return options if given.limit is None else replace(options, limit=given.limit)
