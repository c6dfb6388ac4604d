"""Writes a recorded session as a module of tests, with the kit of :mod:`bennu.testing`. Pure.

The test does what the client did, in order, and expects what the server answered. Two things it expects otherwise: a
message that is marked with ``"wrong": true`` must not come, and where the recorded server crashed, the server must not
crash. So a recording of a fault becomes a test that fails, and passes when the fault is mended.

A crash is ``phx_error``, a join that is answered with ``join crashed``, or a close with 1011. The test ends there, because what
the client did next followed from the crash.

Left out are heartbeats, events of presences, new tokens, and frames that are no messages of a joined channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from keyword import iskeyword
from pprint import pformat
from textwrap import indent
from typing import Any, Final, cast

from msgspec import UNSET

from ..errors import DefinitionError
from ..logs.hiding import FILTERED
from ..message import (
    ERROR,
    OK,
    PHOENIX,
    PHX_CLOSE,
    PHX_ERROR,
    PHX_JOIN,
    PHX_LEAVE,
    PHX_REPLY,
)
from ..reasons import CloseCode, Reason
from .comparison import Ignored
from .recording import RecordedFrame, Recording, holds_hidden

__all__ = ["pytest_module"]

PRESENCE_EVENTS: Final = ("presence_state", "presence_diff")

WIDTH: Final = 92
"""Characters of a line of values."""


def pytest_module(
    recording: Recording,
    *,
    app: str,
    source: str,
    ignored: Ignored | None = None,
    events: Iterable[str] = (),
    params: dict[str, str] | None = None,
) -> str:
    """Return the source of a module with one test.

    Args:
        recording: The recording, from the start of its connection.
        app: The endpoint, as ``module:name``.
        source: The name of the file of the recording, for the docstring.
        ignored: Values that are not compared.
        events: Events of the server that are not compared.
        params: Params in place of recorded ones.

    Raises:
        DefinitionError: It is a recording of a raw socket, or one that begins in the middle.
    """
    header = recording.header
    if recording.is_raw:
        raise _refusal("a recording of channels", "one of a raw socket", "bennu replay FILE URL")
    if header.joined:
        raise _refusal(
            "a recording from the start of its connection",
            f"one that begins after the joins of {', '.join(header.joined)}",
            "endpoint.inspector.record_next(file)",
        )
    story = _Story(recording, ignored or Ignored(), frozenset(events))
    told = story.lines()
    if all(line.startswith("#") for line in told):
        told.append("client.heartbeat()")
    body = "\n".join(told)
    module, _, name = app.partition(":")
    first, _, rest = name.partition(".")
    given = {
        one: value for one, value in {**header.params, **(params or {})}.items() if one != "vsn"
    }
    options = ", PARAMS" if given else ""
    if header.vsn is not None and header.vsn.startswith("1."):
        options += ', vsn="1.0.0"'
    if header.transport == "longpoll":
        options += ', transport="longpoll"'
    lines = [
        f'"""The recorded session {source}, replayed in memory. Written by ``bennu replay --pytest``."""',
        "",
        *story.imports(),
        "",
        f"from {module} import {first}",
        "",
    ]
    if given:
        hint = "  # write what connect accepts for [FILTERED]" if holds_hidden(given) else ""
        lines += [f"PARAMS = {given!r}{hint}", ""]
    call = f'{first}{rest and "." + rest}, "{_mount(header.path)}"{options}'
    lines += [
        "",
        "def test_the_recorded_session() -> None:",
        f"    with blocking.connect({call}) as client:",
        indent(body, " " * 8),
    ]
    return "\n".join(lines) + "\n"


def _refusal(expected: str, got: str, write: str) -> DefinitionError:
    return DefinitionError("bennu replay --pytest", expected=expected, got=got, write=write)


def _mount(path: str) -> str:
    """Return the path of a socket, from the path of a request."""
    return path.rpartition("/")[0] or "/"


class _Story:
    """The lines of the test.

    Args:
        recording: The recording.
        ignored: Values that are not compared.
        events: Events of the server that are not compared.
    """

    def __init__(self, recording: Recording, ignored: Ignored, events: frozenset[str]) -> None:
        self._frames = recording.frames
        self._ignored = ignored
        self._events = events
        self._replies: dict[Any, RecordedFrame] = {}
        for frame in recording.frames:
            if frame.is_message and frame.side == "server" and frame.parts[3] == PHX_REPLY:
                self._replies.setdefault(frame.parts[1], frame)
        self._rooms: dict[str, tuple[str, Any]] = {}  # the variable and the join_ref of a topic
        self._left = set[str]()
        self._last: dict[str, str] = {}
        self._names = {
            "ANY",
            "JoinRefused",
            "PARAMS",
            "blocking",
            "client",
            "differences",
            "pytest",
        }
        self._used = set[str]()
        self._is_over = False

    def imports(self) -> list[str]:
        """Return the imports that the lines need."""
        kit = [*sorted(self._used & {"ANY", "JoinRefused"}), "blocking"]
        found = [f"from bennu.testing import {', '.join(kit)}"]
        if "differences" in self._used:
            found.append("from bennu.testing.patterns import differences")
        if "JoinRefused" in self._used:
            found = ["import pytest", "", *found]
        return found

    def lines(self) -> list[str]:
        """Return the lines of the test."""
        found: list[str] = []
        for frame in self._frames:
            if self._is_over:
                break
            if frame.close is not UNSET:
                found += self._close(frame)
            elif frame.lost is not UNSET or not frame.is_message:
                found.append("# Left out: a frame that is no message")
            elif frame.side == "client":
                found += self._sent(frame)
            else:
                found += self._came(frame)
        return found

    # What the client sent.

    def _sent(self, frame: RecordedFrame) -> Iterator[str]:
        _, ref, topic, event, payload = frame.parts
        if event == PHX_JOIN:
            yield from self._join(ref, topic, payload)
        elif topic == PHOENIX:
            if event != "heartbeat":
                yield f"# Left out: {event} on {topic}"
        elif topic not in self._rooms:
            yield f"# Left out: {event!r} on {topic!r}, which is not joined"
        elif event == PHX_LEAVE:
            self._left.add(topic)
            yield f"{self._rooms[topic][0]}.leave()"
        else:
            self._last[topic] = event
            yield from self._push(self._rooms[topic][0], ref, event, payload)

    def _join(self, ref: Any, topic: str, payload: Any) -> Iterator[str]:
        name = self._rooms[topic][0] if topic in self._rooms else self._new_name(topic)
        call = f"client.join({topic!r}{self._given(payload)})"
        reply = self._replies.get(ref)
        if reply is None:
            yield f"# Left out: a join of {topic!r} that was not answered"
            return
        status, response = self._answer(reply)
        if status == OK:
            self._rooms[topic] = (name, ref)
            self._left.discard(topic)
            yield f"{name} = {call}"
            if response:
                yield from self._expect(f"{name}.response", response, wrong=reply.wrong)
        elif reply.wrong or response == {"reason": Reason.JOIN_CRASHED.text}:
            self._is_over = not reply.wrong
            yield f"# The recorded join was refused: {response!r}. It must not be."
            yield f"{name} = {call}"
            self._rooms[topic] = (name, ref)
        else:
            self._used.add("JoinRefused")
            yield "with pytest.raises(JoinRefused) as refused:"
            yield f"    {call}"
            yield from self._expect("refused.value.response", response, wrong=False)

    def _push(self, room: str, ref: Any, event: str, payload: Any) -> Iterator[str]:
        call = f"{room}.push({event!r}{self._given(payload)})"
        reply = self._replies.get(ref)
        if ref is None or reply is None:
            yield call
            return
        status, response = self._answer(reply)
        pattern = self._source(response) if response not in ({}, None) else ""
        if reply.wrong and status == OK:
            yield f"# The recorded response was wrong: {response!r}"
            self._used.add("differences")
            yield f"assert differences({pattern or '{}'}, {call}.response())"
        elif reply.wrong:
            yield f"# The recorded reply was wrong: {status} {response!r}"
            yield f"{call}.assert_reply()"
        elif status in (OK, ERROR):
            yield f"{call}.assert_{'reply' if status == OK else 'error'}({pattern})"
        else:
            comma = ", " if pattern else ""
            yield f"{call}.assert_reply({pattern}{comma}status={status!r})"

    # What the server sent.

    def _came(self, frame: RecordedFrame) -> Iterator[str]:
        _, ref, topic, event, payload = frame.parts
        room = self._rooms.get(topic)
        if event == PHX_REPLY or event in self._events or event in PRESENCE_EVENTS or room is None:
            return
        if event in (PHX_CLOSE, PHX_ERROR):
            if ref != room[1]:  # of an earlier join
                return
            del self._rooms[topic]
            if event == PHX_ERROR:
                yield from self._crash(room[0], topic)
            elif topic not in self._left:
                yield f"{room[0]}.assert_closed()"
            return
        pattern = self._source(payload)
        if frame.wrong:
            yield f"{room[0]}.refute_push({event!r}, {pattern})"
        else:
            yield f"{room[0]}.assert_push({event!r}, {pattern})"

    def _crash(self, room: str, topic: str) -> Iterator[str]:
        self._is_over = True
        after = f", after {self._last[topic]!r}" if topic in self._last else ""
        yield f"# The recorded channel crashed here{after}. A channel that has not crashed can be left:"
        yield f"{room}.leave()"

    def _close(self, frame: RecordedFrame) -> Iterator[str]:
        self._is_over = True
        code, reason = cast("tuple[int, str]", frame.close)
        if frame.side != "server":
            return
        if code == CloseCode.INTERNAL_ERROR.code or frame.wrong:
            yield f"# The recorded server closed the connection here: {code} {reason}. It must stay open:"
            yield "client.heartbeat()"
        else:
            yield f"client.assert_closed({code})"

    # Values.

    def _answer(self, reply: RecordedFrame) -> tuple[str, Any]:
        payload = reply.parts[4]
        return str(payload["status"]), payload["response"]

    def _expect(self, what: str, response: Any, *, wrong: bool) -> Iterator[str]:
        self._used.add("differences")
        word = "" if wrong else "not "
        if wrong:
            yield f"# The recorded response was wrong: {response!r}"
        yield f"assert {word}differences({self._source(response)}, {what})"

    def _given(self, payload: Any) -> str:
        return (
            "" if payload in ({}, None) else f", {pformat(payload, width=WIDTH, sort_dicts=False)}"
        )

    def _source(self, value: Any) -> str:
        """Return a pattern as source: without ignored values, and with ANY for hidden ones."""
        return pformat(self._pattern(value, ()), width=WIDTH, sort_dicts=False)

    def _pattern(self, value: Any, keys: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            return {
                key: self._pattern(inner, (*keys, key))
                for key, inner in cast("dict[str, Any]", value).items()
                if not self._ignored.fits((*keys, key))
            }
        if isinstance(value, list):
            return [self._pattern(inner, keys) for inner in cast("list[Any]", value)]
        if value == FILTERED:
            self._used.add("ANY")
            return _NameInSource("ANY")
        return value

    def _new_name(self, topic: str) -> str:
        """Return a variable for a topic: ``room_7`` for ``room:7``."""
        name = "".join(one if one.isascii() and one.isalnum() else "_" for one in topic).strip("_")
        if not name.isidentifier() or iskeyword(name):
            name = f"channel_{name}".rstrip("_")
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name


class _NameInSource:
    """A name in the source of a value."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name
