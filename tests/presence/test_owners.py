"""Owners of presences: a presence ends with its owner, for every kind of end. Protocol document, §6.2 and §6.4."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bennu import Endpoint, NotJoined, Presence, RawHandler, RawSocket, Refused
from bennu.testing.clock import advance, settle
from tests.support.clock import work
from tests.support.frames import error

from ..support.inside import owners_of, resources_of
from ..support.memory import Server, endpoint_of, serve
from .rooms import Member, Present, ann_and_bob, enter, example, plain


async def leave(server: Server, member: Member) -> None:
    member.client.leave("room:1")


async def close(server: Server, member: Member) -> None:
    member.client.close()


async def vanish(server: Server, member: Member) -> None:
    member.client.vanish()


async def disconnect(server: Server, member: Member) -> None:
    await server.endpoint.disconnect("bob")


async def crash(server: Server, member: Member) -> None:
    member.client.push("room:1", "crash")
    await settle()
    server.logged("crashed in crash")


@pytest.mark.parametrize("way", [leave, close, vanish, disconnect, crash])
@pytest.mark.conformance("PR009", "TR023")
async def test_a_channel_that_ends_is_untracked_however_it_ends(way: Any) -> None:
    """Other clients see one leave, with the ref of the presence. Nothing is kept."""
    presence = Presence()
    async with serve(example(presence)) as server:
        ann, bob = await ann_and_bob(server)
        [ref] = ann.list.refs()["bob"]
        await way(server, bob)
        await advance(1)
        await ann.news()
        assert ann.list.leaves == [("bob", [ref])]
        assert set(await presence.list("room:1")) == {"ann"}
        assert len(owners_of(presence)) == 1
        ann.client.close()
        if way in (leave, crash):
            bob.client.close()


async def test_a_channel_tracks_no_more_keys_than_it_may() -> None:
    """Its client gets the reason.

    Other channels and other owners can still track. After one ``untrack`` the channel can track again.
    """
    presence = Presence(max_keys=2)
    async with serve(example(presence)) as server:
        ann, bob = await ann_and_bob(server)
        assert (await ann.call("track", {"key": "two"}))["status"] == "ok"
        assert await ann.call("track", {"key": "three"}) == error("too_many_presences")
        assert (await bob.call("track", {"key": "two"}))["status"] == "ok"
        for key in range(10):
            await presence.track("a server's own", key, topic="room:1")
        assert (await ann.call("untrack", {"key": "two"}))["status"] == "ok"
        assert (await ann.call("track", {"key": "three"}))["status"] == "ok"
        here = set(await presence.list("room:1"))
        assert here == {"ann", "bob", "two", "three", *map(str, range(10))}
        ann.client.close()
        bob.client.close()


async def test_a_duplicate_join_replaces_the_presence() -> None:
    """The old channel is killed. Its presence leaves before the presence of the new channel joins."""
    presence = Presence()
    async with serve(example(presence)) as server:
        ann, bob = await ann_and_bob(server)
        [old] = ann.list.refs()["bob"]
        bob.client.start_join("room:1", {})
        await advance(1)
        await ann.news()
        [new] = ann.list.refs()["bob"]
        assert ann.list.leaves == [("bob", [old])]
        assert ann.list.joins[-2:] == [("bob", [old]), ("bob", [new])]
        ann.client.close()
        bob.client.close()


async def test_a_drain_and_a_stop_untrack_everybody() -> None:
    """Clients that are closed later see the leaves of clients that were closed earlier."""
    presence = Presence()
    async with serve(example(presence)) as server:
        members = [await enter(server, name) for name in ("ann", "bob")]
        await advance(1)
        await server.endpoint.drain(timeout=1)
        await advance(2)
        assert await presence.list("room:1") == {}
        for member in members:
            assert await member.client.closed() == 1012


async def test_a_channel_that_hangs_in_terminate_is_untracked_when_that_is_over() -> None:
    """The time of ``terminate`` is limited, so the time of the presence is too."""
    presence = Presence()

    class Hanging(Present):
        async def terminate(self, reason: Any) -> None:
            if self.assigns == "bob":
                await work(1000)

    async with serve(example(presence, Hanging)) as server:
        ann, bob = await ann_and_bob(server)
        bob.client.vanish()
        await advance(4)
        assert set(await presence.list("room:1")) == {"ann", "bob"}
        await advance(2)
        server.logged("terminate", "took over 5s")
        assert set(await ann.sees()) == {"ann"}
        ann.client.close()


async def test_a_join_that_fails_after_it_tracked_leaves_nothing() -> None:
    """The join was refused, or crashed."""
    presence = Presence()

    class Fussy(Present):
        async def join(self, payload: dict[str, Any]) -> None:
            await self.presence.track(self, self.assigns)
            raise Refused("no")

    async with serve(example(presence, Fussy)) as server:
        client = await server.connect(params={"name": "ann"})
        assert (await client.join("room:1"))["status"] == "error"
        await advance(1)
        assert await presence.list("room:1") == {}
        client.close()


async def test_a_channel_that_has_ended_tracks_nothing() -> None:
    presence = Presence()
    rooms: list[Present] = []

    class Room(Present):
        async def join(self, payload: dict[str, Any]) -> None:
            await super().join(payload)
            rooms.append(self)

    async with serve(example(presence, Room)) as server:
        ann = await enter(server, "ann")
        await ann.news()
        ann.client.close()
        await advance(1)
        with pytest.raises(NotJoined, match="ended"):
            await presence.track(rooms[0], "ann")
        await presence.untrack(rooms[0])
        assert len(owners_of(presence)) == 0


@pytest.mark.conformance("TR027", "TR028")
async def test_an_owner_is_let_go_with_its_last_presence() -> None:
    """An owner that untracks one topic keeps its other presences.

    An owner that untracks all topics is forgotten.
    """
    presence = Presence()
    rooms: list[Present] = []

    class Room(Present):
        async def join(self, payload: dict[str, Any]) -> None:
            await super().join(payload)
            rooms.append(self)

    async with serve(example(presence, Room)) as server:
        ann = await enter(server, "ann")
        await ann.news()
        owners = owners_of(presence)
        await presence.track("me", "u1", topic="t1")
        await presence.track("me", "u2", topic="t2")
        await presence.untrack("me", topic="t1")
        assert set(await presence.list("t2")) == {"u2"}
        assert len(owners) == 2
        await presence.untrack("me", topic="t2")
        assert len(owners) == 1
        await ann.call("untrack")
        assert len(owners) == 0
        for _ in range(3):
            assert (await ann.call("track", {"key": "again"}))["status"] == "ok"
            await ann.call("untrack")
        [room] = rooms
        resources = resources_of(room)
        assert not resources.subscriptions
        assert (await ann.call("track", {"key": "again"}))["status"] == "ok"
        assert len(resources.subscriptions) == 1
        ann.client.close()
        await advance(1)
        assert len(owners) == 0


async def test_a_task_is_untracked_when_it_is_done() -> None:
    """The task is done, failed or cancelled. A task that is done already is refused."""
    presence = Presence()
    async with serve(endpoint_of({}, presence=presence)):
        tasks = [asyncio.create_task(work(seconds)) for seconds in (1, 2, 3)]
        for number, task in enumerate(tasks):
            await presence.track(task, number, topic="t")
        await advance(1.5)
        assert set(await presence.list("t")) == {"1", "2"}
        tasks[1].cancel()
        await advance(0.1)
        assert set(await presence.list("t")) == {"2"}
        await presence.untrack(tasks[2])
        assert await presence.list("t") == {}
        await tasks[2]
        with pytest.raises(ValueError, match="done"):
            await presence.track(tasks[0], "late", topic="t")


async def test_work_in_the_background_is_present_while_its_block_runs() -> None:
    """Several blocks can run under one key. An error ends a presence too."""
    presence = Presence()
    async with serve(endpoint_of({}, presence=presence)):
        async with presence.present("jobs", 7, {"step": 1}) as ref:
            async with presence.present("jobs", 7, {"step": 2}):
                assert plain(await presence.list("jobs")) == {"7": [{"step": 1}, {"step": 2}]}
            assert await presence.list("jobs") == {"7": {"metas": [{"step": 1, "phx_ref": ref}]}}
        with pytest.raises(ZeroDivisionError):
            async with presence.present("jobs", 7):
                raise ZeroDivisionError
        assert await presence.list("jobs") == {}


async def test_a_raw_sockets_handler_is_untracked_with_its_connection() -> None:
    """A handler has no topic, and untracks all its topics at once."""
    presence = Presence()

    class Raw(RawHandler[Any, Any]):
        async def opened(self) -> None:
            await presence.track(self, "raw", topic="t1")
            await presence.track(self, "raw", topic="t2")

        async def receive(self, message: Any) -> None:
            await presence.untrack(self, topic=message)

    endpoint = Endpoint(
        sockets={"/raw": RawSocket(handler=Raw, connect=lambda params: None)}, presence=presence
    )
    async with serve(endpoint) as server:
        wire = await server.open("/raw/websocket")
        await settle()
        assert set(await presence.list("t1")) == set(await presence.list("t2")) == {"raw"}
        wire.send("t1")
        await settle()
        assert await presence.list("t1") == {}
        wire.close()
        await settle()
        assert await presence.list("t2") == {}


@pytest.mark.conformance("TR010")
async def test_a_stopped_endpoint_knows_nobody_and_a_restarted_one_begins_empty() -> None:
    """Owners that have no end are untracked at the stop."""
    presence = Presence()
    endpoint = endpoint_of({}, presence=presence)
    async with serve(endpoint):
        await presence.track("me", "u1", topic="t")
        task = asyncio.create_task(work(100))
        await presence.track(task, "u2", topic="t")
        task.cancel()
    async with serve(endpoint):
        assert await presence.list("t") == {}
        await presence.track("me", "u1", topic="t")
        assert set(await presence.list("t")) == {"u1"}
