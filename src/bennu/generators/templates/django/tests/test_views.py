"""Accounts, and the token that a page gets."""

from __future__ import annotations

import uuid

import pytest
from bennu.testing import connect
from django.contrib.auth.models import User as Account
from django.test import AsyncClient, Client

from my_app.endpoint import endpoint
from my_app.tokens import read

pytestmark = pytest.mark.usefixtures("database")


def new_account() -> Account:
    """Return a new account, with a name of its own."""
    return Account.objects.create_user(f"ann-{uuid.uuid4().hex[:8]}")


async def signed_in() -> AsyncClient:
    """Return a browser that is signed in."""
    client = AsyncClient()
    await client.aforce_login(
        await Account.objects.acreate(username=f"ann-{uuid.uuid4().hex[:8]}")
    )
    return client


def test_nobody_is_signed_in_at_first() -> None:
    assert Client().get("/session").status_code == 401


async def test_a_page_gets_a_token_for_the_socket() -> None:
    ann = await signed_in()
    session = (await ann.get("/session")).json()
    async with connect(endpoint, "/socket", auth_token=session["token"]) as client:
        room = await client.join("room:lobby")
        assert room.channel.assigns == read(session["token"])


async def test_signing_out_closes_the_connections_of_the_user() -> None:
    ann = await signed_in()
    session = (await ann.get("/session")).json()
    async with connect(endpoint, "/socket", auth_token=session["token"]) as client:
        assert (await ann.delete("/session")).status_code == 204
        await client.assert_closed()
    assert (await ann.get("/session")).status_code == 401


def test_an_account_can_be_made() -> None:
    client = Client()
    new = {
        "username": "bo",
        "password1": "correct horse 9",
        "password2": "correct horse 9",
    }
    assert client.post("/signup", new).headers["Location"] == "/"
    assert client.get("/session").json()["name"] == "bo"


def test_another_site_signs_nobody_out() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(new_account())
    assert client.delete("/session").status_code == 403


@pytest.mark.parametrize("path", ["/", "/login", "/signup"])
def test_the_pages_are_there(path: str) -> None:
    assert Client().get(path).status_code == 200
