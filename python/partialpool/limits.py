"""How much memory there is to ask for, and the refusal of what would need more, before it is asked.

A message before the allocation names what is too large; an operating system that runs out of memory
ends the process, and NumPy's own error names an array's shape.
"""

from __future__ import annotations

from pathlib import Path

from partialpool.errors import ArgumentError, PartialPoolError

GIB = 1024.0**3
#: What one request may take, however large the machine is; the native module has the same bound.
MOST_MEMORY = 16 * GIB
#: Share of what is free that one request may take.
SHARE = 0.9
#: Where Linux tells of the memory, and of a container's bounds on it (limit, in use).
MEMINFO = Path("/proc/meminfo")
STATUS = Path("/proc/self/statm")
CONTAINERS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def memory_limit() -> float:
    """Bytes that one request may take: of free memory, of a container's and of `ulimit -v`."""
    bounds = [_free(), *(_left(*paths) for paths in CONTAINERS), _address_space()]
    return min(MOST_MEMORY, SHARE * min((b for b in bounds if b is not None), default=MOST_MEMORY))


def require_memory(
    needed: float,
    what: str,
    advice: str,
    error: type[PartialPoolError] = ArgumentError,
    *,
    gradual: bool = False,
) -> None:
    """Refuse what needs more bytes than there are: `what` needs … GiB, …; `advice`.

    Parameters
    ----------
    needed, what, advice, error
    gradual
        What is asked grows while the work goes on, and what is done is kept when it is interrupted:
        the bound is that of one request, whatever is free at the moment.

    Raises
    ------
    error
        With one line.
    """
    if needed < 1 << 26:  # 64 MiB: nothing to look up for
        return
    limit = memory_limit()
    if gradual:
        space = _address_space()
        limit = MOST_MEMORY if space is None else min(MOST_MEMORY, SHARE * space)
    if needed > limit:
        raise error(f"{what} needs {gib(needed)}, more than the {gib(limit)} at hand; {advice}")


def gib(size: float) -> str:
    """Bytes in words: "80 GiB", "0.31 GiB"."""
    value = size / GIB
    if value >= 1e5:
        return f"{value:.1e} GiB"
    return f"{value:,.0f} GiB" if value >= 10 else f"{value:.2g} GiB"


def _number(path: Path) -> float | None:
    try:
        text = path.read_text().split()[0]
    except (OSError, IndexError, ValueError):
        return None
    return float(text) if text.isdigit() else None


def _free() -> float | None:
    try:
        lines = MEMINFO.read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return 1024.0 * float(found[0]) if found else None


def _left(limit: Path, used: Path) -> float | None:
    bound = _number(limit)
    return None if bound is None else max(bound - (_number(used) or 0.0), 0.0)


def _address_space() -> float | None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return None
    bound = resource.getrlimit(resource.RLIMIT_AS)[0]
    if bound == resource.RLIM_INFINITY:
        return None
    pages = _number(STATUS) or 0.0
    return max(bound - pages * resource.getpagesize(), 0.0)
