"""How messages travel in notifications of PostgreSQL. Pure.

Theory of operation
-------------------
A notification has a channel of PostgreSQL, whose name has at most 63 bytes, and a payload: a text of at most 7,999 bytes
without NUL. A channel of the bus can be longer than that, and a message larger, smaller and binary. So:

- **Slots.** There are 80 channels of PostgreSQL, ``bennu_00`` to ``bennu_4f``: the *slots*. The CRC-32 of a channel of the
  bus chooses its slot: one of the first 64 for a topic, one of the last 16 for all else. A node LISTENs to the slots of the
  channels that it wants, and drops what it did not ask for. So a node without topics gets no message of a topic; a node with
  10 topics gets a seventh of all messages, a node with 64 topics two thirds.
- **Packets.** The messages of one transaction in one slot are one *packet*: the channel and the data of each message, with
  their lengths. One notification takes 30 messages of 200 bytes, or a part of a large one.
- **Parts.** A packet is cut into parts. Each is one notification, in Base64.

====================  ===========  ========================================================
bytes of a part       text         meaning
====================  ===========  ========================================================
1                     B or C       this part begins a packet, or continues one
2-5                   hex digits   the number of the packet, modulo 65,536
6-9                   hex digits   the number of parts that follow
10-                   Base64       at most 5,988 bytes of the packet
====================  ===========  ========================================================

PostgreSQL delivers equal notifications of a transaction only once. The numbers make all of them different.

PostgreSQL delivers the notifications of a transaction one after another, with none of another transaction between, in the
order of the commits (measured with four publishers: none of 6,000 parts was out of place). So a receiver joins one packet at
a time, and a part that does not continue it ends it. That is also all that a hostile sender can do: everyone who can connect
to a database can send to all of its channels. The parts of one packet are bounded, and so are its messages.

**Why Base64.** It makes 4 bytes of 3, in 5 µs for a notification, and is ASCII, so it fits each encoding of a database and can
be cut anywhere. A denser form for text (each byte as the character of its number) makes 1.0 bytes of ASCII, but 1.5 of random
bytes and 2.0 of Japanese, and costs as much time. Base85 makes 5 of 4, and costs 100 times as much.

**Why no table for large messages.** A message of 1 MiB is 176 notifications, and arrives after 20 ms. A table with the bodies
would be less to send for those who don't hear the channel. But somebody would have to create the table, in a database that
belongs to the application, and to delete the rows; each receiver would have to make a query for each large message, in the
order of the others; and each row would be written to the log on the disk.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from typing import Final
from zlib import crc32

__all__ = ["MAX_DATA", "MAX_NAME", "SLOTS", "PacketJoiner", "parts_of", "slot_of", "transactions"]

TOPIC_SLOTS: Final = 64
OTHER_SLOTS: Final = 16
SLOTS: Final = tuple(f"bennu_{number:02x}" for number in range(TOPIC_SLOTS + OTHER_SLOTS))
"""The channels of PostgreSQL. All nodes must have the same ones, so nobody can choose their number."""

MAX_DATA: Final = 4 * 1024 * 1024
"""Bytes of a message's data. Their transaction takes 0.1 s, and all who want to NOTIFY wait for it."""

MAX_NAME: Final = 65_600
"""Bytes of a channel's name."""

BATCH: Final = 256 * 1024
"""Bytes of messages in one transaction, unless one message is larger."""

PART: Final = 5_988
"""Bytes of a packet in one notification: 7,984 in Base64."""

_LENGTHS = Struct(">II")
_MAX_PARTS: Final = -(-(MAX_DATA + MAX_NAME + _LENGTHS.size + BATCH) // PART)
_WRAP: Final = 1 << 16


def slot_of(channel: bytes, topics: bytes) -> int:
    """Return the number of the slot of a channel's name.

    Args:
        channel: The name.
        topics: What the names of the channels of topics begin with.
    """
    if channel.startswith(topics):
        return crc32(channel) % TOPIC_SLOTS
    return TOPIC_SLOTS + crc32(channel) % OTHER_SLOTS


def transactions(
    messages: Iterable[tuple[str, bytes]], topics: bytes
) -> Iterator[dict[int, bytearray]]:
    """Yield the packets of each transaction by their slots. The messages of a slot stay in order.

    Args:
        messages: The channel and the data of each message.
        topics: What the names of the channels of topics begin with.
    """
    packets: dict[int, bytearray] = {}
    total = 0
    for channel, data in messages:
        name = channel.encode()
        length = _LENGTHS.size + len(name) + len(data)
        if packets and total + length > BATCH:
            yield packets
            packets, total = {}, 0
        packet = packets.setdefault(slot_of(name, topics), bytearray())
        packet += _LENGTHS.pack(len(name), len(data))
        packet += name
        packet += data
        total += length
    if packets:
        yield packets


def parts_of(packet: bytes | bytearray, number: int) -> list[str]:
    """Return the payloads of the notifications that carry a packet.

    Args:
        packet: The packet.
        number: A number that no other packet of the transaction has, modulo 65,536.
    """
    view = memoryview(packet)
    starts = range(0, len(view), PART)
    serial = f"{number % _WRAP:04x}"
    return [
        f"{'C' if start else 'B'}{serial}{left:04x}{b2a_base64(view[start : start + PART], newline=False).decode()}"
        for start, left in zip(starts, reversed(range(len(starts))), strict=True)
    ]


class PacketJoiner:
    """Joins the parts that one connection hears, and returns the messages of complete packets.

    Attributes:
        dropped: The number of notifications that were no part of a packet, or of one that was incomplete.
    """

    __slots__ = ("_expected", "_parts", "dropped")

    def __init__(self) -> None:
        self.dropped = 0
        self._expected: tuple[int, str, str, int] | None = None
        self._parts: list[bytes] = []

    def receive(self, sender: int, slot: str, payload: str) -> Sequence[tuple[bytes, bytes]]:
        """Take a notification, and return the messages of the packet that it completes: channels and data.

        Args:
            sender: The process id of the backend that sent it.
            slot: The channel of PostgreSQL.
            payload: The payload.
        """
        try:
            kind, number, left = payload[0], payload[1:5], int(payload[5:9], 16)
            data = a2b_base64(payload[9:], strict_mode=True)
        except (ValueError, IndexError):
            return self._drop()
        if kind == "B" and 0 <= left < _MAX_PARTS:
            self.dropped += len(self._parts)
            self._parts = []
        elif kind != "C" or (sender, slot, number, left) != self._expected:
            return self._drop()
        self._parts.append(data)
        if left:
            self._expected = (sender, slot, number, left - 1)
            return ()
        packet, count = b"".join(self._parts), len(self._parts)
        self._expected, self._parts = None, []
        try:
            return _messages(packet)
        except ValueError:
            self.dropped += count
            return ()

    def _drop(self) -> Sequence[tuple[bytes, bytes]]:
        self.dropped += 1 + len(self._parts)
        self._expected, self._parts = None, []
        return ()


def _messages(packet: bytes) -> list[tuple[bytes, bytes]]:
    """Return the messages of a packet.

    Raises:
        ValueError: The lengths don't fit the packet.
    """
    messages: list[tuple[bytes, bytes]] = []
    place, end = 0, len(packet)
    while place < end:
        if end - place < _LENGTHS.size:
            raise ValueError("a packet ends within its lengths")
        name_length, data_length = _LENGTHS.unpack_from(packet, place)
        name = place + _LENGTHS.size
        data = name + name_length
        place = data + data_length
        if place > end:
            raise ValueError("a packet is shorter than its messages")
        messages.append((packet[name:data], packet[data:place]))
    return messages
