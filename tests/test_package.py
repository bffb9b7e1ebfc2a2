"""The package as a whole: what an import loads, public names, and the stub of the native module."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import partialpool as pp
import pytest
from partialpool import _core

STUB = Path(pp.__file__).with_name("_core.pyi")


def loaded_after(statement):
    """Top-level packages that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys; print(' '.join({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"numpy", "pandas", "scipy", "matplotlib", "formulaic", "narwhals", "jinja2", "polars"}


def test_import_loads_nothing_heavy():
    loaded = loaded_after("import partialpool")
    assert "partialpool" in loaded
    assert loaded & HEAVY == set()


def test_a_fit_of_numeric_columns_does_not_wake_formulaic_scipy_or_matplotlib():
    fit = (
        "import partialpool as pp\n"
        "d = {'y': [1., 2, 4, 3, 5, 5], 'x': [0., 1, 2, 0, 1, 2], 'g': [0, 0, 0, 1, 1, 1]}\n"
        "pp.lmer('y ~ x + (1 | g)', d)"
    )
    assert loaded_after(fit) & {"formulaic", "scipy", "matplotlib", "jinja2", "narwhals"} == set()


def test_the_command_loads_no_matplotlib_without_a_figure():
    listing = (
        "import sys; sys.argv = ['partialpool', 'data']\nfrom partialpool.cli.main import main\n"
    )
    listing += "try:\n    main()\nexcept SystemExit: pass"
    assert loaded_after(listing) & {"matplotlib", "formulaic", "scipy"} == set()


@pytest.mark.parametrize("name", pp.__all__)
def test_public_names_can_be_imported(name):
    value = getattr(pp, name)
    assert name in dir(pp)
    assert name == "__version__" or (value.__doc__ or "").strip()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="glmmm"):
        pp.glmmm  # noqa: B018


def test_static_imports_are_the_lazy_ones():
    tree = ast.parse(Path(pp.__file__).read_text("utf-8"))
    imported = {
        alias.asname: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    home = dict(pp._HOME)
    home["errors"] = "partialpool"
    assert imported == home


# ---- the native module's stub ------------------------------------------------------------------


def members(body):
    """Functions and properties of a stub's class or module by name."""
    return {n.name: n for n in body if isinstance(n, ast.FunctionDef)}


def test_version_of_the_native_module_is_the_packages():
    assert _core.__version__ == pp.__version__


def test_stub_names_what_the_native_module_has():
    tree = ast.parse(STUB.read_text("utf-8"))
    aliases = {"Vector", "Column", "FactorArgs", "RowArgs"}
    said = {n.name for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    assert said == {n for n in dir(_core) if not n.startswith("__")} - aliases


@pytest.mark.parametrize(
    "node",
    [n for n in ast.parse(STUB.read_text("utf-8")).body if isinstance(n, ast.ClassDef)],
    ids=lambda node: node.name,
)
def test_stub_of_each_class_has_its_members(node):
    native = getattr(_core, node.name)
    if issubclass(native, Exception):
        bases = {b.id for b in node.bases if isinstance(b, ast.Name)}
        assert bases == {b.__name__ for b in native.__bases__}
        return
    # The constructor's signature is the stub's alone: PyO3 has it as `__new__`.
    said = {n: m for n, m in members(node.body).items() if n != "__init__"}
    assert set(said) == {n for n in vars(native) if not n.startswith("__")}
    for name, stub in said.items():
        kinds = {d.id for d in stub.decorator_list if isinstance(d, ast.Name)}
        raw = vars(native)[name]
        assert ("property" in kinds) == (type(raw).__name__ == "getset_descriptor"), name
        assert ("staticmethod" in kinds) == isinstance(raw, staticmethod), name


def arguments_of(native):
    """Names in the signature that PyO3 writes, without self."""
    text = native.__text_signature__.strip("()")
    names = [part.partition("=")[0].strip() for part in text.split(",")]
    return [n for n in names if n not in {"", "$self", "self", "/", "*"}]


def test_stub_has_the_arguments_of_each_function():
    tree = ast.parse(STUB.read_text("utf-8"))
    found = []
    for node in tree.body:
        owner = getattr(_core, node.name) if isinstance(node, ast.ClassDef) else _core
        body = node.body if isinstance(node, ast.ClassDef) else [node]
        for name, stub in members(body).items():
            native = getattr(owner, name)
            if name == "__init__" or not callable(native) or native.__text_signature__ is None:
                continue
            said = [a.arg.rstrip("_") for a in (*stub.args.posonlyargs, *stub.args.args)]
            said = [a for a in said if a != "self"]
            found.append((name, said, [a.rstrip("_") for a in arguments_of(native)]))
    assert len(found) > 10
    assert [entry for entry in found if entry[1] != entry[2]] == []


def test_every_module_can_be_imported_alone():
    root = Path(pp.__file__).parent
    names = [
        ".".join(("partialpool", *p.relative_to(root).with_suffix("").parts))
        for p in root.rglob("*.py")
        if p.name != "__init__.py"
    ]
    assert len(names) > 30
    for name in names:
        assert importlib.import_module(name).__doc__, name
