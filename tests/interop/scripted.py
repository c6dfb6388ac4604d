"""A server that plays frames: a test decides which bytes a client gets, and in which TCP segment.

It speaks the wire of Phoenix in V1 and V2, and has no rules of its own. The client is
``tests/interop/js/recoverable.mjs``, a page that also takes commands.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tests.interop.program import PATIENCE
from tests.support.frames import PHX_JOIN, PHX_REPLY

__all__ = ["TOPIC", "PlayedConnection", "PlayedFrame", "ScriptedServer", "do", "live", "pushed"]

TOPIC: Final = "room:7"


class PlayedFrame(NamedTuple):
    """A message in either direction, in the order of V2."""

    join_ref: str | None
    ref: str | None
    topic: str
    event: str
    payload: Any

    def reply(self, response: Any, status: str = "ok") -> PlayedFrame:
        """Return the reply to this message."""
        payload = {"status": status, "response": response}
        return self._replace(event=PHX_REPLY, payload=payload)

    def recovered(self, position: str, count: int) -> PlayedFrame:
        """Return the reply to this join if everything that was missed follows."""
        offset, _, epoch = position.partition(":")
        recovery = {"recovered": True, "epoch": epoch, "offset": int(offset), "count": count}
        return self.reply({"recovery": recovery})

    def unrecovered(self, position: str, reason: str) -> PlayedFrame:
        """Return the reply to this join if something was missed for good, or if it is the first one."""
        offset, _, epoch = position.partition(":")
        recovery = {"recovered": False, "epoch": epoch, "offset": int(offset), "reason": reason}
        return self.reply({"recovery": recovery})

    def replayed(self, n: int, epoch: str = "e") -> PlayedFrame:
        """Return an entry in the replay of this join."""
        return PlayedFrame(self.join_ref, f"{n}:{epoch}", TOPIC, "said", {"n": n})


def live(n: int, epoch: str = "e") -> PlayedFrame:
    """Return an entry as it is written to the members of a topic."""
    return PlayedFrame(None, f"{n}:{epoch}", TOPIC, "said", {"n": n})


def pushed(n: int) -> PlayedFrame:
    """Return a message without a position."""
    return PlayedFrame(None, None, TOPIC, "pushed", {"n": n})


def do(what: str, value: Any = None) -> PlayedFrame:
    """Return a command for the page."""
    return PlayedFrame(None, None, "page", "do", {"what": what, "value": value})


class PlayedConnection:
    """The server's end of a WebSocket, after the handshake."""

    def __init__(self, peer: socket.socket) -> None:
        peer.settimeout(PATIENCE)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peer = peer
        self._protocol = ServerProtocol()
        self._events: list[Any] = []
        request = self._next()
        assert isinstance(request, Request)
        self.is_v1 = "vsn=1.0.0" in request.path
        self._protocol.send_response(self._protocol.accept(request))
        self._write()

    def _next(self) -> Any:
        while not self._events:
            data = self._peer.recv(65_536)
            assert data, "the client closed its connection"
            self._protocol.receive_data(data)
            self._events += self._protocol.events_received()
        return self._events.pop(0)

    def _write(self) -> None:
        self._peer.sendall(b"".join(self._protocol.data_to_send()))

    def receive(self, event: str) -> PlayedFrame:
        """Wait for the next message; it must have this event."""
        frame = self._next()
        assert isinstance(frame, Frame)
        assert frame.opcode is Opcode.TEXT
        data = json.loads(bytes(frame.data))
        if self.is_v1:
            data = [None, data["ref"], data["topic"], data["event"], data["payload"]]
        message = PlayedFrame(*data)
        assert message.event == event
        return message

    def join(self) -> tuple[PlayedFrame, Mapping[str, Any]]:
        """Wait for a join; return it, and what it says of recovery."""
        message = self.receive(PHX_JOIN)
        assert message.topic == TOPIC
        return message, message.payload["recovery"]

    def send(self, *messages: PlayedFrame) -> None:
        """Send messages in one TCP segment."""
        for message in messages:
            data = message._asdict()
            text = json.dumps(list(data.values()))
            if self.is_v1:
                del data["join_ref"]
                text = json.dumps(data)
            self._protocol.send_text(text.encode())
        self._write()

    def cut(self) -> None:
        """End the connection without a close frame. The client has everything that was sent before."""
        self._peer.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while self._peer.recv(65_536):
                pass
        self._peer.close()


class ScriptedServer:
    """Accepts connections on a free port, one after another."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self._accepted: list[socket.socket] = []

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"ws://127.0.0.1:{self._listener.getsockname()[1]}"

    def accept(self) -> PlayedConnection:
        """Wait for the next connection of the client."""
        peer, _ = self._listener.accept()
        self._accepted.append(peer)
        return PlayedConnection(peer)

    def close(self) -> None:
        for peer in (*self._accepted, self._listener):
            peer.close()
