"""The pages of a contract: an endpoint serves them in development, and nothing in production."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from bennu import DefinitionError, Endpoint
from bennu.contracts import ContractPages
from tests.contracts.shop import endpoint_of

NAMES = ("", "style.css", "asyncapi.json", "contract.d.ts", "contract.py")


@asynccontextmanager
async def client(
    endpoint: Endpoint, root_path: str = "", app: Any = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Start an endpoint, and ask it, or an application around it."""
    transport = httpx.ASGITransport(endpoint if app is None else app, root_path=root_path)
    await endpoint.start()
    try:
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", follow_redirects=True
        ) as http:
            yield http
    finally:
        await endpoint.stop()


def pages(**options: Any) -> Endpoint:
    contracts = ContractPages(title="Shop", release="1.2")
    return endpoint_of(contracts=contracts, presence=(), **options)


async def test_development_has_the_pages() -> None:
    """Each has its type, and what a browser must know."""
    async with client(pages(debug=True)) as http:
        found = {name: await http.get(f"/contracts/{name}") for name in NAMES}
        assert {one.status_code for one in found.values()} == {200}
        assert [one.headers["content-type"].partition(";")[0] for one in found.values()] == [
            "text/html",
            "text/css",
            "application/json",
            "text/plain",
            "text/plain",
        ]
        assert found["asyncapi.json"].json()["info"]["title"] == "Shop"
        assert "export interface ShopChannel" in found["contract.d.ts"].text
        assert "class ShopChannel:" in found["contract.py"].text
        for one in found.values():
            policy = one.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; style-src 'self';")
            assert one.headers["x-content-type-options"] == "nosniff"
            assert one.headers["cache-control"] == "no-store"


async def test_production_has_none_of_them() -> None:
    for endpoint in (pages(debug=False), pages(), endpoint_of(debug=True, presence=())):
        async with client(endpoint) as http:
            assert {(await http.get(f"/contracts/{name}")).status_code for name in NAMES} == {404}
            assert (await http.get("/contracts")).status_code == 404


async def test_the_path_without_a_slash_leads_to_the_page() -> None:
    """The redirect is relative, so it works behind a mount and a proxy."""
    async with client(pages(debug=True), root_path="/rt") as http:
        found = await http.get("/rt/contracts")
        assert (found.status_code, found.url.path) == (200, "/rt/contracts/")
        assert found.history[0].headers["location"] == "contracts/"


async def test_other_requests_are_refused() -> None:
    async with client(pages(debug=True)) as http:
        assert (await http.get("/contracts/nothing")).status_code == 404
        assert (await http.post("/contracts/")).status_code == 405
        head = await http.head("/contracts/")
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) > 1000
        assert (await http.get("/contractsandmore")).status_code == 404


async def test_a_host_that_is_not_served_gets_no_page() -> None:
    """So no other site can read the pages of a developer by a name that leads to loopback."""
    endpoint = pages(debug=True, hosts=["localhost"])
    async with client(endpoint) as http:
        found = await http.get("/contracts/", headers={"host": "evil.example"})
        assert (found.status_code, found.text) == (403, "Forbidden host")


async def test_an_endpoint_that_wraps_an_application_answers_for_them() -> None:
    async def other(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    endpoint = pages(debug=True)
    async with client(endpoint, app=endpoint.wrap(other)) as http:
        assert (await http.get("/contracts/")).status_code == 200
        assert (await http.get("/elsewhere")).status_code == 204


@pytest.mark.parametrize("path", ["contracts", "/contracts/", "", "/"])
def test_a_path_that_can_not_be_used_is_refused(path: str) -> None:
    with pytest.raises(DefinitionError, match="expected: a path that begins with /"):
        ContractPages(path)


def test_something_else_is_no_contract() -> None:
    contracts: Any = "/contracts"
    with pytest.raises(DefinitionError, match=r"contracts=ContractPages\(\)"):
        Endpoint(sockets={}, contracts=contracts)
