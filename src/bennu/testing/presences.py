"""Who is in a topic, as a page shows it: the states and diffs of presences, by the rules of phoenix.js."""

from __future__ import annotations

from typing import Any

from ..client.roster import Roster, RosterChange

__all__ = ["Presences"]


class Presences:
    """The presences of a topic that a client knows. As for a page, the first diffs wait for the list."""

    def __init__(self) -> None:
        self._roster = Roster()

    @property
    def all(self) -> dict[str, list[Any]]:
        """The metas of each key."""
        return {key: self.metas(key) for key in self._roster.state}

    def metas(self, key: str) -> list[Any]:
        """Return the metas of a key; none if it is absent."""
        return list(self._roster.state.get(key, {}).get("metas", ()))

    def take(self, event: str, payload: Any) -> None:
        """Take an event of the topic: a state, a diff, or anything else."""
        if event == "presence_state":
            self._roster.take_state(payload, "join", _ignore)
        elif event == "presence_diff":
            self._roster.take_diff(payload, "join", _ignore)


def _ignore(_: RosterChange) -> None:
    """Do nothing: a test asks for the presences."""
