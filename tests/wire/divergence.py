"""The behaviours that an ASGI server decides, so they can differ from Phoenix and from ``bennu run``.

An ASGI server checks the upgrade, reads the frames, answers pings and writes the close frames. Under
``bennu run`` Bennu does all of that. For each such row of the protocol document, this table says what
another server does instead.

A test marked with ``@decided_by_server("...")`` runs under all servers except those that its row names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

__all__ = ["DIVERGENCES", "Divergence", "decided_by_server", "servers_for"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Divergence:
    """One row of the table.

    Attributes:
        section: The section of the protocol document.
        native: What happens under ``bennu run``.
        instead: What happens under another server, by the name of the server.
    """

    section: str
    native: str
    instead: dict[str, str]


DIVERGENCES: Final[dict[str, Divergence]] = {
    "pings and the timeout": Divergence(
        "§1.12",
        "every byte from a client counts as activity, including pings",
        dict.fromkeys(
            ("uvicorn", "hypercorn", "granian"),
            "it answers pings itself without telling Bennu, so only messages count as activity",
        ),
    ),
    "text that is not UTF-8": Divergence(
        "§1.13",
        "closed with 1007, and one line in the log",
        {
            "uvicorn": "1007 as well, with a traceback in the log",
            "hypercorn": "it aborts the connection, without a close frame",
            "granian": "it closes without a code",
        },
    ),
    "protocol violations": Divergence(
        "§1.13",
        "closed with 1002",
        {
            "hypercorn": "it aborts the connection, without a close frame",
            "granian": "it closes without a code",
        },
    ),
    "the answer to a close frame": Divergence(
        "§1.13",
        "1000, or 1002 if the client sent a code that clients must not send",
        dict.fromkeys(
            ("uvicorn", "hypercorn", "granian"),
            "it echoes the client's code and reason, and answers 1002 to a code that must not be sent"
            " (hypercorn: aborts the connection)",
        ),
    ),
    "1012 when the server stops": Divergence(
        "§1.13, §1.15",
        "closed with 1012, so that stock clients reconnect",
        {
            "hypercorn": "1011, after its graceful_timeout",
            "granian": "it aborts the connection, without a close frame",
        },
    ),
    "malformed upgrades": Divergence(
        "§1.2, §1.3",
        "400 with a sentence that names the header, after `connect` has accepted",
        {
            "uvicorn": "400 or 426 with its own sentence; POST is 405; HTTP/1.0 is accepted",
            "hypercorn": "400 without a body; an Upgrade that names no known protocol is accepted",
            "granian": "400 with its own sentence; POST and HTTP/1.0 are accepted",
        },
    ),
    "padding of a token": Divergence(
        "§1.7",
        "accepted with and without padding",
        {"uvicorn": "400: a subprotocol must not contain ="},
    ),
    "the 101": Divergence(
        "§1.4",
        "three headers, the subprotocol, and compression if the socket has `compress`",
        dict.fromkeys(
            ("uvicorn", "hypercorn", "granian"),
            "its own headers (uvicorn and hypercorn: Server, Date, and compression if offered)",
        ),
    ),
}

_ATTRIBUTE: Final = "__decided_by_server__"


def decided_by_server(row: str) -> Callable[[F], F]:
    """Mark a test of a row that some servers decide."""
    if row not in DIVERGENCES:
        raise LookupError(f"the table has no row {row!r}")

    def mark(function: F) -> F:
        setattr(function, _ATTRIBUTE, row)
        return function

    return mark


def servers_for(function: Callable[..., Any], servers: list[str]) -> list[str]:
    """Return the servers that a test runs under."""
    row = getattr(function, _ATTRIBUTE, None)
    return servers if row is None else [s for s in servers if s not in DIVERGENCES[row].instead]
