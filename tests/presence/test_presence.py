"""The methods of Presence, for channels and for server code. Protocol document, §6.1, §6.2 and §11 PR, TR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from msgspec import Struct

from bennu import (
    AlreadyTracked,
    DefinitionError,
    EncodeError,
    NotStarted,
    NotTracked,
    Presence,
    PresenceCount,
    WrongThread,
)
from bennu.testing.clock import advance, settle

from ..support.memory import endpoint_of, error, ok, serve
from .rooms import Present, enter, example, plain


@pytest.mark.conformance("PR003", "PR004", "PR013")
async def test_a_member_is_listed_by_topic_and_by_channel_once_it_is_tracked() -> None:
    """The list is empty at first. Then it has all members, each with a phx_ref."""
    presence = Presence()
    seen: list[Any] = []

    class Room(Present):
        async def join(self, payload: dict[str, Any]) -> None:
            await super().join(payload)
            seen.append(await self.presence.list(self))

        async def after_join(self) -> None:
            await super().after_join()
            seen.append(await self.presence.list(self))

    async with serve(example(presence, Room)) as server:
        assert await presence.list("room:1") == {}
        ann = await enter(server, "ann")
        await ann.news()
        listed = await presence.list("room:1")
        assert plain(listed) == {"ann": [{"n": 1}]}
        assert len(listed["ann"]["metas"][0]["phx_ref"]) == 16
        assert seen == [{}, listed]
        ann.client.close()


@pytest.mark.conformance("PR005", "OB023")
async def test_an_integer_key_is_written_as_text() -> None:
    """A key of 5 is listed, found and untracked as "5"."""
    presence = Presence()
    async with serve(endpoint_of({}, presence=presence)):
        ref = await presence.track("me", 5, {}, topic="t")
        assert await presence.list("t") == {"5": {"metas": [{"phx_ref": ref}]}}
        assert await presence.get_by_key("t", 5) == {"metas": [{"phx_ref": ref}]}
        await presence.untrack("me", 5)
        assert await presence.list("t") == {}


@pytest.mark.conformance("PR006", "PR007")
async def test_a_key_is_looked_up_with_all_its_metas() -> None:
    """The metas are in the order of their owners. An updated meta keeps its place. An unknown key returns None."""
    presence = Presence()
    async with serve(endpoint_of({}, presence=presence)):
        for owner in ("first", "second", "third"):
            await presence.track(owner, "u1", {"by": owner}, topic="t")
        await presence.track("first", "u2", {}, topic="t")
        await presence.update("first", "u1", {"by": "first again"}, topic="t")
        found = await presence.get_by_key("t", "u1")
        assert found is not None
        assert [meta["by"] for meta in found["metas"]] == ["first again", "second", "third"]
        assert await presence.get_by_key("t", "u3") is None
        assert await presence.get_by_key("t2", "u1") is None


@pytest.mark.conformance("PR008", "PR009", "TR020", "TR023")
async def test_who_comes_and_goes_is_told_to_the_others() -> None:
    """A join is a diff with empty leaves. The end of the channel is a diff with empty joins and the same ref."""
    presence = Presence()
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        await ann.news()
        bob = await enter(server, "bob")
        await advance(1)
        [(event, diff)] = await ann.news()
        assert event == "presence_diff"
        assert plain(diff["joins"]) == {"bob": [{"n": 1}]}
        assert diff["leaves"] == {}
        bob.client.vanish()
        await advance(1)
        assert await ann.news() == [("presence_diff", {"joins": {}, "leaves": diff["joins"]})]
        assert plain(await presence.list("room:1")) == {"ann": [{"n": 1}]}
        ann.client.close()


@pytest.mark.conformance("PR012", "PR014", "TR026")
async def test_untrack_removes_only_the_key_that_is_named() -> None:
    """The leave is sent. Untracking an unknown key, or the same key again, does nothing."""
    presence = Presence()
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        await ann.call("track", {"key": "phone"})
        await advance(1)
        await ann.news()
        assert await ann.call("untrack", {"key": "phone"}) == ok()
        await advance(1)
        assert await ann.sees() == {"ann": [{"n": 1}]}
        assert await ann.call("untrack", {"key": "phone"}) == ok()
        await advance(1)
        assert await ann.news() == []
        assert await ann.call("untrack") == ok()
        assert await presence.list("room:1") == {}
        ann.client.close()


@pytest.mark.conformance("PR015", "TR008", "TR029")
async def test_an_update_is_one_diff_with_both_halves() -> None:
    """The new meta names the ref of the old meta, and replaces it as a whole."""
    presence = Presence()
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        await advance(1)
        await ann.news()
        [old] = ann.list.refs()["ann"]
        reply = await ann.call("update", {"key": "ann", "meta": {"away": True}})
        await advance(1)
        new = reply["response"]
        meta = {"away": True, "phx_ref": new, "phx_ref_prev": old}
        assert await presence.list("room:1") == {"ann": {"metas": [meta]}}
        assert ann.list.state == {"ann": {"metas": [meta]}}
        assert ann.list.joins[-1] == ("ann", [new])
        assert ann.list.leaves[-1] == ("ann", [old])
        ann.client.close()


@pytest.mark.conformance("TR009", "TR030")
async def test_an_update_with_a_function_changes_only_what_it_changes() -> None:
    """The function gets the present meta with its refs. Both halves of the diff are complete."""
    presence = Presence()
    given: list[Any] = []

    def away(meta: dict[str, Any]) -> dict[str, Any]:
        given.append(dict(meta))
        return {**meta, "away": True}

    async with serve(example(presence)) as server:
        watcher = await enter(server, "eve", watch=True)
        old = await presence.track("me", "ann", {"n": 1}, topic="room:1")
        await advance(1)
        await watcher.news()
        new = await presence.update("me", "ann", away, topic="room:1")
        assert given == [{"n": 1, "phx_ref": old}]
        await advance(1)
        [(_, diff)] = await watcher.news()
        meta = {"n": 1, "away": True, "phx_ref": new, "phx_ref_prev": old}
        assert diff["joins"] == {"ann": {"metas": [meta]}}
        assert diff["leaves"] == {"ann": {"metas": [{"n": 1, "phx_ref": old}]}}
        watcher.client.close()


@pytest.mark.conformance("PR016", "TR031")
async def test_an_update_of_nothing_raises() -> None:
    """This also holds for another topic or owner. The error says what to write."""
    presence = Presence()
    async with serve(endpoint_of({}, presence=presence)):
        with pytest.raises(NotTracked, match="track"):
            await presence.update("me", "u1", {}, topic="t")
        await presence.track("me", "u1", {}, topic="t")
        with pytest.raises(NotTracked):
            await presence.update("me", "u1", {}, topic="t2")
        with pytest.raises(NotTracked):
            await presence.update("you", "u1", {}, topic="t")


@pytest.mark.conformance("TR032")
async def test_a_second_track_of_the_same_raises() -> None:
    """With another owner, topic or key it is a separate presence."""
    presence = Presence()
    async with serve(endpoint_of({}, presence=presence)):
        await presence.track("me", "u1", {}, topic="t")
        with pytest.raises(AlreadyTracked, match="update"):
            await presence.track("me", "u1", {}, topic="t")
        await presence.track("me", "u2", {}, topic="t")
        await presence.track("me", "u1", {}, topic="t2")
        await presence.track("you", "u1", {}, topic="t")
        assert await presence.count("t") == PresenceCount(keys=2, metas=3)
        assert await presence.count("t3") == PresenceCount(keys=0, metas=0)


@pytest.mark.parametrize("shards", [1, 2, 8, 512])
@pytest.mark.conformance("TR004", "TR005", "TR006", "TR007", "TR021")
async def test_shards_make_no_difference(shards: int) -> None:
    """A hundred topics each list their presences. The presences are removed one by one, or all at once."""
    presence = Presence(shards=shards)
    topics = [f"topic:{number}" for number in range(100)]
    async with serve(endpoint_of({}, presence=presence)):
        for topic in topics:
            ref = await presence.track("me", topic, {}, topic=topic)
            await presence.track("you", "you", {}, topic=topic)
            found = await presence.get_by_key(topic, topic)
            assert found == {"metas": [{"phx_ref": ref}]}
        for topic in topics:
            assert set(await presence.list(topic)) == {topic, "you"}
        for topic in topics[:50]:
            await presence.untrack("me", topic=topic)
            assert set(await presence.list(topic)) == {"you"}
        assert set(await presence.list(topics[50])) == {topics[50], "you"}
        await presence.untrack("me")
        await presence.untrack("you")
        for topic in topics:
            assert await presence.list(topic) == {}


async def test_several_keys_are_updated_in_one_diff() -> None:
    """This holds with a window of 0 too. If a key is not tracked, no meta is changed."""
    presence = Presence(window=0)
    async with serve(example(presence)) as server:
        watcher = await enter(server, "eve", watch=True)
        for key in ("u1", "u2"):
            await presence.track("me", key, {}, topic="room:1")
        await watcher.news()
        refs = await presence.update_many(
            "me", {"u1": {"a": 1}, "u2": lambda meta: {**meta, "b": 2}}, topic="room:1"
        )
        [(_, diff)] = await watcher.news()
        assert plain(diff["joins"]) == {"u1": [{"a": 1}], "u2": [{"b": 2}]}
        assert watcher.list.refs() == {"u1": [refs["u1"]], "u2": [refs["u2"]]}
        with pytest.raises(NotTracked, match="u3"):
            await presence.update_many("me", {"u1": {}, "u3": {}}, topic="room:1")
        assert await watcher.news() == []
        await presence.untrack("me")
        [(_, diff)] = await watcher.news()
        assert set(diff["leaves"]) == {"u1", "u2"}
        watcher.client.close()


class Status(Struct):
    online: bool


@dataclass
class Device:
    name: str


async def test_a_meta_is_any_json_object() -> None:
    """A Struct or a dataclass becomes an object. The user's refs are ignored. None is empty."""
    presence = Presence()
    async with serve(endpoint_of({}, presence=presence)):
        await presence.track("me", "struct", Status(online=True), topic="t")
        await presence.track("me", "dataclass", Device("phone"), topic="t")
        ref = await presence.track(
            "me", "refs", {"phx_ref": "x", "phx_ref_prev": "y", "a": 1}, topic="t"
        )
        await presence.track("me", "none", topic="t")
        listed = await presence.list("t")
        assert plain(listed) == {
            "struct": [{"online": True}],
            "dataclass": [{"name": "phone"}],
            "refs": [{"a": 1}],
            "none": [{}],
        }
        assert listed["refs"]["metas"] == [{"a": 1, "phx_ref": ref}]


