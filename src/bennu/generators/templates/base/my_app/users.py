"""The user of a connection."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["User"]


class User(Struct, frozen=True):
    """The user of a connection: ``self.assigns`` in each channel.

    Attributes:
        id: No other user has it.
        name: What others see.
    """

    id: str
    name: str
