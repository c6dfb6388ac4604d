"""Replays a recording against a server: sends what the client sent, and compares what comes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import UNSET

from ..client.transport import ClientTransport, ConnectTarget, OpenTransport, TransportClosed
from ..client.urls import SocketURL, query_of
from ..client.websocket import open_websocket
from ..inspect.comparison import Comparison
from ..inspect.reading import SERIALIZERS, Read, json_of_raw, read, written
from ..inspect.recording import RecordedFrame, Recording
from ..logs.hiding import FILTERED
from ..message import BINARY, PHX_JOIN, PHX_REPLY, TEXT
from ..protocol import Serializer

__all__ = ["Replay", "filled", "target_of"]

MAX_SIZE: Final = 64 * 1024 * 1024
"""Bytes of one message of the server, at most."""

QUIET: Final = 0.2
"""Seconds to wait for messages that were not recorded, after everything recorded has come."""

CLOSE: Final = (1000, "")
"""The code and the reason with which a client ends a connection."""


def target_of(
    url: str,
    recording: Recording,
    *,
    params: Mapping[str, str],
    token: str | None = None,
    timeout: float,
) -> ConnectTarget:
    """Return where to connect. A URL without a path has the path of the recording.

    Args:
        url: The URL of the server, or of the socket.
        recording: The recording, whose params are sent.
        params: Params in place of recorded ones.
        token: The auth token; None without one.
        timeout: The most seconds for the handshake.

    Raises:
        DefinitionError: The URL is none.
    """
    if urlsplit(url).path in ("", "/"):
        url = url.rstrip("/") + recording.header.path
    query = query_of({**recording.header.params, **params})
    return ConnectTarget(SocketURL(url), query, token, {}, timeout, None, MAX_SIZE, None)


def filled(value: Any, values: Mapping[str, str]) -> Any:
    """Return a payload in which hidden values are replaced by the values for their keys."""
    if isinstance(value, dict):
        return {
            key: values[key] if inner == FILTERED and key in values else filled(inner, values)
            for key, inner in value.items()  # pyright: ignore[reportUnknownVariableType] - JSON
        }
    if isinstance(value, list):
        return [filled(inner, values) for inner in value]  # pyright: ignore[reportUnknownVariableType] - JSON
    return value


class Replay:
    """One replay.

    Args:
        recording: The recording.
        comparison: Compares what comes.
        values: Values for the keys that were hidden in payloads.
        is_fast: Whether nothing waits for the recorded time.
        timeout: The most seconds for an answer.
    """

    def __init__(
        self,
        recording: Recording,
        comparison: Comparison,
        *,
        values: Mapping[str, str],
        is_fast: bool,
        timeout: float,
    ) -> None:
        self._recording = recording
        self._comparison = comparison
        self._values = values
        self._is_fast = is_fast
        self._timeout = timeout
        self._vsn = recording.header.vsn
        self._serializer: Serializer | None = SERIALIZERS.get((self._vsn or "")[:1])
        self._setup = {f"setup-{number}" for number, _ in enumerate(recording.header.joined)}
        self._came = asyncio.Event()
        self._end: tuple[int, str] | None = None

    async def run(
        self, target: ConnectTarget, open_transport: OpenTransport = open_websocket
    ) -> None:
        """Connect, send what the client sent, and wait for what the server sent.

        Args:
            target: Where to connect.
            open_transport: Connects. Default: by a WebSocket.

        Raises:
            ConnectFailed: The server can't be reached, or refuses the connection.
        """
        transport = await open_transport(target)
        reader = asyncio.create_task(self._read(transport))
        try:
            await self._join_first(transport)
            await self._send_all(transport)
            await self._wait(lambda: self._comparison.is_complete, self._timeout)
            await self._wait(lambda: False, self._timeout if self._expects_close() else QUIET)
            code, reason = self._end or CLOSE
            self._comparison.ended(code, reason, by_server=self._end is not None)
        finally:
            await transport.close(*CLOSE)
            reader.cancel()
            await asyncio.wait((reader,))

    def _expects_close(self) -> bool:
        return any(
            one.close is not UNSET and one.side != "client" for one in self._recording.frames
        )

    async def _join_first(self, transport: ClientTransport) -> None:
        """Join the topics that were joined before the recording began."""
        for number, topic in enumerate(self._recording.header.joined):
            frame = self._join_ref_of(topic)
            message = Read(frame or f"setup-{number}", f"setup-{number}", topic, PHX_JOIN, {})
            transport.send(_content(*written(message, self._vsn or "2.0.0")))
        await self._wait(lambda: not self._setup, self._timeout)

    def _join_ref_of(self, topic: str) -> Any:
        """Return the join_ref of the messages of a topic whose join was not recorded."""
        for frame in self._recording.frames:
            if frame.is_message and frame.parts[2] == topic and frame.parts[0] is not None:
                return frame.parts[0]
        return None

    async def _send_all(self, transport: ClientTransport) -> None:
        frames = self._recording.frames
        start = frames[0].at if frames else 0.0
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, frame in enumerate(frames):
            if frame.side != "client" or frame.close is not UNSET or frame.lost is not UNSET:
                continue
            if not self._is_fast:
                await self._wait(lambda: False, began + frame.at - start - loop.time())
            await self._wait(lambda n=number: self._comparison.is_ready(n), self._timeout)
            if self._end is not None:
                return
            transport.send(self._frame(frame))
            await asyncio.sleep(0)

    def _frame(self, frame: RecordedFrame) -> str | bytes:
        if not frame.is_message:
            return frame.data
        join_ref, ref, topic, event, payload = frame.parts
        message = Read(join_ref, ref, topic, event, filled(payload, self._values))
        return _content(*written(message, self._vsn or "2.0.0"))

    async def _read(self, transport: ClientTransport) -> None:
        try:
            while True:
                self._take(await transport.receive())
                self._came.set()
        except TransportClosed as error:
            self._end = (error.closed.code, error.closed.reason)
            self._came.set()

    def _take(self, data: str | bytes) -> None:
        if self._serializer is None:
            self._comparison.take(data)
            return
        opcode, content = (TEXT, data.encode()) if isinstance(data, str) else (BINARY, data)
        message = read(self._serializer, opcode, content, is_client=False)
        if message is None:
            self._comparison.take(data)
        elif message.event == PHX_REPLY and message.ref in self._setup:
            self._setup.discard(message.ref)
        else:
            payload = json_of_raw(message.payload)
            if message.status is not None:
                payload = {"status": message.status, "response": payload}
            self._comparison.take(message._replace(payload=payload))

    async def _wait(self, is_done: Any, seconds: float) -> None:
        """Wait until something is so, the connection ends, or the time is over."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                while not is_done() and self._end is None:
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            return


def _content(opcode: Any, data: bytes) -> str | bytes:
    return data.decode() if opcode is TEXT else data
