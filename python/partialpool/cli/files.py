"""Files that the command writes: tables, figures, strict JSON."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from partialpool import errors
from partialpool.files.atomic import irregular, reason, write_whole


def write_table(frame: Any, path: Path) -> None:
    """A table, in the format of the file's ending."""
    writers: dict[str, Callable[[Any], Any]] = {
        ".csv": lambda p: frame.to_csv(p, index=False),
        ".tsv": lambda p: frame.to_csv(p, index=False, sep="\t"),
        ".parquet": lambda p: frame.to_parquet(p, index=False),
        ".feather": frame.to_feather,
    }
    write = writers.get(path.suffix.lower())
    if write is None:
        raise errors.FileError(
            f"cannot write the table {str(path)!r}: its ending must be one of {', '.join(writers)}"
        )
    try:
        write_whole(path, write, "the table ")
    except ImportError:
        raise errors.FileError(
            f"writing {str(path)!r} needs pyarrow: pip install pyarrow"
        ) from None


def write_figure(draw: Callable[[], Any], path: Path) -> None:
    """A figure, in the format of the file's ending."""
    drawing = draw()
    offered, ending = sorted(drawing.canvas.get_supported_filetypes()), path.suffix.lower()[1:]
    if ending not in offered:
        raise errors.FileError(
            f"cannot write the figure {str(path)!r}: its ending must be one of {', '.join(offered)}"
        )
    page = io.BytesIO()
    try:
        drawing.savefig(page, dpi=150, format=ending)
    except (
        Exception
    ) as error:  # a format may need programs (LaTeX), which fail in ways of their own
        raise errors.FileError(
            f"cannot write the figure {str(path)!r} as {ending}: {reason(error)}"
        ) from None
    write_whole(path, lambda file: file.write(page.getbuffer()), "the figure ")


def require_places(*paths: Path | None) -> None:
    """Refuse places where no file can be, before the work that would be lost there."""
    for path in paths:
        if path is None:
            continue
        try:
            what = irregular(path.stat().st_mode) if os.path.lexists(path) else None
        except OSError as error:
            raise errors.FileError(f"cannot write {str(path)!r}: {reason(error)}") from None
        if what is not None:
            raise errors.FileError(f"cannot write {str(path)!r}: it is {what}")
        if not path.parent.is_dir():
            raise errors.FileError(f"cannot write {str(path)!r}: there is no such directory")


def plain(value: Any) -> Any:
    """Strict JSON has no NaN, no infinity, no NumPy and no dates."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
