"""In development, messages of a channel with ``emits`` are checked."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from bennu import Channel, Ok, on
from bennu.testing.clock import settle

from .support.frames import PHX_ERROR, PHX_REPLY, push
from .support.memory import endpoint_of, serve
from .support.payloads import Model, Point


class Emitting(Channel[Any]):
    """A channel that declares the events that it sends."""

    emits: ClassVar = {"point": Point, "model": Model}

    @on("send")
    async def send(self, payload: dict[str, Any]) -> Ok:
        values = {"point": Point(1, 2), "dict": {"x": 1, "y": 2}, "model": {"name": "ann"}}
        value = values.get(payload["value"], payload["value"])
        await getattr(self, payload["how"])(payload["event"], value)
        return Ok()


def fits(event: str, value: str) -> bool:
    return (event, value) in {("point", "point"), ("point", "dict"), ("model", "model")}


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("how", ["push", "broadcast", "broadcast_from", "local_broadcast"])
@pytest.mark.parametrize("event", ["point", "model", "undeclared"])
@pytest.mark.parametrize("value", ["point", "dict", "model"])
async def test_emits(debug: bool, how: str, event: str, value: str) -> None:
    """In development an event that is not declared, or whose payload does not fit, crashes the channel."""
    async with serve(endpoint_of({"room": Emitting}, debug=debug)) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "send", {"how": how, "event": event, "value": value})
        await settle()
        frames = [frame.event for frame in client.read()]
        client.read().clear()
        if not debug or fits(event, value):
            assert frames == [PHX_REPLY] if how == "broadcast_from" else [event, PHX_REPLY]
            return
        assert frames == [PHX_ERROR]
        record = server.logged("Emitting on 'room' crashed in send")
        assert record.exc_info is not None
        text = str(record.exc_info[1])
        assert repr(event) in text
        if event == "undeclared":
            assert "does not name" in text
        else:
            assert "does not fit" in text


class Undeclared(Channel[Any]):
    """A channel without ``emits``."""

    @on("say")
    async def say(self) -> None:
        await self.push("said", {"a": 1})


async def test_a_class_without_emits_is_not_checked() -> None:
    """A class without ``emits`` is not checked."""
    async with serve(endpoint_of({"room": Undeclared}, debug=True)) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "say")
        await client.expect(push("1", "room", "said", {"a": 1}))
