"""The base class of channels and of raw sockets' handlers.

The server makes one object of the user's class for each client, and runs its methods one after another. When the object
ends, the server ends the timers, subscriptions and tasks that the object has started.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol

from typing_extensions import TypeVar

from .connect_info import ConnectInfo
from .limits.waiting import WarnWaiting
from .loop.blocking import blocking
from .loop.home import Home

if TYPE_CHECKING:
    from .server.channel_server import ChannelServer
    from .server.raw_server import RawServer

__all__ = ["Agent", "BlockingAgent", "Connection"]

A = TypeVar("A", default=Any)
S = TypeVar("S", default=Any)
T = TypeVar("T")


class Connection(Protocol):
    """The live connection of a client.

    Attributes:
        id: The name that the socket's ``id`` returned for the connection, or None.
        transport: ``"websocket"`` or ``"longpoll"``.
        info: The request that opened the connection.
    """

    @property
    def id(self) -> str | None: ...
    @property
    def transport(self) -> str: ...
    @property
    def info(self) -> ConnectInfo: ...


class Agent(Generic[A, S]):
    """One object for each client. Its methods run one after another.

    Class options:
        max_inbox: The number of the client's messages that can wait (64). If so many wait, the server stops reading
            from the client until half of them are handled.
        max_mailbox: The number of the server's messages that can wait (1,000).
        overflow: The effect of a further message of the server: ``"end"`` ends the object, ``"drop_oldest"`` drops the
            message of the server that has waited longest.
        terminate_timeout: Seconds that the last method can take (5). Then the method is cancelled.
        warn_waiting: The number of messages or bytes that wait, above which the log warns: ``WarnWaiting(messages=50)``.
            Default: None.
    """

    __slots__ = ("_server", "assigns")

    max_inbox: ClassVar[int] = 64
    max_mailbox: ClassVar[int] = 1000
    overflow: ClassVar[Literal["end", "drop_oldest"]] = "end"
    terminate_timeout: ClassVar[float] = 5.0
    warn_waiting: ClassVar[WarnWaiting | None] = None

    assigns: A
    """The value that ``connect`` returned. All objects of a connection share it. To change it for this object only,
    assign a new value: ``self.assigns = replace(self.assigns, ...)``."""

    _server: ChannelServer | RawServer
    """The server of this object, which runs its methods."""

    # The connection and the endpoint.

    @property
    def connection(self) -> Connection:
        """The connection: its id, its transport, and the request that opened it."""
        return self._server.connection

    @property
    def endpoint(self) -> Any:
        """The endpoint that serves the client."""
        return self._server.connection.server.endpoint

    @property
    def state(self) -> S:
        """The value that the endpoint's lifespan yielded."""
        state: S = self._server.connection.server.state
        return state

    # Messages, timers, subscriptions and tasks.

    def send_self(self, message: Any) -> None:
        """Send a message to this object: to its ``@on_info``, or to a raw handler's ``info``.

        Args:
            message: Any object. It is handled after all messages that wait already.

        Raises:
            WrongThread: The call comes from a worker thread: there write ``self.sync.send_self(...)``.
        """
        server = self._server
        server.connection.server.home.expect("self", "send_self")
        server.put_info(message)

    def send_after(self, seconds: float, message: Any) -> Callable[[], None]:
        """Send a message to this object later.

        Args:
            seconds: The time until the message is sent.
            message: Any object.

        Returns:
            A function that cancels the timer.

        Raises:
            NotJoined: The object has ended.
            WrongThread: The call comes from a worker thread: there write ``self.sync.send_after(...)``.

        Example:
            ``cancel = self.send_after(30, "remind")``
        """
        return self._server.task.own("send_after").send_after(seconds, message)

    def send_every(self, seconds: float, message: Any) -> Callable[[], None]:
        """Send a message to this object again and again, until the object ends.

        Args:
            seconds: The time before each message.
            message: Any object. The same object is sent each time.

        Returns:
            A function that cancels the timer.

        Raises:
            NotJoined: The object has ended.
            WrongThread: The call comes from a worker thread: there write ``self.sync.send_every(...)``.
        """
        return self._server.task.own("send_every").send_every(seconds, message)

    def subscribe(self, topic: str) -> Callable[[], None]:
        """Listen to a topic: each message to the topic is sent to this object too, until the object ends.

        Args:
            topic: The topic. Two subscriptions to one topic deliver each message twice.

        Returns:
            A function that ends the subscription.

        Raises:
            NotJoined: The object has ended.
            WrongThread: The call comes from a worker thread: there write ``self.sync.subscribe(...)``.
        """
        return self._server.task.own("subscribe").subscribe(topic)

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine in a task beside the methods. When the object ends, the task is cancelled.

        Args:
            coroutine: The coroutine. If it raises, the object ends, as it does if a method raises.

        Returns:
            The task.

        Raises:
            NotJoined: The object has ended.
            WrongThread: The call comes from a worker thread: there write ``self.sync.start(...)``.
        """
        try:
            resources = self._server.task.own("start")
        except BaseException:
            coroutine.close()
            raise
        return resources.start(coroutine)


class BlockingAgent:
    """The methods of an object, for code in a worker thread.

    Each call waits until the event loop has done it. A call on an event loop raises ``WrongThread``.
    """

    __slots__ = ("_agent", "_home")

    def __init__(self, agent: Any, home: Home) -> None:
        self._agent = agent
        self._home = home

    def send_self(self, message: Any) -> None:
        """Do what ``self.send_self(...)`` does."""
        self._do(self._agent.send_self, message)

    def send_after(self, seconds: float, message: Any) -> Callable[[], None]:
        """Do what ``self.send_after(...)`` does. The function that it returns blocks too."""
        return self._cancel(self._do(self._agent.send_after, seconds, message))

    def send_every(self, seconds: float, message: Any) -> Callable[[], None]:
        """Do what ``self.send_every(...)`` does. The function that it returns blocks too."""
        return self._cancel(self._do(self._agent.send_every, seconds, message))

    def subscribe(self, topic: str) -> Callable[[], None]:
        """Do what ``self.subscribe(...)`` does. The function that it returns blocks too."""
        return self._cancel(self._do(self._agent.subscribe, topic))

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Do what ``self.start(...)`` does."""
        try:
            _ = self._do(self._agent.start, coroutine)
        except BaseException:
            coroutine.close()
            raise

    def _do(self, function: Callable[..., T], *args: Any) -> T:
        async def call() -> T:
            return function(*args)

        return self._await(function.__name__, call)

    def _await(self, name: str, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        return blocking(self._home.loop_for_thread("self", name), name, function, *args)

    def _cancel(self, cancel: Callable[[], None]) -> Callable[[], None]:
        return lambda: self._do(cancel)
