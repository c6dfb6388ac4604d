"""The options for how a client is told that its connect is refused.

A browser shows a page neither the status nor the body of a refused handshake. So a socket can have *readable*
refusals: the connection is accepted, each message is answered with the reason, and the connection is closed after some
seconds. If it were closed at once, phoenix.js would connect again after 10 ms, because each opened connection resets
its back-off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from .errors import DefinitionError
from .user_code.options import NUMBER, options

__all__ = ["MAX_HOLD", "Readable", "Refusals", "read_refusals"]

MAX_HOLD: Final = 60.0
"""Seconds after which the connection of a refused client is closed at the latest, for any ``retry_after_ms``."""


@options(hold=NUMBER, max_held=NUMBER)
@dataclass(frozen=True)
class Readable:
    """The connection of a refused client is accepted, told the reason, and closed with the code 4003.

    Attributes:
        hold: Seconds until the close. Each client gets a random time from ``hold`` to twice ``hold``. If the
            reason has a longer ``retry_after_ms``, the connection is closed after that time. Default: 5.
        max_held: The most such connections of one process. Other refused clients get an HTTP status. Default:
            1000.
    """

    hold: float = 5.0
    max_held: int = 1000


Refusals = Literal["http", "readable"] | Readable


def read_refusals(given: object, *, has_handler: bool) -> Readable | None:
    """Return the options of readable refusals; None if refusals are HTTP statuses.

    Args:
        given: The value of ``Socket(refusals=...)``.
        has_handler: Whether the socket also has an ``error_handler``.

    Raises:
        DefinitionError: The value is invalid, or the socket has readable refusals and an ``error_handler``.
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
            expected="one of the two: a readable refusal has no HTTP status",
            got="both",
            write='refusals="readable"',
        )
    return readable
