"""The kit for tests without ``async``: the same names, and each call blocks until it is done.

    from bennu.testing.blocking import connect

    def test_a_message_comes_back() -> None:
        with connect(endpoint, "/socket", {"token": token}) as client:
            room = client.join("room:7")
            assert room.push("new_msg", {"body": "Hi"}).response() == {"id": 1}

The endpoint runs in a thread of its own. So a plain view, a task of a queue or ``endpoint.sync.broadcast(...)`` can be called in the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from ..channel import Channel
from ..endpoint import Endpoint
from ..loop.background import BackgroundLoop
from . import client as kit
from .channel import TestChannel
from .clock import Clock
from .patterns import ANY
from .push import TestPush
from .running import running as running_here

__all__ = [
    "BlockingTestChannel",
    "BlockingTestClient",
    "BlockingTestClock",
    "BlockingTestPush",
    "connect",
    "running",
    "virtual_time",
]

T = TypeVar("T")


class _Thread:
    """An event loop in a thread, for as long as a block of the kit needs it."""

    def __init__(self) -> None:
        self._users = 0
        self._loop: BackgroundLoop | None = None

    def __enter__(self) -> None:
        self._users += 1
        if self._loop is None:
            self._loop = BackgroundLoop("bennu-test")

    def __exit__(self, *error: object) -> None:
        self._users -= 1
        if not self._users and self._loop is not None:
            loop, self._loop = self._loop, None
            loop.close()

    def call(self, function: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T:
        """Await a call in the event loop, and return its result."""
        if self._loop is None:
            raise RuntimeError(
                "the block of `with connect(...)` has ended: nothing of it can be called any more"
            )
        return self._loop.call(partial(function, *args, **kwargs))

    def now(self, function: Callable[..., T], /, *args: Any) -> T:
        """Call a plain function in the event loop, and return its result."""

        async def call() -> T:
            return function(*args)

        return self.call(call)

    @contextmanager
    def entered(self, manager: AbstractAsyncContextManager[T]) -> Generator[T]:
        """Enter an async context manager in the event loop, and leave it at the end of the block."""
        with self:
            value = self.call(manager.__aenter__)
            try:
                yield value
            except BaseException as error:
                if not self.call(manager.__aexit__, type(error), error, error.__traceback__):
                    raise
            else:
                self.call(manager.__aexit__, None, None, None)


_thread = _Thread()


class BlockingTestPush:
    """A push that was sent: :class:`bennu.testing.TestPush`, for tests without ``async``."""

    def __init__(self, push: TestPush) -> None:
        self._push = push

    def response(self) -> Any:
        """Return the response of the ok reply.

        Raises:
            PushRefused: The reply has another status.
            AssertionError: No reply came.
        """
        return _thread.call(self._push.response)

    def assert_reply(
        self, pattern: Any = ANY, *, status: str = "ok", within: float | None = None
    ) -> Any:
        """See :meth:`bennu.testing.TestPush.assert_reply`."""
        return _thread.call(self._push.assert_reply, pattern, status=status, within=within)

    def assert_error(self, pattern: Any = ANY, *, within: float | None = None) -> Any:
        """See :meth:`bennu.testing.TestPush.assert_error`."""
        return _thread.call(self._push.assert_error, pattern, within=within)

    def refute_reply(self, *, within: float | None = None) -> None:
        """See :meth:`bennu.testing.TestPush.refute_reply`."""
        _thread.call(self._push.refute_reply, within=within)


class BlockingTestChannel:
    """A channel that a client has joined: :class:`bennu.testing.TestChannel`, for tests without ``async``."""

    def __init__(self, channel: TestChannel) -> None:
        self._channel = channel

    @property
    def topic(self) -> str:
        """The topic."""
        return self._channel.topic

    @property
    def response(self) -> Any:
        """The response of the reply to the join."""
        return self._channel.response

    @property
    def channel(self) -> Any:
        """The live channel object. It belongs to the event loop: look, and call ``channel.sync``."""
        return _thread.now(lambda: self._channel.channel)

    def push(self, event: str, payload: Any = None) -> BlockingTestPush:
        """Send an event now: :meth:`bennu.testing.TestChannel.push`."""
        return BlockingTestPush(_thread.now(self._channel.push, event, payload))

    def leave(self, *, within: float | None = None) -> None:
        """Leave, and wait until the server has closed the channel."""
        _thread.call(self._channel.leave, within=within)

    def assert_push(self, event: str, pattern: Any = ANY, *, within: float | None = None) -> Any:
        """See :meth:`bennu.testing.TestChannel.assert_push`."""
        return _thread.call(self._channel.assert_push, event, pattern, within=within)

    def refute_push(self, event: str, pattern: Any = ANY, *, within: float | None = None) -> None:
        """See :meth:`bennu.testing.TestChannel.refute_push`."""
        _thread.call(self._channel.refute_push, event, pattern, within=within)

    def assert_pushes(
        self, *expected: str | tuple[str, Any], within: float | None = None
    ) -> list[Any]:
        """See :meth:`bennu.testing.TestChannel.assert_pushes`."""
        return _thread.call(self._channel.assert_pushes, *expected, within=within)

    def assert_broadcast(
        self, event: str, pattern: Any = ANY, *, within: float | None = None
    ) -> Any:
        """See :meth:`bennu.testing.TestChannel.assert_broadcast`."""
        return _thread.call(self._channel.assert_broadcast, event, pattern, within=within)

    def refute_broadcast(
        self, event: str, pattern: Any = ANY, *, within: float | None = None
    ) -> None:
        """See :meth:`bennu.testing.TestChannel.refute_broadcast`."""
        _thread.call(self._channel.refute_broadcast, event, pattern, within=within)

    def assert_present(
        self,
        key: str,
        pattern: Any = ANY,
        *,
        metas: int | None = None,
        within: float | None = None,
    ) -> Any:
        """See :meth:`bennu.testing.TestChannel.assert_present`."""
        return _thread.call(self._channel.assert_present, key, pattern, metas=metas, within=within)

    def assert_absent(self, key: str, *, within: float | None = None) -> None:
        """See :meth:`bennu.testing.TestChannel.assert_absent`."""
        _thread.call(self._channel.assert_absent, key, within=within)

    def assert_closed(self, *, within: float | None = None) -> None:
        """See :meth:`bennu.testing.TestChannel.assert_closed`."""
        _thread.call(self._channel.assert_closed, within=within)

    def assert_crashed(self, *, within: float | None = None) -> None:
        """See :meth:`bennu.testing.TestChannel.assert_crashed`."""
        _thread.call(self._channel.assert_crashed, within=within)


class BlockingTestClient:
    """A client on an open connection: :class:`bennu.testing.TestClient`, for tests without ``async``."""

    def __init__(self, client: kit.TestClient) -> None:
        self._client = client

    @property
    def code(self) -> int | None:
        """The code with which the connection was closed; None while it is open."""
        return self._client.code

    @property
    def assigns(self) -> Any:
        """The assigns of the connection, once a channel is joined."""
        return _thread.now(lambda: self._client.assigns)

    def channels(self, topic: str | None = None) -> list[Channel[Any, Any]]:
        """Return the live channel objects of this client."""
        return _thread.now(self._client.channels, topic)

    def join(
        self, topic: str, payload: Any = None, *, within: float | None = None
    ) -> BlockingTestChannel:
        """Join a topic: :meth:`bennu.testing.TestClient.join`."""
        return BlockingTestChannel(_thread.call(self._client.join, topic, payload, within=within))

    def heartbeat(self, *, within: float | None = None) -> None:
        """Send a heartbeat, and check that it is answered."""
        _thread.call(self._client.heartbeat, within=within)

    def renew(self, token: str, *, within: float | None = None) -> Any:
        """See :meth:`bennu.testing.TestClient.renew`."""
        return _thread.call(self._client.renew, token, within=within)

    def assert_closed(self, code: Any = ANY, *, within: float | None = None) -> int:
        """Check that the server closes the connection, and return the code."""
        return _thread.call(self._client.assert_closed, code, within=within)

    def close(self, code: int = 1000) -> None:
        """Close with a close frame."""
        _thread.now(self._client.close, code)

    def vanish(self) -> None:
        """Drop the connection without a word."""
        _thread.now(self._client.vanish)

    def stall(self) -> None:
        """Read nothing from now on."""
        _thread.now(self._client.stall)

    def resume(self) -> None:
        """Read again."""
        _thread.now(self._client.resume)


class BlockingTestClock:
    """Virtual time, for tests without ``async``. It passes in :meth:`advance`, and while the kit waits for something."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @property
    def now(self) -> float:
        """The seconds that have passed since the clock began."""
        return self._clock.now

    def advance(self, seconds: float | timedelta) -> None:
        """Move the clock, and run everything that is due.

        Args:
            seconds: How far.
        """
        _thread.call(self._clock.advance, seconds)


