"""Random histories of one replica, by hypothesis, and the deltas that describe them."""

from __future__ import annotations

from itertools import count

from hypothesis import strategies as st

from bennu.presence.crdt import Entry, Ref
from bennu.presence.crdt.delta import Delta, Part
from bennu.presence.crdt.state import State

__all__ = ["A", "B", "History", "dirty_entries", "entry", "histories"]

A: Ref = ("a", 1)
B: Ref = ("b", 1)


def entry(clock: int) -> Entry:
    """Return the entry of a clock. Each clock has a different entry."""
    return Entry("t", clock, "k", {"phx_ref": str(clock)})


def dirty_entries(state: State, topic: str | None = None) -> list[Entry]:
    """Return the entries of a topic, or of all topics, including hidden replicas."""
    found = [
        (entry.actor, ref, entry.key, clock, entry)
        for ref in state.clocks(hidden=True)
        for clock, entry in state.extract(ref).values.items()
        if topic in (None, entry.topic)
    ]
    found.sort()
    return [entry for *_, entry in found]


class History:
    """A replica that did something, took a delta, did more, and so on.

    Attributes:
        state: How it is in the end.
        deltas: What it told each time; none is empty.
        wholes: All that it knew each time.
    """

    def __init__(self, ref: Ref, rounds: list[list[int | None]]) -> None:
        self.ref = ref
        self.state = State(ref)
        self.deltas: list[Delta] = []
        self.wholes: list[Delta] = []
        tracked: list[int] = []
        numbers = count(1)
        for steps in rounds:
            for step in steps:
                if step is None or not tracked:
                    tracked.append(next(numbers))
                    self.state.track("t", tracked[-1], "k", {"phx_ref": f"{ref[0]}{tracked[-1]}"})
                elif step % 2:
                    meta = {"phx_ref": f"{ref[0]}{next(numbers)}"}
                    self.state.update("t", tracked[step % len(tracked)], "k", meta)
                else:
                    self.state.untrack("t", tracked.pop(step % len(tracked)), "k")
            self.deltas.append(self.state.take_delta())
            self.wholes.append({ref: self.state.extract(ref)})

    @property
    def whole(self) -> Part:
        """All knowledge of the replica at the end."""
        return self.state.extract(self.ref)

    def __repr__(self) -> str:
        return f"History({self.deltas})"


_rounds = st.lists(
    st.lists(st.none() | st.integers(0, 9), min_size=1, max_size=4), min_size=1, max_size=6
)


def histories(ref: Ref = A) -> st.SearchStrategy[History]:
    """Draw a history of a replica."""
    return st.builds(History, st.just(ref), _rounds)
