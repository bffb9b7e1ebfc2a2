"""The order of the rooms, from the sources' own imports: who may know of whom.

Python's packages stand in an order; each imports only from those before it. CONTRIBUTING.md has the
same order.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / "python" / "partialpool"

PACKAGES = (
    *("cached", "errors", "hints", "arguments", "limits", "files", "typing", "progress", "tables"),
    *("families", "formula", "design", "crossproducts", "models", "inference", "bayes", "frames"),
    *("simulate", "figures", "report", "datasets", "cli", "__main__"),
)
#: Files whose methods lead to what is built on them; their imports are made when they are called.
DOORS = {
    "models/doors.py": {"inference", "frames", "figures", "report"},
    "bayes/views.py": {"frames", "figures", "report"},
    "inference/means/marginal_means.py": {"figures"},
}


class Import(NamedTuple):
    source: str
    target: str
    when: str  # "run", "call" (within a function) or "type" (TYPE_CHECKING)


def modules() -> dict[str, Path]:
    out = {}
    for path in sorted(PYTHON.rglob("*.py")):
        parts = path.relative_to(PYTHON).with_suffix("").parts
        out[".".join(p for p in parts if p != "__init__")] = path
    return out


def imports_of(path: Path, known: dict[str, Path]) -> Iterator[tuple[str, str]]:
    def visit(node: ast.AST, when: str) -> Iterator[tuple[str, str]]:
        for child in ast.iter_child_nodes(node):
            inner = when
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                inner = "type"
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and when == "run":
                inner = "call"
            if isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: relative imports hide the room that they lead to"
                if child.module and child.module.partition(".")[0] == "partialpool":
                    package = child.module.removeprefix("partialpool").lstrip(".")
                    for alias in child.names:
                        full = f"{package}.{alias.name}".lstrip(".")
                        yield (full if full in known else package), inner
            elif isinstance(child, ast.Import):
                for alias in child.names:
                    if alias.name.startswith("partialpool."):
                        yield alias.name.removeprefix("partialpool."), inner
            yield from visit(child, inner)

    return visit(ast.parse(path.read_text()), "run")


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    known = modules()
    return [
        Import(name, target, when)
        for name, path in known.items()
        if name  # the package itself is the table of public names
        for target, when in imports_of(path, known)
        if target not in {"", "_core"}
    ]


def package(module: str) -> str:
    return module.partition(".")[0]


def test_every_package_has_its_place() -> None:
    found = {package(name) for name in modules()} - {""}
    assert found <= set(PACKAGES), found - set(PACKAGES)


def test_packages_import_only_what_stands_before_them(imports: list[Import]) -> None:
    paths = {name: str(path.relative_to(PYTHON)) for name, path in modules().items()}
    wrong = []
    for item in imports:
        source, target = package(item.source), package(item.target)
        if PACKAGES.index(target) <= PACKAGES.index(source):
            continue
        door = target in DOORS.get(paths[item.source], set()) and item.when != "run"
        if not door:
            wrong.append(f"{item.source} imports {item.target} ({item.when})")
    assert not wrong, "\n".join(wrong)


def test_every_door_is_used(imports: list[Import]) -> None:
    paths = {name: str(path.relative_to(PYTHON)) for name, path in modules().items()}
    used = {(paths[i.source], package(i.target)) for i in imports}
    assert {(file, room) for file, rooms in DOORS.items() for room in rooms} <= used


def test_the_printer_knows_errors_only(imports: list[Import]) -> None:
    found = {package(i.target) for i in imports if package(i.source) == "tables"}
    assert found <= {"tables", "errors"}


def circle(edges: dict[str, set[str]]) -> list[str]:
    """A circle among the keys, or nothing."""
    state: dict[str, int] = {}

    def visit(node: str, trail: list[str]) -> list[str]:
        state[node] = 1
        for target in sorted(edges.get(node, ())):
            if state.get(target) == 1:
                return [*trail[trail.index(target) :], target] if target in trail else [target]
            if target not in state and (found := visit(target, [*trail, target])):
                return found
        state[node] = 2
        return []

    for node in sorted(edges):
        if node not in state and (found := visit(node, [node])):
            return found
    return []


def test_no_circle_of_files_at_run_time(imports: list[Import]) -> None:
    edges: dict[str, set[str]] = {}
    for item in imports:
        if item.when == "run" and item.source != item.target:
            # A package's own __init__ gathers its files: they do not import it.
            edges.setdefault(item.source, set()).add(item.target)
    assert circle(edges) == []


def test_contributing_prints_the_order() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    here = [
        name for name in PACKAGES if (PYTHON / name).exists() or (PYTHON / f"{name}.py").exists()
    ]
    assert " → ".join(f"`{name}`" for name in here) in text
