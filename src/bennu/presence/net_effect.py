"""What became of the presences of one topic: net effects, and what clients have. Protocol document, §6.

Theory of operation
-------------------
A presence is a *meta* under a *key*, and its phx_ref is its name: an update gives it a new one. The stock
client follows ``presence_diff`` messages by applying all joins first and all leaves after (§6.5). So what
happens between two diffs can't just be put in a row: a ref that left and came back would be added, then
removed, and be gone. :class:`Pending` keeps for each ref what it was at the last diff and what it is now,
and :meth:`Pending.take` tells the difference:

- A ref that came and went, or went and came back, is not mentioned.
- v1→v2→v3 is the join of v3 and the leave of v1, and v3's ``phx_ref_prev`` is rewritten to v1, since no
  client ever saw v2. Where no client saw any of its past, there is no ``phx_ref_prev``.
- Both halves of an update are in one diff, since they were put in together.

:class:`View` is what a client has that followed all diffs, down to the order of the metas of a key; a
newcomer gets it as its ``presence_state``. :class:`Tally` only counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

__all__ = [
    "METAS",
    "PREV",
    "REF",
    "Meta",
    "Net",
    "Pending",
    "State",
    "Tally",
    "View",
    "copied",
    "copy_of",
    "state_of",
]

METAS: Final = "metas"
REF: Final = "phx_ref"
PREV: Final = "phx_ref_prev"

Meta = dict[str, Any]
Metas = dict[str, list[Meta]]
"""Key to metas."""
State = dict[str, dict[str, Any]]
"""The shape of a ``presence_state``, and of each half of a diff: ``{key: {"metas": [...], ...}}``."""


class Net(NamedTuple):
    """The difference between two moments.

    Attributes:
        joins: The new metas of each key.
        leaves: Those that are gone.
    """

    joins: Metas
    leaves: Metas

    @property
    def is_empty(self) -> bool:
        """Whether there is no difference."""
        return not self.joins and not self.leaves


class Pending:
    """What happened since the last diff."""

    __slots__ = ("_prevs", "_refs")

    def __init__(self) -> None:
        # (key, ref) -> what it was at the last diff, and what it is now; None is: not there.
        self._refs: dict[tuple[str, str], tuple[Meta | None, Meta | None]] = {}
        self._prevs: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._refs)

    def join(self, key: str, meta: Meta) -> None:
        """Note that a meta came."""
        ref = meta[REF]
        before = self._refs.get((key, ref))
        self._refs[key, ref] = (None if before is None else before[0], meta)
        if PREV in meta:
            self._prevs[ref] = meta[PREV]

    def leave(self, key: str, meta: Meta) -> None:
        """Note that it went."""
        ref = meta[REF]
        before = self._refs.get((key, ref))
        self._refs[key, ref] = (meta if before is None else before[0], None)

    def take(self, knows: Callable[[str, str], bool]) -> Net:
        """Return the net effect, and begin anew.

        Args:
            knows: Whether clients know a ref of a key.
        """
        net = Net({}, {})
        for (key, ref), (was, now) in self._refs.items():
            if was is None and now is not None:
                joined = self._with_known_past(key, ref, now, knows) if PREV in now else now
                net.joins.setdefault(key, []).append(joined)
            elif was is not None and now is None:
                net.leaves.setdefault(key, []).append(was)
        self._refs = {}
        self._prevs = {}
        return net

    def _with_known_past(
        self, key: str, ref: str, meta: Meta, knows: Callable[[str, str], bool]
    ) -> Meta:
        """Return a meta whose ``phx_ref_prev`` is the latest that clients know, or is none."""
        past: set[str] = {ref}
        prev = self._prevs.get(ref)
        while prev is not None and prev not in past:
            change = self._refs.get((key, prev))
            if knows(key, prev) if change is None else change[0] is not None:
                return meta if prev == meta[PREV] else {**meta, PREV: prev}
            past.add(prev)
            prev = self._prevs.get(prev)
        return {name: value for name, value in meta.items() if name != PREV}


class _Seen:
    """A presence as clients have it: its metas by ref, and the extras of the latest join."""

    __slots__ = ("extras", "metas")

    def __init__(self) -> None:
        self.metas: dict[str, Meta] = {}
        self.extras: dict[str, Any] = {}


class View:
    """What a client has that followed all diffs, as the stock client's ``syncDiff`` makes it."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[str, _Seen] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def meta(self, key: str, ref: str) -> Meta | None:
        """Return a meta as clients have it, or None."""
        seen = self._keys.get(key)
        return None if seen is None else seen.metas.get(ref)

    def knows(self, key: str, ref: str) -> bool:
        """Return whether it has a meta."""
        return self.meta(key, ref) is not None

    def sift(self, net: Net) -> Net:
        """Return what of a difference is news: joins of what is not there, leaves of what is."""
        sifted = Net({}, {})
        for key, metas in net.joins.items():
            new = [meta for meta in metas if not self.knows(key, meta[REF])]
            if new:
                sifted.joins[key] = new
        for key, metas in net.leaves.items():
            gone = [meta for meta in metas if self.knows(key, meta[REF])]
            if gone:
                sifted.leaves[key] = gone
        return sifted

    def left_by(self, net: Net) -> set[str]:
        """Return the keys that will be gone after a difference."""
        return {
            key
            for key, metas in net.leaves.items()
            if key in self._keys
            and key not in net.joins
            and len(metas) >= len(self._keys[key].metas)
        }

    def apply(self, joins: State, leaves: State) -> None:
        """Follow a diff: the joins first, and each takes its key's extras with it."""
        for key, value in joins.items():
            seen = self._keys.get(key)
            if seen is None:
                seen = self._keys[key] = _Seen()
            for meta in value[METAS]:
                seen.metas.pop(meta[REF], None)
                seen.metas[meta[REF]] = meta
            seen.extras = {name: extra for name, extra in value.items() if name != METAS}
        for key, value in leaves.items():
            seen = self._keys.get(key)
            if seen is None:
                continue
            for meta in value[METAS]:
                seen.metas.pop(meta[REF], None)
            if not seen.metas:
                del self._keys[key]

    def state(self) -> State:
        """Return it as a ``presence_state``."""
        return {
            key: {METAS: list(seen.metas.values()), **seen.extras}
            for key, seen in self._keys.items()
        }


