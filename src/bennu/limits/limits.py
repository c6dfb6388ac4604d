"""Limits on the number of clients, on how fast each can send, and on worker threads.

The limits on clients and rates are off until you set them, for two reasons. The right values depend on the
application. And behind a proxy that is not in ``Endpoint(trusted_proxies=...)`` all clients have one address.
``docs/limits.md`` lists all limits.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final, Literal, get_args

from ..errors import DefinitionError
from ..user_code.callback import Callback
from ..user_code.options import options
from .connections import ConnectionLimits
from .rate import Rate, rate_of

__all__ = ["Limits", "Rate", "Rates", "Threads"]

Excess = Literal["reply", "close"]

CLOSE_AFTER: Final = 100


@options()
class Limits:
    """How many clients an endpoint accepts in one process. A client above a limit is refused before ``connect``.

    Args:
        connections: Open connections. Above this number the answer is 503 with ``Retry-After``. Default: no limit.
        connections_per_ip: Open connections of one address (IPv6: one /64). Above this number the answer is 429.
            Default: no limit.
        connects_per_ip: How fast one address can connect, as ``"60/minute"``; refused attempts count. Above this
            rate the answer is 429. Default: no limit.

    Raises:
        DefinitionError: A number is below 1, or a rate can't be read.

    Example:
        >>> limits = Limits(connections=20_000, connections_per_ip=50, connects_per_ip="60/minute")
    """

    def __init__(
        self,
        *,
        connections: int | None = None,
        connections_per_ip: int | None = None,
        connects_per_ip: Rate | str | None = None,
    ) -> None:
        self.connections = _count("Limits(connections=...)", connections)
        self.connections_per_ip = _count("Limits(connections_per_ip=...)", connections_per_ip)
        self.connects_per_ip = _rate("Limits(connects_per_ip=...)", connects_per_ip)

    def connection_limits(self) -> ConnectionLimits | None:
        """Return the object that enforces these limits; None if no limit is set."""
        given = (self.connections, self.connections_per_ip, self.connects_per_ip)
        if given == (None, None, None):
            return None
        return ConnectionLimits(
            connections=self.connections,
            connections_per_ip=self.connections_per_ip,
            connects_per_ip=self.connects_per_ip,
        )


@options()
class Threads:
    """How many worker threads run the plain ``def`` functions that an application gives to Bennu.

    Args:
        handlers: Threads for the methods of channels and raw handlers, and for ``refresh``. Default: 32.
        per_connection: Handler threads that one connection can have at once. Its other calls wait. Waiting
            connections take turns. Default: 4.
        connects: Threads for ``connect``; handlers never use them. Default: 16.
        hooks: Threads for the hooks of presences. Default: 8.
        around: A plain function without parameters that returns a context manager. Each call in a thread runs
            inside such a context manager. Default: None.

    Raises:
        DefinitionError: A number is below 1, or ``around`` is async or has parameters.

    Example:
        >>> threads = Threads(handlers=64, per_connection=2)
    """

    def __init__(
        self,
        *,
        handlers: int = 32,
        per_connection: int = 4,
        connects: int = 16,
        hooks: int = 8,
        around: Callable[[], AbstractContextManager[Any]] | None = None,
    ) -> None:
        self.handlers = _number("Threads(handlers=...)", handlers)
        self.per_connection = _number("Threads(per_connection=...)", per_connection)
        self.connects = _number("Threads(connects=...)", connects)
        self.hooks = _number("Threads(hooks=...)", hooks)
        self.around = None if around is None else _around(around)


def _around(given: Any) -> Callback:
    subject, write = "Threads(around=...)", "@contextmanager above a plain `def` without parameters"
    try:
        inspect.signature(given).bind()
    except (TypeError, ValueError) as error:
        raise DefinitionError(
            subject,
            expected="a function without parameters that makes a context manager",
            got=f"{given!r} ({error})",
            write=write,
        ) from error
    return Callback.plain(
        subject, given, why="its context manager is entered in a worker thread", write=write
    )


def _number(subject: str, given: Any) -> int:
    found = _count(subject, given)
    if found is None:
        raise DefinitionError(
            subject,
            expected="a number of threads",
            got="None",
            write="threads=Threads(handlers=32)",
        )
    return found


@options()
class Rates:
    """How fast one connection can send.

    A message above a rate is answered with the error ``rate_limited`` and a ``retry_after_ms``, before its payload
    is decoded. Heartbeats and leaves count, but are never refused.

    Args:
        joins: The rate of joins; refused joins count. Default: no limit.
        messages: The rate of messages of any kind. Default: no limit.
        bytes: The rate of bytes of messages. No message is refused for this rate: the server stops reading from
            the client until the rate is kept again. Default: no limit.
        excess: The answer to a join or message above its rate: ``"reply"`` with an error, or ``"close"`` the
            connection with 1008. Default: ``"reply"``.
        close_after: The number of refusals in a row after which ``"reply"`` closes the connection too; None is
            never. Default: 100.

    Raises:
        DefinitionError: A rate can't be read, or an option has a wrong value.

    Example:
        >>> rates = Rates(joins="20/10s", messages="100/10s, burst 200", bytes="64k/second")
    """

    def __init__(
        self,
        *,
        joins: Rate | str | None = None,
        messages: Rate | str | None = None,
        bytes: Rate | str | None = None,  # noqa: A002 - the plainest name of the option
        excess: Excess = "reply",
        close_after: int | None = CLOSE_AFTER,
    ) -> None:
        self.joins = _rate("Rates(joins=...)", joins)
        self.messages = _rate("Rates(messages=...)", messages)
        self.bytes = _rate("Rates(bytes=...)", bytes)
        self.excess: Excess = excess
        self.close_after = _count("Rates(close_after=...)", close_after)
        if excess not in get_args(Excess):
            raise DefinitionError(
                "Rates(excess=...)",
                expected='"reply" or "close"',
                got=repr(excess),
                write='excess="close"',
            )


def _rate(subject: str, given: Any) -> Rate | None:
    return None if given is None else rate_of(given, subject=subject)


def _count(subject: str, given: int | None) -> int | None:
    if given is not None and (type(given) is not int or given < 1):
        raise DefinitionError(
            subject,
            expected="a whole number above 0, or None for no limit",
            got=repr(given),
            write=subject.replace("...", "100"),
        )
    return given
