"""A recorded connection: its file, and the frames in it. Pure.

The file has one JSON object a line. The first line is the header::

    {"bennu": "recording", "version": 1, "path": "/socket/websocket", "params": {"vsn": "2.0.0", "token": "[FILTERED]"}, ...}

Each other line is a frame, a close, or a note:

| line | meaning |
|---|---|
| `{"at": 0.1, "from": "client", "message": [join_ref, ref, topic, event, payload]}` | a message, of either version of the protocol |
| `{"at": 0.1, "from": "client", "message": [join_ref, ref, topic, event, null], "base64": "AAE="}` | a binary message |
| `{"at": 0.1, "from": "client", "text": "hello"}` or `"base64"` | a frame without a message, and every frame of a raw socket |
| `{"at": 0.2, "from": "server", "close": [1000, "bye"]}` | the end of the connection |
| `{"at": 0, "from": "server", "lost": 17}` | the recorder was too slow for 17 frames |

Add ``"wrong": true`` to a line of the server that is a mistake: a replay and a written test then expect that it does not come.
A binary reply is ``["1", "2", "room:1", "phx_reply", {"status": "ok", "response": null}]`` with ``base64``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, cast

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from ..errors import DecodeError
from ..logs.hiding import FILTERED
from ..message import BINARY, PHX_REPLY
from .sights import FrameSight, Hide

__all__ = ["RecordedFrame", "Recording", "RecordingHeader", "holds_hidden", "line_of"]

VERSION: Final = 1
"""The version of the format."""

Side = Literal["client", "server", "network"]


class RecordingHeader(Struct, frozen=True, kw_only=True):
    """The first line of a recording.

    Attributes:
        bennu: ``"recording"``, which tells the file from others.
        version: The version of the format.
        path: The path of the request.
        params: The parameters of the request, with their secrets hidden.
        transport: ``"websocket"`` or ``"longpoll"``.
        vsn: The version of the protocol; None on a raw socket.
        serializer: The name of the serializer; None on a raw socket.
        user: The id of the connection; None without one.
        recorded_at: Wall clock of the beginning, seconds since 1970.
        joined: The topics that were joined when the recording began.
    """

    bennu: str = "recording"
    version: int
    path: str
    params: dict[str, Any] = {}
    transport: str = "websocket"
    vsn: str | None = None
    serializer: str | None = None
    user: str | None = None
    recorded_at: float = 0.0
    joined: tuple[str, ...] = ()


class RecordedFrame(Struct, frozen=True, omit_defaults=True):
    """A line of a recording.

    Attributes:
        at: Seconds since the recording began.
        side: The side that sent it: client or server.
        message: A message: join_ref, ref, topic, event, payload.
        text: The text of a frame that is no message.
        base64: The bytes of a binary payload, or of a binary frame that is no message.
        close: Code and reason of the end.
        lost: The number of frames that a slow disk has made the recorder drop.
        wrong: Whether a message of the server is a mistake, which somebody has marked.
    """

    at: float
    side: Side = field(name="from")
    message: tuple[Any, Any, Any, Any, Any] | UnsetType = UNSET
    text: str | UnsetType = UNSET
    base64: str | UnsetType = UNSET
    close: tuple[int, str] | UnsetType = UNSET
    lost: int | UnsetType = UNSET
    wrong: bool = False

    @property
    def is_message(self) -> bool:
        """Whether it is a message of the protocol."""
        return self.message is not UNSET

    @property
    def parts(self) -> tuple[Any, Any, Any, Any, Any]:
        """The message, with the bytes of a binary payload: for a reply they are its response."""
        join_ref, ref, topic, event, payload = cast("tuple[Any, Any, Any, Any, Any]", self.message)
        if self.base64 is not UNSET:
            data = base64.b64decode(self.base64)
            is_reply = event == PHX_REPLY and isinstance(payload, dict)
            payload = {**cast("dict[str, Any]", payload), "response": data} if is_reply else data
        return join_ref, ref, topic, event, payload

    @property
    def data(self) -> str | bytes:
        """The content of a frame that is no message."""
        if self.text is not UNSET:
            return self.text
        return base64.b64decode("" if self.base64 is UNSET else self.base64)


class Recording(Struct, frozen=True):
    """A recorded connection.

    Attributes:
        header: The first line.
        frames: The other lines.
    """

    header: RecordingHeader
    frames: tuple[RecordedFrame, ...]

    @classmethod
    def read(cls, lines: Iterable[bytes | str]) -> Recording:
        """Return the recording in the lines of a file. Empty lines, and lines that begin with ``#``, are skipped.

        Raises:
            DecodeError: A line is none of a recording. The error has its number.
        """
        found = _numbered(lines)
        number, first = next(found, (1, b""))
        header = _decoded(first, RecordingHeader, number)
        if header.bennu != "recording" or header.version != VERSION:
            raise DecodeError(
                f'line {number}: expected a recording of version {VERSION} ("bennu": "recording"), got'
                f" {header.bennu!r} of version {header.version}"
            )
        frames = tuple(_checked(_decoded(line, RecordedFrame, at), at) for at, line in found)
        return cls(header, frames)

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of the file, without their ends."""
        yield msgspec.json.encode(self.header)
        yield from map(msgspec.json.encode, self.frames)

    @property
    def is_raw(self) -> bool:
        """Whether it is a connection to a raw socket."""
        return self.header.vsn is None

    @property
    def lost(self) -> int:
        """Frames that are missing."""
        return sum(0 if one.lost is UNSET else one.lost for one in self.frames)

    @property
    def hidden_params(self) -> list[str]:
        """The names of the params with hidden values."""
        return [name for name, one in self.header.params.items() if holds_hidden(one)]

    @property
    def hidden_keys(self) -> list[str]:
        """The keys with hidden values in what the client sent, each once."""
        sent = (one.parts[4] for one in self.frames if one.side == "client" and one.is_message)
        return list(dict.fromkeys(key for payload in sent for key in _hidden_keys(payload)))


