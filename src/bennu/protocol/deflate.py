"""Negotiates compression with a client, and compresses messages: permessage-deflate, RFC 7692.

Theory of operation
-------------------
RFC 7692 lets a server compress each message without reference to earlier messages
(``server_no_context_takeover``), and Bennu always does so. The compressed bytes of a message then depend only on
that message. So a broadcast is compressed once for all connections that negotiated the same window. Such connections
share a :class:`DeflateFraming`, one for each window and options, and the fastlane groups them by it. Bennu uses three
of the windows that a client can ask for, so a broadcast is compressed at most three times.

By default Bennu also tells the client not to refer to earlier messages (``client_no_context_takeover``): then an idle
connection keeps no window.

A compressor is reused. A full flush resets it. A new compressor would take 256 KB of memory from the system.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from websockets.exceptions import InvalidHeader
from websockets.headers import parse_extension
from websockets.typing import ExtensionHeader

from ..errors import DefinitionError
from ..message import Opcode
from ..user_code.options import FLAG, NUMBER, WHOLE, optional, options
from .websocket import frame

__all__ = ["RSV1", "TAIL", "Agreement", "Deflate", "DeflateFraming", "negotiate"]

NAME: Final = "permessage-deflate"
RSV1: Final = 0x40
"""The bit of a frame's first byte that marks a compressed message."""
TAIL: Final = b"\x00\x00\xff\xff"
"""The last bytes of a flush; they are not sent."""

SERVER_WINDOWS: Final = (15, 12, 9)
"""The windows that Bennu compresses with, in bits: 2 to the power of 15, 12 or 9 bytes. zlib can't use 8 bits."""
MEMORY_LEVEL: Final = 8
MAX_SIZE: Final = 1_000_000
_WINDOWS: Final = {str(bits): bits for bits in range(8, 16)}
LARGEST: Final = 15


@options(
    level=WHOLE,
    min_size=WHOLE,
    max_size=WHOLE,
    max_ratio=optional(NUMBER),
    client_context=FLAG,
    client_window_bits=WHOLE,
)
@dataclass(frozen=True, slots=True, kw_only=True)
class Deflate:
    """How a socket compresses: ``Socket(compress=Deflate(...))``. ``compress=True`` uses the defaults.

    Args:
        level: The effort, from 1 (fast) to 9 (small). Default: 6.
        min_size: Messages of fewer bytes are not compressed. Default: 512.
        max_size: Messages of more bytes are not compressed: to compress a megabyte holds the event loop for
            30 ms. Default: 1,000,000.
        max_ratio: The largest ratio to which a client's message can inflate. Default: None, which leaves the
            socket's ``max_frame_size`` as the only bound.
        client_context: Whether clients can refer to their earlier messages. Clients then send fewer bytes, and
            every connection keeps a window. Default: False.
        client_window_bits: The size of that window: 2 to the power of 9 to 15 bytes. A client that can't be told
            the size of its window (Safari) gets no window, unless this is 15. Default: 15.

    Raises:
        DefinitionError: A value is out of its range.

    Example:
        >>> Deflate(level=1).min_size
        512
    """

    level: int = 6
    min_size: int = 512
    max_size: int = MAX_SIZE
    max_ratio: float | None = None
    client_context: bool = False
    client_window_bits: int = LARGEST

    def __post_init__(self) -> None:
        _expect("level", self.level, 1, 9)
        _expect("client_window_bits", self.client_window_bits, 9, LARGEST)
        _expect("min_size", self.min_size, 0)
        _expect("max_size", self.max_size, 0)
        if self.max_ratio is not None:
            _expect("max_ratio", self.max_ratio, 1)


def _expect(name: str, value: float, least: int, most: int | None = None) -> None:
    if least <= value and (most is None or value <= most):
        return
    raise DefinitionError(
        f"Deflate({name}=...)",
        expected=f"{least} or more" if most is None else f"{least} to {most}",
        got=repr(value),
        write=f"{name}={least if most is None else most}",
    )


@dataclass(frozen=True, slots=True)
class Agreement:
    """The compression that a client and the server negotiated.

    Attributes:
        options: The socket's options.
        server_window: Bits of the window that the server compresses with.
        client_window: Bits of the window that the client keeps between messages; None if it keeps no window.
        response: The value of the response's ``Sec-WebSocket-Extensions`` header.
    """

    options: Deflate
    server_window: int
    client_window: int | None
    response: str

    @property
    def framing(self) -> DeflateFraming:
        """The framing of this agreement; equal agreements share one object."""
        options = self.options
        return _framing(options.level, options.min_size, self.server_window, options.max_size)


