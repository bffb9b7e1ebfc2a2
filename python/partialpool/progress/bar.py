"""Progress of long work: shown in a terminal or notebook, silent elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

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


class Move(Protocol):
    """Sets how much is done; the note stands beside the bar."""

    def __call__(self, done: int, note: str = "") -> None: ...


@contextmanager
def shown_bar(
    label: str, total: int, *, wanted: bool | None = None, stays: bool = False
) -> Iterator[Move | None]:
    """A bar with the time left; yields the function that moves it, None where none is shown.

    Parameters
    ----------
    label, total
    wanted
        None: where stderr is a terminal or a notebook.
    stays
        Leave the bar in the terminal when all is done.
    """
    console = visible_console()
    if wanted is False or (wanted is None and console is None):
        yield None
        return
    if console is not None and console.is_jupyter:
        from partialpool.progress.notebook import NotebookBar

        in_cell = NotebookBar(label, total)
        try:
            yield in_cell.move
        finally:
            in_cell.close()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = console or Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=not stays) as bar:
        task = bar.add_task(label, total=total, note="")

        def move(done: int, note: str = "") -> None:
            bar.update(task, completed=done, note=note)

        yield move


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with the time left; yields a function that takes what was done since its last call.

    Silent unless stderr is a terminal or a notebook.
    """
    done = 0
    with shown_bar(label, total) as move:

        def advance(more: int) -> None:
            nonlocal done
            done += more
            if move is not None:
                move(done)

        yield advance


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
