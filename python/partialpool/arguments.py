"""Every check of an argument, once: what comes back is of one plain type, or is refused by name."""

from __future__ import annotations

import operator
import secrets
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from numbers import Real
from typing import Literal, TypeVar, get_args

from partialpool.errors import ArgumentError

#: Seeds are numbers of 64 bits.
SEEDS = 2**64
#: Refits that one bootstrap, test or power study may ask for.
MOST_SIMULATIONS = 100_000_000
#: Width and height that a figure may have.
MOST_INCHES = 600
#: R's spellings, folded, of what is called otherwise here.
SPELLINGS = {
    "kr": "kenwardroger",
    "satterth": "satterthwaite",
    "trtvsctrl1": "trtvsctrl",
    "perc": "percentile",
    "norm": "normal",
    "boot": "boot",
    "bootstrap": "boot",
}

#: The words of each choice: the types of the signatures, and what `check_choice` reads.
Ddf = Literal["satterthwaite", "kenward-roger", "asymptotic"]
DDF: tuple[Ddf, ...] = get_args(Ddf)
AnovaType = Literal[1, 2, 3]
NaAction = Literal["drop", "error"]
NA_ACTIONS: tuple[NaAction, ...] = get_args(NaAction)
Coding = Literal["treatment", "sum", "helmert", "poly", "SAS", "diff"]
CODINGS: tuple[Coding, ...] = get_args(Coding)
Effect = Literal["fixed", "ran_pars", "ran_vals", "ran_coefs"]
EFFECTS: tuple[Effect, ...] = get_args(Effect)
ConfintMethod = Literal["wald", "profile", "boot"]
CONFINT_METHODS: tuple[ConfintMethod, ...] = get_args(ConfintMethod)
ParameterNames = Literal["canonical", "lme4", "lme4-long"]
PARAMETER_NAMES: tuple[ParameterNames, ...] = get_args(ParameterNames)
BootstrapInterval = Literal["percentile", "basic", "normal"]
BOOTSTRAP_INTERVALS: tuple[BootstrapInterval, ...] = get_args(BootstrapInterval)
ResidualKind = Literal["response", "pearson", "scaled"]
RESIDUAL_KINDS: tuple[ResidualKind, ...] = get_args(ResidualKind)
NewLevels = Literal["error", "population"]
NEW_LEVELS: tuple[NewLevels, ...] = get_args(NewLevels)
PosteriorNewLevels = Literal["error", "population", "sample"]
POSTERIOR_NEW_LEVELS: tuple[PosteriorNewLevels, ...] = get_args(PosteriorNewLevels)
IntervalKind = Literal["confidence", "prediction"]
INTERVAL_KINDS: tuple[IntervalKind, ...] = get_args(IntervalKind)
PredictionKind = Literal["mean", "response"]
PREDICTION_KINDS: tuple[PredictionKind, ...] = get_args(PredictionKind)
VarianceShare = Literal["sum", "johnson"]
VARIANCE_SHARES: tuple[VarianceShare, ...] = get_args(VarianceShare)
VarianceMethod = Literal["anova", "reml", "ml"]
VARIANCE_METHODS: tuple[VarianceMethod, ...] = get_args(VarianceMethod)
Sampler = Literal["auto", "collapsed", "joint"]
SAMPLERS: tuple[Sampler, ...] = get_args(Sampler)
Adjustment = Literal["tukey", "dunnettx", "holm", "bonferroni", "sidak", "none"]
ADJUSTMENTS: tuple[Adjustment, ...] = get_args(Adjustment)
ContrastName = Literal["pairwise", "revpairwise", "trt_vs_ctrl", "poly"]
CONTRAST_NAMES: tuple[ContrastName, ...] = get_args(ContrastName)
Backend = Literal["pandas", "polars", "pyarrow"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)
ResidualFigure = Literal["fitted", "scale-location", "group"]
RESIDUAL_FIGURES: tuple[ResidualFigure, ...] = get_args(ResidualFigure)
DataFigure = Literal["jitter", "box", "facets", "pooled"]
DATA_FIGURES: tuple[DataFigure, ...] = get_args(DataFigure)
Pooling = Literal["complete", "partial", "none"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)