@contextmanager
def virtual_time() -> Generator[BlockingTestClock]:
    """Let the endpoints of this block have virtual time.

    Example:
        ``with virtual_time() as clock, connect(endpoint, "/socket") as client: clock.advance(3600)``
    """
    with _thread:
        clock = _thread.now(lambda: Clock(asyncio.get_running_loop(), jumps_alone=False))
        try:
            yield BlockingTestClock(clock)
        finally:
            _thread.now(clock.close)


@contextmanager
def running(endpoint: Endpoint) -> Generator[Endpoint]:
    """Start an endpoint, and stop it at the end: :func:`bennu.testing.running`."""
    with _thread.entered(running_here(endpoint)) as started:
        yield started


@contextmanager
def connect(
    endpoint: Endpoint, path: str, params: Any = None, **options: Any
) -> Generator[BlockingTestClient]:
    """Connect to a socket: :func:`bennu.testing.connect`, for tests without ``async``.

    Args:
        endpoint: The endpoint. If it is not started, it is started here.
        path: The path under which the socket is mounted.
        params: Parameters of the query.
        **options: The options of :func:`bennu.testing.connect`.

    Raises:
        ConnectRefused: The endpoint refused the connection.
    """
    with _thread.entered(kit.connect(endpoint, path, params, **options)) as client:
        yield BlockingTestClient(client)
