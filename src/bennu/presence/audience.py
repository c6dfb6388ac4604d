"""The clients of one topic: what they have been told, and what they are to be told next.

Here the mode is at work (:mod:`bennu.presence.modes`). What happened comes as a :class:`Net`; a *plan* is
that part of it which clients are to hear, before the application has added anything to it; *following* the
plan makes the events, and remembers that they were sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec

from ..protocol.encoding import encode_json
from .crdt import Entry
from .modes import BySize, Count, Full, Mode, Sample, Simple
from .net_effect import PREV, REF, Meta, Metas, Net, State, Tally, View, copied, state_of

__all__ = ["PRESENCE_COUNT", "PRESENCE_DIFF", "PRESENCE_STATE", "Audience", "Plan"]

PRESENCE_STATE: Final = "presence_state"
PRESENCE_DIFF: Final = "presence_diff"
PRESENCE_COUNT: Final = "presence_count"

Entries = Callable[[str, str | None], list[Entry]]
Events = list[tuple[str, Any]]

NOTHING: Final = Net({}, {})

FEW: Final = 8
"""Keys that are looked up one by one: each costs a look at the whole topic, and so does a list of all."""


@dataclass(slots=True)
class Plan:
    """What clients are to hear.

    Attributes:
        net: What came, and what went.
        is_whole: Whether that is all that happened.
        switch: The threshold of the mode that begins now, if one does: then ``net.joins`` is all there is.
    """

    net: Net
    is_whole: bool = False
    switch: int | None = None


class Audience:
    """What the clients of one topic know.

    Args:
        topic: The topic.
        mode: How much they are told.
        entries: What is tracked, of a topic or of one of its keys.

    Attributes:
        view: What those have who followed everything.
    """

    __slots__ = ("_by_size", "_entries", "_mode", "_state", "_threshold", "_told", "_topic", "view")

    def __init__(self, topic: str, mode: Mode, entries: Entries) -> None:
        self._topic = topic
        self._entries = entries
        self._by_size = mode if isinstance(mode, BySize) else None
        self._threshold = 0
        self._mode: Simple = mode.modes[0] if isinstance(mode, BySize) else mode
        self._told: tuple[int, int] = (0, 0)
        self._state: msgspec.Raw | None = None
        self.view = View()

    @property
    def counts(self) -> bool:
        """Whether they are told how many there are."""
        return self._by_size is not None or not isinstance(self._mode, Full)

    # What they are to hear.

    def plan(self, net: Net, tally: Tally) -> Plan:
        """Return the part of an effect that clients are told.

        Args:
            net: The effect: keys that came, changed or went.
            tally: The keys and metas of the topic after the effect.
        """
        if self._by_size is not None:
            threshold = self._by_size.threshold(self._threshold, len(tally.keys))
            if threshold != self._threshold:
                selected = self._select(self._by_size.modes[threshold], tally)
                return Plan(Net(selected, {}), switch=threshold)
        match self._mode:
            case Full():
                news = self.view.sift(net)
                return Plan(news, is_whole=news == net)
            case Sample(size):
                return Plan(self._sampled(net, tally, size))
            case Count():
                return Plan(NOTHING)

    def _sampled(self, net: Net, tally: Tally, size: int) -> Net:
        """Return what happened to the keys of the sample, and who takes the places that become free."""
        view = self.view
        shown = view.sift(
            Net(
                {key: metas for key, metas in net.joins.items() if key in view},
                {key: metas for key, metas in net.leaves.items() if key in view},
            )
        )
        free = size - len(view) + len(view.left_by(shown))
        if free > 0:
            shown.joins.update(self._pick(free, tally))
        return shown

    def _select(self, mode: Simple, tally: Tally) -> Metas:
        """Return who is shown from the beginning."""
        if isinstance(mode, Count):
            return {}
        if isinstance(mode, Sample):
            return self._pick(mode.size, tally, afresh=True)
        return self._shown(self._entries(self._topic, None))

    def _pick(self, places: int, tally: Tally, *, afresh: bool = False) -> Metas:
        """Return so many keys that are not shown, those that have been here longest."""
        free = (key for key in tally.keys if afresh or key not in self.view)
        picked = dict.fromkeys(islice(free, places))
        if len(picked) > FEW:
            everybody = self._entries(self._topic, None)
            return self._shown(entry for entry in everybody if entry.key in picked)
        return self._shown(entry for key in picked for entry in self._entries(self._topic, key))

    def _shown(self, entries: Iterable[Entry]) -> Metas:
        """Return entries as clients are shown them."""
        return state_of((entry.key, self._as_seen(entry)) for entry in entries)

    # What they hear.

    def follow(self, plan: Plan, joins: State, leaves: State, tally: Tally) -> Events:
        """Return the events of a plan, as what they have been told from now on.

        Args:
            plan: The plan.
            joins: What came, with what the application adds.
            leaves: What went, likewise.
            tally: How many are here.
        """
        events: Events = []
        if plan.switch is not None and self._by_size is not None:
            self._threshold = plan.switch
            self._mode = self._by_size.modes[plan.switch]
            self.view = View()
            self.view.apply(joins, {})
            self._state = None
            events.append((PRESENCE_STATE, copied(joins)))
        elif joins or leaves:
            self.view.apply(joins, leaves)
            self._state = None
            diff = {"joins": copied(joins), "leaves": copied(leaves)}  # interceptors may change it
            events.append((PRESENCE_DIFF, diff))
        if self.counts:
            now = (len(tally.keys), tally.metas)
            if now != self._told or plan.switch is not None:
                self._told = now
                events.append((PRESENCE_COUNT, self._count()))
        return events

    def greeting(self) -> Events:
        """Return the events that tell a newcomer what all others know."""
        events: Events = []
        if self._by_size is not None or not isinstance(self._mode, Count):
            if self._state is None:
                self._state = msgspec.Raw(encode_json(self.view.state()))
            events.append((PRESENCE_STATE, self._state))
        if self.counts:
            events.append((PRESENCE_COUNT, self._count()))
        return events

    def _count(self) -> dict[str, int]:
        keys, metas = self._told
        return {"keys": keys, "metas": metas}

    def _as_seen(self, entry: Entry) -> Meta:
        """Return a meta as clients have it, or as one that they see for the first time."""
        meta = entry.meta
        seen = self.view.meta(entry.key, meta[REF])
        if seen is not None:
            return seen
        return {name: value for name, value in meta.items() if name != PREV}
