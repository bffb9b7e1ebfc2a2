"""Files that the command reads and writes: tables, figures, strict JSON."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from partialpool import errors
from partialpool.files.atomic import irregular, reason, write_whole


def read_table(source: str) -> tuple[Any, str]:
    """A shipped data set, or a CSV, Parquet or Arrow (Feather) file; and what to call it."""
    from partialpool.datasets import DATASETS, load_dataset

    if source in DATASETS:
        return load_dataset(source), source
    path = Path(source)
    if not os.path.isfile(source):
        known = ", ".join(DATASETS)
        raise errors.FileError(f"{source!r} is neither a file nor a shipped data set ({known})")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] in {".gz", ".bz2", ".xz", ".zip", ".zst"}
    kind = suffixes[-2 if packed and len(suffixes) > 1 else -1] if suffixes else ""
    read = READERS.get(kind)
    if read is None or (packed and kind not in TEXT_KINDS):
        raise errors.FileError(
            f"{source!r} must end in {', '.join(READERS)} (text also with .gz after it)"
        )
    try:
        return read(path), path.name.split(".")[0]
    except ImportError as error:
        needed = error.name or "pyarrow"
        raise errors.FileError(f"reading {source!r} needs {needed}: pip install {needed}") from None
    except MemoryError:
        raise errors.FileError(f"{source!r} does not fit into memory") from None
    except Exception as error:  # the bytes may be anything, and so what a library says of them
        raise errors.FileError(
            f"{source!r} cannot be read as {kind[1:]}: {reason(error)}"
        ) from None


def _read_csv(path: Path) -> Any:
    import pandas as pd

    return pd.read_csv(path)


def _read_tsv(path: Path) -> Any:
    import pandas as pd

    return pd.read_csv(path, sep="\t")


def _read_parquet(path: Path) -> Any:
    import pyarrow.parquet as parquet

    return _checked(parquet.ParquetFile(str(path)).read())


def _read_arrow(path: Path) -> Any:
    """An Arrow file (Feather), or an Arrow stream."""
    import pyarrow as pa

    with pa.OSFile(str(path), "rb") as file:
        try:
            return _checked(pa.ipc.open_file(file).read_all())
        except pa.ArrowInvalid as error:
            file.seek(0)
            if file.read(6) == b"ARROW1":
                raise error
            file.seek(0)
            return _checked(pa.ipc.open_stream(file).read_all())


def _checked(table: Any) -> Any:
    """An Arrow table for pandas. Unchecked, a damaged one is read beyond its memory's end."""
    table.validate(full=True)
    return table.to_pandas()


#: How a file of each ending is read.
READERS: dict[str, Callable[[Path], Any]] = {
    ".csv": _read_csv,
    ".txt": _read_csv,
    ".tsv": _read_tsv,
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
    ".ipc": _read_arrow,
}
TEXT_KINDS = (".csv", ".txt", ".tsv")


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
