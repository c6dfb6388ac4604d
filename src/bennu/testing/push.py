"""A push of a test client, and the reply to it."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from ..client.errors import PushRefused
from .patterns import ANY, differences, shown
from .waiting import bound_of, comes

if TYPE_CHECKING:
    from .channel import TestChannel

__all__ = ["TestPush"]


class TestPush:
    """A push that was sent. ``await`` it for the response of its reply.

    Args:
        channel: The channel of the client.
        event: The event.
        ref: The ref of the message.

    Attributes:
        event: As given.
        ref: As given.

    Example:
        ``response = await room.push("new_msg", {"body": "Hi"})``
    """

    __test__ = False  # for pytest: no class of tests

    def __init__(self, channel: TestChannel, event: str, ref: str) -> None:
        self.event = event
        self.ref = ref
        self._channel = channel

    def __await__(self) -> Generator[Any, None, Any]:
        return self.response().__await__()

    async def response(self) -> Any:
        """Return the response of the ok reply.

        Raises:
            PushRefused: The reply has another status.
            AssertionError: No reply came.
        """
        reply = await self._reply(None, f"reply to {self.event!r}")
        if reply["status"] != "ok":
            raise PushRefused(self._channel.topic, self.event, reply["status"], reply["response"])
        return reply["response"]

    async def assert_reply(
        self, pattern: Any = ANY, *, status: str = "ok", within: float | None = None
    ) -> Any:
        """Check that the push is answered, and return the response.

        Args:
            pattern: What the response is compared with: :mod:`bennu.testing.patterns`.
            status: The status of the reply.
            within: Seconds to wait for it. Default: 1 in virtual time, 5 in real time.

        Raises:
            AssertionError: No reply came, or another one. The message says which.
        """
        reply = await self._reply(within, f"reply to {self.event!r}: {status} {shown(pattern)}")
        given, response = reply["status"], reply["response"]
        if given != status:
            raise AssertionError(
                f"the reply to {self.event!r} is {given} {shown(response)}, expected {status} {shown(pattern)}"
            )
        if found := differences(pattern, response):
            lines = "\n  ".join(found)
            raise AssertionError(
                f"the response to {self.event!r} is {shown(response)}, and does not fit:\n  {lines}"
            )
        return response

    async def assert_error(self, pattern: Any = ANY, *, within: float | None = None) -> Any:
        """Check that the push is answered with an error, and return the response. See :meth:`assert_reply`.

        Args:
            pattern: What the response is compared with; a text is its reason.
            within: Seconds to wait for it.
        """
        if isinstance(pattern, str):
            pattern = {"reason": pattern}
        return await self.assert_reply(pattern, status="error", within=within)

    async def refute_reply(self, *, within: float | None = None) -> None:
        """Check that no reply comes.

        Args:
            within: Seconds to wait. Default: 0.1.
        """
        seconds, _ = bound_of(within, refutes=True)
        if await comes(self._has_come, seconds):
            reply = self._channel.replies[self.ref]
            raise AssertionError(
                f"expected no reply to {self.event!r}, got {reply['status']} {shown(reply['response'])}"
            )

    def _has_come(self) -> bool:
        self._channel.client.read()
        return self.ref in self._channel.replies

    async def _reply(self, within: float | None, what: str) -> Any:
        seconds, words = bound_of(within)
        if not await comes(self._has_come, seconds):
            raise AssertionError(self._channel.failure(what, words))
        return self._channel.replies[self.ref]
