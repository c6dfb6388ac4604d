"""The addresses of a socket, and the parameters and tokens in them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bennu import DefinitionError
from bennu.client.urls import SocketURL, query_of, subprotocols_of
from bennu.protocol.query import decode_query


@pytest.mark.parametrize(
    ("url", "websocket", "longpoll"),
    [
        ("ws://a/socket", "ws://a/socket/websocket?v=1", "http://a/socket/longpoll?v=1"),
        ("wss://a:1/x/", "wss://a:1/x/websocket?v=1", "https://a:1/x/longpoll?v=1"),
        ("http://a/s", "ws://a/s/websocket?v=1", "http://a/s/longpoll?v=1"),
        ("https://a/s", "wss://a/s/websocket?v=1", "https://a/s/longpoll?v=1"),
        ("ws://a/s/websocket", "ws://a/s/websocket?v=1", "http://a/s/longpoll?v=1"),
        ("ws://a/s/longpoll", "ws://a/s/websocket?v=1", "http://a/s/longpoll?v=1"),
        ("ws://a/s?k=2", "ws://a/s/websocket?k=2&v=1", "http://a/s/longpoll?k=2&v=1"),
        ("ws://[::1]:9/s", "ws://[::1]:9/s/websocket?v=1", "http://[::1]:9/s/longpoll?v=1"),
    ],
)
def test_a_url_of_a_socket_has_one_for_each_transport(
    url: str, websocket: str, longpoll: str
) -> None:
    found = SocketURL(url)
    assert (found.websocket("v=1"), found.longpoll("v=1")) == (websocket, longpoll)
    assert found.is_secure is websocket.startswith("wss")


def test_the_text_of_a_url_has_no_secret() -> None:
    assert str(SocketURL("wss://ann:secret@a:1/s?token=secret")) == "wss://a:1/s"


@pytest.mark.parametrize(
    "url", ["", "/socket", "a/socket", "ftp://a/s", "ws:///s", "ws://a:x/s", "ws://[/s", 7, None]
)
def test_what_is_no_url_says_what_to_write(url: Any) -> None:
    with pytest.raises(DefinitionError, match=r'write: +Client\("wss://'):
        SocketURL(url)


def test_a_fragment_reaches_no_server() -> None:
    with pytest.raises(DefinitionError, match="without a fragment"):
        SocketURL("ws://a/s#x")


PARAMS = st.recursive(
    st.text(),
    lambda inner: st.dictionaries(
        st.text(st.characters(exclude_characters="[]", codec="utf-8"), min_size=1),
        inner,
        min_size=1,
        max_size=3,
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters="[]", codec="utf-8"), min_size=1),
        PARAMS,
        max_size=3,
    )
)
def test_our_server_reads_the_parameters_that_were_given(params: dict[str, Any]) -> None:
    assert decode_query(query_of(params).encode()) == params


def test_values_have_a_text_form() -> None:
    params = {
        "i": 7,
        "f": 1.5,
        "yes": True,
        "no": False,
        "none": None,
        "list": ["a", "b"],
        "t": (1,),
    }
    assert decode_query(query_of(params).encode()) == {
        "i": "7",
        "f": "1.5",
        "yes": "true",
        "no": "false",
        "list": ["a", "b"],
        "t": ["1"],
    }


@pytest.mark.parametrize("value", [b"bytes", object(), {1}])
def test_what_has_no_text_form_is_refused(value: Any) -> None:
    with pytest.raises(DefinitionError, match="the parameter 'a"):
        query_of({"a": {"b": value}})


@given(st.text(st.characters(codec="utf-8")))
def test_a_token_goes_into_a_subprotocol(token: str) -> None:
    phoenix, carrier = subprotocols_of(token)
    text = carrier.removeprefix("base64url.bearer.phx.")
    assert phoenix == "phoenix"
    assert "=" not in text
    assert base64.b64decode(text + "=" * (-len(text) % 4)).decode() == token
