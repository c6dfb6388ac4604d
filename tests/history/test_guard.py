"""Stores that fail, hang, raise odd exceptions and come back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pytest

from bennu import Channel, EncodeError, History, StoreUnavailable
from bennu.store import Announce, Appended, Draft, Head, Page, Retention
from bennu.testing.clock import advance, running_loop, settle
from bennu.testing.shared_store import SharedStore

from ..support.frames import broadcast, ok
from ..support.memory import Server, endpoint_of, serve


class Room(Channel[Any]):
    """A room with history."""

    history = History(size=100)


async def ask(server: Server, topic: str = "room:1") -> Any:
    """Join with a new client that asks for recovery, and return the payload of the reply."""
    client = await server.connect()
    return await client.join(topic, {"recovery": {}}, within=30)


ODD: list[Callable[[], BaseException]] = [
    lambda: KeyError("odd"),
    lambda: TimeoutError("odd"),
    lambda: SystemExit(3),
    lambda: KeyboardInterrupt("odd"),
    lambda: GeneratorExit("odd"),
    lambda: asyncio.CancelledError("odd"),
    lambda: StopAsyncIteration("odd"),
]


class OddStore(SharedStore):
    """A store whose methods raise what a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.odd: Callable[[], BaseException] | None = None

    async def read(self, *args: Any) -> Page:
        """Read, or raise."""
        self._misbehave()
        return await super().read(*args)

    async def append(self, *args: Any) -> Appended:
        """Append, or raise."""
        self._misbehave()
        return await super().append(*args)

    async def heads(self, topics: Collection[str]) -> Mapping[str, Head]:
        """Return where logs stand, or raise."""
        self._misbehave()
        return await super().heads(topics)

    def _misbehave(self) -> None:
        if self.odd is not None:
            raise self.odd()


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd()).__name__)
async def test_whatever_a_store_raises_it_is_down_until_it_is_back(
    odd: Callable[[], BaseException],
) -> None:
    store = OddStore()
    async with serve(endpoint_of({"room:*": Room}, store=store)) as server:
        store.odd = odd
        reply = await ask(server)
        assert reply["response"]["reason"] == "history_unavailable"
        with pytest.raises(StoreUnavailable):
            await server.endpoint.broadcast("room:1", "said", {"n": 1})
        await advance(20)
        lines = [record.getMessage() for record in server.records]
        assert sum("is down" in line for line in lines) == 1
        assert len(lines) <= 2, lines
        store.odd = None
        await advance(6)
        assert "is back" in server.records[-1].getMessage()
        server.records.clear()
        assert (await ask(server))["status"] == "ok"
        await server.endpoint.broadcast("room:1", "said", {"n": 1})


class WrongStore(SharedStore):
    """A store whose answers have a wrong shape."""

    is_wrong = False

    async def read(self, *args: Any) -> Any:
        """Return no page."""
        page = await super().read(*args)
        return None if self.is_wrong else page

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Any:
        """Return too few places."""
        appended = await super().append(topic, drafts, retention)
        return Appended(appended.epoch, ()) if self.is_wrong else appended

    async def heads(self, topics: Collection[str]) -> Any:
        """Return no mapping."""
        heads = await super().heads(topics)
        return None if self.is_wrong else heads


async def test_answers_of_a_wrong_shape_cost_no_more_than_their_calls() -> None:
    store = WrongStore()
    async with serve(endpoint_of({"room:*": Room}, store=store)) as server:
        plain = await server.connect()
        assert await plain.join("room:1", within=5) == ok()
        store.is_wrong = True
        assert (await ask(server))["response"]["reason"] == "history_unavailable"
        with pytest.raises(StoreUnavailable, match="ValueError"):
            await server.endpoint.broadcast("room:1", "said", {"n": 1})
        await advance(30)
        store.is_wrong = False
        await advance(15)
        lines = " ".join(record.getMessage() for record in server.records)
        for text in ("can't be read", "The store shared:// failed", "The check of 1 topics failed"):
            assert text in lines, lines
        server.records.clear()
        assert (await ask(server))["status"] == "ok"
        [frame] = plain.read()  # it was appended once, and found by a read
        assert frame == broadcast("room:1", "said", {"n": 1})


