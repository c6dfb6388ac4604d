"""What an application adds to presence, and what it is told. Protocol document, §6.2 and §6.3."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bennu import BySize, Count, Full, NotStarted, Presence, PresenceCount

from ..support.clock import advance, settle, work
from ..support.memory import endpoint_of, serve
from .rooms import Present, enter, example, plain

NAMES = {"ann": "Ann A.", "bob": "Bob B."}


class Named(Presence):
    """It adds names, and remembers what it was asked for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.asked: list[list[str]] = []

    async def fetch(self, topic: str, presences: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(sorted(presences))
        return {key: {**value, "name": NAMES.get(key)} for key, value in presences.items()}


@pytest.mark.conformance("PR002")
async def test_without_a_fetch_presences_stay_as_they_are() -> None:
    presence = Presence()
    assert presence.fetch("t", {"u1": {"metas": []}}) == {"u1": {"metas": []}}
    async with serve(endpoint_of({}, presence=presence)):
        ref = await presence.track("me", "u1", topic="t")
        assert await presence.list("t") == {"u1": {"metas": [{"phx_ref": ref}]}}


@pytest.mark.conformance("PR004", "PR007", "PR010")
async def test_what_fetch_adds_is_in_lists_diffs_and_states() -> None:
    """It is asked once for a list, once for a key, once for the joins and once for the leaves."""
    presence = Named()
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        await ann.news()
        [ref] = ann.list.refs()["ann"]
        value = {"metas": [{"n": 1, "phx_ref": ref}], "name": "Ann A."}
        assert ann.list.state == {"ann": value}
        assert await presence.list("room:1") == {"ann": value}
        assert await presence.get_by_key("room:1", "ann") == value
        assert await presence.get_by_key("room:1", "bob") is None
        assert await presence.list("room:2") == {}
        assert presence.asked == [["ann"], ["ann"], ["ann"]]
        presence.asked.clear()
        await presence.track("me", "u1", topic="room:1")
        await presence.track("me", "u2", topic="room:1")
        await advance(1)
        await presence.untrack("me", "u1")
        await presence.update("me", "u2", {}, topic="room:1")
        await advance(1)
        assert presence.asked == [["u1", "u2"], ["u2"], ["u1", "u2"]]
        events = await ann.news()
        assert events[-1][1]["leaves"]["u1"]["name"] is None
        late = await enter(server, "bob", watch=True)
        await late.news()
        assert late.list.state == ann.list.state
        ann.client.close()
        late.client.close()


async def test_fetch_adds_to_presences_and_changes_no_metas() -> None:
    """Whatever it does to them; keys that it makes up are passed over."""

    async def fetch(topic: str, presences: dict[str, Any]) -> dict[str, Any]:
        return {"ann": {"metas": [], "name": "Ann A."}, "bob": {"metas": [{"n": 2}]}}

    presence = Presence(fetch=fetch)
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        assert await ann.sees() == {"ann": [{"n": 1}]}
        assert ann.list.state["ann"]["name"] == "Ann A."
        assert await presence.list("room:1") == ann.list.state
        ann.client.close()


async def test_what_hooks_are_given_is_theirs_to_change() -> None:
    """The presences, the diffs of clients and what other hooks are told stay what they are."""
    seen: list[Any] = []

    def spoil(metas: list[dict[str, Any]]) -> None:
        for meta in metas:
            seen.append(dict(meta.get("at", {})))
            meta.get("at", {}).clear()
            meta.pop("phx_ref")

    async def fetch(topic: str, presences: dict[str, Any]) -> dict[str, Any]:
        for value in presences.values():
            spoil(value["metas"])
        return presences

    async def handle_metas(topic: str, diff: dict[str, Any], presences: Any) -> None:
        for value in (*diff["joins"].values(), *diff["leaves"].values()):
            spoil(value["metas"])

    async def each(topic: str, key: str, metas: list[dict[str, Any]]) -> None:
        spoil(metas)

    presence = Presence(fetch=fetch, handle_metas=handle_metas, joined=each, left=each)
    async with serve(example(presence)) as server:
        eve = await enter(server, "eve", watch=True)
        await presence.track("me", "ann", {"at": {"x": 1}}, topic="room:1")
        await advance(1)
        assert await eve.sees() == {"ann": [{"at": {"x": 1}}]}
        await presence.untrack("me", "ann")
        await advance(1)
        assert await eve.sees() == {}
        eve.client.close()
    assert seen == [{"x": 1}] * 6


async def test_a_plain_fetch_runs_in_a_thread() -> None:
    """Given as an argument, too."""

    def fetch(topic: str, presences: dict[str, Any]) -> dict[str, Any]:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return {key: {**value, "name": NAMES.get(key)} for key, value in presences.items()}

    presence = Presence(fetch=fetch)
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        await advance(1)
        await ann.news()
        assert ann.list.state["ann"]["name"] == "Ann A."
        ann.client.close()


async def test_what_a_plain_hook_returns_is_awaited_if_it_can_be() -> None:
    """A lambda around an ``async def``, or an object that is called like one."""
    told: list[str] = []

    async def note(key: str) -> None:
        told.append(key)

    class Fetch:
        async def __call__(self, topic: str, presences: dict[str, Any]) -> dict[str, Any]:
            return {key: {**value, "name": NAMES.get(key)} for key, value in presences.items()}

    presence = Presence(fetch=Fetch(), joined=lambda topic, key, metas: note(key))
    async with serve(endpoint_of({}, presence=presence)):
        await presence.track("me", "ann", topic="t")
        await settle()
        assert (await presence.list("t"))["ann"]["name"] == "Ann A."
    assert told == ["ann"]


@pytest.mark.parametrize("window", [0, 0.05])
async def test_diffs_stay_in_order_while_fetch_is_slow(window: float) -> None:
    """Of one topic; others don't wait; who wants the state waits for all that was before it."""
    slow = 3.0

    async def fetch(topic: str, presences: dict[str, Any]) -> dict[str, Any]:
        nonlocal slow
        if topic == "room:1":
            slow, now = slow - 1, slow
            await work(max(now, 0.1))
        return presences

    presence = Presence(window=window, fetch=fetch)
    async with serve(example(presence)) as server:
        watcher = await enter(server, "eve", watch=True)
        other = await enter(server, "joe", "room:2", watch=True)
        await watcher.news()
        await other.news()
        for key in ("u1", "u2", "u3"):
            await presence.track("me", key, topic="room:1")
            await advance(0.1)
        late = await enter(server, "ann", watch=True)
        await presence.track("me", "else", topic="room:2")
        assert len(await other.news()) == 1
        assert await watcher.news() == await late.news() == []
        await advance(10)
        diffs = [list(diff["joins"]) for _, diff in await watcher.news()]
        assert diffs == ([["u1"], ["u2"], ["u3"]] if window == 0 else [["u1"], ["u2", "u3"]])
        events = await late.news()
        assert [event for event, _ in events].count("presence_state") == 1
        assert late.list.state == watcher.list.state
        await presence.untrack("me")
        await advance(10)
        for member in (watcher, other, late):
            assert await member.sees() == {}
            member.client.close()


async def test_who_wants_the_state_during_a_fetch_gets_it_with_that_diff() -> None:
    """If nothing has happened since."""

    async def fetch(topic: str, presences: dict[str, Any]) -> dict[str, Any]:
        await work(1)
        return presences

    presence = Presence(fetch=fetch)
    async with serve(example(presence)) as server:
        await presence.track("me", "u1", topic="room:1")
        await settle()
        watcher = await enter(server, "eve", watch=True)
        assert await watcher.news() == []
        await advance(1)
        assert [event for event, _ in await watcher.news()] == ["presence_diff", "presence_state"]
        watcher.client.close()


@pytest.mark.parametrize(
    ("result", "logged"),
    [
        (ZeroDivisionError("no"), "failed for 'room:1'"),
        ({"ann": {"metas": [], "x": object()}}, "returned what can't be sent"),
        (None, "failed for 'room:1'"),
        ({"ann": 5}, "failed for 'room:1'"),
    ],
)
async def test_a_fetch_that_fails_is_logged_and_done_without(result: Any, logged: str) -> None:
    """The presences go out without what it would have added; later ones ask it again."""
    failing = True

    async def fetch(topic: str, presences: dict[str, Any]) -> Any:
        if not failing:
            return {key: {"name": key} for key in presences}
        if isinstance(result, Exception):
            raise result
        return result

    presence = Presence(fetch=fetch)
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        assert await ann.sees() == {"ann": [{"n": 1}]}
        server.logged(logged)
        failing = False
        await presence.track("me", "u2", {"n": 2}, topic="room:1")
        await advance(1)
        assert await ann.sees() == {"ann": [{"n": 1}], "u2": [{"n": 2}]}
        assert ann.list.state["u2"]["name"] == "u2"
        failing = True
        ann.client.close()
        await advance(1)
        server.logged(logged)
        failing = False


async def test_a_fetch_that_hangs_is_done_without_after_5_s() -> None:
    presence = Presence(fetch=lambda topic, presences: presences)

    async def fetch(topic: str, presences: dict[str, Any]) -> Any:
        await work(1000 if "ann" in presences else 0)
        return presences

    presence = Presence(fetch=fetch)
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        await presence.track("me", "u2", topic="room:1")
        await advance(4.9)
        assert await ann.news() == []
        await advance(0.2)
        server.logged("took over 5s for 'room:1'")
        assert set(await ann.sees()) == {"ann", "u2"}
        failing = asyncio.create_task(presence.list("room:1"))
        await advance(5.1)
        server.logged("took over 5s")
        assert set(await failing) == {"ann", "u2"}
        ann.client.close()
        await advance(5.1)
        server.logged("took over 5s")


async def test_an_update_waits_5_s_for_a_fetch_that_hangs_and_not_for_each_half() -> None:
    hangs = False

    async def fetch(topic: str, presences: dict[str, Any]) -> Any:
        await work(1000 if hangs else 0)
        return presences

    presence = Presence(fetch=fetch)
    async with serve(example(presence)) as server:
        eve = await enter(server, "eve", watch=True)
        await presence.track("me", "ann", {"n": 1}, topic="room:1")
        await advance(1)
        hangs = True
        await presence.update("me", "ann", {"n": 2}, topic="room:1")
        await advance(5.1)
        assert await eve.sees() == {"ann": [{"n": 2}]}
        assert all("took over 5s" in record.getMessage() for record in server.records)
        server.records.clear()
        hangs = False
        eve.client.close()


async def test_a_fetch_that_waits_for_what_is_cancelled_is_done_without() -> None:
    """The diffs of its topic go on, and whoever waits for the state gets it."""
    shared: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def fetch(topic: str, presences: dict[str, Any]) -> dict[str, Any]:
        return await shared

    async with serve(example(Presence(fetch=fetch))) as server:
        ann = await enter(server, "ann")
        shared.cancel()
        assert await ann.sees() == {"ann": [{"n": 1}]}
        server.logged("fetch failed for 'room:1'")
        ann.client.close()
        await advance(1)
        server.logged("fetch failed for 'room:1'")


async def test_a_list_that_is_cancelled_in_its_fetch_just_ends() -> None:
    """That is no failure of the fetch."""

    async def fetch(topic: str, presences: dict[str, Any]) -> dict[str, Any]:
        await work(3)
        return presences

    presence = Presence(fetch=fetch)
    async with serve(endpoint_of({}, presence=presence)):
        await presence.track("me", "u1", topic="t")
        listing = asyncio.ensure_future(presence.list("t"))
        await settle()
        listing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listing


async def test_a_hook_that_waits_for_what_is_cancelled_has_failed_and_the_next_one_runs() -> None:
    """It is logged as any failure is."""
    told: list[str] = []
    shared: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    shared.cancel()

    async def joined(topic: str, key: str, metas: Any) -> None:
        told.append(key)
        if key == "u1":
            await shared

    presence = Presence(joined=joined)
    async with serve(endpoint_of({}, presence=presence)) as server:
        await presence.track("me", "u1", topic="t")
        await presence.track("me", "u2", topic="t")
        await advance(1)
        server.logged("joined failed for 't'")
    assert told == ["u1", "u2"]


async def test_who_waits_for_the_state_goes_on_at_the_stop_though_fetch_does_not_end() -> None:
    """Nothing is pushed any more: the channel has ended, and only a task of the server's waits."""
    channels: list[Present] = []

    class Room(Present):
        async def after_join(self) -> None:
            channels.append(self)

    async def fetch(topic: str, presences: dict[str, Any]) -> dict[str, Any]:
        await work(4)
        return presences

    presence = Presence(window=0, fetch=fetch)
    async with serve(example(presence, Room)) as server:
        eve = await enter(server, "eve")
        for number in range(5):
            await presence.track("me", number, topic="room:1")
        waiting = asyncio.ensure_future(presence.push_state(channels[0]))
        await settle()
        eve.client.close()
        await server.endpoint.stop()
        await settle()
        assert waiting.done()
        await waiting
        server.logged("did not end in 10s")


@pytest.mark.conformance("PR019", "PR020", "PR021", "PR022", "PR023", "PR024")
async def test_handle_metas_gets_each_diff_and_what_is_here_after_it() -> None:
    """Keys and metas accumulate in order; they go when they leave, and the others stay."""
    told: list[tuple[str, list[str], list[str], dict[str, list[int]]]] = []

    class Told(Presence):
        async def handle_metas(self, topic: str, diff: Any, presences: dict[str, Any]) -> None:
            seen = {key: [meta["n"] for meta in metas] for key, metas in presences.items()}
            told.append((topic, sorted(diff["joins"]), sorted(diff["leaves"]), seen))

    presence = Told(window=0)
    async with serve(endpoint_of({}, presence=presence)):
        for owner, key in (("a", "u1"), ("b", "u2"), ("c", "u1"), ("d", "u1")):
            await presence.track(owner, key, {"n": ord(owner) - ord("a")}, topic="t")
        for owner in ("c", "a", "b", "d"):
            await presence.untrack(owner)
        await settle()
    assert told == [
        ("t", ["u1"], [], {"u1": [0]}),
        ("t", ["u2"], [], {"u1": [0], "u2": [1]}),
        ("t", ["u1"], [], {"u1": [0, 2], "u2": [1]}),
        ("t", ["u1"], [], {"u1": [0, 2, 3], "u2": [1]}),
        ("t", [], ["u1"], {"u1": [0, 3], "u2": [1]}),
        ("t", [], ["u1"], {"u1": [3], "u2": [1]}),
        ("t", [], ["u2"], {"u1": [3]}),
        ("t", [], ["u1"], {}),
    ]


@pytest.mark.parametrize("mode", [Full(), Count(), BySize({0: Full(), 1: Count()})])
async def test_channel_server_and_left_tell_of_keys_not_of_metas(mode: Any) -> None:
    """The first meta of a key, and the last; whatever clients are told; after they were told."""
    told: list[Any] = []
    diffs: list[Any] = []

    async def joined(topic: str, key: str, metas: list[Any]) -> None:
        told.append(("joined", key, [meta["n"] for meta in metas]))

    def left(topic: str, key: str, metas: list[Any]) -> None:
        told.append(("left", key, [meta["n"] for meta in metas]))

    async def handle_metas(topic: str, diff: Any, presences: Any) -> None:
        diffs.append((plain(diff["joins"]), plain(diff["leaves"])))

    presence = Presence(mode=mode, joined=joined, left=left, handle_metas=handle_metas)
    async with serve(endpoint_of({}, presence=presence)):
        await presence.track("a", "u1", {"n": 1}, topic="t")
        await presence.track("b", "u1", {"n": 2}, topic="t")
        await advance(1)
        await presence.update("a", "u1", {"n": 3}, topic="t")
        await presence.untrack("b")
        await advance(1)
        assert told == [("joined", "u1", [1, 2])]
        await presence.untrack("a")
        await advance(1)
        assert told == [("joined", "u1", [1, 2]), ("left", "u1", [3])]
    assert diffs == [
        ({"u1": [{"n": 1}, {"n": 2}]}, {}),
        ({"u1": [{"n": 3}]}, {"u1": [{"n": 1}, {"n": 2}]}),
        ({}, {"u1": [{"n": 3}]}),
    ]


async def test_a_hook_that_fails_is_logged_and_the_next_one_runs() -> None:
    told: list[str] = []

    async def joined(topic: str, key: str, metas: list[Any]) -> None:
        told.append(key)
        raise ZeroDivisionError

    presence = Presence(joined=joined)
    async with serve(example(presence)) as server:
        watcher = await enter(server, "eve", watch=True)
        await presence.track("me", "u1", topic="room:1")
        await settle()
        server.logged("joined failed for 'room:1'")
        await advance(1)
        await presence.track("me", "u2", topic="room:1")
        await settle()
        server.logged("joined failed for 'room:1'")
        assert told == ["u1", "u2"]
        assert set(await watcher.sees()) == {"u1", "u2"}
        watcher.client.close()


async def test_hooks_of_a_topic_run_one_after_another_and_the_stop_waits_for_them() -> None:
    """However slow they are, within limits; clients don't wait for them."""
    told: list[str] = []

    async def joined(topic: str, key: str, metas: list[Any]) -> None:
        await work(1)
        told.append(f"+{key}")

    async def left(topic: str, key: str, metas: list[Any]) -> None:
        told.append(f"-{key}")

    presence = Presence(window=0, joined=joined, left=left)
    async with serve(example(presence)) as server:
        watcher = await enter(server, "eve", watch=True)
        await presence.track("me", "u1", topic="room:1")
        await presence.track("me", "u2", topic="room:1")
        assert set(await watcher.sees()) == {"u1", "u2"}
        assert told == []
        await presence.untrack("me", "u1")
        watcher.client.close()
    assert told == ["+u1", "+u2", "-u1", "-u2"]


async def test_a_hook_that_hangs_is_cancelled_at_the_stop() -> None:
    async def joined(topic: str, key: str, metas: list[Any]) -> None:
        await work(1000)

    presence = Presence("rooms", joined=joined)
    endpoint = endpoint_of({}, presence=presence)
    async with serve(endpoint) as server:
        await presence.track("me", "u1", topic="t")
        await settle()
        await endpoint.stop()
        server.logged("A hook of rooms did not end in 10s")


async def test_a_hook_may_read_while_its_endpoint_stops() -> None:
    """Nobody of this node is here any more then, and nobody can come; who has gone is told."""
    seen: list[Any] = []

    async def left(topic: str, key: str, metas: list[Any]) -> None:
        seen.append((key, await presence.count(topic), await presence.list(topic)))
        with pytest.raises(NotStarted, match="stops"):
            await presence.track("me", "late", topic=topic)
        await presence.untrack("me", topic=topic)

    presence = Presence(left=left)
    async with serve(endpoint_of({}, presence=presence)):
        await presence.track("me", "ann", topic="t")
        await settle()
    assert seen == [("ann", PresenceCount(0, 0), {})]
