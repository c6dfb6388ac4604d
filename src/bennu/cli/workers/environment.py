"""The environment of workers: the bus that connects them, and the secret that they share."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from typing import Final

from ...bus.address import BUS_VARIABLE
from ...secret_key import SECRET_VARIABLE
from ..systemd import VARIABLES

__all__ = ["make_directory", "worker_environment"]

LONGEST: Final = 107 - 64 - len("/.sock")
"""Bytes of the directory's path. A Unix socket's path has at most 107 bytes, and the name of a node at most 64."""

NOT_FOR_WORKERS: Final = (*VARIABLES, "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")
"""Variables by which systemd talks with the supervisor alone."""


def worker_environment(directory: str | None) -> dict[str, str]:
    """Return the environment of workers.

    Args:
        directory: The directory of the bus; None if the user has set BENNU_PUBSUB.
    """
    environment = {key: value for key, value in os.environ.items() if key not in NOT_FOR_WORKERS}
    if directory is not None:
        environment[BUS_VARIABLE] = f"ipc://{directory}"
    if not environment.get(SECRET_VARIABLE):
        environment[SECRET_VARIABLE] = secrets.token_urlsafe(48)
    return environment


def make_directory() -> str | None:
    """Make the directory of the bus, for this user alone; return None if the user has set BENNU_PUBSUB.

    Raises:
        OSError: There is no place for it.
    """
    if os.environ.get(BUS_VARIABLE):
        return None
    error: OSError = OSError("no folder has a short enough path")
    for parent in _parents():
        try:
            made = tempfile.mkdtemp(prefix="bennu-", dir=parent)
        except OSError as refused:
            error = refused
            continue
        if len(os.fsencode(made)) <= LONGEST:
            return made
        os.rmdir(made)
    raise error


def _parents() -> Iterator[str]:
    """Yield folders for the directory, the best first."""
    for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):  # the first is systemd's, for a service
        place = os.environ.get(name, "").partition(":")[0]
        if place:
            yield place
    yield tempfile.gettempdir()
    yield "/tmp"  # noqa: S108 - mkdtemp makes a directory that only this user can enter
