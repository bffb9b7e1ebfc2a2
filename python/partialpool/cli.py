"""The `partialpool` command."""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from partialpool import errors

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Mixed-effects models: lme4's formulas, lmerTest's tests.",
    epilog="Exit codes: 0 done, 2 bad input (one line on standard error says what), 3 the fit did"
    " not converge.",
)

#: Exit codes.
BAD_INPUT, NOT_CONVERGED = 2, 3
#: A first fit that took longer (seconds) is not repeated for its timing.
REPEAT_LIMIT = 1.0


def read_table(source: str) -> tuple[Any, str]:
    """A shipped data set, or a CSV, Parquet or Arrow (Feather) file; and what to call it."""
    from partialpool.datasets import DATASETS, load_dataset

    if source in DATASETS:
        return load_dataset(source), source
    path = Path(source)
    if not path.is_file():
        known = ", ".join(DATASETS)
        raise errors.FileError(f"{source!r} is neither a file nor a shipped data set ({known})")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] in {".gz", ".bz2", ".xz", ".zip", ".zst"}
    kind = suffixes[-2 if packed and len(suffixes) > 1 else -1] if suffixes else ""
    read = READERS.get(kind)
    if read is None or (packed and kind not in TEXT_KINDS):
        raise errors.FileError(
            f"{source!r} must end in {', '.join(READERS)} (text also with .gz after it)"
        )
    try:
        return read(path), path.name.split(".")[0]
    except ImportError as error:
        raise errors.FileError(f"reading {source!r} needs pyarrow: pip install pyarrow") from error
    except (ValueError, OSError, EOFError) as error:
        line = str(error).strip().split("\n")[0]
        raise errors.FileError(f"{source!r} cannot be read as {kind[1:]}: {line}") from None


def _read_csv(path: Path) -> Any:
    import pandas as pd

    return pd.read_csv(path)


def _read_tsv(path: Path) -> Any:
    import pandas as pd

    return pd.read_csv(path, sep="\t")


def _read_parquet(path: Path) -> Any:
    import pandas as pd

    return pd.read_parquet(path)


def _read_arrow(path: Path) -> Any:
    """An Arrow file (Feather), or an Arrow stream."""
    import pyarrow as pa

    with pa.OSFile(str(path), "rb") as file:
        try:
            return pa.ipc.open_file(file).read_all().to_pandas()
        except pa.ArrowInvalid:
            file.seek(0)
            return pa.ipc.open_stream(file).read_all().to_pandas()


#: How a file of each ending is read.
READERS: dict[str, Callable[[Path], Any]] = {
    ".csv": _read_csv,
    ".txt": _read_csv,
    ".tsv": _read_tsv,
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
    ".ipc": _read_arrow,
}
TEXT_KINDS = (".csv", ".txt", ".tsv")


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
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Store the fit, to be read by partialpool.load."),
    ] = None,
) -> None:
    """Fit a linear mixed model and print its summary."""
    from partialpool.models.linear_mixed import DDF
    from partialpool.models.lmer import lmer

    if ddf not in DDF:
        raise errors.ArgumentError(f"--ddf must be one of {', '.join(DDF)}, not {ddf!r}")
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
        write_figure(model, figure)
        typer.echo(f"figure written to {figure}", err=as_json)
    if save is not None:
        model.save(save)
        typer.echo(f"fit stored in {save}", err=as_json)
    if not model.convergence.converged:
        typer.echo(f"partialpool: {model.convergence.message}", err=True)
        raise typer.Exit(NOT_CONVERGED)


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


def write_figure(model: Any, path: Path) -> None:
    """Each group's line, in the format of the file's ending."""
    drawing = model.plot.fits()
    try:
        drawing.savefig(path, dpi=150)
    except OSError as error:
        reason = error.strerror or error
        raise errors.FileError(f"cannot write the figure {str(path)!r}: {reason}") from None
    except ValueError:
        offered = ", ".join(sorted(drawing.canvas.get_supported_filetypes()))
        raise errors.FileError(
            f"cannot write the figure {str(path)!r}: its ending must be one of {offered}"
        ) from None


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


def plain(value: Any) -> Any:
    """Strict JSON has no NaN, no infinity, no NumPy and no dates."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


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
    """Entry point: the library's errors become one line and exit code 2."""
    try:
        app(arguments)
    except errors.PartialPoolError as error:
        typer.echo(f"partialpool: {error}", err=True)
        sys.exit(BAD_INPUT)


if __name__ == "__main__":
    main()
