"""An attack: a function, the means that it can use, and the limit that must hold against it."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from .client import Client

__all__ = ["ATTACKS", "Attack", "Battle", "Function", "attack"]

BACK = 12.0
PAUSE = 0.02
"""Seconds after which an attacker whose connection was closed connects again."""


class Battle:
    """A running attack.

    Args:
        port: The port of the server.
        seconds: The duration of the attack.

    Attributes:
        seen: Counts of the attacker.
    """

    def __init__(self, port: int, seconds: float) -> None:
        self.port = port
        self.end = time.monotonic() + seconds
        self.seen: Counter[str] = Counter()
        self._clients: list[Client] = []

    @property
    def is_on(self) -> bool:
        """Whether the attack has time left."""
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
            OSError: The server refused it.
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
        """Send the same frames again and again, and connect again whenever the server closes.

        Args:
            data: The frames.
            once: Whether each connection sends the frames once, and then only reads.
            first: Frames that each connection sends once, at first.
            path: The path of the socket.
            headers: Headers of the upgrade.
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
        """Request a WebSocket again and again, and close each connection.

        Args:
            path: The target of the request.
            headers: Additional headers.
        """
        while self.is_on:
            client = self.connect()
            self.try_to(lambda: client.upgrade(path, headers))  # noqa: B023 - called at once
            self.seen["requests"] += 1
            self.forget()

    def try_to(self, send: Callable[[], object]) -> None:
        """Call a function; if the server closes the connection meanwhile, count that."""
        try:
            send()
        except OSError:
            self.seen["times closed"] += 1

    def wait(self, seconds: float | None = None) -> None:
        """Keep all connections open without reading, by default until the end of the attack."""
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
    """An attack, and the limits that are stated for it.

    Attributes:
        name: The name.
        kind: What the attack exhausts.
        what: What the attacker does, in a sentence.
        run: The function that attacks.
        bound: What limits the attack, with the settings and their defaults.
        memory: Megabytes that those limits allow the server to keep for the attacker.
        seconds: The duration.
        at_most: The highest allowed counts of the attacker.
        options: Options of ``bennu run``.
        app: The name of the application in :mod:`.app`.
        tls: Whether the server speaks TLS.
        log: Megabytes that the server can log during the attack.
        back: Seconds in which the memory must shrink again; some memory is kept until a deadline.
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
"""All attacks by name, in the order of their definition."""


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
    """Register a function as an attack. The first line of its docstring says what the attacker does."""

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