@pytest.mark.parametrize("meta", [[1], "text", {"a": object()}, {"a": "\ud800"}, {"a": 2**70}])
async def test_a_meta_that_is_no_json_object_is_refused(meta: Any) -> None:
    """``track`` raises, and nothing is tracked."""
    presence = Presence()
    async with serve(endpoint_of({}, presence=presence)):
        with pytest.raises(EncodeError, match="meta"):
            await presence.track("me", "u1", meta, topic="t")
        await presence.track("me", "u1", {}, topic="t")
        with pytest.raises(EncodeError, match="meta"):
            await presence.update("me", "u1", lambda _: meta, topic="t")
        assert plain(await presence.list("t")) == {"u1": [{}]}


async def test_a_refused_key_is_answered_with_its_reason() -> None:
    """The client of a channel that tracks a chosen key gets the reason. The channel goes on."""
    presence = Presence()
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        assert await ann.call("track", {"key": "__proto__"}) == error("presence_key")
        assert await ann.call("track", {"key": True}) == error("presence_key")
        assert (await ann.call("track", {"key": "_proto_"}))["status"] == "ok"
        ann.client.close()


async def test_presence_without_an_endpoint_says_what_to_write() -> None:
    """This holds before the start and after the stop. ``untrack`` after the stop does nothing."""
    presence = Presence("rooms")
    with pytest.raises(NotStarted, match=r"rooms.*Endpoint\(presence=presence\)"):
        await presence.list("t")
    with pytest.raises(NotStarted):
        await presence.untrack("me")
    async with serve(endpoint_of({}, presence=presence)):
        await presence.track("me", "u1", {}, topic="t")
    with pytest.raises(NotStarted):
        await presence.track("me", "u1", {}, topic="t")
    await presence.untrack("me")


