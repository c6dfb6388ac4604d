"""The answer to a client that must wait, under every server."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import Endpoint, Limits
from tests.support.raw import ask, open_raw
from tests.support.servers import SERVERS, serve
from tests.support.until import until

from .app import socket

TARGET = "/socket/websocket?vsn=2.0.0"


@pytest.mark.parametrize("name", list(SERVERS))
@pytest.mark.parametrize(
    ("limits", "status", "body"),
    [
        ({"connections": 1}, 503, "too_many_connections"),
        ({"connections_per_ip": 1}, 429, "too_many_connections"),
        ({"connects_per_ip": "1/hour"}, 429, "rate_limited"),
    ],
    ids=["connections", "connections_per_ip", "connects_per_ip"],
)
async def test_who_is_refused_for_a_limit_is_told_when_to_come_again(
    name: str, limits: dict[str, Any], status: int, body: str
) -> None:
    """The answer has a status, the header Retry-After, and a reason. Connected clients stay connected."""
    endpoint = Endpoint(sockets={"/socket": socket()}, limits=Limits(**limits))
    async with serve(name, endpoint) as server:
        async with open_raw(server) as client:
            await client.open(TARGET)
            await until(lambda: endpoint.connections == 1)
            response = await ask(server, TARGET)
            assert (response.status, response.body) == (status, body)
            assert int(response.headers["retry-after"]) > 0
            assert endpoint.connections == 1
        await until(lambda: not endpoint.connections)
        again = await ask(server, TARGET)
        assert again.status == (429 if "connects_per_ip" in limits else 101)
