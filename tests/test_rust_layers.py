"""The order of the Rust modules, from the sources' own paths: who may know of whom.

As `test_layers.py` for Python; CONTRIBUTING.md has the same order.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.test_layers import ROOT, circle

SOURCE = ROOT / "crates" / "numerics" / "src"
MODULES = (
    *("error", "interrupt", "linalg", "covariance", "products", "factor", "criterion"),
    *("search", "fit", "inference", "simulation", "posterior"),
)
#: Paths to a later module that stay, by file, with the reason.
EXCEPTIONS: set[tuple[str, str]] = set()
#: Files of one module that know each other, with the reason.
PAIRS = {
    # The parts of the one Hessian: a block of the crossed factors, and the sums that it goes into.
    frozenset(("criterion/curvature/crossed.rs", "criterion/curvature/mod.rs")),
    # Cross-products hold the basis that they are in; a change of basis is one of all of them.
    frozenset(("products/basis.rs", "products/crossproducts.rs")),
    # The columns of the fixed part and those of them that are sparse, by the same chunks of rows.
    frozenset(("products/fixed_part.rs", "products/sparse_columns.rs")),
}


def plain(path: Path) -> str:
    """The source without comments and tests."""
    text = path.read_text("utf-8").split("#[cfg(test)]")[0]
    return re.sub(r"//[^\n]*", "", text)


def used(text: str) -> set[tuple[str, ...]]:
    """Every `crate::a::b…`, those in braces apart."""
    out: set[tuple[str, ...]] = set()
    for path, braces in re.findall(r"\bcrate::((?:\w+::)*\w*)(?:\{([^}]*)\})?", text):
        parts = tuple(part for part in path.split("::") if part)
        inner = [name.split("::")[0].strip() for name in braces.split(",")] if braces else [""]
        out |= {(*parts, name) if name not in ("", "self") else parts for name in inner}
    return out


def files() -> dict[str, Path]:
    found = {path.relative_to(SOURCE).as_posix(): path for path in sorted(SOURCE.rglob("*.rs"))}
    del found["lib.rs"]
    return found


def module(file: str) -> str:
    return file.split("/")[0].removesuffix(".rs")


def file_of(path: tuple[str, ...], known: dict[str, Path]) -> str | None:
    """The file that a path leads into."""
    for end in range(len(path), 0, -1):
        for name in ("/".join(path[:end]) + ".rs", "/".join(path[:end]) + "/mod.rs"):
            if name in known:
                return name
    return None


def test_every_module_has_its_place() -> None:
    assert {module(file) for file in files()} == set(MODULES)


def test_paths_are_whole() -> None:
    """`crate::Factor` hides the module that it comes from."""
    wrong = [
        f"{file}: crate::{'::'.join(path)}"
        for file, source in files().items()
        for path in used(plain(source))
        if not path or path[0] not in MODULES
    ]
    assert wrong == []


def test_modules_know_only_what_stands_before_them() -> None:
    found = {
        (file, path[0])
        for file, source in files().items()
        for path in used(plain(source))
        if MODULES.index(path[0]) > MODULES.index(module(file))
    }
    assert found == EXCEPTIONS


def test_exceptions_are_needed() -> None:
    known = files()
    for pair in PAIRS:
        first, second = sorted(pair)
        for one, other in ((first, second), (second, first)):
            paths = used(plain(known[one]))
            assert other in {file_of(path, known) for path in paths}, (one, other)


def test_no_circle_of_files() -> None:
    known = files()
    edges: dict[str, set[str]] = {}
    for file, source in known.items():
        targets = {file_of(path, known) for path in used(plain(source))} - {None, file}
        edges[file] = {
            target
            for target in targets
            if target is not None
            and (file, module(target)) not in EXCEPTIONS
            and frozenset((file, target)) not in PAIRS
        }
    assert circle(edges) == []


def test_files_of_a_room_are_private() -> None:
    """Others see what a room's `mod.rs` hands out; kernels are called by the name of their file."""
    doors = {"linalg/mod.rs", "criterion/mod.rs"}
    public = [
        (file, found)
        for file, source in files().items()
        if file.endswith("/mod.rs") and file not in doors
        for found in re.findall(r"^pub(?:\(crate\))? mod (\w+)", plain(source), re.M)
    ]
    assert public == []


def test_search_knows_no_criterion() -> None:
    """It minimises whatever implements the trait."""
    found = {
        path[1:]
        for file, source in files().items()
        for path in used(plain(source))
        if module(file) == "search" and path[0] == "criterion"
    }
    assert found == {("Criterion",)}
    products = [
        file
        for file, source in files().items()
        if module(file) == "search" and any(path[0] == "products" for path in used(plain(source)))
    ]
    assert products == []


#: Who makes factors of blocks, from rows.
CONSTRUCTORS = {"products/crossproducts.rs", "products/build.rs"}
#: What only `covariance` may write: the blocks themselves, their entries one by one, the size of a
#: triangle of theirs, Λ times a basis, a structure by its own name.
OWN_TO_COVARIANCE = (
    r"\.blocks\b(?!\()",
    r"\bblock_ranges\b|\bcolumns\.start\b",
    r"\b(k|f\.k|b|columns\.len\(\)) \* \(\1 [-+] 1\) / 2\b",
    r"\bproduct\([^;]*\bbasis\.z\b[^;]*\blam\b",
    r"\b(?:Unstructured|Diagonal)\s*\{",
)


def test_blocks_of_covariance_are_asked_not_taken_apart() -> None:
    """A new structure is a file in `covariance`: no other file knows what a block is made of."""
    found = {
        (file, pattern)
        for file, source in files().items()
        if module(file) != "covariance" and file not in CONSTRUCTORS
        for pattern in OWN_TO_COVARIANCE
        if re.search(pattern, plain(source))
    }
    assert found == set()


def test_factors_of_covariance_say_which_basis_they_are_in() -> None:
    """Λ is `Raw` or `Working` wherever it is passed on, never a bare vector of matrices."""
    names = "lam|lambda|lambdas|raw|working|near|start"
    bare = rf"\b(?:{names})\s*:\s*(?:Option<)?&?(?:'\w+ )?(?:\[|Vec<)Vec<f64>"
    found = [
        (file, match)
        for file, source in files().items()
        for match in re.findall(bare, plain(source))
        # Bytes that are checked become the type here.
        if file != "covariance/coordinates.rs"
    ]
    assert found == []


def test_contributing_prints_the_order() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert " → ".join(f"`{name}`" for name in MODULES) in text
