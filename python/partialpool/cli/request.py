"""The model that a command is about: the options that say it, and the fit."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Any, get_type_hints

from partialpool import errors
from partialpool.cli import options
from partialpool.cli.reading import TextFormat, is_table, read_table

if TYPE_CHECKING:
    from partialpool.models.linear_mixed import LinearMixedModel


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What was typed about data and model.

    Attributes
    ----------
    data
        A file, a shipped data set, "-", or a stored fit.
    formula
        None for a stored fit.
    ml
        Maximum likelihood instead of REML.
    weights, offset
        Columns.
    factors
        Columns of numbers that are factors.
    contrasts
        Codings by column.
    text
        How text is read.
    """

    data: str
    formula: str | None
    ml: bool
    weights: str | None
    offset: str | None
    factors: tuple[str, ...]
    contrasts: dict[str, str]
    text: TextFormat

    def table(self) -> tuple[Any, str]:
        """The data, numbers of `--factor` as categories, and what to call them."""
        table, name = read_table(self.data, self.text)
        for column in self.factors:
            if column not in table:
                columns = ", ".join(map(str, table.columns))
                raise errors.DataError(
                    f"--factor names {column!r}, but the data have the columns {columns}"
                )
            table[column] = table[column].astype("category")
        return table, name

    def lmer(self, table: Any) -> LinearMixedModel:
        """The fit to a table; the verdict on convergence is the caller's to say."""
        from partialpool.models.lmer import lmer

        if self.formula is None:
            raise errors.ArgumentError(
                f"FORMULA is missing: with the data {self.data!r} give the model in quotes,"
                " as 'y ~ x + (x | g)'"
            )
        contrasts: Any = self.contrasts or None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", errors.ConvergenceWarning)
            return lmer(
                self.formula,
                table,
                reml=not self.ml,
                weights=self.weights,
                offset=self.offset,
                contrasts=contrasts,
            )

    def fit(self) -> LinearMixedModel:
        """The fit to the data, or the stored fit."""
        if self.formula is None and not is_table(self.data):
            return self._loaded()
        table, name = self.table()
        model = self.lmer(table)
        model.data_name = name
        return model

    def _loaded(self) -> LinearMixedModel:
        from partialpool.models.storage import load

        if self.chosen:
            raise errors.ArgumentError(
                f"{next(iter(self.chosen))} belongs to a model that is fitted here; {self.data!r}"
                " is taken for a stored fit, since no FORMULA is given"
            )
        return load(self.data)

    @property
    def chosen(self) -> dict[str, str | bool | Sequence[str]]:
        """Options that were given, as they are typed."""
        given: dict[str, Any] = {
            "--ml": self.ml,
            "--weights": self.weights,
            "--offset": self.offset,
            "--factor": self.factors,
            "--contrasts": tuple(f"{k}={v}" for k, v in self.contrasts.items()),
            **self.text.chosen,
        }
        return {name: value for name, value in given.items() if value}

    def command_line(self, command: str, **more: str | bool | None) -> str:
        """The command as it can be typed again, with what was chosen only."""
        words = ["partialpool", command, self.data, *([self.formula] if self.formula else [])]
        for name, value in {**self.chosen, **more}.items():
            if value is True:
                words.append(name)
            elif value:
                values = [value] if isinstance(value, str) else value
                words += [word for one in values for word in (name, one)]  # pyright: ignore
        return shlex.join(words)


def read_request(
    data: options.DataOrFit,
    formula: options.OptionalFormula = None,
    *,
    ml: options.Ml = False,
    weights: options.Weights = None,
    offset: options.Offset = None,
    factor: options.Factors = None,
    contrasts: options.Contrasts = None,
    sep: options.Separator = None,
    decimal: options.Decimal = None,
    na: options.Missing = None,
) -> ModelRequest:
    """The request from the options as they come from the shell."""
    return ModelRequest(
        data,
        formula,
        ml,
        weights,
        offset,
        tuple(factor or ()),
        _codings(contrasts),
        TextFormat.read(sep, decimal, na),
    )


def _codings(texts: Sequence[str] | None) -> dict[str, str]:
    """COLUMN=CODING, each column once."""
    out: dict[str, str] = {}
    for text in texts or ():
        name, equals, coding = (part.strip() for part in text.rpartition("="))
        if not (name and equals and coding):
            raise errors.ArgumentError(f"--contrasts {text!r} must be a column, =, and a coding")
        if name in out:
            raise errors.ArgumentError(f"--contrasts gives {name!r} two codings")
        out[name] = coding
    return out


def takes_model(**instead: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command whose first argument is a `ModelRequest`, with the options that make one.

    `instead` types shared options differently, which then must be given: the FORMULA of ``fit``.
    """

    def made(command: Callable[..., None]) -> Callable[..., None]:
        shared = dict(signature(read_request).parameters)
        own = dict(list(signature(command).parameters.items())[1:])
        types = get_type_hints(read_request, include_extras=True) | instead
        types |= get_type_hints(command, include_extras=True)

        @wraps(command)
        def run(**given: Any) -> None:
            request = read_request(**{name: given.pop(name) for name in shared})
            command(request, **given)

        def option(name: str, default: Any) -> Parameter:
            default = Parameter.empty if name in instead else default
            kind = Parameter.KEYWORD_ONLY
            return Parameter(name, kind, default=default, annotation=types[name])

        every = {name: option(name, p.default) for name, p in (shared | own).items()}
        run.__annotations__ = {name: p.annotation for name, p in every.items()}
        vars(run)["__signature__"] = Signature(list(every.values()))
        return run

    return made
