"""The stock client's Presence, written from the protocol document's §6.5 and without Bennu's code.

It handles ``presence_state`` and ``presence_diff`` as phoenix.js does: joins before leaves, and diffs are
queued until a state has come. It also checks what a page would notice: no ref joins that is present,
and no ref leaves that is absent.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["JSPresence"]

State = dict[str, dict[str, Any]]


class JSPresence:
    """The presence list of one client.

    Attributes:
        state: The present keys, with their metas.
        joins: The calls of onJoin: the key, and its new refs.
        leaves: The calls of onLeave: the key, and its removed refs.
    """

    def __init__(self) -> None:
        self.state: State = {}
        self.joins: list[tuple[str, list[str]]] = []
        self.leaves: list[tuple[str, list[str]]] = []
        self._has_state = False
        self._queued: list[dict[str, State]] = []

    def rejoin(self) -> None:
        """Rejoin: diffs wait for a new state."""
        self._has_state = False
        self._queued = []

    def receive(self, event: str, payload: Any) -> None:
        """Handle a message; all other messages are ignored."""
        payload = _copy(payload)
        if event == "presence_state":
            self._has_state = True
            self._sync_state(payload)
            queued, self._queued = self._queued, []
            for diff in queued:
                self._sync_diff(diff)
        elif event == "presence_diff":
            assert sorted(payload) == ["joins", "leaves"], payload
            if self._has_state:
                self._sync_diff(payload)
            else:
                self._queued.append(payload)

    def refs(self) -> dict[str, list[str]]:
        """Return the refs of each key, in order."""
        return {key: _refs(value) for key, value in self.state.items()}

    def _sync_state(self, new: State) -> None:
        joins: State = {}
        leaves: State = {key: value for key, value in self.state.items() if key not in new}
        for key, value in new.items():
            current = self.state.get(key)
            if current is None:
                joins[key] = value
                continue
            there, now = _refs(current), _refs(value)
            came = [meta for meta in value["metas"] if meta["phx_ref"] not in there]
            went = [meta for meta in current["metas"] if meta["phx_ref"] not in now]
            if came:
                joins[key] = {**value, "metas": came}
            if went:
                leaves[key] = {**current, "metas": went}
        self._sync_diff(_copy({"joins": joins, "leaves": leaves}))

    def _sync_diff(self, diff: dict[str, State]) -> None:
        for key, value in diff["joins"].items():
            assert value["metas"], f"a join of {key} without metas"
            joined = _refs(value)
            current = self.state.get(key)
            self.state[key] = value
            if current is not None:
                kept = [meta for meta in current["metas"] if meta["phx_ref"] not in joined]
                self.state[key] = {**value, "metas": kept + value["metas"]}
            self.joins.append((key, joined))
        for key, value in diff["leaves"].items():
            assert value["metas"], f"a leave of {key} without metas"
            current = self.state.get(key)
            if current is None:
                continue
            left = _refs(value)
            current["metas"] = [meta for meta in current["metas"] if meta["phx_ref"] not in left]
            self.leaves.append((key, left))
            if not current["metas"]:
                del self.state[key]


def _refs(value: dict[str, Any]) -> list[str]:
    return [meta["phx_ref"] for meta in value["metas"]]


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))
