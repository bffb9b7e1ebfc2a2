"""Files that the command reads and writes: tables, figures, strict JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from partialpool import errors


def read_table(source: str) -> tuple[Any, str]:
    """A shipped data set, or a CSV, Parquet or Arrow (Feather) file; and what to call it."""
    from partialpool.datasets import DATASETS, load_dataset

    if source in DATASETS:
        return load_dataset(source), source
    path = Path(source)
    if not path.is_file():
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
        raise errors.FileError(f"reading {source!r} needs pyarrow: pip install pyarrow") from error
    except (ValueError, OSError, EOFError) as error:
        line = str(error).strip().split("\n")[0]
        raise errors.FileError(f"{source!r} cannot be read as {kind[1:]}: {line}") from None


def _read_csv(path: Path) -> Any:
    import pandas as pd

    return pd.read_csv(path)


def _read_tsv(path: Path) -> Any:
    import pandas as pd

    return pd.read_csv(path, sep="\t")


def _read_parquet(path: Path) -> Any:
    import pandas as pd

    return pd.read_parquet(path)


def _read_arrow(path: Path) -> Any:
    """An Arrow file (Feather), or an Arrow stream."""
    import pyarrow as pa

    with pa.OSFile(str(path), "rb") as file:
        try:
            return pa.ipc.open_file(file).read_all().to_pandas()
        except pa.ArrowInvalid:
            file.seek(0)
            return pa.ipc.open_stream(file).read_all().to_pandas()


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
    writers: dict[str, Callable[[Path], Any]] = {
        ".csv": lambda p: frame.to_csv(p, index=False),
        ".tsv": lambda p: frame.to_csv(p, index=False, sep="\t"),
        ".parquet": frame.to_parquet,
        ".feather": frame.to_feather,
    }
    write = writers.get(path.suffix.lower())
    if write is None:
        raise errors.FileError(
            f"cannot write the table {str(path)!r}: its ending must be one of {', '.join(writers)}"
        )
    try:
        write(path)
    except ImportError:
        raise errors.FileError(
            f"writing {str(path)!r} needs pyarrow: pip install pyarrow"
        ) from None
    except OSError as error:
        reason = error.strerror or error
        raise errors.FileError(f"cannot write the table {str(path)!r}: {reason}") from None


def write_figure(draw: Callable[[], Any], path: Path) -> None:
    """A figure, in the format of the file's ending."""
    drawing = draw()
    try:
        drawing.savefig(path, dpi=150)
    except OSError as error:
        reason = error.strerror or error
        raise errors.FileError(f"cannot write the figure {str(path)!r}: {reason}") from None
    except ValueError:
        offered = ", ".join(sorted(drawing.canvas.get_supported_filetypes()))
        raise errors.FileError(
            f"cannot write the figure {str(path)!r}: its ending must be one of {offered}"
        ) from None


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
