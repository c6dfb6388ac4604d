"""Who is in a topic: the state of presences, and its changes. Pure.

The rules are those of ``Presence`` in phoenix.js (protocol document, §6.5). A state is ``{key: {"metas": [meta, ...],
...}}``. Two metas are the same if their ``phx_ref`` is the same. No function changes what it gets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

__all__ = ["Change", "Entries", "Roster", "entries_of", "sync_diff", "sync_state"]

Entries = dict[str, dict[str, Any]]
"""The presences by their key."""


class RosterChange(NamedTuple):
    """One key whose metas have changed.

    Attributes:
        key: The key.
        current: The presence before a join, None if there was none; or after a leave, with empty ``metas`` if none is
            left.
        other: The presence with only the metas that joined or left.
        has_joined: True for a join, False for a leave.
    """

    key: str
    current: dict[str, Any] | None
    other: dict[str, Any]
    has_joined: bool


Change = Callable[[RosterChange], object]


def entries_of(payload: Any) -> Entries:
    """Return the presences of a payload. What has another shape is left out.

    Example:
        >>> entries_of({"ann": {"metas": [{"phx_ref": "a"}]}, "bo": 7})
        {'ann': {'metas': [{'phx_ref': 'a'}]}}
    """
    if not isinstance(payload, Mapping):
        return {}
    return {
        str(key): dict(one)  # pyright: ignore[reportUnknownArgumentType] - any JSON
        for key, one in payload.items()  # pyright: ignore[reportUnknownVariableType] - any JSON
        if isinstance(one, Mapping) and isinstance(one.get("metas"), list)  # pyright: ignore[reportUnknownMemberType] - any JSON
    }


def sync_state(current: Entries, new: Entries, changed: Change) -> Entries:
    """Return the state after a whole list came.

    Args:
        current: The state before.
        new: The list.
        changed: Is called for each key whose metas changed: first the joins, then the leaves.
    """
    joins: Entries = {}
    leaves: Entries = {key: one for key, one in current.items() if key not in new}
    for key, one in new.items():
        if key not in current:
            joins[key] = one
            continue
        joined = _without(one, current[key])
        left = _without(current[key], one)
        if joined:
            joins[key] = {**one, "metas": joined}
        if left:
            leaves[key] = {**current[key], "metas": left}
    return sync_diff(current, joins, leaves, changed)


def sync_diff(current: Entries, joins: Entries, leaves: Entries, changed: Change) -> Entries:
    """Return the state after a diff.

    Args:
        current: The state before.
        joins: The metas that joined.
        leaves: The metas that left.
        changed: Is called for each key whose metas changed: first the joins, then the leaves.
    """
    state = dict(current)
    for key, joined in joins.items():
        before = state.get(key)
        kept = [] if before is None else _without(before, joined)
        state[key] = {**joined, "metas": [*kept, *joined["metas"]]}
        changed(RosterChange(key, before, joined, has_joined=True))
    for key, left in leaves.items():
        before = state.get(key)
        if before is None:
            continue
        after = {**before, "metas": _without(before, left)}
        if after["metas"]:
            state[key] = after
        else:
            del state[key]
        changed(RosterChange(key, after, left, has_joined=False))
    return state


class Roster:
    """The presences of one channel, through its joins.

    Diffs that come before the list of a join wait for the list.

    Attributes:
        state: The presences by their key.
    """

    __slots__ = ("_join_ref", "_waiting", "state")

    def __init__(self) -> None:
        self.state: Entries = {}
        self._join_ref: object = None
        self._waiting: list[tuple[Entries, Entries]] = []

    def take_state(self, payload: Any, join_ref: object, changed: Change) -> None:
        """Take a whole list.

        Args:
            payload: The payload of the list.
            join_ref: The ref of the channel's present join.
            changed: Is called for each key whose metas changed.
        """
        self._join_ref = join_ref
        self.state = sync_state(self.state, entries_of(payload), changed)
        waiting, self._waiting = self._waiting, []
        for joins, leaves in waiting:
            self.state = sync_diff(self.state, joins, leaves, changed)

    def take_diff(self, payload: Any, join_ref: object, changed: Change) -> bool:
        """Take a diff. Return whether it was applied: not if it waits for the list.

        Args:
            payload: The payload of the diff.
            join_ref: The ref of the channel's present join.
            changed: Is called for each key whose metas changed.
        """
        given: dict[str, Any] = (
            dict(cast("Mapping[str, Any]", payload)) if isinstance(payload, Mapping) else {}
        )
        joins, leaves = entries_of(given.get("joins")), entries_of(given.get("leaves"))
        if self._join_ref is None or self._join_ref != join_ref:
            self._waiting.append((joins, leaves))
            return False
        self.state = sync_diff(self.state, joins, leaves, changed)
        return True


def _without(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Any]:
    """Return the metas of a presence that the other has not."""
    refs = [_ref(meta) for meta in other["metas"]]
    return [meta for meta in one["metas"] if _ref(meta) not in refs]


def _ref(meta: Any) -> Any:
    return meta.get("phx_ref") if isinstance(meta, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - any JSON
