"""What this node publishes: its numbers, and the frames of messages and marks.

Theory of operation
-------------------
A message gets its number when it enters the outbox, or when it is dropped: so the numbers are in the order of the frames,
and receivers see each drop as a gap.

A mark is sent for each topic that has become quiet, once a turn of the clock. It enters the outbox after the messages, so
it can't overtake them. After a new connection, and if another node asks, marks are sent for all topics that were published
since a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ...errors import EncodeError
from ..bus import Loss, LossReason, Lost
from ..numbers import Key, Numbers, Stream
from ..topics import key_of
from .frames import FrameKind, Sender, body_of
from .outbox import BrokerOutbox
from .settings import BrokerSettings, Channels

__all__ = ["Publishing"]


class Publishing:
    """What this node publishes.

    Args:
        node: The name of this node.
        sender: Makes the frames.
        settings: The limits.
        channels: The names of the channels.
        max_bytes: Bytes of a frame, at most.
        lost: Called with the losses.

    Attributes:
        numbers: The numbers.
        outbox: What waits for the broker.
    """

    __slots__ = (
        "_channels",
        "_dropped",
        "_lost",
        "_max_bytes",
        "_node",
        "_sender",
        "numbers",
        "outbox",
    )

    def __init__(
        self,
        node: str,
        sender: Sender,
        settings: BrokerSettings,
        channels: Channels,
        max_bytes: int,
        lost: Lost,
    ) -> None:
        self.numbers = Numbers(settings.max_streams)
        self.outbox = BrokerOutbox(
            settings.max_queue, settings.patience, self._is_kept, self._drop_frame
        )
        self._node = node
        self._sender = sender
        self._channels = channels
        self._max_bytes = max_bytes
        self._lost = lost
        self._dropped: Counter[str] = Counter()

    async def publish(self, topic: str, data: bytes, node: str | None) -> None:
        """Queue a message; wait while the queue is full. See :meth:`bennu.bus.BusAdapter.publish`."""
        key: Key = topic if node is None else (topic, node)
        if key not in self.numbers:
            key_of(topic)
        self._expect_size("" if node is None else topic, data)
        outbox = self.outbox
        if outbox.has_room:
            self._send(key, data)
        else:
            await outbox.wait(lambda: self._send(key, data), lambda: self._drop(key))

    def _send(self, key: Key, data: bytes) -> None:
        number = self.numbers.next(key)
        if isinstance(key, str):
            self.outbox.put(self._channels.of_topic(key), self._sender.message(number, data))
        else:
            frame = self._sender.addressed(number, key[0].encode(), data)
            self.outbox.put(self._channels.of_node(key[1]), frame)

    def mark(self, streams: Iterable[Stream]) -> None:
        """Send the marks of streams."""
        for stream in streams:
            key = stream.key
            if isinstance(key, str):
                frame = self._sender.mark(stream.number)
                self.outbox.put_control(self._channels.of_topic(key), frame)
            else:
                frame = self._sender.addressed_mark(stream.number, key[0].encode())
                self.outbox.put_control(self._channels.of_node(key[1]), frame)

    def report(self) -> None:
        """Report what was dropped since the last report."""
        dropped, self._dropped = self._dropped, Counter()
        for topic, count in dropped.items():
            self._lost(Loss(self._node, topic, count, LossReason.DROPPED))

    def drop_all(self) -> int:
        """Drop what waits, because this node stops. Return the number of messages."""
        self.outbox.disconnect()
        self.outbox.clear()
        count = self._dropped.total()
        self.report()
        return count

    def _drop(self, key: Key) -> None:
        self.numbers.next(key)
        self._dropped[key if isinstance(key, str) else key[0]] += 1

    def _drop_frame(self, channel: str, frame: bytes) -> None:
        body = body_of(frame, len(self._sender.head))
        if body.kind in (FrameKind.MESSAGE, FrameKind.ADDRESSED):
            topic = self._channels.topic_of(channel) if body.topic is None else body.topic
            self._dropped[topic or ""] += 1

    def _is_kept(self, frame: bytes) -> bool:
        return frame[len(self._sender.head)] != FrameKind.CONTROL

    def _expect_size(self, topic: str, data: bytes) -> None:
        size = len(self._sender.head) + 11 + 4 * len(topic) + len(data)
        if size > self._max_bytes:
            size += len(topic.encode()) - 4 * len(topic)
        if size > self._max_bytes:
            raise EncodeError(
                f"a message has {len(data):,} bytes, and {size - len(data):,} bytes for its topic and sender: this broker"
                f" carries at most {self._max_bytes:,}. Store large data elsewhere, and publish where it is"
            )