async def test_a_list_is_its_callers_to_change() -> None:
    """A list and the argument of an update's function are copies. Only the returned meta is used."""
    presence = Presence()
    async with serve(example(presence)) as server:
        ann = await enter(server, "ann")
        await ann.call("update", {"key": "ann", "meta": {"at": {"x": 1}}})
        one = await presence.get_by_key("room:1", "ann")
        assert one is not None
        for value in (one, *(await presence.list("room:1")).values()):
            value["metas"][0].pop("phx_ref")
            value["metas"][0]["at"].clear()
        await presence.track("me", "joe", {"at": {"x": 1}}, topic="room:1")

        def spoil(meta: dict[str, Any]) -> Any:
            meta["at"].clear()
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await presence.update("me", "joe", spoil, topic="room:1")
        assert plain(await presence.list("room:1")) == {
            "ann": [{"at": {"x": 1}}],
            "joe": [{"at": {"x": 1}}],
        }
        ann.client.close()


async def test_an_endpoint_has_several_presences_of_different_names() -> None:
    """Each has its own list. Two presences with one name are an error, and other objects are too."""
    rooms, jobs = Presence("rooms"), Presence("jobs")
    async with serve(endpoint_of({}, presence=[rooms, jobs])):
        await rooms.track("me", "u1", {}, topic="t")
        assert await jobs.list("t") == {}
    with pytest.raises(DefinitionError, match="names of their own"):
        endpoint_of({}, presence=[Presence(), Presence()])
    with pytest.raises(DefinitionError, match="presence=Presence"):
        endpoint_of({}, presence=[object()])  # type: ignore[list-item]
    with pytest.raises(DefinitionError, match="presence=Presence"):
        endpoint_of({}, presence=Presence)  # type: ignore[arg-type]


