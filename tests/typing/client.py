"""The types that a user of the client sees in an editor, and the mistakes that it marks.

Each ignore below must be needed: both checkers report an unnecessary ignore.
"""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from dataclasses import dataclass
from typing import Any, assert_type

from msgspec import Struct

from bennu.client import (
    Backoff,
    BlockingClient,
    BlockingRoom,
    Client,
    Event,
    Promise,
    RemoteChannel,
)


class NewMsg(Struct):
    body: str


class Ack(Struct):
    id: int


class Joined(Struct):
    title: str


@dataclass
class Since:
    since: int


def take(message: NewMsg) -> None: ...


def take_ack(ack: Ack) -> None: ...


async def take_later(message: NewMsg) -> None: ...


async def use(client: Client) -> None:
    room = client.channel("room:7", Since(0))
    assert_type(room, RemoteChannel)
    assert_type(await room.join(), Any)
    assert_type(await room.join(Joined), Joined)
    assert_type(await room.join(reply=Joined, timeout=3, retry=False), Joined)
    push = room.push("new_msg", NewMsg("Hi"), reply=Ack)
    _ = assert_type(push, Promise[Ack])
    assert_type(await room.push("new_msg", {"body": "Hi"}), Any)
    assert_type(await room.push("upload", b"abc", reply=Ack), Ack)
    assert_type(await room.push("since", Since(1), reply=bytes), bytes)
    assert_type(await room.leave(), None)
    assert_type(await client.ping(), float)

    room.on("new_msg", take, payload=NewMsg)
    room.on("new_msg", take_later, payload=NewMsg)
    room.on("new_msg", print)
    room.on_join(print)
    async for message in room.events("new_msg", NewMsg):
        assert_type(message, NewMsg)
    async for event in room:
        assert_type(event, Event)
        assert_type(event.position, str | None)
    names = room.presence.list(lambda key, one: key)
    assert_type(names, list[str])

    room.on("new_msg", take_ack, payload=NewMsg)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await room.push("new_msg", 7)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await room.push("new_msg", [NewMsg("Hi")])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await room.push(7)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    ack: Ack = await room.push("new_msg", reply=Joined)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    take_ack(ack)


def block(client: BlockingClient) -> None:
    room = client.join("room:7", {"since": 0}, reply=Joined)
    assert_type(room, BlockingRoom[Joined])
    assert_type(room.response, Joined)
    assert_type(room.push("new_msg", NewMsg("Hi"), reply=Ack), Ack)
    for event in room:
        assert_type(event, Event)


def make() -> None:
    Client("ws://a/socket", params={"token": "t"}, auth_token=lambda: "t", reconnect=Backoff((1,)))
    Client("ws://a/socket", vsn="3.0.0")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("ws://a/socket", transport="tcp")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("ws://a/socket", overflow="grow")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    BlockingClient("ws://a/socket", params={"token": "t"}, timeout=3)
    BlockingClient("ws://a/socket", timeout="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    BlockingClient("ws://a/socket", nothing=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Client(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
