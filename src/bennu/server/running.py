"""What the lines of the log are about, while a function of the user runs for a client. See :mod:`bennu.logs.context`."""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, cast

from ..connect_info import ConnectInfo
from ..logs.context import RUNNING
from ..message import PHX_JOIN
from ..raw import RawDefinition
from .phases import Phase

if TYPE_CHECKING:
    from .channel_server import ChannelServer
    from .connection import ServerConnection
    from .raw_server import RawServer
    from .tracer import ServerTracer

__all__ = ["About", "AboutConnection", "Connecting", "Handling", "context_of_started"]


class Connecting:
    """A client whose ``connect`` runs.

    Args:
        info: The request.
        tracer: Knows the current span; None without tracing.

    Attributes:
        socket_id: The id that the socket's ``id`` has returned; None before.
    """

    __slots__ = ("_info", "_task", "_tracer", "socket_id")

    def __init__(self, info: ConnectInfo, tracer: ServerTracer | None = None) -> None:
        self.socket_id: str | None = None
        self._info = info
        self._tracer = tracer
        self._task = asyncio.current_task()

    @property
    def is_here(self) -> bool:
        """Whether the task of the handshake runs, or a worker thread."""
        return _in_thread_or(self._task)

    def log_fields(self) -> dict[str, str | None]:
        """Return what is known of the client so far."""
        return _fields(self._tracer, self._info, self.socket_id)


class Handling:
    """A channel or a raw handler, in its task, its worker threads, and the tasks that it has started.

    Args:
        server: The channel or raw handler.
        event: The event that the lines are about, empty for none. None is the event that is handled when a line is
            written.
    """

    __slots__ = ("_event", "_server")

    def __init__(self, server: ChannelServer | RawServer, event: str | None = None) -> None:
        self._server = server
        self._event = event

    @property
    def is_here(self) -> bool:
        """Whether a task of the object runs, or a worker thread."""
        task = self._server.task
        started = () if task.resources is None else task.resources.tasks
        return _in_thread_or(task.task, *started)

    def log_fields(self) -> dict[str, str | None]:
        """Return the fields of the client, and of the message that is handled."""
        server = self._server
        connection: ServerConnection[Any] = server.connection
        topic, event = None, self._event
        if not isinstance(server.definition, RawDefinition):
            channel = cast("ChannelServer", server)
            topic = channel.topic
            event = event_of(channel) if event is None else event
        name = server.definition.name
        tracer = connection.server.tracer
        return _fields(tracer, connection.info, connection.id, topic, event, name)


class About(Handling):
    """A channel or a raw handler, for lines about it that are written elsewhere."""

    __slots__ = ()

    @property
    def is_here(self) -> bool:
        """True: the line is about this object, whatever code writes it."""
        return True


class AboutConnection:
    """A connection, for lines about it that no handler writes.

    Args:
        connection: The connection.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: ServerConnection[Any]) -> None:
        self._connection = connection

    @property
    def is_here(self) -> bool:
        """True: the line is about this connection, whatever code writes it."""
        return True

    def log_fields(self) -> dict[str, str | None]:
        """Return the fields of the client."""
        return _fields(None, self._connection.info, self._connection.id)


def event_of(channel: ChannelServer) -> str | None:
    """Return the event that a channel handles now; None if it handles no message of its client."""
    message = channel.message
    if message is not None:
        return message.event if isinstance(message.event, str) else None
    return PHX_JOIN if channel.phase is Phase.JOINING else None


def context_of_started(server: ChannelServer | RawServer) -> Context:
    """Return the context of a task that a handler starts: its lines keep the event of the handler."""
    context = copy_context()
    is_raw = isinstance(server.definition, RawDefinition)
    event = None if is_raw else event_of(cast("ChannelServer", server))
    context.run(RUNNING.set, Handling(server, event or ""))
    return context


def _in_thread_or(*tasks: asyncio.Task[Any] | None) -> bool:
    """Return whether one of the tasks runs, or no event loop runs in this thread."""
    try:
        current = asyncio.current_task()
    except RuntimeError:
        return True
    return current is not None and current in tasks


def _fields(
    tracer: ServerTracer | None,
    info: ConnectInfo,
    socket_id: str | None,
    topic: str | None = None,
    event: str | None = None,
    channel: str | None = None,
) -> dict[str, str | None]:
    fields = {
        "connection_id": info.connection_id,
        "user_id": info.user_id or socket_id,
        "topic": topic,
        "event": event,
        "channel": channel,
        "trace_id": info.trace_id,
    }
    return fields if tracer is None else fields | tracer.ids()
