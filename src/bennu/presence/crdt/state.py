"""The knowledge of one replica about all replicas: an add-wins observed-remove set. Protocol document, §6.7.

For each replica that it knows, itself included, a state holds a part (``delta.py``) whose span begins with the first
clock. Only a replica itself adds and removes its entries. The other replicas merge the deltas that they receive. The
number of an actor is unique only within its replica. So two replicas never have the same entry.

Readers see the entries of replicas that are not *hidden*. A replica is hidden at first, and is hidden again while it is
down. Entries that are merged in this time are not seen, and are in no diff. When a replica is shown, all its entries
join. When it is hidden, all its entries leave. So the sum of all diffs always equals what ``entries`` returns. Phoenix
differs: its merge reports joins of a replica that is down if they come from a third replica. It reports these joins
again when the replica is up.

Changes of this replica gather in a delta, until it is taken for a heartbeat. Changes of other replicas are not noted: their
replica sends them, or a transfer brings them. Phoenix repeats the removals of all other replicas in its own deltas. Then n
nodes send each removal n times. With 16 nodes that made nine tenths of the work of a merge.
"""

from __future__ import annotations

from typing import Any, Final

from ...errors import AlreadyTracked, NotTracked
from .clocks import Clocks, Ref
from .delta import Delta, Part, drop_span, gone
from .entry import Diff, Entry

__all__ = ["State"]

LONGEST: Final = 100_000
"""The most clocks of a span beyond a gap. A longer span counts as lost, and a transfer brings it."""


class _Holding:
    """The knowledge about one replica: each clock up to ``clock``, a cloud of later clocks, and the entries."""

    __slots__ = ("clock", "cloud", "hidden", "values")

    def __init__(self) -> None:
        self.clock = 0
        self.cloud: set[int] = set()
        self.values: dict[int, Entry] = {}
        self.hidden = True

    def knows(self, clock: int) -> bool:
        return clock <= self.clock or clock in self.cloud

    def is_beyond(self, part: Part) -> bool:
        """Return whether a part lies beyond a gap and is so long that it counts as lost.

        Each clock beyond a gap takes memory, and a few bytes of a message can contain any number of clocks.
        """
        return part.start > self.clock and part.end - part.start > LONGEST

    def learn(self, part: Part) -> None:
        """Add the clocks of a part."""
        self.cloud |= part.cloud
        if part.start <= self.clock:
            self.clock = max(self.clock, part.end)
        else:
            self.cloud.update(range(part.start + 1, part.end + 1))
        if self.cloud:
            drop_span(self.cloud, 0, self.clock)
            while self.clock + 1 in self.cloud:
                self.clock += 1
                self.cloud.remove(self.clock)


