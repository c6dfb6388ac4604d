"""What a channel object can do: the other end of the methods of :class:`bennu.channel.Channel`."""

from __future__ import annotations

import asyncio
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from enum import Enum, auto
from typing import Any

from .._definition import ChannelDefinition, Handler
from ..channel import Channel, ReplyRef
from ..errors import NoRef, NotJoined, WrongThread
from ..message import ERROR, OK, Broadcast, Error, Message, Ok, Reply
from ..pubsub import Subscription
from .line import Line
from .supervision import end_tasks

__all__ = ["Handle", "Owned", "Phase", "write_reply"]

logger = logging.getLogger("bennu")


class Phase(Enum):
    """How far a channel is."""

    JOINING = auto()
    JOINED = auto()
    ENDED = auto()


class Owned:
    """What a channel has under way, made only if it ever has: most channels don't."""

    __slots__ = ("subscriptions", "tasks", "timers")

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        self.timers: set[asyncio.TimerHandle] = set()
        self.subscriptions: set[Subscription] = set()


class Handle(ABC):
    """The channel object's way to its connection, its topic and its tasks.

    Attributes:
        outbox: The connection, as the fast lane knows it.
        topic: The topic.
        join_ref: JC: the client's join_ref, or else the ref of its join.
        channel: The user's channel object.
        phase: How far it is.
        message: The message of the client that is being handled, if one is.
    """

    __slots__ = (
        "channel",
        "definition",
        "join_ref",
        "message",
        "outbox",
        "owned",
        "phase",
        "topic",
    )

    def __init__(
        self, connection: Line, definition: ChannelDefinition, topic: str, join_ref: Any
    ) -> None:
        self.outbox = connection
        self.definition = definition
        self.topic = topic
        self.join_ref = join_ref
        self.channel: Channel[Any, Any] = definition.channel()
        self.phase = Phase.JOINING
        self.message: Message | None = None
        self.owned: Owned | None = None

    # Given by the channel's life.

    @abstractmethod
    def put_info(self, message: Any) -> None:
        """Queue a message for ``@on_info``."""

    @abstractmethod
    def fail(self, error: Exception) -> None:
        """End the channel because of an error outside of its handlers."""

    def call(self, handler: Handler, *args: Any) -> Awaitable[Any]:
        """Return the running of a method of the channel object, to be awaited at once."""
        if handler.is_async:
            running: Awaitable[Any] = handler.function(self.channel, *args)
            return running
        return self.outbox.runtime.in_thread(handler.function, self.channel, *args)

    # Where it stands.

    @property
    def connection(self) -> Line:
        """The connection."""
        return self.outbox

    @property
    def endpoint(self) -> Any:
        """The endpoint."""
        return self.outbox.runtime.endpoint

    @property
    def state(self) -> Any:
        """What the endpoint's lifespan yielded."""
        return self.outbox.runtime.state

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The endpoint's event loop."""
        return self.outbox.runtime.loop

    # What it can do.

    def push(self, event: str, payload: Any) -> None:
        """Write an event to this client."""
        self._expect_joined("push")
        connection = self.outbox
        if connection.runtime.debug:
            self.definition.check_emitted(event, payload)
        connection.send(connection.serializer.push(self.join_ref, self.topic, event, payload))

    async def broadcast(
        self, event: str, payload: Any, *, include_self: bool, everywhere: bool
    ) -> None:
        """Send an event to the topic."""
        self._expect_joined("broadcast")
        runtime = self.outbox.runtime
        if runtime.debug:
            self.definition.check_emitted(event, payload)
        message = Broadcast(self.topic, event, payload)
        sender = None if include_self else self
        if not everywhere:
            runtime.pubsub.local_broadcast(self.topic, message, sender=sender)
        elif include_self:
            await runtime.pubsub.broadcast(self.topic, message)
        else:
            await runtime.pubsub.broadcast_from(self, self.topic, message)

    def ref(self) -> ReplyRef:
        """Return a handle to the message being handled."""
        self._expect_joined("ref")
        if self.message is None or self.message.ref is None:
            raise NoRef(
                "there is no ref to reply to: call self.ref() in a handler of a client's event,"
                " and keep what it returns"
            )
        return _ReplyRef(self, self.message.ref)

    def send_self(self, message: Any) -> None:
        """Queue a message for ``@on_info``."""
        self._expect_loop("send_self")
        self.put_info(message)

    def send_after(self, seconds: float, message: Any) -> Callable[[], None]:
        """Queue a message for ``@on_info`` later."""
        self._expect_loop("send_after")
        timers = self.own().timers

        def fire() -> None:
            timers.discard(timer)
            self.put_info(message)

        def cancel() -> None:
            timer.cancel()
            timers.discard(timer)

        timer = self.loop.call_later(seconds, fire)
        timers.add(timer)
        return cancel

    def send_every(self, seconds: float, message: Any) -> Callable[[], None]:
        """Queue a message for ``@on_info`` again and again."""
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
            timer.cancel()
            timers.discard(timer)

        arm()
        return cancel

    def subscribe(self, topic: str) -> Callable[[], None]:
        """Listen to another topic."""
        self._expect_loop("subscribe")
        subscriptions = self.own().subscriptions
        subscription = self.outbox.runtime.pubsub.subscribe(topic, self.put_info, owner=self)
        subscriptions.add(subscription)

        def cancel() -> None:
            subscriptions.discard(subscription)
            subscription.cancel()

        return cancel

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine beside the handlers."""
        try:
            self._expect_loop("start")
            tasks = self.own().tasks
        except (NotJoined, WrongThread):
            coroutine.close()
            raise
        task = self.outbox.runtime.create_task(_awaited(coroutine))
        tasks.add(task)

        def done(task: asyncio.Task[Any]) -> None:
            with suppress(RuntimeError):  # it was killed, and does not like it
                coroutine.close()  # in case that it never began
            if task not in tasks:
                return  # the channel has ended, and end_tasks sees to it
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
            raise NotJoined(f"the channel {self.definition.name} on {self.topic!r} has ended")
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
            name = f"a task that {self.definition.name} on {self.topic!r} started"
            self.outbox.runtime.spawn(end_tasks(tuple(owned.tasks), 5.0, name))
            owned.tasks.clear()

    def _expect_loop(self, method: str) -> None:
        if threading.get_ident() != self.outbox.runtime.thread:
            raise WrongThread(
                f"self.{method}(...) belongs to the event loop, and was called in a worker thread:"
                f" write self.sync.{method}(...)"
            )

    def _expect_joined(self, method: str) -> None:
        if self.phase is Phase.JOINED:
            return
        name = self.definition.name
        if self.phase is Phase.JOINING:
            raise NotJoined(
                f"{name}.{method}(...) was called before the join of {self.topic!r} succeeded:"
                " write it in `async def after_join(self)`"
            )
        raise NotJoined(
            f"{name}.{method}(...) was called after the channel on {self.topic!r} ended"
        )


async def _awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Stand around a coroutine of the user's, so that its task can be killed."""
    return await coroutine


class _ReplyRef:
    __slots__ = ("_handle", "_ref")

    def __init__(self, handle: Handle, ref: Any) -> None:
        self._handle = handle
        self._ref = ref

    async def reply(self, value: Any = None) -> None:
        """Answer the message."""
        write_reply(self._handle, self._ref, Ok() if value is None else value)


_RESULTS = (Ok, Error, Reply)


def write_reply(handle: Handle, ref: Any, value: Any) -> None:
    """Write what a handler returned as the reply to a message."""
    if not isinstance(value, _RESULTS):
        status, response = OK, value
    elif isinstance(value, Ok):
        status, response = OK, value.response
    elif isinstance(value, Error):
        status, response = ERROR, value.response
    else:
        status, response = value.status, value.response
    connection = handle.outbox
    connection.send(
        connection.serializer.reply(handle.join_ref, ref, handle.topic, status, response)
    )
