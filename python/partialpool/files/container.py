"""The container of stored fits and posteriors: a zip of named parts under one checksum.

The zip's comment, the last bytes of the file, says what is stored, the version of its format and
the SHA-256 of all bytes before it. Parts are not compressed, so that none is larger than the file.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from partialpool.errors import FileError
from partialpool.files.atomic import irregular, reason, write_whole

#: Version of the format. Version 1 had compressed parts and no checksum, version 2 other states of
#: transforms.
VERSION = 3
#: Bytes of a part of JSON at most: some 10⁷ levels.
MOST_JSON = 1 << 29
#: Bytes that are hashed at a time.
AT_ONCE = 1 << 20

STAMP = re.compile(rb"partialpool ([a-z]{3,9}) v([0-9]{4}) sha256 ([0-9a-f]{64})")
STAMP_SIZE = {kind: len(f"partialpool {kind} v0000 sha256 ") + 64 for kind in ("fit", "posterior")}
#: A member that stored files of any version have, by kind.
MARKS = {"fit": "fit.json", "posterior": "posterior.json"}


def write_container(path: str | Path, kind: str, parts: Mapping[str, bytes]) -> None:
    """Store parts under their checksum; the file is written whole or not at all."""

    def write(file: BinaryIO) -> None:
        body = io.BytesIO()
        head = f"partialpool {kind} v{VERSION:04} sha256 "
        with zipfile.ZipFile(body, "w", zipfile.ZIP_STORED) as archive:
            for name, content in parts.items():
                # A fixed date: the same fit gives the same file.
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
            archive.comment = (head + "0" * 64).encode()
        view = body.getbuffer()[:-64]
        file.write(view)
        file.write(hashlib.sha256(view).hexdigest().encode())

    write_whole(path, write)


def read_container(path: Any, kind: str, names: frozenset[str], again: str) -> dict[str, bytes]:
    """The parts of a stored file, once all its bytes are known to be those that were written.

    Parameters
    ----------
    path
    kind
        "fit" or "posterior".
    names
        Names of the parts, all of which must be there and no other.
    again
        What to do about a file of another version: "fit the model again".

    Raises
    ------
    FileError
        Whatever is wrong, in one line.
    """
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise FileError(f"a stored {kind} is read from a path, text or a Path, not {shown(path)}")
    try:
        what = irregular(os.stat(path).st_mode)
        if what is not None:
            raise FileError(f"{str(path)!r} is {what}, not a stored {kind}")
        with open(path, "rb") as file:
            _check_stamp(file, str(path), kind, again)
            with damaged(path):
                return _read_parts(file, kind, names)
    except FileNotFoundError:
        raise FileError(f"there is no file {str(path)!r}") from None
    except (OSError, ValueError, MemoryError) as error:
        raise FileError(f"cannot read {str(path)!r}: {reason(error)}") from None


def shown(value: Any) -> str:
    """A value in a message: its repr where that is short."""
    if isinstance(value, int | float | bytes | None) and len(text := repr(value)) <= 40:
        return text
    return f"an object of type {type(value).__name__}"


def _check_stamp(file: BinaryIO, path: str, kind: str, again: str) -> None:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - max(STAMP_SIZE.values())))
    tail = file.read()
    matches = list(STAMP.finditer(tail))
    if not matches or matches[-1].end() != len(tail):
        raise FileError(_unstamped(file, path, kind, again))
    found = matches[-1]
    stored, version = found[1].decode(), int(found[2])
    if version != VERSION:
        raise FileError(
            f"{path!r} was stored by another version of partialpool (format {version}, this one"
            f" reads {VERSION}); {again}"
        )
    file.seek(0)
    hashed, left = hashlib.sha256(), size - 64
    while left > 0 and (chunk := file.read(min(AT_ONCE, left))):
        hashed.update(chunk)
        left -= len(chunk)
    if hashed.hexdigest().encode() != found[3]:
        raise FileError(
            f"{path!r} is damaged: its bytes are not those that were stored (checksum); take"
            f" another copy, or {again}"
        )
    if stored != kind:
        other = "pp.load_posterior" if stored == "posterior" else "pp.load"
        raise FileError(f"{path!r} is not a stored {kind}; {other} reads it, a stored {stored}")


def _unstamped(file: BinaryIO, path: str, kind: str, again: str) -> str:
    """What to say of a file without a checksum at its end."""
    file.seek(0)
    if file.read(4) == b"PK\x03\x04":
        try:
            names = zipfile.ZipFile(file).namelist()
        except Exception:
            return f"{path!r} is not a stored {kind}, or was cut off; take another copy, or {again}"
        if MARKS[kind] in names:
            return (
                f"{path!r} has no checksum: it was stored by another version of partialpool, or"
                f" changed since; {again}"
            )
    return f"{path!r} is not a stored {kind}"


def _read_parts(file: BinaryIO, kind: str, names: frozenset[str]) -> dict[str, bytes]:
    size = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if sorted(m.filename for m in members) != sorted(names):
            raise ValueError("its parts are not those of a stored " + kind)
        for member in members:
            plain = member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1
            if not plain or member.file_size != member.compress_size or member.file_size > size:
                raise ValueError(f"the part {member.filename} has an impossible size")
            if member.filename.endswith(".json") and member.file_size > MOST_JSON:
                raise ValueError(f"the part {member.filename} is larger than {MOST_JSON} bytes")
        return {m.filename: archive.read(m) for m in members}


@contextmanager
def damaged(path: Any) -> Iterator[None]:
    """Whatever goes wrong with what is read from a file is said of the file.

    The bytes may be anybody's: a library that is given them may raise anything.
    """
    try:
        yield
    except Exception as error:
        raise FileError(f"{str(path)!r} is damaged: {reason(error)}") from error


def to_json(value: Any, part: str) -> bytes:
    """A part of JSON."""
    text = json.dumps(value, allow_nan=False)
    if len(text) > MOST_JSON:
        raise FileError(f"the part {part} would be larger than {MOST_JSON} bytes")
    return text.encode("ascii")


def from_json(content: bytes) -> Any:
    """The value of a part of JSON, without repeated keys and numbers that are none."""
    return json.loads(content.decode("ascii"), parse_constant=_no_number, object_pairs_hook=_object)


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key is there twice")
    return out
