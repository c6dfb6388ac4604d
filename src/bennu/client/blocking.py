"""The client for code without an event loop: scripts, tests, notebooks, tasks of Celery."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar, overload

from typing_extensions import Unpack

from ..errors import NotStarted, WrongThread
from ..loop.background import BackgroundLoop
from .channel import Event, Payload, RemoteChannel
from .client import Client
from .errors import ChannelClosed
from .loader import MissedCallback, RecoveredCallback
from .options import ClientKeywords, JoinParams
from .stream import EventStream

__all__ = ["BlockingClient", "BlockingRoom"]

T = TypeVar("T")
R = TypeVar("R")

NAME: Final = "bennu-client"


class BlockingClient:
    """A :class:`Client` whose methods block. It runs on an event loop in a background thread.

    All methods can be called in any thread without an event loop.

    Args:
        url: The URL of the socket.
        options: The other options of :class:`Client`.

    Raises:
        DefinitionError: An option has a wrong value.

    Example:
        ``with BlockingClient("ws://localhost:4000/socket") as client:``
        ``    room = client.join("room:7")``
        ``    print(room.push("new_msg", {"body": "Hi"}))``
    """

    def __init__(self, url: str, **options: Unpack[ClientKeywords]) -> None:
        self._client = Client(url, **options)
        self._loop: BackgroundLoop | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is an open connection now."""
        return self._client.is_open

    def connect(self) -> None:
        """Connect, and wait until the connection is open. A ``with`` block does it.

        Raises:
            ConnectRefused: The server refused the connect.
            ConnectFailed: The connection was not open in time.
            WrongThread: This thread runs an event loop.
        """
        _expect_no_loop("connect")
        if self._loop is not None:
            return
        self._loop = BackgroundLoop(NAME)
        try:
            self._loop.call(self._client.opened)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection and all channels, and end the thread. What was pushed is sent before."""
        _expect_no_loop("close")
        loop, self._loop = self._loop, None
        if loop is not None:
            try:
                loop.call(self._client.close)
            finally:
                loop.close()

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @overload
    def join(
        self,
        topic: str,
        params: JoinParams = None,
        *,
        timeout: float | None = None,
        missed: MissedCallback | None = None,
        recovered: RecoveredCallback | None = None,
        position: str | None = None,
    ) -> BlockingRoom[Any]: ...
    @overload
    def join(
        self,
        topic: str,
        params: JoinParams = None,
        *,
        reply: type[T],
        timeout: float | None = None,
        missed: MissedCallback | None = None,
        recovered: RecoveredCallback | None = None,
        position: str | None = None,
    ) -> BlockingRoom[T]: ...
    def join(
        self,
        topic: str,
        params: JoinParams = None,
        *,
        reply: Any = None,
        timeout: float | None = None,
        missed: MissedCallback | None = None,
        recovered: RecoveredCallback | None = None,
        position: str | None = None,
    ) -> BlockingRoom[Any]:
        """Join a topic, and return the channel.

        Args:
            topic: The topic.
            params: The payload of the join.
            reply: The type of the response. Default: JSON as builtins.
            timeout: Seconds for the reply.
            missed: As in :meth:`Client.channel`. This and the next are called in the background thread.
            recovered: As in :meth:`Client.channel`.
            position: As in :meth:`Client.channel`.

        Raises:
            JoinRefused: The reply was an error.
            JoinTimeout: No reply came in time.
            WrongThread: This thread runs an event loop.
        """

        async def join() -> tuple[RemoteChannel, EventStream[Event], Any]:
            room = self._client.channel(
                topic, params, missed=missed, recovered=recovered, position=position
            )
            events = aiter(room)
            response = await room.join(reply, timeout=timeout, retry=False)
            return room, events, response

        return BlockingRoom(self.call, *self.call("join", join))

    def ping(self) -> float:
        """Return the seconds until the server answers.

        Raises:
            ConnectFailed: There is no connection, or no answer in time.
        """

        async def ping() -> float:
            return await self._client.ping()

        return self.call("ping", ping)

    def call(self, method: str, function: Callable[[], Awaitable[T]]) -> T:
        """Call an async function in the background thread, and return its result.

        Args:
            method: The name of the method, for errors.
            function: The async function.

        Raises:
            NotStarted: The client is not connected.
            WrongThread: This thread runs an event loop.
        """
        _expect_no_loop(method)
        if self._loop is None:
            raise NotStarted(
                f"{method}() needs a connected client: write `with BlockingClient(url) as client:`"
            )
        return self._loop.call(function)


class BlockingRoom(Generic[R]):
    """A channel that has joined: :meth:`BlockingClient.join` returns one.

    Iterate over it for its events, from the join on: ``for event in room``. The loop ends when the channel is closed.

    Attributes:
        response: The response to the join.
    """

    def __init__(
        self,
        call: Callable[[str, Callable[[], Awaitable[Any]]], Any],
        room: RemoteChannel,
        events: EventStream[Event],
        response: R,
    ) -> None:
        self.response = response
        self._call = call
        self._room = room
        self._events = events

    @property
    def topic(self) -> str:
        """The topic."""
        return self._room.topic

    @property
    def is_joined(self) -> bool:
        """Whether the channel is joined now. It joins again by itself if its connection was lost."""
        return self._room.is_joined

    @overload
    def push(self, event: str, payload: Payload = None, *, timeout: float | None = None) -> Any: ...
    @overload
    def push(
        self, event: str, payload: Payload = None, *, reply: type[T], timeout: float | None = None
    ) -> T: ...
    def push(
        self,
        event: str,
        payload: Payload = None,
        *,
        reply: Any = None,
        timeout: float | None = None,
    ) -> Any:
        """Send an event, wait for the reply, and return its response.

        Args:
            event: The event.
            payload: A dict, Struct, dataclass or pydantic model; or bytes for a binary frame. Default: ``{}``.
            reply: The type of the response. Default: JSON as builtins.
            timeout: Seconds for the reply.

        Raises:
            PushRefused: The reply has another status than ok.
            PushTimeout: No reply came in time. For an event without a reply use :meth:`send`.
        """

        async def push() -> Any:
            return await self._room.push(event, payload, reply=reply, timeout=timeout)

        return self._call("push", push)

    def send(self, event: str, payload: Payload = None) -> None:
        """Send an event, and do not wait for a reply."""

        async def send() -> None:
            _ = self._room.push(event, payload)

        self._call("send", send)

    def receive(self, timeout: float | None = None) -> Event:
        """Return the next event.

        Args:
            timeout: The most seconds to wait. Default: None, for ever.

        Raises:
            TimeoutError: No event came in time.
            ChannelClosed: The channel is closed.
        """

        async def receive() -> Event | None:
            async with asyncio.timeout(timeout):
                return await anext(self._events, None)

        event: Event | None = self._call("receive", receive)
        if event is None:
            raise ChannelClosed(f"{self.topic!r} is closed, and has no more events")
        return event

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        with suppress(ChannelClosed):
            return self.receive()
        raise StopIteration

    def leave(self) -> None:
        """Leave the topic."""

        async def leave() -> None:
            await self._room.leave()

        self._call("leave", leave)


def _expect_no_loop(method: str) -> None:
    """Refuse a call on an event loop, which it would block.

    Raises:
        WrongThread: This thread runs an event loop.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise WrongThread(
        f"{method}() of a BlockingClient blocks, and was called on an event loop: write"
        " `async with Client(...) as client:` there"
    )
