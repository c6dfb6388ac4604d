"""Which topics have history, for an endpoint and for a publisher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ..topic import Pattern, Table
from .history import History

__all__ = ["Histories"]

KNOWN: Final = 100_000
"""Topics whose history is kept, so that their patterns are matched once."""


class Histories:
    """The histories of topics.

    Args:
        find: Returns the history of a topic; None for a topic without history. It always returns the same for a topic.
    """

    __slots__ = ("_find", "_known")

    def __init__(self, find: Callable[[str], History | None]) -> None:
        self._find = find
        self._known: dict[str, History | None] = {}

    @classmethod
    def by_pattern(cls, given: Mapping[str, History]) -> Histories:
        """Return the histories of topic patterns. A parameter of a pattern matches any text up to the next colon.

        Raises:
            DefinitionError: A text is no pattern, or a pattern can never match.
        """
        table: Table[History] = Table((Pattern(text), one) for text, one in given.items())

        def find(topic: str) -> History | None:
            found = table.resolve(topic)
            return None if found is None else found[0].of(topic)

        return cls(find)

    def of(self, topic: str, event: str | None = None) -> History | None:
        """Return the history of a topic; None for a topic without history, and for an event that is ephemeral there.

        Raises:
            Exception: The user's function of ``History.by_topic`` has raised it, or has returned something else.
        """
        try:
            found = self._known[topic]
        except KeyError:
            if len(self._known) >= KNOWN:
                self._known.clear()
            found = self._known[topic] = self._find(topic)
        return found if found and event not in found.ephemeral else None
