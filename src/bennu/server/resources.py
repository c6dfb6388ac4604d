"""The timers, subscriptions and tasks that a channel or a raw handler has started, which end with it.

A channel or handler that starts nothing has no :class:`Resources`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ..user_code.callback import crash_of
from .kill import end_tasks
from .mailbox import Kind
from .running import context_of_started

if TYPE_CHECKING:
    from .channel_server import ChannelServer
    from .raw_server import RawServer

__all__ = ["Resources"]

GRACE: Final = 5.0
"""Seconds within which a cancelled task must end."""


class Resources:
    """The timers, subscriptions and tasks of one channel or raw handler.

    Args:
        server: The channel or raw handler.

    Attributes:
        subscriptions: Objects that are cancelled at the end: each has a method ``cancel``, which never raises.
        tasks: Tasks that run beside the handlers.
        timers: Timers that have not fired.
    """

    __slots__ = ("_server", "subscriptions", "tasks", "timers")

    def __init__(self, server: ChannelServer | RawServer) -> None:
        self._server = server
        self.subscriptions: set[Any] = set()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.timers: set[asyncio.TimerHandle] = set()

    def send_after(self, seconds: float, message: Any) -> Callable[[], None]:
        """Queue a message for the object after some seconds; return a function that cancels the timer."""
        return self._send_later(seconds, message, repeats=False)

    def send_every(self, seconds: float, message: Any) -> Callable[[], None]:
        """Queue a message for the object every ``seconds`` seconds; return a function that cancels the timer."""
        return self._send_later(seconds, message, repeats=True)

    def _send_later(self, seconds: float, message: Any, *, repeats: bool) -> Callable[[], None]:
        server, timers = self._server, self.timers
        loop = server.connection.server.loop
        timer: asyncio.TimerHandle

        def arm() -> None:
            nonlocal timer
            timer = loop.call_later(seconds, fire)
            timers.add(timer)

        def fire() -> None:
            timers.discard(timer)
            if repeats:
                arm()
            server.task.put_item(Kind.INFO, message)

        def cancel() -> None:
            self._expect_loop_to_cancel("send_every" if repeats else "send_after")
            timer.cancel()
            timers.discard(timer)

        arm()
        return cancel

    def subscribe(self, topic: str) -> Callable[[], None]:
        """Queue the messages of a topic for the object; return a function that ends the subscription."""
        server, subscriptions = self._server, self.subscriptions

        def put(message: Any) -> None:
            server.task.put_item(Kind.HEARD, message)

        subscription = server.connection.server.pubsub.listen(topic, put, owner=server)
        subscriptions.add(subscription)

        def cancel() -> None:
            self._expect_loop_to_cancel("subscribe")
            subscriptions.discard(subscription)
            subscription.cancel()

        return cancel

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine beside the handlers. If it raises, the object ends."""
        server, tasks = self._server, self.tasks
        context = context_of_started(server)
        task = server.connection.server.create_task(_awaited(coroutine, server.label), context)
        tasks.add(task)

        def done(task: asyncio.Task[Any]) -> None:
            with suppress(RuntimeError):  # the coroutine was killed, and did not end
                coroutine.close()  # if the coroutine never began
            if task not in tasks:
                return  # the object has ended, and end_tasks handles the task
            tasks.discard(task)
            if not task.cancelled() and isinstance(error := task.exception(), Exception):
                server.task.fail(error)

        task.add_done_callback(done)
        return task

    def end(self) -> None:
        """Cancel all timers, subscriptions and tasks."""
        for timer in self.timers:
            timer.cancel()
        for subscription in self.subscriptions:
            subscription.cancel()
        if self.tasks:
            server = self._server
            name = f"a task that {server.label} started"
            shared = server.connection.server
            shared.spawn(end_tasks(tuple(self.tasks), GRACE, name, shared.log))
            self.tasks.clear()

    def _expect_loop_to_cancel(self, method: str) -> None:
        home = self._server.connection.server.home
        if home.is_in_process:  # else the endpoint is stopped, and all is cancelled
            instead = f"self.sync.{method}(...), and call what it returns,"
            home.expect(f"self.{method}(...)", "cancel", instead)


async def _awaited(coroutine: Coroutine[Any, Any, Any], task_of: str) -> Any:
    """Await a coroutine of the user's in a task that can be killed. Turn its failure into a crash of the object.

    Args:
        coroutine: The coroutine.
        task_of: The name of the object that started it. :mod:`bennu.loop.watch` reads it from this frame.
    """
    try:
        return await coroutine
    except Exception:
        raise
    except BaseException as error:
        raise crash_of(error, f"a task of {task_of}") from error
