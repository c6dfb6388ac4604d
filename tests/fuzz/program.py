r"""Programs: bytes with the actions of clients, one action a line. Any bytes are a program, so they can be mutated.

The first byte of a line is the action, and the rest is its argument. In the argument ``|`` stands for CR LF, and
``$T`` for the client's last token of long polling.

=====  ====================================================================================================
``@n``  continues as another client; a client opens its connection with its first sending
``Hx``  sends the head of a request, with an empty line behind it
``Bx``  sends bytes
``Cx``  sends a chunk of a body
``Wx``  asks for a WebSocket at ``/socket/websocket?x``; ``Zx`` with compression; ``wx`` at a whole target
``Gx``  polls with the token: ``x`` is the rest of the target; ``Sx`` posts x as messages
``Fx``  sends a frame: its first byte, then how its length is written (``0`` as it should be, ``1`` with 16 bits, ``2``
        with 64, ``3`` a byte too many, ``4`` without a mask, ``5`` a lie of gigabytes), then its content
``Tx``  sends a text; ``Dx`` a binary message; ``Px`` a ping
``Jx``  joins a topic; ``Lx`` leaves it; ``K`` is a heartbeat; ``Mx`` is ``topic event payload``
``/n``  sends in pieces of n bytes from now on
``*n``  sends the last sent bytes n times more
``.``   waits until all tasks are blocked; ``+n`` lets n seconds pass
``-``   stops reading; ``=`` reads again; ``~n`` reads n times 100 bytes
``E``   closes its sending side; ``V`` drops the connection
=====  ====================================================================================================

Bytes to send wait until the next line that sends nothing, or until the end. So several lines become one read of the
server.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

from bennu.testing.clock import settle

from .house import House, Visitor

__all__ = ["WORDS", "program_of"]

CLIENTS: Final = 4
MAX_LINES: Final = 120
MAX_SECONDS: Final = 150
MAX_PENDING: Final = 60_000

_TOKEN: Final = re.compile(rb'"token":"([^"]+)"')

UPGRADE: Final = (
    b"Host: a|Connection: Upgrade|Upgrade: websocket|Sec-WebSocket-Version: 13"
    b"|Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
)
DEFLATE: Final = b"|Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover"


class _Player:
    """Runs one program."""

    def __init__(self, house: House, visitors: list[Visitor]) -> None:
        self._house = house
        self._visitors = visitors
        self._clients: list[Visitor | None] = [None] * CLIENTS
        self._pending = [bytearray() for _ in range(CLIENTS)]
        self._tokens = [b""] * CLIENTS
        self._at = 0
        self._piece = 0
        self._seconds = 0.0
        self._last = b""

    async def play(self, text: bytes) -> None:
        for line in text.split(b"\n")[:MAX_LINES]:
            if not line:
                continue
            what, rest = line[:1], line[1:].replace(b"|", b"\r\n")
            if (sending := SENDING.get(what)) is not None:
                self._send(sending(self, rest))
            elif (doing := DOING.get(what)) is not None:
                self._give()
                await doing(self, rest)
        for self._at in range(CLIENTS):
            self._give()

    @property
    def client(self) -> Visitor:
        """The current client."""
        client = self._clients[self._at]
        if client is None or client.has_ended:
            client = Visitor(self._house, f"10.0.0.{self._at + 1}")
            self._clients[self._at] = client
            self._visitors.append(client)
        return client

    @property
    def token(self) -> bytes:
        """The client's last token."""
        client = self._clients[self._at]
        if client is not None and (found := _TOKEN.findall(client.received)):
            self._tokens[self._at] = found[-1]
        return self._tokens[self._at]

    def _send(self, data: bytes) -> None:
        self._last = data = data.replace(b"$T", self.token)
        pending = self._pending[self._at]
        pending += data[: MAX_PENDING - len(pending)]

    def _give(self) -> None:
        """Send the waiting bytes, as one read of the server or as many."""
        data = bytes(self._pending[self._at])
        self._pending[self._at].clear()
        if data:
            transport = self.client.transport
            step = self._piece or len(data)
            step = max(step, len(data) // 200)
            for at in range(0, len(data), step):
                transport.feed(data[at : at + step])

    # Lines that send bytes.

    def head(self, rest: bytes) -> bytes:
        return rest + b"\r\n\r\n"

    def as_it_is(self, rest: bytes) -> bytes:
        return rest

    def chunk(self, rest: bytes) -> bytes:
        return b"%x\r\n%s\r\n" % (len(rest), rest)

    def websocket(self, rest: bytes, more: bytes = b"") -> bytes:
        return self.upgrade(b"/socket/websocket?" + rest, more)

    def deflating(self, rest: bytes) -> bytes:
        return self.websocket(rest, DEFLATE)

    def upgrade(self, rest: bytes, more: bytes = b"") -> bytes:
        lines = b"GET %s HTTP/1.1|%s%s" % (rest, UPGRADE, more)
        return lines.replace(b"|", b"\r\n") + b"\r\n\r\n"

    def poll(self, rest: bytes) -> bytes:
        lines = b"GET /socket/longpoll?vsn=2.0.0%s HTTP/1.1|Host: a|x-phoenix-longpoll-token: $T"
        return (lines % rest).replace(b"|", b"\r\n") + b"\r\n\r\n"

    def post(self, rest: bytes) -> bytes:
        lines = (
            b"POST /socket/longpoll?vsn=2.0.0 HTTP/1.1|Host: a|x-phoenix-longpoll-token: $T"
            b"|Content-Type: application/x-ndjson|Content-Length: %d||"
        )
        body = rest.replace(b"\r\n", b"\n")
        return (lines % len(body)).replace(b"|", b"\r\n") + body

    def frame(self, rest: bytes) -> bytes:
        first, form, content = rest[:1] or b"\x81", rest[1:2], rest[2:]
        size = len(content)
        if form == b"1":
            length = b"\xfe" + size.to_bytes(2, "big")
        elif form == b"2":
            length = b"\xff" + size.to_bytes(8, "big")
        elif form == b"3":
            length = bytes((0x80 | min(size + 1, 125),))
        elif form == b"4":
            return first + bytes((min(size, 125),)) + content[:125]
        elif form == b"5":
            length = b"\xff\x00\x00\x00\x7f\xff\xff\xff\xff"
        else:
            length = _length(size)
        return first + length + bytes(4) + content

    def text(self, rest: bytes) -> bytes:
        return b"\x81" + _length(len(rest)) + bytes(4) + rest

    def binary(self, rest: bytes) -> bytes:
        return b"\x82" + _length(len(rest)) + bytes(4) + rest

    def ping(self, rest: bytes) -> bytes:
        return b"\x89" + _length(len(rest)) + bytes(4) + rest

    def join(self, rest: bytes) -> bytes:
        return self.text(b'["1","1","%s","phx_join",{}]' % rest)

    def leave(self, rest: bytes) -> bytes:
        return self.text(b'["1","2","%s","phx_leave",{}]' % rest)

    def heartbeat(self, _rest: bytes) -> bytes:
        return self.text(b'[null,"3","phoenix","heartbeat",{}]')

    def message(self, rest: bytes) -> bytes:
        topic, _, rest = rest.partition(b" ")
        event, _, payload = rest.partition(b" ")
        return self.text(b'["1","4","%s","%s",%s]' % (topic, event, payload or b"{}"))

    def again(self, rest: bytes) -> bytes:
        return self._last * min(_number(rest, 50), MAX_PENDING // (len(self._last) or 1))

    # Lines that do something else.

    async def switch(self, rest: bytes) -> None:
        self._at = _number(rest, 9) % CLIENTS

    async def cut(self, rest: bytes) -> None:
        self._piece = _number(rest, 10_000)

    async def settle(self, _rest: bytes) -> None:
        await settle()

    async def wait(self, rest: bytes) -> None:
        seconds = min(float(_number(rest, 70)), MAX_SECONDS - self._seconds)
        self._seconds += seconds
        await self._house.pass_time(seconds)

    async def read_no_more(self, _rest: bytes) -> None:
        self.client.transport.peer_reads = False

    async def read_again(self, _rest: bytes) -> None:
        self.client.transport.take()

    async def read_some(self, rest: bytes) -> None:
        self.client.transport.take(100 * _number(rest, 1000))

    async def send_no_more(self, _rest: bytes) -> None:
        self.client.transport.feed_eof()

    async def vanish(self, _rest: bytes) -> None:
        self.client.vanish()


SENDING: Final[dict[bytes, Callable[[_Player, bytes], bytes]]] = {
    b"H": _Player.head,
    b"B": _Player.as_it_is,
    b"C": _Player.chunk,
    b"W": _Player.websocket,
    b"Z": _Player.deflating,
    b"w": _Player.upgrade,
    b"G": _Player.poll,
    b"S": _Player.post,
    b"F": _Player.frame,
    b"T": _Player.text,
    b"D": _Player.binary,
    b"P": _Player.ping,
    b"J": _Player.join,
    b"L": _Player.leave,
    b"K": _Player.heartbeat,
    b"M": _Player.message,
    b"*": _Player.again,
}
DOING: Final[dict[bytes, Callable[[_Player, bytes], Awaitable[None]]]] = {
    b"@": _Player.switch,
    b"/": _Player.cut,
    b".": _Player.settle,
    b"+": _Player.wait,
    b"-": _Player.read_no_more,
    b"=": _Player.read_again,
    b"~": _Player.read_some,
    b"E": _Player.send_no_more,
    b"V": _Player.vanish,
}

WORDS: Final = (
    *(
        b"\n@1\n",
        b"\n@2\n",
        b"\n.\n",
        b"\n+1\n",
        b"\n+6\n",
        b"\n+61\n",
        b"\n-\n",
        b"\n=\n",
        b"\n~5\n",
    ),
    *(b"\nE\n", b"\nV\n", b"\n/1\n", b"\n/7\n", b"\n/0\n", b"\n*9\n", b"\n*50\n", b"\nK\n"),
    *(
        b"\nWvsn=2.0.0\n.\n",
        b"\nWvsn=1.0.0\n",
        b"\nZvsn=2.0.0\n.\n",
        b"\nw/rated/websocket?vsn=2.0.0\n",
    ),
    *(
        b"\nw/readable/websocket?refuse=1&vsn=2.0.0\n",
        b"\nw/raw/websocket\n.\n",
        b"\nw/foreign\n.\n",
    ),
    *(b"&slow=1", b"&refuse=1", b"&name=a", b"\nG\n", b"\nG\n.\n", b"\nJroom:1\n", b"\nJhere:1\n"),
    *(b"\nJn:7-a\n", b"\nLroom:1\n", b'\nMroom:1 echo {"a":1}\n', b"\nMroom:1 slow\n"),
    *(b"\nMroom:1 stop\n", b'\nMroom:1 say "x"\n', b'\nMphoenix token {"token":"abcd"}\n'),
    *(
        b"\nF\x010",
        b"\nF\x000",
        b"\nF\x800",
        b"\nF\xc10",
        b"\nF\x880\x03\xe8",
        b"\nF\x815",
        b"\nF\x890",
    ),
    *(b"\nHGET /stream HTTP/1.1|Host: a", b"\nHGET /health/ready HTTP/1.1|Host: a\n"),
    *(b"\nHPOST /take HTTP/1.1|Content-Length: 9\n", b"|Transfer-Encoding: chunked", b"\nB0||"),
    *(
        b"|Expect: 100-continue",
        b"|Connection: close",
        b"|Host: evil.example",
        b"|Origin: http://a",
    ),
    *(b"|Sec-WebSocket-Protocol: phoenix, base64url.bearer.phx.YQ", b"HOPTIONS /socket/longpoll"),
    *(
        b"\\ud83d",
        b"phx_join",
        b'["1","2","room:1","echo",',
        b"\nD\x00\x01\x01\x06\x0411room:1echo",
    ),
)
"""Bytes with a meaning in a program."""


def program_of(text: bytes) -> Callable[[House, list[Visitor]], Awaitable[None]]:
    """Return a program for :meth:`House.play`."""

    async def program(house: House, visitors: list[Visitor]) -> None:
        await _Player(house, visitors).play(text)

    return program


def _length(size: int) -> bytes:
    if size < 126:
        return bytes((0x80 | size,))
    if size < 65_536:
        return b"\xfe" + size.to_bytes(2, "big")
    return b"\xff" + size.to_bytes(8, "big")


def _number(text: bytes, most: int) -> int:
    """Return the number at the start of a text, or 0."""
    digits = re.match(rb"[0-9]{0,6}", text)
    return min(int(digits[0] or 0), most) if digits else 0