class Tally:
    """How many keys and metas there are."""

    __slots__ = ("keys", "metas")

    def __init__(self) -> None:
        self.keys: dict[str, int] = {}
        self.metas = 0

    def join(self, key: str) -> None:
        """Count one more."""
        self.keys[key] = self.keys.get(key, 0) + 1
        self.metas += 1

    def leave(self, key: str) -> None:
        """Count one less."""
        left = self.keys[key] - 1
        if left:
            self.keys[key] = left
        else:
            del self.keys[key]
        self.metas -= 1

    def turnover(self, net: Net) -> tuple[list[str], list[str]]:
        """Return which keys came with a difference that was counted, and which went."""
        came = [
            key
            for key, metas in net.joins.items()
            if key not in net.leaves and self.keys[key] == len(metas)
        ]
        went = [key for key in net.leaves if key not in self.keys]
        return came, went


def state_of(metas: Iterable[tuple[str, Meta]]) -> Metas:
    """Return metas by their keys, in their order."""
    state: Metas = {}
    for key, meta in metas:
        state.setdefault(key, []).append(meta)
    return state


def copied(state: State) -> State:
    """Return a state for code that is not ours: its metas may be changed, and ours stay what they are."""
    return {
        key: {**value, METAS: [copy_of(meta) for meta in value[METAS]]}
        for key, value in state.items()
    }


def copy_of(meta: Meta) -> Meta:
    """Return a meta that shares nothing with another one."""
    copy: Meta = msgspec.to_builtins(meta)
    return copy
