"""`partialpool fit … --bayes`: the posterior from the command line."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from partialpool import errors
from partialpool.cli.files import plain, write_figure
from partialpool.cli.numbers import table_text

if TYPE_CHECKING:
    from partialpool.bayes.posterior import Posterior
    from partialpool.bayes.priors import Prior
    from partialpool.cli.request import ModelRequest


@dataclass(frozen=True, slots=True)
class Sampling:
    """What was typed about the sampling.

    Attributes
    ----------
    priors
        As typed: "sd=half_normal(5)".
    numbers
        chains, warmup, draws and seed.
    level
        Level of the intervals that are printed too; None for none.
    """

    priors: tuple[str, ...]
    numbers: dict[str, Any]
    level: float | None


def read_priors(texts: Sequence[str]) -> dict[str, Prior]:
    """Priors by name from "NAME=FAMILY(numbers)"; read as text, never evaluated."""
    from partialpool.bayes.prior_text import read_prior

    out: dict[str, Prior] = {}
    for text in texts:
        name, equals, call = text.rpartition("=")
        if not (equals and name.strip()):
            raise errors.ArgumentError(
                f"--prior {text!r} must be a name, =, and a prior, as 'sd=half_normal(5)'"
            )
        if name.strip() in out:
            raise errors.ArgumentError(f"--prior gives {name.strip()!r} two priors")
        out[name.strip()] = read_prior(call)
    return out


def sample_and_print(
    request: ModelRequest,
    sampling: Sampling,
    *,
    as_json: bool,
    figure: Path | None,
    report: Path | None,
    save: Path | None,
) -> bool:
    """Sample, print, write what was asked for; whether the chains passed their checks."""
    from partialpool.bayes.sample import sample

    priors = read_priors(sampling.priors)
    table, name = request.table()
    contrasts: Any = request.contrasts or None
    with warnings.catch_warnings():
        # An interruption is said below, on one line.
        warnings.simplefilter("ignore", errors.ConvergenceWarning)
        start = time.perf_counter()
        post = sample(
            str(request.formula),
            table,
            priors=priors,
            weights=request.weights,
            offset=request.offset,
            contrasts=contrasts,
            **sampling.numbers,
        )
        seconds = time.perf_counter() - start
    post.fit.data_name = name
    if as_json:
        numbers = as_numbers(post, name, sampling.level)
        typer.echo(json.dumps(numbers, indent=1, allow_nan=False))
    else:
        typer.echo(str(post))
        if sampling.level is not None:
            said = f"{100 * sampling.level:g}% credible intervals (equal tails):"
            typer.echo(f"\n{said}\n{table_text(_limits(post, sampling.level))}")
        typer.echo(f"\nsampled in {seconds:.2f} s")
    if post.interrupted:
        typer.echo(f"partialpool: sampling was {post.interrupted}", err=True)
    if figure is not None:
        write_figure(post.plot.densities, figure)
        typer.echo(f"figure written to {figure}", err=as_json)
    if report is not None:
        post.report(report, command=_typed(request, sampling))
        typer.echo(f"report written to {report}", err=as_json)
    if save is not None:
        post.save(save)
        typer.echo(f"posterior stored in {save}", err=as_json)
    if not post.diagnostics.ok:
        typer.echo(f"partialpool: {post.diagnostics.verdict}", err=True)
    return post.diagnostics.ok


def _typed(request: ModelRequest, sampling: Sampling) -> str:
    """The command as it can be typed again."""
    numbers = {f"--{name}": str(v) for name, v in sampling.numbers.items() if v is not None}
    return request.command_line("fit", **{"--bayes": True, "--prior": sampling.priors, **numbers})


def _limits(post: Posterior, level: float) -> Any:
    """Equal-tailed intervals of fixed effects, standard deviations and correlations."""
    table = post.tidy(conf_int=True, conf_level=level)
    return table[["group", "term", "estimate", "conf_low", "conf_high"]]


def as_numbers(post: Posterior, name: str, level: float | None = None) -> dict[str, Any]:
    """A posterior as plain JSON values; what has no finite value is null."""
    from partialpool import __version__
    from partialpool.bayes.summaries import rows

    table = rows(post)
    checks = post.diagnostics
    chains, draws, _ = post.values.shape
    limits: dict[str, Any] = {}
    if level is not None:
        limits = {"level": level, "intervals": _limits(post, level).to_dict("records")}
    return plain(
        {
            "partialpool": __version__,
            "data": name,
            "formula": post.formula,
            "method": "NUTS",
            "nobs": post.fit.nobs,
            "dropped": post.fit.dropped_rows,
            "ngroups": post.fit.ngroups,
            "chains": chains,
            "warmup": post.settings.warmup,
            "draws": draws,
            "seed": post.settings.seed,
            "priors": {key: str(value) for key, value in post.priors.priors.items()},
            "given": sorted(post.priors.given),
            "summary": [
                dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)
            ],
            **limits,
            "ranef": {
                group: frame.reset_index().to_dict("records")
                for group, frame in post.ranef(spread=True).items()
            },
            "ok": checks.ok,
            "diagnostics": {
                "divergences": checks.divergences,
                "max_depth_hits": checks.max_depth_hits,
                "ebfmi": list(checks.ebfmi),
                "max_rhat": checks.max_rhat[0],
                "min_ess_bulk": checks.min_ess_bulk[0],
                "min_ess_tail": checks.min_ess_tail[0],
                "problems": list(checks.problems),
            },
        }
    )
