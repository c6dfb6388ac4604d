"""Runs the handler of a raw socket for one client. Protocol document, §1.14.

The client's messages go into the handler's mailbox, its pings and pongs too if the handler takes them. What the
handler's methods return is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from ..errors import EncodeError, NotJoined
from ..message import BINARY, TEXT, Draining, Encoded, Opcode
from ..raw import Ping, Pong, RawDefinition
from ..reasons import CloseCode
from ..user_code.callback import call_now
from ..user_code.copies import copy_of
from .actor import Actor, Step
from .mailbox import Frame, Kind
from .owner import Phase
from .supervised import End, Notice

if TYPE_CHECKING:
    from .raw_connection import RawConnection

__all__ = ["RawServer"]


MAX_CONTROL: Final = 125
MAX_CLOSE_REASON: Final = 123

RESTART: Final = "shutdown:restart"
"""The reason of a Stop after which the client shall connect again."""

UNASKED: Final = object()
"""Stands for the message where a method is called for none of the client: what it returns is sent too."""


class RawServer(Actor["RawConnection", RawDefinition]):
    """A handler object and the task that runs it."""

    __slots__ = ()

    def __init__(self, connection: RawConnection, definition: RawDefinition) -> None:
        agent = call_now(definition.name, definition.handler)
        super().__init__(connection, definition, definition.name, agent)

    @property
    def label(self) -> str:
        """What it is called in logs."""
        return self.definition.name

    def begin(self) -> None:
        """Start the task."""
        self.phase = Phase.JOINED
        self.context = self.outbox.context.copy()
        self.task = self.outbox.server.create_task(self._run(), self.context)

    def end(self, reason: str | Exception) -> None:
        """Take the news that the connection is gone, unless it ends by itself."""
        if self.ending is None:
            super().end(reason)

    # What the handler object can do.

    def send(self, message: Any) -> None:
        """Write a message to the client."""
        self._expect_loop("send")
        self._write(_encoded(message))

    def close(self, code: int, reason: str) -> None:
        """Close the connection, and end after what runs now."""
        self._expect_loop("close")
        _check_close(code, reason)
        self.end_soon(End("normal", Notice.NOTHING))
        self.outbox.close_by_handler(code, reason)

    def answer(self, message: Any, value: Any) -> None:
        """Send what a method returned: all of it, or nothing if a part of it can't be sent."""
        values = cast("list[Any]", value) if isinstance(value, list | tuple) else [value]
        for encoded in [_encoded(one) for one in values]:
            self._write(encoded)

    def may_refuse(self, message: Any) -> bool:
        """Whether ``raise Refused`` is an answer: this protocol knows none."""
        return False

    def _write(self, encoded: Encoded) -> None:
        if self.phase is Phase.ENDED:
            raise NotJoined(f"{self.label}.send(...) was called after its connection was over")
        opcode, _ = encoded
        if opcode is TEXT or opcode is BINARY:
            self.outbox.send(encoded)
        else:
            self.outbox.send_control(*encoded)

    # The task.

    async def _run(self) -> None:
        try:
            opened = self.definition.opened
            first = None
            if opened is not None:
                first = (UNASKED, opened, opened.begin(self, self.agent))
            await self._finish(await self._serve(first))
        finally:
            self._close(self.ending or End("shutdown", Notice.ERROR))
            self._wind_up(terminates=True)

    def _step_of_message(self, message: Frame) -> Step:
        """Return what to run for something of the client."""
        inbox = self._inbox
        if inbox.is_full and inbox.has_drained(self.agent.max_inbox):
            self.outbox.resume_reading()
        handler = self.definition.frames[message.opcode]
        return message, handler, handler.begin(self, self.agent, message.data)

    def _step_of_item(self, kind: Kind, item: Any) -> Step | End | None:
        """Return what to run for something of the server's own."""
        if kind is Kind.END:
            end: End = item
            return end
        if kind is Kind.HEARD:
            item = copy_of(item)
        definition = self.definition
        handler = definition.draining if type(item) is Draining else definition.info
        if handler is not None:
            return UNASKED, handler, handler.begin(self, self.agent, item)
        self.log.warning(
            "%s got an unexpected message %r: add `async def info(self, message)` to handle it",
            self.label,
            item,
        )
        return None

    # The end.

    async def _finish(self, end: End) -> None:
        self.take_end(end)
        self._close(end)
        await self._terminate(end)

    def _close(self, end: End) -> None:
        """Close the connection as this end wants it; a second time is none too many."""
        connection = self.outbox
        if end.notice is Notice.NOTHING:
            connection.answer_goodbye()
        elif end.notice is Notice.ERROR:
            connection.close(CloseCode.INTERNAL_ERROR, reason=end.reason)
        else:
            code = CloseCode.SHUTDOWN if end.reason == RESTART else CloseCode.STOPPED
            connection.close(code, reason=end.reason)


def _encoded(message: Any) -> Encoded:
    """Return a message as a frame.

    Raises:
        EncodeError: It can't be sent.
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
        f"expected text, bytes, Ping, Pong, or a list of these, to be sent; got {message!r}"
    )


def _check_close(code: int, reason: str) -> None:
    if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise ValueError(
            f"no close frame may hold the code {code!r}: write 1000, one of 1001 to 1003 or 1007 to 1014,"
            " or one of your own from 3000 to 4999"
        )
    if len(reason.encode()) > MAX_CLOSE_REASON:
        raise ValueError(f"the reason of a close has at most {MAX_CLOSE_REASON} bytes: {reason!r}")