async def test_a_presence_belongs_to_one_endpoint_at_a_time() -> None:
    """The start of a second endpoint fails, and the first endpoint goes on.

    After its stop, the second can start.
    """
    presence = Presence()
    second = endpoint_of({}, presence=presence)
    async with serve(endpoint_of({}, presence=presence)):
        with pytest.raises(DefinitionError, match="a Presence for each endpoint"):
            await second.start()
        await presence.track("me", "u1", {}, topic="t")
    async with serve(second):
        assert await presence.list("t") == {}


async def test_an_endpoint_that_could_not_start_lets_go_of_its_presence() -> None:
    """The endpoint can be started again."""
    presence = Presence()

    def broken() -> Any:
        return None

    for _ in range(2):
        with pytest.raises(DefinitionError, match="async context manager"):
            await endpoint_of({}, presence=presence, lifespan=broken).start()
    with pytest.raises(NotStarted):
        await presence.list("t")


@pytest.mark.parametrize(
    "options",
    [
        {"window": -1},
        {"window": True},
        {"grace": "5"},
        {"shards": 0},
        {"shards": 1.5},
        {"mode": "full"},
        {"joined": "text"},
        {"name": ""},
        {"name": 5},
        {"periods": 1.5},
    ],
)
def test_a_wrong_option_is_found_at_once(options: dict[str, Any]) -> None:
    [name] = options
    with pytest.raises(DefinitionError, match=rf"Presence\({name}=\.\.\.\)"):
        Presence(**options)


async def test_a_topic_is_asked_for_where_there_is_none() -> None:
    """Only an owner that is a channel has a topic."""
    presence = Presence()
    async with serve(endpoint_of({}, presence=presence)):
        with pytest.raises(TypeError, match='topic="room:1"'):
            await presence.track("me", "u1")
        with pytest.raises(TypeError, match="text"):
            await presence.track("me", "u1", topic=5)  # type: ignore[arg-type]
        with pytest.raises(EncodeError, match="topic"):
            await presence.track("me", "u1", topic="\ud800")
        await presence.track("me", "ü", topic="ä")
        assert set(await presence.list("ä")) == {"ü"}
        with pytest.raises(TypeError, match="channel or a topic"):
            await presence.list(5)  # type: ignore[arg-type]


async def test_an_owner_is_something_that_can_be_kept() -> None:
    """The error says what to write."""
    presence = Presence()
    async with serve(endpoint_of({}, presence=presence)):
        with pytest.raises(TypeError, match=r"got a dict: write `self` in a channel"):
            await presence.track({"id": 5}, "u1", topic="t")  # type: ignore[arg-type]


async def test_the_function_of_an_update_is_a_plain_one() -> None:
    """An async function is refused, and no meta is changed."""
    presence = Presence()

    async def later(meta: dict[str, Any]) -> dict[str, Any]:
        return {}

    async with serve(endpoint_of({}, presence=presence)):
        ref = await presence.track("me", "u1", topic="t")
        with pytest.raises(TypeError, match="write `def`, not `async def`"):
            await presence.update("me", "u1", later, topic="t")
        assert await presence.list("t") == {"u1": {"metas": [{"phx_ref": ref}]}}


async def test_threads_have_blocking_twins() -> None:
    """A plain def handler uses presence.sync. On the event loop presence.sync raises."""
    presence = Presence(window=0)  # the clock stands still while a thread waits
    seen: list[Any] = []

    class Room(Present):
        def after_join(self) -> None:  # type: ignore[override]
            sync = self.presence.sync
            sync.track(self, "ann", {"n": 1})
            sync.update(self, "ann", {"n": 2})
            sync.update_many(self, {"ann": {"n": 3}})
            seen.append(plain(sync.list(self)))
            found = sync.get_by_key(self, "ann")
            seen.append(found and found["metas"][0]["n"])
            seen.append(sync.count(self))
            sync.push_state(self)
            sync.untrack(self)

    async with serve(example(presence, Room)) as server:
        ann = await enter(server, "ann")
        await advance(1)
        states = [state for event, state in await ann.news() if event == "presence_state"]
        assert [plain(state) for state in states] == [{"ann": [{"n": 3}]}]
        assert seen == [{"ann": [{"n": 3}]}, 3, PresenceCount(1, 1)]
        assert await presence.list("room:1") == {}
        with pytest.raises(WrongThread, match="await"):
            presence.sync.list("t")
        ann.client.close()
        await settle()
