"""Which answer of Redis belongs to which command.

Theory of operation
-------------------
Commands are sent without waiting for the answers of those before. Redis answers in order, so a queue keeps what each answer
belongs to:

==================  ================================================================================================
in the queue        the answer
==================  ================================================================================================
a future            the result of a command
a mark              of one published message: the number of its receivers, which is dropped, or an error
``MAYBE``           of a subscription: it is confirmed by pushes, and answered only by an error. So a PING follows each
                    subscription. The answer to the PING says that the subscription succeeded
==================  ================================================================================================
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

from hiredis import ProtocolError, ReplyError

__all__ = ["Answers"]

MAYBE: Final = object()


class Answers:
    """The queue.

    Args:
        refused: Called with the mark of a published message, and the error.
    """

    __slots__ = ("_refused", "_waiting")

    def __init__(self, refused: Callable[[Any, str], object]) -> None:
        self._refused = refused
        self._waiting: deque[Any] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(self) -> asyncio.Future[Any]:
        """Return the future of the next command's answer."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    def expect_change(self) -> asyncio.Future[Any]:
        """Return the future of a subscription and the PING after it."""
        self._waiting.append(MAYBE)
        return self.expect()

    def expect_marks(self, marks: Iterable[Any]) -> None:
        """Expect an answer for each message. A mark is no future."""
        self._waiting.extend(marks)

    def take(self, reply: Any) -> None:
        """Give an answer to what waits for it.

        Raises:
            ProtocolError: Nothing waits.
        """
        if not self._waiting:
            raise ProtocolError(f"an answer that nobody has asked for: {reply}")
        first = self._waiting.popleft()
        is_error = type(reply) is ReplyError
        if first is MAYBE:
            future: asyncio.Future[Any] = self._waiting[0]
            if is_error:
                if not future.done():
                    future.set_exception(reply)
                return  # the answer to its PING follows
            first = self._waiting.popleft()
        if not isinstance(first, asyncio.Future):
            if is_error:
                self._refused(first, str(reply))
            return
        answered = cast("asyncio.Future[Any]", first)
        if (
            answered.done()
        ):  # whoever has waited was cancelled, or got the error of the subscription
            return
        if is_error:
            answered.set_exception(reply)
        else:
            answered.set_result(reply)

    def fail(self, error: Callable[[], Exception]) -> None:
        """Fail all that waits. Each gets an exception of its own."""
        waiting, self._waiting = self._waiting, deque()
        for one in waiting:
            if isinstance(one, asyncio.Future) and not one.done():
                failed = cast("asyncio.Future[Any]", one)
                failed.set_exception(error())
                failed.exception()  # nobody need wait for it any more
