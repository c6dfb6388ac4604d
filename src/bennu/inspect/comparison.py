"""Compares what a server sends in a replay with what the recorded server sent. Pure.

A reply is compared with the recorded reply of the same ref. Any other message is compared with a recorded message of the same
topic and event: with an equal one, if there is one, else with the first that nothing was compared with. Messages without a
protocol are compared in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, cast

from msgspec import UNSET

from ..logs.hiding import FILTERED
from ..logs.printable import described
from ..message import PHX_REPLY
from .reading import Read
from .recording import RecordedFrame, Recording

__all__ = ["ALWAYS_IGNORED", "Comparison", "Difference", "Ignored"]

ALWAYS_IGNORED: Final = ("phx_ref", "phx_ref_prev")
"""Keys of presences that are new in each session."""

MISSING: Final = object()
"""Stands for a value that is not there."""


class Difference(NamedTuple):
    """One difference.

    Attributes:
        at: Seconds since the recording began, for what was recorded; None for what was not.
        what: The message, in words.
        lines: What is different in it; empty if it is missing, or was not recorded.
        kind: ``"differs"``, ``"is missing"``, ``"was not recorded"`` or ``"is as wrong as it was"``.
    """

    at: float | None
    what: str
    kind: str
    lines: tuple[str, ...] = ()

    def __str__(self) -> str:
        when = "" if self.at is None else f"at {self.at:.3f} s: "
        return "\n  ".join((f"{when}{self.what} {self.kind}", *self.lines))


class Ignored:
    """Values that are not compared.

    Args:
        paths: Keys with dots between them. A path fits a value if the value's keys end with it: ``id`` fits each value under
            a key ``id``, ``body.id`` only those in a ``body``. ``*`` fits any key. Places in lists do not count.

    Example:
        >>> Ignored(["user.id"]).fits(("response", "user", "id"))
        True
        >>> Ignored(["user.id"]).fits(("response", "id"))
        False
    """

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._paths = [tuple(path.split(".")) for path in (*paths, *ALWAYS_IGNORED)]

    def fits(self, keys: Sequence[str]) -> bool:
        """Return whether the value at these keys is ignored."""
        return any(
            len(path) <= len(keys)
            and all(one in ("*", key) for one, key in zip(path, keys[-len(path) :], strict=True))
            for path in self._paths
        )

    def differences(
        self, expected: Any, got: Any, keys: tuple[str, ...] = (), place: str = ""
    ) -> list[str]:
        """Return the differences of two JSON values, one a line. A hidden value fits every value."""
        if (
            self.fits(keys)
            or expected == FILTERED
            or (expected == got and type(expected) is type(got))
        ):
            return []
        if isinstance(expected, dict) and isinstance(got, dict):
            return self._of_dicts(
                cast("dict[str, Any]", expected), cast("dict[str, Any]", got), keys, place
            )
        if isinstance(expected, list) and isinstance(got, list):
            items, others = cast("list[Any]", expected), cast("list[Any]", got)
            if len(items) == len(others):
                pairs = enumerate(zip(items, others, strict=True))
                found = [
                    self.differences(one, other, keys, f"{place}[{number}]")
                    for number, (one, other) in pairs
                ]
                return [line for lines in found for line in lines]
            return [
                (
                    f"{place or 'the payload'}: expected {len(items)} items, got {len(others)}:"
                    f" {described(others)}"
                )
            ]
        if _are_equal_numbers(expected, got):
            return []
        return [f"{place or 'the payload'}: expected {_shown(expected)}, got {_shown(got)}"]

    def _of_dicts(
        self, expected: dict[str, Any], got: dict[str, Any], keys: tuple[str, ...], place: str
    ) -> list[str]:
        lines: list[str] = []
        for key in dict.fromkeys((*expected, *got)):
            path = f"{place}.{key}" if place else key
            inner = (*keys, key)
            one, other = expected.get(key, MISSING), got.get(key, MISSING)
            if one is MISSING or other is MISSING:
                if not self.fits(inner):
                    lines.append(f"{path}: expected {_shown(one)}, got {_shown(other)}")
            else:
                lines += self.differences(one, other, inner, path)
        return lines


def _are_equal_numbers(one: Any, other: Any) -> bool:
    """Return whether two values are the same number, 1 and 1.0 too. A bool is no number."""
    numbers = (int, float)
    return type(one) in numbers and type(other) in numbers and one == other


def _shown(value: Any) -> str:
    return "nothing" if value is MISSING else described(value)


class _Expected:
    """A recorded message of the server."""

    def __init__(self, number: int, frame: RecordedFrame) -> None:
        self.number = number
        self.frame = frame
        self.is_open = True

    @property
    def is_reply(self) -> bool:
        return self.frame.is_message and self.frame.parts[3] == PHX_REPLY


class Comparison:
    """The comparison of a replay with its recording.

    Args:
        recording: The recording.
        ignored: Values that are not compared.
        events: Events of the server that are not compared.

    Attributes:
        differences: What was found so far.
        compared: The number of messages that were compared.
    """

    def __init__(
        self, recording: Recording, ignored: Ignored | None = None, events: Iterable[str] = ()
    ) -> None:
        self._ignored = Ignored() if ignored is None else ignored
        self._events = frozenset(events)
        self._is_raw = recording.is_raw
        self._pushes: dict[Any, str] = {}
        self.differences: list[Difference] = []
        self.compared = 0
        self._expected: list[_Expected] = []
        self._close: RecordedFrame | None = None
        for number, frame in enumerate(recording.frames):
            if frame.close is not UNSET:
                self._close = frame
            elif frame.side == "server" and not self._is_ignored(frame):
                self._expected.append(_Expected(number, frame))
            elif frame.side == "client" and frame.is_message:
                self._pushes[frame.parts[1]] = str(frame.parts[3])

    def _is_ignored(self, frame: RecordedFrame) -> bool:
        return frame.lost is not UNSET or (frame.is_message and frame.parts[3] in self._events)

    def is_ready(self, number: int) -> bool:
        """Return whether the replies have come that the client had before it sent the frame of this number."""
        return not any(
            one.is_open
            and one.number < number
            and not one.frame.wrong
            and (one.is_reply or self._is_raw)
            for one in self._expected
        )

    @property
    def is_complete(self) -> bool:
        """Whether every recorded message has come."""
        return not any(one.is_open and not one.frame.wrong for one in self._expected)

    def take(self, message: Read | str | bytes) -> None:
        """Compare a message of the server: a message, or the content of a frame that is none."""
        if isinstance(message, Read) and message.event in self._events:
            return
        expected = self._find(message)
        if expected is None:
            lines = [f"payload: {_shown(_payload_of(message))}"]
            self.differences.append(
                Difference(None, self._words(message), "was not recorded", tuple(lines))
            )
            return
        expected.is_open = False
        self.compared += 1
        frame = expected.frame
        wanted = frame.parts[4] if frame.is_message else frame.data
        found = self._ignored.differences(wanted, _payload_of(message))
        if frame.wrong and not found:
            words = self._words(message)
            self.differences.append(Difference(frame.at, words, "is as wrong as it was"))
        elif found and not frame.wrong:
            words = self._words(message)
            self.differences.append(Difference(frame.at, words, "differs", tuple(found)))

    def ended(self, code: int, reason: str, *, by_server: bool) -> None:
        """Compare the end of the connection.

        Args:
            code: The close code.
            reason: The reason in the close frame.
            by_server: Whether the server has closed.
        """
        close = self._close
        was_by_server = close is not None and close.side != "client"
        if was_by_server and close is not None and close.close is not UNSET:
            recorded = close.close[0]
            if not by_server:
                what = f"the server's close with {recorded}"
                self.differences.append(Difference(close.at, what, "is missing"))
            elif recorded != code:
                lines = (f"code: expected {recorded}, got {code} {reason}".rstrip(),)
                self.differences.append(
                    Difference(close.at, "the server's close", "differs", lines)
                )
        elif by_server:
            what = f"the server's close with {code} {reason}".rstrip()
            self.differences.append(Difference(None, what, "was not recorded"))

    def finish(self) -> list[Difference]:
        """Return all differences, with the recorded messages that have not come."""
        for one in self._expected:
            frame = one.frame
            if one.is_open and not frame.wrong:
                message: Read | str | bytes = Read(*frame.parts) if frame.is_message else frame.data
                lines = (f"payload: {_shown(_payload_of(message))}",)
                self.differences.append(
                    Difference(frame.at, self._words(message), "is missing", lines)
                )
        return self.differences

    def _find(self, message: Read | str | bytes) -> _Expected | None:
        if not isinstance(message, Read):
            others = (one for one in self._expected if not one.frame.is_message)
            return next((one for one in others if one.is_open), None)
        fitting = [one for one in self._expected if one.is_open and _fits(one.frame, message)]
        for one in fitting:
            if not self._ignored.differences(one.frame.parts[4], message.payload):
                return one
        return fitting[0] if fitting else None

    def _words(self, message: Read | str | bytes) -> str:
        if not isinstance(message, Read):
            return "a text" if isinstance(message, str) else "a binary message"
        if message.event == PHX_REPLY:
            return f"the reply to {self._pushes.get(message.ref)!r} (ref {message.ref}) on {message.topic!r}"
        return f"{message.event!r} on {message.topic!r}"


def _fits(frame: RecordedFrame, message: Read) -> bool:
    if not frame.is_message:
        return False
    _, ref, topic, event, _ = frame.parts
    same = (topic, event) == (message.topic, message.event)
    return same and (event != PHX_REPLY or ref == message.ref)


def _payload_of(message: Read | str | bytes) -> Any:
    return message.payload if isinstance(message, Read) else message
