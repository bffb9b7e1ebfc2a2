"""README.md is executed: its Python from top to bottom, its commands, its names."""

import contextlib
import io
import itertools
import re
import shlex
from pathlib import Path

import partialpool as pp
import pytest
from partialpool.cli import main as cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def lines_of(text):
    return [line.rstrip() for line in text.strip("\n").split("\n")]


def matches(shown, printed):
    """Whether lines agree; a line `...` stands for any lines, `...` in a line for any text."""
    text = "\n".join(shown)
    pattern = re.escape(text).replace(re.escape("..."), "(.|\n)*")
    return re.fullmatch(pattern, "\n".join(printed)) is not None


def commands(block):
    """Each `$ command` of a console block with the lines shown under it."""
    out = []
    for line in lines_of(block):
        if line.startswith("$ "):
            out.append((line[2:], []))
        else:
            out[-1][1].append(line)
    return out


def run(words):
    """Exit code and printed lines of one `partialpool` command."""
    target = words.index(">") if ">" in words else len(words)
    printed = io.StringIO()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        pytest.raises(SystemExit) as ended,
    ):
        cli.main(words[1:target])
    if target < len(words):
        Path(words[target + 1]).write_text(printed.getvalue(), "utf-8")
        return ended.value.code or 0, []
    return ended.value.code or 0, lines_of(printed.getvalue())


def test_blocks_are_of_known_kinds():
    kinds = [kind for kind, _ in BLOCKS]
    assert set(kinds) == {"python", "text", "console"}
    assert kinds.count("python") >= 8
    pairs = itertools.pairwise(kinds)
    assert {before for before, kind in pairs if kind == "text"} == {"python"}


def test_python_runs_from_top_to_bottom_and_prints_what_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "readme"}
    for i, (kind, code) in enumerate(BLOCKS):
        if kind != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, f"README.md, block {i + 1}", "exec"), namespace)
        assert BLOCKS[i + 1][0] == "text", f"block {i + 1} shows no output"
        assert lines_of(printed.getvalue()) == lines_of(BLOCKS[i + 1][1])


def test_commands_print_what_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = 0
    for command, shown in [
        c for kind, block in BLOCKS if kind == "console" for c in commands(block)
    ]:
        words = shlex.split(command)
        if words[0] == "make":
            targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
            assert set(words[1:]) <= set(targets)
            continue
        assert words[0] == "partialpool"
        code, printed = run(words)
        assert matches(shown, printed), f"{command}\n" + "\n".join(printed)
        assert code == (2 if shown and shown[0].startswith("partialpool: ") else 0)
        ran += 1
    assert ran >= 4


def test_every_name_on_the_page_exists():
    code = "\n".join(re.findall(r"`([^`\n]+)`", README) + [c for k, c in BLOCKS if k == "python"])
    of_package = set(re.findall(r"\bpp\.(\w+)", code))
    of_fit = set(re.findall(r"\bfit\.(\w+)", code))
    assert len(of_package) >= 6
    assert len(of_fit) >= 25
    assert [name for name in of_package if not hasattr(pp, name)] == []
    assert [name for name in of_fit if not hasattr(pp.LinearMixedModel, name)] == []


def test_links_lead_to_files():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert {"LICENSE", "CONTRIBUTING.md", "CHANGELOG.md"} <= set(links)
    # benchmarks/README.md is written by those who measure.
    assert [link for link in links if not (ROOT / link).exists()] in ([], ["benchmarks/README.md"])
