"""Reads metrics as Prometheus does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from bennu import Endpoint
from tests.support.servers import Server

__all__ = ["Scraped", "ask", "scrape", "scrape_server"]


class Scraped:
    """The samples of one answer.

    Args:
        text: The answer, in the text format.
    """

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def sum(self, name: str, **labels: str) -> float:
        """Return the sum of all samples of a name that have these labels.

        Raises:
            AssertionError: There is none.
        """
        found = [
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert found, f"there is no {name} with {labels}"
        return sum(found)


async def ask(
    app: Any, path: str = "/metrics", *, method: str = "GET", **scope: Any
) -> tuple[int, dict[str, str], bytes]:
    """Send a request of this machine to an ASGI application; return the status, the headers and the body."""
    sent: list[Mapping[str, Any]] = []

    async def send(event: Mapping[str, Any]) -> None:
        sent.append(event)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    request = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(b"host", b"localhost:4000")],
        "client": ("127.0.0.1", 5000),
        "query_string": b"",
        **scope,
    }
    await app(request, receive, send)
    start, body = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, body["body"]


async def scrape(app: Endpoint) -> Scraped:
    """Return the metrics of an endpoint."""
    status, _, body = await ask(app)
    assert status == 200
    return Scraped(body.decode())


async def scrape_server(server: Server) -> Scraped:
    """Return the metrics that the next connection to a server gets."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    assert head.startswith(b"HTTP/1.1 200"), head
    return Scraped(body.decode())
