"""`partialpool simulate`: data from a formula, a design and the parameters' values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from partialpool import errors
from partialpool.cli import options
from partialpool.cli.files import require_places, write_table
from partialpool.cli.reading import read_table

RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
#: Rows of a design that a typing error would otherwise make.
MOST_VALUES = 1_000_000

Many = list[str] | None


def simulate(
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
    seed: options.Seed = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A .csv, .tsv, .parquet or .feather file; default CSV on standard output.",
        ),
    ] = None,
) -> None:
    """Simulate data from a linear mixed model.

    Writes the design's columns, the steps fixed (Xβ), random (Zb) and residual (ε), and the
    response, their sum.
    """
    from partialpool.simulate.lmm import simulate_lmm

    require_places(out)
    design = read_design(frame, groups, within, between, replicates)
    effects = read_effects(beta, sd, cor, sigma)
    made = simulate_lmm(formula, design, **effects, seed=seed)
    if out is None:
        typer.echo(made.to_csv(index=False), nl=False)
        return
    write_table(made, out)
    typer.echo(f"{len(made)} rows written to {out}")


def read_effects(beta: Many, sd: Many, cor: Many, sigma: float) -> dict[str, Any]:
    """beta, sd, cor and sigma as `simulate_lmm` takes them."""
    if not beta:
        raise errors.ArgumentError("--beta is missing; give the fixed effects, as --beta 6,4")
    return {
        "beta": _beta(beta),
        "sd": _by_group(sd, "--sd"),
        "cor": _by_group(cor, "--cor"),
        "sigma": sigma,
    }


def read_design(
    frame: str | None, groups: Many, within: Many, between: Many, replicates: int
) -> Any:
    """The frame of `--frame`, or a balanced design of the groups and their variables."""
    from partialpool.simulate.design import make_design

    if frame is not None:
        if groups or within or between or replicates != 1:
            raise errors.ArgumentError(
                "--frame holds the whole design; leave out --groups, --within, --between and"
                " --replicates"
            )
        return read_table(frame)[0]
    if not groups:
        raise errors.ArgumentError(
            "the design is missing; give --groups school=20, or --frame with a file"
        )
    sizes: dict[str, Any] = {}
    for name, text in _pairs(groups, "--groups"):
        values = values_of(text, f"--groups {name}")
        single = len(values) == 1 and isinstance(values[0], int)
        sizes[name] = values[0] if single else values
    inner = values_by_name(within, "--within")
    outer: dict[str, dict[str, list[Any]]] = {}
    for name, text in _pairs(between, "--between"):
        group, colon, variable = name.rpartition(":")
        if not colon:
            if len(sizes) > 1:
                raise errors.ArgumentError(
                    f"--between {name} must name its group: {next(iter(sizes))}:{name}=…"
                )
            group = next(iter(sizes))
        outer.setdefault(group, {})[variable] = values_of(text, f"--between {name}")
    return make_design(sizes, inner, outer, replicates=replicates)


def _pairs(texts: Many, option: str) -> list[tuple[str, str]]:
    """NAME=VALUES in two, each name once."""
    out: dict[str, str] = {}
    for text in texts or ():
        name, equals, values = (part.strip() for part in text.partition("="))
        if not (name and equals and values):
            raise errors.ArgumentError(f"{option} {text!r} must be a name, =, and values")
        if name in out:
            raise errors.ArgumentError(f"{option} gives {name!r} twice")
        out[name] = values
    return list(out.items())


def values_by_name(texts: Many, option: str) -> dict[str, list[Any]]:
    """NAME=VALUES, the values of each name once."""
    return {name: values_of(text, f"{option} {name}") for name, text in _pairs(texts, option)}


def values_of(text: str, what: str) -> list[Any]:
    """Values with commas between them, or a range of whole numbers as 1..10; numbers if all are."""
    found = RANGE.fullmatch(text.strip())
    if found is not None:
        first, last = map(int, found.groups())
        if not 0 <= last - first < MOST_VALUES:
            raise errors.ArgumentError(f"{what}: the range {text!r} must rise, within a million")
        return list(range(first, last + 1))
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise errors.ArgumentError(f"{what}: {text!r} has an empty value between its commas")
    for kind in (int, float):
        try:
            return [kind(word) for word in words]
        except ValueError:
            continue
    return words


def _numbers(text: str, what: str) -> list[float]:
    values = values_of(text, what)
    if any(isinstance(value, str) for value in values):
        raise errors.ArgumentError(f"{what} takes numbers, not {text!r}")
    return [float(value) for value in values]


def _beta(texts: Sequence[str]) -> Any:
    """Numbers in order, or by name."""
    if any("=" in text for text in texts):
        out: dict[str, float] = {}
        for name, text in _pairs(list(texts), "--beta"):
            (out[name],) = _one(_numbers(text, f"--beta {name}"), f"--beta {name}")
        return out
    return [number for text in texts for number in _numbers(text, "--beta")]


def _one(numbers: list[float], what: str) -> list[float]:
    if len(numbers) != 1:
        raise errors.ArgumentError(f"{what} takes one number, not {len(numbers)}")
    return numbers


def _by_group(texts: Many, option: str) -> Any:
    """Numbers by group; without a name those of the only group."""
    if not texts:
        return None
    if len(texts) == 1 and "=" not in texts[0]:
        return _numbers(texts[0], option)
    return {name: _numbers(text, f"{option} {name}") for name, text in _pairs(texts, option)}
