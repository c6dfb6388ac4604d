"""Net effects: the changes of a topic since its last diff, and the presences that its clients have. Protocol, §6.

Theory of operation
-------------------
A presence is a *meta* under a *key*. Its phx_ref is its name, and an update gives it a new phx_ref. The stock client
follows ``presence_diff`` messages: it applies all joins first, and all leaves after (§6.5). So a diff can't list all
joins and leaves since the last diff. A ref that left and came back would be added, and then removed.
:class:`Pending` keeps the meta of each ref at the last diff, and its meta now. :meth:`Pending.take` returns the
difference:

- A ref that came and went, or went and came back, is not mentioned.
- v1→v2→v3 is the join of v3 and the leave of v1. The ``phx_ref_prev`` of v3 becomes v1, since no client ever saw v2.
  If no client saw any earlier ref of it, v3 has no ``phx_ref_prev``.
- Both halves of an update are in one diff, since they were added together.

:class:`View` has the presences of a client that followed all diffs, in the order of that client. A new client gets the
view as its ``presence_state``. The view writes a meta as JSON once, when the meta is added. Diffs and states are joined
from these texts. :class:`Tally` only counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw

from ..protocol.encoding import encode_json

__all__ = [
    "METAS",
    "PREV",
    "REF",
    "Meta",
    "Metas",
    "Net",
    "Pending",
    "Presences",
    "Tally",
    "View",
    "bare",
    "copied",
    "metas_by_key",
]

METAS: Final = "metas"
REF: Final = "phx_ref"
PREV: Final = "phx_ref_prev"

_encode: Final = msgspec.json.Encoder().encode  # a meta has only plain values

Meta = dict[str, Any]
Metas = dict[str, list[Meta]]
"""Key to metas."""
Presences = dict[str, dict[str, Any]]
"""The shape of a ``presence_state``, and of each half of a diff: ``{key: {"metas": [...], ...}}``."""


class Net(NamedTuple):
    """The difference between two moments.

    Attributes:
        joins: The new metas of each key.
        leaves: The metas of each key that are gone.
    """

    joins: Metas
    leaves: Metas


class Pending:
    """The changes since the last diff."""

    __slots__ = ("_prevs", "_refs")

    def __init__(self) -> None:
        # (key, ref) -> the meta at the last diff, and the meta now; None if it was, or is, not there.
        self._refs: dict[tuple[str, str], tuple[Meta | None, Meta | None]] = {}
        self._prevs: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._refs)

    def join(self, key: str, meta: Meta) -> None:
        """Add the join of a meta."""
        ref = meta[REF]
        before = self._refs.get((key, ref))
        self._refs[key, ref] = (None if before is None else before[0], meta)
        if PREV in meta:
            self._prevs[ref] = meta[PREV]

    def leave(self, key: str, meta: Meta) -> None:
        """Add the leave of a meta."""
        ref = meta[REF]
        before = self._refs.get((key, ref))
        self._refs[key, ref] = (meta if before is None else before[0], None)

    def take(self, knows: Callable[[str, str], bool]) -> Net:
        """Return the net effect of the changes, and remove the changes.

        Args:
            knows: Returns whether clients know a phx_ref of a key.
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
        """Return a meta whose ``phx_ref_prev`` is the latest ref that clients know, or is left out."""
        past: set[str] = {ref}
        prev = self._prevs.get(ref)
        while prev is not None and prev not in past:
            change = self._refs.get((key, prev))
            if knows(key, prev) if change is None else change[0] is not None:
                return meta if prev == meta[PREV] else {**meta, PREV: prev}
            past.add(prev)
            prev = self._prevs.get(prev)
        return {name: value for name, value in meta.items() if name != PREV}


