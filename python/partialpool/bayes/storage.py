"""Stored posteriors (a zip of JSON, arrays and the stored fit; no pickle) and ArviZ's container."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from partialpool import _core
from partialpool.bayes.parameters import Parameters
from partialpool.bayes.posterior import Posterior, Settings
from partialpool.bayes.prior_table import PriorTable
from partialpool.bayes.priors import FAMILIES
from partialpool.design.levels import level_texts
from partialpool.errors import ArgumentError, FileError, PartialPoolError
from partialpool.models import storage

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = "partialpool posterior"
VERSION = 1


def save(post: Posterior, path: str | Path) -> None:
    """See `Posterior.save`. Random effects are not stored: the same seed draws them again."""
    if not isinstance(path, str | Path):
        raise ArgumentError(f"the place of a file is text or a Path, not {path!r}")
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "settings": asdict(post.settings),
        "priors": {name: [p.name, *p.parameters] for name, p in post.priors.priors.items()},
        "given": sorted(post.priors.given),
        "stats": list(post.stats),
    }
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder) / "fit.zip"
        storage.save(post.fit, inner)
        fit = inner.read_bytes()
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("posterior.json", json.dumps(manifest))
            archive.writestr("fit.zip", fit)
            archive.writestr("values.npy", _bytes(post.values))
            for name, values in post.stats.items():
                archive.writestr(f"{name}.npy", _bytes(values))
    except OSError as error:
        raise FileError(f"cannot write {str(path)!r}: {error.strerror or error}") from None


def _bytes(values: NDArray[Any]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(values), allow_pickle=False)
    return out.getvalue()


def load_posterior(
    path: str | Path, data: Any = None, *, weights: Any = None, offset: Any = None
) -> Posterior:
    """Read a posterior stored by ``post.save``.

    Parameters
    ----------
    path
        The file.
    data, weights, offset
        As of `load`: only for what is stated a row of the data.

    Raises
    ------
    FileError
        If the file is no stored posterior. Nothing in it is executed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read("posterior.json"))
            fit_bytes = archive.read("fit.zip")
            if manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
                raise FileError(
                    f"{str(path)!r} was stored by another version of partialpool; sample again"
                )

            def array(name: str) -> NDArray[Any]:
                stream = io.BytesIO(archive.read(f"{name}.npy"))
                return np.lib.format.read_array(stream, allow_pickle=False)

            values = array("values")
            stats = {name: array(name) for name in manifest["stats"]}
    except FileNotFoundError:
        raise FileError(f"there is no file {str(path)!r}") from None
    except (OSError, KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile):
        raise FileError(f"{str(path)!r} is not a stored posterior") from None
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder) / "fit.zip"
        inner.write_bytes(fit_bytes)
        fit = storage.load(inner, data, weights=weights, offset=offset)
    try:
        parameters = Parameters.of(fit)
        priors = {n: FAMILIES[p[0]](*p[1:]) for n, p in manifest["priors"].items()}
        table = PriorTable(priors, frozenset(manifest["given"]))
        settings = Settings(**manifest["settings"])
        native = _core.LogPosterior(fit._products, *table.native(parameters), settings.prior_only)
        rectangle = values.shape[:2]
        if values.shape[2:] != (len(parameters.names),) or any(
            s.shape != rectangle for s in stats.values()
        ):
            raise ValueError("shapes")
    except (KeyError, TypeError, ValueError, IndexError, _core.CoreError, PartialPoolError):
        raise FileError(f"{str(path)!r} is damaged: its parts do not fit together") from None
    return Posterior(fit, native, table, settings, values, stats)


def to_arviz(post: Posterior, random: bool) -> Any:
    """See `Posterior.to_arviz`."""
    import arviz_base

    group = "prior" if post.settings.prior_only else "posterior"
    variables: dict[str, Any] = {name: post.draws(name) for name in post.variables}
    dims: dict[str, list[str]] = {}
    coords: dict[str, list[str]] = {}
    if random and post.settings.keep_random:
        for factor, effects in zip(post.parameters.factors, post.random_draws, strict=True):
            level, column = f"{factor.name}_level", f"{factor.name}_coefficient"
            variables[f"r_{factor.name}"] = effects
            dims[f"r_{factor.name}"] = [level, column]
            coords[level] = level_texts(factor.levels)
            coords[column] = list(post.parameters.columns(factor))
    data = {group: variables, f"sample_stats{'_prior' * post.settings.prior_only}": post.stats}
    return arviz_base.from_dict(data, dims=dims, coords=coords, sample_dims=["chain", "draw"])
