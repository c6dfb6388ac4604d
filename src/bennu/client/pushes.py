"""The pushes of a channel that wait: for the join, or for their reply. Pure."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from .errors import BufferFull

__all__ = ["MAX_HELD", "Pushes"]

MAX_HELD: Final = 1_000
"""Pushes that wait for the join of one channel."""

P = TypeVar("P")


class Pushes(Generic[P]):
    """The pushes of one channel that have no reply yet."""

    __slots__ = ("_held", "_sent")

    def __init__(self) -> None:
        self._held: dict[int, P] = {}  # by id, in order: a push that times out is taken out
        self._sent: dict[str, P] = {}

    def hold(self, push: P) -> None:
        """Keep a push until the channel has joined.

        Raises:
            BufferFull: :data:`MAX_HELD` pushes wait already.
        """
        if len(self._held) >= MAX_HELD:
            raise BufferFull(
                f"{MAX_HELD} pushes wait for the join of this channel, and this one was not added: await"
                " room.join() before you push, or await each push"
            )
        self._held[id(push)] = push

    def sent(self, ref: str, push: P) -> None:
        """Note that a push was sent."""
        self._sent[ref] = push

    def answered(self, ref: object) -> P | None:
        """Return the push of a reply, once; None if there is none."""
        return self._sent.pop(ref, None) if isinstance(ref, str) else None

    def release(self) -> list[P]:
        """Return the pushes that waited for the join, in order, and hold none of them any more."""
        held = list(self._held.values())
        self._held.clear()
        return held

    def lose(self) -> list[P]:
        """Return the pushes that wait for a reply, and forget them."""
        lost = list(self._sent.values())
        self._sent.clear()
        return lost

    def expire(self, push: P, ref: str | None) -> None:
        """Forget a push whose time is over.

        Args:
            push: The push.
            ref: Its ref; None if it was not sent.
        """
        if ref is None:
            self._held.pop(id(push), None)
        else:
            self._sent.pop(ref, None)

    def __len__(self) -> int:
        return len(self._held) + len(self._sent)