Choice = TypeVar("Choice", bound=str)


class Kept(Enum):
    """The value of an argument that is not given, where None says something."""

    KEPT = "as it was"


KEPT = Kept.KEPT


def _whole(value: object) -> int | None:
    """A whole number of Python, NumPy or the like; True and False are none."""
    if isinstance(value, bool) or type(value).__name__ in {"bool", "bool_"}:
        return None
    try:
        return operator.index(value)  # pyright: ignore[reportArgumentType]
    except TypeError:
        return None


def check_seed(value: object, name: str = "seed") -> int:
    """A seed of 64 bits; a fresh one for None."""
    if value is None:
        return secrets.randbits(32)
    seed = _whole(value)
    if seed is None or not 0 <= seed < SEEDS:
        raise ArgumentError(f"{name} must be a whole number from 0 to 2**64 - 1, not {value!r}")
    return seed


def check_count(value: object, name: str, least: int = 1, most: int | None = None) -> int:
    """A whole number within bounds."""
    count = _whole(value)
    if count is None or count < least:
        what = "a positive whole number" if least == 1 else f"a whole number of at least {least}"
        raise ArgumentError(f"{name} must be {what}, not {value!r}")
    if most is not None and count > most:
        shown = f"{count:,}" if count < 10**30 else "a number of more than 30 digits"
        raise ArgumentError(f"{name} must be at most {most:,}, not {shown}")
    return count


def check_nsim(value: object, most: int = MOST_SIMULATIONS) -> int:
    """A positive number of simulations."""
    return check_count(value, "nsim, the number of simulations,", most=most)


def check_share(value: object, name: str) -> float:
    """A number between 0 and 1, the ends left out."""
    wrong = isinstance(value, bool) or not isinstance(value, Real)
    if wrong or not 0 < float(value) < 1:  # pyright: ignore[reportArgumentType]
        raise ArgumentError(f"{name} must lie between 0 and 1, not {value!r}")
    return float(value)  # pyright: ignore[reportArgumentType]


def check_level(value: object, name: str = "level") -> float:
    """A coverage between 0 and 1."""
    return check_share(value, name)


def check_flag(value: object, name: str) -> bool:
    """True or False, NumPy's too."""
    if not isinstance(value, bool) and type(value).__name__ not in {"bool", "bool_"}:
        raise ArgumentError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def check_figsize(value: object) -> tuple[float, float] | None:
    """Width and height in inches, or None."""
    if value is None:
        return None
    sides = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else []
    numbers = [isinstance(v, Real) and not isinstance(v, bool) for v in sides]
    inches = [float(v) for v in sides] if all(numbers) else []
    if len(inches) != 2 or not all(0 < v <= MOST_INCHES for v in inches):
        raise ArgumentError(
            "figsize must be the width and the height in inches, two numbers above 0 and up to"
            f" {MOST_INCHES}, not {value!r}"
        )
    return inches[0], inches[1]


def check_choice(
    value: object,
    name: str,
    choices: Collection[Choice],
    spellings: Mapping[str, str] = SPELLINGS,
) -> Choice:
    """One of the words offered, by its own spelling: "Kenward-Roger" and "KR" are "kenward-roger".

    Case, hyphens, underscores, dots and spaces do not count.
    """
    own = {_folded(choice): choice for choice in choices}
    if isinstance(value, str):
        folded = _folded(value)
        found = own.get(folded) or own.get(spellings.get(folded, ""))
        if found is not None:
            return found
    raise ArgumentError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")


def _folded(text: str) -> str:
    return "".join(c for c in text.lower() if c not in "-_. ")
