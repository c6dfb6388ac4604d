"""A task under supervision: its mailbox, its end, and the limits of that end.

Theory of operation
-------------------
The task of a channel or of a raw handler takes items, and runs a method of the user's object for each. While the task
waits, it gets the next item directly (``waiter``). While the task is busy, items wait in the mailbox, which is made
only then. So a channel whose client waits for each reply never has a mailbox.

An end comes in one of two ways. An :class:`End` can wait in the mailbox like any item: a leave, or a lost connection.
Or it is due after the handler that runs now, before all items that wait (``end_soon``). In both cases the handler that
runs has a time *limit*. When the limit is over, the task is cancelled. This is an *interruption*, which
:meth:`SupervisedTask.take_interruption` distinguishes from a cancellation by other code. If the task still runs after
the same time again, it is killed (:mod:`bennu.server.kill`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from ..definition import Handler
from ..errors import CallbackError, NotJoined, Stop
from ..logs.context import RUNNING, running
from ..logs.printable import described
from ..message import Message
from ..user_code.callback import crash_of
from ..user_code.functions import add_refusal_note
from .channel_telemetry import note_crash
from .end import End, Trigger
from .kill import kill
from .mailbox import Kind, Mailbox
from .resources import Resources
from .running import About, Handling

if TYPE_CHECKING:
    from .channel_server import ChannelServer
    from .raw_server import RawServer

__all__ = ["GRACE", "Interruption", "SupervisedTask"]

GRACE: Final = 5.0
"""Seconds within which a running handler must finish when an end comes."""


OVER: Final = End(Trigger.OVER, "over")
"""The placeholder for an end that was handled. The end itself can hold an exception, which holds the task's frames."""


class Interruption(Enum):
    """The steps of ending a task by force."""

    NONE = auto()
    CANCELLED = auto()
    """The time limit was over. The handler that runs now ends with the cancellation, and the task goes on."""
    REPLACED = auto()
    """Another join replaces the channel. The whole task ends with the cancellation."""
    KILLED = auto()
    """The coroutine of the task was closed."""


