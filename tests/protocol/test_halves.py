"""Half a character in a message: the message gets an error reply, and the connection stays open."""

from __future__ import annotations

import json
import logging
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from bennu import Channel, EncodeError, Ok, Refused, on
from bennu.errors import DecodeError
from bennu.message import TEXT, bytes_of
from bennu.protocol import JSONV1, JSONV2
from bennu.protocol.encoding import encode_json
from bennu.protocol.halves import halved_message, has_half
from bennu.user_code.invalid_payload import HALVED, InvalidPayload
from bennu.user_code.payload import anything

from ..support.memory import (
    Over,
    Version,
    all_transports,
    both_versions,
    endpoint_of,
    error,
    ok,
    serve,
)
from ..support.properties import property_test

HALF = "hello \ud83d"
INVALID = {
    "reason": "invalid_payload",
    "errors": [{"path": "", "message": "a text of it ends in half a character"}],
}


@property_test
@given(st.text(st.sampled_from('\ud83d\ude00\\"ud83x\n')))
def test_a_half_is_found_exactly_where_python_can_not_write_the_text(text: str) -> None:
    """An escaped backslash or a whole pair is no half."""
    encoded = json.dumps(text).encode()
    whole = json.loads(encoded)
    try:
        whole.encode()
    except UnicodeEncodeError:
        assert has_half(encoded)
    else:
        assert not has_half(encoded)


@pytest.mark.parametrize(
    ("v2", "expected"),
    [
        pytest.param(
            ["1", "2", "room", "say", {"text": HALF}], ("1", "2", "room", "say"), id="payload"
        ),
        pytest.param([None, 7, "room", "say", {HALF: 1}], (None, 7, "room", "say"), id="key"),
        pytest.param(
            ["1", HALF, "room", "say", {}],
            ("1", msgspec.Raw(json.dumps(HALF).encode()), "room", "say"),
            id="ref",
        ),
        pytest.param(
            ["1", "2", HALF, 5, {}],
            ("1", "2", msgspec.Raw(json.dumps(HALF).encode()), 5),
            id="topic",
        ),
    ],
)
def test_the_message_has_all_that_is_whole_and_a_payload_that_fits_nothing(
    v2: list[Any], expected: tuple[Any, ...]
) -> None:
    """In both formats a topic, event or ref with a half is raw JSON, and has a length."""
    names = ("join_ref", "ref", "topic", "event", "payload")
    v1 = dict(zip(names, v2, strict=True))
    for serializer, sent in ((JSONV2, v2), (JSONV1, v1)):
        message = serializer.decode(TEXT, json.dumps(sent).encode())

        assert (message.join_ref, message.ref, message.topic, message.event) == expected
        assert message.payload is HALVED
    with pytest.raises(InvalidPayload) as raised:
        anything(HALVED)
    assert raised.value.errors == INVALID["errors"]
    assert bytes_of(msgspec.Raw(b'"x"')) == 3


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(json.dumps(["1", "2", "room", HALF]), id="four-parts"),
        pytest.param(json.dumps([1.5, "2", "room", "say", HALF]), id="fraction-as-join-ref"),
        pytest.param(json.dumps(["1", [HALF], "room", "say", {}]), id="list-as-ref"),
        pytest.param(json.dumps(["1", 2**63, "room", "say", HALF]), id="huge-ref"),
        pytest.param(
            json.dumps({"topic": "a", "event": "b", "payload": HALF}), id="object-without-ref"
        ),
        pytest.param(json.dumps(HALF), id="text"),
        pytest.param(r'["1","2","room","say","\ud83d"', id="no-end"),
        pytest.param(r'["1","2","room","say",["\ud83d",NaN]]', id="not-a-number"),
        pytest.param(r'["1","2","room","say","whole"', id="no-end-and-no-half"),
        pytest.param(r'["1","2","room","say",["\ud83d",' + "9" * 5000 + "]]", id="huge-number"),
    ],
)
def test_what_is_no_message_in_any_case_stays_undecodable(data: str) -> None:
    """Any other mistake in a message with a half is still an error."""
    assert halved_message(data.encode()) is None
    for serializer in (JSONV1, JSONV2):
        with pytest.raises(DecodeError):
            serializer.decode(TEXT, data.encode())


class Room(Channel[Any]):
    """A channel that replies with the payload."""

    async def join(self, payload: Any) -> Any:
        return payload

    @on("echo")
    async def echo(self, payload: Any) -> Any:
        return payload

    @on("say")
    async def say(self, payload: dict[str, str]) -> None:
        await self.broadcast("said", payload)

    @on("cut")
    async def cut(self) -> Any:
        return HALF

    @on("refuse")
    async def refuse(self) -> Any:
        raise Refused(HALF)

    async def handle_in(self, event: str, payload: Any) -> Ok:
        return Ok(event)


@all_transports
@both_versions
async def test_a_message_with_a_half_is_answered_and_the_connection_goes_on(
    over: Over, version: Version
) -> None:
    """A half in the payload of a join or push, and in the event, the topic and the ref."""
    async with serve(endpoint_of({"*": Room})) as server:
        client = await server.connect(over=over, version=version)
        assert await client.join("room", {"name": HALF}) == error(INVALID)
        assert await client.join("room", {"name": "whole 😀"}) == ok({"name": "whole 😀"})
        assert await client.call("room", "echo", HALF) == error(INVALID)
        assert await client.call("room", "say", {"text": HALF}) == error(INVALID)
        assert await client.call("room", HALF, {}) == error({"reason": "unknown_event"})
        assert await client.join(HALF) == error({"reason": "unmatched topic"})
        server.logged("unmatched topic", level=logging.WARNING)
        client.send(client.join_refs["room"], HALF, "room", "echo", {})
        reply = await client.receive()
        assert (reply.ref, reply.payload) == (HALF, error(INVALID))
        assert await client.call("room", "echo", {"a": 1}) == ok({"a": 1})


@pytest.mark.parametrize("event", ["cut", "refuse"])
async def test_a_half_of_the_server_ends_its_channel_and_says_why(
    event: str,
) -> None:
    """A half in a message of the server is a mistake of the application."""
    async with serve(endpoint_of({"*": Room})) as server:
        client = await server.connect()
        await client.join("room", {})
        client.push("room", event)
        assert (await client.receive()).event == "phx_error"
        crash = server.logged("Room on", "crashed").exc_info
        assert crash is not None
        assert "half a character" in str(crash[1])
        assert await client.join("room", {}) == ok({})


def test_the_error_of_the_server_says_what_to_write() -> None:
    """The error says what to write, for each place of the half."""
    for value in (HALF, [HALF], {HALF: 1}, {"a": {"b": HALF}}):
        with pytest.raises(EncodeError, match=r'text\.encode\(errors="replace"\)\.decode\(\)'):
            encode_json(value)