def holds_hidden(value: Any) -> bool:
    """Return whether a value holds one that was hidden."""
    if isinstance(value, dict):
        return any(map(holds_hidden, cast("dict[str, Any]", value).values()))
    if isinstance(value, list):
        return any(map(holds_hidden, cast("list[Any]", value)))
    return bool(value == FILTERED)


def _hidden_keys(value: Any) -> Iterator[str]:
    """Yield the keys whose values were hidden."""
    if isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            if inner == FILTERED:
                yield key
            yield from _hidden_keys(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _hidden_keys(inner)


def line_of(sight: FrameSight, began: float, hide: Hide) -> RecordedFrame:
    """Return a frame as a recording has it, with its secrets hidden.

    Args:
        sight: The frame.
        began: When the recording began.
        hide: Hides secrets, and cuts nothing.
    """
    at = round(sight.at - began, 6)
    side: Side = "client" if sight.direction == "in" else "server"
    message, payload = sight.message, sight.payload()
    if message is None:
        if sight.opcode is BINARY:
            return RecordedFrame(at, side, base64=_base64(sight.data))
        return RecordedFrame(at, side, text=_hidden_text(payload, hide))
    data: bytes | None = None
    if isinstance(payload, bytes):
        data, payload = payload, None
    elif message.status is not None:
        data, payload = payload["response"], {"status": message.status, "response": None}
    head = (message.join_ref, message.ref, message.topic, message.event)
    return RecordedFrame(
        at,
        side,
        message=(*head, hide(payload)),
        base64=UNSET if data is None else _base64(data),
    )


def _hidden_text(text: str, hide: Hide) -> str:
    """Return a text without secrets: JSON is hidden by its keys, any other text as a whole."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return str(hide(text))
    hidden = hide(value)
    return text if hidden == value else msgspec.json.encode(hidden).decode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _numbered(lines: Iterable[bytes | str]) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(lines, 1):
        data = (line.encode() if isinstance(line, str) else line).strip()
        if data and not data.startswith(b"#"):
            yield number, data


def _decoded(line: bytes, kind: type[Any], number: int) -> Any:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        what = "the header of a recording" if kind is RecordingHeader else "a line of a recording"
        raise DecodeError(f"line {number}: expected {what}: {error}") from error


def _checked(frame: RecordedFrame, number: int) -> RecordedFrame:
    """Return a frame whose content can be read.

    Raises:
        DecodeError: It has no content, or base64 that is none.
    """
    given = (frame.message, frame.text, frame.base64, frame.close, frame.lost)
    if all(one is UNSET for one in given):
        raise DecodeError(
            f'line {number}: expected "message", "text", "base64", "close" or "lost", got none of them'
        )
    if frame.base64 is not UNSET:
        try:
            base64.b64decode(frame.base64, validate=True)
        except binascii.Error as error:
            raise DecodeError(f"line {number}: base64: {error}") from error
    return frame
