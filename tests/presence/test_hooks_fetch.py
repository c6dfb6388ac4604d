"""The data that ``fetch`` adds to presences. Protocol document, §6.2 and §6.3."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bennu import Presence
from bennu.testing.clock import advance, settle
from tests.support.clock import work

from ..support.memory import endpoint_of, serve
from .rooms import Present, enter, example

NAMES = {"ann": "Ann A.", "bob": "Bob B."}


class Named(Presence):
    """Adds names to presences, and records the calls of ``fetch``."""

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
    """``fetch`` is called once for a list, once for a key, once for joins and once for leaves."""
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
    """Changes of metas are undone, and keys that it invents are ignored."""

    async def fetch(topic: str, presences: dict[str, Any]) -> dict[str, Any]:
        return {"ann": {"metas": [], "name": "Ann A."}, "bob": {"metas": [{"n": 2}]}}

    presence = Presence(fetch=fetch)
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        assert await ann.sees() == {"ann": [{"n": 1}]}
        assert ann.list.state["ann"]["name"] == "Ann A."
        assert await presence.list("room:1") == ann.list.state
        ann.client.close()


async def test_a_plain_fetch_runs_in_a_thread() -> None:
    """A plain function as an argument does too."""

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


@pytest.mark.parametrize("window", [0, 0.05])
async def test_diffs_stay_in_order_while_fetch_is_slow(window: float) -> None:
    """The diffs of other topics don't wait. A state waits for all changes before it."""
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
    """This holds if nothing has changed since."""

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
        ({"ann": {"metas": [], "x": object()}}, "returned a value that can't be sent"),
        (None, "failed for 'room:1'"),
        ({"ann": 5}, "failed for 'room:1'"),
    ],
)
async def test_a_fetch_that_fails_is_logged_and_done_without(result: Any, logged: str) -> None:
    """The presences are sent without its data. Later presences call it again."""
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
    """The diffs of its topic go on, and channels that wait for the state get it."""
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
    """The cancellation is no failure of ``fetch``."""

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


async def test_who_waits_for_the_state_goes_on_at_the_stop_though_fetch_does_not_end() -> None:
    """No state is pushed: the channel has ended, and only a task of the server waits."""
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
