"""What a channel knows of the history of its topic: the rules of docs/recovery.md for a client. Pure.

Theory of operation
-------------------
``position`` is that of the last message that was taken, and each join sends it. Only messages above the position are
taken, and only while the channel is joined: while it joins, messages of its former join can arrive, and only the reply
says where the messages after it start. The position moves before anybody gets the message, so a callback that raises, or
leaves and joins, does not get its message twice.

If messages are lost, the application loads its state again (``missed``). Meanwhile new messages wait here.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Any, Final, Generic, NamedTuple, TypeVar

from ..errors import DefinitionError
from ..logs.printable import described

__all__ = ["KEY", "FrameVerdict", "Place", "RecoveryState", "place_of"]

KEY: Final = "recovery"
"""The key in the payload of a join, and in the response to it."""

NO_HISTORY: Final = "no_history"
"""The reason if the topic has no history, or had none for a while."""
NEW: Final = "new"

_REF: Final = re.compile(r"([0-9]{1,16}):([A-Za-z0-9_-]{1,32})", re.ASCII)

M = TypeVar("M")


class Place(NamedTuple):
    """A place in a log.

    Attributes:
        epoch: The epoch of the log.
        offset: The offset of an entry.
    """

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.offset}:{self.epoch}"


class FrameVerdict(Enum):
    """What becomes of a message."""

    PASS = auto()
    """It has no position: it is passed on as it comes."""
    TAKE = auto()
    """It is the next message of the history."""
    DROP = auto()
    """It was taken before, or belongs to a former join."""


def place_of(ref: object) -> Place | None:
    """Return the position in the ref of a message; None if it has none.

    Example:
        >>> place_of("17:k3x"), place_of("17")
        (Place(epoch='k3x', offset=17), None)
    """
    found = _REF.fullmatch(ref) if isinstance(ref, str) else None
    return None if found is None else Place(found[2], int(found[1]))


class RecoveryState(Generic[M]):
    """The position of one channel, and what waits while its application loads its state.

    Args:
        client: A random token of 16 to 64 characters. It tells the channel's own messages from those of others.
        position: The position of the state that the application has, such as ``"17:k3x"``; None if it has none.

    Raises:
        DefinitionError: ``position`` is no position.
    """

    __slots__ = ("_at", "_client", "_has_state", "_held", "_loss", "_oldest", "_reason")

    def __init__(self, client: str, position: str | None = None) -> None:
        self._client = client
        self._at = _given(position)
        self._has_state = self._at is not None  # the application has loaded or joined before
        self._loss: str | None = None  # why the state must be loaded
        self._held: list[tuple[int, M]] | None = None  # what came while it is loaded
        self._oldest: Place | None = None  # the oldest position that `missed` can return
        self._reason = NO_HISTORY  # why `missed` runs

    @property
    def position(self) -> str | None:
        """The position of the application's state; None before the first join, and until a loss is repaired."""
        is_known = self._at is not None and self._loss is None and self._held is None
        return str(self._at) if is_known else None

    @property
    def is_loading(self) -> bool:
        """Whether the application loads its state."""
        return self._held is not None

    def ask(self) -> dict[str, Any]:
        """Return what a join sends under :data:`KEY`."""
        where = {} if self._at is None else {"epoch": self._at.epoch, "offset": self._at.offset}
        return {**where, "client": self._client}

    def joined(self, response: Any) -> int | None:
        """Take the response to a join.

        Returns:
            The number of messages that follow because they were missed, if nothing is lost. None if this was the first
            join, or if something is lost: then :meth:`must_load` is true.
        """
        said: Any = response.get(KEY) if isinstance(response, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - any JSON
        answer: dict[str, Any] = said if isinstance(said, dict) else {}  # pyright: ignore[reportUnknownVariableType] - any JSON
        is_recovered = answer.get("recovered") is True
        start = place_of(f"{answer.get('offset')}:{answer.get('epoch')}")
        # It is ahead if `missed` has returned a position after the join was sent.
        is_ahead = (
            is_recovered
            and start is not None
            and self._at is not None
            and self._at.epoch == start.epoch
            and self._at.offset > start.offset
        )
        if not is_ahead:
            self._at = start
        if self._has_state and not is_recovered:
            reason = answer.get("reason")
            is_plain = start is None or reason == NEW or not isinstance(reason, str)
            self.lose(NO_HISTORY if is_plain else str(reason))
        self._has_state = True
        if self._loss is None and is_recovered:
            count = answer.get("count")
            return count if isinstance(count, int) else 0
        return None

    def lose(self, reason: str) -> None:
        """Note that messages are lost. What waits is dropped: what the application will load is newer."""
        self._loss = reason
        if self._held is not None:
            self._held = []

    def must_load(self) -> bool:
        """Return whether the application must load its state, and does not do so already."""
        return self._loss is not None and self._held is None

    def take(self, ref: object, *, is_joined: bool) -> FrameVerdict:
        """Decide about a message, and move the position.

        Args:
            ref: The ref of the message.
            is_joined: Whether the channel is joined.
        """
        place = place_of(ref)
        if place is None:
            return FrameVerdict.PASS
        at = self._at
        if not is_joined or at is None or place.epoch != at.epoch or place.offset <= at.offset:
            return FrameVerdict.DROP
        self._at = place
        return FrameVerdict.TAKE

    def hold(self, message: M) -> bool:
        """Keep the message that was taken last until the state is loaded. Return False if it is loaded."""
        if self._held is None or self._at is None:
            return False
        self._held.append((self._at.offset, message))
        return True

    def begin(self) -> str:
        """Begin to load the state. Return the reason, for ``missed``."""
        reason, self._loss = self._loss or NO_HISTORY, None
        if self._held is None:
            self._held = []
        self._oldest = self._at
        self._reason = reason
        return reason

    def loaded(self, position: object) -> list[M] | None:
        """Take what ``missed`` returned.

        Args:
            position: The position that came with the state, as text; None if it came without one.

        Returns:
            The messages to pass on now. None if more was lost meanwhile: then begin again.

        Raises:
            DefinitionError: It is no position, or it is older than the join. Then call :meth:`failed`.
        """
        given = _given(position)
        oldest = self._oldest
        if (
            given is not None
            and oldest is not None
            and given.epoch == oldest.epoch
            and given.offset < oldest.offset
        ):
            raise DefinitionError(
                "missed() loaded an old state",
                expected=f"the state at {oldest}, or a newer one",
                got=f"the state at {given}",
                write="the read of the state without a cache",
            )
        if self._loss is not None:
            return None
        start = given.offset if given is not None and self._is_in(given) else 0
        if self._at is not None and start > self._at.offset:
            self._at = given
        return self._release(start)

    def failed(self) -> list[M] | None:
        """Note that ``missed`` has failed: the next join calls it again. Returns the same as :meth:`loaded`."""
        if self._loss is not None:
            return None
        held = self._release(0)
        self._loss = self._reason
        return held

    def _is_in(self, place: Place) -> bool:
        return self._at is not None and place.epoch == self._at.epoch

    def _release(self, start: int) -> list[M]:
        held, self._held = self._held or [], None
        return [message for offset, message in held if offset > start]


def _given(position: object) -> Place | None:
    """Return a position of the application.

    Raises:
        DefinitionError: It is no position.
    """
    if position is None:
        return None
    found = place_of(str(position))
    if found is None:
        raise DefinitionError(
            "the position of a channel",
            expected='the text of a position, such as "17:k3x"',
            got=described(position),
            write="position=str(position)",
        )
    return found