def negotiate(headers: Sequence[str], options: Deflate) -> Agreement | None:
    """Return the agreement for the first acceptable offer of a client; None if no offer is acceptable.

    Args:
        headers: The client's ``Sec-WebSocket-Extensions`` headers. A malformed header counts as no offer, because
            compression is optional.
        options: The socket's options.
    """
    try:
        offers = parse_extension(",".join(headers).strip(" \t"))
    except InvalidHeader:
        return None
    for offer in offers:
        name, _ = offer
        if name == NAME:
            agreement = _accept(offer, options)
            if agreement is not None:
                return agreement
    return None


def _accept(offer: ExtensionHeader, options: Deflate) -> Agreement | None:
    """Return the agreement for one offer; None declines the offer. RFC 7692, §7.1."""
    _, offered = offer
    parameters = dict(offered)
    if len(parameters) < len(offered) or not parameters.keys() <= _VALUES.keys():
        return None
    if not all(value in _VALUES[name] for name, value in offered):
        return None
    response = [NAME, "server_no_context_takeover"]
    server_window = LARGEST
    asked = parameters.get("server_max_window_bits")
    if asked is not None:
        usable = [bits for bits in SERVER_WINDOWS if bits <= _WINDOWS[asked]]
        if not usable:
            return None
        server_window = usable[0]
        response.append(f"server_max_window_bits={server_window}")
    client_window = _client_window(parameters, options)
    if client_window is None:
        response.append("client_no_context_takeover")
    elif "client_max_window_bits" in parameters and client_window < LARGEST:
        response.append(f"client_max_window_bits={client_window}")
    return Agreement(options, server_window, client_window, "; ".join(response))


def _client_window(parameters: dict[str, str | None], options: Deflate) -> int | None:
    """Return the bits of the window that the client keeps; None if the client must not keep a window."""
    if not options.client_context or "client_no_context_takeover" in parameters:
        return None
    window = options.client_window_bits
    if "client_max_window_bits" not in parameters:
        return LARGEST if window == LARGEST else None
    offered = parameters["client_max_window_bits"]
    return window if offered is None else min(window, _WINDOWS[offered])


_NO_VALUE: Final = frozenset({None})
_VALUES: Final[dict[str, frozenset[str | None]]] = {
    "server_no_context_takeover": _NO_VALUE,
    "client_no_context_takeover": _NO_VALUE,
    "server_max_window_bits": frozenset(_WINDOWS),
    "client_max_window_bits": _NO_VALUE | frozenset(_WINDOWS),
}
"""The parameters of an offer, and the allowed values of each."""


class DeflateFraming:
    """Makes WebSocket frames. A message is compressed if that makes it shorter.

    Args:
        level: The effort, from 1 (fast) to 9 (small).
        min_size: Messages of fewer bytes are not compressed.
        window: Bits of the window.
        max_size: Messages of more bytes are not compressed. Default: 1,000,000.
    """

    __slots__ = ("_compressors", "_level", "_max_size", "_min_size", "_window")

    carries_binary = True
    size = staticmethod(len)

    def __init__(self, level: int, min_size: int, window: int, max_size: int = MAX_SIZE) -> None:
        self._level = level
        self._min_size = min_size
        self._max_size = max_size
        self._window = window
        # One compressor; more only if several threads have compressed at once.
        self._compressors = [self._make()]

    def _make(self) -> zlib._Compress:
        return zlib.compressobj(self._level, zlib.DEFLATED, -self._window, MEMORY_LEVEL)

    def frame(self, opcode: Opcode, data: bytes) -> bytes:
        """Return a message as one frame."""
        if not self._min_size <= len(data) <= self._max_size:
            return frame(opcode, data)
        compressors = self._compressors
        try:
            compressor = compressors.pop()
        except IndexError:  # another thread uses the compressor
            compressor = self._make()
        content = compressor.compress(data) + compressor.flush(zlib.Z_FULL_FLUSH)
        compressors.append(compressor)
        if len(content) - len(TAIL) >= len(data):
            return frame(opcode, data)
        return frame(RSV1 | opcode, content[: -len(TAIL)])

    @staticmethod
    def join(frames: Sequence[bytes], /) -> bytes:
        """Return frames as one bytes object."""
        return b"".join(frames)


_framing = lru_cache(maxsize=None)(DeflateFraming)
