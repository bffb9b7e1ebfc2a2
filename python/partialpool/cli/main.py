"""The `partialpool` command."""

from __future__ import annotations

import json
import shlex
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from partialpool import errors
from partialpool.cli.ending import CODES, NOT_CONVERGED, exit_code
from partialpool.cli.files import plain, read_table, require_places, write_figure
from partialpool.cli.simulate import simulate

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Mixed-effects models: lme4's formulas, lmerTest's tests.",
    epilog=CODES,
)

#: Counts above this are typing errors.
MOST = 10**9
#: A first fit that took longer (seconds) is not repeated for its timing.
REPEAT_LIMIT = 1.0


@app.command(epilog="Example: partialpool fit sleepstudy 'Reaction ~ Days + (Days | Subject)'")
def fit(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            show_default=False,
            help="A CSV, TSV, Parquet or Arrow file, or a shipped data set"
            " (`partialpool data` lists them).",
        ),
    ],
    formula: Annotated[
        str,
        typer.Argument(
            metavar="FORMULA",
            show_default=False,
            help="As lme4's: 'Reaction ~ Days + (Days | Subject)', in quotes.",
        ),
    ],
    ml: Annotated[bool, typer.Option("--ml", help="Maximum likelihood instead of REML.")] = False,
    ddf: Annotated[
        str,
        typer.Option(
            metavar="METHOD",
            help="Degrees of freedom of t-tests: satterthwaite, kenward-roger or asymptotic.",
        ),
    ] = "satterthwaite",
    weights: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of prior weights.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="All numbers as JSON on standard output.")
    ] = False,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write each group's fitted line: .png, .pdf or .svg."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write one HTML page on the fit, with its figures."),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Store the fit, to be read by partialpool.load."),
    ] = None,
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
    chains: Annotated[int, typer.Option(max=MOST, help="With --bayes.")] = 4,
    warmup: Annotated[
        int, typer.Option(max=MOST, help="With --bayes: tuning draws of each chain.")
    ] = 1000,
    draws: Annotated[
        int, typer.Option(max=MOST, help="With --bayes: draws kept of each chain.")
    ] = 2000,
    seed: Annotated[
        int | None, typer.Option(help="With --bayes: same seed, same draws.", show_default=False)
    ] = None,
) -> None:
    """Fit a linear mixed model and print its summary."""
    require_places(figure, report, save)
    if bayes:
        from partialpool.cli.posterior import Request, sample_and_print

        refused = {"--ml": ml, "--report": report is not None, "--ddf": ddf != "satterthwaite"}
        for name, chosen in refused.items():
            if chosen:
                raise errors.ArgumentError(f"{name} is for likelihood fits, not for --bayes")
        numbers = {"chains": chains, "warmup": warmup, "draws": draws, "seed": seed}
        request = Request(data, formula, weights, tuple(prior or ()), numbers)
        if not sample_and_print(request, as_json=as_json, figure=figure, save=save):
            raise typer.Exit(NOT_CONVERGED)
        return
    if prior or seed is not None or (chains, warmup, draws) != (4, 1000, 2000):
        raise errors.ArgumentError(
            "--prior, --chains, --warmup, --draws and --seed are for the posterior; add --bayes"
        )
    from partialpool.arguments import DDF, check_choice
    from partialpool.models.lmer import lmer

    ddf = check_choice(ddf, "--ddf", DDF)
    table, name = read_table(data)

    def run() -> Any:
        return lmer(formula, table, reml=not ml, weights=weights)

    with warnings.catch_warnings():
        # The verdict is in the summary, the JSON and the exit code.
        warnings.simplefilter("ignore", errors.ConvergenceWarning)
        start = time.perf_counter()
        model = run()
        first = time.perf_counter() - start
        model.data_name = name
        if as_json:
            typer.echo(json.dumps(as_numbers(model, ddf), indent=1, allow_nan=False))
        else:
            typer.echo(f"{model.summary(ddf=ddf)}\n\n{timing(first, run)}")
    if figure is not None:
        write_figure(lambda: model.plot.fits(), figure)
        typer.echo(f"figure written to {figure}", err=as_json)
    if report is not None:
        chosen = {"--ml": ml, "--ddf": ddf != DDF[0] and ddf, "--weights": weights}
        model.report(report, ddf=ddf, command=command_line("fit", data, formula, **chosen))
        typer.echo(f"report written to {report}", err=as_json)
    if save is not None:
        model.save(save)
        typer.echo(f"fit stored in {save}", err=as_json)
    if not model.convergence.converged:
        typer.echo(f"partialpool: {model.convergence.message}", err=True)
        raise typer.Exit(NOT_CONVERGED)


def command_line(*words: str, **options: str | bool | None) -> str:
    """The command as it can be typed again; an option is left out where it was not chosen."""
    written = ["partialpool", *words]
    for name, value in options.items():
        if value:
            written += [name] if value is True else [name, value]
    return shlex.join(written)


def timing(first: float, run: Callable[[], Any]) -> str:
    """How long a fit takes. The first one also loads libraries, so short ones are repeated."""
    if first > REPEAT_LIMIT:
        return f"fitted in {duration(first)}, from table to fit"
    seconds: list[float] = []
    while len(seconds) < 20 and sum(seconds) < 0.1:
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    times = "one repeat" if len(seconds) == 1 else f"median of {len(seconds)} repeats"
    return (
        f"fitted in {duration(statistics.median(seconds))}, from table to fit ({times};"
        f" the first took {duration(first)}, libraries to load included)"
    )


def duration(seconds: float) -> str:
    """Two or three digits, with their unit."""
    milliseconds = 1000 * seconds
    if milliseconds >= 1000:
        return f"{seconds:.2f} s"
    return f"{milliseconds:.{0 if milliseconds >= 10 else 1}f} ms"


def as_numbers(model: Any, ddf: str) -> dict[str, Any]:
    """A fit as plain JSON values; what has no finite value is null."""
    from partialpool import __version__

    summary = model.summary(ddf=ddf)
    verdict = model.convergence
    return plain(
        {
            "partialpool": __version__,
            "data": model.data_name,
            "formula": model.formula,
            "method": "REML" if model.reml else "ML",
            "ddf": ddf,
            "nobs": model.nobs,
            "dropped": model.dropped_rows,
            "ngroups": model.ngroups,
            "npar": model.npar,
            "criterion": model.criterion,
            "loglik": model.loglik,
            "deviance": model.deviance,
            "aic": model.aic,
            "bic": model.bic,
            "sigma": model.sigma,
            "explained_variance": model.explained_variance,
            "theta": dict(model.theta),
            "coefficients": summary.coefficients.to_dict("records"),
            "vcov": model.covariance.tolist(),
            "aliased": model.aliased,
            "varcorr": summary.varcorr.to_dict("records"),
            "ranef": {
                group: frame.reset_index().to_dict("records")
                for group, frame in model.ranef(condsd=True).items()
            },
            "scaled_residual_quantiles": model.residual_quantiles,
            "is_singular": model.is_singular,
            "singular_directions": model.singular_directions,
            "converged": verdict.converged,
            "convergence": {
                "gradient_norm": verdict.gradient_norm,
                "min_eigenvalue": verdict.min_eigenvalue,
                "evaluations": verdict.evaluations,
                "message": verdict.message,
            },
            "notes": summary.notes,
        }
    )


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


app.command(
    epilog="Example: partialpool simulate 'y ~ x + (x | school)' --groups school=20"
    " --within x=1..10 --beta 6,4 --sd school=3,2 --cor school=0.7 --sigma 1 --seed 1 --out sim.csv"
)(simulate)


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
