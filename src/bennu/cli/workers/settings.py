"""What a worker gets from the supervisor at its start."""

from __future__ import annotations

import pickle
import socket
import struct
from dataclasses import dataclass
from typing import Any

__all__ = ["WorkerSettings"]

_SIZE = struct.Struct("!I")


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker gets at its start. It travels over the link, not in the command line: it has the password of the key.

    Attributes:
        make: Imports the application, and makes a server for it. Its parameter ``make_server`` is the class.
        number: The number of the slot.
        descriptors: The inherited listeners.
        path: The supervisor's ``sys.path``.
        timeout: Seconds after which a worker ends whose event loop hangs; 0 is never.
        directory: The directory of the bus, if the supervisor has made it.
        metrics: The inherited memory of the metrics, and the number of the worker's row in it; None if it has none.
    """

    make: Any
    number: int
    descriptors: list[int]
    path: list[str]
    timeout: float
    directory: str | None
    metrics: tuple[int, int] | None = None

    @property
    def inherited(self) -> list[int]:
        """The descriptors that the worker inherits."""
        return [*self.descriptors, *(() if self.metrics is None else self.metrics[:1])]

    def send(self, end: socket.socket) -> None:
        """Send the settings to the worker."""
        data = pickle.dumps(self)
        end.sendall(_SIZE.pack(len(data)) + data)

    @classmethod
    def receive(cls, end: socket.socket) -> WorkerSettings | None:
        """Wait for the settings, and return them; None if the supervisor is gone."""
        head = _read(end, _SIZE.size)
        if head is None:
            return None
        data = _read(end, *_SIZE.unpack(head))
        # The other end of the socketpair is the supervisor, which has started this process.
        return None if data is None else pickle.loads(data)  # noqa: S301


def _read(end: socket.socket, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        more = end.recv(size - len(data))
        if not more:
            return None
        data += more
    return data
