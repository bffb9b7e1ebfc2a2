"""Tables that the command reads: files, standard input, shipped data sets."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partialpool import errors
from partialpool.files.atomic import reason


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How text is read, where it is not plain CSV.

    Attributes
    ----------
    separator, decimal
        One character each; None for the usual ones.
    missing
        Texts that stand for a missing value, beside the usual ones.
    """

    separator: str | None = None
    decimal: str | None = None
    missing: tuple[str, ...] = ()

    @classmethod
    def read(
        cls, separator: str | None, decimal: str | None, missing: Sequence[str] | None
    ) -> TextFormat:
        """The format from its options."""
        separator = {"tab": "\t", "\\t": "\t"}.get(separator or "", separator)
        for option, mark in (("--sep", separator), ("--decimal", decimal)):
            if mark is not None and (len(mark) != 1 or mark in '\r\n"' or mark.isalnum()):
                raise errors.ArgumentError(
                    f"{option} must be one character, as ';' (or `--sep tab`), not {mark!r}"
                )
        if decimal is not None and decimal == (separator or ","):
            raise errors.ArgumentError(
                f"the separator and the decimal mark are both {decimal!r}; give --sep too, as"
                " --sep ';'"
            )
        return cls(separator, decimal, tuple(missing or ()))

    @property
    def chosen(self) -> dict[str, str | Sequence[str]]:
        """The options that were given, as they are typed."""
        separator = "tab" if self.separator == "\t" else self.separator
        given = {"--sep": separator, "--decimal": self.decimal, "--na": self.missing}
        return {name: value for name, value in given.items() if value}

    def frame(self, source: Any, usual: str = ",") -> Any:
        """The table in a text."""
        import pandas as pd

        marks: Any = {"decimal": self.decimal} if self.decimal else {}
        return pd.read_csv(
            source, sep=self.separator or usual, na_values=list(self.missing) or None, **marks
        )


CSV = TextFormat()
#: What stands for standard input.
STDIN = "-"


def is_table(source: str) -> bool:
    """Whether a text names data: a shipped set, standard input, or a file with their endings."""
    from partialpool.datasets import shipped_name

    return (
        source == STDIN or shipped_name(source) is not None or _ending(Path(source))[0] in READERS
    )


def read_table(source: str, text: TextFormat = CSV) -> tuple[Any, str]:
    """A shipped data set, or a CSV, Parquet or Arrow (Feather) file; and what to call it."""
    from partialpool.datasets import DATASETS, load_dataset, shipped_name

    shipped = shipped_name(source)
    if shipped is not None and not os.path.isfile(source):
        _refuse_format(text, source)
        return load_dataset(shipped), shipped
    if source == STDIN:
        return _parsed(lambda: text.frame(_standard_input()), "standard input", ".csv"), "stdin"
    path = Path(source)
    if not os.path.isfile(source):
        known = ", ".join(DATASETS)
        raise errors.FileError(f"{source!r} is neither a file nor a shipped data set ({known})")
    kind, packed = _ending(path)
    read = READERS.get(kind)
    if kind in TEXT_KINDS:
        usual = "\t" if kind == ".tsv" else ","
        return _parsed(lambda: text.frame(path, usual), repr(source), kind), path.name.split(".")[0]
    if read is None or packed:
        raise errors.FileError(
            f"{source!r} must end in {', '.join(READERS)} (text also with .gz after it)"
        )
    _refuse_format(text, source)
    return _parsed(lambda: read(path), repr(source), kind), path.name.split(".")[0]


def _parsed(read: Callable[[], Any], source: str, kind: str) -> Any:
    """What a library reads; whatever it says of bytes that it cannot read is one line of ours."""
    try:
        return read()
    except ImportError as error:
        needed = error.name or "pyarrow"
        raise errors.FileError(f"reading {source} needs {needed}: pip install {needed}") from None
    except MemoryError:
        raise errors.FileError(f"{source} does not fit into memory") from None
    except errors.PartialPoolError:
        raise
    except Exception as error:  # the bytes may be anything, and so what a library says of them
        raise errors.FileError(f"{source} cannot be read as {kind[1:]}: {reason(error)}") from None


def _ending(path: Path) -> tuple[str, bool]:
    """A file's kind, and whether it is compressed."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] in {".gz", ".bz2", ".xz", ".zip", ".zst"}
    return suffixes[-2 if packed and len(suffixes) > 1 else -1] if suffixes else "", packed


def _refuse_format(text: TextFormat, source: str) -> None:
    if text.chosen:
        raise errors.ArgumentError(
            f"{next(iter(text.chosen))} is for text data (CSV, TSV), which {source!r} is not"
        )


def _standard_input() -> io.BytesIO:
    """All of standard input: a parser that reads it piece by piece cannot say what was wrong."""
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]  # `<&-`
        raise errors.FileError("standard input is closed; give a file in the place of `-`")
    content = sys.stdin.buffer.read()
    if not content:
        raise errors.FileError(
            "standard input is empty; it is read once, so `-` can be given in one place only"
        )
    return io.BytesIO(content)


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
    ".csv": CSV.frame,
    ".txt": CSV.frame,
    ".tsv": CSV.frame,
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
    ".ipc": _read_arrow,
}
TEXT_KINDS = (".csv", ".txt", ".tsv")
