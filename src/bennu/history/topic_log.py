"""One topic with history on one node: its gate, and the reads that the gate asks for.

Theory of operation
-------------------
A topic is followed while this node has a subscriber of it, and for ``LINGER`` seconds after. Before each read the node
makes sure that it hears new entries, so that nothing falls between the read and the first announcement. A read that fails
is repeated when the store is back (:mod:`.guard`), or after a pause that grows; a join does not wait for the pause.

An entry that waits for an earlier one is no reason to read at once: two nodes that publish at the same time announce their
entries over different connections. So the read begins after ``GAP_PATIENCE`` seconds, if the earlier one has not come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..errors import StoreUnavailable
from ..store.entry import LogEntry
from ..store.store import Head
from .gate import Gate
from .history import History
from .member import HistoryMember

if TYPE_CHECKING:
    from .logs import Logs

__all__ = ["LINGER", "TopicLog"]

LINGER: Final = 30.0
"""Seconds from the last subscriber of a topic until the topic is forgotten."""

GAP_PATIENCE: Final = 0.05
"""Seconds for which the gate waits for an earlier entry, before it reads the store."""

FIRST_PAUSE: Final = 0.1
LAST_PAUSE: Final = 5.0
"""Seconds between two attempts to read, which double from the first to the last."""


class TopicLog:
    """A followed topic.

    Args:
        logs: The logs of the endpoint.
        topic: The topic.
        history: Its history.

    Attributes:
        gate: The gate.
        history: As given.
        senders: The local senders, by the hash of their clients: they don't get their own entries.
        users: How many subscribers and joins keep the topic.
        idle_since: Since when nobody keeps it, by the clock of the event loop.
        is_crowded: Whether the batch of this turn was full when the last entry was passed on.
        is_quiet: Whether no entry came since the last check.
    """

    __slots__ = (
        "_gap_timer",
        "_is_reading",
        "_logs",
        "_pause",
        "_retry",
        "gate",
        "history",
        "idle_since",
        "is_crowded",
        "is_quiet",
        "senders",
        "topic",
        "users",
    )

    def __init__(self, logs: Logs, topic: str, history: History) -> None:
        self._logs = logs
        self.topic = topic
        self.history = history
        account = logs.pubsub.telemetry.accounts.of(topic)
        self.gate = Gate(self._deliver, history.bounds, account)
        self.senders: dict[int, object] = {}
        self.users = 0
        self.idle_since = 0.0
        self.is_crowded = False
        self.is_quiet = True
        self._is_reading = False
        self._pause = FIRST_PAUSE
        self._retry: asyncio.TimerHandle | None = None
        self._gap_timer: asyncio.TimerHandle | None = None

    # Members.

    def join(self, member: HistoryMember, owner: object) -> None:
        """Let a member join. It is answered after a read that begins now or later.

        Args:
            member: The member.
            owner: The channel, as the sender of broadcasts.
        """
        if member.sender:
            self.senders[member.sender] = owner
        if not self._logs.guard.is_up:
            self.gate.refuse(member)
            return
        self.gate.join(member)
        self.wake(is_urgent=True)

    def leave(self, member: HistoryMember, owner: object) -> None:
        """Forget a member that has ended, and that :meth:`Logs.keep` has kept the topic for."""
        if self.senders.get(member.sender) is owner:
            del self.senders[member.sender]
        self.gate.leave(member)
        if self._logs.follows(self):
            self._logs.let_go(self.topic)

    def may_write(self, again: Callable[[], object]) -> bool:
        """Return whether a member that catches up can write a batch now; if not, it is called again."""
        return self._logs.turns.take(again)

    # Entries.

    def take(self, epoch: str, entry: LogEntry) -> None:
        """Take a new entry: of this node, or one that was announced."""
        self.is_quiet = False
        gate = self.gate
        gate.receive(epoch, entry)
        if gate.wants_read or gate.has_gap:
            self.wake()

    def compare(self, head: Head | None) -> None:
        """Take where the log stands, by a check."""
        self.gate.compare(head)
        self.wake()

    def read_again(self) -> None:
        """Read the log: entries may have come of which nobody has told this node."""
        self.gate.wants_read = True
        self.wake(is_urgent=True)

    def _deliver(self, entry: LogEntry) -> None:
        # The channel that a client has joined last comes first: an earlier one can still have broadcast the entry.
        origin = self.senders.get(entry.sender) or self._logs.origins.get(entry.id)
        try:
            self.is_crowded = self._logs.pubsub.pass_on(self.topic, self.gate.epoch, entry, origin)
        except Exception:
            self._logs.log.exception("Entry %d of %r could not be sent", entry.offset, self.topic)

    # Reads.

    def wake(self, *, is_urgent: bool = False) -> None:
        """Read the store, if the gate asks for it.

        Args:
            is_urgent: Whether not to wait for the pause after a read that has failed. Default: False.
        """
        if self._is_reading or not self._logs.follows(self):
            return
        if self._retry is not None and is_urgent:
            self._retry.cancel()
            self._retry = None
        if self.gate.wants_read:
            if self._retry is not None:
                return
            self._is_reading = True
            self._logs.spawn(self._read())
        elif self.gate.has_gap and self._gap_timer is None:
            loop = asyncio.get_running_loop()
            self._gap_timer = loop.call_later(GAP_PATIENCE, self._read_gap)

    def _read_gap(self) -> None:
        self._gap_timer = None
        if self.gate.has_gap:
            self.read_again()

    async def _read(self) -> None:
        """Read for as long as the gate asks for it, and the topic is kept."""
        logs, gate = self._logs, self.gate
        try:
            while logs.follows(self) and gate.wants_read:
                request = gate.next_read()
                if request is None:
                    return
                try:
                    await logs.hear(self.topic)
                    gate.answer(await logs.read(self.topic, request, self.history))
                except StoreUnavailable:
                    self._failed()
                    return
                except Exception:
                    logs.log.exception("The log of %r can't be read", self.topic)
                    self._failed()
                    return
                self._pause = FIRST_PAUSE
        finally:
            self._is_reading = False
        self.wake()

    def _failed(self) -> None:
        """Read again: when the store is back, or after a pause if it is not down."""
        self.gate.failed()
        if self._logs.guard.is_up and self._logs.follows(self):
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(self._pause, self._read_later)
            self._pause = min(2 * self._pause, LAST_PAUSE)

    def _read_later(self) -> None:
        self._retry = None
        self.wake()

    def stop(self) -> None:
        """Forget the timers. The topic is not followed any more."""
        for timer in (self._gap_timer, self._retry):
            if timer is not None:
                timer.cancel()
        self._gap_timer = self._retry = None
