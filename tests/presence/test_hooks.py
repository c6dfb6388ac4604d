"""The hooks of an application, and their arguments. Protocol document, §6.2 and §6.3."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bennu import BySize, Count, Full, NotStarted, Presence, PresenceCount
from bennu.testing.clock import advance, settle
from tests.support.clock import work

from ..support.memory import endpoint_of, serve
from .rooms import enter, example, plain


async def test_what_hooks_are_given_is_theirs_to_change() -> None:
    """Such changes have no effect on the presences, the diffs of clients, or the arguments of other hooks."""
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


async def test_what_a_plain_hook_returns_is_awaited_if_it_can_be() -> None:
    """The hook is a lambda around an ``async def``, or an object with an async ``__call__``."""
    told: list[str] = []

    async def note(key: str) -> None:
        told.append(key)

    class Fetch:
        async def __call__(self, topic: str, presences: dict[str, Any]) -> dict[str, Any]:
            return {key: {**value, "name": key.title()} for key, value in presences.items()}

    presence = Presence(fetch=Fetch(), joined=lambda topic, key, metas: note(key))
    async with serve(endpoint_of({}, presence=presence)):
        await presence.track("me", "ann", topic="t")
        await settle()
        assert (await presence.list("t"))["ann"]["name"] == "Ann"
    assert told == ["ann"]


async def test_a_hook_that_waits_for_what_is_cancelled_has_failed_and_the_next_one_runs() -> None:
    """The failure is logged like any other failure."""
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


@pytest.mark.conformance("PR019", "PR020", "PR021", "PR022", "PR023", "PR024")
async def test_handle_metas_gets_each_diff_and_what_is_here_after_it() -> None:
    """Keys and metas are added with joins and removed with leaves. Other metas stay."""
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
    """They are called for the first and the last meta of a key, in every mode, after clients got the diff."""
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
    """The stop waits for slow hooks, up to a limit. Clients don't wait for them."""
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
    """By then no owner is left on this node, and none can come. The hook is called with the last metas."""
    seen: list[Any] = []

    async def left(topic: str, key: str, metas: list[Any]) -> None:
        seen.append((key, await presence.count(topic), await presence.list(topic)))
        with pytest.raises(NotStarted, match="is stopping"):
            await presence.track("me", "late", topic=topic)
        await presence.untrack("me", topic=topic)

    presence = Presence(left=left)
    async with serve(endpoint_of({}, presence=presence)):
        await presence.track("me", "ann", topic="t")
        await settle()
    assert seen == [("ann", PresenceCount(0, 0), {})]
