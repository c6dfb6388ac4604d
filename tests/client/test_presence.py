"""The presences of a channel: its list and its callbacks, through joins."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.client import Client, ClientError, RemoteChannel, RoomPresence
from bennu.testing.clock import advance, settle

from .played import PlayedServer


def one(*refs: str) -> dict[str, Any]:
    return {"metas": [{"phx_ref": ref} for ref in refs]}


class Watched:
    """A channel whose presences are watched."""

    def __init__(self, client: Client) -> None:
        self.room: RemoteChannel = client.channel("room")
        self.told: list[Any] = []
        presence = self.room.presence
        presence.on_join(
            lambda key, current, joined: self.told.append(("join", key, current, joined))
        )
        presence.on_leave(
            lambda key, current, left: self.told.append(("leave", key, current, left))
        )
        presence.on_sync(lambda: self.told.append("sync"))
        _ = self.room.join()


async def test_the_list_and_its_changes_are_told() -> None:
    server = PlayedServer()
    async with server.client() as client:
        watched = Watched(client)
        await server.accept()
        server.now.play(watched.room.join_ref, None, "room", "presence_state", {"ann": one("a")})
        diff = {"joins": {"bo": one("b")}, "leaves": {"ann": one("a")}}
        server.now.play(None, None, "room", "presence_diff", diff)
        await settle()
        assert watched.told == [
            ("join", "ann", None, one("a")),
            "sync",
            ("join", "bo", None, one("b")),
            ("leave", "ann", one(), one("a")),
            "sync",
        ]
        presence = watched.room.presence
        assert presence.state == {"bo": one("b")}
        assert presence.list() == [one("b")]
        assert presence.list(lambda key, found: (key, len(found["metas"]))) == [("bo", 1)]


async def test_a_new_join_waits_for_its_list() -> None:
    server = PlayedServer()
    async with server.client() as client:
        watched = Watched(client)
        await server.accept()
        server.now.play(watched.room.join_ref, None, "room", "presence_state", {"ann": one("a")})
        await settle()
        server.now.end()
        await advance(0.1)
        await server.accept()
        server.now.play(
            None, None, "room", "presence_diff", {"joins": {}, "leaves": {"ann": one("a")}}
        )
        await settle()
        assert watched.room.presence.state == {"ann": one("a")}
        both = {"ann": one("a"), "bo": one("b")}
        server.now.play(watched.room.join_ref, None, "room", "presence_state", both)
        await settle()
        assert watched.room.presence.state == {"bo": one("b")}


async def test_callbacks_that_raise_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    server = PlayedServer()
    async with server.client() as client:
        watched = Watched(client)

        def broken(*_: Any) -> None:
            raise ValueError("mine")

        watched.room.presence.on_join(broken)
        watched.room.presence.on_sync(broken)
        await server.accept()
        server.now.play(watched.room.join_ref, None, "room", "presence_state", {"ann": one("a")})
        await settle()
        assert watched.room.presence.state == {"ann": one("a")}
    assert caplog.text.count("A callback for the presences of 'room' failed") == 2


async def test_the_first_use_after_the_join_is_a_mistake() -> None:
    server = PlayedServer()
    async with server.client() as client:
        room = client.channel("room")
        _ = room.join()
        with pytest.raises(ClientError, match=r"write `presence = room\.presence` before the join"):
            _ = room.presence


async def test_the_events_can_have_other_names_and_be_ended() -> None:
    server = PlayedServer()
    async with server.client() as client:
        room = client.channel("room")
        presence = room.presences("the_state", "the_diff")
        assert isinstance(presence, RoomPresence)
        _ = room.join()
        await server.accept()
        server.now.play(room.join_ref, None, "room", "the_state", {"ann": one("a")})
        await settle()
        server.now.play(None, None, "room", "the_diff", {"joins": {"bo": one("b")}, "leaves": {}})
        await settle()
        assert list(presence.state) == ["ann", "bo"]
        presence.close()
        server.now.play(None, None, "room", "the_diff", {"joins": {"cy": one("c")}, "leaves": {}})
        await settle()
        assert list(presence.state) == ["ann", "bo"]
