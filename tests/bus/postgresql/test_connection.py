"""Connections to a real PostgreSQL: wrong addresses, TLS, poolers and standbys."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bennu.errors import DefinitionError

from ...support.brokers.postgresql import (
    DATABASE,
    PASSWORD,
    USER,
    PostgreSQL,
    pooler,
    postgresql,
    standby_of,
)
from ...support.brokers.processes import HOST, free_ports
from ...support.certificates import Authority
from ...support.until import until
from .ears import Ears, connected

pytestmark = pytest.mark.clock("both loops")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (PASSWORD, "wrong", "InvalidPasswordError"),
        ("bennu:", "nobody:", "nobody"),
        ("/chat", "/nothing", "InvalidCatalogNameError"),
        ("/chat", "/chat?channel_binding=require", "channel_binding"),
        ("/chat", "/chat?sslmode=always", "sslmode"),
        ("/chat", "/chat?wal_level=minimal", "wal_level"),
        ("/chat", "/chat?work_mem=much", "work_mem"),
    ],
)
async def test_what_never_connects_is_refused_without_its_secret(
    server: PostgreSQL, old: str, new: str, said: str
) -> None:
    with pytest.raises(DefinitionError, match=said) as caught:
        async with connected(server.address.replace(old, new)):
            pass
    assert PASSWORD not in str(caught.value)
    assert server.clients() == []


async def test_a_port_in_the_options_can_be_wrong_too() -> None:
    with pytest.raises(DefinitionError, match="can't be read"):
        async with connected("postgresql:///chat?host=/run&port=x"):
            pass


async def test_a_server_that_does_not_answer_can_be_tried_again(server: PostgreSQL) -> None:
    nobody = f"{HOST}:{free_ports(1)[0]}"
    ears = Ears(server.address.replace(f"{HOST}:{server.port}", nobody))
    with pytest.raises(ConnectionRefusedError):
        await ears.connect()
    await ears.driver.close()


async def test_the_next_host_is_used_if_the_first_does_not_answer(server: PostgreSQL) -> None:
    two = server.address.replace(HOST, f"{HOST}:{free_ports(1)[0]},{HOST}")
    async with connected(two) as one:
        await one.driver.subscribe(["t"])
        await one.driver.close()
        await one.connect()
        await one.driver.publish([("t", b"1")])


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def tls(authority: Authority) -> Iterator[PostgreSQL]:
    with postgresql(certificate=authority.certify("server")) as server:
        yield server


async def test_tls(tls: PostgreSQL, authority: Authority, tmp_path: Path) -> None:
    async with connected(
        f"{tls.address}?sslmode=verify-full&sslrootcert={authority.certfile}"
    ) as one:
        assert tls.sql("SELECT ssl FROM pg_stat_ssl ORDER BY ssl DESC LIMIT 1") == "t"
        assert len(one.driver.fds) == 1
        await one.driver.subscribe(["t"])
        await one.driver.publish([("t", bytes(1 << 20))])
        await until(lambda: one.heard)
    other = Authority(tmp_path, "other")
    with pytest.raises(DefinitionError, match="certificate is not valid"):
        await Ears(f"{tls.address}?sslmode=verify-full&sslrootcert={other.certfile}").connect()


async def test_a_server_without_tls_is_not_used_if_the_address_wants_tls(
    server: PostgreSQL,
) -> None:
    with pytest.raises(ConnectionError, match="SSL"):
        await Ears(f"{server.address}?sslmode=require").connect()


async def test_a_pooler_that_loses_notifications_is_refused(server: PostgreSQL) -> None:
    with (
        pooler(server, "transaction") as address,
        pytest.raises(DefinitionError, match="past the pooler"),
    ):
        await Ears(address).connect()


async def test_a_pooler_that_keeps_sessions_is_used(server: PostgreSQL) -> None:
    with pooler(server, "session") as address:
        async with connected(address) as one, connected(server.address) as two:
            await one.driver.subscribe(["t"])
            await two.driver.publish([("t", b"1")])
            await until(lambda: one.heard)


async def test_a_standby_is_not_used_until_it_is_the_primary() -> None:
    with postgresql() as primary, standby_of(primary) as standby:
        with pytest.raises(ConnectionError, match="standby"):
            await Ears(standby.address).connect()
        hosts = f"{HOST}:{primary.port},{HOST}:{standby.port}"
        both = f"postgresql://{USER}:{PASSWORD}@{hosts}/{DATABASE}"
        async with connected(both) as one:
            assert len(primary.clients()) == 1
            primary.kill()
            await until(lambda: one.ends)
            await one.driver.close()
            with pytest.raises(ConnectionError, match="standby"):
                await one.connect()
            await asyncio.to_thread(standby.promote)
            await one.connect()
            await one.driver.subscribe(["t"])
            await one.driver.publish([("t", b"1")])
            await until(lambda: one.heard)
            assert len(standby.clients()) == 1
