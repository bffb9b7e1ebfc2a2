"""`partialpool predict` and `plot`: what a model says of rows, as numbers and as figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from partialpool import errors
from partialpool.arguments import INTERVAL_KINDS, NEW_LEVELS, check_choice
from partialpool.cli import options
from partialpool.cli.files import require_places, write_figure
from partialpool.cli.fit import say_verdict
from partialpool.cli.numbers import give
from partialpool.cli.reading import read_table
from partialpool.cli.request import ModelRequest, takes_model

#: Figures by the name that `fit.plot` has for them.
KINDS = (
    "fits",
    "lines",
    "cells",
    "shrinkage",
    "caterpillar",
    "random_effects_pairs",
    "residuals",
    "qq",
    "profile",
    "profile_pairs",
)


@takes_model()
def predict(
    request: ModelRequest,
    new: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Rows to predict, as DATA; default those of the fit."),
    ] = None,
    random: Annotated[
        str, typer.Option(help="Random effects: all, none, or a term as '(1 | Subject)'.")
    ] = "all",
    new_levels: Annotated[
        str, typer.Option(help="Levels never seen: error, or population (random effects of zero).")
    ] = "error",
    interval: Annotated[str | None, typer.Option(help="confidence or prediction.")] = None,
    level: options.Level = 0.95,
    prefix: Annotated[
        str,
        typer.Option(metavar="TEXT", help="Before our columns, where the data have such names."),
    ] = "",
    as_json: options.AsJson = False,
    out: options.Out = None,
) -> None:
    """Predict the response: the data with the columns fit, and lower and upper.

    Prints CSV.
    """
    require_places(out)
    model = request.fit()
    table = model.design.source if new is None else read_table(new, request.text)[0]
    if table is None:
        raise errors.ArgumentError("a stored fit has no rows; give those to predict by --new")
    if new is None:
        table = table.loc[model.design.index_of_rows]
    kind = None if interval is None else check_choice(interval, "--interval", INTERVAL_KINDS)
    unseen = check_choice(new_levels, "--new-levels", NEW_LEVELS)
    found = model.predict(table, random=random, new_levels=unseen, interval=kind, level=level)
    columns: dict[str, Any] = {"fit": found}
    if kind is not None:
        columns = {name: found[name].to_numpy() for name in ("fit", "lower", "upper")}
    clashing = [prefix + name for name in columns if prefix + name in table]
    if clashing:
        raise errors.ArgumentError(
            f"the data have a column {clashing[0]!r} already; give a --prefix, as --prefix ."
        )
    frame = table.assign(**{prefix + name: values for name, values in columns.items()})
    give(frame, as_json=as_json, out=out, text=frame.to_csv(index=False).rstrip("\n"))
    say_verdict(model)


@takes_model()
def plot(
    request: ModelRequest,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The picture: .png, .pdf or .svg.")],
    kind: Annotated[str, typer.Option(help=f"{', '.join(KINDS)}.")] = "fits",
) -> None:
    """Draw a figure of a model."""
    require_places(out)
    chosen = check_choice(kind, "--kind", KINDS)
    model = request.fit()
    write_figure(getattr(model.plot, chosen), out)
    typer.echo(f"figure written to {out}")
    say_verdict(model)
