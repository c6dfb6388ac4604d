"""Deltas: the part of its knowledge that one replica sends to another. Protocol document, §6.7.

Each track and each untrack takes a *clock* of the replica that does it. The clock of an entry is its name.
So the knowledge about a replica is two sets: the clocks that are known, and the subset of them whose entry is still
there. The entry of a clock that is known and has no entry is gone for good, or never existed. It follows:

- A merge is a union. A clock is known if either side knows it. An entry is there if both sides have it, or if one side
  has it and the other side does not know its clock. A merge is commutative, associative and idempotent. So messages can
  be late, doubled, or out of order.
- A removal needs no separate message: it is a clock that is known, without an entry.

A ``Part`` is such a pair of sets about one replica. Almost all clocks that it knows are one span, which is written as
its two ends. The ``cloud`` is the rest: entries from before the span that are gone, and clocks from beyond a gap.

A removal takes a clock too, and a message with this clock also has the removal. So a replica that knows all clocks up to
some c has also applied all removals until then. That is why a comparison of clocks is enough to find missed changes.

A ``Delta`` has one part for each replica that it describes. An *extract* of Phoenix is here a part whose span begins
at 0. Phoenix holds every known clock of a delta in its clouds. Bennu holds only the span. So the size of a delta follows
from the entries that are present, not from the number of past changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from msgspec import Meta, Struct, field

from .clocks import Ref
from .entry import Entry

__all__ = [
    "Delta",
    "Part",
    "copy_delta",
    "delta_size",
    "drop_span",
    "gone",
    "merge_deltas",
    "split_delta",
]

Clock = Annotated[int, Meta(ge=0)]


class Part(Struct, array_like=True):
    """The knowledge about one replica, or a part of it.

    Attributes:
        start: The start of the span: each clock after it is known, up to ``end``.
        end: The end of the span. If it equals ``start``, there is no span.
        cloud: Clocks that are known beside the span.
        values: The entries that are still there, by their clock.

    Raises:
        ValueError: The span ends before it begins, or an entry has a clock that is not known.
    """

    start: Clock = 0
    end: Clock = 0
    cloud: set[Clock] = field(default_factory=set[int])
    values: dict[Clock, Entry] = field(default_factory=dict[int, Entry])

    def __post_init__(self) -> None:
        if self.start > self.end:
            raise ValueError(f"a span ends at {self.end} and begins after that, at {self.start}")
        for clock in self.values:
            if not self.knows(clock):
                raise ValueError(f"an entry has clock {clock}, which is not among those known")

    @property
    def size(self) -> int:
        """The number of entries, and of clocks beside the span."""
        return len(self.values) + len(self.cloud)

    def spans(self, clock: int) -> bool:
        """Return whether the span has this clock."""
        return self.start < clock <= self.end

    def knows(self, clock: int) -> bool:
        """Return whether this clock is known, with or without an entry."""
        return self.spans(clock) or clock in self.cloud

    def touches(self, other: Part) -> bool:
        """Return whether both spans together make one span, without a gap."""
        if self.start == self.end or other.start == other.end:
            return True
        return other.start <= self.end and self.start <= other.end

    def absorb(self, other: Part) -> None:
        """Add the knowledge of the other part, in time proportional to its size. The two parts must touch."""
        for clock in gone(self.values, other):
            del self.values[clock]
        for clock, entry in other.values.items():
            if not self.knows(clock):
                self.values[clock] = entry
        self.cloud.update(clock for clock in other.cloud if not self.spans(clock))
        drop_span(self.cloud, other.start, other.end)
        if self.start == self.end:
            self.start, self.end = other.start, other.end
        elif other.start != other.end:
            self.start, self.end = min(self.start, other.start), max(self.end, other.end)

    def copy(self) -> Part:
        """Return another part with the same knowledge."""
        return Part(self.start, self.end, set(self.cloud), dict(self.values))


Delta = dict[Ref, Part]
"""Parts, by their replica."""


def gone(values: Mapping[int, Entry], part: Part) -> list[int]:
    """Return the clocks of values that are gone according to the part.

    The search reads the values or the span, whichever is shorter.
    """
    if part.end - part.start < len(values):
        known = [clock for clock in range(part.start + 1, part.end + 1) if clock in values]
    else:
        known = [clock for clock in values if part.spans(clock)]
    known += [clock for clock in part.cloud if clock in values and not part.spans(clock)]
    return [clock for clock in known if clock not in part.values]


def drop_span(cloud: set[int], start: int, end: int) -> None:
    """Remove the clocks after ``start`` up to ``end`` from a cloud. The search reads the shorter of span and cloud."""
    if end - start < len(cloud):
        cloud.difference_update(range(start + 1, end + 1))
    else:
        cloud.difference_update([clock for clock in cloud if start < clock <= end])


def merge_deltas(delta: Delta, news: Delta) -> bool:
    """Merge a later delta into a delta, if there is no gap between the two.

    Args:
        delta: The delta, which is changed.
        news: The later delta, which is not changed. None of its mutable objects is kept.

    Returns:
        Whether the two could be merged. If not, ``delta`` is unchanged.
    """
    if not all(ref not in delta or delta[ref].touches(part) for ref, part in news.items()):
        return False
    for ref, part in news.items():
        delta.setdefault(ref, Part()).absorb(part)
    return True


def copy_delta(delta: Delta) -> Delta:
    """Return another delta with the same parts."""
    return {ref: part.copy() for ref, part in delta.items()}


def delta_size(delta: Delta) -> int:
    """Return the size of a delta: the sum of the sizes of its parts."""
    return sum(part.size for part in delta.values())


def split_delta(delta: Delta, most: int) -> Iterator[Delta]:
    """Yield deltas that together are a delta. Merged in this order, none of them lies beyond a gap of another.

    Args:
        delta: The delta, which is not changed.
        most: The most entries and clocks of each.
    """
    pieces: Delta = {}
    size = 0
    for ref, part in delta.items():
        for piece in _split(part, most):
            if ref in pieces or (pieces and size + piece.size > most):
                yield pieces
                pieces, size = {}, 0
            pieces[ref] = piece
            size += piece.size
    yield pieces


def _split(part: Part, most: int) -> Iterator[Part]:
    """Yield parts that together are a part: its span in pieces, and then its cloud in pieces."""
    if part.size <= most:
        yield part
        return
    clocks = sorted(clock for clock in part.values if part.spans(clock))
    start = part.start
    for index in range(0, len(clocks), most):
        chunk = clocks[index : index + most]
        end = chunk[-1] if index + most < len(clocks) else part.end
        yield Part(start, end, set(), {clock: part.values[clock] for clock in chunk})
        start = end
    if start < part.end:  # all of the span is gone
        yield Part(start, part.end)
    beside = sorted(part.cloud)
    for index in range(0, len(beside), most):
        chunk = beside[index : index + most]
        values = {clock: part.values[clock] for clock in chunk if clock in part.values}
        yield Part(part.end, part.end, set(chunk), values)
