"""Says which errors of Redis a retry can't help."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import DefinitionError
from .options import RedisOptions, RedisPlace

__all__ = ["is_passing", "refusal", "telling"]

FINAL = (
    ("WRONGPASS", "a user and password that Redis accepts"),
    ("NOAUTH", "a password"),
    ("NOPERM", "a user with the permissions that docs/bus.md lists"),
    ("NOPROTO", "Redis 6 or newer, or Valkey"),
    (
        "DENIED",
        "a Redis that takes connections of other hosts: set a password, or protected-mode no",
    ),
    ("ERR unknown command", "Redis 6 or newer, or Valkey; Redis 7 for a cluster"),
    ("ERR DB index", "the number of a database that exists"),
    ("ERR invalid DB", "the number of a database"),
    ("ERR SELECT is not allowed", "no number of a database: a cluster has only one"),
    ("ERR This instance has cluster support disabled", "a server of a cluster"),
)
"""The beginnings of errors that stay until somebody changes the address or the server, and what is expected."""


def refusal(place: RedisPlace, options: RedisOptions, what: str, text: str) -> Exception:
    """Return the exception for an error that Redis answered.

    Args:
        place: The server.
        options: The address.
        what: The command, or what was refused.
        text: The error.

    Returns:
        A ``DefinitionError`` if no retry helps, else a ``ConnectionError``.
    """
    for beginning, expected in FINAL:
        if text.startswith(beginning):
            return DefinitionError(
                f"the bus {options.name}",
                expected=expected,
                got=f"{place} refused {what}: {text}",
                write='pubsub="redis://user:password@cache:6379"',
            )
    return ConnectionError(f"{place} refused {what}: {text}")


PASSING = ("CLUSTERDOWN", "TRYAGAIN", "LOADING", "MASTERDOWN", "BUSY")
"""The beginnings of errors of a server that is not ready, or whose cluster is being repaired."""


def is_passing(text: str) -> bool:
    """Return whether an error ends by itself, so that the connection can be kept."""
    return text.startswith(PASSING)


def telling(problems: Sequence[Exception]) -> Exception:
    """Return one of the problems that several servers had.

    A server that can't be reached can be right where the others are wrong. So a retry helps, unless all servers refuse.
    """
    transient = [one for one in problems if isinstance(one, OSError)]
    return (transient or problems)[-1]
