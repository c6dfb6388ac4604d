"""TLS, what a server refuses, and servers that are none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bennu.errors import DefinitionError

from ...support.brokers.nats import nats_server
from ...support.certificates import Authority
from ...support.until import until
from .ends import End, connected

pytestmark = pytest.mark.clock("both loops")

INFO = b'INFO {"server_id":"fake"}\r\n'


async def works(address: str) -> None:
    async with connected(address) as end:
        await end.driver.subscribe(["room"])
        await end.driver.publish([("room", bytes(3_000_000))])
        await end.hears(1)


# TLS.


@pytest.mark.parametrize("first", ["false", "true"])
async def test_tls(tmp_path: Path, first: str) -> None:
    authority = Authority(tmp_path)
    other = Authority(tmp_path, "other")
    own, client = authority.certify("server"), authority.certify("client")
    tls = (
        f'tls {{ cert_file: "{own.certfile}", key_file: "{own.keyfile}", ca_file: "{authority.certfile}"'
        f", verify: true, handshake_first: {first} }}"
    )
    with nats_server(tmp_path, tls) as server:
        options = f"ca={authority.certfile}&tls_first={int(first == 'true')}"
        mine = f"&cert={client.certfile}&key={client.keyfile}"
        secure = f"tls://127.0.0.1:{server.port}?{options}{mine}"
        await works(secure)
        if first == "false":
            await works(secure.replace("tls://", "nats://"))  # the server demands it
        with pytest.raises(DefinitionError, match="certificate this client can verify"):
            await End(secure.replace(str(authority.certfile), str(other.certfile))).connect()
        with pytest.raises((OSError, DefinitionError)):  # without a certificate of the client
            await End(secure.replace(mine, "")).connect()


async def test_a_server_without_tls_is_refused_before_it_gets_the_password() -> None:
    async with fake(INFO) as (place, got):
        with pytest.raises(DefinitionError, match="a server with TLS"):
            await End(f"tls://chat:s3cret@{place}").connect()
    assert got == b""


async def test_bytes_before_tls_are_refused() -> None:
    async with fake(b'INFO {"tls_required":true}\r\nINFO {') as (place, got):
        with pytest.raises(OSError, match="before TLS"):
            await End(f"tls://chat:s3cret@{place}").connect()
    assert got == b""


# What a server refuses.


@pytest.mark.parametrize("which", ["publish", "subscribe"])
async def test_a_user_without_permissions(tmp_path: Path, which: str) -> None:
    allowed = {"publish": ["bennu._.>"], "subscribe": ["bennu._.>"]}
    allowed["subscribe" if which == "publish" else "publish"] = ["bennu.>"]
    permissions = ", ".join(f'{name}: ["{subjects[0]}"]' for name, subjects in allowed.items())
    config = (
        f"authorization {{ users: [{{user: a, password: b, permissions: {{ {permissions} }} }}] }}"
    )
    with nats_server(tmp_path, config) as server:
        async with connected(server.address.replace("//", "//a:b@")) as end:
            if which == "publish":
                await end.driver.publish([("room", b"1")])
            else:
                with pytest.raises(DefinitionError):
                    await end.driver.subscribe(["room"])
            reason = await end.breaks()
            assert isinstance(reason, DefinitionError)
            assert "bennu.>" in reason.expected
            assert "Permissions Violation" in reason.got


async def test_more_subscriptions_than_the_server_allows(tmp_path: Path) -> None:
    with nats_server(tmp_path, "max_subscriptions: 5") as server:
        async with connected(server.address) as end:
            await end.driver.subscribe(["a", "b"])
            with pytest.raises(OSError, match="maximum subscriptions"):
                await end.driver.subscribe(["c"])
            assert "maximum subscriptions" in str(await end.breaks())


async def test_more_connections_than_the_server_allows(tmp_path: Path) -> None:
    with nats_server(tmp_path, "max_connections: 1") as server:
        async with connected(server.address):
            with pytest.raises(OSError, match="maximum connections"):
                await End(server.address).connect()


async def test_a_ping_of_the_server_is_answered() -> None:
    def answer(line: bytes) -> bytes:
        return b"PING\r\n" + polite(line)

    async with fake(INFO, answer) as (place, got), connected(f"nats://{place}") as end:
        await until(lambda: b"PONG\r\n" in got)
        assert end.reasons == []


# Servers that are none.


@asynccontextmanager
async def fake(
    first: bytes, answer: Callable[[bytes], bytes] = lambda line: b""
) -> AsyncIterator[tuple[str, bytearray]]:
    """Run a server that says something, and answers lines. Yield its place, and all that it got."""
    got = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        try:
            while line := await reader.readline():
                got.extend(line)
                writer.write(answer(line))
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"127.0.0.1:{port}", got


def polite(line: bytes) -> bytes:
    return b"+OK\r\nPONG\r\n" if line.startswith(b"PING") else b""


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"INFO {\r\n",
        b"INFO []\r\n",
        b'INFO {"max_payload":"much"}\r\n',
        b'INFO {"max_payload":0}\r\n',
        b"MSG x 1 1\r\nx\r\nMSG x 1\r\n",
        b"INFO \xff\r\n",
        b"MSG a b c\r\n",
        b"x" * 2_000_000,
    ],
)
async def test_another_protocol(first: bytes) -> None:
    async with fake(first, polite) as (place, _):
        with pytest.raises(OSError, match="the server sent"):
            await End(f"nats://{place}").connect()


@pytest.mark.parametrize("last", [b"NONSENSE\r\n", b"MSG x\r\n", b"-ERR 'Stale Connection'\r\n"])
async def test_a_connection_ends_with_the_reason_of_the_server(last: bytes) -> None:
    def answer(line: bytes) -> bytes:
        return last + b"MSG x 10 1\r\nx\r\n" if line.startswith(b"PUB bennu.t") else polite(line)

    async with fake(INFO, answer) as (place, _), connected(f"nats://{place}") as end:
        await end.driver.subscribe(["room"])
        await end.driver.publish([("room", b"1")])
        assert "the server s" in str(await end.breaks())
        assert end.heard == []


async def test_a_server_that_closes_during_the_connect() -> None:
    async with fake(INFO, lambda line: b"-ERR 'Authentication Timeout'\r\n") as (place, _):
        with pytest.raises(OSError, match="Authentication Timeout"):
            await End(f"nats://{place}").connect()


async def test_another_server_is_tried_before_a_refusal_counts(tmp_path: Path) -> None:
    async with fake(INFO, lambda line: b"-ERR 'Authorization Violation'\r\n") as (place, _):
        with nats_server(tmp_path) as server:
            for _ in range(5):  # in random order
                await works(f"nats://{place},127.0.0.1:{server.port}")
        with pytest.raises(DefinitionError):
            await End(f"nats://{place},127.0.0.1:{server.port}").connect()


async def test_a_cancelled_connect_leaves_nothing() -> None:
    async with fake(INFO) as (place, got):
        connecting = asyncio.create_task(End(f"nats://{place}").connect())
        await until(lambda: b"PING" in got)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
