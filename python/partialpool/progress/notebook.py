"""A progress bar for notebooks that needs nothing but IPython, which every notebook has."""

from __future__ import annotations

from html import escape
from time import perf_counter
from typing import Any

#: Seconds between two pictures of the bar.
EVERY = 0.2


class NotebookBar:
    """A label, a bar, how much is done and the time left, in place of the cell's output.

    Parameters
    ----------
    label
    total
    """

    def __init__(self, label: str, total: int) -> None:
        from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]

        self._html: Any = HTML
        self._label, self._total, self._done = label, total, 0
        self._started = self._shown = perf_counter()
        self._handle: Any = display(HTML(self.html()), display_id=True)

    def html(self, note: str = "") -> str:
        """The bar as it stands."""
        words = [escape(self._label), f"{self._done:,}/{self._total:,}"]
        left = self._left()
        words += [escape(note)] if note else []
        words += [] if left is None else [f"{left} left"]
        bar = f'<progress value="{self._done}" max="{max(self._total, 1)}"></progress>'
        return f'<div role="status">{words[0]} {bar} {", ".join(words[1:])}</div>'

    def _left(self) -> str | None:
        if not 0 < self._done < self._total:
            return None
        seconds = (perf_counter() - self._started) * (self._total - self._done) / self._done
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes}:{rest:02d}"

    def move(self, done: int, note: str = "") -> None:
        """Set how much is done; drawn at most every `EVERY` seconds."""
        self._done = done
        now = perf_counter()
        if now - self._shown >= EVERY or done >= self._total:
            self._shown = now
            self._handle.update(self._html(self.html(note)))

    def close(self) -> None:
        """Leave nothing behind."""
        self._handle.update(self._html(""))
