"""Runs the handler of a raw socket for one client. Protocol document, §1.14.

Theory of operation
-------------------
The task runs ``opened``, and then one method for each item of the mailbox: a message of the client, its pings and
pongs if the handler takes them, a message for ``info``, or an end. The method's return value is written.

A connection ends in two ways. If the client or the server has ended it, the handler handles the end in its turn, and
``closed`` runs. If a method has raised or called ``close``, the close frame is sent first, and then ``closed`` runs.
A handler shares :mod:`bennu.server.task` and :mod:`bennu.server.mailbox` with a channel.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final, cast

from ..definition import Handler
from ..errors import EncodeError, NotJoined, Stop
from ..message import BINARY, TEXT, Draining, Encoded, Opcode
from ..raw import Ping, Pong, RawDefinition
from ..reasons import CloseCode
from ..user_code.callback import UNFINISHED, call_now
from ..user_code.copies import copy_of
from .end import End, Trigger
from .mailbox import Frame, Kind
from .task import Interruption, SupervisedTask

if TYPE_CHECKING:
    from .raw_connection import RawConnection

__all__ = ["RawServer"]


MAX_CONTROL: Final = 125
MAX_CLOSE_REASON: Final = 123

RESTART: Final = "shutdown:restart"
"""The reason of a Stop after which the client should connect again."""

OPENED: Final = (Kind.JOINED, None)
"""The item that a task handles first."""

Step = tuple[Handler, Awaitable[Any]]
"""A method, and the awaitable of its call."""


class RawServer:
    """One handler object, and the task that runs it.

    Args:
        connection: The client's connection.
        definition: The tables of the handler's class.

    Attributes:
        agent: The handler object.
        topic: The name under which its dropped messages are counted: the name of its class.
        task: The task that runs the handler.
    """

    __slots__ = (
        "_has_terminated",
        "agent",
        "connection",
        "definition",
        "task",
        "topic",
    )

    def __init__(self, connection: RawConnection, definition: RawDefinition) -> None:
        self.connection = connection
        self.definition = definition
        self.topic = definition.name
        self._has_terminated = False
        self.task = SupervisedTask(self)
        self.agent = agent = call_now(definition.name, definition.handler)
        agent._server = self
        agent.assigns = connection.assigns

    @property
    def label(self) -> str:
        """The handler's name in logs."""
        return self.definition.name

    # Methods for the connection.

    def begin(self) -> None:
        """Start the task."""
        self.task.start(self._run())

    def deliver(self, frame: Frame) -> None:
        """Queue a message of the client."""
        if not self.task.wake(frame) and self.task.over is None:
            self.task.open_mailbox().put_message(frame)

    def deliver_large(self, frame: Frame, size: int) -> None:
        """Queue a large message of the client, and count its bytes until it is handled."""
        if self.task.over is None:
            self.task.open_mailbox().count_bytes(frame, size)
            self.deliver(frame)

    def end(self, reason: str | Exception) -> None:
        """Queue the end by a lost connection, unless the handler is ending already."""
        if self.task.ending is None:
            end = End(Trigger.LOST, reason)
            self.task.put_end(end, end)

    # Methods for server code.

    def put_info(self, message: Any) -> None:
        """Queue a message for ``info``."""
        self.task.put_item(Kind.INFO, message)

    def send(self, message: Any) -> None:
        """Write a message to the client."""
        self.connection.server.home.expect("self", "send")
        self._write(_encoded(message))

    def close(self, code: int, reason: str) -> None:
        """Close the connection, and end after the method that runs now."""
        self.connection.server.home.expect("self", "close")
        _check_close(code, reason)
        self.task.end_soon(End(Trigger.LOST, "normal"))
        self.connection.close_by_handler(code, reason)

    def _answer(self, value: Any) -> None:
        """Send the return value of a method: all its messages, or none if one of them can't be sent."""
        values = cast("list[Any]", value) if isinstance(value, list | tuple) else [value]
        for encoded in [_encoded(one) for one in values]:
            self._write(encoded)

    def _write(self, encoded: Encoded) -> None:
        if self.task.over is not None:
            raise NotJoined(f"{self.label}.send(...) was called after its connection had ended")
        opcode, data = encoded
        if opcode is TEXT or opcode is BINARY:
            self.connection.send(encoded)
        else:
            self.connection.send_control(opcode, data)

    # The task.

    async def _run(self) -> None:
        """Run a method for each item, and then the end."""
        task = self.task
        create_future = self.connection.server.loop.create_future
        item: Any = OPENED
        step: Step | End | None
        end: End | None
        running: Any
        value: Any
        try:
            while True:
                step = self._step_of(item)
                if isinstance(step, End):
                    end = step
                    break
                if step is not None:
                    handler, running = step
                    try:
                        value = await running
                        if value is not None and type(value) in UNFINISHED:
                            value = await handler.finish(value)
                        if value is not None:
                            self._answer(value)
                    except BaseException as error:  # noqa: BLE001 - _end_by raises it again if it is not the method's
                        end = self._end_by(error, handler)
                        if end is not None:
                            break
                    if task.interruption is not Interruption.NONE:
                        task.take_interruption()  # the method swallowed its cancellation, but is over
                mailbox = task.mailbox
                if mailbox is not None and mailbox.sizes:
                    mailbox.unload(item)
                # The handled item can hold megabytes, and the task can wait for hours.
                item = step = running = value = None
                if task.ending is None:
                    if mailbox is not None:
                        item = mailbox.pop()
                    if item is None:
                        task.waiter = create_future()
                        item = await task.waiter
                    mailbox = task.mailbox
                    if mailbox is not None and mailbox.sizes and mailbox.needs_turn(item):
                        await task.wait_for_turn()
                if task.ending is not None:
                    end = task.ending
                    break
            task.take_end(end)
            self._close(end)
            self._has_terminated = True
            await task.terminate(self.definition.terminate, end)
            end = None  # it can hold an exception, which holds this frame
        finally:
            self._clean_up()

    def _step_of(self, item: Any) -> Step | End | None:
        """Return the method to run for an item, or an end, or None if nothing is left to do."""
        definition, agent = self.definition, self.agent
        if item.__class__ is Frame:
            handler = definition.frames[item.opcode]
            return handler, handler.start(agent, item.data)
        if item.__class__ is End:
            end: End = item
            return end
        kind, content = item
        if kind is Kind.JOINED:
            opened = definition.opened
            return None if opened is None else (opened, opened.start(agent))
        if kind is Kind.HEARD:
            content = copy_of(content)
        info = definition.draining if type(content) is Draining else definition.info
        if info is not None:
            return info, info.start(agent, content)
        self.connection.server.log.warning(
            "%s got an unexpected message %r: add `async def info(self, message)` to handle it",
            self.label,
            content,
        )
        return None

    def _end_by(self, error: BaseException, handler: Handler) -> End | None:
        """Return the end that a method's exception means, or None if the handler goes on.

        Called while the exception is handled. An exception that is not the method's own is raised again.
        """
        task = self.task
        if task.interruption is Interruption.KILLED:
            raise error
        if isinstance(error, Stop):
            try:
                if error.reply is not None:
                    self._answer(error.reply)
                return task.stop(error)
            except EncodeError as unsendable:
                error = unsendable
        return task.end_by(error, handler.function.__name__)

    # The end.

    def _close(self, end: End) -> None:
        """Close the connection with the code of an end. A second call does nothing."""
        connection = self.connection
        if end.trigger is Trigger.LOST:
            connection.answer_close()
        elif end.trigger is Trigger.FAILED:
            connection.close(CloseCode.INTERNAL_ERROR, reason=end.reason)
        else:
            code = CloseCode.SHUTDOWN if end.reason == RESTART else CloseCode.STOPPED
            connection.close(code, reason=end.reason)

    def _clean_up(self) -> None:
        """Release everything, however the task ended. This can't be cancelled, and never waits."""
        task = self.task
        end = task.ending or End(Trigger.FAILED, "shutdown")
        self._close(end)
        task.clean_up(end)
        if self._has_terminated:
            task.end()
        else:  # the task was killed before the end
            task.terminate_late(self.definition.terminate, end, task.end)


def _encoded(message: Any) -> Encoded:
    """Return a message as a frame.

    Raises:
        EncodeError: The message can't be sent.
    """
    if isinstance(message, str):
        try:
            return TEXT, message.encode()
        except UnicodeEncodeError as error:
            raise EncodeError(f"text that is not UTF-8 can't be sent: {error}") from error
    if isinstance(message, bytes | bytearray):
        return BINARY, bytes(message)
    if isinstance(message, Ping | Pong):
        if len(message.payload) > MAX_CONTROL:
            raise EncodeError(f"a ping or pong has at most {MAX_CONTROL} bytes of payload")
        return (Opcode.PING if isinstance(message, Ping) else Opcode.PONG), message.payload
    raise EncodeError(
        f"expected text, bytes, Ping, Pong, or a list of these to send; got {message!r}"
    )


def _check_close(code: int, reason: str) -> None:
    if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise ValueError(
            f"a close frame can't have the code {code!r}: write 1000, one of 1001 to 1003 or 1007 to 1014,"
            " or a code of your application from 3000 to 4999"
        )
    if len(reason.encode()) > MAX_CLOSE_REASON:
        raise ValueError(f"the reason of a close has at most {MAX_CLOSE_REASON} bytes: {reason!r}")
