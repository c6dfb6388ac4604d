"""Finds out whether other processes serve the same application.

Broadcasts, disconnects and long polling reach only the clients of this process. With several workers the mistake
shows only if two clients are on different workers. So an endpoint in one of several workers logs a warning. The
signs depend on the server and the system:

- uvicorn and hypercorn give each worker their settings, with the number of workers.
- gunicorn and granian start workers as children. On Linux, ``/proc`` shows the other children of the parent. The
  first worker can still be the only one; then the second worker warns.
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
"""Child processes that serve no clients."""

PROC: Final = Path("/proc")


def other_workers(proc: Path = PROC) -> str | None:
    """Return the sign that this process is one of several workers, as text for a log; None if there is none.

    Args:
        proc: The folder in which the system lists its processes.
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
    """Return the process id of another ``bennu run`` of the same target in the same folder; None if there is none.

    Args:
        target: ``module:name``.
        proc: The folder in which the system lists its processes.
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
    """Return the name of the server that a command line starts; None if it starts no known server."""
    names = [Path(word).name for word in words[:4]]
    return next((server for server in SERVERS if server in names), None)


def _serves(words: list[str]) -> bool:
    return bool(words) and not any(helper in word for word in words for helper in HELPERS)


def _command(proc: Path, pid: int) -> list[str]:
    """Return the words of a process's command line; none if the process has ended, or is another user's."""
    with suppress(OSError):
        return (proc / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    return []


def _folder(proc: Path, pid: int) -> str | None:
    with suppress(OSError):
        return os.readlink(proc / str(pid) / "cwd")
    return None


def _parents(proc: Path) -> Iterator[tuple[int, int]]:
    """Yield the id of each process, and the id of its parent."""
    try:
        names = os.listdir(proc)
    except OSError:
        return
    for name in names:
        if name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                status = (proc / name / "stat").read_text(errors="replace")
                yield int(name), int(status.rpartition(")")[2].split()[1])
