"""The logs of topics in one stream of JetStream.

Theory of operation
-------------------
The offset of an entry is its number in the stream, so the offsets of a topic have gaps. The log of a topic is the subject of
its entries, above the *marker* of the topic: a message of the same stream, under a subject of its own. The marker has a
random epoch and the lineage of the data. One order of the stream decides which entries belong to which epoch:

- **An append** names the marker that it knows (``Nats-Expected-Last-Subject-Sequence-Subject``). JetStream refuses it if
  another marker has come. Several drafts are one atomic batch.
- **A reset** stores a marker without an epoch. Then it deletes the entries below. If it does not get that far, readers
  ignore these entries.
- **A marker of another lineage** counts as none, so a restart that can have lost entries begins a new epoch.
- **A read** asks the leader for the last entry of the topic, and *then* for the marker. A marker above the entry means that
  the epoch is empty. Else the marker was there when the leader answered first, because markers only rise. The page is
  then read from any replica: a replica has the messages of the leader in their order, perhaps without the newest ones. A
  page that does not reach the last entry, and was not cut, is read again.

The ``prev`` of an entry is known if the entry before it is in the same answer, or if fewer entries are stored than the stream
keeps: then nothing was trimmed, and the first entry has 0. So a read begins *at* the offset that was asked for.

A repeat of a draft has its first number for 2 minutes (``Nats-Msg-Id``, with the epoch inside). JetStream refuses a batch with
such a repeat as a whole. Then the drafts are stored one by one: those that are there stay as they are. A failure in the
middle leaves the first drafts stored, and a repeat stores the others. This happens only if a caller mixes old and new drafts.

Nothing deletes the last entry and the marker of a topic: they take some 500 bytes for each topic that ever had an entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from ...errors import DecodeError, StoreUnavailable
from ..entry import UNKNOWN, Draft, LogEntry, pack_draft, unpack_draft
from ..epoch import new_epoch
from ..store import Appended, Head, Page
from .access import JetStreamAccess, Marker
from .names import JetStreamNames
from .requests import CONFLICT, DUPLICATES, IN_PROCESS, Kept, RefusedRequest

__all__ = ["JetStreamLogs", "unpack_entry"]

ROUNDS: Final = 50
"""How often a call begins again because others change the log of the topic meanwhile."""

PAUSE: Final = 0.02
"""Seconds before an append is repeated that is in flight already."""

PIECE: Final = 256
"""Entries in one answer."""

PIECE_BYTES: Final = 4 * 1024 * 1024
"""Bytes after which an answer ends."""


def unpack_entry(data: bytes) -> tuple[str, int, Draft]:
    """Return the epoch of an entry, the number of its marker, and its draft.

    Raises:
        DecodeError: The bytes are no entry of this version of Bennu.
    """
    try:
        epoch, marker, packed = data.split(b" ", 2)
        return epoch.decode("ascii"), int(marker), unpack_draft(packed)
    except ValueError as error:
        raise DecodeError(f"expected an epoch, a number and a draft, got {data[:50]!r}") from error


class JetStreamLogs:
    """The logs, over one connection.

    Args:
        access: The connection.
        names: The names of streams and subjects.
    """

    __slots__ = ("_access", "_driver", "_names")

    def __init__(self, access: JetStreamAccess, names: JetStreamNames) -> None:
        self._access = access
        self._driver = access.driver
        self._names = names

    # Epochs.

    async def _marker(self, topic: str) -> Marker:
        """Return the marker of a topic, which is made if there is none."""
        subject = self._names.marker(topic)
        for _ in range(ROUNDS):
            last = await self._driver.last(self._names.logs, subject)
            epoch = self._epoch_of(last)
            if last is not None and epoch:
                marker = Marker(epoch, last.sequence)
            else:
                epoch = new_epoch()
                sequence = await self._mark(topic, last, f"{self._access.lineage} {epoch}")
                if sequence is None:
                    continue
                marker = Marker(epoch, sequence)
                if last is not None:
                    await self._purge(topic, sequence)
            self._access.remember(topic, marker)
            return marker
        raise StoreUnavailable(f"the epoch of {topic!r} changes again and again")

    def _epoch_of(self, last: Kept | None) -> str:
        """Return the epoch of the last marker; no text if it has none or is of another lineage."""
        if last is None:
            return ""
        lineage, _, epoch = last.data.decode(errors="replace").partition(" ")
        return epoch if lineage == self._access.lineage else ""

    async def _mark(self, topic: str, last: Kept | None, text: str) -> int | None:
        """Replace the marker of a topic. Return its number; None if another node did so."""
        headers = {
            "Nats-Rollup": "sub",
            "Nats-Expected-Last-Subject-Sequence": str(0 if last is None else last.sequence),
        }
        try:
            answer = await self._driver.store(self._names.marker(topic), [(headers, text.encode())])
        except RefusedRequest as error:
            if error.code in CONFLICT:
                return None
            raise
        return int(answer["seq"])

    async def _purge(self, topic: str, below: int) -> None:
        question = {"filter": self._names.log(topic), "seq": below}
        await self._driver.api(f"STREAM.PURGE.{self._names.logs}", question)

    async def reset(self, topic: str) -> None:
        """Delete the log of a topic."""
        self._access.markers.pop(topic, None)
        for _ in range(ROUNDS):
            last = await self._driver.last(self._names.logs, self._names.marker(topic))
            if last is None:
                return None
            sequence = await self._mark(topic, last, f"{self._access.lineage} ")
            if sequence is not None:
                return await self._purge(topic, sequence)
        raise StoreUnavailable(f"the epoch of {topic!r} changes again and again")

    async def head(self, topic: str) -> Head | None:
        """Return where a log stands; None if nothing is known of it."""
        last = await self._driver.last(self._names.logs, self._names.log(topic))
        marker = await self._driver.last(self._names.logs, self._names.marker(topic))
        epoch = self._epoch_of(marker)
        if marker is None or not epoch:
            return None
        return Head(epoch, _newest(last, marker.sequence))

    # Appends.

    async def append(self, topic: str, drafts: Sequence[Draft]) -> Appended:
        """Append drafts, all or none."""
        subject, first = self._names.log(topic), {draft.id: draft for draft in reversed(drafts)}
        unique = [draft for draft in dict.fromkeys(drafts) if first[draft.id] is draft]
        packed = [(draft.id, pack_draft(draft)) for draft in unique]
        for _ in range(ROUNDS):
            marker = self._access.markers.get(topic) or await self._marker(topic)
            expected = {
                "Nats-Expected-Last-Subject-Sequence": str(marker.sequence),
                "Nats-Expected-Last-Subject-Sequence-Subject": self._names.marker(topic),
            }
            start = f"{marker.epoch} {marker.sequence} ".encode()
            messages = [
                (
                    {"Nats-Msg-Id": f"{marker.epoch}.{one}", **(expected if not index else {})},
                    start + data,
                )
                for index, (one, data) in enumerate(packed)
            ]
            try:
                places = await self._store(subject, messages, expected)
            except RefusedRequest as error:
                if error.code == IN_PROCESS:  # a repeat, in a cluster
                    await asyncio.sleep(PAUSE)
                elif error.code in CONFLICT:
                    self._access.markers.pop(topic, None)
                else:
                    raise
                continue
            by_id = dict(zip([one for one, _ in packed], places, strict=True))
            return Appended(marker.epoch, [by_id[draft.id] for draft in drafts])
        raise StoreUnavailable(f"the epoch of {topic!r} changes again and again")

    async def _store(
        self,
        subject: str,
        messages: Sequence[tuple[dict[str, str], bytes]],
        expected: dict[str, str],
    ) -> list[tuple[int, int]]:
        """Store entries. Return their offsets, and what was before each."""
        count = len(messages)
        try:
            last = int((await self._driver.store(subject, messages))["seq"])
        except RefusedRequest as error:
            if error.code != DUPLICATES:
                raise
        else:
            start = last - count + 1
            return [(start, UNKNOWN), *((at, at - 1) for at in range(start + 1, last + 1))]
        places: list[tuple[int, int]] = []
        for headers, data in messages:
            answer = await self._driver.store(subject, [({**headers, **expected}, data)])
            places.append((int(answer["seq"]), UNKNOWN))
        return places

    # Reads.

    async def read(
        self, topic: str, after: int, limit: int, max_bytes: int, size: int, oldest: float
    ) -> Page:
        """Return the oldest entries above an offset.

        Args:
            topic: The topic.
            after: The offset.
            limit: The most entries.
            max_bytes: Bytes of payloads after which the page ends.
            size: The newest entries that count.
            oldest: The time of the oldest entry that counts, in milliseconds since 1970.
        """
        for _ in range(ROUNDS):
            last = await self._driver.last(self._names.logs, self._names.log(topic))
            marker = await self._marker(topic)
            newest = _newest(last, marker.sequence)
            if newest <= after:
                return Page(marker.epoch, newest, [], is_cut=False)
            page = await self._page(topic, marker, newest, after, limit, max_bytes, size, oldest)
            if page is not None:
                return page
        raise StoreUnavailable(f"the log of {topic!r} is trimmed faster than it can be read")

    async def _page(
        self,
        topic: str,
        marker: Marker,
        newest: int,
        after: int,
        limit: int,
        max_bytes: int,
        size: int,
        oldest: float,
    ) -> Page | None:
        """Return a page, or None if the log has changed too much."""
        found: list[LogEntry] = []
        total, before, position = 0, UNKNOWN, max(after, marker.sequence + 1)
        is_first = is_trimming = True
        while True:
            piece = await self._driver.following(
                self._names.logs,
                self._names.log(topic),
                position,
                PIECE if size < self._access.size else min(PIECE, limit + 2),
                PIECE_BYTES,
            )
            if not piece:
                return None
            if not is_first:  # it begins with the last one of the piece before
                if piece[0].sequence != position or len(piece) < 2:
                    return None
                piece = piece[1:]
            elif after <= marker.sequence and piece[0].pending + 1 < self._access.size:
                before = 0
            is_first = False
            for kept in piece:
                if kept.sequence > newest:
                    return None  # the newest was purged
                entry = _entry(kept, before)
                before = kept.sequence
                if kept.sequence > after:
                    is_trimming = is_trimming and entry.time < oldest
                    if not is_trimming:
                        is_full = len(found) >= limit or total >= max_bytes
                        if is_full and size >= self._access.size:
                            return Page(marker.epoch, newest, found, is_cut=True)
                        found.append(entry)
                        total += len(entry.payload)
                if kept.sequence == newest:
                    return _cut(marker.epoch, newest, found, limit, max_bytes, size)
            position = piece[-1].sequence


def _cut(
    epoch: str, newest: int, found: list[LogEntry], limit: int, max_bytes: int, size: int
) -> Page:
    """Return a page of the newest entries that count."""
    total, entries, counting = 0, list[LogEntry](), found[-size:]
    for entry in counting:
        if len(entries) == limit or total >= max_bytes:
            return Page(epoch, newest, entries, is_cut=True)
        entries.append(entry)
        total += len(entry.payload)
    return Page(epoch, newest, entries, is_cut=False)


def _newest(last: Kept | None, marker: int) -> int:
    return last.sequence if last is not None and last.sequence > marker else 0


def _entry(kept: Kept, prev: int) -> LogEntry:
    try:
        _, _, draft = unpack_entry(kept.data)
    except DecodeError as error:
        text = "the store has an entry that this version of Bennu can't read"
        raise StoreUnavailable(text) from error
    return LogEntry(kept.sequence, prev, *draft)
