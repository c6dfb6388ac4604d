"""Whether other processes serve the same application, so that calls reach only a part of the clients.

Broadcasts, disconnects and long polling reach the clients of this process only. A server with several workers
looks right until two clients happen to be on different workers, so an endpoint that finds itself in a worker
warns. What can be known depends on the server and the system:

- uvicorn and hypercorn give each worker their settings, with the number of workers.
- gunicorn and granian start workers as children. On Linux the other children of the parent are seen in
  ``/proc``. The first worker may be alone yet: then the second warns.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

__all__ = ["other_workers", "same_command"]

SERVERS: Final = ("gunicorn", "hypercorn", "granian", "uvicorn", "daphne")
"""Commands whose children are workers."""

HELPERS: Final = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""Children that serve nobody."""

PROC: Final = Path("/proc")


def other_workers(proc: Path = PROC) -> str | None:
    """Return what shows that this process is one of several workers; None if nothing does.

    Args:
        proc: Where the system shows its processes.
    """
    process: Any = multiprocessing.current_process()
    options: dict[str, Any] = getattr(process, "_kwargs", {})
    config = options.get("config")
    workers = getattr(config, "workers", 1)
    if isinstance(workers, int) and workers > 1:
        return f"{type(config).__module__.partition('.')[0]} runs {workers} workers"
    if sys.platform != "linux":
        return None
    parent = os.getppid()
    server = _server(_command(proc, parent))
    if server is None:
        return None
    others = [
        pid
        for pid, of in _parents(proc)
        if of == parent and pid != os.getpid() and _serves(_command(proc, pid))
    ]
    return f"{server} runs other workers (process {others[0]})" if others else None


def same_command(target: str, proc: Path = PROC) -> int | None:
    """Return the process of another ``bennu run`` of the same target in the same folder; None if there is none.

    Args:
        target: ``module:name``.
        proc: Where the system shows its processes.
    """
    if sys.platform != "linux":
        return None
    relatives = {os.getpid(), os.getppid()}
    for pid, parent in _parents(proc):
        if pid in relatives or parent == os.getpid():
            continue
        words = _command(proc, pid)
        if "run" not in words or not any(Path(word).name == "bennu" for word in words[:3]):
            continue
        if target in words and _folder(proc, pid) == _folder(proc, os.getpid()):
            return pid
    return None


def _server(words: list[str]) -> str | None:
    """Return which server a command line starts."""
    names = [Path(word).name for word in words[:4]]
    return next((server for server in SERVERS if server in names), None)


def _serves(words: list[str]) -> bool:
    return bool(words) and not any(helper in word for word in words for helper in HELPERS)


def _command(proc: Path, pid: int) -> list[str]:
    """Return a command line; it is empty for a process that has ended, or is somebody else's."""
    with suppress(OSError):
        return (proc / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    return []


def _folder(proc: Path, pid: int) -> str | None:
    with suppress(OSError):
        return os.readlink(proc / str(pid) / "cwd")
    return None


def _parents(proc: Path) -> Iterator[tuple[int, int]]:
    """Return each process with its parent."""
    try:
        names = os.listdir(proc)
    except OSError:
        return
    for name in names:
        if name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                status = (proc / name / "stat").read_text(errors="replace")
                yield int(name), int(status.rpartition(")")[2].split()[1])
