"""Reads an address of PostgreSQL: which servers it names, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from ...errors import DefinitionError
from ..address import without_password
from ..broker.adapter import PREFIX

__all__ = ["PostgreSQLAddress", "parse_address"]

FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
"""Options whose value is the path of a file."""

EXAMPLE: Final = 'pubsub="postgresql://user:password@localhost:5432/database"'


class PostgreSQLAddress(NamedTuple):
    """The servers of an address.

    Attributes:
        name: The address for the log, without secrets.
        servers: The addresses of one server each, as asyncpg reads them. They have the password.
        prefix: What the channels of this application begin with.
    """

    name: str
    servers: tuple[str, ...]
    prefix: str

    def __repr__(self) -> str:
        return f"PostgreSQLAddress({self.name!r})"


def parse_address(address: str, node: str) -> PostgreSQLAddress:
    """Return the servers of an address.

    Args:
        address: What libpq and asyncpg call a connection URI: ``postgresql://user:password@host:port/database?options``.
            Several hosts stand with commas between. The scheme can name a driver as for SQLAlchemy,
            ``postgresql+asyncpg://``: the driver is ignored. ``prefix=`` is an option of ours, all others are asyncpg's.
        node: The name of this node, which the server shows as the name of the application.

    Raises:
        DefinitionError: The address can't be used.
    """
    name = without_password(address)

    def wrong(expected: str, got: str, write: str = EXAMPLE) -> DefinitionError:
        return DefinitionError(f"the bus {name}", expected=expected, got=got, write=write)

    place, _, query = address.partition("://")[2].partition("?")
    user, at, place = place.rpartition("@")
    if any(mark in user for mark in "@/#"):
        raise wrong(
            "a password with %40 for @, %2F for / and %23 for #",
            "one of these characters in the user or password",
            'urllib.parse.quote(password, safe="")',
        )
    hosts, slash, database = place.partition("/")
    for host in hosts.split(","):
        port = host.rpartition("]")[2].rpartition(":")[2] if ":" in host else ""
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise wrong("a port from 1 to 65535", "another port")
    try:
        options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        urlsplit(f"postgresql://{place}")
    except ValueError:
        raise wrong("options like ?sslmode=require&application_name=chat", "no options") from None
    if "ssl" in options:
        raise wrong("sslmode in the place of ssl", "ssl", "?sslmode=require")
    for option in FILES:
        path = options.get(option)
        if path and not Path(path).is_file():
            raise wrong(f"the path of a file for {option}", f"no file {path}")
    prefix = options.pop("prefix", PREFIX)
    options.setdefault("application_name", f"bennu {node}")
    query = urlencode(options, safe="/,:", quote_via=quote)
    # asyncpg itself would wait for the first host as long as for all of them.
    servers = [
        f"postgresql://{user}{at}{host}{slash}{database}?{query}" for host in hosts.split(",")
    ]
    return PostgreSQLAddress(name, tuple(servers), prefix)
