"""How a client learns that it may not connect.

A browser shows a page nothing of a refused handshake: no status, no body. So a socket may have its
refusals *readable*: the client is let in, told why at whatever it asks, and closed after a while. Not at
once: phoenix.js begins its back-off anew with each connection that opens, and would be back in 10 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from .errors import DefinitionError
from .user_code.options import NUMBER, options

__all__ = ["MAX_HOLD", "Readable", "Refusals", "read_refusals"]

MAX_HOLD: Final = 60.0
"""Seconds that a refused client is held at most, whatever ``retry_after_ms`` it was told."""


@options(hold=NUMBER, max_held=NUMBER)
@dataclass(frozen=True)
class Readable:
    """Refused clients are let in, told the reason, and closed with the code 4003.

    Attributes:
        hold: Seconds until the close, up to twice as many: each client draws its own. A reason that
            comes with a longer ``retry_after_ms`` holds it so long.
        max_held: How many clients a process holds so; the others get HTTP statuses.
    """

    hold: float = 5.0
    max_held: int = 1000


Refusals = Literal["http", "readable"] | Readable


def read_refusals(given: object, *, has_handler: bool) -> Readable | None:
    """Return how refusals are readable, or None if they are not.

    Args:
        given: The socket's option.
        has_handler: Whether the socket also has an ``error_handler``.

    Raises:
        DefinitionError: It is no such option, or goes not together with the handler.
    """
    if given == "http":
        return None
    readable = Readable() if given == "readable" else given
    if not isinstance(readable, Readable) or readable.hold <= 0 or readable.max_held <= 0:
        raise DefinitionError(
            "Socket(refusals=...)",
            expected='"http", "readable" or Readable(...) with numbers above 0',
            got=repr(given),
            write='refusals="readable"',
        )
    if has_handler:
        raise DefinitionError(
            "Socket(refusals=..., error_handler=...)",
            expected="one of the two: what is readable has no HTTP status",
            got="both",
            write='refusals="readable"',
        )
    return readable
