"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from partialpool.errors import ArgumentError, FileError

KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def irregular(mode: int) -> str | None:
    """What a file is that is no ordinary one, in words; None for an ordinary one."""
    if stat.S_ISREG(mode):
        return None
    return next((words for test, words in KINDS if test(mode)), "no ordinary file")


def write_whole(path: Any, write: Callable[[BinaryIO], Any], what: str = "") -> None:
    """Write a file beside its place, then put it there.

    Whatever goes wrong on the way (a full disk, an interruption, an error of `write`), the file
    that was there before is as it was, and nothing else is left behind.

    Parameters
    ----------
    path
        Text or a Path; a link is followed.
    write
        Called with the open file.
    what
        Words for messages: "the report ".

    Raises
    ------
    ArgumentError
        If `path` is no path.
    FileError
        If the place is a directory, pipe or device, or cannot be written.
    """
    if not isinstance(path, str | Path):
        raise ArgumentError(f"the place of a file is text or a Path, not {path!r}")
    try:
        _write(path, write)
    except (OSError, ValueError) as error:
        raise FileError(f"cannot write {what}{str(path)!r}: {reason(error)}") from None


def _write(path: str | Path, write: Callable[[BinaryIO], Any]) -> None:
    if not str(path):
        raise ValueError("the name is empty")
    place = os.path.realpath(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    mode = 0o666
    with suppress(FileNotFoundError):
        mode = os.stat(place).st_mode
        kind = irregular(mode)
        if kind is not None:
            raise ValueError(f"it is {kind}; name an ordinary file")
        if not os.access(place, os.W_OK):
            raise ValueError("the file there may not be changed")
        mode = stat.S_IMODE(mode)
    # In the same directory, so that putting it in its place is one step of the file system.
    beside = os.path.join(os.path.dirname(place), f".partialpool-{secrets.token_hex(8)}.tmp")
    descriptor = os.open(beside, flags, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, place)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise


def reason(error: Exception) -> str:
    """Why a file could not be read or written, in one line."""
    words = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return words.strip().split("\n")[0] or type(error).__name__
