"""Accounts: what became of the messages of each topic on this node. Pure.

Theory of operation
-------------------
The *members* of a topic on a node are its joined channels. When the node passes a message on, each member is *due* one
delivery. Each due delivery becomes exactly one of these:

============  ====================================================================================================
delivered     handed to the connection's transport; whether the client has read it, no server knows
own           left out, because the member is the sender of a ``broadcast_from``
handled       given to the ``@on_out`` handler of the channel
dropped       dropped, by its reason (:class:`~bennu.reasons.DropReason`)
waiting       in the queue of a client that reads slowly
behind        an entry of a history that the member has not reached yet: it catches up
cut           the channel ended while the entry was ``behind``, so its client gets it after the next join
============  ====================================================================================================

So this holds at any time between two turns of the event loop (:attr:`Account.is_balanced`)::

    due = delivered + own + handled + dropped + waiting + behind + cut

Both sides are counted where they happen, never computed from each other, so a loss that nobody counts makes the sides
differ. The lanes of a topic are counted with one addition for each lane and broadcast, not for each connection.

Beside the identity: ``recovered`` are entries of replays, which were due before the join, perhaps on another node. ``missed``
counts joins that could not recover, by reason. ``lost`` are messages that the bus has lost on their way to this node; the
nodes of a topic with history read them from the store, and then they are due. Pushes, replies and listeners are not
counted, and neither is what a handler of ``@on_out`` makes of a message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from ..reasons import DropReason

__all__ = ["Account", "Accounts"]

MAX_TOPICS: Final = 10_000
"""The most topics that have accounts of their own. Clients can choose names of topics."""

MAX_TOPIC: Final = 200
"""Characters of the longest topic that has an account of its own."""

OTHERS: Final = "*"
"""The account of all other topics."""


class Account:
    """What became of the messages of one topic on this node. The module explains the numbers.

    Attributes:
        messages: The messages that were passed on.
        dropped: Dropped deliveries by reason.
        missed: Joins that could not recover what their client had missed, by the reason in the reply.
        lost: Messages that the bus has lost, as far as their number is known.
        late: Called with the number and the bytes of deliveries that a queue had held; None if nobody counts them.
    """

    __slots__ = (
        "behind",
        "cut",
        "delivered",
        "dropped",
        "due",
        "handled",
        "late",
        "lost",
        "messages",
        "missed",
        "own",
        "recovered",
        "waiting",
    )

    def __init__(self) -> None:
        self.messages = 0
        self.due = 0
        self.delivered = 0
        self.own = 0
        self.handled = 0
        self.waiting = 0
        self.behind = 0
        self.cut = 0
        self.recovered = 0
        self.lost = 0
        self.dropped: Counter[DropReason] = Counter()
        self.missed: Counter[str] = Counter()
        self.late: Callable[[int, int], object] | None = None

    @property
    def accounted(self) -> int:
        """The due deliveries of which the account says what became of them."""
        known = self.delivered + self.own + self.handled + self.waiting + self.behind + self.cut
        return known + self.dropped.total()

    @property
    def is_balanced(self) -> bool:
        """Whether the account says of each due delivery what became of it."""
        return self.due == self.accounted

    def drop(self, reason: DropReason, count: int = 1) -> None:
        """Count due deliveries that were dropped at once."""
        self.dropped[reason] += count

    # Members that catch up.

    def fell_behind(self, count: int) -> None:
        """Count an entry that some members have not reached yet."""
        self.due += count
        self.behind += count

    def cut_off(self, count: int) -> None:
        """Count entries that a member had not reached when its channel ended."""
        self.behind -= count
        self.cut += count

    # The queue of a client that reads slowly.

    def queued(self) -> None:
        """Count a message that waits in a queue."""
        self.waiting += 1

    def unqueued(self, reason: DropReason | None = None, size: int = 0) -> None:
        """Count a message that has left a queue: to the transport, or dropped for a reason.

        Args:
            reason: The reason of a drop; None for a message that goes to the transport.
            size: Its bytes.
        """
        self.waiting -= 1
        if reason is None:
            self.delivered += 1
            if self.late is not None:
                self.late(1, size)
        else:
            self.dropped[reason] += 1

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        return {
            "messages": self.messages,
            "due": self.due,
            "delivered": self.delivered,
            "own": self.own,
            "handled": self.handled,
            "dropped": {reason.text: count for reason, count in self.dropped.items()},
            "waiting": self.waiting,
            "behind": self.behind,
            "cut": self.cut,
            "recovered": self.recovered,
            "missed": dict(self.missed),
            "lost": self.lost,
        }


class Accounts:
    """The accounts of a node, since its start."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    def of(self, topic: str) -> Account:
        """Return the account of a topic. Beyond 10,000 topics it is the one of all other topics."""
        account = self._accounts.get(topic)
        if account is None:
            if len(topic) > MAX_TOPIC or len(self._accounts) >= MAX_TOPICS:
                topic = OTHERS
            account = self._accounts.setdefault(topic, Account())
        return account

    def items(self) -> tuple[tuple[str, Account], ...]:
        """Return all accounts by topic. They go on counting."""
        return tuple(self._accounts.items())

    def all(self, topic: str | None = None) -> dict[str, dict[str, Any]]:
        """Return the numbers by topic.

        Args:
            topic: The only topic to return, if it has an account. Default: None, all topics.
        """
        return {
            name: account.as_dict()
            for name, account in self._accounts.items()
            if topic is None or name == topic
        }
