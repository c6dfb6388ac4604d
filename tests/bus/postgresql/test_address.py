"""Addresses of PostgreSQL, and what is wrong with some of them."""

from __future__ import annotations

import pytest

from bennu.bus.postgresql.address import parse_address
from bennu.errors import DefinitionError


@pytest.mark.parametrize(
    ("address", "servers"),
    [
        ("postgresql://", ["postgresql://?"]),
        ("postgres://db/chat", ["postgresql://db/chat?"]),
        ("postgresql+asyncpg://me:s%40d@db/chat", ["postgresql://me:s%40d@db/chat?"]),
        ("postgresql://db/chat?sslcrl=&prefix=x", ["postgresql://db/chat?sslcrl=&"]),
        (
            "postgresql://me:pw@one:1,[::1]:2,three/chat?sslmode=require",
            [
                "postgresql://me:pw@one:1/chat?sslmode=require&",
                "postgresql://me:pw@[::1]:2/chat?sslmode=require&",
                "postgresql://me:pw@three/chat?sslmode=require&",
            ],
        ),
        (
            "postgresql:///chat?host=/run/postgresql&port=5433",
            ["postgresql:///chat?host=/run/postgresql&port=5433&"],
        ),
    ],
)
def test_an_address_names_servers(address: str, servers: list[str]) -> None:
    named = [f"{server}application_name=bennu%20web-1" for server in servers]
    assert list(parse_address(address, "web-1").servers) == named


def test_options() -> None:
    address = parse_address(
        "postgresql://db/chat?application_name=my%20chat&prefix=staging", "web-1"
    )
    assert address.servers == ("postgresql://db/chat?application_name=my%20chat",)
    assert address.prefix == "staging"
    assert parse_address("postgresql://db/chat", "web-1").prefix == "bennu"


def test_the_name_has_no_secret() -> None:
    address = parse_address("postgresql://me:hunter2@db/chat?password=hunter2", "web-1")
    assert address.name == "postgresql://***@db/chat?***"
    assert "hunter2" not in repr(address)


@pytest.mark.parametrize(
    ("address", "taught"),
    [
        ("postgresql://me:hunter2@x@db/chat", "%40 for @"),
        ("postgresql://me:hunter2/x@db/chat", "%2F for /"),
        ("postgresql://me:hunter2#x@db/chat", "%23 for #"),
        ("postgresql://me:hunter2@db:0/chat", "a port from 1 to 65535"),
        ("postgresql://me:hunter2@db:99999/chat", "a port from 1 to 65535"),
        ("postgresql://me:hunter2@one,db:5432x/chat", "a port from 1 to 65535"),
        ("postgresql://me:hunter2@[::1/chat", "options"),
        ("postgresql://me:hunter2@db/chat?verbose", "options"),
        ("postgresql://me:hunter2@db/chat?ssl=require", r"write: +\?sslmode=require"),
        ("postgresql://me:hunter2@db/chat?sslrootcert=/no/such", "no file /no/such"),
    ],
)
def test_a_wrong_address_is_refused_without_its_secret(address: str, taught: str) -> None:
    with pytest.raises(DefinitionError, match=taught) as caught:
        parse_address(address, "web-1")
    assert "hunter2" not in str(caught.value)