class State:
    """The state of one replica.

    Args:
        ref: The replica.
    """

    __slots__ = ("_delta", "_holdings", "_me", "_own", "_topics", "ref")

    def __init__(self, ref: Ref) -> None:
        self.ref = ref
        self._me = _Holding()
        self._me.hidden = False
        self._holdings = {ref: self._me}
        self._topics: dict[str, dict[Ref, dict[int, Entry]]] = {}  # the entries of all replicas
        self._own: dict[tuple[str, int, str], int] = {}  # the clocks of our entries
        self._delta: Delta = {ref: Part()}

    # Queries.

    @property
    def tracked(self) -> int:
        """The number of entries of this replica."""
        return len(self._own)

    def get(self, topic: str, actor: int, key: str) -> dict[str, Any] | None:
        """Return the meta of an entry of this replica, or None."""
        clock = self._own.get((topic, actor, key))
        return None if clock is None else self._me.values[clock].meta

    def entries(self, topic: str, key: str | None = None) -> list[Entry]:
        """Return the entries of a topic in the order of their actors, then of the names of their nodes.

        Args:
            topic: The topic.
            key: If given, only the entries of this key.
        """
        found = [
            (entry.actor, ref, entry.key, clock, entry)
            for ref, values in self._topics.get(topic, {}).items()
            if not self._holdings[ref].hidden
            for clock, entry in values.items()
            if key is None or entry.key == key
        ]
        found.sort()  # no two have the same first four, so entries are not compared
        return [entry for *_, entry in found]

    # Our own changes.

    def track(self, topic: str, actor: int, key: str, meta: dict[str, Any]) -> Diff:
        """Add an entry.

        Args:
            topic: The topic.
            actor: The number of the owner, unique within this replica.
            key: The key.
            meta: The meta, with its ``phx_ref``, of values that MessagePack carries. It must not be changed later.

        Raises:
            AlreadyTracked: The actor has this key in this topic.
        """
        if (topic, actor, key) in self._own:
            raise AlreadyTracked(topic, key)
        entry, own = Entry(topic, actor, key, meta), self._delta[self.ref]
        clock = self._me.clock = own.end = self._me.clock + 1
        self._me.values[clock] = own.values[clock] = entry
        self._own[topic, actor, key] = clock
        self._topics.setdefault(topic, {}).setdefault(self.ref, {})[clock] = entry
        return Diff(joins=[entry])

    def untrack(self, topic: str, actor: int, key: str) -> Diff:
        """Remove an entry, if it is there."""
        clock = self._own.get((topic, actor, key))
        return Diff() if clock is None else Diff(leaves=[self._remove(clock)])

    def update(self, topic: str, actor: int, key: str, meta: dict[str, Any]) -> Diff:
        """Replace the meta of an entry, as one diff: the old entry leaves, and the new one joins.

        Raises:
            NotTracked: The actor does not have this key in this topic.
        """
        clock = self._own.get((topic, actor, key))
        if clock is None:
            raise NotTracked(topic, key)
        left = self._remove(clock)
        return Diff(self.track(topic, actor, key, meta).joins, [left])

    def take_delta(self) -> Delta:
        """Return the changes that were not sent yet, and count them as sent. The delta is empty if there are none."""
        taken, clock = self._delta, self._me.clock
        self._delta = {self.ref: Part(clock, clock)}
        if taken[self.ref].start == clock:
            del taken[self.ref]
        return taken

    # Other replicas.

    def introduce(self, ref: Ref) -> None:
        """Begin to merge parts about a replica. The replica is hidden at first."""
        self._holdings.setdefault(ref, _Holding())

    def show(self, ref: Ref) -> Diff:
        """Show a replica's entries to readers."""
        holding = self._holdings[ref]
        was_hidden, holding.hidden = holding.hidden, False
        return Diff(joins=list(holding.values.values())) if was_hidden else Diff()

    def hide(self, ref: Ref) -> Diff:
        """Hide a replica's entries from readers."""
        holding = self._holdings[ref]
        was_hidden, holding.hidden = holding.hidden, True
        return Diff() if was_hidden else Diff(leaves=list(holding.values.values()))

    def forget(self, ref: Ref) -> Diff:
        """Remove all knowledge about a replica."""
        diff = self.hide(ref)
        for clock, entry in self._holdings.pop(ref).values.items():
            self._unlist(ref, clock, entry)
        self._delta.pop(ref, None)
        return diff

    @property
    def clock(self) -> int:
        """The number of changes of this replica."""
        return self._me.clock

    def clocks(self, *, hidden: bool = False) -> Clocks:
        """Return, for each replica, the clock up to which everything is known.

        Args:
            hidden: Whether hidden replicas are included.
        """
        return {
            ref: holding.clock
            for ref, holding in self._holdings.items()
            if hidden or not holding.hidden
        }

    def sent_clocks(self) -> Clocks:
        """Return the clocks of all replicas; for this replica, the clock up to which its deltas were taken."""
        return self.clocks(hidden=True) | {self.ref: self._delta[self.ref].start}

    def extract(self, ref: Ref) -> Part:
        """Return all knowledge about a replica."""
        holding = self._holdings[ref]
        return Part(0, holding.clock, set(holding.cloud), dict(holding.values))

    def relevant(self, delta: Delta) -> Delta:
        """Return the parts of a delta about known replicas other than this replica."""
        return {
            ref: part
            for ref, part in delta.items()
            if ref in self._holdings and ref != self.ref and not self._holdings[ref].is_beyond(part)
        }

    def merge(self, delta: Delta) -> Diff:
        """Merge a delta. Parts that are not relevant are left out. The delta is not changed."""
        diff = Diff()
        for ref, part in self.relevant(delta).items():
            holding = self._holdings[ref]
            left = [(clock, holding.values.pop(clock)) for clock in gone(holding.values, part)]
            joined = [pair for pair in part.values.items() if not holding.knows(pair[0])]
            for clock, entry in left:
                self._unlist(ref, clock, entry)
            for clock, entry in joined:
                self._topics.setdefault(entry.topic, {}).setdefault(ref, {})[clock] = entry
            holding.values.update(joined)
            holding.learn(part)
            if not holding.hidden:
                diff.leaves += [entry for _, entry in left]
                diff.joins += [entry for _, entry in joined]
        return diff

    def _remove(self, clock: int) -> Entry:
        entry = self._me.values.pop(clock)
        del self._own[entry.topic, entry.actor, entry.key]
        self._unlist(self.ref, clock, entry)
        own = self._delta[self.ref]
        if clock > own.start:
            del own.values[clock]
        else:
            own.cloud.add(clock)
        # A removal takes a clock too, so that other replicas see from our clock that they missed it.
        self._me.clock = own.end = self._me.clock + 1
        return entry

    def _unlist(self, ref: Ref, clock: int, entry: Entry) -> None:
        """Remove an entry from its topic."""
        replicas = self._topics[entry.topic]
        entries = replicas[ref]
        del entries[clock]
        if not entries:
            del replicas[ref]
            if not replicas:
                del self._topics[entry.topic]
