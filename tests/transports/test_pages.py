"""Pages for developers, whatever they show."""

from __future__ import annotations

from typing import Any

import httpx

from bennu import Endpoint
from bennu.transports.pages import DevelopmentPage, DevelopmentPages


class Notes:
    """Pages of one line, about the endpoint."""

    path = "/notes/deep"

    def page(self, name: str, endpoint: Any) -> DevelopmentPage | None:
        known = {"": "first", "a/b": f"{endpoint.connections} clients"}
        return DevelopmentPage("text/plain", known[name].encode()) if name in known else None


async def get(path: str, **options: Any) -> httpx.Response:
    endpoint = Endpoint(sockets={}, contracts=Notes(), **options)
    transport = httpx.ASGITransport(endpoint)
    await endpoint.start()
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            return await http.get(path)
    finally:
        await endpoint.stop()


async def test_a_page_has_a_name_below_the_path() -> None:
    assert isinstance(Notes(), DevelopmentPages)
    assert (await get("/notes/deep/", debug=True)).text == "first"
    assert (await get("/notes/deep/a/b", debug=True)).text == "0 clients"
    assert (await get("/notes/deep/c", debug=True)).status_code == 404
    assert (await get("/notes/deep", debug=True)).headers["location"] == "deep/"
    assert (await get("/notes", debug=True)).status_code == 404


async def test_production_has_no_page() -> None:
    assert (await get("/notes/deep/")).status_code == 404


async def test_the_variable_of_reload_switches_them_on(monkeypatch: Any) -> None:
    """``bennu run --reload`` sets it."""
    monkeypatch.setenv("BENNU_DEBUG", "1")
    assert (await get("/notes/deep/")).text == "first"
