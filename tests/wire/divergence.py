"""What an ASGI server decides by itself, and so may differ from what Phoenix, and we, do.

Between an ASGI application and its client stands the server: it checks the upgrade, reads the frames,
answers pings and writes the close frames. Under ``bennu run`` all of that is ours. This table says, for
every row of the protocol document that is not ours elsewhere, what the server does instead.

A test marked with ``@decided_by_server("...")`` runs under all servers but those that its row names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

__all__ = ["DIVERGENCES", "Divergence", "decided_by_server", "servers_for"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Divergence:
    """One row.

    Attributes:
        section: Of the protocol document.
        native: What happens under ``bennu run``.
        instead: What happens elsewhere, by the name of the server.
    """

    section: str
    native: str
    instead: dict[str, str]


DIVERGENCES: Final[dict[str, Divergence]] = {
    "pings and the timeout": Divergence(
        "§1.12",
        "every byte that comes from a client is a sign of life, a ping too",
        dict.fromkeys(
            ("uvicorn", "hypercorn", "granian"),
            "it answers pings itself and tells nobody, so only messages are signs of life",
        ),
    ),
    "text that is not UTF-8": Divergence(
        "§1.13",
        "closed with 1007, and one line in the log",
        {
            "uvicorn": "1007 as well, with a traceback in the log",
            "hypercorn": "it cuts the connection, without a close frame",
            "granian": "it closes without a code",
        },
    ),
    "protocol violations": Divergence(
        "§1.13",
        "closed with 1002",
        {
            "hypercorn": "it cuts the connection, without a close frame",
            "granian": "it closes without a code",
        },
    ),
    "the answer to a close frame": Divergence(
        "§1.13",
        "1000, or 1002 if the client's code is not one that a client may send",
        dict.fromkeys(
            ("uvicorn", "hypercorn", "granian"),
            "it echoes the client's code and reason; at a code that may not be sent it answers 1002"
            " (hypercorn: cuts the connection)",
        ),
    ),
    "1012 when the server stops": Divergence(
        "§1.13, §1.15",
        "closed with 1012, so that stock clients reconnect",
        {
            "hypercorn": "1011, after its graceful_timeout",
            "granian": "it cuts the connection, without a close frame",
        },
    ),
    "malformed upgrades": Divergence(
        "§1.2, §1.3",
        "400 with a sentence that names the header, after connect has accepted",
        {
            "uvicorn": "400 or 426 with a sentence of its own; POST is 405; HTTP/1.0 is accepted",
            "hypercorn": "400 without a body; any Upgrade that names no known protocol is accepted",
            "granian": "400 with a sentence of its own; POST and HTTP/1.0 are accepted",
        },
    ),
    "padding of a token": Divergence(
        "§1.7",
        "accepted, with or without",
        {"uvicorn": "400: a subprotocol may hold no ="},
    ),
    "the 101": Divergence(
        "§1.4",
        "three headers, the subprotocol, and compression if the socket has `compress`",
        dict.fromkeys(
            ("uvicorn", "hypercorn", "granian"),
            "headers of its own (uvicorn and hypercorn: Server, Date, and compression if offered)",
        ),
    ),
}

_ATTRIBUTE: Final = "__decided_by_server__"


def decided_by_server(row: str) -> Callable[[F], F]:
    """Mark a test of what some servers decide by themselves."""
    if row not in DIVERGENCES:
        raise LookupError(f"the table has no row {row!r}")

    def mark(function: F) -> F:
        setattr(function, _ATTRIBUTE, row)
        return function

    return mark


def servers_for(function: Callable[..., Any], servers: list[str]) -> list[str]:
    """Return the servers that a test holds for."""
    row = getattr(function, _ATTRIBUTE, None)
    return servers if row is None else [s for s in servers if s not in DIVERGENCES[row].instead]
