"""The headers of a WebSocket handshake: upgrades, auth tokens and subprotocols."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from bennu.errors import DecodeError
from bennu.protocol.upgrade import (
    explain_upgrade,
    select_subprotocol,
    take_auth_token,
)

from ..support.properties import property_test, texts

GOOD = {
    "method": "GET",
    "http_version": "1.1",
    "host": "example.com",
    "connection": "Upgrade",
    "upgrade": "websocket",
    "key": "dGhlIHNhbXBsZSBub25jZQ==",
    "version": "13",
}
PREFIX = "base64url.bearer.phx."


@pytest.mark.conformance("AD001")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"connection": "keep-alive, Upgrade"},
        {"connection": " UPGRADE ,"},
        {"upgrade": "WebSocket"},
        {"upgrade": "h2c, websocket"},
    ],
)
def test_a_well_formed_upgrade_has_nothing_to_explain(changes: dict[str, str]) -> None:
    """Firefox sends ``keep-alive, Upgrade``; upper and lower case are equal."""
    assert explain_upgrade(**{**GOOD, **changes}) is None


@pytest.mark.parametrize(
    ("changes", "explanation"),
    [
        pytest.param(
            {"http_version": "1.0"},
            "HTTP version must be 1.1, got '1.0'",
            marks=pytest.mark.conformance("AD002"),
        ),
        pytest.param(
            {"http_version": "2"},
            "HTTP version must be 1.1, got '2'",
            marks=pytest.mark.conformance("AD002"),
        ),
        pytest.param(
            {"method": "POST"},
            "HTTP method must be GET, got 'POST'",
            marks=pytest.mark.conformance("AD003"),
        ),
        pytest.param({"host": ""}, "'host' header must be present"),
        pytest.param(
            {"connection": ""},
            "'connection' header must contain 'upgrade', got []",
            marks=pytest.mark.conformance("AD004"),
        ),
        pytest.param(
            {"connection": "keep-alive, upgraded"},
            "'connection' header must contain 'upgrade', got ['keep-alive', 'upgraded']",
            marks=pytest.mark.conformance("AD004"),
        ),
        pytest.param(
            {"upgrade": "h2c"},
            "'upgrade' header must contain 'websocket', got ['h2c']",
            marks=pytest.mark.conformance("AD005"),
        ),
        pytest.param({"key": ""}, "'sec-websocket-key' header must be present"),
        pytest.param(
            {"version": "8"},
            "'sec-websocket-version' header must be '13', got '8'",
            marks=pytest.mark.conformance("AD006"),
        ),
        pytest.param(
            {"version": "13, 8"},
            "'sec-websocket-version' header must be '13', got '13, 8'",
            marks=pytest.mark.conformance("AD006"),
        ),
    ],
)
def test_what_is_wrong_with_an_upgrade_is_said_in_one_sentence(
    changes: dict[str, str], explanation: str
) -> None:
    """The sentence is the body of the 400 that the client gets."""
    assert explain_upgrade(**{**GOOD, **changes}) == explanation


def test_the_first_mistake_is_the_one_explained() -> None:
    """A plain GET has none of the headers. The explanation names ``connection``."""
    plain = {**GOOD, "connection": "", "upgrade": "", "key": "", "version": ""}

    assert explain_upgrade(**plain) == "'connection' header must contain 'upgrade', got []"


@pytest.mark.conformance("OB019")
@pytest.mark.parametrize(
    ("header", "token", "left"),
    [
        pytest.param(None, None, None, id="no header"),
        pytest.param("phoenix", None, "phoenix", id="no token"),
        pytest.param("a,  b ,", None, "a,  b ,", id="no token: the header stays as it is"),
        pytest.param(f"phoenix, {PREFIX}MTIzNA", "1234", "phoenix", id="one token"),
        pytest.param(f"{PREFIX}MTIzNA,phoenix,x", "1234", "phoenix, x", id="one token, in front"),
        pytest.param(f"phoenix, {PREFIX}MTIzNA==", "1234", "phoenix", id="padded"),
        pytest.param(f"{PREFIX}MTIzNA", "1234", None, id="nothing is left"),
        pytest.param(f"phoenix, {PREFIX}", "", "phoenix", id="empty token"),
        pytest.param(
            f"{PREFIX}MQ, phoenix, {PREFIX}Mg", None, f"{PREFIX}MQ, phoenix, {PREFIX}Mg", id="two"
        ),
        pytest.param(f"{PREFIX}fn5+fn8/", "~~~~\x7f?", None, id="the standard alphabet"),
    ],
)
def test_exactly_one_auth_token_is_taken_out_of_the_header(
    header: str | None, token: str | None, left: str | None
) -> None:
    """With no token or several tokens, none is taken out, and the header stays unchanged."""
    assert take_auth_token(header) == (token, left)


@pytest.mark.conformance("OB019")
@pytest.mark.parametrize("encoded", ["!", "a", "MTIz NA", "ab!d", "é", "/w"])
def test_a_token_that_is_no_base64_of_text_is_an_error(encoded: str) -> None:
    """The request is answered with HTTP 500, as in Phoenix."""
    with pytest.raises(DecodeError, match="not base64"):
        take_auth_token(f"phoenix, {PREFIX}{encoded}")


@property_test
@given(texts, st.booleans(), st.booleans())
def test_every_token_comes_out_as_the_client_put_it_in(
    token: str, url_safe: bool, padded: bool
) -> None:
    """The JavaScript client writes standard base64 without padding. Other forms are accepted too.

    Bennu also accepts URL-safe base64, and Phoenix does not.
    """
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    encoded = encode(token.encode()).decode()
    if not padded:
        encoded = encoded.rstrip("=")

    assert take_auth_token(f"phoenix, {PREFIX}{encoded}") == (token, "phoenix")


@property_test
@given(st.text(st.characters(codec="latin-1"), max_size=40))
def test_no_header_raises_anything_but_a_decode_error(tail: str) -> None:
    """A header can have any value."""
    with suppress(DecodeError):
        take_auth_token(PREFIX + tail)


@pytest.mark.parametrize(
    ("header", "allowed", "answer"),
    [
        pytest.param(None, ["a"], (True, None), id="nothing is offered"),
        pytest.param(
            "b, a", ["a", "b"], (True, "a"), marks=pytest.mark.conformance("OR025"), id="first"
        ),
        pytest.param(
            "x,b", ["a", "b"], (True, "b"), marks=pytest.mark.conformance("OR025"), id="second"
        ),
        pytest.param(
            "x", ["a", "b"], (False, None), marks=pytest.mark.conformance("OR026"), id="none"
        ),
        pytest.param("A", ["a"], (False, None), id="case counts"),
        pytest.param("", ["a"], (False, None), id="offered, but nothing"),
        pytest.param("a", [], (False, None), id="nothing is allowed"),
        pytest.param("mine, phoenix", ["phoenix", "mine"], (True, "phoenix"), id="phoenix wins"),
    ],
)
def test_the_first_of_the_servers_subprotocols_that_was_offered_is_chosen(
    header: str | None, allowed: list[str], answer: tuple[bool, str | None]
) -> None:
    """No common subprotocol is a refusal. A client that offers none is accepted."""
    assert select_subprotocol(header, allowed) == answer
