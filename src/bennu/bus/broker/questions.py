"""The questions about numbers between nodes, and their answers.

Theory of operation
-------------------
**Ask.** When the broker has confirmed a subscription, the node asks all others where they stand in its topics. Each answers
to the asking node alone, and names the topics in which it has published. ``subscribe`` does not wait for the answers: a node
that hangs must not delay it. From the answer on, no message of that node is missed without being counted.

A member that has not answered is asked again, alone, with growing pauses, and at once when it comes back.

A node that appears for the first time has published nothing before, so nobody asks it. If this node could not hear when
another node appeared, it asks it for all its topics. The answer has the age of the other node: if it began after a
subscription, then all that it published in the topic was for this node, and its base is 0.

**Recall.** A node that could not hear the broker for some seconds asks all others for marks of what they have published since.
Each answers by marks on the topics' channels, which travel as the messages do. So all that was lost is counted at once. A
member that does not answer is asked again, too.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final

from ..bus import Loss, LossReason, Lost
from ..numbers import IN_RUN, Key
from .frames import PART, Answer, Ask, BrokerFrame, Recall, Recalled
from .members import Member, Members
from .publishing import Publishing
from .subscriptions import SubscriptionBatch, Subscriptions

__all__ = ["Questions"]

LONGEST_PAUSE: Final = 64
"""Turns between two questions to a member that does not answer."""

DRIFT: Final = 1.001
"""How much faster the clock of another node can be."""

GATHER: Final = 0.02
"""Seconds for which recalls are gathered. After a restart of a broker all nodes recall."""

GATHER_ASKS: Final = 0.1
"""Seconds between two questions to all nodes."""

Tell = Callable[[str | None, BrokerFrame], object]
"""Sends a control frame to a node, or to all."""


class Questions:
    """Asks the other nodes, and answers them.

    Args:
        tell: Sends a control frame to a node, or to all.
        members: The other nodes.
        subscriptions: What this node hears.
        publishing: What this node publishes.
        beat: Seconds of a turn.
        lost: Called with the losses.
    """

    __slots__ = (
        "_ask_timer",
        "_beat",
        "_begun",
        "_loop",
        "_lost",
        "_members",
        "_publishing",
        "_recall",
        "_recalls",
        "_subscriptions",
        "_tell",
        "_timer",
        "_to_ask",
    )

    def __init__(
        self,
        tell: Tell,
        members: Members,
        subscriptions: Subscriptions,
        publishing: Publishing,
        beat: float,
        lost: Lost,
    ) -> None:
        self._tell = tell
        self._members = members
        self._subscriptions = subscriptions
        self._publishing = publishing
        self._beat = beat
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._begun: float | None = None
        self._recall = 0
        self._recalls: dict[str, tuple[int, int]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._to_ask: list[SubscriptionBatch] = []
        self._ask_timer: asyncio.TimerHandle | None = None

    @property
    def age(self) -> float:
        """Seconds since this node came to the bus."""
        return 0.0 if self._begun is None else self._loop.time() - self._begun

    def begin(self) -> None:
        """Note that this node is on the bus."""
        if self._begun is None:
            self._begun = self._loop.time()

    def stop(self) -> None:
        """Ask and answer no more."""
        for timer in (self._timer, self._ask_timer):
            if timer is not None:
                timer.cancel()

    # Questions of this node.

    def confirmed(self, batches: list[SubscriptionBatch]) -> None:
        """Ask all nodes about the topics of batches that were just confirmed: at once, or soon if they come often."""
        self._to_ask += batches
        if self._ask_timer is None:
            self._ask_all()

    def _ask_all(self) -> None:
        self._ask_timer = None
        if self._to_ask and self._publishing.outbox.is_connected:
            batches, self._to_ask = self._to_ask, []
            self._ask(None, batches[0].generation - 1, batches, batches[-1].generation)
            self._ask_timer = self._loop.call_later(GATHER_ASKS, self._ask_all)

    def arrived(self, member: Member) -> None:
        """Take the first heartbeat of a member that was there before this node heard it, or has come back."""
        if member.known.generation < self._subscriptions.generation:
            self._ask_again(member)
        if member.deaf_since is not None:
            self._tell(member.name, Recall(self._recall, self._seconds(member)))

    def begins(self, member: Member) -> None:
        """Take the first heartbeat of a member that has just come to the bus: its bases are 0."""
        member.deaf_since = None
        self._answered(member, 0, self._subscriptions.generation, {})

    def deaf(self, since: float) -> None:
        """Note that this node may have missed all messages since a time."""
        self._recall += 1
        if self._members.deaf_since is None:
            self._members.deaf_since = since
        for member in self._members:
            known = math.inf if member.deaf_since is None else member.deaf_since
            member.deaf_since = min(known, since)
            member.ask_soon()

    def hear_again(self) -> None:
        """Ask all nodes for marks, and about what was subscribed to meanwhile."""
        if self._ask_timer is None:
            self._ask_all()
        if self._members.deaf_since is None:
            return
        since = [one.deaf_since for one in self._members if one.deaf_since is not None]
        earliest = min([self._members.deaf_since, *since]) if since else self._members.deaf_since
        self._tell(None, Recall(self._recall, self._loop.time() - earliest))

    def turn(self, turn: int) -> None:
        """Ask again those who have not answered."""
        for member in self._members.present:
            is_behind = member.known.generation < self._subscriptions.generation
            if not is_behind and member.deaf_since is None:
                member.behind = None
                member.pause = 1
            elif member.behind is None:
                member.behind = turn
            elif turn - member.behind >= member.pause:
                member.behind = turn
                member.pause = min(2 * member.pause, LONGEST_PAUSE)
                self.arrived(member)

    def _seconds(self, member: Member) -> float:
        return 0.0 if member.deaf_since is None else self._loop.time() - member.deaf_since

    def _ask_again(self, member: Member) -> None:
        """Ask a member about all topics that it has not answered."""
        since = member.known.generation
        batches = {
            known.batch
            for known in self._subscriptions.topics.values()
            if since < known.batch.generation <= self._subscriptions.generation
        }
        in_order = sorted(batches, key=lambda batch: batch.generation)
        self._ask(member.name, since, in_order, self._subscriptions.generation)

    def _ask(
        self, name: str | None, since: int, batches: list[SubscriptionBatch], last: int
    ) -> None:
        """Ask a member, or all, about the generations after ``since`` up to ``last``, in frames of whole generations."""
        now = self._loop.time()
        topics: list[str] = []
        size = 0
        for batch in batches:
            own = [topic for topic in batch.topics if self._is_of(topic, batch)]
            if topics and size + batch.size > PART:
                self._tell(name, Ask(since, batch.generation - 1, now, topics))
                since, topics, size = batch.generation - 1, [], 0
            topics += own
            size += batch.size
        self._tell(name, Ask(since, last, now, topics))

    def _is_of(self, topic: str, batch: SubscriptionBatch) -> bool:
        known = self._subscriptions.topics.get(topic)
        return known is not None and known.batch is batch

    # Answers of the others.

    def answer(self, member: Member, answer: Answer) -> None:
        """Take an answer."""
        began = answer.at - answer.age * DRIFT
        floors: dict[Key, int] = {}
        for topic, to_all, to_me in answer.floors:
            known = self._subscriptions.topics.get(topic)
            if known is not None:
                is_after = began > known.batch.since
                for key, floor in ((topic, to_all), ((topic, ""), to_me)):
                    if floor:
                        floors[key] = floor & ~IN_RUN if is_after else floor
        self._answered(member, answer.since, answer.generation, floors)

    def _answered(
        self, member: Member, since: int, generation: int, floors: dict[Key, int]
    ) -> None:
        generation = min(generation, self._subscriptions.generation)
        found = member.known.answer(since, generation, floors, self._generation_of)
        for key, missed in found:
            topic = key if isinstance(key, str) else key[0]
            self._lost(Loss(member.name, topic, missed, LossReason.GAP))

    def _generation_of(self, key: Key) -> int:
        topic = key if isinstance(key, str) else key[0]
        return self._subscriptions.topics[topic].batch.generation

    def recalled(self, member: Member, recalled: Recalled) -> None:
        """Take the end of the marks that this node has asked for."""
        if recalled.number == self._recall and member.deaf_since is not None:
            member.deaf_since = None
            if not recalled.is_complete and self._subscriptions.topics:
                self._lost(Loss(member.name, None, None, LossReason.GAP))

    # Questions of the others.

    def asked(self, member: Member, ask: Ask) -> None:
        """Answer a question."""
        mark = self._publishing.numbers.mark
        floors: list[tuple[str, int, int]] = []
        for topic in ask.topics:
            to_all, to_one = mark(topic), mark((topic, member.name))
            if to_all or to_one:
                floors.append((topic, to_all, to_one))
        self._tell(member.name, Answer(ask.since, ask.generation, ask.at, self.age, floors))

    def recall(self, member: Member, recall: Recall) -> None:
        """Send the marks that another node asks for."""
        turns = math.ceil(min(max(recall.seconds, 0.0), 1e9) / self._beat) + 2
        self._recalls[member.name] = (recall.number, self._publishing.numbers.turn - turns)
        if self._timer is None:
            self._timer = self._loop.call_later(GATHER, self._send_marks)

    def _send_marks(self) -> None:
        self._timer = None
        recalls, self._recalls = self._recalls, {}
        publishing = self._publishing
        since = min(turn for _, turn in recalls.values())
        publishing.mark(
            stream
            for stream in publishing.numbers.since(since)
            if isinstance(stream.key, str) or stream.key[1] in recalls
        )
        for name, (number, turn) in recalls.items():
            is_complete = publishing.numbers.forgotten < turn or publishing.numbers.forgotten < 0
            self._tell(name, Recalled(number, is_complete))
