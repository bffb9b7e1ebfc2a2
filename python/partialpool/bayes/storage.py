"""Stored posteriors (settings, priors, draws and the fit; no pickle) and ArviZ's container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool import _core
from partialpool.bayes.posterior import Posterior, Settings
from partialpool.bayes.prior_table import PriorTable, check_prior
from partialpool.bayes.priors import FAMILIES, Prior
from partialpool.design.levels import level_texts
from partialpool.errors import ArgumentError, FileError
from partialpool.files.container import (
    damaged,
    from_json,
    read_container,
    to_json,
    write_container,
)
from partialpool.files.fields import Fields
from partialpool.models import storage
from partialpool.models.parameters import Parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The parts of the file beside those of the fit: settings and priors, draws, statistics.
POSTERIOR, VALUES = "posterior.json", "values.f8"
#: How each statistic of the sampler is stored, little-endian.
STATS = {
    "lp": "<f8",
    "energy": "<f8",
    "tree_depth": "<u4",
    "reached_max_treedepth": "|b1",
    "diverging": "|b1",
    "step_size": "<f8",
}
STAT_PARTS = {name: f"{name}.{kind[1:]}" for name, kind in STATS.items()}
PARTS = storage.PARTS | {POSTERIOR, VALUES, *STAT_PARTS.values()}
SETTINGS = tuple(f.name for f in fields(Settings))


def save(post: Posterior, path: str | Path) -> None:
    """See `Posterior.save`. Random effects are not stored: the same seed draws them again."""
    manifest = {
        "settings": asdict(post.settings),
        "priors": {name: [p.name, *p.parameters] for name, p in post.priors.priors.items()},
        "given": sorted(post.priors.given),
        "drawn": list(post.values.shape[:2]),
    }
    try:
        _settings(Fields(manifest["settings"], SETTINGS, "the settings"))
        content = to_json(manifest, POSTERIOR)
        parts = {
            **storage.parts_of(post.fit),
            POSTERIOR: content,
            VALUES: _bytes(post.values, "<f8"),
            **{part: _bytes(post.stats[name], STATS[name]) for name, part in STAT_PARTS.items()},
        }
        # What could not be read again is not written.
        _Stored(parts).draws(post.parameters)
    except (FileError, TypeError, ValueError, KeyError) as error:
        raise ArgumentError(f"the posterior was changed and cannot be stored: {error}") from None
    write_container(path, "posterior", parts)


def _bytes(values: Any, kind: str) -> bytes:
    return np.ascontiguousarray(values).astype(kind, casting="equiv").tobytes()


def load_posterior(
    path: str | Path, data: Any = None, *, weights: Any = None, offset: Any = None
) -> Posterior:
    """Read a posterior stored by ``post.save``.

    Parameters
    ----------
    path
        The file.
    data, weights, offset
        As in `load`: only for what is stated a row of the data.

    Raises
    ------
    FileError
        If the file is no stored posterior, or not as it was stored. Nothing in it is executed.
    """
    parts = read_container(path, "posterior", PARTS, "sample again")
    with damaged(path):
        stored = _Stored(parts)
        fit = storage.StoredFit.read(parts)
        bare = fit.fit(None, dict.fromkeys(storage.ROW_ARGUMENTS))
        table, native = stored.native(bare.parameters, fit.products)
        values, stats = stored.draws(bare.parameters)
    model = bare if data is None else fit.fit(data, {"weights": weights, "offset": offset})
    return Posterior(model, native, table, stored.settings, values, stats)


class _Stored:
    """What a file says of a posterior beside its fit."""

    def __init__(self, parts: Mapping[str, bytes]) -> None:
        self._parts = parts
        names = ("settings", "priors", "given", "drawn")
        self.fields = Fields(from_json(parts[POSTERIOR]), names, "the stored posterior")
        self.settings = _settings(self.fields.fields("settings", SETTINGS))
        drawn = Fields(dict(zip("cd", self.fields.items("drawn", 2), strict=True)), "cd", "'drawn'")
        most = self.settings
        self.drawn = drawn.whole("c", 1, most.chains), drawn.whole("d", 1, most.draws)

    def native(
        self, parameters: Parameters, products: _core.CrossProducts
    ) -> tuple[PriorTable, _core.LogPosterior]:
        """The priors, one for each parameter."""
        value = self.fields["priors"]
        if not isinstance(value, dict) or set(value) != set(parameters.names):
            raise self.fields.refuse("priors", "those of the model's parameters")
        priors = {name: _prior(name, prior, parameters) for name, prior in value.items()}
        given = self.fields.texts("given")
        if not set(given) <= set(priors) or len(set(given)) != len(given):
            raise self.fields.refuse("given", "names of parameters")
        table = PriorTable(priors, frozenset(given))
        try:
            only = self.settings.prior_only
            return table, _core.LogPosterior(products, *table.native(parameters), only)
        except _core.CoreError as error:
            raise FileError(str(error)) from None

    def draws(self, parameters: Parameters) -> tuple[NDArray[np.float64], dict[str, NDArray[Any]]]:
        """The arrays, all of the same chains and draws."""
        values = self._array(VALUES, "<f8", (*self.drawn, len(parameters.names)))
        if not np.isfinite(values).all():
            raise FileError("draws are not finite")
        stats = {n: self._array(STAT_PARTS[n], kind, self.drawn) for n, kind in STATS.items()}
        return values, stats

    def _array(self, part: str, kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
        content, dtype = self._parts[part], np.dtype(kind)
        if len(content) != dtype.itemsize * int(np.prod(shape, dtype=object)):
            raise FileError(f"the part {part} has not the size of its draws")
        if dtype.kind == "b" and content.strip(b"\0\1"):
            raise FileError(f"the part {part} is not made of true and false")
        # A copy: the caller may change it, and it is in the machine's order of bytes.
        return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _settings(stored: Fields) -> Settings:
    target = stored.number("target_accept")
    if not 0 < target < 1:
        raise stored.refuse("target_accept", f"between 0 and 1, not {target:g}")
    if stored["method"] not in ("collapsed", "joint"):
        raise stored.refuse("method", "'collapsed' or 'joint'")
    return Settings(
        chains=stored.whole("chains", 1),
        warmup=stored.whole("warmup"),
        draws=stored.whole("draws", 1),
        seed=stored.whole("seed", 0, 2**64 - 1),
        target_accept=target,
        max_depth=stored.whole("max_depth", 1),
        keep_random=stored.flag("keep_random"),
        prior_only=stored.flag("prior_only"),
        method=stored.text("method"),
        why=stored.text("why"),
    )


def _prior(name: str, value: Any, parameters: Parameters) -> Prior:
    known = isinstance(value, list) and value and isinstance(value[0], str)
    if not known or value[0] not in FAMILIES:
        raise FileError(f"the prior of {name!r} is of no known family")
    prior = FAMILIES[value[0]](*value[1:])
    check_prior(name, prior, parameters)
    return prior


def to_arviz(post: Posterior, random: bool) -> Any:
    """See `Posterior.to_arviz`."""
    import arviz_base

    group = "prior" if post.settings.prior_only else "posterior"
    variables: dict[str, Any] = {name: post.draws(name) for name in post.variables}
    dims: dict[str, list[str]] = {}
    coords: dict[str, list[str]] = {}
    if random and post.settings.keep_random:
        for factor, effects in zip(post.parameters.factors, post.random_draws, strict=True):
            name, level, column = post.parameters.container_names(factor)
            variables[name] = effects
            dims[name] = [level, column]
            coords[level] = level_texts(factor.levels)
            coords[column] = list(post.parameters.columns(factor))
    # A slash is the separator of groups there.
    safe: dict[str, str] = {}
    for name in sorted([*variables, *coords, "chain", "draw"], key=lambda n: "/" in n):
        safe[name] = name.replace("/", "_")
        while safe[name] in [v for k, v in safe.items() if k != name]:
            safe[name] += "_"
    variables = {safe[name]: draws for name, draws in variables.items()}
    dims = {safe[name]: [safe[dim] for dim in own] for name, own in dims.items()}
    coords = {safe[name]: labels for name, labels in coords.items()}
    data = {group: variables, f"sample_stats{'_prior' * post.settings.prior_only}": post.stats}
    return arviz_base.from_dict(data, dims=dims, coords=coords, sample_dims=["chain", "draw"])
