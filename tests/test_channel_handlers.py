"""Handlers of a client's events: their payloads and their results."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from logging import WARNING
from typing import Annotated, Any, ClassVar, TypedDict
from uuid import UUID

import pytest
from msgspec import Meta, Struct
from pydantic import BaseModel, Field

from bennu import Channel, Error, Ok, Refused, Reply, on, on_out
from bennu.testing.clock import settle

from .support.frames import PHX_CLOSE, error, ok, push
from .support.memory import Over, all_transports, endpoint_of, serve
from .support.payloads import Model, Point

# Results of a handler.


class Replying(Channel[Any]):
    """Returns or raises the value of the test."""

    value: ClassVar[Any]

    @on("ask")
    async def ask(self) -> Any:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def replying(value: Any) -> type[Replying]:
    """Return a class with a value that only this test uses."""
    room: type[Replying] = type("Room", (Replying,), {})
    room.value = value
    return room


@dataclass
class Size:
    width: int


class Colour(Enum):
    RED = "red"


@all_transports
@pytest.mark.conformance("CS018", "CS019", "CS020", "CS021")
@pytest.mark.parametrize(
    ("value", "reply"),
    [
        (Ok(), ok()),
        ({"a": 1}, ok({"a": 1})),
        ([{"a": [1, {"b": None}]}], ok([{"a": [1, {"b": None}]}])),
        (0, ok(0)),
        ("", ok("")),
        (False, ok(False)),
        (Point(1, 2), ok({"x": 1, "y": 2})),
        (Size(3), ok({"width": 3})),
        (Model(name="ann"), ok({"name": "ann"})),
        ({"at": Colour.RED}, ok({"at": "red"})),
        (Ok([1]), ok([1])),
        (Ok(None), {"status": "ok", "response": None}),
        (Error(), error({})),
        (Error({"reason": "no"}), error("no")),
        (Error(Point(1, 2)), error({"x": 1, "y": 2})),
        (Reply("custom"), {"status": "custom", "response": {}}),
        (Reply("custom", Size(3)), {"status": "custom", "response": {"width": 3}}),
        (Refused("full", seats=0), error({"reason": "full", "seats": 0})),
    ],
    ids=repr,
)
async def test_what_a_handler_returns_is_its_reply(value: Any, reply: Any, over: Over) -> None:
    """A value is sent as an ok reply, nothing else is sent, and the channel continues."""
    async with serve(endpoint_of({"room": replying(value)})) as server:
        client = await server.connect(over=over)
        await client.join("room")
        for _ in range(2):
            assert await client.call("room", "ask") == reply
        await client.expect_nothing()


@pytest.mark.parametrize(
    ("value", "status"), [(b"\x07", "ok"), (Error(b"\x07"), "error"), (Reply("s", b"\x07"), "s")]
)
async def test_bytes_are_a_binary_reply(value: Any, status: str) -> None:
    """Bytes are sent as a binary reply, with any status."""
    async with serve(endpoint_of({"room": replying(value)})) as server:
        client = await server.connect()
        await client.join("room")
        assert await client.call("room", "ask") == {"status": status, "response": b"\x07"}


@pytest.mark.conformance("CS017")
async def test_none_is_no_reply() -> None:
    """A handler that returns None sends no reply: the client gets only the pushes."""

    class Room(Channel[Any]):
        @on("quiet")
        async def quiet(self) -> None:
            await self.push("pushed", {"a": 1})

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "quiet")
        await client.expect(push("1", "room", "pushed", {"a": 1}))


# Payloads of a handler.


class NewMsg(Struct):
    body: Annotated[str, Meta(min_length=1, max_length=5)]
    tags: list[str] = []


class Typed(TypedDict):
    body: str


class Longer(BaseModel):
    body: str = Field(min_length=3)


class Taking(Channel[Any]):
    """A handler for each kind of payload; each replies with the payload that it got."""

    @on("nothing")
    async def nothing(self) -> Ok:
        return Ok()

    @on("struct")
    async def struct(self, msg: NewMsg) -> str:
        return f"{type(msg).__name__} {msg.body} {msg.tags}"

    @on("dataclass")
    async def a_dataclass(self, size: Size) -> str:
        return repr(size)

    @on("typed_dict")
    async def typed_dict(self, msg: Typed) -> str:
        return repr(msg)

    @on("model")
    async def model(self, msg: Longer) -> str:
        return repr(msg)

    @on("builtin")
    async def builtin(self, numbers: dict[str, list[int]]) -> str:
        return repr(numbers)

    @on("uuid")
    async def uuid(self, key: UUID) -> str:
        return repr(key)

    @on("any")
    async def any(self, payload: Any) -> str:
        return repr(payload)

    @on("bytes")
    async def a_binary(self, payload: bytes) -> str:
        return repr(payload)

    @on("either")
    async def either(self, payload: bytes | Typed) -> str:
        return repr(payload)

    @on("said", payload=NewMsg)
    async def said(self, msg):  # type: ignore[no-untyped-def]
        return msg.body


UUID_TEXT = "12345678-1234-5678-1234-567812345678"


@pytest.mark.parametrize(
    ("event", "payload", "got"),
    [
        ("struct", {"body": "hi", "more": 1}, "NewMsg hi []"),
        ("struct", {"body": "hi", "tags": ["a"]}, "NewMsg hi ['a']"),
        ("dataclass", {"width": 3}, "Size(width=3)"),
        ("typed_dict", {"body": "hi"}, "{'body': 'hi'}"),
        ("model", {"body": "long"}, "Longer(body='long')"),
        ("builtin", {"a": [1, 2]}, "{'a': [1, 2]}"),
        ("uuid", UUID_TEXT, f"UUID('{UUID_TEXT}')"),
        ("any", [1, {"a": None}], "[1, {'a': None}]"),
        ("any", b"\x07", "b'\\x07'"),
        ("bytes", b"\x07", "b'\\x07'"),
        ("bytes", b"", "b''"),
        ("either", b"\x07", "b'\\x07'"),
        ("either", {"body": "hi"}, "{'body': 'hi'}"),
        ("said", {"body": "hi"}, "hi"),
    ],
)
async def test_a_payload_comes_in_the_type_of_the_annotation(
    event: str, payload: Any, got: str
) -> None:
    """A payload has the annotated type: Struct, dataclass, TypedDict, pydantic model, builtin, bytes, and others."""
    async with serve(endpoint_of({"room": Taking})) as server:
        client = await server.connect()
        await client.join("room")
        assert await client.call("room", event, payload) == ok(got)


@pytest.mark.parametrize(
    ("event", "payload", "path"),
    [
        ("struct", {"body": ""}, "body"),
        ("struct", {"body": "too long"}, "body"),
        ("struct", {}, ""),
        ("struct", [], ""),
        ("struct", {"body": "hi", "tags": [1]}, "tags[0]"),
        ("struct", b"{}", ""),
        ("dataclass", {"width": "3"}, "width"),
        ("typed_dict", {}, ""),
        ("model", {"body": "no"}, "body"),
        ("model", b"{}", ""),
        ("builtin", {"a": ["1"]}, "[...][0]"),
        ("uuid", "no uuid", ""),
        ("bytes", {"a": 1}, ""),
        ("either", {"body": 1}, "body"),
        ("said", {"body": 1}, "body"),
    ],
)
async def test_a_payload_that_does_not_fit_is_an_error_reply(
    event: str, payload: Any, path: str
) -> None:
    """The error reply has the path and the mistake. The handler does not run, and the channel continues."""
    async with serve(endpoint_of({"room": Taking})) as server:
        client = await server.connect()
        await client.join("room")
        reply = await client.call("room", event, payload)
        assert reply["status"] == "error"
        assert reply["response"]["reason"] == "invalid_payload"
        [mistake] = reply["response"]["errors"]
        assert mistake["path"] == path
        assert mistake["message"]
        assert await client.call("room", "nothing") == ok()


async def test_without_a_ref_there_is_no_error_reply() -> None:
    """Without a ref, neither a payload that does not fit nor an unknown event gets a reply."""
    async with serve(endpoint_of({"room": Taking})) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "struct", ref=None)
        client.push("room", "unknown", ref=None)
        await client.expect_nothing()


async def test_an_event_that_no_handler_takes() -> None:
    """An unknown event gets an error reply, and the channel continues. In Phoenix the channel would crash."""
    async with serve(endpoint_of({"room": Taking})) as server:
        client = await server.connect()
        await client.join("room")
        for event in ("unknown", "join", "terminate", "push", "__init__", PHX_CLOSE, ""):
            assert await client.call("room", event) == error("unknown_event")


async def test_handle_in_takes_what_no_handler_names() -> None:
    """``handle_in`` gets the event and the undecoded payload. Its reply is sent as that of any handler."""

    class Room(Channel[Any]):
        @on("named")
        async def named(self) -> str:
            return "named"

        async def handle_in(self, event: str, payload: Any) -> Any:
            return None if event == "quiet" else [event, repr(payload)]

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        assert await client.call("room", "named") == ok("named")
        assert await client.call("room", "other", {"a": 1}) == ok(["other", "{'a': 1}"])
        assert await client.call("room", "other", b"\x07") == ok(["other", "b'\\x07'"])
        client.push("room", "quiet")
        await client.expect_nothing()


async def test_what_is_returned_where_no_client_asked_is_warned_of() -> None:
    """A returned value that is sent to no client is logged: the author possibly meant a push."""

    class Room(Channel[Any]):
        async def after_join(self) -> str:
            return "joined"

        @on_out("news")
        async def news(self, payload: Any) -> Any:
            return payload

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        await settle()
        server.logged("after_join returned 'joined'", "self.push", level=WARNING)
        await server.endpoint.broadcast("room", "news", {"a": 1})
        await settle()
        server.logged("news returned {'a': 1}, which is not sent", level=WARNING)
        await client.expect_nothing()
