"""A channel that a test client has joined: what came for it, and what is expected of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from ..channel import Channel
from ..message import Broadcast
from ..protocol.encoding import encode_json
from ..pubsub import Subscription
from .codec import WireMessage
from .patterns import ANY, differences, shown
from .presences import Presences
from .push import TestPush
from .waiting import bound_of, comes

if TYPE_CHECKING:
    from .client import TestClient

__all__ = ["TestChannel"]

PRESENCE_EVENTS: Final = frozenset({"presence_state", "presence_diff"})

MOST: Final = 20
"""Messages that a failure shows, the newest ones."""


def plain(payload: Any) -> Any:
    """Return a payload as JSON has it; bytes stay bytes."""
    if isinstance(payload, bytes | bytearray | memoryview):
        return bytes(cast("bytes", payload))
    return msgspec.json.decode(encode_json(payload))


class TestChannel:
    """A channel that a test client has joined. :meth:`TestClient.join` returns it.

    Attributes:
        client: The client.
        topic: The topic.
        join_ref: The ref of the join.
        response: The response of the reply to the join.
        broadcasts: The broadcasts of the topic since the join began, that no ``assert_broadcast`` has taken. Also those that this
            client did not get, because it has sent them, or because ``@on_out`` has kept them.
        replies: The replies to pushes, by their refs.
        end: ``"closed"`` or ``"crashed"`` once the channel has ended; else None.
    """

    __test__ = False  # for pytest: no class of tests

    def __init__(self, client: TestClient, topic: str, join_ref: str) -> None:
        self.client = client
        self.topic = topic
        self.join_ref = join_ref
        self.response: Any = None
        self._pushes: list[WireMessage] = []
        self.broadcasts: list[Broadcast] = []
        self.replies: dict[str, Any] = {}
        self._presences = Presences()
        self.end: str | None = None
        self._seen: list[str] = []
        self._subscription: Subscription | None = None

    # What the client calls.

    def listen(self) -> None:
        """Hear the broadcasts of the topic."""
        self._subscription = self.client.endpoint.pubsub.subscribe(self.topic, self.hear)

    def stop(self) -> None:
        """Hear the broadcasts of the topic no more."""
        if self._subscription is not None:
            self._subscription.cancel()
            self._subscription = None

    def take(self, message: WireMessage) -> None:
        """Take a message of the server."""
        event, payload = message.event, message.payload
        if event == "phx_reply":
            self.replies[message.ref] = payload
            self._seen.append(f"reply {payload['status']} {shown(payload['response'])}")
            return
        self._seen.append(f"{event} {shown(payload)}")
        if event in ("phx_close", "phx_error"):
            self.end = "closed" if event == "phx_close" else "crashed"
            return
        self._presences.take(event, payload)
        self._pushes.append(message)

    def hear(self, message: Any) -> None:
        """Take a message of the topic's PubSub."""
        if isinstance(message, Broadcast):
            self.broadcasts.append(message)

    # What has come.

    @property
    def pushes(self) -> list[WireMessage]:
        """The pushes and broadcasts that came, and that no ``assert_push`` has taken."""
        self.client.read()
        return self._pushes

    @property
    def presences(self) -> Presences:
        """Who is in the topic, as a page shows it."""
        self.client.read()
        return self._presences

    # The live channel.

    @property
    def channel(self) -> Any:
        """The live channel object of this join.

        Raises:
            AssertionError: The channel has ended.
        """
        channel = self._find()
        if channel is None:
            raise AssertionError(f"the channel of {self.topic!r} has ended, so there is no object")
        return channel

    def _find(self) -> Channel[Any, Any] | None:
        for channel in self.client.channels(self.topic):
            if channel.join_ref == self.join_ref or self.client.version == "1.0.0":
                return channel
        return None

    # To the server.

    def push(self, event: str, payload: Any = None) -> TestPush:
        """Send an event now. Await what it returns for the response, or check the reply with its methods.

        Args:
            event: The event.
            payload: A dict, Struct or dataclass; or bytes. Default: an empty object.
        """
        ref = self.client.next_ref()
        self.client.send(self.join_ref, ref, self.topic, event, payload)
        return TestPush(self, event, ref)

    async def leave(self, *, within: float | None = None) -> None:
        """Leave, and wait until the server has closed the channel."""
        await self.push("phx_leave").assert_reply(within=within)
        await self.assert_closed(within=within)

    # What is expected.

    async def assert_push(
        self, event: str, pattern: Any = ANY, *, within: float | None = None
    ) -> Any:
        """Check that the client gets an event, and return its payload. Other events before it stay where they are.

        Args:
            event: The event.
            pattern: What the payload is compared with: :mod:`bennu.testing.patterns`.
            within: Seconds to wait for it. Default: 1 in virtual time, 5 in real time.

        Raises:
            AssertionError: It did not come. The message says what came instead.
        """
        seconds, words = bound_of(within)
        if await comes(lambda: self._pushed(event, pattern) is not None, seconds):
            message = self._pushed(event, pattern)
            assert message is not None
            self.pushes.remove(message)
            return message.payload
        close = [differences(pattern, one.payload) for one in self.pushes if one.event == event]
        raise AssertionError(self.failure(f"{event!r} with {shown(pattern)}", words, close))

    async def refute_push(
        self, event: str, pattern: Any = ANY, *, within: float | None = None
    ) -> None:
        """Check that the client does not get an event.

        Args:
            event: The event.
            pattern: Only payloads that fit count.
            within: Seconds to wait. Default: 0.1.
        """
        seconds, _ = bound_of(within, refutes=True)
        if await comes(lambda: self._pushed(event, pattern) is not None, seconds):
            message = self._pushed(event, pattern)
            assert message is not None
            raise AssertionError(
                f"expected no {event!r} on {self.topic!r}, got {shown(message.payload)}"
            )

    async def assert_pushes(
        self, *expected: str | tuple[str, Any], within: float | None = None
    ) -> list[Any]:
        """Check that the next events are exactly these, in this order, and return their payloads.

        Events of presences (``presence_state``, ``presence_diff``) do not matter, unless one of them is expected.

        Args:
            expected: An event, or an event and what its payload is compared with.
            within: Seconds to wait for them.
        """
        seconds, words = bound_of(within)
        wanted = [(one, ANY) if isinstance(one, str) else one for one in expected]
        ignored = PRESENCE_EVENTS.difference(event for event, _ in wanted)
        came: list[WireMessage] = []

        def have_come() -> bool:
            came[:] = [one for one in self.pushes if one.event not in ignored]
            return len(came) >= len(wanted)

        if not await comes(have_come, seconds):
            names = ", ".join(repr(event) for event, _ in wanted)
            raise AssertionError(self.failure(f"events {names}", words))
        for number, (event, pattern) in enumerate(wanted):
            message = came[number]
            found = [f"expected {event!r}, got {message.event!r}"] * (message.event != event)
            found += differences(pattern, message.payload) if not found else []
            if found:
                lines = "\n  ".join(found)
                raise AssertionError(
                    f"event {number + 1} of {self.topic!r} is {message.event} {shown(message.payload)}:\n  {lines}"
                )
        taken = came[: len(wanted)]
        kept = {id(message) for message in self.pushes} - {id(message) for message in taken}
        self._pushes = [message for message in self._pushes if id(message) in kept]
        return [message.payload for message in taken]

    async def assert_broadcast(
        self, event: str, pattern: Any = ANY, *, within: float | None = None
    ) -> Any:
        """Check that an event was broadcast to the topic, and return its payload: also if this client did not get it.

        Args:
            event: The event.
            pattern: What the payload is compared with.
            within: Seconds to wait for it.
        """
        seconds, words = bound_of(within)
        if await comes(lambda: self._broadcast(event, pattern) is not None, seconds):
            message = self._broadcast(event, pattern)
            assert message is not None
            self.broadcasts.remove(message)
            return plain(message.payload)
        came = ", ".join(f"{one.event} {shown(plain(one.payload))}" for one in self.broadcasts)
        raise AssertionError(
            f"no broadcast {event!r} with {shown(pattern)} on {self.topic!r} within {words}."
            f"\n  There were: {came or 'none'}"
        )

    async def refute_broadcast(
        self, event: str, pattern: Any = ANY, *, within: float | None = None
    ) -> None:
        """Check that an event is not broadcast to the topic. See :meth:`refute_push`."""
        seconds, _ = bound_of(within, refutes=True)
        if await comes(lambda: self._broadcast(event, pattern) is not None, seconds):
            message = self._broadcast(event, pattern)
            assert message is not None
            raise AssertionError(
                f"expected no broadcast {event!r} on {self.topic!r}, got {shown(plain(message.payload))}"
            )

    async def assert_present(
        self,
        key: str,
        pattern: Any = ANY,
        *,
        metas: int | None = None,
        within: float | None = None,
    ) -> Any:
        """Check that somebody is in the topic, as this client sees it, and return the first meta that fits.

        Args:
            key: The key of the presence.
            pattern: What one of its metas is compared with.
            metas: The number of metas that must fit: one for each device. Default: one or more.
            within: Seconds to wait for it.
        """
        seconds, words = bound_of(within)
        fits: list[Any] = []

        def is_present() -> bool:
            known = self.presences.metas(key)
            fits[:] = [meta for meta in known if not differences(pattern, meta)]
            return bool(fits) if metas is None else len(fits) == metas > 0

        if not await comes(is_present, seconds):
            times = "" if metas is None else f" {metas} times"
            raise AssertionError(
                f"no presence {key!r} with {shown(pattern)}{times} on {self.topic!r} within {words}."
                f"\n  There are: {shown(self.presences.all) if self.presences.all else 'none'}"
            )
        return fits[0]

    async def assert_absent(self, key: str, *, within: float | None = None) -> None:
        """Check that somebody is not in the topic, as this client sees it.

        Args:
            key: The key of the presence.
            within: Seconds to wait until the presence has gone.
        """
        seconds, words = bound_of(within)

        def is_absent() -> bool:
            return not self.presences.metas(key)

        if not await comes(is_absent, seconds):
            raise AssertionError(
                f"{key!r} is still on {self.topic!r} after {words}: {shown(self.presences.metas(key))}"
            )

    async def assert_closed(self, *, within: float | None = None) -> None:
        """Check that the server closes the channel (``phx_close``)."""
        await self._assert_end("closed", within)

    async def assert_crashed(self, *, within: float | None = None) -> None:
        """Check that the channel ends by a crash (``phx_error``). The log has the exception."""
        await self._assert_end("crashed", within)

    async def _assert_end(self, end: str, within: float | None) -> None:
        seconds, words = bound_of(within)

        def has_ended() -> bool:
            self.client.read()
            return self.end is not None

        if not await comes(has_ended, seconds):
            raise AssertionError(self.failure(f"end of the channel ({end})", words))
        if self.end != end:
            raise AssertionError(f"the channel of {self.topic!r} has {self.end}, expected {end}")

    # For messages of failure.

    def failure(self, what: str, words: str, close: list[list[str]] | None = None) -> str:
        """Return what was expected, and what came instead."""
        lines = [f"no {what} came on {self.topic!r} within {words}."]
        for number, found in enumerate(close or []):
            lines += [f"  Close to it, {number + 1}: " + "; ".join(found)]
        if self._seen:
            lines.append("  What came since the join:")
            start = max(0, len(self._seen) - MOST)
            lines += [
                f"    {number + 1}. {one}"
                for number, one in enumerate(self._seen)
                if number >= start
            ]
        else:
            lines.append("  Nothing came since the join.")
        if self.end is not None:
            lines.append(f"  The channel has {self.end}.")
        elif self.client.code is not None:
            lines.append(f"  The connection is closed ({self.client.code}).")
        return "\n".join(lines)

    def _pushed(self, event: str, pattern: Any) -> WireMessage | None:
        for message in self.pushes:
            if message.event == event and not differences(pattern, message.payload):
                return message
        return None

    def _broadcast(self, event: str, pattern: Any) -> Broadcast | None:
        for message in self.broadcasts:
            if message.event == event and not differences(pattern, plain(message.payload)):
                return message
        return None
