"""The board that the page shows first."""

from __future__ import annotations

from typing import Final

__all__ = ["EXAMPLE", "EXAMPLE_LISTS", "NEW_LISTS"]

EXAMPLE: Final = "e" * 32
"""The id of the board."""

EXAMPLE_LISTS: Final = {
    "To do": (
        "Open this page in a second window",
        "Move a card with the mouse, a finger or the keyboard",
        "Go offline, move cards, and come back",
        "Write the invitation",
        "Book the room",
    ),
    "Doing": ("Choose the menu", "Ask Amira about the music"),
    "Review": ("List of guests",),
    "Done": ("Find a date", "Set the budget"),
}
"""Its lists, with their cards."""

NEW_LISTS: Final[dict[str, tuple[str, ...]]] = {"To do": (), "Doing": (), "Done": ()}
"""The lists of a new board."""
