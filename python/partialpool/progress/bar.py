"""Progress of long work: shown in a terminal or notebook, silent elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

from partialpool.progress.interruption import FEWEST

if TYPE_CHECKING:
    from rich.console import Console

#: Work between two looks at the clock, in seconds: Ctrl-C is heard this often.
SLICE = 0.2


def visible_console() -> Console | None:
    """Where a bar would be seen: standard error of a terminal, or a notebook; else None."""
    from rich.console import Console

    console = Console(stderr=True)
    return console if console.is_terminal or console.is_jupyter else None


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with the time left; yields a function that takes what was done since its last call.

    Silent unless stderr is a terminal or a notebook.
    """
    console = visible_console()
    if console is not None and console.is_jupyter:
        from partialpool.progress.notebook import NotebookBar

        bar_in_cell = NotebookBar(label, total)
        try:
            yield bar_in_cell.advance
        finally:
            bar_in_cell.close()
        return
    if console is None:
        yield lambda done: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.advance(task, done)


def in_slices(
    total: int,
    work: Callable[[int, int], None],
    label: str,
    kept: Callable[[], int] | None = None,
) -> int:
    """Call ``work(first, count)`` over ``range(total)`` in slices of a fraction of a second.

    `kept` counts what is done where a slice that was broken off leaves some of it.
    Ctrl-C ends the loop and keeps what is done; where that is less than `FEWEST` it is passed on.

    Returns
    -------
    int
        How many were done.
    """
    done, size = 0, 2
    with progress(label, total) as advance:
        while done < total:
            count = min(size, total - done)
            started = perf_counter()
            try:
                work(done, count)
            except KeyboardInterrupt:
                done = done if kept is None else kept()
                if done < min(FEWEST, total):
                    raise
                break
            elapsed = perf_counter() - started
            done += count
            advance(count)
            if elapsed < SLICE / 2:
                size = min(4 * size, max(size, int(size * SLICE / max(elapsed, 1e-6))))
    return done
