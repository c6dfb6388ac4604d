"""The protocol of one shard, without clock and network. Protocol document, §6.8.

The shards of one number, one on each node, send each other their entries. :mod:`bennu.presence.tracker` calls ``tick``
once every broadcast period, and ``receive`` with each message. Both return an ``Outcome``: messages, which the tracker
sends, and diffs, which it reports. ``now`` is any clock that does not run backwards, in seconds.

1. A **heartbeat** sends the changes (the delta) to all other replicas, once. It is not acknowledged.
2. **Sampling** finds lost changes. Each heartbeat says up to which clock its sender knows everything. The shard requests
   a **transfer** from the replicas that together know more than the shard. The request concerns only replicas that have
   sent a message to this shard. Otherwise a replica that starts while another replica is down would repeat its requests
   without end, for entries that it can't use.
3. The **silence** of a replica hides its entries, and more silence deletes them.

Bennu differs from Phoenix on purpose:

- If a replica is new or back, a shard sends at its next tick, not after its silent ticks: the other replica knows
  nothing until then.
- A message that does not wait for the tick has the clock of its sender alone. With 64 nodes all clocks are 1.5 KB, in each
  message to each node. The tick sends all clocks, at least after the silent ticks.
- A transfer has exactly the replicas of which changes are missing. Each is sent from the smallest generation that is
  enough, or whole. So one transfer is always enough. A long transfer is sent in several messages.
- A replica that is back is shown after its heartbeat is merged, so an entry that the heartbeat removes does not join
  again. Other entries join from memory, once, and can leave after the transfer. While the replica is hidden, changes of
  it that come from a third replica are in no diff (see ``state.py``).
- A message under our own name is ignored: it is an echo, or it is from a second process with our name. Of the two
  processes, other nodes accept the process that started last.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from .clocks import Clocks, Ref, append_clocks, restrict
from .delta import Delta, split_delta
from .entry import Diff
from .generations import Generations
from .messages import Goodbye, Heartbeat, ShardMessage, TransferAck, TransferRequest
from .periods import Periods
from .replicas import Change, Changes, Replicas, ReplicaStatus
from .state import State

__all__ = ["MAX_TRANSFER", "Outcome", "Send", "Shard"]

Send = tuple[str | None, ShardMessage]
"""The node, or None for all other nodes; and the message."""

DEFAULTS: Final = Periods()

MAX_TRANSFER: Final = 1000
"""The most entries of one answer. A bus has a limit of bytes, and the event loop does other work between the messages."""


@dataclass(slots=True)
class Outcome:
    """The messages that the tracker must send, and the diffs that it must report.

    Attributes:
        sends: Messages, in order.
        diffs: The changes that readers see, in order. None of them is empty.
    """

    sends: list[Send] = field(default_factory=list[Send])
    diffs: list[Diff] = field(default_factory=list[Diff])

    def report(self, diff: Diff) -> None:
        """Add a diff, unless it is empty."""
        if diff:
            self.diffs.append(diff)


class Shard:
    """One shard of a tracker on one node.

    Args:
        ref: The name of the node, unique among the nodes, and a vsn, unique among the starts of this node and
            growing: microseconds since 1970.
        periods: How often the shard sends, and how long other replicas can be silent.
        max_delta_sizes: The most entries and tombstones of each generation: a delta in which older deltas are merged,
            for replicas that missed some.

    Attributes:
        ref: The name of the replica: its node and its start.
        state: The state of the replica. Entries of this node are tracked, updated and untracked there.

    Example:
        >>> shard = Shard(("node1", 1))
        >>> shard.state.track("room:1", 5, "u1", {"phx_ref": "R1"}).joins
        [Entry(topic='room:1', actor=5, key='u1', meta={'phx_ref': 'R1'})]
    """

    __slots__ = (
        "_clocks",
        "_generations",
        "_periods",
        "_replicas",
        "_silent",
        "_ticks",
        "ref",
        "state",
    )

    def __init__(
        self,
        ref: Ref,
        periods: Periods = DEFAULTS,
        max_delta_sizes: tuple[int, ...] = (100, 1000, 10_000),
    ) -> None:
        self.ref = ref
        self._periods = periods
        self.state = State(ref)
        self._generations = Generations(max_delta_sizes)
        self._replicas = Replicas(periods.down, periods.permdown)
        self._clocks: dict[Ref, Clocks] = {}
        self._silent = periods.silent_ticks  # so the first tick sends
        self._ticks = 0

    @property
    def replicas(self) -> dict[str, ReplicaStatus]:
        """The status of each other replica, by the name of its node."""
        return self._replicas.statuses()

    def tick(self, now: float) -> Outcome:
        """End a broadcast period: send a heartbeat, look for missed changes, and for replicas that are silent."""
        outcome = Outcome()
        self._speak(outcome)
        self._ticks += 1
        if self._ticks % self._periods.clock_samples == 0:
            outcome.sends += self._sample()
        self._apply(self._replicas.passed(now), outcome)
        return outcome

    def send_changes(self) -> Outcome:
        """Send the changes before the period is over. If there are none, nothing is sent."""
        outcome = Outcome()
        delta = self.state.take_delta()
        if delta:
            self._tell(delta, {self.ref: self.state.clock}, outcome)
        return outcome

    def receive(self, message: ShardMessage, now: float) -> Outcome:
        """Handle a message of another replica."""
        outcome = Outcome()
        if message.ref[0] == self.ref[0]:
            return outcome
        match message:
            case Heartbeat():
                self._hear(message, now, outcome)
            case TransferRequest():
                for delta in split_delta(self._answer(message), MAX_TRANSFER):
                    outcome.sends.append((message.ref[0], TransferAck(self.ref, delta)))
            case TransferAck():
                self._fill(message.delta, outcome)
            case _:  # Goodbye
                self._apply(self._replicas.said_goodbye(message.ref, now), outcome)
        return outcome

    def goodbye(self) -> ShardMessage:
        """Return the message to send to all other replicas before this shard ends, so that its entries leave at once."""
        return Goodbye(self.ref)

    def _speak(self, outcome: Outcome) -> None:
        delta = self.state.take_delta()
        if delta or self._silent >= self._periods.silent_ticks:
            self._tell(delta, self.state.clocks(), outcome)
            self._silent = 0
        else:
            self._silent += 1

    def _tell(self, delta: Delta, clocks: Clocks, outcome: Outcome) -> None:
        self._generations.push(delta)
        outcome.sends.append((None, Heartbeat(self.ref, delta, clocks)))

    def _sample(self) -> list[Send]:
        known = self.state.clocks(hidden=True)
        dominant: list[tuple[Ref, Clocks]] = []
        for owner, clocks in self._clocks.items():
            dominant = append_clocks(dominant, owner, restrict(clocks, known))
        # This replica is added last: replicas that know no more than it are then left out.
        dominant = append_clocks(dominant, self.ref, known)
        self._clocks.clear()
        request = TransferRequest(self.ref, known)
        return [(owner[0], request) for owner, _ in dominant if owner != self.ref]

    def _hear(self, message: Heartbeat, now: float, outcome: Outcome) -> None:
        changes = self._replicas.heard(message.ref, now)
        if changes is None:
            return
        self._apply(changes, outcome)
        news = self.state.relevant(message.delta)
        outcome.report(self.state.merge(news))
        outcome.report(self.state.show(message.ref))
        self._generations.push(news)
        clocks = message.clocks
        if clocks.keys() == {message.ref}:  # it says nothing of other replicas
            clocks = {**self._clocks.get(message.ref, {}), **clocks}
        self._clocks[message.ref] = clocks

    def _answer(self, request: TransferRequest) -> Delta:
        delta: Delta = {}
        for ref, clock in self.state.sent_clocks().items():
            known = request.clocks.get(ref)
            if known is not None and known < clock and ref != request.ref:
                part = self._generations.find(ref, known, clock)
                delta[ref] = part or self.state.extract(ref)
        return delta

    def _fill(self, delta: Delta, outcome: Outcome) -> None:
        news = self.state.relevant(delta)
        outcome.report(self.state.merge(news))
        for ref, part in news.items():
            if part.start == 0:  # the part is whole: the generations begin anew with the next delta
                self._generations.forget(ref)
            else:
                self._generations.push({ref: part})

    def _apply(self, changes: Changes, outcome: Outcome) -> None:
        for ref, change in changes:
            match change:
                case Change.UP:
                    self.state.introduce(ref)
                    self._silent = self._periods.silent_ticks
                case Change.DOWN:
                    outcome.report(self.state.hide(ref))
                case _:  # Change.PERMDOWN
                    outcome.report(self.state.forget(ref))
                    self._generations.forget(ref)
                    self._clocks.pop(ref, None)