class SupervisedTask:
    """A task that runs the methods of one object of the user's.

    Args:
        server: The channel or raw handler.

    Attributes:
        task: The asyncio task, once it has begun.
        context: The context variables of the task: a copy of the connection's context.
        waiter: The future that the idle task awaits. Its result is the next item, or None.
        mailbox: The items that wait for the task; None as long as no item had to wait.
        ending: The end that is due after the handler that runs now.
        interruption: The last step of ending the task by force.
        over: The name of the object for errors, once the object has ended; else None.
        resources: The timers, subscriptions and tasks that the object has started.
    """

    __slots__ = (
        "_limit",
        "_server",
        "context",
        "ending",
        "interruption",
        "mailbox",
        "over",
        "resources",
        "task",
        "waiter",
    )

    def __init__(self, server: ChannelServer | RawServer) -> None:
        self._server = server
        self.task: asyncio.Task[None] | None = None
        self.context: Context | None = None
        self.waiter: asyncio.Future[Any] | None = None
        self.mailbox: Mailbox | None = None
        self.ending: End | None = None
        self.over: str | None = None
        self.resources: Resources | None = None
        self.interruption = Interruption.NONE
        self._limit: asyncio.TimerHandle | None = None

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in a new task, in a copy of the connection's context."""
        connection = self._server.connection
        self.context = connection.context.copy()
        self.context.run(RUNNING.set, Handling(self._server))
        self.task = connection.server.create_task(coroutine, self.context)

    @property
    def is_running(self) -> bool:
        """Whether the task has begun and is not done."""
        return self.task is not None and not self.task.done()

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call a function once the task is done."""
        if self.task is not None and self.is_running:
            self.task.add_done_callback(lambda _: callback())
        else:
            callback()

    # Items.

    def wake(self, item: Any = None) -> bool:
        """Give an item to the task if the task is idle; return whether it was idle."""
        waiter = self.waiter
        if waiter is None:
            return False
        self.waiter = None
        if not waiter.done():  # the waiter is done if the task has been cancelled
            waiter.set_result(item)
        return True

    def open_mailbox(self) -> Mailbox:
        """Return the mailbox; make it if there is none."""
        if self.mailbox is None:
            self.mailbox = Mailbox(self._server)
        return self.mailbox

    def put_item(self, kind: Kind, content: Any) -> None:
        """Queue an item of the server. End if too many items wait, and ``overflow`` is ``"end"``."""
        if (
            self.ending is not None
            or self.wake((kind, content))
            or self.open_mailbox().put_item(kind, content)
        ):
            return
        server = self._server
        with running(About(server, event="")):
            server.connection.server.log.error(
                "%s ends because %d messages of the server wait for it (max_mailbox)",
                server.label,
                server.agent.max_mailbox,
            )
        self.end_soon(End(Trigger.FAILED, "overflow"))

    def put_end(self, item: Message | End, end: End) -> None:
        """Queue an end, and limit the time until it is handled to the grace time.

        Args:
            item: The item: the end itself, or the client's leave.
            end: The end.
        """
        if self.over is None and not self.wake(item):
            self.open_mailbox().put_anyway(item)
            if self.is_running:
                self.set_limit(GRACE, end)

    async def wait_for_turn(self) -> None:
        """Wait for another turn of the event loop."""
        try:
            await self._server.connection.server.scheduler.exclusive()
        except asyncio.CancelledError:
            if not self.take_interruption():
                raise

    # The end.

    def end_soon(self, end: End) -> None:
        """End after the handler that runs now, before all items that wait."""
        if self.ending is None:
            self.ending = end
            if not self.wake() and self.is_running:
                self.set_limit(GRACE, end)

    def take_end(self, end: End) -> None:
        """Begin to handle an end: from now on, no other end can interrupt the task."""
        self.clear_limit()
        if self.interruption is Interruption.CANCELLED:
            self.interruption = Interruption.NONE
        self.ending = end

    def replace(self) -> None:
        """Cancel the whole task, because another join replaces the channel."""
        self.interruption = Interruption.REPLACED
        if self.task is not None and self.is_running:
            self.task.cancel()
            self.set_limit(GRACE)

    async def terminate(self, handler: Handler | None, end: End) -> None:
        """Run ``terminate`` or ``closed`` of the object, within its time limit."""
        if handler is None:
            return
        server = self._server
        name = handler.function.__name__
        limit = server.agent.terminate_timeout
        self.set_limit(limit)
        try:
            await handler.call(server.connection, server.agent, end.reason)
        except asyncio.CancelledError:
            if not self.take_interruption():
                raise
            server.connection.server.log.error(  # noqa: TRY400 - the traceback shows only where it waited
                "%s of %s took over %gs", name, server.label, limit
            )
        except Exception as error:
            if self.interruption is Interruption.KILLED:
                raise
            note_crash(server.connection.server, error)
            server.connection.server.log.exception("%s of %s crashed", name, server.label)
        finally:
            self.clear_limit()

    def terminate_late(self, handler: Handler | None, end: End, over: Callable[[], None]) -> None:
        """Run ``terminate`` or ``closed`` in a separate task, because the first task was killed.

        Args:
            handler: The method.
            end: The end.
            over: Called when the method is done.
        """

        async def run() -> None:
            self.interruption = Interruption.NONE
            try:
                await self.terminate(handler, end)
            finally:
                self.clear_limit()
                over()

        self.task = self._server.connection.server.create_task(run(), self.context)

    def clean_up(self, end: End) -> None:
        """Drop all items that wait, and accept no more items."""
        self.ending = end
        self.clear_limit()
        mailbox, self.mailbox = self.mailbox, None
        if mailbox is not None:
            mailbox.clear()

    # Timers, subscriptions and tasks.

    def own(self, method: str) -> Resources:
        """Return the resources of the object, to add a timer, a subscription or a task.

        Args:
            method: The method of the object that was called, for the errors.

        Raises:
            NotJoined: The object has ended.
            WrongThread: The call does not come from the thread of the event loop.
        """
        if self.over is not None:
            raise NotJoined(f"{self.over} has ended")
        server = self._server
        server.connection.server.home.expect("self", method)
        if self.resources is None:
            self.resources = Resources(server)
        return self.resources

    def end(self) -> None:
        """End the resources of the object, because the object has ended."""
        resources, self.resources = self.resources, None
        if resources is not None:
            resources.end()
        self.over = self._server.label
        # These objects refer to each other. Without these lines only the garbage collector could free them.
        self.ending = OVER
        self.task = self.context = None
        del self._server.agent, self._server

    # Exceptions.

    def end_by(self, error: BaseException, name: str) -> End | None:
        """Return the end that a handler's exception means, or None if the task goes on.

        Called while the exception is handled. A cancellation of the whole task is raised again.

        Args:
            error: The exception.
            name: The name of the handler.
        """
        if isinstance(error, asyncio.CancelledError):
            if self.take_interruption():
                return self.ending
            is_replaced = self.interruption is Interruption.REPLACED
            if is_replaced or (self.task is not None and self.task.cancelling() > 0):
                raise error
            error = CallbackError(f"it awaited what was cancelled: {described(error)}")
        return self.crash(crash_of(error, name), name)

    def crash(self, error: Exception, where: str) -> End:
        """Log a crash of the user's code; return the end that it causes."""
        add_refusal_note(error)
        server = self._server
        server.connection.server.log.error("%s crashed in %s", server.label, where, exc_info=error)
        return End(Trigger.FAILED, error)

    def stop(self, stop: Stop) -> End:
        """Return the end that a ``Stop`` causes."""
        if stop.closes:
            return End(Trigger.STOPPED, stop.reason)
        self._server.connection.server.log.error("%s stopped: %s", self._server.label, stop.reason)
        return End(Trigger.FAILED, stop.reason)

    def fail(self, error: Exception) -> None:
        """End the object, because a task that it started has raised."""
        if isinstance(error, Stop):
            self.end_soon(self.stop(error))
            return
        with running(About(self._server, event="")):
            self._server.connection.server.log.error(
                "A task of %s crashed", self._server.label, exc_info=error
            )
        self.end_soon(End(Trigger.FAILED, error))

    # The time limit.

    def set_limit(self, seconds: float, end: End | None = None) -> None:
        """Interrupt the running method after some seconds.

        Args:
            seconds: The time limit.
            end: The end that is due; None if no end is due.
        """
        self.clear_limit()
        loop = self._server.connection.server.loop
        self._limit = loop.call_later(seconds, self._interrupt, seconds, end)

    def clear_limit(self) -> None:
        """Remove the time limit."""
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _interrupt(self, seconds: float, end: End | None) -> None:
        """Cancel the task; kill it if it was cancelled before."""
        task, server = self.task, self._server
        if task is None or not self.is_running:
            return
        if self.interruption is not Interruption.NONE:
            with running(About(server)):
                server.connection.server.log.error(
                    "%s ignored its cancellation and was killed", server.label
                )
            self.interruption = Interruption.KILLED
            kill(task)
            return
        if end is not None:
            with running(About(server)):
                server.connection.server.log.error(
                    "%s did not finish in %gs when its end came (%s): it is cancelled",
                    server.label,
                    seconds,
                    end.reason,
                )
            self.ending = end
        self.interruption = Interruption.CANCELLED
        task.cancel()
        self._limit = server.connection.server.loop.call_later(GRACE, self._interrupt, GRACE, None)

    def take_interruption(self) -> bool:
        """Return whether a cancellation was an interruption, and undo the interruption if so."""
        if self.interruption is not Interruption.CANCELLED or self.task is None:
            return False
        self.interruption = Interruption.NONE
        self.clear_limit()
        self.task.uncancel()
        return True
