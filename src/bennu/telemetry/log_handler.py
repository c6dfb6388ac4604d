"""The log lines of an endpoint about its clients and its cluster.

Lines about connects, joins and messages go into the logger ``bennu.access``, the others into ``bennu``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from ..logs.hiding import ParameterFilter
from ..logs.log import Printed
from ..logs.printable import printable
from .events import ChannelHandledIn, Event, MessageRefused, ReplicaChanged, SocketDrain
from .telemetry import Telemetry

__all__ = ["LogHandler", "readable"]


ACCESS_BURST: Final = 1000
"""Lines about connects, and about joins, that are written in ten seconds; more are counted."""

REFUSED_BURST: Final = 100
"""Lines about refused connects, and about refused joins, that are written in ten seconds."""

MAX_PARAMETERS: Final = 1000
"""Characters of parameters in a line."""

NOTHING: Final = Printed("")

CONNECTED: Final = "CONNECTED TO %s in %s (%s, %s)%s"
JOINED: Final = "JOINED %s in %s%s"

_CLUSTER: Final = (SocketDrain, ReplicaChanged)
_FAILING: Final = (ReplicaChanged,)
_MESSAGES: Final = (ChannelHandledIn, MessageRefused)


def readable(seconds: float) -> str:
    """Return a duration as Phoenix writes it: ``812µs``, ``3ms``.

    Example:
        >>> readable(0.0032)
        '3ms'
    """
    microseconds = round(seconds * 1_000_000)
    return f"{microseconds // 1000}ms" if microseconds > 1000 else f"{microseconds}µs"


class LogHandler:
    """Writes the log lines of one endpoint about its clients and its cluster.

    For connects and joins its methods are called. For the other lines it is a handler of telemetry, attached for no more
    than the loggers will write: at level ``INFO`` no event is made for a message. :meth:`follow` adapts all that to
    levels that have changed.

    Args:
        telemetry: The endpoint's.
        hide: Keeps secrets out of the parameters.

    Attributes:
        is_asked: Whether lines about connects and joins are written: else their methods need not be called.
    """

    def __init__(self, telemetry: Telemetry, hide: ParameterFilter) -> None:
        self._telemetry = telemetry
        self._hide = hide
        self._log = telemetry.log
        self._access = telemetry.log.child("access")
        self._kinds: tuple[type[Event], ...] = ()
        self._detach: Callable[[], None] | None = None
        self.is_asked = False

    def follow(self) -> None:
        """Attach for what the loggers will write now. A server does it at start-up, and at each connect."""
        access, log = self._access.logger.isEnabledFor, self._log.logger.isEnabledFor
        self.is_asked = access(logging.INFO)
        kinds: tuple[type[Event], ...] = _MESSAGES if access(logging.DEBUG) else ()
        kinds += _CLUSTER if log(logging.INFO) else _FAILING if log(logging.WARNING) else ()
        if kinds != self._kinds:
            self._attach(kinds)

    def stop(self) -> None:
        """Write nothing any more."""
        self.is_asked = False
        self._attach(())

    def _attach(self, kinds: tuple[type[Event], ...]) -> None:
        if self._detach is not None:
            self._detach()
            self._detach = None
        self._kinds = kinds
        if kinds:
            self._detach = self._telemetry.attach(self, *kinds)

    # Connects and joins.

    def connected(
        self, mount: str, transport: str, serializer: str | None, params: Any, duration: float
    ) -> None:
        """Write or count the line of a client that has connected.

        Args:
            mount: The mount path of the socket.
            transport: ``"websocket"`` or ``"longpoll"``.
            serializer: The format that was agreed on; None on a raw socket.
            params: The parameters of the connect, with their secrets.
            duration: Seconds that ``connect`` took.
        """

        def values() -> tuple[object, ...]:
            shown = self._parameters(lambda: params)
            return mount, readable(duration), transport, serializer or "raw", shown

        self._access.log(logging.INFO, CONNECTED, values, CONNECTED, ACCESS_BURST)

    def connect_refused(self, mount: str, params: Any, reason: str) -> None:
        """Write or count the line of a client whose connect was refused.

        Args:
            mount: The mount path of the socket.
            params: The parameters of the connect, with their secrets.
            reason: Why, without values of the client.
        """
        self._access.info(
            "REFUSED CONNECTION TO %s: %s%s",
            mount,
            Printed(reason),
            self._parameters(lambda: params),
            burst=REFUSED_BURST,
        )

    def joined(self, topic: str, payload: Callable[[], Any], duration: float) -> None:
        """Write or count the line of a client that has joined a topic.

        Args:
            topic: The topic; the framework's own topics have no lines.
            payload: Returns the payload of the join, with its secrets: called for debugging alone.
            duration: Seconds that the join took.
        """
        if _is_of_framework(topic):
            return

        def values() -> tuple[object, ...]:
            return topic, readable(duration), self._parameters(payload)

        self._access.log(logging.INFO, JOINED, values, JOINED, ACCESS_BURST)

    def join_refused(self, topic: str, payload: Callable[[], Any], reason: str) -> None:
        """Write or count the line of a client whose join was refused.

        Args:
            topic: The topic; the framework's own topics have no lines.
            payload: Returns the payload of the join, with its secrets: called for debugging alone.
            reason: Why, without values of the client.
        """
        if not _is_of_framework(topic):
            self._access.info(
                "REFUSED JOIN %s: %s%s",
                topic,
                Printed(reason),
                self._parameters(payload),
                burst=REFUSED_BURST,
            )

    # The other lines.

    def __call__(self, event: Event) -> None:
        """Write the line of an event, if it has one."""
        match event:
            case ChannelHandledIn():
                if not _is_of_framework(event.topic):
                    self._access.debug(
                        "HANDLED %s INCOMING ON %s (%s) in %s%s",
                        event.event,
                        event.topic,
                        event.channel,
                        readable(event.duration),
                        self._parameters(lambda: event.payload),
                    )
            case MessageRefused():
                if not _is_of_framework(event.topic):
                    self._access.debug(
                        "REFUSED %s INCOMING ON %s (%s): %s",
                        event.event,
                        event.topic,
                        event.channel,
                        Printed(event.reason),
                    )
            case SocketDrain():
                if event.log:
                    self._log.info(
                        "DRAINING %d of %d total connection(s) for socket %s every %dms - round %d of %d",
                        event.count,
                        event.total,
                        event.socket,
                        round(event.interval * 1000),
                        event.index,
                        event.rounds,
                        burst=ACCESS_BURST,
                    )
            case ReplicaChanged():
                write = self._log.warning if event.status == "down" else self._log.info
                write(
                    "NODE %s is %s for %s",
                    event.node,
                    event.status,
                    event.shard,
                    burst=ACCESS_BURST,
                )
            case _:
                pass  # it is not attached for the others

    def _parameters(self, find: Callable[[], Any]) -> Printed:
        """Return the end of a line: for debugging the parameters, without their secrets."""
        if not self._access.logger.isEnabledFor(logging.DEBUG):
            return NOTHING
        return Printed(f" Parameters: {printable(self._hide(find()), MAX_PARAMETERS)}")


def _is_of_framework(topic: str) -> bool:
    """Whether a topic is the framework's own: it has no lines."""
    return topic.startswith("phoenix")