async def test_a_store_that_fails_again_and_again_is_probed_less_often() -> None:
    store = SharedStore()
    async with serve(endpoint_of({"room:*": Room}, store=store)) as server:
        assert (await ask(server))["status"] == "ok"
        client = await server.connect()
        assert await client.join("room:1", within=5) == ok()
        store.fails.add("read")
        before = store.calls["read"]
        await ask(server)
        await advance(60)
        assert store.calls["read"] - before < 20
        store.fails.clear()
        await advance(6)
        server.records.clear()
        assert (await ask(server))["status"] == "ok"


class Stubborn(SharedStore):
    """A store that does not stop as it should."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    async def stop(self) -> None:
        """Raise, or hang."""
        if self.how == "raises":
            raise SystemExit(3)
        await asyncio.Event().wait()


@pytest.mark.parametrize("how", ["raises", "hangs"])
async def test_an_endpoint_stops_though_its_store_does_not(how: str) -> None:
    async with serve(endpoint_of({"room:*": Room}, store=Stubborn(how))) as server:
        assert (await ask(server))["status"] == "ok"
        started = running_loop().time()
        await server.endpoint.stop()
        assert running_loop().time() - started <= 10
        server.logged("could not be stopped within 5 s")


async def test_an_endpoint_stops_while_its_store_hangs() -> None:
    store = SharedStore()
    async with serve(endpoint_of({"room:*": Room}, store=store)) as server:
        client = await server.connect()
        store.hangs |= {"read", "append", "heads"}
        client.start_join("room:1", {"recovery": {}})
        telling = asyncio.ensure_future(server.endpoint.broadcast("room:1", "said", {}))
        await settle()
        started = running_loop().time()
        await server.endpoint.stop()
        assert running_loop().time() - started <= 12
        with pytest.raises(StoreUnavailable):
            await telling
        server.records.clear()


async def test_a_restarted_endpoint_does_not_believe_that_its_store_is_down() -> None:
    store = SharedStore()
    endpoint = endpoint_of({"room:*": Room}, store=store)
    async with serve(endpoint) as server:
        store.fails |= {"read", "heads"}
        assert (await ask(server))["status"] == "error"
        server.logged("is down")
        await endpoint.stop()
        store.fails.clear()
        await endpoint.start()
        assert (await ask(server))["status"] == "ok"


class Brittle(SharedStore):
    """A store that can't start, or is too small for a message."""

    fails_to_start = False

    async def start(self, announce: Announce) -> None:
        """Start, or fail."""
        if self.fails_to_start:
            raise RuntimeError("no start")
        await super().start(announce)

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        """Refuse large drafts."""
        if any(len(draft.payload) > 100 for draft in drafts):
            raise EncodeError("too large for the store")
        return await super().append(topic, drafts, retention)


async def test_a_store_that_does_not_start_fails_the_start_and_a_later_start_succeeds() -> None:
    store = Brittle()
    endpoint = endpoint_of({"room:*": Room}, store=store)
    async with serve(endpoint, start=False) as server:
        store.fails_to_start = True
        with pytest.raises(RuntimeError, match="no start"):
            await endpoint.start()
        store.fails_to_start = False
        await endpoint.start()
        assert (await ask(server))["status"] == "ok"


async def test_a_draft_that_is_too_large_for_the_store_is_refused_and_the_store_is_up() -> None:
    async with serve(endpoint_of({"room:*": Room}, store=Brittle())) as server:
        with pytest.raises(EncodeError, match="too large for the store"):
            await server.endpoint.broadcast("room:1", "said", {"x": "x" * 200})
        await server.endpoint.broadcast("room:1", "said", {"x": "x"})
        assert (await ask(server))["status"] == "ok"
