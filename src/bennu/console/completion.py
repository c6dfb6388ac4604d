"""What can follow in a line that is being written. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .commands import COMMANDS, WATCHED

__all__ = ["MOST_NAMES", "Completer"]

MOST_NAMES: Final = 1000
"""Topics with events that are remembered. The names come from the server, so their number has a bound."""

_TAKES_TOPIC: Final = ("join", "push", "send", "leave", "presence", "wait")
_TAKES_EVENT: Final = ("push", "send", "wait")


class Completer:
    """Knows the topics and events of a console, and completes words with them.

    Attributes:
        topics: The topics that were joined, in order.
    """

    def __init__(self) -> None:
        self.topics: dict[str, None] = {}
        self._events: dict[str, dict[str, None]] = {}
        self._count = 0

    def saw(self, topic: str, event: str) -> None:
        """Remember an event of a topic."""
        events = self._events.setdefault(topic, {}) if self._count < MOST_NAMES else None
        if events is not None and event not in events:
            events[event] = None
            self._count += 1

    def candidates(self, line: str) -> tuple[str, list[str]]:
        """Return the word that is being written, and what it can become.

        Args:
            line: The line up to the cursor.

        Example:
            >>> Completer().candidates("watch f")
            ('f', ['frames'])
        """
        words = line.split()
        word = "" if not words or line[-1:].isspace() else words.pop()
        return word, [one for one in self._known(words) if one.startswith(word) and one != word]

    def _known(self, words: list[str]) -> Iterable[str]:
        """Return what can stand after some whole words."""
        if not words:
            return COMMANDS
        name = words[0]
        if len(words) == 1 and name in _TAKES_TOPIC:
            return _words(self.topics)
        if len(words) == 2 and name in _TAKES_EVENT:
            return _words(self._events.get(words[1], ()))
        if len(words) == 1 and name == "watch":
            return WATCHED
        if len(words) == 1 and name == "help":
            return COMMANDS
        return ()


def _words(names: Iterable[str]) -> Iterable[str]:
    """Yield those names that are one word, which a line can have without quotes."""
    return (
        name for name in names if name.isprintable() and len(name.split()) == 1 and name[0] != '"'
    )
