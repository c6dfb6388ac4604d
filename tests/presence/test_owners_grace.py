"""The grace time: the reload of a page is neither a leave nor a join."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, strategies as st

from bennu import Presence
from bennu.presence.owners import Grace
from bennu.testing.clock import advance, settle
from tests.support.clock import timers, work

from ..support.memory import endpoint_of, serve
from ..support.properties import property_test
from .rooms import ann_and_bob, enter, example, plain


def owner() -> asyncio.Task[None]:
    """Return an owner that ends when a test cancels it."""
    return asyncio.create_task(work(1000))


async def test_who_comes_back_in_time_was_never_away() -> None:
    """With the same meta the presence keeps its phx_ref, and clients get no diff."""
    presence = Presence(grace=5)
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        await ann.news()
        ref = ""
        for _ in range(3):
            bob = await enter(server, "bob")
            await advance(1)
            await ann.news()
            [ref] = ann.list.refs()["bob"]
            bob.client.vanish()
            await advance(4)
        bob = await enter(server, "bob")
        await advance(20)
        assert await ann.news() == []
        assert ann.list.refs()["bob"] == [ref]
        assert ann.list.leaves == []
        assert await bob.sees() == await ann.sees()
        ann.client.close()
        bob.client.close()
        await advance(20)
        assert await presence.list("room:1") == {}


async def test_who_comes_back_too_late_was_away() -> None:
    """The leave is sent when the grace time is over."""
    presence = Presence(grace=5)
    async with serve(example(presence)) as server:
        ann, bob = await ann_and_bob(server)
        bob.client.vanish()
        await advance(4.9)
        assert await ann.news() == []
        await advance(0.2)
        assert set(await ann.sees()) == {"ann"}
        again = await enter(server, "bob")
        await advance(1)
        assert len(await ann.news()) == 1
        ann.client.close()
        again.client.close()


async def test_another_meta_on_coming_back_is_an_update() -> None:
    """One diff has both halves of the update."""
    presence = Presence(grace=5)
    async with serve(example(presence)) as server:
        watcher = await enter(server, "eve", watch=True)
        async with presence.present("room:2", "else"):
            old = await presence.track(first := owner(), "u1", {"v": 1}, topic="room:1")
            await watcher.news()
            first.cancel()
            await settle()
            new = await presence.track("second", "u1", {"v": 2}, topic="room:1")
        await advance(1)
        [(_, diff)] = await watcher.news()
        meta = {"v": 2, "phx_ref": new, "phx_ref_prev": old}
        assert diff["joins"] == {"u1": {"metas": [meta]}}
        assert diff["leaves"] == {"u1": {"metas": [{"v": 1, "phx_ref": old}]}}
        await advance(20)
        assert set(await presence.list("room:1")) == {"u1"}
        watcher.client.close()


async def test_of_several_devices_that_with_an_equal_meta_is_taken_over() -> None:
    """A new owner adopts one presence. The other presences leave when their grace time is over."""
    presence = Presence(grace=5)
    async with serve(endpoint_of({}, presence=presence)):
        owners = [owner(), owner(), owner()]
        refs = [
            await presence.track(one, "u1", {"device": number}, topic="t")
            for number, one in enumerate(owners)
        ]
        for one in owners:
            one.cancel()
        await settle()
        assert await presence.track("a", "u1", {"device": 2}, topic="t") == refs[2]
        assert await presence.track("b", "u1", {"device": 1}, topic="t") == refs[1]
        ref = await presence.track("c", "u1", {"device": 9}, topic="t")
        found = await presence.get_by_key("t", "u1")
        assert found is not None
        assert found["metas"] == [
            {"device": 9, "phx_ref": ref, "phx_ref_prev": refs[0]},
            {"device": 1, "phx_ref": refs[1]},
            {"device": 2, "phx_ref": refs[2]},
        ]
        await presence.track("d", "u1", {"device": 2}, topic="t")
        await advance(20)
        assert (await presence.count("t")).metas == 4
        await presence.update("a", "u1", {"device": 5}, topic="t")
        await presence.untrack("a")
        await presence.untrack("b")
        assert plain(await presence.list("t")) == {"u1": [{"device": 9}, {"device": 2}]}


async def test_an_explicit_untrack_knows_no_grace() -> None:
    """``untrack`` removes the presence at once."""
    presence = Presence(grace=5)
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        await ann.news()
        await ann.call("untrack")
        assert await presence.list("room:1") == {}
        async with presence.present("t", "u1"):
            pass
        assert await presence.list("t") == {}
        ann.client.close()


async def test_those_whose_time_is_over_go_in_their_order() -> None:
    """One timer removes all presences, even if some were adopted before."""
    presence = Presence(grace=5)
    async with serve(endpoint_of({}, presence=presence)):
        owners = [owner() for _ in range(4)]
        for number, one in enumerate(owners):
            await presence.track(one, number, topic="t")
        for one in owners:
            one.cancel()
            await advance(1)
        await presence.track("me", 0, topic="t")
        await presence.track("me", 2, topic="t")
        here: list[Any] = []
        for _ in range(5):
            await advance(1)
            here.append("".join(sorted(await presence.list("t"))))
        assert here == ["0123", "023", "023", "02", "02"]


async def test_the_stop_of_the_endpoint_waits_for_no_grace() -> None:
    """Presences in their grace time are removed at once."""
    gone: list[str] = []

    async def left(topic: str, key: str, metas: Any) -> None:
        gone.append(key)

    presence = Presence(grace=3600, left=left)
    async with serve(example(presence)) as server:
        ann, bob = await ann_and_bob(server)
        ann.client.vanish()
        await advance(1)
        assert gone == []
        await bob.news()
    assert sorted(gone) == ["ann", "bob"]
    assert not timers(), "a timer was left"


# Entries that wait for a new owner: which owner gets which, and when they expire.

PLACE = ("t", "u1")


def meta(**said: Any) -> dict[str, Any]:
    return {**said, "phx_ref": "R", "phx_ref_prev": "Q"}


def test_one_with_an_equal_meta_is_found_whatever_its_refs_and_order() -> None:
    """Metas are equal if their JSON is equal: 1 and true differ."""
    grace = Grace()
    grace.add(PLACE, 1, meta(a=1, b=2), 5)
    grace.add(PLACE, 2, meta(a=True), 5)
    grace.add(PLACE, 3, meta(a=1), 5)
    assert grace.adopt(PLACE, {"b": 2, "a": 1}) == (1, True)
    assert grace.adopt(PLACE, {"a": 1}) == (3, True)
    assert grace.adopt(PLACE, {"a": 1}) == (2, False)
    assert grace.adopt(PLACE, {"a": 1}) is None
    assert grace.expire(1000) == []


def test_another_place_has_its_own() -> None:
    grace = Grace()
    grace.add(PLACE, 1, meta(), 5)
    assert grace.adopt(("t", "u2"), {}) is None
    assert grace.adopt(("t2", "u1"), {}) is None
    assert grace.adopt(PLACE, {}) == (1, True)


def test_they_expire_in_their_order() -> None:
    """Adopted entries are skipped. After the last entry there is no deadline."""
    grace = Grace()
    for actor in (1, 2, 3):
        grace.add(PLACE, actor, meta(n=actor), float(actor))
    assert grace.adopt(PLACE, {"n": 2}) == (2, True)
    seen = [(grace.deadline, grace.expire(now)) for now in (0.5, 1, 9, 10)]
    assert seen == [(1, []), (1, [(PLACE, 1)]), (3, [(PLACE, 3)]), (None, [])]
    assert grace.expire(1000) == []


@property_test
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "adopt", "expire"]), st.integers(0, 2), st.integers(0, 2)
        ),
        max_size=30,
    )
)
def test_each_goes_to_one_heir_or_expires(story: list[tuple[str, int, int]]) -> None:
    """No entry is lost or found twice. A new owner with an equal meta always gets an entry with this meta."""
    grace = Grace()
    waiting: dict[int, tuple[str, int, float]] = {}
    for now, (what, key, n) in enumerate(story):
        place = ("t", f"u{key}")
        here = {actor: one for actor, one in waiting.items() if one[0] == place[1]}
        if what == "add":
            grace.add(place, now, meta(n=n), now + 5.0)
            waiting[now] = (place[1], n, now + 5.0)
        elif what == "expire":
            gone = {actor for _, actor in grace.expire(now)}
            assert gone == {actor for actor, (_, _, deadline) in waiting.items() if deadline <= now}
            for actor in gone:
                del waiting[actor]
        elif not here:
            assert grace.adopt(place, {"n": n}) is None
        else:
            adopted = grace.adopt(place, {"n": n})
            assert adopted is not None
            actor, is_same = adopted
            assert here.pop(actor)[1] == n or not is_same
            assert is_same == any(one[1] == n for one in (*here.values(), waiting.pop(actor)))
    assert {actor for _, actor in grace.expire(1000)} == set(waiting)
