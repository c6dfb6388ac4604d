"""The tracker: shards of the CRDT, with the timers and the bus that they need. Protocol document, §6.6-6.8.

Theory of operation
-------------------
The presences of a node are spread over shards by topic. Each shard is a pure :class:`~bennu.presence.crdt.Shard`. Its
messages go over the bus to the same shard of the other nodes, under ``p<name>_shard<i>``.

A shard *ticks* once in each period. Its first tick comes after a random time of at most a quarter of the period, so
that nodes that start together don't send together. A local change does not wait for the tick: it is sent a tenth of a
second later, with all changes of that time.

A change of this node is returned as a :class:`Diff` to its caller. ``on_diff`` is called with a change of another node.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

from ..errors import DecodeError, EncodeError, PresenceRefused
from ..protocol.encoding import encode_json
from ..pubsub.envelope import PRESENCES
from ..server.server import Server
from ..telemetry import ReplicaChanged
from .crdt import (
    Diff,
    Entry,
    Heartbeat,
    Outcome,
    Periods,
    ReplicaStatus,
    Shard,
    ShardMessage,
    TransferAck,
    decode,
    encode,
)
from .names import Refs, key_of, stable_hash
from .net_effect import PREV, REF, Meta

__all__ = ["Tracker"]


SOON: Final = 0.1
"""Seconds from a local change until it is sent to other nodes."""

SPREAD: Final = 0.25
"""The part of a period within which the first tick comes."""


class _RunningShard:
    """One shard, with its timers and its topic on the bus.

    Attributes:
        shard: The shard.
        refs: Makes its phx_refs.
        sending_soon: The timer of a local change that is not sent yet.
    """

    def __init__(self, name: str, periods: Periods, server: Server) -> None:
        node = server.pubsub.node
        self._name = name
        self._topic = f"{PRESENCES}{name}"
        self._period = periods.broadcast
        self._pubsub = server.pubsub
        self._loop = server.loop
        self._telemetry = server.telemetry
        self._log = server.log.child("presence")
        self._statuses: dict[str, ReplicaStatus] = {}
        self.shard = Shard((node, _version()), periods)
        self.refs = Refs(node, name)
        self.sending_soon: asyncio.TimerHandle | None = None

    def start(self, on_diff: Callable[[Diff], None]) -> None:
        """Begin to tick, and to receive from the same shard of other nodes."""
        self._on_diff = on_diff
        first = random.random() * SPREAD * self._period  # noqa: S311 - no secret
        self._tick = self._loop.call_later(first, self._on_tick)
        self._forget = self._pubsub.on_publish(self._topic, self._on_bytes)

    def stop(self) -> None:
        """End the timers, and send a good-bye, so that other nodes remove this node at once."""
        self._tick.cancel()
        if self.sending_soon is not None:
            self.sending_soon.cancel()
        self._forget()
        self._pubsub.publish(self._topic, encode(self.shard.goodbye()))

    def send_soon(self) -> None:
        """Send a local change to other nodes after ``SOON`` seconds."""
        self.sending_soon = self._loop.call_later(SOON, self._on_soon)

    def _on_tick(self) -> None:
        try:
            self._follow(self.shard.tick(self._loop.time()))
        finally:
            self._tick = self._loop.call_later(self._period, self._on_tick)

    def _on_soon(self) -> None:
        self.sending_soon = None
        self._follow(self.shard.send_changes())

    def _on_bytes(self, node: str, data: bytes) -> None:
        try:
            message = decode(data)
            _expect_presences(message)
        except DecodeError as error:
            self._log.warning("A message on %r was dropped: %s", self._topic, error)
            return
        self._follow(self.shard.receive(message, self._loop.time()))

    def _follow(self, outcome: Outcome) -> None:
        """Send the messages of a shard, report its diffs, and emit the changes of replicas."""
        for node, message in outcome.sends:
            self._pubsub.publish(self._topic, encode(message), node)
        for diff in outcome.diffs:
            self._on_diff(diff)
        statuses = self.shard.replicas
        if statuses != self._statuses:
            before, self._statuses = self._statuses, statuses
            self._tell_changes(before, statuses)

    def _tell_changes(
        self, before: dict[str, ReplicaStatus], after: dict[str, ReplicaStatus]
    ) -> None:
        """Emit an event for each replica whose status has changed."""
        if not self._telemetry.handlers[ReplicaChanged]:
            return
        for node in sorted(before.keys() | after.keys()):
            if node not in after:
                self._telemetry.tell(ReplicaChanged(self._name, node, "gone"))
            elif before.get(node) is not after[node]:
                self._telemetry.tell(ReplicaChanged(self._name, node, after[node].value))


class Tracker:
    """All shards of one ``Presence`` object on this node, while its endpoint runs.

    Args:
        name: The name of the presence, the same on all nodes.
        shards: The number of shards, the same on all nodes.
        periods: How often shards send to other nodes, and how long other nodes can be silent.
        server: The server of the endpoint.
    """

    def __init__(self, name: str, shards: int, periods: Periods, server: Server) -> None:
        self._shards = [
            _RunningShard(f"{name}_shard{index}", periods, server) for index in range(shards)
        ]

    def start(self, on_diff: Callable[[Diff], None]) -> None:
        """Begin to receive from other nodes, and to send to them.

        Args:
            on_diff: Called with each change of other nodes.
        """
        for running in self._shards:
            running.start(on_diff)

    def stop(self) -> None:
        """End all timers, and send a good-bye to the other nodes."""
        for running in self._shards:
            running.stop()

    @property
    def shards(self) -> list[Shard]:
        """The shards, for tests and dashboards."""
        return [running.shard for running in self._shards]

    @property
    def tracked(self) -> int:
        """The number of entries of this node."""
        return sum(running.shard.state.tracked for running in self._shards)

    def _of(self, topic: str) -> _RunningShard:
        shards = self._shards
        return shards[0] if len(shards) == 1 else shards[stable_hash(topic) % len(shards)]

    # Changes of this node.

    def track(self, topic: str, actor: int, key: str, meta: Meta) -> tuple[str, Diff]:
        """Add a presence, and give its meta a phx_ref. Return the phx_ref and the change."""
        running = self._of(topic)
        meta[REF] = ref = running.refs.make()
        diff = running.shard.state.track(topic, actor, key, meta)
        if running.sending_soon is None:
            running.send_soon()
        return ref, diff

    def update(self, topic: str, actor: int, key: str, meta: Meta, old: Meta) -> tuple[str, Diff]:
        """Replace the meta of a presence. The new meta gets a new phx_ref, and the old phx_ref as phx_ref_prev."""
        running = self._of(topic)
        meta[REF] = ref = running.refs.make()
        meta[PREV] = old[REF]
        diff = running.shard.state.update(topic, actor, key, meta)
        if running.sending_soon is None:
            running.send_soon()
        return ref, diff

    def untrack(self, topic: str, actor: int, key: str) -> Diff:
        """Remove a presence, if there is one. Return the change."""
        running = self._of(topic)
        diff = running.shard.state.untrack(topic, actor, key)
        if running.sending_soon is None:
            running.send_soon()
        return diff

    # Queries.

    def own(self, topic: str, actor: int, key: str) -> Meta:
        """Return the meta of a presence of this node, which must be there."""
        meta = self._of(topic).shard.state.get(topic, actor, key)
        assert meta is not None, f"{key!r} of {topic!r} was lost"  # noqa: S101 - we track it
        return meta

    def entries(self, topic: str, key: str | None = None) -> list[Entry]:
        """Return all presences of a topic, or of one of its keys, on every node."""
        return self._of(topic).shard.state.entries(topic, key)


def _expect_presences(message: ShardMessage) -> None:
    """Refuse a message with an entry that no ``Presence`` tracks, since the entry could not be sent to clients.

    Raises:
        DecodeError: The message has an entry without a ref, or with a key or a meta that ``track`` refuses.
    """
    if not isinstance(message, Heartbeat | TransferAck):
        return
    for part in message.delta.values():
        for entry in part.values.values():
            meta = entry.meta
            if not (isinstance(meta.get(REF), str) and isinstance(meta.get(PREV, ""), str)):
                raise DecodeError(
                    f"expected a presence with a phx_ref, got none for {entry.key!r} in {entry.topic!r}"
                )
            try:
                key_of(entry.key)
                encode_json(meta)
            except (PresenceRefused, EncodeError) as error:
                raise DecodeError(str(error)) from error


_last_version = 0


def _version() -> int:
    """Return the time in µs since 1970, but never the same number twice."""
    global _last_version  # noqa: PLW0603 - one clock for the process
    _last_version = max(_last_version + 1, time.time_ns() // 1000)
    return _last_version
