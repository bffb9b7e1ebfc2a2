"""Methods that draw by a function and have its documentation, all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def documented_by(function: Callable[..., Any]) -> Callable[[Method], Method]:
    """The documentation that a method shows is the function's."""

    def same(method: Method) -> Method:
        method.__doc__ = function.__doc__
        return method

    return same


def offered(accessor: type) -> str:
    """What an accessor can draw, a line each: the call and its first sentence."""
    methods = {n: m for n, m in vars(accessor).items() if not n.startswith("_")}
    width = max(map(len, methods)) + 2
    lines = (
        f"  .{name + '()':<{width}}  {(method.__doc__ or '').partition('.')[0].strip()}"
        for name, method in methods.items()
    )
    return "\n".join(["Figures:", *lines])
