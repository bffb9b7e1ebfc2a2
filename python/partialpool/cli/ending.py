"""How the command ends: an exit code and at most one line on standard error, never a traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from partialpool.errors import PartialPoolError
from partialpool.files.atomic import reason

#: Exit codes.
DONE, FAILED, BAD_INPUT, NOT_CONVERGED, INTERRUPTED = 0, 1, 2, 3, 130
#: What the help says of them.
CODES = (
    "Exit codes: 0 done, 2 bad input (one line on standard error says what), 3 the fit did"
    " not converge, 130 interrupted, 1 anything else: nobody read the output, or a fault of"
    " partialpool (PARTIALPOOL_TRACEBACK=1 shows where)."
)


def exit_code(work: Callable[[], object]) -> int:
    """Do the command's work; whatever it raises becomes a line and a code."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]  # `>&-`
        say("standard output is closed; send it to a file or to /dev/null")
        return BAD_INPUT
    for stream in (sys.stdout, sys.stderr):
        _accept_any_text(stream)
    code = _code_of(work)
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        _forget(sys.stdout)
        return _unwritten(error)
    return code


def _code_of(work: Callable[[], object]) -> int:
    try:
        work()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else DONE if ended.code is None else FAILED
    except PartialPoolError as error:
        say(str(error))
        return BAD_INPUT
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except MemoryError as error:
        said = str(error).split("\n")[0]
        say(f"not enough memory{': ' + said if said else ''}; ask for less")
        return BAD_INPUT
    except OSError as error:
        return _unwritten(error)
    except BaseException as error:  # a fault of ours, a panic of the native module included
        if os.environ.get("PARTIALPOOL_TRACEBACK"):
            raise
        line = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        say(f"this is a fault of partialpool, please report it: {line}")
        return FAILED
    return DONE


def _unwritten(error: OSError | ValueError) -> int:
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return FAILED
    place = getattr(error, "filename", None)
    say(f"cannot use {place!r}: {reason(error)}" if place else f"cannot write: {reason(error)}")
    return BAD_INPUT


def say(text: str) -> None:
    """A line on standard error, if there is one."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"partialpool: {text}\n")
        sys.stderr.flush()


def _accept_any_text(stream: TextIO | None) -> None:
    """Characters that the terminal's encoding lacks are written as escapes."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _forget(stream: TextIO) -> None:
    """Send what is left in a stream nowhere, so that the interpreter's end does not try again."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
