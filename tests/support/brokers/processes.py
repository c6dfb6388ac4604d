"""A server that is a process of the test: it can be killed, paused and started again."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["HOST", "ServerProcess", "free_ports"]

HOST: Final = "127.0.0.1"

PATIENCE: Final = 10.0
"""Seconds in which a server must end by SIGTERM. Then it is killed."""


def free_ports(count: int) -> list[int]:
    """Return different ports that nobody uses, below those that the system gives to clients.

    So no client takes the port of a server that is restarted.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = random.randint(10_000, 32_000)
        if port not in ports:
            with suppress(OSError), socket.create_server((HOST, port)):
                ports.append(port)
    return ports


class ServerProcess:
    """A program, from its start to its end. All signals go to its process id.

    Args:
        command: The program and its arguments.
        output: The file that gets its output.
    """

    def __init__(self, command: Sequence[str], output: Path) -> None:
        self._command = command
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None
        self._is_paused = False

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the program runs, or is paused."""
        return self._process is not None and self._process.poll() is None

    @property
    def is_answering(self) -> bool:
        """Whether the program runs, and is not paused."""
        return self.is_running and not self._is_paused

    def launch(self) -> None:
        """Start the program. It need not be ready when this returns."""
        assert not self.is_running, "the server runs already"
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def pause(self) -> None:
        """Stop the program with SIGSTOP. Its kernel still takes connections and bytes for it."""
        os.kill(self.pid, signal.SIGSTOP)
        self._is_paused = True

    def resume(self) -> None:
        """Let a paused program go on."""
        os.kill(self.pid, signal.SIGCONT)
        self._is_paused = False

    def kill(self) -> None:
        """End the program with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._is_paused = False

    def terminate(self) -> None:
        """End the program with SIGTERM, also if it is paused; kill it if it takes too long."""
        if self._process is None or not self.is_running:
            return
        self._process.terminate()
        self.resume()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()

    def output(self) -> str:
        """Return what the program has written."""
        return self._output.read_text(errors="replace")
