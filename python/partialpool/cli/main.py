"""The `partialpool` command."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from partialpool.cli.ending import CODES, exit_code
from partialpool.cli.files import plain
from partialpool.cli.fit import fit
from partialpool.cli.inference import anova, confint, emmeans
from partialpool.cli.power import power
from partialpool.cli.predictions import plot, predict
from partialpool.cli.simulate import simulate

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Mixed-effects models: lme4's formulas, lmerTest's tests.",
    epilog=CODES,
)

MODEL = "'Reaction ~ Days + (Days | Subject)'"
DESIGN = "--groups school=20 --within x=1..10 --beta 6,4 --sd school=3,2 --sigma 1 --seed 1"

for command, example in (
    (fit, f"fit sleepstudy {MODEL}"),
    (anova, f"anova sleepstudy {MODEL} --ddf kenward-roger"),
    (confint, f"confint sleepstudy {MODEL} --method profile"),
    (emmeans, "emmeans cake 'angle ~ recipe * temp + (1 | recipe:replicate)' --of recipe --pairs"),
    (predict, f"predict sleepstudy {MODEL} --new days.csv --interval prediction"),
    (plot, f"plot sleepstudy {MODEL} --kind caterpillar --out effects.png"),
    (simulate, f"simulate 'y ~ x + (x | school)' {DESIGN} --out sim.csv"),
    (power, f"power 'y ~ x + (x | school)' {DESIGN} --nsim 500"),
):
    app.command(epilog=f"Example: partialpool {example}")(command)


@app.command("data", epilog="Example: partialpool data pulp > pulp.csv")
def data_command(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Data set to print; without it, their list."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON instead of CSV.")] = False,
) -> None:
    """List the shipped data sets, or print one as CSV."""
    from partialpool.datasets import list_datasets, load_dataset

    if name is None:
        entries = list_datasets()
        if as_json:
            typer.echo(json.dumps(entries, indent=1))
            return
        width = max(map(len, entries))
        for key, about in entries.items():
            typer.echo(f"{key:<{width}}  {about}")
        return
    frame = load_dataset(name)
    if as_json:
        typer.echo(json.dumps(plain(frame.to_dict("records")), allow_nan=False))
    else:
        typer.echo(frame.to_csv(index=False), nl=False)


@app.callback(invoke_without_command=True)
def top(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Options that belong to no command."""
    if version:
        from partialpool import __version__

        typer.echo(f"partialpool {__version__}")
        raise typer.Exit()


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: whatever happens, an exit code and at most one line on standard error."""
    sys.exit(exit_code(lambda: app(arguments)))


if __name__ == "__main__":
    main()
