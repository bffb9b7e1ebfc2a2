"""Peak memory of a fit beyond the data, in units of the largest block of the factorisation.

Counted from when the design (y, columns and codes, one array each) stands beside the table; what
the design itself takes is said in the note. Each model is fitted in a fresh process; the peak is
the kernel's (VmHWM, reset before the fit), so it sees NumPy, Rust and everything else. Linux only.
"""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
from pathlib import Path

import crossed
import insteval
import maximal
import million_rows
import partialpool as pp
from timing import Options, Row, command_line

MODELS = {
    "10⁶ rows (x | g)": ("y ~ x + (x | g)", million_rows.table),
    "InstEval": (insteval.FORMULA, lambda: pp.load_dataset("insteval")),
    "crossed 5,000 x 2,000": (crossed.FORMULA, crossed.table),
    "maximal, 72 θ": (maximal.FORMULA, maximal.table),
}
MIB = 2**20


def status(field: str) -> int:
    """Bytes of a line of /proc/self/status."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def resident() -> int:
    """Bytes resident when what was freed has been given back to the system."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return status("VmRSS")


def child(name: str) -> dict[str, float]:
    """In its own process: bytes of design, fit's peak beyond it, largest block, dense rest."""
    from partialpool.design import build_design
    from partialpool.formula import parse_formula
    from partialpool.models.lmer import fit_design

    # What is imported once is not the fit's.
    pp.lmer("yield ~ irrigation * variety + (1 | field)", pp.load_dataset("irrigation"))
    formula, make = MODELS[name]
    data = make()
    before = resident()
    design = build_design(parse_formula(formula), data)
    held = resident()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    fit = fit_design(design)
    peak = status("VmHWM")
    widths = sorted(len(f.levels) * len(f.columns) for f in design.factors)
    return {
        "design": held - before,
        "peak": peak - held,
        "block": fit._native.largest_block_bytes,
        "rest": 8 * sum(widths[:-1]) ** 2,
    }


def measure(options: Options) -> list[Row]:
    """One row per model: the ratio, with the sizes in its note."""
    rows: list[Row] = []
    for name in list(MODELS)[:2] if options.quick else MODELS:
        command = [sys.executable, __file__, "--child", name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        sizes = json.loads(done.stdout.splitlines()[-1])
        peak, block, design, rest = (sizes[k] / MIB for k in ("peak", "block", "design", "rest"))
        note = f"peak {peak:.1f} MiB, largest block {block:.2f} MiB, design {design:.1f} MiB"
        if rest:
            note += f"; the factors after the first, were they dense: {rest:.1f} MiB"
        rows.append(
            Row(
                f"memory, {name}",
                "partialpool",
                peak / block,
                unit="x largest block",
                target=2.0,
                note=note,
            )
        )
    return rows


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(sys.argv[2])))
    else:
        command_line(__doc__, measure)
