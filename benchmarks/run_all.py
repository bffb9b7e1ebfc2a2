"""Every benchmark in turn → results.json, results.md, and the table of README.md.

    python benchmarks/run_all.py [--no-peers] [--quick] [--limit SECONDS]

`--quick` prints the table and writes nothing.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from timing import Row, machine, options_parser, read_options, table

HERE = Path(__file__).parent
SCRIPTS = (
    "sleepstudy", "formula_path", "million_rows", "insteval", "maximal", "crossed",
    "inference", "import_time", "memory",
)  # fmt: skip
BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def write(rows: list[Row], where: dict[str, str]) -> None:
    """All three files."""
    facts = ", ".join(f"{name} {value}" for name, value in where.items())
    text = f"{table(rows)}\n\n{facts}\n"
    stored = {"machine": where, "rows": [asdict(r) for r in rows]}
    (HERE / "results.json").write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n")
    (HERE / "results.md").write_text(f"# Results of benchmarks/run_all.py\n\n{text}")
    readme = HERE / "README.md"
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


def main() -> None:
    given = options_parser(__doc__).parse_args()
    options = read_options(given)
    rows: list[Row] = []
    for name in SCRIPTS:
        print(f"{name} …", file=sys.stderr, flush=True)
        rows += import_module(name).measure(options)
    print(table(rows))
    if not options.quick:
        write(rows, machine())


if __name__ == "__main__":
    main()
