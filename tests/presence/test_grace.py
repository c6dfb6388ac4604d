"""The grace time: a page that is loaded again is no leave and no join."""

from __future__ import annotations

from typing import Any

from bennu import Presence

from ..support.clock import advance, running_loop, settle
from ..support.memory import endpoint_of, serve
from .rooms import enter, example, plain


async def test_who_comes_back_in_time_was_never_away() -> None:
    """With the same meta it keeps its phx_ref, and nobody is told of anything."""
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
    """The leave is told when the grace is over."""
    presence = Presence(grace=5)
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        bob = await enter(server, "bob")
        await advance(1)
        await ann.news()
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
    """One diff with both halves."""
    presence = Presence(grace=5)
    async with serve(example(presence)) as server:
        watcher = await enter(server, "eve", watch=True)
        async with presence.present("room:2", "else"):
            old = await presence.track(first := _Owner(), "u1", {"v": 1}, topic="room:1")
            await watcher.news()
            first.end(presence)
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


class _Owner:
    """An owner that ends when a test says so, as a channel does."""

    def end(self, presence: Presence) -> None:
        live = presence._live
        assert live is not None
        live.roll.end(live.roll._records[self])


async def test_of_several_devices_that_with_an_equal_meta_is_taken_over() -> None:
    """Each orphan has one heir; the others go when their time is over."""
    presence = Presence(grace=5)
    async with serve(endpoint_of({}, presence=presence)):
        owners = [_Owner(), _Owner(), _Owner()]
        refs = [
            await presence.track(owner, "u1", {"device": number}, topic="t")
            for number, owner in enumerate(owners)
        ]
        for owner in owners:
            owner.end(presence)
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
    """Whoever says that they go is gone."""
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
    """Under one timer, though some were taken over meanwhile."""
    presence = Presence(grace=5)
    async with serve(endpoint_of({}, presence=presence)):
        owners = [_Owner() for _ in range(4)]
        for number, owner in enumerate(owners):
            await presence.track(owner, number, topic="t")
        for owner in owners:
            owner.end(presence)
            await advance(1)
        await presence.track("me", 0, topic="t")
        await presence.track("me", 2, topic="t")
        here: list[Any] = []
        for _ in range(5):
            await advance(1)
            here.append("".join(sorted(await presence.list("t"))))
        assert here == ["0123", "023", "023", "02", "02"]


async def test_the_stop_of_the_endpoint_waits_for_no_grace() -> None:
    """Orphans go at once."""
    gone: list[str] = []

    async def left(topic: str, key: str, metas: Any) -> None:
        gone.append(key)

    presence = Presence(grace=3600, left=left)
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        bob = await enter(server, "bob")
        await advance(1)
        ann.client.vanish()
        await advance(1)
        assert gone == []
        await bob.news()
    assert sorted(gone) == ["ann", "bob"]
    loop: Any = running_loop()
    assert not [timer for timer in loop._scheduled if not timer.cancelled()], "a timer was left"
