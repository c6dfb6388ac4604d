"""A channel that gives itself to the test."""

from __future__ import annotations

from typing import Any

from bennu import Channel, ReplyRef, on, on_info
from bennu.testing.clock import running_loop

__all__ = ["Room", "rooms"]

rooms: list[Room] = []
"""The channel objects that this test has made, in order."""


class Room(Channel[Any]):
    """A channel that gives itself to the test."""

    def __init__(self) -> None:
        self.refs: list[ReplyRef] = []
        self.heard: list[Any] = []
        rooms.append(self)

    @on("later")
    async def later(self) -> None:
        self.refs.append(self.ref())

    @on_info(object)
    async def hear(self, message: Any) -> None:
        self.heard.append((running_loop().time(), message))

    @property
    def said(self) -> list[Any]:
        """The received messages, without the times."""
        return [message for _, message in self.heard]
