"""The tracker: shards of the CRDT, with the timers and the bus that they need. Protocol document, §6.6-6.8.

Theory of operation
-------------------
What is tracked is spread over shards by topic. Each is a pure :class:`~bennu.presence.crdt.Shard`; what
it wants sent goes to its like on the other nodes over the bus, under ``phx_presence:<name>_shard<i>``. A
shard ticks: first after a random part of a quarter of the period, so that nodes which start together don't
speak together, then a period after the end of the last tick. A local change *hurries*: it leaves a tenth
of a second later, and need not wait for the tick; all that change meanwhile leave with it.

What is changed here is returned as a :class:`Diff` to whoever changed it; what others changed is handed to
``on_diff``.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

from ..errors import DecodeError, EncodeError, PresenceRefused
from ..protocol.encoding import encode_json
from ..telemetry import ReplicaChanged
from .crdt import (
    Diff,
    Entry,
    Heartbeat,
    Message,
    Outcome,
    Periods,
    Shard,
    Status,
    TransferAck,
    decode,
    encode,
)
from .hooks import Host
from .names import Refs, key_of, stable_hash
from .net_effect import PREV, REF, Meta

__all__ = ["Tracker"]


HURRY: Final = 0.1
"""Seconds from a local change until other nodes are told."""

SPREAD: Final = 0.25
"""The part of a period in which the first tick comes."""


class _Running:
    """One shard and its timers."""

    def __init__(
        self,
        name: str,
        periods: Periods,
        host: Host,
        on_diff: Callable[[Diff], None],
    ) -> None:
        pubsub, loop = host.pubsub, host.loop
        self._name = name
        self._telemetry = host.telemetry
        self._log = host.telemetry.log.child("presence")
        self._statuses: dict[str, Status] = {}
        self.shard = Shard((pubsub.node_name, _version()), periods)
        self.refs = Refs(pubsub.node_name, name)
        self._topic = f"phx_presence:{name}"
        self._period = periods.broadcast
        self._pubsub = pubsub
        self._loop = loop
        self._on_diff = on_diff
        self._hurry: asyncio.TimerHandle | None = None
        first = random.random() * SPREAD * self._period  # noqa: S311 - no secret
        self._tick = loop.call_later(first, self._on_tick)
        self._forget = pubsub.on_publish(self._topic, self._on_bytes)

    def hurry(self) -> None:
        """Have a local change told soon."""
        if self._hurry is None:
            self._hurry = self._loop.call_later(HURRY, self._on_hurry)

    def stop(self) -> None:
        """Say good-bye, so that others need not wait to know that we are gone."""
        self._tick.cancel()
        if self._hurry is not None:
            self._hurry.cancel()
        self._forget()
        self._pubsub.publish(self._topic, encode(self.shard.goodbye()))

    def _on_tick(self) -> None:
        try:
            self._follow(self.shard.tick(self._loop.time()))
        finally:
            self._tick = self._loop.call_later(self._period, self._on_tick)

    def _on_hurry(self) -> None:
        self._hurry = None
        self._follow(self.shard.hurry(self._loop.time()))

    def _on_bytes(self, data: bytes) -> None:
        try:
            message = decode(data)
            _expect_presences(message)
        except DecodeError as error:
            self._log.warning("A message on %r was dropped: %s", self._topic, error)
            return
        self._follow(self.shard.receive(message, self._loop.time()))

    def _follow(self, outcome: Outcome) -> None:
        """Do what a shard wants done."""
        for node, message in outcome.sends:
            self._pubsub.publish(self._topic, encode(message), node)
        for diff in outcome.diffs:
            self._on_diff(diff)
        statuses = self.shard.replicas
        if statuses != self._statuses:
            before, self._statuses = self._statuses, statuses
            self._tell_changes(before, statuses)

    def _tell_changes(self, before: dict[str, Status], after: dict[str, Status]) -> None:
        """Tell telemetry what has become of other nodes."""
        if not self._telemetry.handlers[ReplicaChanged]:
            return
        for node in sorted(before.keys() | after.keys()):
            if node not in after:
                self._telemetry.emit(ReplicaChanged(self._name, node, "gone"))
            elif before.get(node) is not after[node]:
                self._telemetry.emit(ReplicaChanged(self._name, node, after[node].value))


class Tracker:
    """All shards of one presence on this node, while its endpoint runs.

    Args:
        name: The presence's name, the same on all nodes.
        shards: How many, the same on all nodes.
        periods: The times of the protocol.
        host: The endpoint.
        on_diff: Told of what others changed.
    """

    def __init__(
        self,
        name: str,
        shards: int,
        periods: Periods,
        host: Host,
        on_diff: Callable[[Diff], None],
    ) -> None:
        self._shards = [
            _Running(f"{name}_shard{index}", periods, host, on_diff) for index in range(shards)
        ]

    def stop(self) -> None:
        """End all timers, and say good-bye to the other nodes."""
        for running in self._shards:
            running.stop()

    @property
    def shards(self) -> list[Shard]:
        """The shards, for tests and dashboards."""
        return [running.shard for running in self._shards]

    def _of(self, topic: str) -> _Running:
        shards = self._shards
        return shards[0] if len(shards) == 1 else shards[stable_hash(topic) % len(shards)]

    # What this node changes.

    def track(self, topic: str, actor: int, key: str, meta: Meta) -> tuple[str, Diff]:
        """Add a presence; its meta gets a phx_ref, which is returned."""
        running = self._of(topic)
        meta["phx_ref"] = ref = running.refs.make()
        diff = running.shard.track(topic, actor, key, meta)
        running.hurry()
        return ref, diff

    def update(self, topic: str, actor: int, key: str, meta: Meta, old: Meta) -> tuple[str, Diff]:
        """Replace a presence's meta; the new one gets a phx_ref, and that of the old as phx_ref_prev."""
        running = self._of(topic)
        meta["phx_ref"] = ref = running.refs.make()
        meta["phx_ref_prev"] = old["phx_ref"]
        diff = running.shard.update(topic, actor, key, meta)
        running.hurry()
        return ref, diff

    def untrack(self, topic: str, actor: int, key: str) -> Diff:
        """Remove a presence, if it is there."""
        running = self._of(topic)
        diff = running.shard.untrack(topic, actor, key)
        running.hurry()
        return diff

    # What is here.

    def own(self, topic: str, actor: int, key: str) -> Meta:
        """Return the meta of one of our own, which must be there."""
        meta = self._of(topic).shard.get(topic, actor, key)
        assert meta is not None, f"{key!r} of {topic!r} was lost"  # noqa: S101 - we track it
        return meta

    def entries(self, topic: str, key: str | None = None) -> list[Entry]:
        """Return all of a topic, or of a key, on every node."""
        return self._of(topic).shard.entries(topic, key)


def _expect_presences(message: Message) -> None:
    """Refuse a message with what no ``Presence`` tracks, since clients could not be told of it.

    Raises:
        DecodeError: It has an entry without a ref, or with a key or a meta that would be refused here.
    """
    if not isinstance(message, Heartbeat | TransferAck):
        return
    for part in message.delta.values():
        for entry in part.values.values():
            meta = entry.meta
            if not (isinstance(meta.get(REF), str) and isinstance(meta.get(PREV, ""), str)):
                raise DecodeError(
                    f"expected a presence with a phx_ref, got {entry.key!r} in {entry.topic!r} without"
                )
            try:
                key_of(entry.key)
                encode_json(meta)
            except (PresenceRefused, EncodeError) as error:
                raise DecodeError(str(error)) from error


_last_version = 0


def _version() -> int:
    """Return the time in µs, but never the same twice."""
    global _last_version  # noqa: PLW0603 - one clock for the process
    _last_version = max(_last_version + 1, time.time_ns() // 1000)
    return _last_version
