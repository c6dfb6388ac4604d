"""The diffs that clients get: when, and in which order. Protocol document, §6.3-6.5."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest

from bennu import NotJoined, Presence, on, on_out
from bennu.telemetry import PresenceChanged
from bennu.testing.clock import advance, settle

from ..support.frames import PHX_CLOSE, PHX_REPLY, ok
from ..support.inside import owners_of
from ..support.memory import Over, Version, endpoint_of, serve
from .rooms import Present, enter, example, plain


@pytest.mark.parametrize(
    ("version", "over"),
    [
        ("2.0.0", "native"),
        ("2.0.0", "asgi"),
        ("2.0.0", "longpoll"),
        ("1.0.0", "native"),
        ("1.0.0", "longpoll"),
    ],
)
async def test_who_joins_alone_is_seen_at_once(version: Version, over: Over) -> None:
    """No time passes. The diff comes first, then the state that includes it."""
    presence = Presence()
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann", version=version, over=over)
        [(first, diff), (second, state)] = await ann.news()
        assert (first, second) == ("presence_diff", "presence_state")
        assert diff == {"joins": state, "leaves": {}}
        assert plain(state) == {"ann": [{"n": 1}]}
        ann.client.close()


async def test_those_who_join_within_the_window_are_told_in_one_diff() -> None:
    """The first join is sent at once, the other joins when the window since then is over."""
    presence = Presence(window=0.05)
    async with serve(example(presence)) as server:
        watcher = await enter(server, "eve", watch=True)
        await watcher.news()
        await presence.track("me", "first", topic="room:1")
        assert len(await watcher.news()) == 1
        for key in ("second", "third"):
            await presence.track("me", key, topic="room:1")
            await advance(0.02)
        assert await watcher.news() == []
        await advance(0.011)
        [(_, diff)] = await watcher.news()
        assert list(diff["joins"]) == ["second", "third"]
        await advance(0.051)
        await presence.track("me", "fourth", topic="room:1")
        assert len(await watcher.news()) == 1
        watcher.client.close()


async def test_changes_of_one_turn_are_one_diff() -> None:
    """The first change too waits for the end of its turn of the event loop."""
    presence = Presence()
    async with serve(example(presence)) as server:
        watcher = await enter(server, "eve", watch=True)
        await watcher.news()
        for key in ("u1", "u2", "u3"):
            await presence.track("me", key, topic="room:1")
        [(_, diff)] = await watcher.news()
        assert list(diff["joins"]) == ["u1", "u2", "u3"]
        watcher.client.close()


async def test_what_cancels_out_within_the_window_is_not_told() -> None:
    """A join and its leave are not sent. Updates are sent as one update from the first meta to the last."""
    presence = Presence()
    async with serve(example(presence)) as server:
        watcher = await enter(server, "eve", watch=True)
        first = await presence.track("me", "stays", {"v": 1}, topic="room:1")
        await watcher.news()
        await presence.track("me", "brief", topic="room:1")
        await presence.untrack("me", "brief")
        await advance(1)
        assert await watcher.news() == []
        await presence.update("me", "stays", {"v": 0}, topic="room:1")
        await presence.update("me", "stays", {"v": 2}, topic="room:1")
        last = await presence.update("me", "stays", {"v": 3}, topic="room:1")
        await advance(1)
        [(_, diff)] = await watcher.news()
        meta = {"v": 3, "phx_ref": last, "phx_ref_prev": first}
        assert diff["joins"] == {"stays": {"metas": [meta]}}
        assert diff["leaves"] == {"stays": {"metas": [{"v": 1, "phx_ref": first}]}}
        watcher.client.close()


async def test_a_window_of_zero_tells_each_change_by_itself() -> None:
    """Each change is sent before the call returns, as in Phoenix, even if the changes cancel out."""
    presence = Presence(window=0)
    async with serve(example(presence)) as server:
        watcher = await enter(server, "eve", watch=True)
        await watcher.news()
        await presence.track("me", "u1", topic="room:1")
        await presence.update("me", "u1", {"v": 2}, topic="room:1")
        await presence.untrack("me", "u1")
        events = await watcher.news()
        assert [(len(diff["joins"]), len(diff["leaves"])) for _, diff in events] == [
            (1, 0),
            (1, 1),
            (0, 1),
        ]
        watcher.client.close()


async def test_the_window_grows_with_the_subscribers() -> None:
    """The window has 50 microseconds for each subscriber: half a second for 10,000."""
    presence = Presence(window=0.05)
    endpoint = example(presence)
    async with serve(endpoint) as server:
        crowd = [endpoint.pubsub.subscribe("room:1", lambda _: None) for _ in range(10_000)]
        watcher = await enter(server, "eve", watch=True)
        await presence.track("me", "u1", topic="room:1")
        await watcher.news()
        await presence.track("me", "u2", topic="room:1")
        await advance(0.49)
        assert await watcher.news() == []
        await advance(0.02)
        assert len(await watcher.news()) == 1
        await presence.untrack("me")
        await advance(1)
        for one in crowd:
            one.cancel()
        watcher.client.close()


async def test_a_newcomer_gets_the_state_as_of_a_diff() -> None:
    """In the middle of a window the state waits for the flush.

    It is never ahead of the other clients, nor behind.
    """
    presence = Presence(window=0.05)
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        await ann.news()
        await presence.track("me", "u1", topic="room:1")
        await advance(0.02)
        bob = await enter(server, "bob")
        assert await bob.news() == []
        await presence.track("me", "u2", topic="room:1")
        eve = await enter(server, "eve", watch=True)
        assert await eve.news() == []
        await advance(0.031)
        for member in (ann, bob, eve):
            await member.news()
            assert set(member.list.state) == {"ann", "bob", "u1", "u2"}
            assert member.list.state == ann.list.state
        for member in (ann, bob, eve):
            member.client.close()


async def test_the_state_comes_at_once_if_nothing_is_pending() -> None:
    """The state is the same for all clients until a change."""
    presence = Presence()
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        await ann.news()
        for name in ("eve", "joe"):
            watcher = await enter(server, name, watch=True)
            assert await watcher.news() == [("presence_state", ann.list.state)]
            watcher.client.close()
        ann.client.close()


async def test_the_state_of_an_empty_topic_is_empty() -> None:
    """No user is present, and nothing is kept for the topic."""
    presence = Presence()
    async with serve(example(presence)) as server:
        watcher = await enter(server, "eve", watch=True)
        assert await watcher.news() == [("presence_state", {})]
        assert len(owners_of(presence).diffs) == 0
        watcher.client.close()


async def test_who_watches_is_not_seen() -> None:
    """A channel that tracks nothing gets the state and all diffs, and is in none of them."""
    presence = Presence()
    async with serve(example(presence)) as server:
        watcher = await enter(server, "eve", watch=True)
        ann = await enter(server, "ann")
        await ann.news()
        assert await watcher.sees() == {"ann": [{"n": 1}]}
        assert await ann.sees() == {"ann": [{"n": 1}]}
        watcher.client.close()
        await settle()
        assert await ann.news() == []
        ann.client.close()


async def test_diffs_go_with_the_last_presence() -> None:
    """The topic is forgotten, after any sequence of changes."""
    presence = Presence()
    async with serve(example(presence)) as server:
        for number in range(5):
            member = await enter(server, "ann", f"room:{number}")
            await member.news()
            member.client.close()
        await advance(1)
        assert len(owners_of(presence).diffs) == 0
        assert len(owners_of(presence)) == 0


async def test_the_state_is_not_pushed_before_the_join() -> None:
    presence = Presence()

    class Early(Present):
        async def join(self, payload: dict[str, Any]) -> None:
            with pytest.raises(NotJoined, match="after_join"):
                await self.presence.push_state(self)
            await super().join(payload)

    async with serve(example(presence, Early)) as server:
        ann = await enter(server, "ann")
        assert len(await ann.news()) == 2
        ann.client.close()


async def test_a_channel_that_ends_while_it_waits_for_the_state_just_ends() -> None:
    """A channel that was left or lost gets no push after its end. The other channels get the state."""
    presence = Presence(window=1)
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        await ann.news()
        bob = await enter(server, "bob")
        joe = await enter(server, "joe")
        await settle()
        bob.client.leave("room:1")
        joe.client.vanish()
        await advance(1.1)
        frames = [frame.event for frame in bob.client.read()]
        assert frames[-2:] == [PHX_REPLY, PHX_CLOSE]
        await advance(2)
        assert await ann.sees() == {"ann": [{"n": 1}]}
        ann.client.close()
        bob.client.close()


async def test_a_waiting_that_is_cancelled_hinders_nobody() -> None:
    """The task that waited is cancelled, and its channel gets no push."""
    presence = Presence(window=1)
    rooms: list[Present] = []

    class Room(Present):
        async def join(self, payload: dict[str, Any]) -> None:
            await super().join(payload)
            rooms.append(self)

    async with serve(example(presence, Room)) as server:
        ann = await enter(server, "ann")
        await ann.news()
        await presence.track("me", "u1", topic="room:1")
        waiting = asyncio.create_task(presence.push_state(rooms[0]))
        await settle()
        waiting.cancel()
        await advance(2)
        assert waiting.cancelled()
        assert [event for event, _ in await ann.news()] == ["presence_diff"]
        ann.client.close()


async def test_a_state_asked_for_by_one_whose_channel_has_ended_is_not_pushed() -> None:
    """The flush comes after the end of the channel. All tasks that waited go on."""
    presence = Presence(window=1)
    rooms: list[Present] = []

    class Room(Present):
        async def join(self, payload: dict[str, Any]) -> None:
            await super().join(payload)
            rooms.append(self)

    async with serve(example(presence, Room)) as server:
        ann = await enter(server, "ann", watch=True)
        await presence.track("me", "u1", topic="room:1")
        await ann.news()
        await presence.track("me", "u2", topic="room:1")
        waiting = asyncio.create_task(presence.push_state(rooms[0]))
        await settle()
        ann.client.leave("room:1")
        await settle()
        assert not waiting.done()
        await advance(2)
        assert waiting.done()
        await waiting
        assert [frame.event for frame in ann.client.read()] == [PHX_REPLY, PHX_CLOSE]
        with pytest.raises(NotJoined):
            await presence.push_state(rooms[0])
        ann.client.close()


@pytest.mark.conformance("PR011")
async def test_a_channel_may_look_at_a_diff_before_its_client_does() -> None:
    """Diffs are broadcasts: ``@on_out`` intercepts them, and listeners of the topic get them."""
    presence = Presence()
    heard: list[Any] = []

    class Room(Present):
        @on_out("presence_diff")
        async def diff(self, payload: dict[str, Any]) -> None:
            await self.push("seen", {"joins": sorted(payload["joins"])})

    endpoint = example(presence, Room)
    async with serve(endpoint) as server:
        listening = endpoint.pubsub.subscribe("room:1", heard.append)
        ann = await enter(server, "ann")
        await settle()
        frames = [(frame.event, frame.payload) for frame in ann.client.read()]
        assert ("seen", {"joins": ["ann"]}) in frames
        assert all(event != "presence_diff" for event, _ in frames)
        assert [message.event for message in heard] == ["presence_diff"]
        ann.client.close()
        await advance(1)
        assert [message.event for message in heard] == ["presence_diff"] * 2
        listening.cancel()


async def test_a_channel_may_change_the_diff_that_it_passes_on() -> None:
    """A channel can hide presences from its client.

    The presences and the states of other clients do not change.
    """

    class Hiding(Present):
        @on_out("presence_diff")
        async def diff(self, payload: dict[str, Any]) -> None:
            for value in payload["joins"].values():
                for meta in value["metas"]:
                    meta.pop("secret", None)
            await self.push("presence_diff", payload)

    presence = Presence()
    async with serve(example(presence, Hiding)) as server:
        eve = await enter(server, "eve", watch=True)
        await presence.track("me", "ann", {"secret": 1}, topic="room:1")
        await advance(1)
        assert await eve.sees() == {"ann": [{}]}
        assert plain(await presence.list("room:1")) == {"ann": [{"secret": 1}]}
        late = await enter(server, "joe", watch=True)
        assert await late.sees() == {"ann": [{"secret": 1}]}
        for member in (eve, late):
            member.client.close()


async def test_what_presence_sends_is_not_looked_for_in_emits() -> None:
    """In development ``emits`` checks the events of a channel. Events of a presence are not checked."""
    presence = Presence()

    class Strict(Present):
        emits: ClassVar[dict[str, Any]] = {"other": dict}

    async with serve(example(presence, Strict, debug=True)) as server:
        ann = await enter(server, "ann")
        assert len(await ann.news()) == 2
        ann.client.close()


async def test_telemetry_counts_what_came_and_went() -> None:
    """Each flush with a change emits one event."""
    presence = Presence("rooms")
    endpoint = endpoint_of({}, presence=presence)
    seen: list[Any] = []
    async with serve(endpoint):
        stop = endpoint.telemetry.attach(
            lambda event: seen.append(event) if isinstance(event, PresenceChanged) else None
        )
        await presence.track("me", "u1", topic="t")
        await presence.track("you", "u1", topic="t")
        await settle()
        await presence.untrack("me")
        await advance(1)
        await presence.track("me", "u1", topic="t")
        await presence.untrack("me")
        await advance(1)
        stop()
    assert seen == [
        PresenceChanged("rooms", "t", joins=2, leaves=0, keys=1, metas=2),
        PresenceChanged("rooms", "t", joins=0, leaves=1, keys=1, metas=1),
    ]


async def test_the_state_can_be_asked_for_again() -> None:
    """A channel can push the state at any time, and more than once."""
    presence = Presence()

    class Room(Present):
        @on("twice")
        async def twice(self) -> dict[str, Any]:
            await self.presence.push_state(self)
            await self.presence.push_state(self)
            return {}

    async with serve(example(presence, Room)) as server:
        ann = await enter(server, "ann")
        await ann.news()
        joins = list(ann.list.joins)
        assert await ann.call("twice") == ok()
        assert ann.list.joins == joins
        ann.client.close()
