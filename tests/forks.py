"""Children forked while another thread is at work."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable

#: Seconds after which a child that waits for a lock, or for threads that it does not have, is
#: given up.
PATIENCE = 60


def forked_beside(busy: Callable[[], object], child: Callable[[], None], times: int) -> None:
    """Fork `child` again and again while a thread repeats `busy`; each must end with 0."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.is_set():
            busy()

    worker = threading.Thread(target=repeat)
    worker.start()
    context = multiprocessing.get_context("fork")
    try:
        for _ in range(times):
            process = context.Process(target=child)
            process.start()
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
            assert process.exitcode == 0
    finally:
        stop.set()
        worker.join()
