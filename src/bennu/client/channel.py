"""A channel as a client has it: join, push, listen, leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar, overload

from msgspec import Struct

from .errors import ClientError
from .frames import Received, json_of
from .listeners import Binding
from .loader import Recovery
from .presence import RoomPresence
from .promise import Promise
from .reading import reader_for
from .recovery import place_of
from .states import ChannelState
from .stream import EventStream, Overflow
from .topic_link import CLOSED, ERRORED, JOINED, TopicLink

__all__ = ["Event", "Payload", "RemoteChannel"]

T = TypeVar("T")


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


class _Model(Protocol):
    def model_dump(self) -> dict[str, Any]: ...


Payload = Mapping[str, Any] | Struct | _Dataclass | _Model | bytes | None
"""What can be pushed: a dict, Struct, dataclass or pydantic model, or bytes for a binary frame. None is ``{}``."""


class Event(NamedTuple):
    """One event of a channel, as ``async for event in room`` yields it.

    Attributes:
        name: The name of the event.
        payload: JSON as builtins, or bytes.
        position: The position in the history of the topic, such as ``"17:k3x"``; None if it has none.
    """

    name: str
    payload: Any
    position: str | None


class RemoteChannel:
    """A channel of a client: :meth:`Client.channel() <bennu.client.Client.channel>` makes one.

    It joins again by itself when its connection was lost, when it crashed on the server, and when a join was refused.
    It ends with :meth:`leave`, or when the server or the client closes it.

    Example:
        ``room = client.channel("room:7")``
        ``await room.join()``
        ``ack = await room.push("new_msg", {"body": "Hi"})``
    """

    def __init__(self, link: TopicLink, size: int, overflow: Overflow) -> None:
        self._link = link
        self._size = size
        self._overflow: Overflow = overflow
        self._presence: RoomPresence | None = None
        self._unread: EventStream[Event] | None = None

    def __repr__(self) -> str:
        return f"<RemoteChannel {self.topic!r} {self.state.value}>"

    @property
    def topic(self) -> str:
        """The topic."""
        return self._link.topic

    @property
    def state(self) -> ChannelState:
        """The state: closed, joining, joined, leaving or errored."""
        return self._link.state

    @property
    def is_joined(self) -> bool:
        """Whether the channel is joined now."""
        return self._link.state is ChannelState.JOINED

    @property
    def join_ref(self) -> str | None:
        """The ref of the present join, for logs; None without one."""
        return self._link.join_ref

    @property
    def recovery(self) -> Recovery | None:
        """The recovery of messages that were missed; None without ``missed=``."""
        return self._link.recovery

    @property
    def dropped(self) -> int:
        """The events that were dropped, because too many waited for ``async`` callbacks."""
        return self._link.listeners.dropped

    @property
    def presence(self) -> RoomPresence:
        """The presences of the topic.

        Raises:
            ClientError: The channel has joined without it, so it has missed the list.
        """
        if self._presence is None:
            if self._link.was_joined:
                raise ClientError(
                    "room.presence was first used after room.join(), and has missed the list: write"
                    " `presence = room.presence` before the join"
                )
            self._presence = RoomPresence(self._link)
        return self._presence

    def presences(self, state: str, diff: str) -> RoomPresence:
        """Return presences that come by other events than those of ``room.presence``. Call it before the join.

        Args:
            state: The event of a whole list; usually ``presence_state``.
            diff: The event of a diff; usually ``presence_diff``.
        """
        return RoomPresence(self._link, state, diff)

    # Join, push, leave.

    @overload
    def join(self, *, timeout: float | None = None, retry: bool = True) -> Promise[Any]: ...
    @overload
    def join(
        self, reply: type[T], *, timeout: float | None = None, retry: bool = True
    ) -> Promise[T]: ...
    def join(
        self, reply: Any = None, *, timeout: float | None = None, retry: bool = True
    ) -> Promise[Any]:
        """Join the topic. ``await`` it for the response.

        Args:
            reply: The type of the response: a Struct, for example. Default: JSON as builtins.
            timeout: Seconds for the reply to each join. Default: those of the client.
            retry: Whether a first join that is refused, or not answered in time, is tried again: after 1, 2, 5, then
                each 10 s, or after ``retry_after_ms`` of the response if that is longer. With False the channel is
                closed then. A channel that has joined once is always joined again.

        Raises:
            JoinRefused: The reply was an error. (Raised by ``await``.)
            JoinTimeout: No reply came in time. (Raised by ``await``.)
            ChannelClosed: The channel was left or closed meanwhile. (Raised by ``await``.)
            NotJoined: The channel was joined before.
        """
        read = reader_for(reply)
        if self._size and self._link.listeners.is_empty:
            self._unread = self._stream(None, _event_of, self._size, self._overflow)
        return self._link.join(read, timeout, retries=retry)

    @overload
    def push(
        self, event: str, payload: Payload = None, *, timeout: float | None = None
    ) -> Promise[Any]: ...
    @overload
    def push(
        self, event: str, payload: Payload = None, *, reply: type[T], timeout: float | None = None
    ) -> Promise[T]: ...
    def push(
        self,
        event: str,
        payload: Payload = None,
        *,
        reply: Any = None,
        timeout: float | None = None,
    ) -> Promise[Any]:
        """Send an event to the channel on the server. ``await`` it for the response of the ok reply.

        The push is sent by the call, also if nobody awaits it. If the channel is not joined, the push waits for the join,
        and is not sent if that takes longer than ``timeout``.

        Args:
            event: The event.
            payload: A dict, Struct, dataclass or pydantic model; or bytes for a binary frame. Default: ``{}``.
            reply: The type of the response. Default: JSON as builtins.
            timeout: Seconds for the reply. Default: those of the client.

        Raises:
            PushRefused: The reply has another status than ok. (Raised by ``await``.)
            PushTimeout: No reply came in time; a handler that returns None sends none. (Raised by ``await``.)
            PushLost: The reply can't come any more. It is a PushTimeout. (Raised by ``await``.)
            InvalidPayload: The response does not fit the type. (Raised by ``await``.)
            NotJoined: ``join`` was not called.
            ChannelClosed: The channel was left or closed.
            BufferFull: 1,000 pushes wait for the join.
            EncodeError: The payload can't be written.
        """
        return self._link.push(event, payload, reader_for(reply), timeout)

    def leave(self, *, timeout: float | None = None) -> Promise[None]:
        """Leave the topic. ``await`` it to wait for the server's answer, at most for ``timeout`` seconds."""
        return self._link.leave(timeout)

    # Callbacks.

    @overload
    def on(self, event: str, callback: Callable[[Any], object]) -> Binding: ...
    @overload
    def on(self, event: str, callback: Callable[[T], object], *, payload: type[T]) -> Binding: ...
    def on(self, event: str, callback: Callable[[Any], object], *, payload: Any = None) -> Binding:
        """Call a function for each event of a name.

        A plain function is called at once, in the order of the events. An ``async`` function can await: one is called after
        another, and at most ``buffer`` events wait for them.

        Args:
            event: The event.
            callback: Gets the payload. If it raises, that is logged.
            payload: The type of the payload. Default: JSON as builtins, or bytes.

        Returns:
            A binding; its ``cancel()`` ends the calls.
        """
        self._unread = None
        return self._link.listeners.on(event, callback, reader_for(payload))

    def off(self, event: str) -> None:
        """Call no function for this event any more."""
        self._link.listeners.off(event)

    @overload
    def on_join(self, callback: Callable[[Any], object]) -> Binding: ...
    @overload
    def on_join(self, callback: Callable[[T], object], *, reply: type[T]) -> Binding: ...
    def on_join(self, callback: Callable[[Any], object], *, reply: Any = None) -> Binding:
        """Call a function after each join that succeeds, also after those that the channel makes by itself.

        Args:
            callback: Gets the response.
            reply: The type of the response. Default: JSON as builtins.
        """
        return self._link.told.on(JOINED, callback, reader_for(reply))

    def on_error(self, callback: Callable[[Any], object]) -> Binding:
        """Call a function when the channel is not joined any more, and will join again.

        Args:
            callback: Gets the response of a refused join, the payload of ``phx_error``, or ``{"source": "transport",
                "reason": ...}`` if the connection was lost.
        """
        return self._link.told.on(ERRORED, callback, json_of)

    def on_close(self, callback: Callable[[], object]) -> Binding:
        """Call a function when the channel has ended: it was left, or the server or the client has closed it."""

        def closed(_: Any) -> object:
            return callback()

        return self._link.told.on(CLOSED, closed, json_of)

    # Iteration.

    @overload
    def events(
        self, event: str, *, buffer: int | None = None, overflow: Overflow | None = None
    ) -> EventStream[Any]: ...
    @overload
    def events(
        self,
        event: str,
        payload: type[T],
        *,
        buffer: int | None = None,
        overflow: Overflow | None = None,
    ) -> EventStream[T]: ...
    def events(
        self,
        event: str,
        payload: Any = None,
        *,
        buffer: int | None = None,
        overflow: Overflow | None = None,
    ) -> EventStream[Any]:
        """Return an async iterator over the payloads of one event, from this call on. It ends with the channel.

        Args:
            event: The event.
            payload: The type of the payload. Default: JSON as builtins, or bytes.
            buffer: The most events that wait. Default: that of the client, 1,000.
            overflow: What happens if more wait. ``"raise"``: the newest are dropped, and the iterator raises
                :class:`~bennu.client.EventsLost` in their place. ``"drop_oldest"``: the oldest are dropped, and
                counted in ``dropped``. Default: that of the client, ``"raise"``.
        """
        read = reader_for(payload)
        self._unread = None

        def payload_of_event(message: Received) -> Any:
            return read(message.payload)

        return self._stream(
            event,
            payload_of_event,
            self._size if buffer is None else buffer,
            self._overflow if overflow is None else overflow,
        )

    def __aiter__(self) -> EventStream[Event]:
        """Return an async iterator over all events.

        It begins with the join, if the channel had neither callbacks nor iterators until now. Otherwise it begins now.
        """
        unread, self._unread = self._unread, None
        if unread is not None:
            return unread
        return self._stream(None, _event_of, self._size, self._overflow)

    def _stream(
        self, event: str | None, read: Callable[[Received], T], size: int, overflow: Overflow
    ) -> EventStream[T]:
        stream = EventStream(event, read, max(size, 1), overflow)
        if self._link.was_joined and self._link.state is ChannelState.CLOSED:
            stream.end()
        else:
            self._link.listeners.add(stream)
        return stream


def _event_of(message: Received) -> Event:
    place = place_of(message.ref)
    return Event(message.event, json_of(message.payload), None if place is None else str(place))
