"""Compressed messages: permessage-deflate, RFC 7692. What is agreed on, and how we write.

Theory of operation
-------------------
A server may refuse to refer back to its earlier messages without being asked to, and we always do
(``server_no_context_takeover``). Then what a message is compressed to depends on nothing but itself, so a
broadcast is compressed once for all connections that agreed on the same window. Connections share a
:class:`DeflateFraming`, one per window and options, and the fast lane groups them by it. Of the windows
that a client may ask for we use three, so no mix of clients has a broadcast compressed more often.

By default we also tell the client not to refer back (``client_no_context_takeover``): then an idle
connection holds no window.

The compressor is made once too. A full flush leaves it as if it had just been made, without the quarter of a
megabyte that making one takes from the system each time.
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
"""The bit of a frame's first byte that says that the message is compressed."""
TAIL: Final = b"\x00\x00\xff\xff"
"""What a flush ends with; it is left out on the wire."""

SERVER_WINDOWS: Final = (15, 12, 9)
"""The windows that we compress with, as powers of two; zlib has none of 8 bits."""
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
    """How a socket compresses, ``Socket(compress=Deflate(...))``; ``compress=True`` has the defaults.

    Args:
        level: From 1, quick, to 9, small.
        min_size: Bytes; what is shorter is sent as it is.
        max_size: Bytes; what is longer is sent as it is too. To compress a megabyte holds the event loop for
            30 ms.
        max_ratio: A client's message may inflate to so many times its size; None leaves only the
            socket's ``max_frame_size`` as bound.
        client_context: Whether clients may refer back to what they sent earlier. They send less then,
            and every connection keeps a window for it.
        client_window_bits: The window that is kept then: 2 to the power of 9 to 15 bytes. A client
            that can't be told the size of its window (Safari) gets none, unless this is 15.

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
    """What a client and we agreed on.

    Attributes:
        options: The socket's.
        server_window: Bits of the window that we compress with.
        client_window: Bits of the window that the client refers back into, from one message to the
            next; None if it does not.
        response: The header that says so.
    """

    options: Deflate
    server_window: int
    client_window: int | None
    response: str

    @property
    def framing(self) -> DeflateFraming:
        """How messages are written: the very same object for all that agreed on the same."""
        options = self.options
        return _framing(options.level, options.min_size, self.server_window, options.max_size)


def negotiate(headers: Sequence[str], options: Deflate) -> Agreement | None:
    """Accept the first offer of a client that we can, or none.

    Args:
        headers: Its ``Sec-WebSocket-Extensions``. A malformed header counts as none: a client must not be
            refused for something optional.
        options: The socket's.
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
    """Answer one offer; None declines it. RFC 7692, §7.1."""
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
    """Return the window to be kept for a client, or None if it shall not refer back."""
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
"""The parameters of an offer, and what each may be set to."""


class DeflateFraming:
    """Finished WebSocket frames, compressed where that is worth it.

    Args:
        level: How hard to try.
        min_size: Bytes; what is shorter is sent as it is.
        window: Its bits.
        max_size: Bytes; what is longer is sent as it is.
    """

    __slots__ = ("_compressors", "_level", "_max_size", "_min_size", "_window")

    carries_binary = True
    size = staticmethod(len)

    def __init__(self, level: int, min_size: int, window: int, max_size: int = MAX_SIZE) -> None:
        self._level = level
        self._min_size = min_size
        self._max_size = max_size
        self._window = window
        # One, or as many as threads ever were here at once.
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
        except IndexError:  # another thread is at it
            compressor = self._make()
        content = compressor.compress(data) + compressor.flush(zlib.Z_FULL_FLUSH)
        compressors.append(compressor)
        if len(content) - len(TAIL) >= len(data):
            return frame(opcode, data)
        return frame(RSV1 | opcode, content[: -len(TAIL)])

    @staticmethod
    def join(frames: Sequence[bytes], /) -> bytes:
        """Return frames as one piece of bytes."""
        return b"".join(frames)


_framing = lru_cache(maxsize=None)(DeflateFraming)
