"""What a channel and a raw socket's handler have in common: what they know, and what they can start.

The server makes one object of the user's class for each client, runs the methods of the object one after another, and
ends what the object has started when the object ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol

from typing_extensions import TypeVar

from .connect_info import ConnectInfo
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
        id: What the socket's ``id`` made of its assigns, or None.
        transport: ``"websocket"`` or ``"longpoll"``.
        info: The request that opened it.
    """

    @property
    def id(self) -> str | None: ...
    @property
    def transport(self) -> str: ...
    @property
    def info(self) -> ConnectInfo: ...


class Agent(Generic[A, S]):
    """One object for each client, whose methods run one after another.

    Class options:
        max_inbox: Client messages that may wait; beyond that reading from the client pauses.
        max_mailbox: Messages of the server that may wait.
        overflow: What happens beyond that: ``"end"``, or ``"drop_oldest"``.
        terminate_timeout: Seconds that its last method may take.
    """

    __slots__ = ("_server", "assigns")

    max_inbox: ClassVar[int] = 64
    max_mailbox: ClassVar[int] = 1000
    overflow: ClassVar[Literal["end", "drop_oldest"]] = "end"
    terminate_timeout: ClassVar[float] = 5.0

    assigns: A
    """What ``connect`` returned. Rebind it to change it here alone:
    ``self.assigns = replace(self.assigns, ...)``."""

    _server: ChannelServer | RawServer
    """What runs it."""

    # Where it stands.

    @property
    def connection(self) -> Connection:
        """The connection: its id, its transport, and the request that opened it."""
        return self._server.connection

    @property
    def endpoint(self) -> Any:
        """The endpoint."""
        return self._server.connection.server.endpoint

    @property
    def state(self) -> S:
        """What the endpoint's lifespan yielded."""
        state: S = self._server.connection.server.state
        return state

    # What it can begin.

    def send_self(self, message: Any) -> None:
        """Put a message into its own queue: for ``@on_info``, or a raw socket's ``info``."""
        server = self._server
        server.connection.server.home.expect("self", "send_self")
        server.put_info(message)

    def send_after(self, seconds: float, message: Any) -> Callable[[], None]:
        """Put a message into its own queue after some seconds; the function that is returned cancels it."""
        return self._server.task.own("send_after").send_after(seconds, message)

    def send_every(self, seconds: float, message: Any) -> Callable[[], None]:
        """Put a message into its own queue again and again; the function that is returned ends it.

        Args:
            seconds: The time before each of them.
            message: The message.
        """
        return self._server.task.own("send_every").send_every(seconds, message)

    def subscribe(self, topic: str) -> Callable[[], None]:
        """Listen to a topic; what is sent to it comes into the same queue.

        Subscribing twice delivers twice. The function that is returned ends it; so does the end of
        this object.
        """
        return self._server.task.own("subscribe").subscribe(topic)

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine beside the methods. It is cancelled at the end of this object.

        If it raises, that is as if a method had raised.
        """
        try:
            resources = self._server.task.own("start")
        except BaseException:
            coroutine.close()
            raise
        return resources.start(coroutine)


class BlockingAgent:
    """What an agent can do, for code in a worker thread.

    Each call waits for the event loop to do it. On an event loop it raises ``WrongThread``.
    """

    __slots__ = ("_agent", "_home")

    def __init__(self, agent: Any, home: Home) -> None:
        self._agent = agent
        self._home = home

    def send_self(self, message: Any) -> None:
        """Do what ``self.send_self(...)`` does."""
        self._do(self._agent.send_self, message)

    def send_after(self, seconds: float, message: Any) -> Callable[[], None]:
        """Do what ``self.send_after(...)`` does; the function that is returned blocks too."""
        return self._cancel(self._do(self._agent.send_after, seconds, message))

    def send_every(self, seconds: float, message: Any) -> Callable[[], None]:
        """Do what ``self.send_every(...)`` does; the function that is returned blocks too."""
        return self._cancel(self._do(self._agent.send_every, seconds, message))

    def subscribe(self, topic: str) -> Callable[[], None]:
        """Do what ``self.subscribe(...)`` does; the function that is returned blocks too."""
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
