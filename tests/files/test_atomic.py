"""A file is written whole or not at all, and only where an ordinary file may stand."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import partialpool as pp
import pytest
from partialpool.errors import ArgumentError, FileError
from partialpool.files import atomic
from partialpool.files.atomic import write_whole


@pytest.fixture(scope="module")
def fit() -> Any:
    return pp.lmer("bright ~ 1 + (1 | operator)", pp.load_dataset("pulp"))


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    where: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fit.pp"
    path.write_bytes(b"old")

    def fails(*_: Any) -> Any:
        raise error

    def write(file: Any) -> None:
        file.write(b"half of the new")
        if where == "write":
            raise error

    if where != "write":
        monkeypatch.setattr(atomic.os, where, fails)
    with pytest.raises(FileError if isinstance(error, OSError) else KeyboardInterrupt):
        write_whole(path, write)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["fit.pp"]


def test_what_is_there_keeps_its_permissions_and_links_are_followed(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_whole(link, lambda file: file.write(b"new"))
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_only_an_ordinary_file_is_written_or_read(fit: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket"))
    (tmp_path / "folder").mkdir()
    places = {
        tmp_path / "pipe": "a pipe",
        tmp_path / "socket": "a socket",
        tmp_path / "folder": "a directory",
        "/dev/full": "a device",
        "/dev/zero": "a device",
        "/dev/null": "a device",
    }
    for path, what in places.items():
        for call in (fit.save, pp.load, pp.load_posterior):
            with pytest.raises(FileError, match=what) as caught:
                call(path)
            assert str(path) in str(caught.value)
    server.close()


@pytest.mark.parametrize("path", [None, b"fit.pp", 3, 3.5, ["fit.pp"], True, object()])
def test_what_is_no_path_is_refused(path: Any, fit: Any) -> None:
    for load in (pp.load, pp.load_posterior):
        with pytest.raises(FileError, match="path") as caught:
            load(path)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 120
    with pytest.raises(ArgumentError, match="place"):
        fit.save(path)


@pytest.mark.parametrize("path", ["", "a\0b", "x" * 5000, "nowhere/fit.pp", "\ud800/\udfff"])
def test_impossible_places_are_one_line(path: str, fit: Any) -> None:
    for call in (fit.save, pp.load, pp.load_posterior):
        with pytest.raises(FileError):
            call(path)
