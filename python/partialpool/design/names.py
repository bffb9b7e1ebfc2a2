"""Names are keys: everything that is asked of a fit by name must be one thing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from partialpool.design.covariance import pairs
from partialpool.errors import DataError, DesignError

if TYPE_CHECKING:
    from partialpool.design.design import Factor
    from partialpool.design.encoder import Encoder

#: What tables call the residual where they call the others by their grouping factor.
RESIDUAL = "Residual"


def check_names(fixed: Encoder, factors: Sequence[Factor]) -> None:
    """Refuse names that grouping factors, their parameters or columns of the data would share.

    Raises
    ------
    DataError, DesignError
        With the column that is to be renamed.
    """
    encoders = [fixed, *(term.encoder for factor in factors for term in factor.terms)]
    variables = dict.fromkeys(v for encoder in encoders for v in encoder.variables)
    for encoder in encoders:
        for name in encoder.names:
            if name in variables and name not in encoder.variables:
                raise _clash(name, "a column of the data and another of the model", variables)
    names = [factor.name for factor in factors]
    twice = _first_twice(names)
    if twice is not None:
        raise DataError(
            f"the column {twice!r} and the interaction {twice} are grouping factors of one name;"
            f" rename the column {twice!r}"
        )
    if RESIDUAL in names:
        raise DataError(
            f"a grouping factor {RESIDUAL!r} cannot be told from the residual; rename the column"
        )
    labels = [n for f in factors for n in (*deviation_names(f), *correlation_names(f))]
    twice = _first_twice(labels)
    if twice is not None:
        raise DesignError(
            f"two parameters of different grouping factors ({', '.join(names)}) would be called"
            f" {twice!r}; rename a column"
        )


def unique_names(names: Sequence[str]) -> list[str]:
    """Names made distinct: a second `x`, of another term on the factor, is `x.1`."""
    out: list[str] = []
    for name in names:
        count, new = 0, name
        # A number is passed over where a column is called so itself.
        while new in out or (count and new in names):
            count += 1
            new = f"{name}.{count}"
        out.append(new)
    return out


def column_names(factor: Factor) -> tuple[str, ...]:
    """A factor's columns, told apart where two terms have the same."""
    return tuple(unique_names(factor.names))


def deviation_names(factor: Factor) -> list[str]:
    """Names of a factor's standard deviations: "sd_Subject__Days"."""
    return [f"sd_{factor.name}__{name}" for name in column_names(factor)]


def correlation_names(factor: Factor) -> list[str]:
    """Names of a factor's correlations: "cor_Subject__Intercept__Days"."""
    names = column_names(factor)
    # Columns `a` and `b__c`, and `a__b` and `c`, would give two correlations one name.
    return unique_names(
        [f"cor_{factor.name}__{names[j]}__{names[i]}" for i, j in pairs(factor.blocks)]
    )


def _first_twice(names: Sequence[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _clash(name: str, what: str, variables: Iterable[str]) -> DataError:
    culprit = name if name in variables else next((v for v in variables if v in name), name)
    return DataError(f"{name!r} would be the name of {what}; rename the column {culprit!r}")


def refuse_same_names(encoder: Encoder) -> None:
    """Refuse coefficients or terms of one name, such as a column `f[T.b]` beside the factor f."""
    for what, names in (("coefficients", encoder.names), ("terms", encoder.term_names)):
        if len(set(names)) < len(names):
            twice = next(n for i, n in enumerate(names) if n in names[:i])
            raise DesignError(
                f"two {what} of the model would be called {twice!r}; rename the column of that name"
            )
