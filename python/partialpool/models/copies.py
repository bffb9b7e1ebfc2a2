"""Copies and pickles of a fit: the same numbers to the last bit; a pickle has no table of data."""

from __future__ import annotations

from copy import copy
from typing import Any, Self

from partialpool.models.doors import as_fit


class CopiedFits:
    """Base of `LinearMixedModel`: copy, deepcopy and pickle."""

    def __copy__(self) -> Self:
        # Shared: none of it changes. What is kept of earlier answers is not: it is the caller's.
        own = ("design", "reml", "data_name", "stored", "_products", "_native", "_identification")
        out = object.__new__(type(self))
        out.__dict__.update({name: self.__dict__[name] for name in own})
        return out

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return copy(self)

    def __getstate__(self) -> dict[str, Any]:
        from partialpool.models.storage import native_state

        kept = ("design", "reml", "data_name", "stored")
        # The working parameters too, so that a copy has the same numbers to the last bit.
        native = {**native_state(as_fit(self)), "working": as_fit(self).optimum.working}
        return {"native": native, **{k: self.__dict__[k] for k in kept}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from partialpool.models.storage import restore_native

        native = state.pop("native")
        self.__dict__.update(state, _identification=None)
        self._products, self._native = restore_native(native, state["reml"])
