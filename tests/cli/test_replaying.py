"""A replay sends what the client sent, and finds what the server answers otherwise."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bennu import Channel, Endpoint, RawHandler, RawSocket, Socket, Stop, on
from bennu.cli.replaying import Replay, filled, target_of
from bennu.inspect.comparison import Comparison
from bennu.testing import running

from ..client.in_memory import Network
from ..inspect.sessions import close, recording, said
from ..support.frames import broadcast, closed, joining, leaving, ok, pushing, reply

pytestmark = pytest.mark.clock("virtual")

URL = "ws://localhost"


class Room(Channel[Any]):
    """A room whose answers a test can change."""

    answer: Any = None

    async def join(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"given": payload}

    @on("say")
    async def say(self, payload: Any) -> Any:
        if not isinstance(payload, bytes):
            await self.broadcast("said", payload)
        return self.answer

    @on("stop")
    async def stop(self) -> None:
        await self.endpoint.disconnect("everybody")


class Shout(RawHandler[Any]):
    """Answers in capitals."""

    async def receive(self, message: str | bytes) -> str | bytes:
        if message == "stop":
            raise Stop
        return message.upper()


def endpoint_of(answer: Any) -> Endpoint:
    class Answering(Room):
        pass

    Answering.answer = answer
    socket = Socket(
        connect=lambda params: params, id=lambda _: "everybody", channels={"room:*": Answering}
    )
    return Endpoint(
        sockets={
            "/socket": socket,
            "/raw": RawSocket(connect=lambda: None, handler=Shout),
        }
    )


async def differences(
    *lines: dict[str, Any], answer: Any = None, values: dict[str, str] | None = None, **header: Any
) -> list[str]:
    """Replay a recording against an endpoint in memory."""
    endpoint = endpoint_of(answer)
    one = recording(*lines, **header)
    comparison = Comparison(one)
    is_fast = header.get("user") != "slow"
    replay = Replay(one, comparison, values=values or {}, is_fast=is_fast, timeout=1.0)
    target = target_of(URL, one, params={}, timeout=1.0)
    async with running(endpoint):
        await replay.run(target, Network(lambda: endpoint).open)
    return [str(difference) for difference in comparison.finish()]


def session(vsn: str = "2.0.0") -> list[dict[str, Any]]:
    join_ref = "1" if vsn == "2.0.0" else None
    return [
        said("client", joining("1", "room:1", {"a": 1}), 0.5),
        said("server", reply(join_ref, "1", "room:1", ok({"given": {"a": 1}})), 0.5),
        said("client", pushing("1", "2", "room:1", "say", {"n": 1}), 60.0),
        said("server", broadcast("room:1", "said", {"n": 1}), 60.0),
        said("server", reply(join_ref, "2", "room:1", ok({"id": 7})), 60.0),
        said("client", leaving("1", "3", "room:1"), 61.0),
        said("server", reply(join_ref, "3", "room:1", ok()), 61.0),
        said("server", closed(join_ref or "1", "room:1"), 61.0),
        close("client", 1000, at=62.0),
    ]


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_the_same_server(vsn: str) -> None:
    lines = session(vsn)
    assert await differences(*lines, answer={"id": 7}, vsn=vsn, params={"vsn": vsn}) == []


async def test_another_answer() -> None:
    [found] = await differences(*session(), answer={"id": 8}, params={"vsn": "2.0.0"})
    assert found.splitlines() == [
        "at 60.000 s: the reply to 'say' (ref 2) on 'room:1' differs",
        "  response.id: expected 7, got 8",
    ]


async def test_no_answer() -> None:
    """The replay goes on after its timeout."""
    [found] = await differences(*session(), params={"vsn": "2.0.0"})
    assert "the reply to 'say' (ref 2) on 'room:1' is missing" in found


async def test_the_recorded_pace() -> None:
    began = asyncio.get_running_loop().time()
    lines = session()
    assert await differences(*lines, answer={"id": 7}, user="slow", params={"vsn": "2.0.0"}) == []
    assert asyncio.get_running_loop().time() - began >= 60


async def test_binary_messages() -> None:
    assert (
        await differences(
            *session()[:2],
            said("client", pushing("1", "2", "room:1", "say", b"\x00")),
            said("server", reply("1", "2", "room:1", ok(b"\x01"))),
            answer=b"\x01",
            params={"vsn": "2.0.0"},
        )
        == []
    )


async def test_a_recording_that_begins_late_joins_first() -> None:
    lines = session()[2:5]
    options: Any = {"joined": ["room:1", "room:2"], "params": {"vsn": "2.0.0"}}
    assert await differences(*lines, answer={"id": 7}, **options) == []


async def test_a_close_of_the_server() -> None:
    """What the client sent after it is not sent."""
    lines = [
        *session()[:2],
        said("client", pushing("1", "2", "room:1", "stop")),
        close("server", 1001),
        said("client", pushing("1", "3", "room:1", "say")),
    ]
    assert await differences(*lines, params={"vsn": "2.0.0"}) == []
    [found] = await differences(*lines[:-2], close("client", 1000), params={"vsn": "2.0.0"})
    assert found == "the server's close with 1001 was not recorded"


async def test_hidden_values_are_filled_in() -> None:
    payload = {"user": [{"token": "[FILTERED]", "pin": "[FILTERED]"}], "n": 1}
    assert filled(payload, {"token": "abc"}) == {
        "user": [{"token": "abc", "pin": "[FILTERED]"}],
        "n": 1,
    }
    lines = [
        said("client", joining("1", "room:1", {"token": "[FILTERED]"})),
        said("server", reply("1", "1", "room:1", ok({"given": {"token": "abc"}}))),
    ]
    assert await differences(*lines, values={"token": "abc"}, params={"vsn": "2.0.0"}) == []


async def test_a_raw_socket() -> None:
    lines = [
        said("client", "hello"),
        said("server", "HELLO"),
        said("client", b"a"),
        said("server", b"B"),
        said("client", "stop"),
        close("server", 1000),
    ]
    [found] = await differences(*lines, vsn=None, path="/raw/websocket")
    assert found.startswith("at 0.000 s: a binary message differs")


def test_what_is_no_message() -> None:
    """A server that speaks no Phoenix is compared, too."""
    one = recording(path="/a/websocket", params={"token": "x"})
    target = target_of("ws://host/b", one, params={"token": "y"}, token="t", timeout=1.0)
    assert target.url.websocket(target.query) == "ws://host/b/websocket?token=y"
    assert str(target_of("ws://host", one, params={}, timeout=1.0).url) == "ws://host/a"
