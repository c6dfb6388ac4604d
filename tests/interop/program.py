"""Programs that the tests start: the server, and clients that need their own process.

A thread reads a program's output line by line into a queue, and a test waits for a line. A line that does not come
within PATIENCE fails the test, which then shows the whole output.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, Any, Final

__all__ = ["PATIENCE", "Client", "Clients", "Program", "RunScript", "Server"]

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 20.0
"""Seconds that any step can take, on a busy machine."""


class Program:
    """A process whose output is read while it runs. Stop it with :meth:`kill`, or let it end.

    Args:
        command: The command line.
        lines: Gets the lines of the output.
    """

    def __init__(self, command: Sequence[str | Path], lines: list[str]) -> None:
        self.command = [str(part) for part in command]
        self.lines = lines
        self._fresh: SimpleQueue[str | None] = SimpleQueue()
        self._process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        assert self._process.stdout is not None
        self._reader = Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self.lines.append(line)
                self._fresh.put(line)
        self._fresh.put(None)

    def next_line(self, wanted: str) -> str | None:
        """Wait for the next line of the output; return None at its end."""
        try:
            return self._fresh.get(timeout=PATIENCE)
        except Empty:
            raise AssertionError(f"{self}: no {wanted} within {PATIENCE} s") from None

    def end(self, sign: signal.Signals | None = None) -> int:
        """Wait until the process has ended, after a signal if one is given; return its exit status."""
        if sign is not None:
            self._process.send_signal(sign)
        try:
            status = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self}: did not end within {PATIENCE} s") from None
        self._reader.join(PATIENCE)
        return status

    def kill(self) -> None:
        """End the process at once, without a chance to clean up."""
        self._process.kill()
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)

    def __str__(self) -> str:
        return f"{' '.join(self.command)}\n{''.join(self.lines)}"


class Server:
    """`bennu run` of the interop endpoint, on a free port that it keeps when it starts again.

    Args:
        target: The endpoint. Default: that of most tests.
    """

    def __init__(self, target: str = "tests.interop.endpoint:endpoint") -> None:
        self._target = target
        self.port = 0
        self.lines: list[str] = []
        self._program: Program | None = None
        self.start()

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"ws://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server, and wait until it listens."""
        command = [sys.executable, "-m", "bennu", "run", self._target, "--port", str(self.port)]
        program = self._program = Program(command, self.lines)
        while True:
            line = program.next_line("sign that it listens")
            if line is None:
                raise AssertionError(f"{program}: ended before it listened")
            if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                return

    def kill(self) -> None:
        """Kill the process, as a crash of the machine would."""
        assert self._program is not None
        self._program.kill()

    def stop(self) -> int:
        """Stop the server as a deploy does; return its exit status."""
        assert self._program is not None
        return self._program.end(signal.SIGTERM)


class Client:
    """A third-party client in its own process. It prints a line of JSON for each step.

    Other lines are the client's own output; a failing test shows them.
    """

    def __init__(self, command: Sequence[str | Path]) -> None:
        self.reports: dict[str, Any] = {}
        self._program = Program(command, [])

    def close(self) -> str:
        """End the client if it runs; return all of its output."""
        self._program.kill()
        return str(self._program)

    def wait_for(self, step: str) -> Any:
        """Wait until the client reports this step; return the report."""
        while step not in self.reports:
            line = self._program.next_line(f"report of {step!r}")
            if line is None:
                raise AssertionError(f"the client ended before it reported {step!r}")
            self._take(line)
        return self.reports[step]

    def finish(self) -> dict[str, Any]:
        """Wait until the client exits with 0; return all of its reports."""
        while (line := self._program.next_line("end of its output")) is not None:
            self._take(line)
        status = self._program.end()
        assert status == 0, f"the client ended with status {status}"
        return self.reports

    def _take(self, line: str) -> None:
        if line.startswith('{"step":'):
            report = json.loads(line)
            step = report.pop("step")
            assert step not in self.reports, f"the client reported {step!r} twice"
            self.reports[step] = report["value"]


class Clients:
    """The clients that a test started; a failing test shows their output."""

    def __init__(self) -> None:
        self._started: list[Client] = []

    def start(self, command: Sequence[str | Path]) -> Client:
        client = Client(command)
        self._started.append(client)
        return client

    def close(self) -> None:
        for client in self._started:
            print(client.close())  # noqa: T201 - pytest shows it if the test fails


RunScript = Callable[..., Client]
"""Starts a script, from its name and arguments."""
