"""What partialpool raises: one line saying what is wrong, what it concerns and what to do."""

import sys
import warnings

__all__ = [
    "ArgumentError",
    "ConvergenceError",
    "ConvergenceWarning",
    "DataError",
    "DesignError",
    "FileError",
    "FormulaError",
    "NewDataError",
    "PartialPoolError",
]


#: A message is not longer than this, a piece of it without blanks not longer than that.
LONGEST_MESSAGE = 2_000
LONGEST_PIECE = 200


def shortened(text: str, most: int = LONGEST_PIECE, tail: int | None = None) -> str:
    """Text of at most `most` characters: the middle of a longer one gives way to "…".

    `tail` characters of its end are kept, by default a quarter.
    """
    if len(text) <= most:
        return text
    tail = most // 4 if tail is None else tail
    return f"{text[: most - tail - 1]}…{text[len(text) - tail :]}"


class PartialPoolError(Exception):
    """Base class of every error that the library raises on purpose.

    Names and labels of any length may stand in a message, which stays readable all the same.
    """

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(_readable(a) if isinstance(a, str) else a for a in arguments))


def _readable(message: str) -> str:
    if len(message) <= LONGEST_PIECE:
        return message
    pieces = [shortened(piece) for piece in message.split(" ")]
    return shortened(" ".join(pieces), LONGEST_MESSAGE)


class FormulaError(PartialPoolError):
    """The text of a formula cannot be read, or asks for something that is not offered."""


class DataError(PartialPoolError):
    """A column is missing or its type does not suit its use."""


class DesignError(PartialPoolError):
    """The design cannot be fitted: too few levels, rank, more random effects than rows."""


class ConvergenceError(PartialPoolError):
    """An optimiser or a sampler did not reach a usable answer."""


class NewDataError(PartialPoolError):
    """New data have levels or lack columns that the fitted model needs."""


class ArgumentError(PartialPoolError):
    """An argument has a value that is not offered."""


class FileError(PartialPoolError):
    """A file cannot be read or written, or a data set is not known."""


class ConvergenceWarning(UserWarning):
    """A fit was returned, but its convergence checks were not all passed."""


def warn(message: str, category: type[Warning] = ConvergenceWarning) -> None:
    """Warn at the line of the user's that called us, however deep in the package it is found."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "partialpool"
