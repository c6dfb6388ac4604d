"""Who is in a topic, as a page shows it: the states and diffs of presences, put together. Protocol document, §8."""

from __future__ import annotations

from typing import Any

__all__ = ["Presences"]


class Presences:
    """The presences of a topic that a client knows.

    Attributes:
        all: The metas of each key.
    """

    def __init__(self) -> None:
        self.all: dict[str, list[Any]] = {}

    def metas(self, key: str) -> list[Any]:
        """Return the metas of a key; none if it is absent."""
        return self.all.get(key, [])

    def take(self, event: str, payload: Any) -> None:
        """Take an event of the topic: a state, a diff, or anything else."""
        if event == "presence_state":
            self.all = {key: list(one["metas"]) for key, one in payload.items()}
        elif event == "presence_diff":
            for key, one in payload["joins"].items():
                new = {meta["phx_ref"] for meta in one["metas"]}
                kept = [meta for meta in self.metas(key) if meta["phx_ref"] not in new]
                self.all[key] = kept + list(one["metas"])
            for key, one in payload["leaves"].items():
                gone = {meta["phx_ref"] for meta in one["metas"]}
                kept = [meta for meta in self.metas(key) if meta["phx_ref"] not in gone]
                if kept:
                    self.all[key] = kept
                else:
                    self.all.pop(key, None)
