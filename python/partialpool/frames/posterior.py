"""A posterior in the frames of a likelihood fit: broom.mixed's tidy, glance, augment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from partialpool.arguments import Effect, PosteriorNewLevels, check_level
from partialpool.bayes.summaries import MAD_SCALE
from partialpool.design import Frame
from partialpool.design.levels import level_texts
from partialpool.errors import ArgumentError
from partialpool.frames.augment import augmented, prefixed, response_of, source_columns
from partialpool.frames.tidy import Row, chosen_effects, parameter_terms, rows_frame, tidy_frame
from partialpool.models.random_effects import by_group

if TYPE_CHECKING:
    from partialpool.bayes.posterior import Posterior

Vector = NDArray[np.float64]


def tidy(
    post: Posterior,
    effects: Effect | Sequence[Effect],
    *,
    conf_int: bool,
    conf_level: float,
    robust: bool,
    exponentiate: bool,
) -> Any:
    """See `Posterior.tidy`."""
    wanted, level = chosen_effects(effects, exponentiate), check_level(conf_level)
    rows: list[Row] = []
    for name in wanted:
        if name == "fixed":
            coefficients = post.parameters.fixed, post.parameters.coefficients
            size = len(post.parameters.fixed)  # the first of the native order
            numbers = _numbers(post.values[:, :, :size], level, robust)
            if exponentiate:
                numbers = _exponentiated(numbers)
            rows += [
                {"effect": "fixed", "term": term, "parameter": own, **_at(numbers, i)}
                for i, (term, own) in enumerate(zip(*coefficients, strict=True))
            ]
        elif name == "ran_pars":
            named = parameter_terms(post.fit)
            draws = np.stack([post.draws(n) for _, _, n, _ in named], -1)
            numbers = _numbers(draws, level, robust)
            rows += [
                {
                    "effect": "ran_pars",
                    "group": group,
                    "term": term,
                    "parameter": own,
                    **_at(numbers, i),
                }
                for i, (group, term, own, _) in enumerate(named)
            ]
        else:
            rows += _by_level(post, name, level, robust)
    return rows_frame(rows, wanted, conf_int, post.fit.design.kind)


def _by_level(post: Posterior, effect: str, level: float, robust: bool) -> list[Row]:
    """Rows of each level's random effects, or of these plus the fixed effects."""
    out: list[Row] = []
    for group, index in by_group(post.fit).items():
        factor, effects = post.parameters.factors[index], post.random_draws[index]
        names: tuple[str, ...] | list[str] = post.parameters.columns(factor)
        if effect == "ran_coefs":
            names = list(dict.fromkeys([*post.parameters.fixed, *factor.names]))
        for j, term in enumerate(names):
            if effect == "ran_vals":
                draws = effects[:, :, :, j]
            else:
                own = [i for i, name in enumerate(factor.names) if name == term]
                draws = effects[:, :, :, own].sum(axis=-1)
                if term in post.parameters.fixed:
                    draws = draws + post.values[:, :, post.parameters.fixed.index(term), None]
            numbers = _numbers(draws, level, robust)
            out += [
                {
                    "effect": effect,
                    "group": group,
                    "level": label,
                    "term": term,
                    **_at(numbers, i),
                }
                for i, label in enumerate(level_texts(factor.levels))
            ]
    return out


def _numbers(draws: Vector, level: float, robust: bool) -> dict[str, Vector]:
    """Summaries of draws (chains, draws, size) by column of the frame, (size,) each."""
    flat = draws.reshape(draws.shape[0] * draws.shape[1], draws.shape[2])
    low, high = np.quantile(flat, [(1 - level) / 2, (1 + level) / 2], axis=0)
    if robust:
        middle = np.median(flat, axis=0)
        spread = MAD_SCALE * np.median(np.abs(flat - middle), axis=0)
    else:
        middle = flat.mean(axis=0)
        spread = flat.std(axis=0, ddof=1) if len(flat) > 1 else np.full(len(middle), np.nan)
    return {"estimate": middle, "std_error": spread, "conf_low": low, "conf_high": high}


def _exponentiated(numbers: dict[str, Vector]) -> dict[str, Vector]:
    with np.errstate(over="ignore"):
        out = {name: np.exp(values) for name, values in numbers.items() if name != "std_error"}
        return out | {"std_error": numbers["std_error"] * out["estimate"]}


def _at(numbers: dict[str, Vector], i: int) -> dict[str, float]:
    return {name: float(values[i]) for name, values in numbers.items()}


def glance(post: Posterior) -> Any:
    """See `Posterior.glance`."""
    chains, draws, _ = post.values.shape
    row: dict[str, Any] = {
        "algorithm": ["NUTS"],
        "chains": np.array([chains]),
        "pss": np.array([chains * draws]),
        "nobs": np.array([post.fit.nobs]),
        "sigma": np.array([float(np.median(post.draws("sigma")))]),
    }
    return tidy_frame(row, post.fit.design.kind)


def augment(post: Posterior, new: Any, new_levels: PosteriorNewLevels, prefix: str) -> Any:
    """See `Posterior.augment`."""
    if not isinstance(prefix, str):
        raise ArgumentError(f"prefix must be text, not {prefix!r}")
    design = post.fit.design
    if new is None:
        design = design.with_rows()
        if design.source is None:
            raise ArgumentError("this posterior has no data at hand; give them: augment(frame)")
    frame = None if new is None else Frame(new)
    table = Frame(post.predict(new, new_levels=new_levels))
    fitted, spread = table.numeric("mean"), table.numeric("sd")
    columns = {"fitted": fitted, "se_fit": spread}
    if frame is None:
        y = design.response if design.offset is None else design.response + design.offset
    else:
        y = response_of(design, frame)
    if y is not None:
        columns["resid"] = y - fitted
    columns["fixed"] = Frame(post.predict(new, random="none")).numeric("mean")
    columns = prefixed(columns, prefix)
    if new is not None:
        return augmented(new, None, None, columns)
    return augmented(design.source, source_columns(design), design.rows, columns)
