"""What partialpool raises: one line saying what is wrong, what it concerns and what to do."""

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


class PartialPoolError(Exception):
    """Base class of every error that the library raises on purpose."""


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
