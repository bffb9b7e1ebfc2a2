"""`partialpool fit`: a model, its summary, and what is written of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from partialpool import errors
from partialpool.cli import options
from partialpool.cli.ending import NOT_CONVERGED
from partialpool.cli.files import require_places, write_figure
from partialpool.cli.numbers import as_numbers, table_text
from partialpool.cli.request import ModelRequest, takes_model
from partialpool.cli.timing import duration, timing

if TYPE_CHECKING:
    from partialpool.arguments import Ddf
    from partialpool.models.linear_mixed import LinearMixedModel

#: Of `--ddf`, where nothing is said.
USUAL_DDF = "satterthwaite"


@takes_model(data=options.Data, formula=options.WrittenFormula)
def fit(
    request: ModelRequest,
    ddf: options.Ddf = USUAL_DDF,
    level: Annotated[
        float | None,
        typer.Option(help="Print intervals of this level too; with --bayes, of the summary."),
    ] = None,
    as_json: options.AsJson = False,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write each group's fitted line: .png, .pdf or .svg."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write one HTML page on the model, with its figures."),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Store the fit, to be read by partialpool.load."),
    ] = None,
    times: Annotated[
        bool,
        typer.Option("--time", help="Repeat the fit up to 20 times and print its median time."),
    ] = False,
    bayes: Annotated[
        bool,
        typer.Option("--bayes", help="Sample the posterior instead; --figure draws its densities."),
    ] = False,
    prior: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PRIOR",
            help="With --bayes, repeated: 'sd=half_normal(5)', 'b=normal(0, 10)', 'cor=lkj(2)'.",
        ),
    ] = None,
    chains: Annotated[int, typer.Option(max=options.MOST, help="With --bayes.")] = 4,
    warmup: Annotated[
        int, typer.Option(max=options.MOST, help="With --bayes: tuning draws of each chain.")
    ] = 1000,
    draws: Annotated[
        int, typer.Option(max=options.MOST, help="With --bayes: draws kept of each chain.")
    ] = 2000,
    seed: Annotated[
        int | None, typer.Option(help="With --bayes: same seed, same draws.", show_default=False)
    ] = None,
) -> None:
    """Fit a linear mixed model and print its summary."""
    from partialpool.arguments import DDF, check_choice, check_level

    require_places(figure, report, save)
    if level is not None:
        check_level(level, "--level")
    if bayes:
        from partialpool.cli.posterior import Sampling, sample_and_print

        refused = {"--ml": request.ml, "--ddf": ddf != USUAL_DDF, "--time": times}
        for name, chosen in refused.items():
            if chosen:
                raise errors.ArgumentError(f"{name} is for likelihood fits, not for --bayes")
        numbers = {"chains": chains, "warmup": warmup, "draws": draws, "seed": seed}
        sampling = Sampling(tuple(prior or ()), numbers, level)
        places = {"figure": figure, "report": report, "save": save}
        if not sample_and_print(request, sampling, as_json=as_json, **places):
            raise typer.Exit(NOT_CONVERGED)
        return
    if prior or (chains, warmup, draws, seed) != (4, 1000, 2000, None):
        raise errors.ArgumentError(
            "--prior, --chains, --warmup, --draws and --seed are for the posterior; add --bayes"
        )
    ddf = check_choice(ddf, "--ddf", DDF)
    table, name = request.table()
    start = time.perf_counter()
    model = request.lmer(table)
    first = time.perf_counter() - start
    model.data_name = name
    if as_json:
        typer.echo(json.dumps(as_numbers(model, ddf, level), indent=1, allow_nan=False))
    else:
        typer.echo(str(model.summary(ddf=ddf)))
        if level is not None:
            typer.echo(f"\n{intervals(model, ddf, level)}")
        again = timing(first, lambda: request.lmer(table)) if times else duration(first)
        typer.echo(f"\n{again}" if times else f"\nfitted in {again}")
    if figure is not None:
        write_figure(lambda: model.plot.fits(), figure)
        typer.echo(f"figure written to {figure}", err=as_json)
    if report is not None:
        chosen = {"--ddf": ddf if ddf != USUAL_DDF else None}
        model.report(report, ddf=ddf, command=request.command_line("fit", **chosen))
        typer.echo(f"report written to {report}", err=as_json)
    if save is not None:
        model.save(save)
        typer.echo(f"fit stored in {save}", err=as_json)
    say_verdict(model)


def intervals(model: LinearMixedModel, ddf: Ddf, level: float) -> str:
    """The fixed effects' intervals, by t quantiles with the df of the summary."""
    table = model.tidy(effects="fixed", conf_int=True, conf_level=level, ddf=ddf)
    limits = table[["term", "estimate", "conf_low", "conf_high"]]
    return f"{100 * level:g}% confidence intervals:\n{table_text(limits)}"


def say_verdict(model: LinearMixedModel) -> None:
    """A line, and exit code 3, for a fit that did not converge."""
    if not model.convergence.converged:
        typer.echo(f"partialpool: {model.convergence.message}", err=True)
        raise typer.Exit(NOT_CONVERGED)
