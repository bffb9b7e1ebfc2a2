"""`partialpool power`: how often a test would find an effect of a given size."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from partialpool import errors
from partialpool.arguments import DDF, check_choice
from partialpool.cli import options
from partialpool.cli.files import plain
from partialpool.cli.reading import read_table
from partialpool.cli.simulate import read_design, read_effects


def power(
    formula: options.WrittenFormula,
    frame: options.Frame = None,
    groups: options.Groups = None,
    within: options.Within = None,
    between: options.Between = None,
    replicates: options.Replicates = 1,
    beta: options.Beta = None,
    sd: options.Sd = None,
    cor: options.Cor = None,
    sigma: options.Sigma = 1.0,
    pilot: Annotated[
        str | None,
        typer.Option(
            metavar="DATA", help="Take the effects from the model fitted to these data instead."
        ),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(
            metavar="HYPOTHESIS",
            help="A coefficient or term, 'a - b = 0', or a smaller formula (likelihood ratio);"
            " default the only term.",
        ),
    ] = None,
    nsim: Annotated[int, typer.Option(max=options.MOST, help="Data sets simulated.")] = 1000,
    alpha: Annotated[float, typer.Option(help="Level of the test.")] = 0.05,
    ddf: options.Ddf = "satterthwaite",
    seed: options.Seed = None,
    as_json: options.AsJson = False,
) -> None:
    """Power of a test for a design, by simulation."""
    from partialpool.models.lmer import lmer
    from partialpool.simulate.power import power as simulated

    design = read_design(frame, groups, within, between, replicates)
    effects: Any
    if pilot is None:
        effects = read_effects(beta, sd, cor, sigma)
    elif beta or sd or cor or sigma != 1.0:
        raise errors.ArgumentError(
            "--pilot gives the effects; leave out --beta, --sd, --cor and --sigma"
        )
    else:
        effects = lmer(formula, read_table(pilot)[0])
    method = check_choice(ddf, "--ddf", DDF)
    found = simulated(formula, design, effects, test, nsim, seed, alpha=alpha, ddf=method)
    if as_json:
        (record,) = found.to_frame().to_dict("records")
        typer.echo(json.dumps(plain(record), indent=1, allow_nan=False))
    else:
        typer.echo(str(found))
