"""A page in Python: it keeps a board as the page does, and says which operations it wants."""

from __future__ import annotations

from itertools import count
from typing import Any

from bennu.testing import TestChannel

__all__ = ["Replica", "new_id"]

NUMBERS = count(1)


def new_id() -> str:
    """Return an id that nothing else has."""
    return f"{next(NUMBERS):032x}"


class Replica:
    """The board of one page: it loads the board, and stores the rows of each change.

    Args:
        channel: The joined channel.

    Attributes:
        version: The version of the board.
        lists: The lists by their ids.
        cards: The cards by their ids.
    """

    def __init__(self, channel: TestChannel) -> None:
        self.channel = channel
        self.version = -1
        self.lists: dict[str, Any] = {}
        self.cards: dict[str, Any] = {}

    async def load(self) -> None:
        """Load the board."""
        board = await self.channel.push("load", {})
        self.version = board["version"]
        self.lists = {row["id"]: row for row in board["lists"]}
        self.cards = {row["id"]: row for row in board["cards"]}

    async def hear(self) -> dict[str, Any]:
        """Wait for the next change, store and return it."""
        change: dict[str, Any] = await self.channel.assert_push("change")
        self._store(change)
        return change

    async def until(self, version: int) -> None:
        """Store changes until the board has this version."""
        while self.version < version:
            await self.hear()

    def _store(self, change: dict[str, Any]) -> None:
        if change["version"] <= self.version:
            return
        assert change["version"] == self.version + 1, "a change is missing"
        self.version = change["version"]
        self.lists |= {row["id"]: row for row in change.get("lists", ())}
        self.cards |= {row["id"]: row for row in change.get("cards", ())}
        for place in change.get("places", ()):
            self.cards[place["id"]] |= place
        for gone in change.get("gone", ()):
            self.lists.pop(gone, None)
            self.cards.pop(gone, None)
        self.cards = {key: card for key, card in self.cards.items() if card["list"] in self.lists}

    def order(self, of: str | None = None) -> list[str]:
        """Return the ids of the lists in order, or of the cards of a list."""
        rows = (
            self.lists.values()
            if of is None
            else (card for card in self.cards.values() if card["list"] == of)
        )
        return [row["id"] for row in sorted(rows, key=lambda row: row["key"])]

    @property
    def shown(self) -> dict[str, list[str]]:
        """The titles of the cards by the titles of their lists, in order."""
        return {
            self.lists[key]["title"]: [self.cards[card]["title"] for card in self.order(key)]
            for key in self.order()
        }

    def list(self, title: str) -> str:
        """Return the id of a list."""
        return next(key for key, row in self.lists.items() if row["title"] == title)

    def card(self, title: str) -> str:
        """Return the id of a card."""
        return next(key for key, row in self.cards.items() if row["title"] == title)

    def do(self, kind: str, *, op: str | None = None, **fields: Any) -> Any:
        """Send an operation."""
        return self.channel.push("do", {"op": op or new_id(), "do": {"kind": kind, **fields}})

    def move(self, card: str, to: str, index: int) -> Any:
        """Move a card to an index of a list, as this page sees it."""
        others = [other for other in self.order(to) if other != card]
        spot = {
            "after": others[index - 1] if 0 < index <= len(others) else None,
            "before": others[index] if index < len(others) else None,
        }
        return self.do("move_card", card=card, list=to, spot=spot)
