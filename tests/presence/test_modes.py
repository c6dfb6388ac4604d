"""The modes: all presences, a sample, or a count; chosen by mode and by size."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st
from msgspec import json

from bennu import BySize, Count, DefinitionError, Full, Presence, PresenceCount, Sample
from bennu.presence.crdt import Entry
from bennu.presence.modes import ClientState, Mode
from bennu.presence.net_effect import Net, Tally, bare
from bennu.testing.clock import advance

from ..support.js_presence import JSPresence
from ..support.memory import serve
from ..support.properties import property_test
from .rooms import enter, example, plain


def counts(events: list[tuple[str, Any]]) -> list[tuple[int, int]]:
    """Return the keys and metas of each ``presence_count``."""
    return [
        (payload["keys"], payload["metas"])
        for event, payload in events
        if event == "presence_count"
    ]


async def test_count_tells_how_many_and_nothing_more() -> None:
    """A flush with a change sends one count. A new client gets the last count. The server has all presences."""
    presence = Presence(mode=Count())
    async with serve(example(presence)) as server:
        watcher = await enter(server, "eve", watch=True)
        assert await watcher.news() == [("presence_count", {"keys": 0, "metas": 0})]
        ann = await enter(server, "ann")
        assert await ann.news() == [("presence_count", {"keys": 1, "metas": 1})] * 2
        await presence.track("me", "ann", topic="room:1")
        await presence.track("me", "bob", topic="room:1")
        await advance(1)
        assert await watcher.news() == [
            ("presence_count", {"keys": 1, "metas": 1}),
            ("presence_count", {"keys": 2, "metas": 3}),
        ]
        await presence.update("me", "bob", {"away": True}, topic="room:1")
        await advance(1)
        assert await watcher.news() == []
        assert plain(await presence.list("room:1")) == {
            "ann": [{"n": 1}, {}],
            "bob": [{"away": True}],
        }
        assert await presence.count("room:1") == PresenceCount(2, 3)
        await presence.untrack("me")
        ann.client.close()
        await advance(1)
        assert counts(await watcher.news()) == [(1, 1), (0, 0)]
        watcher.client.close()


async def test_a_sample_shows_some_keys_whole_and_counts_all() -> None:
    """A key stays in the sample until it leaves, and then another key takes its place."""
    presence = Presence(mode=Sample(2))
    async with serve(example(presence)) as server:
        watcher = await enter(server, "eve", watch=True)
        for key in ("a", "b", "c", "d"):
            await presence.track("me", key, {"by": "me"}, topic="room:1")
            await advance(1)
        events = await watcher.news()
        assert counts(events) == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]
        assert plain(watcher.list.state) == {"a": [{"by": "me"}], "b": [{"by": "me"}]}
        await presence.track("you", "a", {"by": "you"}, topic="room:1")
        await presence.track("you", "d", {"by": "you"}, topic="room:1")
        await advance(1)
        assert await watcher.sees() == {"a": [{"by": "me"}, {"by": "you"}], "b": [{"by": "me"}]}
        await presence.untrack("me", "b")
        await advance(1)
        assert set(await watcher.sees()) == {"a", "c"}
        await presence.update("me", "d", {"by": "me again"}, topic="room:1")
        await presence.untrack("me", "c")
        await advance(1)
        seen = await watcher.sees()
        assert set(seen) == {"a", "d"}
        assert {meta["by"] for meta in seen["d"]} == {"you", "me again"}
        late = await enter(server, "joe", watch=True)
        assert [event for event, _ in await late.news()] == ["presence_state", "presence_count"]
        assert late.list.state == watcher.list.state
        late.client.close()
        watcher.client.close()


async def test_the_mode_is_switched_by_size_and_back_at_80_percent() -> None:
    """At a switch all clients get the new state and the count."""
    presence = Presence(mode=BySize({0: Full(), 5: Sample(2), 10: Count()}))
    async with serve(example(presence)) as server:
        watcher = await enter(server, "eve", watch=True)

        async def grow(to: int) -> list[tuple[str, Any]]:
            now = (await presence.count("room:1")).keys
            for key in range(now, to):
                await presence.track("me", key, topic="room:1")
            for key in range(to, now):
                await presence.untrack("me", key, topic="room:1")
            await advance(1)
            return await watcher.news()

        def names(events: list[tuple[str, Any]]) -> list[str]:
            return [event for event, _ in events]

        assert names(await watcher.news()) == ["presence_state", "presence_count"]
        assert names(await grow(4)) == ["presence_diff", "presence_count"]
        assert names(await grow(5)) == ["presence_state", "presence_count"]
        assert len(watcher.list.state) == 2
        assert names(await grow(9)) == ["presence_count"]
        assert names(await grow(10)) == ["presence_state", "presence_count"]
        assert watcher.list.state == {}
        assert names(await grow(9)) == ["presence_count"]
        late = await enter(server, "joe", watch=True)
        assert await late.news() == [
            ("presence_state", {}),
            ("presence_count", {"keys": 9, "metas": 9}),
        ]
        late.client.close()
        assert names(await grow(8)) == ["presence_state", "presence_count"]
        assert len(watcher.list.state) == 2
        assert names(await grow(5)) == ["presence_count"]
        assert names(await grow(4)) == ["presence_state", "presence_count"]
        assert len(watcher.list.state) == 4
        assert names(await grow(20)) == ["presence_state", "presence_count"]
        assert names(await grow(0)) == ["presence_state", "presence_count"]
        assert watcher.list.state == {}
        watcher.client.close()


@pytest.mark.parametrize(
    ("current", "keys", "threshold"),
    [
        (0, 99, 0),
        (0, 100, 100),
        (0, 5000, 5000),
        (100, 81, 100),
        (100, 80, 0),
        (100, 5000, 5000),
        (5000, 4001, 5000),
        (5000, 4000, 100),
        (5000, 81, 100),
        (5000, 80, 0),
        (5000, 0, 0),
    ],
)
def test_the_threshold_has_a_hysteresis(current: int, keys: int, threshold: int) -> None:
    mode = BySize({5000: Count(), 0: Full(), 100: Sample(50)})
    assert mode.threshold(current, keys) == threshold


@pytest.mark.parametrize(
    "modes", [{}, {1: Full()}, {0: "full"}, {0: Full(), -1: Count()}, {0: Full(), "9": Count()}, 5]
)
def test_modes_that_make_no_sense_are_refused(modes: Any) -> None:
    with pytest.raises(DefinitionError, match="BySize"):
        BySize(modes)


@pytest.mark.parametrize("size", [0, -1, True, 1.5])
def test_a_sample_has_at_least_one_place(size: Any) -> None:
    with pytest.raises(DefinitionError, match="Count"):
        Sample(size)


# A law: whoever follows the events has what the mode says.

modes: st.SearchStrategy[Mode] = st.sampled_from(
    [Full(), Sample(1), Sample(2), Count(), BySize({0: Full(), 3: Sample(2), 5: Count()})]
)
changes = st.lists(
    st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 2)), max_size=4),
    max_size=12,
)


@property_test
@given(modes, changes)
def test_followers_and_newcomers_have_the_same_and_it_is_true(
    mode: Mode, story: list[list[tuple[bool, int, int]]]
) -> None:
    """A sample is full if there are enough keys. Each key in it has all its metas, and the count is right."""
    here: dict[tuple[str, int], dict[str, Any]] = {}
    made = 0

    def entries(topic: str, key: str | None) -> list[Entry]:
        return [
            Entry(topic, actor, name, meta)
            for (name, actor), meta in here.items()
            if key is None or key == name
        ]

    clients = ClientState("t", mode, entries)
    tally = Tally()
    follower = JSPresence()
    told: list[Any] = []
    for event, _, text in clients.greeting():
        follower.receive(event, json.decode(text))
    for window in story:
        net = Net({}, {})
        touched: set[tuple[str, int]] = set()
        for comes, number, actor in window:
            key = (f"u{number}", actor)
            if key in touched or comes == (key in here):
                continue
            touched.add(key)
            if comes:
                made += 1
                here[key] = {"phx_ref": f"R{made}", "phx_ref_prev": "R0"}
                tally.join(key[0])
                net.joins.setdefault(key[0], []).append(here[key])
            else:
                tally.leave(key[0])
                net.leaves.setdefault(key[0], []).append(here.pop(key))
        chosen = clients.choose(net, tally)
        joins, leaves = bare(chosen.joins), bare(chosen.leaves)
        for event, payload, text in clients.follow(joins, leaves, tally):
            assert json.decode(text) == payload
            follower.receive(event, json.decode(text))
            if event == "presence_count":
                told.append((payload["keys"], payload["metas"]))
        names = {name for name, _ in here}
        shown = json.decode(clients.view.state())
        assert follower.state == shown
        assert set(shown) <= names
        for name, value in shown.items():
            refs = {meta["phx_ref"] for meta in value["metas"]}
            assert refs == {meta["phx_ref"] for (one, _), meta in here.items() if one == name}
        current = clients.mode
        if isinstance(current, Full):
            assert set(shown) == names
        elif isinstance(current, Sample):
            assert len(shown) == min(current.size, len(names))
        else:
            assert not shown
        if clients.counts and here:
            assert told[-1] == (len(names), len(here))


def test_a_sample_looks_at_the_topic_once_and_not_for_each_key() -> None:
    """A thousand places become free at once. The keys that have been present longest take them."""
    here = [Entry("t", n, f"u{n}", {"phx_ref": f"R{n}"}) for n in range(2000)]
    looks: list[str | None] = []

    def entries(topic: str, key: str | None) -> list[Entry]:
        looks.append(key)
        return [entry for entry in here if key in (None, entry.key)]

    tally = Tally()
    for entry in here:
        tally.join(entry.key)
    chosen = ClientState("t", Sample(1000), entries).choose(Net({}, {}), tally)
    assert chosen.joins == {f"u{n}": [{"phx_ref": f"R{n}"}] for n in range(1000)}
    assert looks == [None]
