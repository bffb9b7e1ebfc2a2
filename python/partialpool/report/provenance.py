"""How a fit can be made again: the call, and the versions it was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from partialpool.models.reporting import given

if TYPE_CHECKING:
    from partialpool.models.fit import MixedFit

#: Packages whose versions can change a number or a picture.
PACKAGES = ("numpy", "scipy", "formulaic", "pandas", "narwhals", "matplotlib")


def python_call(fit: MixedFit) -> str:
    """The call of `lmer`; an array among its arguments is described, as it has no short name."""
    arguments = [repr(fit.formula), fit.data_name or "data"]
    if not fit.reml:
        arguments.append("reml=False")
    for what in ("weights", "offset"):
        text = given(fit, what)
        if text is None:
            continue
        named = isinstance(fit.design.given.get(what), str) or not text.endswith(" given")
        arguments.append(f"{what}={text!r}" if named else f"{what}=<array, {fit.nobs:,} values>")
    if fit.design.contrasts:
        arguments.append(f"contrasts={dict(fit.design.contrasts)!r}")
    if fit.design.given.get("na_action", "drop") != "drop":
        arguments.append(f"na_action={fit.design.given['na_action']!r}")
    refit = "" if fit.design.replaced is None else ".refit(<array>)"
    return f"pp.lmer({', '.join(arguments)}){refit}"


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
