"""Raw sockets under every server."""

from __future__ import annotations

import pytest

from bennu import Endpoint
from tests.support.servers import Server
from tests.support.wire import connect

from .app import Journal


@pytest.mark.conformance("WS046")
async def test_what_is_sent_comes_back(server: Server, journal: Journal) -> None:
    """Text is sent back as text, and bytes as bytes, in order. ``closed`` runs at the end."""
    async with connect(server, "/raw", vsn=None, params={"name": "ann"}) as client:
        assert await client.receive_raw() == "welcome, ann"
        for message in ("text", b"\x00bytes", "ünïcödé", ""):
            await client.send_raw(message)
            assert await client.receive_raw() == message
            assert await client.receive_raw() == b"and bytes"
    assert await journal.end_of("raw:ann") == "closed"


@pytest.mark.conformance("AD010", "AD013")
@pytest.mark.parametrize(
    ("message", "code", "text", "told"),
    [
        ("close", 4000, "as you wish", "normal"),
        ("crash", 1011, "internal error", "as the test wanted"),
    ],
)
async def test_its_handler_ends(
    server: Server, journal: Journal, message: str, code: int, text: str, told: str
) -> None:
    """The client gets the code and the reason under every server."""
    async with connect(server, "/raw", vsn=None, params={"name": message}) as client:
        await client.receive_raw()
        await client.send_raw(message)
        assert await client.closed() == (code, text)
    assert str(await journal.end_of(f"raw:{message}")) == told


async def test_it_is_disconnected_by_its_id(
    server: Server, endpoint: Endpoint, journal: Journal
) -> None:
    """A raw connection is closed by its id, as every connection."""
    async with connect(server, "/raw", vsn=None, params={"name": "bob"}) as client:
        await client.receive_raw()
        await endpoint.disconnect("bob")
        assert (await client.closed())[0] == 1001
    assert await journal.end_of("raw:bob") == "disconnected"
