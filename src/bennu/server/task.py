"""A task under supervision: its mailbox, how it is told to end, and what happens if it does not.

Theory of operation
-------------------
The task of a channel or of a raw handler takes items, and runs a method of the user's object for each. While it
waits, the next item is handed to it directly (``waiter``). While it is busy, items wait in the mailbox, which is made
only then. So a channel whose client waits for each reply never has a mailbox.

An end comes in one of two ways. An :class:`End` can wait in the mailbox like any item: a leave, or the news of
a lost connection. Or it is due after the handler that runs now, before all that waits (``end_soon``). In both cases
the handler that runs has a *limit*. When the limit is over, the task is cancelled: an *interruption*, which
:meth:`SupervisedTask.take_interruption` tells from a cancellation by other code. If the task is not over after as
long again, it is killed (:mod:`bennu.server.kill`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from ..definition import Handler
from ..errors import CallbackError, NotJoined, Stop
from ..logs.printable import described
from ..message import Message
from ..user_code.callback import crash_of
from ..user_code.functions import add_refusal_note
from .end import End, Trigger
from .kill import kill
from .mailbox import Kind, Mailbox
from .resources import Resources

if TYPE_CHECKING:
    from .channel_server import ChannelServer
    from .raw_server import RawServer

__all__ = ["GRACE", "Interruption", "SupervisedTask"]

GRACE: Final = 5.0
"""Seconds that a running handler has to finish when its end comes."""


OVER: Final = End(Trigger.OVER, "over")
"""Stands for the end that has come. The end itself can hold an exception, and that the frames of the task."""


class Interruption(Enum):
    """How far a task is from its end by force."""

    NONE = auto()
    CANCELLED = auto()
    """The limit was over. What runs now may end with the cancellation, and the task goes on."""
    REPLACED = auto()
    """Another join takes over. The whole task ends with the cancellation."""
    KILLED = auto()
    """The coroutine was closed under the task, whatever a handler makes of that."""


class SupervisedTask:
    """A task that runs the methods of one object of the user's.

    Args:
        server: The channel or raw handler.

    Attributes:
        task: The asyncio task, once it has begun.
        context: The context variables that the task sees: its own copy of the connection's.
        waiter: What the task waits for if it has nothing to do. Its result is the next item, or None.
        mailbox: What waits for the task, once something has had to wait.
        ending: The end that is due after what runs now.
        interruption: How far the task is from its end by force.
        over: The name of the object in errors, once nothing of it runs any more; else None.
        resources: What the object has started.
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
        """Begin to run a coroutine, in a copy of the connection's context."""
        connection = self._server.connection
        self.context = connection.context.copy()
        self.task = connection.server.create_task(coroutine, self.context)

    @property
    def is_running(self) -> bool:
        """Whether the task has begun and is not over."""
        return self.task is not None and not self.task.done()

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call back once the task is over."""
        if self.task is not None and self.is_running:
            self.task.add_done_callback(lambda _: callback())
        else:
            callback()

    # What waits.

    def wake(self, item: Any = None) -> bool:
        """Hand an item to the task if it waits for one; return whether it did."""
        waiter = self.waiter
        if waiter is None:
            return False
        self.waiter = None
        if not waiter.done():  # it is done if the task has been cancelled
            waiter.set_result(item)
        return True

    def open_mailbox(self) -> Mailbox:
        """Return the mailbox; make it if nothing has had to wait so far."""
        if self.mailbox is None:
            self.mailbox = Mailbox(self._server)
        return self.mailbox

    def put_item(self, kind: Kind, content: Any) -> None:
        """Queue an item of the server; end if too many wait, and ``overflow`` says so."""
        if (
            self.ending is not None
            or self.wake((kind, content))
            or self.open_mailbox().put_item(kind, content)
        ):
            return
        server = self._server
        server.connection.server.log.error(
            "%s ends: %d messages of the server wait for it (max_mailbox)",
            server.label,
            server.agent.max_mailbox,
        )
        self.end_soon(End(Trigger.FAILED, "overflow"))

    def put_end(self, item: Message | End, end: End) -> None:
        """Queue an end in its turn, but not beyond the grace time.

        Args:
            item: The item: the end itself, or the client's leave.
            end: The end.
        """
        if not self.wake(item):
            self.open_mailbox().put_anyway(item)
            if self.is_running:
                self.set_limit(GRACE, end)

    async def wait_for_turn(self) -> None:
        """Wait for a turn of the event loop of its own."""
        try:
            await self._server.connection.server.scheduler.exclusive()
        except asyncio.CancelledError:
            if not self.take_interruption():
                raise

    # Its end.

    def end_soon(self, end: End) -> None:
        """End after the handler that runs now, before all that waits."""
        if self.ending is None:
            self.ending = end
            if not self.wake() and self.is_running:
                self.set_limit(GRACE, end)

    def take_end(self, end: End) -> None:
        """Let nothing interrupt what is done about the end that has come."""
        self.clear_limit()
        if self.interruption is Interruption.CANCELLED:
            self.interruption = Interruption.NONE
        self.ending = end

    def replace(self) -> None:
        """Cancel the whole task: another join takes over."""
        self.interruption = Interruption.REPLACED
        if self.task is not None and self.is_running:
            self.task.cancel()
            self.set_limit(GRACE)

    async def terminate(self, handler: Handler | None, end: End) -> None:
        """Run the object's last method, within its limit."""
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
            server.connection.server.log.error(  # noqa: TRY400 - where it was cancelled says nothing
                "%s of %s took over %gs", name, server.label, limit
            )
        except Exception:
            if self.interruption is Interruption.KILLED:
                raise
            server.connection.server.log.exception("%s of %s crashed", name, server.label)
        finally:
            self.clear_limit()

    def terminate_late(self, handler: Handler | None, end: End, over: Callable[[], None]) -> None:
        """Run the last method in a task of its own, because the first task was killed.

        Args:
            handler: The method.
            end: The end.
            over: Called when nothing runs any more.
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
        """Drop all that waits, and take nothing more."""
        self.ending = end
        self.clear_limit()
        mailbox, self.mailbox = self.mailbox, None
        if mailbox is not None:
            mailbox.clear()

    # What the object has started.

    def own(self, method: str) -> Resources:
        """Return what the object has started, to start more.

        Args:
            method: The method of the object that needs it, for the errors.

        Raises:
            NotJoined: The object has ended.
            WrongThread: The call comes from another thread than the event loop's.
        """
        if self.over is not None:
            raise NotJoined(f"{self.over} has ended")
        server = self._server
        server.connection.server.home.expect("self", method)
        if self.resources is None:
            self.resources = Resources(server)
        return self.resources

    def end(self) -> None:
        """End what the object has started: nothing of it runs any more."""
        resources, self.resources = self.resources, None
        if resources is not None:
            resources.end()
        self.over = self._server.label
        # They hold each other and the connection: without this only the garbage collector would find them.
        self.ending = OVER
        del self._server.agent, self._server

    # What an exception means.

    def end_by(self, error: BaseException, name: str) -> End | None:
        """Return the end that a handler's exception means, or None if the task goes on.

        Called while the exception is handled. A cancellation of the whole task is raised again.

        Args:
            error: What was raised.
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
        """Log a crash of the user's code; return the end that it means."""
        add_refusal_note(error)
        server = self._server
        server.connection.server.log.error("%s crashed in %s", server.label, where, exc_info=error)
        return End(Trigger.FAILED, error)

    def stop(self, stop: Stop) -> End:
        """Return the end that a ``Stop`` means."""
        if stop.closes:
            return End(Trigger.STOPPED, stop.reason)
        self._server.connection.server.log.error("%s stopped: %s", self._server.label, stop.reason)
        return End(Trigger.FAILED, stop.reason)

    def fail(self, error: Exception) -> None:
        """End because a task that the object started has raised."""
        if isinstance(error, Stop):
            self.end_soon(self.stop(error))
            return
        self._server.connection.server.log.error(
            "A task of %s crashed", self._server.label, exc_info=error
        )
        self.end_soon(End(Trigger.FAILED, error))

    # The limit of what runs.

    def set_limit(self, seconds: float, end: End | None = None) -> None:
        """Interrupt what runs after some seconds.

        Args:
            seconds: The limit.
            end: The end that is due, if one is.
        """
        self.clear_limit()
        loop = self._server.connection.server.loop
        self._limit = loop.call_later(seconds, self._interrupt, seconds, end)

    def clear_limit(self) -> None:
        """Interrupt nothing."""
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _interrupt(self, seconds: float, end: End | None) -> None:
        """Cancel what has run too long; kill it if it was cancelled before."""
        task, server = self.task, self._server
        if task is None or not self.is_running:
            return
        if self.interruption is not Interruption.NONE:
            server.connection.server.log.error(
                "%s ignored its cancellation and was killed", server.label
            )
            self.interruption = Interruption.KILLED
            kill(task)
            return
        if end is not None:
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
        """Return whether a cancellation was an interruption, and take it back if so."""
        if self.interruption is not Interruption.CANCELLED or self.task is None:
            return False
        self.interruption = Interruption.NONE
        self.clear_limit()
        self.task.uncancel()
        return True
