"""What an attack is: a function with what it may work with, and the bound that must hold against it."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from .client import Client

__all__ = ["ATTACKS", "Attack", "Battle", "Function", "attack"]

BACK = 12.0
PAUSE = 0.02
"""Seconds before an attacker whose connection was closed comes back."""


class Battle:
    """One attack under way.

    Args:
        port: Of the server.
        seconds: How long it lasts.

    Attributes:
        seen: What the attacker counted.
    """

    def __init__(self, port: int, seconds: float) -> None:
        self.port = port
        self.end = time.monotonic() + seconds
        self.seen: Counter[str] = Counter()
        self._clients: list[Client] = []

    @property
    def is_on(self) -> bool:
        """Whether there is time left."""
        return time.monotonic() < self.end

    def connect(self, *, buffer: int | None = None) -> Client:
        """Open a TCP connection, which stays open until the end of the attack."""
        client = Client(self.port, buffer=buffer)
        self._clients.append(client)
        return client

    def open(
        self,
        path: str = "/socket/websocket?vsn=2.0.0",
        headers: Sequence[str] = (),
        *,
        buffer: int | None = None,
    ) -> Client:
        """Open a WebSocket.

        Raises:
            OSError: It was refused.
        """
        client = self.connect(buffer=buffer)
        status = client.upgrade(path, headers)
        if status != 101:
            self.seen[f"status {status}"] += 1
            raise ConnectionError(f"status {status}")
        return client

    def flood(
        self,
        data: bytes,
        *,
        first: bytes = b"",
        path: str = "/socket/websocket?vsn=2.0.0",
        headers: Sequence[str] = (),
        once: bool = False,
    ) -> None:
        """Send the same over and over, and connect again whenever the server closes.

        Args:
            data: Frames.
            once: Whether each connection sends them once, and only reads from then on.
            first: Sent once on each connection.
            path: Of the socket.
            headers: Of the request.
        """
        while self.is_on:
            try:
                client = self.open(path, headers)
                client.send(first)
                self.seen["bytes sent"] += client.pour(data, self.end, once=once)
            except OSError:
                self.seen["times closed"] += 1
                time.sleep(PAUSE)
            finally:
                self.forget()

    def request(self, path: str, headers: Sequence[str] = ()) -> None:
        """Ask for a WebSocket, again and again, and close whatever comes of it.

        Args:
            path: The target of the request.
            headers: More of them.
        """
        while self.is_on:
            client = self.connect()
            self.try_to(lambda: client.upgrade(path, headers))  # noqa: B023 - called at once
            self.seen["requests"] += 1
            self.forget()

    def try_to(self, send: Callable[[], object]) -> None:
        """Do something that the server may answer by closing."""
        try:
            send()
        except OSError:
            self.seen["times closed"] += 1

    def wait(self, seconds: float | None = None) -> None:
        """Keep all connections open, by default until the end of the attack; read nothing."""
        left = self.end - time.monotonic()
        time.sleep(max(0.0, left if seconds is None else min(seconds, left)))

    def forget(self) -> None:
        """Close all connections."""
        for client in self._clients:
            with suppress(OSError):
                client.close()
        self._clients.clear()


Function = Callable[[Battle], None]


@dataclass(frozen=True)
class Attack:
    """An attack, and what is stated about it.

    Attributes:
        name: Of it.
        kind: What it exhausts.
        what: What the attacker does, in a sentence.
        run: Does it.
        bound: What bounds it, with the settings and their defaults.
        memory: Megabytes that those bounds allow the server to keep for the attacker.
        seconds: How long it lasts.
        at_most: What the attacker may count, at most.
        options: Of ``bennu run``.
        app: What is served.
        tls: Whether it speaks TLS.
        log: Megabytes that the server may log meanwhile.
        back: Seconds in which memory must come back; some of what is kept has a deadline.
    """

    name: str
    kind: str
    what: str
    run: Function
    bound: str
    memory: float = 0.0
    seconds: float = 4.0
    at_most: Mapping[str, int] = field(default_factory=dict)
    options: Sequence[str] = ()
    app: str = "endpoint"
    tls: bool = False
    log: float = 1.0
    back: float = BACK


ATTACKS: dict[str, Attack] = {}
"""All of them, by their names, in the order of their definition."""


def attack(
    bound: str,
    *,
    memory: float = 0.0,
    seconds: float = 4.0,
    at_most: Mapping[str, int] | None = None,
    options: Sequence[str] = (),
    app: str = "endpoint",
    tls: bool = False,
    log: float = 1.0,
    back: float = BACK,
) -> Callable[[Function], Function]:
    """Make an attack of a function: its docstring's first line says what the attacker does."""

    def decorate(function: Function) -> Function:
        name = function.__name__
        ATTACKS[name] = Attack(
            name=name,
            kind=function.__module__.rpartition(".")[2],
            what=(function.__doc__ or "").splitlines()[0],
            run=function,
            bound=bound,
            memory=memory,
            seconds=seconds,
            at_most=at_most or {},
            options=options,
            app=app,
            tls=tls,
            log=log,
            back=back,
        )
        return function

    return decorate
