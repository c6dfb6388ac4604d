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
"""The most lines about connects, and about joins, in ten seconds. Further lines are only counted."""

REFUSED_BURST: Final = 100
"""The most lines about refused connects, and about refused joins, in ten seconds."""

MAX_PARAMETERS: Final = 1000
"""The most characters of parameters in a line."""

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

    For connects and joins, the server calls methods of this class. For the other lines, this object is a handler of
    telemetry. It is attached only for events whose lines the loggers write. So at level ``INFO`` no event is made for a
    message. :meth:`follow` adapts to levels that have changed.

    Args:
        telemetry: The endpoint's telemetry.
        hide: Hides the secrets in the parameters.

    Attributes:
        is_asked: Whether lines about connects and joins are written. If not, their methods need not be called.
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
        """Attach to the events whose lines the loggers write now. The server calls this at start-up and at each connect."""
        access, log = self._access.logger.isEnabledFor, self._log.logger.isEnabledFor
        self.is_asked = access(logging.INFO)
        kinds: tuple[type[Event], ...] = _MESSAGES if access(logging.DEBUG) else ()
        kinds += _CLUSTER if log(logging.INFO) else _FAILING if log(logging.WARNING) else ()
        if kinds != self._kinds:
            self._attach(kinds)

    def stop(self) -> None:
        """Detach, so that no more lines are written."""
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
            reason: The reason, without values of the client.
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
            topic: The topic. Topics of the framework have no lines.
            payload: Returns the payload of the join, with its secrets. It is called only at level ``DEBUG``.
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
            topic: The topic. Topics of the framework have no lines.
            payload: Returns the payload of the join, with its secrets. It is called only at level ``DEBUG``.
            reason: The reason, without values of the client.
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
                pass  # the handler is not attached to other events

    def _parameters(self, find: Callable[[], Any]) -> Printed:
        """Return the end of a line: at level ``DEBUG`` the parameters, without their secrets; else nothing."""
        if not self._access.logger.isEnabledFor(logging.DEBUG):
            return NOTHING
        return Printed(f" Parameters: {printable(self._hide(find()), MAX_PARAMETERS)}")


def _is_of_framework(topic: str) -> bool:
    """Return whether a topic belongs to the framework, so that it has no lines."""
    return topic.startswith("phoenix")
