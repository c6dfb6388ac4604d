"""What runs for a user's object: where it stands, and what it has under way beside its methods.

The object is a :class:`~bennu.agent.Agent`, that is a channel or a raw socket's handler; this is the
other end of the methods that both have.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from enum import Enum, auto
from typing import Any, Generic, Protocol, TypeVar

from ..definition import Handler
from ..errors import NotJoined, NotStarted, WrongThread
from ..logs.log import Log
from ..loop.home import Home
from ..user_code.callback import Callback, crash_of
from .line import Host
from .supervision import end_tasks

__all__ = ["Cancellable", "Definition", "Owned", "Owner", "Phase"]


class Phase(Enum):
    """How far it is."""

    JOINING = auto()
    JOINED = auto()
    ENDED = auto()


class Definition(Protocol):
    """What is known of the object's class, whatever kind it is."""

    @property
    def name(self) -> str:
        """The class's name."""
        ...

    @property
    def terminate(self) -> Handler | None:
        """The method that is told of the end."""
        ...


H = TypeVar("H", bound=Host)
D = TypeVar("D", bound=Definition)


class Cancellable(Protocol):
    """What ends with it: a subscription, or what it tracks in a presence."""

    def cancel(self) -> object:
        """End it; this never raises, and takes nothing out of what is owned."""
        ...


class Owned:
    """What it has under way, made only if it ever has: most don't."""

    __slots__ = ("subscriptions", "tasks", "timers")

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        self.timers: set[asyncio.TimerHandle] = set()
        self.subscriptions: set[Cancellable] = set()


class Owner(ABC, Generic[H, D]):
    """The way of a user's object to its connection and to its tasks.

    Attributes:
        outbox: The connection, as the fast lane knows it.
        definition: What is known of the object's class.
        topic: What its losses are counted under.
        agent: The object.
        phase: How far it is.
        owned: What it has under way.
    """

    __slots__ = ("agent", "definition", "outbox", "owned", "phase", "topic")

    def __init__(self, connection: H, definition: D, topic: str, agent: Any) -> None:
        self.outbox = connection
        self.definition = definition
        self.topic = topic
        self.agent = agent
        self.phase = Phase.JOINING
        self.owned: Owned | None = None

    # Given by its life.

    @property
    @abstractmethod
    def label(self) -> str:
        """What it is called in logs."""

    @abstractmethod
    def put_info(self, message: Any) -> None:
        """Queue a message of the server."""

    @abstractmethod
    def put_heard(self, message: Any) -> None:
        """Queue a message of a topic, which others hear too: its handler gets a copy."""

    @abstractmethod
    def fail(self, error: Exception) -> None:
        """End because of an error outside of its methods."""

    def in_thread(self, callback: Callback, /, *args: Any) -> Awaitable[Any]:
        """Run a plain method of the object in a worker thread."""
        return self.outbox.server.pools.handlers.run(self.outbox, callback, args)

    # Where it stands.

    @property
    def log(self) -> Log:
        """The endpoint's lines in the log."""
        return self.outbox.server.log

    @property
    def connection(self) -> H:
        """The connection."""
        return self.outbox

    @property
    def endpoint(self) -> Any:
        """The endpoint."""
        return self.outbox.server.endpoint

    @property
    def state(self) -> Any:
        """What the endpoint's lifespan yielded."""
        return self.outbox.server.state

    @property
    def home(self) -> Home:
        """Where the endpoint lives."""
        return self.outbox.server.home

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The endpoint's event loop."""
        return self.outbox.server.home.loop

    # What it can do.

    def send_self(self, message: Any) -> None:
        """Queue a message for itself."""
        self._expect_loop("send_self")
        self.put_info(message)

    def send_after(self, seconds: float, message: Any) -> Callable[[], None]:
        """Queue a message for itself later."""
        self._expect_loop("send_after")
        timers = self.own().timers

        def fire() -> None:
            timers.discard(timer)
            self.put_info(message)

        def cancel() -> None:
            self._expect_loop_to_cancel("send_after")
            timer.cancel()
            timers.discard(timer)

        timer = self.loop.call_later(seconds, fire)
        timers.add(timer)
        return cancel

    def send_every(self, seconds: float, message: Any) -> Callable[[], None]:
        """Queue a message for itself again and again."""
        self._expect_loop("send_every")
        timers = self.own().timers
        timer: asyncio.TimerHandle

        def arm() -> None:
            nonlocal timer
            timer = self.loop.call_later(seconds, fire)
            timers.add(timer)

        def fire() -> None:
            timers.discard(timer)
            arm()
            self.put_info(message)

        def cancel() -> None:
            self._expect_loop_to_cancel("send_every")
            timer.cancel()
            timers.discard(timer)

        arm()
        return cancel

    def subscribe(self, topic: str) -> Callable[[], None]:
        """Listen to another topic."""
        self._expect_loop("subscribe")
        subscriptions = self.own().subscriptions
        subscription = self.outbox.server.pubsub.listen(topic, self.put_heard, owner=self)
        subscriptions.add(subscription)

        def cancel() -> None:
            self._expect_loop_to_cancel("subscribe")
            subscriptions.discard(subscription)
            subscription.cancel()

        return cancel

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine beside the handlers."""
        try:
            self._expect_loop("start")
            tasks = self.own().tasks
        except (NotJoined, NotStarted, WrongThread):
            coroutine.close()
            raise
        task = self.outbox.server.create_task(_awaited(coroutine, self.label))
        tasks.add(task)

        def done(task: asyncio.Task[Any]) -> None:
            with suppress(RuntimeError):  # it was killed, and does not like it
                coroutine.close()  # in case that it never began
            if task not in tasks:
                return  # it has ended, and end_tasks sees to it
            tasks.discard(task)
            if not task.cancelled() and isinstance(error := task.exception(), Exception):
                self.fail(error)

        task.add_done_callback(done)
        return task

    def own(self) -> Owned:
        """Return what it has under way.

        Raises:
            NotJoined: It has ended.
        """
        if self.phase is Phase.ENDED:
            raise NotJoined(f"{self.label} has ended")
        if self.owned is None:
            self.owned = Owned()
        return self.owned

    def disown(self) -> None:
        """End what it has under way."""
        owned, self.owned = self.owned, None
        if owned is None:
            return
        for timer in owned.timers:
            timer.cancel()
        for subscription in owned.subscriptions:
            subscription.cancel()
        if owned.tasks:
            name = f"a task that {self.label} started"
            self.outbox.server.spawn(end_tasks(tuple(owned.tasks), 5.0, name, self.log))
            owned.tasks.clear()

    def _expect_loop_to_cancel(self, method: str) -> None:
        home = self.outbox.server.home
        if home.is_in_process:  # else it is stopped, and all is cancelled
            instead = f"self.sync.{method}(...), and call what it returns,"
            home.expect(f"self.{method}(...)", "cancel", instead)

    def _expect_loop(self, method: str) -> None:
        self.outbox.server.home.expect("self", method)


async def _awaited(coroutine: Coroutine[Any, Any, Any], task_of: str) -> Any:
    """Stand around a coroutine of the user's, so that its task can be killed, and kills nobody else.

    Args:
        coroutine: It.
        task_of: What started it, for who looks at this frame (:mod:`bennu.loop.watch`).
    """
    try:
        return await coroutine
    except Exception:
        raise
    except BaseException as error:
        raise crash_of(error, f"a task of {task_of}") from error