class View:
    """The presences of a client that followed all diffs, as ``syncDiff`` of the stock client makes them."""

    __slots__ = ("_metas", "_state", "_values")

    def __init__(self) -> None:
        self._metas: dict[str, dict[str, tuple[Meta, Raw]]] = {}  # by key and ref, with its JSON
        self._values: Presences = {}  # the state, its metas as JSON
        self._state: Raw | None = None

    def __len__(self) -> int:
        return len(self._metas)

    def __iter__(self) -> Iterator[str]:
        return iter(self._metas)

    def __contains__(self, key: object) -> bool:
        return key in self._metas

    def meta(self, key: str, ref: str) -> Meta | None:
        """Return a meta as clients have it, or None."""
        of_key = self._metas.get(key)
        found = None if of_key is None else of_key.get(ref)
        return None if found is None else found[0]

    def knows(self, key: str, ref: str) -> bool:
        """Return whether clients have a meta."""
        of_key = self._metas.get(key)
        return of_key is not None and ref in of_key

    def sift(self, net: Net) -> Net:
        """Return the part of a difference that changes this view: joins of new metas, leaves of metas that it has."""
        sifted = Net({}, {})
        for key, metas in net.joins.items():
            of_key = self._metas.get(key)
            new = metas if of_key is None else [meta for meta in metas if meta[REF] not in of_key]
            if new:
                sifted.joins[key] = new
        for key, metas in net.leaves.items():
            of_key = self._metas.get(key, {})
            gone = [meta for meta in metas if meta[REF] in of_key]
            if gone:
                sifted.leaves[key] = gone
        return sifted

    def left_by(self, net: Net) -> set[str]:
        """Return the keys that are gone after a difference."""
        return {
            key
            for key, metas in net.leaves.items()
            if key in self._metas and key not in net.joins and len(metas) >= len(self._metas[key])
        }

    def apply(self, joins: Presences, leaves: Presences) -> tuple[Presences, Presences]:
        """Apply a diff: the joins first. Each join replaces the data that ``fetch`` added to its key.

        Returns:
            The joins and the leaves, ready to be encoded: each meta is JSON text.
        """
        self._state = None
        came: Presences = {}
        for key, value in joins.items():
            of_key = self._metas.setdefault(key, {})
            texts: list[Raw] = []
            for meta in value[METAS]:
                text = Raw(_encode(meta))
                of_key.pop(meta[REF], None)  # so that the meta is the last one
                of_key[meta[REF]] = (meta, text)
                texts.append(text)
            came[key] = {**value, METAS: texts}
            self._values[key] = {METAS: None} | value  # a presence_state has the metas first
            self._values[key][METAS] = [text for _, text in of_key.values()]
        went: Presences = {}
        for key, value in leaves.items():
            went[key] = self._leave(key, value)
        return came, went

    def _leave(self, key: str, value: dict[str, Any]) -> dict[str, Any]:
        of_key = self._metas.get(key, {})
        texts: list[Raw] = []
        for meta in value[METAS]:
            known = of_key.pop(meta[REF], None)
            is_same = known is not None and known[0] is meta
            texts.append(known[1] if known is not None and is_same else Raw(_encode(meta)))
        if of_key:
            self._values[key][METAS] = [text for _, text in of_key.values()]
        elif key in self._metas:
            del self._metas[key], self._values[key]
        return {**value, METAS: texts}

    def state(self) -> Raw:
        """Return the ``presence_state`` as JSON, which is written once for all new clients."""
        if self._state is None:
            self._state = Raw(encode_json(self._values))
        return self._state


class Tally:
    """Counts keys and metas."""

    __slots__ = ("keys", "metas")

    def __init__(self) -> None:
        self.keys: dict[str, int] = {}
        self.metas = 0

    def join(self, key: str) -> None:
        """Count one more meta."""
        self.keys[key] = self.keys.get(key, 0) + 1
        self.metas += 1

    def leave(self, key: str) -> None:
        """Count one meta fewer."""
        left = self.keys[key] - 1
        if left:
            self.keys[key] = left
        else:
            del self.keys[key]
        self.metas -= 1

    def turnover(self, net: Net) -> tuple[list[str], list[str]]:
        """Return the keys that came and the keys that went, with a difference that was counted already."""
        came = [
            key
            for key, metas in net.joins.items()
            if key not in net.leaves and self.keys[key] == len(metas)
        ]
        went = [key for key in net.leaves if key not in self.keys]
        return came, went


def metas_by_key(metas: Iterable[tuple[str, Meta]]) -> Metas:
    """Return metas by their keys, in their order."""
    by_key: Metas = {}
    for key, meta in metas:
        by_key.setdefault(key, []).append(meta)
    return by_key


def bare(metas: Metas) -> Presences:
    """Return metas as presences, without other data."""
    presences: Presences = {}
    for key, of_key in metas.items():
        presences[key] = {METAS: of_key}
    return presences


def copied(presences: Presences) -> Presences:
    """Return presences with copies of the metas, for the user's code: it can change them without effect on Bennu."""
    return {
        key: {**value, METAS: msgspec.to_builtins(value[METAS])} for key, value in presences.items()
    }
