"""The `partialpool` command."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from partialpool import errors

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Mixed-effects models: lme4's formulas, lmerTest's tests.",
)

#: Exit codes.
BAD_INPUT, NOT_CONVERGED = 2, 3


def read_table(source: str) -> tuple[Any, str]:
    """A shipped data set, or a CSV, Parquet or Arrow (Feather) file; and what to call it."""
    from partialpool.datasets import DATASETS, load_dataset

    if source in DATASETS:
        return load_dataset(source), source
    path = Path(source)
    if not path.is_file():
        known = ", ".join(DATASETS)
        raise errors.FileError(f"{source!r} is neither a file nor a shipped data set ({known})")
    import pandas as pd

    suffix = "".join(path.suffixes[-2:]) if path.suffix in {".gz", ".zip"} else path.suffix
    try:
        if suffix.startswith((".csv", ".txt")):
            return pd.read_csv(path), path.stem
        if suffix == ".tsv":
            return pd.read_csv(path, sep="\t"), path.stem
        if suffix in {".parquet", ".pq"}:
            return pd.read_parquet(path), path.stem
        if suffix in {".arrow", ".feather", ".ipc"}:
            return pd.read_feather(path), path.stem
    except ImportError as error:
        raise errors.FileError(f"reading {source!r} needs pyarrow: pip install pyarrow") from error
    except (ValueError, OSError) as error:
        line = str(error).split("\n")[0]
        raise errors.FileError(f"{source!r} cannot be read as {suffix[1:]}: {line}") from None
    raise errors.FileError(f"{source!r} must end in .csv, .tsv, .parquet, .arrow or .feather")


@app.command()
def fit(
    data: Annotated[
        str, typer.Argument(help="A CSV, Parquet or Arrow file, or a data set's name.")
    ],
    formula: Annotated[str, typer.Argument(help='As "Reaction ~ Days + (Days | Subject)".')],
    ml: Annotated[bool, typer.Option("--ml", help="Maximum likelihood instead of REML.")] = False,
    ddf: Annotated[
        str, typer.Option(help="satterthwaite, kenward-roger or asymptotic.")
    ] = "satterthwaite",
    weights: Annotated[str | None, typer.Option(help="Column of prior weights.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Numbers for machines.")] = False,
    figure: Annotated[
        Path | None, typer.Option(help="Write each group's fitted lines here.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Store the fit here (no pickle).")] = None,
) -> None:
    """Fit a linear mixed model and print its summary."""
    from partialpool.models.lmer import lmer

    table, name = read_table(data)
    start = time.perf_counter()
    model = lmer(formula, table, reml=not ml, weights=weights)
    seconds = time.perf_counter() - start
    model.data_name = name
    if as_json:
        typer.echo(json.dumps(as_numbers(model, ddf), indent=1))
    else:
        typer.echo(str(model.summary(ddf=ddf)))
        # The first fit also loads the libraries; a second one shows what fitting itself takes.
        again = time.perf_counter()
        lmer(formula, table, reml=not ml, weights=weights)
        warm = time.perf_counter() - again
        note = f"\nfitted in {1000 * warm:.1f} ms ({1000 * seconds:.0f} ms with loading libraries)"
        typer.echo(note)
    if figure is not None:
        model.plot.fits().savefig(figure, dpi=150)
        typer.echo(f"figure written to {figure}", err=as_json)
    if save is not None:
        model.save(save)
        typer.echo(f"fit stored in {save}", err=as_json)
    if not model.convergence.converged:
        raise typer.Exit(NOT_CONVERGED)


def as_numbers(model: Any, ddf: str) -> dict[str, Any]:
    """A fit as plain JSON values."""
    summary = model.summary(ddf=ddf)

    def clean(frame: Any) -> Any:
        return json.loads(frame.to_json(orient="records", double_precision=15))

    return {
        "formula": model.formula,
        "method": "REML" if model.reml else "ML",
        "criterion": model.criterion,
        "loglik": model.loglik,
        "aic": model.aic,
        "bic": model.bic,
        "nobs": model.nobs,
        "dropped": model.dropped_rows,
        "ngroups": model.ngroups,
        "sigma": model.sigma,
        "theta": dict(model.theta),
        "coefficients": clean(summary.coefficients),
        "varcorr": clean(summary.varcorr),
        "is_singular": model.is_singular,
        "singular_directions": list(model.singular_directions),
        "converged": model.convergence.converged,
        "convergence_message": model.convergence.message,
    }


@app.command("data")
def data_command(
    name: Annotated[str | None, typer.Argument(help="Data set; without it, their list.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Rows as JSON records.")] = False,
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
        typer.echo(frame.to_json(orient="records"))
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


def main() -> None:
    """Entry point: the library's errors become one line and exit code 2."""
    try:
        app()
    except errors.PartialPoolError as error:
        typer.echo(f"partialpool: {error}", err=True)
        sys.exit(BAD_INPUT)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
