"""How a fit or a posterior can be made again: the call, and the versions it was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from partialpool.models.reporting import given

if TYPE_CHECKING:
    from partialpool.bayes.posterior import Posterior
    from partialpool.models.fit import MixedFit

#: Packages whose versions can change a number or a picture.
PACKAGES = ("numpy", "scipy", "formulaic", "pandas", "narwhals", "matplotlib")


def python_call(fit: MixedFit) -> str:
    """The call of `lmer`; an array among its arguments is described, as it has no short name."""
    arguments = ["reml=False"] if not fit.reml else []
    refit = "" if fit.design.replaced is None else ".refit(<array>)"
    return f"pp.lmer({', '.join([*_data(fit), *arguments, *_beside(fit)])}){refit}"


def sample_call(post: Posterior) -> str:
    """The call of `sample`, with the priors that were given and the seed that it had."""
    settings, table = post.settings, post.priors
    given = [f"{n!r}: pp.{p}" for n, p in table.priors.items() if n in table.given]
    priors = [f"priors={{{', '.join(given)}}}"] if given else []
    numbers = [f"{name}={getattr(settings, name)}" for name in ("chains", "warmup", "draws")]
    if settings.prior_only:
        numbers.append("prior_only=True")
    arguments = [*_data(post.fit), *priors, *numbers, f"seed={settings.seed}", *_beside(post.fit)]
    return f"pp.sample({', '.join(arguments)})"


def _data(fit: MixedFit) -> list[str]:
    return [repr(fit.formula), fit.data_name or "data"]


def _beside(fit: MixedFit) -> list[str]:
    """What was given beside formula and data."""
    out = []
    for what in ("weights", "offset"):
        text = given(fit, what)
        if text is None:
            continue
        named = isinstance(fit.design.given.get(what), str) or not text.endswith(" given")
        out.append(f"{what}={text!r}" if named else f"{what}=<array, {fit.nobs:,} values>")
    if fit.design.contrasts:
        out.append(f"contrasts={dict(fit.design.contrasts)!r}")
    if fit.design.given.get("na_action", "drop") != "drop":
        out.append(f"na_action={fit.design.given['na_action']!r}")
    return out


def versions() -> list[tuple[str, str]]:
    """Names and versions."""
    from partialpool import __version__

    out = [("partialpool", __version__), ("Python", platform.python_version())]
    for package in PACKAGES:
        try:
            out.append((package, version(package)))
        except PackageNotFoundError:
            out.append((package, "version not known"))
    return [*out, ("machine", f"{platform.system()} {platform.machine()}")]
