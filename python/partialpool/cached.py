"""``functools.cached_property`` as of Python 3.12, which holds no lock.

Until 3.11 one lock per property, shared by all objects, is held while a value is computed: fits in
several threads wait for one another, and a process forked meanwhile waits for ever.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or sys.version_info >= (3, 12):
    from functools import cached_property as cached_property
else:

    class cached_property:
        """A property computed once and kept in the object's ``__dict__``.

        Two threads that ask at once may both compute it.
        """

        def __init__(self, func: Callable[[Any], Any]) -> None:
            self.func = func
            self.attrname = func.__name__
            self.__doc__ = func.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            self.attrname = name

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            if instance is None:
                return self
            # The first to be kept stays: all who ask get one object.
            return instance.__dict__.setdefault(self.attrname, self.func(instance))
