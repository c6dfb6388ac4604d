"""Signing in, and the token that a page gets."""

from __future__ import annotations

import pytest
from bennu.testing import connect
from httpx import ASGITransport, AsyncClient

from my_app.app import app
from my_app.endpoint import endpoint
from my_app.names import clean_name
from my_app.tokens import read


def browser() -> AsyncClient:
    """Return a client with a jar of cookies of its own."""
    return AsyncClient(transport=ASGITransport(app), base_url="http://localhost")


async def test_a_page_gets_a_token_for_the_socket() -> None:
    async with browser() as ann:
        assert (await ann.post("/session", json={"name": " Ann "})).status_code == 204
        session = (await ann.get("/session")).json()
        assert session["name"] == "Ann"
        async with connect(endpoint, "/socket", auth_token=session["token"]) as client:
            room = await client.join("room:lobby")
            assert room.channel.assigns == read(session["token"])


async def test_nobody_is_signed_in_at_first() -> None:
    async with browser() as ann:
        assert (await ann.get("/session")).status_code == 401


async def test_signing_out_closes_the_connections_of_the_user() -> None:
    async with browser() as ann:
        await ann.post("/session", json={"name": "Ann"})
        session = (await ann.get("/session")).json()
        async with connect(endpoint, "/socket", auth_token=session["token"]) as client:
            assert (await ann.delete("/session")).status_code == 204
            await client.assert_closed()
        assert (await ann.get("/session")).status_code == 401


@pytest.mark.parametrize("name", ["", "  ", "!?", "x" * 33])
async def test_a_name_that_others_can_read_is_needed(name: str) -> None:
    async with browser() as ann:
        assert (await ann.post("/session", json={"name": name})).status_code == 422


async def test_another_site_signs_nobody_in() -> None:
    async with browser() as ann:
        form = {"Content-Type": "text/plain"}
        answer = await ann.post("/session", content='{"name": "Ann"}', headers=form)
        assert answer.status_code in {415, 422}


@pytest.mark.parametrize("path", ["/", "/login", "/static/page.js", "/static/page.css"])
async def test_the_pages_are_there(path: str) -> None:
    async with browser() as ann:
        assert (await ann.get(path)).status_code == 200


def test_spaces_in_a_name_are_single() -> None:
    assert clean_name("  Ann   Lee ") == "Ann Lee"
