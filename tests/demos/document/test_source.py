"""The files of the page, and the path that makes documents."""

from __future__ import annotations

import re

import httpx
import pytest

from bennu import Endpoint
from bennu_demos.document import app
from bennu_demos.document.app import WELCOME, with_page
from bennu_demos.document.keys import id_of
from bennu_demos.page import DESIGN
from tests.support.frames import PHX_JOIN

STATIC = DESIGN.parent / "document" / "static"


def test_page_has_no_way_to_parse_html() -> None:
    """No module of the page uses a function that could make HTML of a text."""
    parsers = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment"
        r"|DOMParser|setHTML|srcdoc|\beval\b|new Function"
    )
    modules = sorted((STATIC / "js").glob("*.js"))
    assert modules
    for module in modules:
        assert not parsers.search(module.read_text()), module.name


def test_the_bundle_has_its_licences_and_no_client_of_phoenix() -> None:
    licences = (STATIC / "vendor" / "editor.mjs.LICENSES.txt").read_text()
    for package in ("@codemirror/view", "yjs", "y-codemirror.next", "y-phoenix-channel", "lib0"):
        assert re.search(rf"^{re.escape(package)} \d", licences, re.MULTILINE), package
    assert PHX_JOIN not in (STATIC / "vendor" / "editor.mjs").read_text()


def test_the_page_has_the_link_of_the_first_document() -> None:
    links = (STATIC / "js" / "links.js").read_text()
    assert f'id: "{id_of(WELCOME)}", key: "{WELCOME}"' in links


@pytest.mark.clock("real")
async def test_the_server_makes_documents_until_it_has_too_many(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = httpx.ASGITransport(app=with_page(endpoint))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        made = await client.post("/documents")
        assert made.status_code == 201
        assert made.json()["id"] == id_of(made.json()["key"])
        assert await endpoint.state.store.exists(made.json()["id"])
        assert made.headers["content-security-policy"].startswith("default-src 'self'; object-src")

        monkeypatch.setattr(app, "MAX_DOCUMENTS", 1)
        refused = await client.post("/documents")
        assert refused.status_code == 507
        assert refused.json() == {"reason": "too_many_documents"}
