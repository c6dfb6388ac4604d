"""Modes: clients get all presences, a sample, or the number of presences.

In a large topic a list of all keys is of little use, and expensive: each client gets a diff for each other client. A
mode bounds that cost. The server has all presences in all modes: in ``list``, in ``count`` and in the hooks.

:class:`ClientState` applies a mode to one topic. ``choose`` returns the part of a net effect that clients get, before
``fetch`` has added data. ``follow`` makes the events of that part, and keeps what clients have now. A flush can wait
for ``fetch`` between the two calls. A topic has only one such flush at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from msgspec import Raw

from ..errors import DefinitionError
from ..protocol.encoding import encode_json
from .crdt import Entry
from .net_effect import PREV, REF, Meta, Metas, Net, Presences, Tally, View, metas_by_key

__all__ = [
    "BySize",
    "ClientState",
    "Count",
    "Entries",
    "Events",
    "Full",
    "Mode",
    "Sample",
    "Simple",
]

PRESENCE_STATE: Final = "presence_state"
PRESENCE_DIFF: Final = "presence_diff"
PRESENCE_COUNT: Final = "presence_count"

Entries = Callable[[str, str | None], list[Entry]]
"""Returns the entries of a topic, or of one of its keys."""

Events = list[tuple[str, Any, Raw]]
"""Events for clients: the name, the payload, and the payload as JSON."""

BACK: Final = 0.8
"""The part of a threshold at which a topic returns to the mode below. At 1.0 the mode would change too often."""

FEW: Final = 8
"""The number of keys up to which keys are looked up one by one. Each look-up reads the whole topic, as a list does."""


@dataclass(frozen=True, slots=True)
class Full:
    """All presences: ``presence_state`` and ``presence_diff``, as Phoenix has them."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of the keys, with all metas of these keys, and ``presence_count`` for the whole topic.

    The sample is stable: a key stays in it until it leaves the topic, and then another key takes its place. Stock
    clients show the sample as their list.

    Args:
        size: The number of keys.

    Raises:
        DefinitionError: ``size`` is less than 1, or no integer.

    Example:
        >>> Sample(20)
        Sample(size=20)
    """

    size: int = 50

    def __post_init__(self) -> None:
        if not _is_count(self.size) or self.size < 1:
            raise DefinitionError(
                "Sample(...)",
                expected="the number of keys that clients get, at least 1",
                got=repr(self.size),
                write="Sample(50), or Count() to show none",
            )


@dataclass(frozen=True, slots=True)
class Count:
    """Only the size of the topic: ``presence_count`` with ``{"keys": n, "metas": m}``."""


Simple = Full | Sample | Count


@dataclass(frozen=True, slots=True)
class BySize:
    """A mode that follows the number of keys of the topic.

    A topic that shrinks returns to the mode below at 80 % of the threshold. At a switch all clients get
    the new ``presence_state``, which is empty for :class:`Count`. ``presence_count`` is sent in every mode.

    Args:
        modes: The modes by their thresholds: the numbers of keys from which they apply. One threshold must be 0.

    Raises:
        DefinitionError: No threshold is 0, or something else is no mode.

    Example:
        >>> BySize({0: Full(), 100: Sample(50), 5000: Count()}).threshold(0, 700)
        100
    """

    modes: Mapping[int, Simple]

    def __post_init__(self) -> None:
        modes = self.modes
        sound = (
            isinstance(modes, Mapping)
            and 0 in modes
            and all(_is_count(size) and size >= 0 for size in modes)
            and all(isinstance(mode, Full | Sample | Count) for mode in modes.values())
        )
        if not sound:
            raise DefinitionError(
                "BySize(...)",
                expected="modes by the number of keys from which they apply, the first from 0",
                got=repr(modes),
                write="BySize({0: Full(), 100: Sample(50), 5000: Count()})",
            )
        object.__setattr__(self, "modes", dict(sorted(modes.items())))

    def threshold(self, current: int, keys: int) -> int:
        """Return the threshold whose mode applies.

        Args:
            current: The threshold whose mode applied until now.
            keys: The number of keys.
        """
        reached = max(size for size in self.modes if size <= keys)
        if reached >= current or keys > current * BACK:
            return max(reached, current)
        return max(
            size for size in self.modes if size == 0 or (size * BACK < keys and size < current)
        )


Mode = Full | Sample | Count | BySize


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


class ClientState:
    """The presences that the clients of one topic have, and the events that they get next.

    Args:
        topic: The topic.
        mode: How much of the list clients get.
        entries: Returns the entries of a topic.

    Attributes:
        view: The presences of a client that followed all diffs.
        mode: The mode that applies now.
        counts: Whether clients get the number of keys and metas.
    """

    __slots__ = (
        "_by_size",
        "_count",
        "_entries",
        "_next",
        "_threshold",
        "_topic",
        "counts",
        "mode",
        "view",
    )

    def __init__(self, topic: str, mode: Mode, entries: Entries) -> None:
        self._topic = topic
        self._entries = entries
        self._by_size = mode if isinstance(mode, BySize) else None
        self._threshold = 0
        self._next: int | None = None  # the threshold whose mode begins with the chosen part
        self._count = (0, 0)
        self.mode: Simple = mode.modes[0] if isinstance(mode, BySize) else mode
        self.counts = not isinstance(mode, Full)
        self.view = View()

    def choose(self, net: Net, tally: Tally) -> Net:
        """Return the part of a net effect that clients get.

        Args:
            net: The net effect.
            tally: The keys and metas of the topic after it.
        """
        if self._by_size is not None:
            threshold = self._by_size.threshold(self._threshold, len(tally.keys))
            if threshold != self._threshold:
                self._next = threshold
                return Net(self._select(self._by_size.modes[threshold], tally), {})
        match self.mode:
            case Full():
                return self.view.sift(net)
            case Sample(size):
                return self._sampled(net, tally, size)
            case _:  # Count
                return Net({}, {})

    def tells_all(self, chosen: Net, net: Net) -> bool:
        """Return whether the chosen part is the whole net effect, without additions."""
        return isinstance(self.mode, Full) and self._next is None and chosen == net

    def _sampled(self, net: Net, tally: Tally, size: int) -> Net:
        """Return the changes of the keys in the sample, and the joins of keys that fill the sample again."""
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
        """Return the presences that a mode begins with."""
        if isinstance(mode, Count):
            return {}
        if isinstance(mode, Sample):
            return self._pick(mode.size, tally, afresh=True)
        return self._shown(self._entries(self._topic, None))

    def _pick(self, places: int, tally: Tally, *, afresh: bool = False) -> Metas:
        """Return up to ``places`` keys that are not shown, in the order in which they came."""
        free = (key for key in tally.keys if afresh or key not in self.view)
        picked = dict.fromkeys(islice(free, places))
        if len(picked) > FEW:
            everybody = self._entries(self._topic, None)
            return self._shown(entry for entry in everybody if entry.key in picked)
        return self._shown(entry for key in picked for entry in self._entries(self._topic, key))

    def _shown(self, entries: Iterable[Entry]) -> Metas:
        """Return the metas of entries by their keys, as clients get them."""
        return metas_by_key((entry.key, self._as_seen(entry)) for entry in entries)

    def _as_seen(self, entry: Entry) -> Meta:
        """Return a meta as clients have it, or as clients get a new meta."""
        meta = entry.meta
        seen = self.view.meta(entry.key, meta[REF])
        if seen is not None:
            return seen
        return {name: value for name, value in meta.items() if name != PREV}

    def follow(self, joins: Presences, leaves: Presences, tally: Tally) -> Events:
        """Return the events of the chosen part, and note that clients have them.

        Args:
            joins: The joins, with the data that ``fetch`` added.
            leaves: The leaves, with the data that ``fetch`` added.
            tally: The keys and metas of the topic.
        """
        events: Events = []
        switches = self._next is not None
        if self._by_size is not None and self._next is not None:
            self._threshold, self._next = self._next, None
            self.mode = self._by_size.modes[self._threshold]
            self.view = View()
            state, _ = self.view.apply(joins, {})
            events.append((PRESENCE_STATE, joins, Raw(encode_json(state))))
        elif joins or leaves:
            came, went = self.view.apply(joins, leaves)
            text = Raw(encode_json({"joins": came, "leaves": went}))
            events.append((PRESENCE_DIFF, {"joins": joins, "leaves": leaves}, text))
        if self.counts:
            count = (len(tally.keys), tally.metas)
            if count != self._count or switches:
                self._count = count
                events.append(self._counted())
        return events

    def greeting(self) -> Events:
        """Return the events that bring a new client to the state of all other clients."""
        events: Events = []
        if self._by_size is not None or not isinstance(self.mode, Count):
            state = self.view.state()
            events.append((PRESENCE_STATE, state, state))
        if self.counts:
            events.append(self._counted())
        return events

    def _counted(self) -> tuple[str, Any, Raw]:
        keys, metas = self._count
        count = {"keys": keys, "metas": metas}
        return PRESENCE_COUNT, count, Raw(encode_json(count))
