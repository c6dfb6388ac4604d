"""The contract of stores: logs that several nodes use at once, restarts, and announcements.

:mod:`bennu.testing.store_contract` says how to use it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any

from ..store.entry import LogEntry
from ..store.store import Appended, Page, Retention, Store
from .contract_store import KEEP, PLENTY, ContractStore, StoreHooks, draft, drafts, offsets

__all__ = ["RaceTests"]

LARGE = 4000
"""Bytes of a payload beyond which an announcement need not contain the entry."""


class RaceTests(StoreHooks):
    """Tests of logs: many nodes at once, cancelled calls, restarts, announcements."""

    # Many nodes.

    def test_appends_of_several_nodes_get_one_order(self) -> None:
        """A reader that reads again and again gets each entry once, without a hole, while others append."""

        async def test() -> None:
            async with self.stores(4) as stores:
                topic, each = self.topic(), 40

                async def write(store: Store) -> list[tuple[int, str]]:
                    found = list[tuple[int, str]]()
                    for number in range(each // 2):
                        written = drafts(1 if number % 2 else 3)
                        appended = await store.append(topic, written, KEEP)
                        found += [
                            (place[0], one.id)
                            for place, one in zip(appended.places, written, strict=True)
                        ]
                        await asyncio.sleep(0)
                    return found

                results = await self._together(
                    *[write(store) for store in stores],
                    *[self._follow(store, topic, each * 4) for store in stores[:2]],
                )
                read = [[(entry.offset, entry.id) for entry in one] for one in results[4:]]
                written = sorted(place for one in results[:4] for place in one)
                assert read[0] == read[1] == written
                for places in results[:4]:  # each node's own appends keep their order
                    assert places == sorted(places)

        self.run(test())

    async def _follow(self, store: Store, topic: str, count: int) -> list[LogEntry]:
        """Read what is new again and again, until a number of entries has come."""
        found, epochs, last = list[LogEntry](), set[str](), 0
        while len(found) < count:
            page = await self.read(store, topic, last, 7, PLENTY, KEEP)
            self.check_follows(page.entries, last)
            found += page.entries
            epochs.add(page.epoch)
            last = found[-1].offset if found else 0
            assert page.newest >= last
            await asyncio.sleep(0)
        assert len(epochs) == 1
        return found

    def test_one_new_topic_gets_one_epoch(self) -> None:
        async def test() -> None:
            async with self.stores(4) as stores:
                for _ in range(5):
                    topic = self.topic()
                    calls = list[Coroutine[Any, Any, Page | Appended]]()
                    for store in stores:
                        calls.append(self.read(store, topic, 0, 10, PLENTY, KEEP))
                        calls.append(store.append(topic, drafts(1), KEEP))
                        calls.append(self.read(store, topic, 0, 10, PLENTY, KEEP))
                    results = await self._together(*calls)
                    assert len({result.epoch for result in results}) == 1
                    assert len((await self.read_all(stores[0], topic)).entries) == 4

        self.run(test())

    def test_a_draft_that_several_nodes_append_is_appended_once(self) -> None:
        async def test() -> None:
            async with self.stores(3) as stores:
                topic = self.topic()
                for _ in range(5):
                    written = drafts(2)
                    results = await self._together(
                        *[store.append(topic, written, KEEP) for store in stores]
                    )
                    assert len({tuple(place[0] for place in one.places) for one in results}) == 1
                assert len((await self.read_all(stores[0], topic)).entries) == 10

        self.run(test())

    def test_a_read_sees_one_moment(self) -> None:
        """While entries are appended and trimmed, and the log is reset, no page mixes two moments."""

        async def test() -> None:
            async with self.stores(3) as (one, two, three):
                topic, small = self.topic(), Retention(4, None, 86_400.0)
                written, pages = defaultdict[str, dict[int, str]](dict), list[Page]()
                is_over = False

                async def write(store: Store) -> None:
                    for number in range(60):
                        new = drafts(number % 3 + 1)
                        appended = await store.append(topic, new, small)
                        for place, entry in zip(appended.places, new, strict=True):
                            written[appended.epoch][place[0]] = entry.id
                        if number % 20 == 19:
                            await store.reset(topic)
                        await asyncio.sleep(0)

                async def read(store: Store) -> None:
                    while not is_over:
                        pages.append(await self.read(store, topic, 0, 10, PLENTY, small))
                        await asyncio.sleep(0)

                readers = [asyncio.create_task(read(store)) for store in (three, three)]
                await self._together(write(one), write(two))
                is_over = True
                await self._together(*readers)
                for page in pages:
                    places, found = written[page.epoch], offsets(page.entries)
                    assert found == sorted(at for at in places if at <= page.newest)[-4:]
                    assert [entry.id for entry in page.entries] == [places[at] for at in found]
                    assert page.newest == (found[-1] if found else 0)

        self.run(test())

    async def _together(self, *calls: Any) -> list[Any]:
        """Run calls at the same time, and return their results."""
        async with asyncio.timeout(self.patience):
            return await asyncio.gather(*calls)

    # Cancelled calls.

    def test_a_cancelled_append_can_be_repeated(self) -> None:
        """The caller has a time limit, and does not know whether a cancelled append has happened."""

        async def test() -> None:
            async with self.stores(2) as (one, two):
                topic, other, ids = self.topic(), self.topic(), list[str]()
                kept = await one.append(other, drafts(1), KEEP)
                for step in range(40):
                    written = drafts(step % 3 + 1)
                    await self._cancelled(one.append(topic, written, KEEP), step)
                    again = await one.append(topic, written, KEEP)
                    assert len(again.places) == len(written)
                    ids += [draft.id for draft in written]
                    await self._cancelled(self.read(one, topic, 0, 1000, PLENTY, KEEP), step)
                    await self._cancelled(one.heads([topic]), step)
                    page = await self.read(one, other, 0, 1000, PLENTY, KEEP)
                    assert (page.epoch, len(page.entries)) == (kept.epoch, 1)
                page = await self.read_all(two, topic)
                assert [entry.id for entry in page.entries] == ids

        self.run(test())

    async def _cancelled(self, call: Coroutine[Any, Any, object], step: int) -> None:
        """Make a call, and cancel it: after some turns of the event loop, or a part of a millisecond."""
        task = asyncio.create_task(call)
        if step % 2:
            await asyncio.wait([task], timeout=step / 10_000)
        else:
            for _ in range(step // 2):
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    # Start and stop.

    def test_a_store_that_was_stopped_starts_again(self) -> None:
        """Also on another event loop. The data is still there, also for another store."""
        topic, store = self.topic(), self.store()
        found = list[Page]()

        async def live(*, is_first: bool) -> None:
            await ContractStore(store).start()
            try:
                if is_first:
                    await store.append(topic, drafts(3), KEEP)
                found.append(await self.read_all(store, topic))
            finally:
                await store.stop()
                await store.stop()

        async def twice() -> None:
            await live(is_first=True)
            await live(is_first=False)

        async def elsewhere() -> None:
            await live(is_first=False)
            async with self.stores(1) as (other,):
                found.append(await self.read_all(other, topic))

        self.run(twice())
        self.run(elsewhere())
        assert len(found) == 4
        assert all(page == found[0] for page in found)
        assert len(found[0].entries) == 3

    def test_a_store_that_was_never_started_can_be_stopped(self) -> None:
        async def test() -> None:
            await self.store().stop()

        self.run(test())

    def test_a_restart_keeps_everything_or_begins_a_new_epoch(self) -> None:
        async def test() -> None:
            await self._lose(self.restart)

        self.run(test())

    def test_lost_entries_begin_a_new_epoch(self) -> None:
        async def test() -> None:
            await self._lose(self.lose_newest)

        self.run(test())

    async def _lose(self, event: Any) -> None:
        """Check that an epoch keeps all entries that a client may have seen.

        Args:
            event: A hook, which may lose entries.
        """
        async with self.stores(2) as (one, two):
            topics = [self.topic("read first"), self.topic("appended first")]
            lost = [drafts(10), drafts(10)]
            before = [
                await one.append(topic, old, KEEP) for topic, old in zip(topics, lost, strict=True)
            ]
            shown = [await self.read_all(two, topic) for topic in topics]
            await event()

            async def read(store: Store, topic: str) -> Page:
                return await self.until_not_none(lambda: self.read_all(store, topic))

            await read(one, topics[0])
            for topic, repeated, old, seen in zip(topics, lost, before, shown, strict=True):
                new = drafts(3)
                after = await self.until_not_none(lambda: one.append(topic, new, KEEP))  # noqa: B023 - called at once
                page = await read(two, topic)
                assert page == await read(one, topic)
                assert page.epoch == after.epoch
                kept = list(seen.entries) if after.epoch == old.epoch else list[LogEntry]()
                assert page.entries[: len(kept)] == kept
                assert [entry.id for entry in page.entries[len(kept) :]] == [
                    entry.id for entry in new
                ]
                if after.epoch == old.epoch:
                    again = await one.append(topic, repeated, KEEP)
                    assert [place[0] for place in again.places] == offsets(kept)

    # Announcements.

    def test_every_append_is_announced_to_the_nodes_that_have_subscribed(self) -> None:
        async def test() -> None:
            async with self.nodes(3) as (one, two, three):
                topics, others = [self.topic("a b.*"), self.topic("ä")], self.topic()
                await two.store.subscribe(topics)
                await three.store.subscribe([topics[0], topics[0]])
                for number in range(20):
                    for topic in (*topics, others):
                        await one.store.append(topic, drafts(number % 3 + 1), KEEP)
                await one.store.append(topics[0], [draft(b"x" * min(100_000, self.largest))], KEEP)
                if not one.store.announces:
                    assert one.heard == two.heard == three.heard == []
                    return
                for node, heard in ((two, topics), (three, topics[:1])):
                    for topic in heard:
                        page = await self.read_all(one.store, topic)
                        for entry in page.entries:
                            await self.until(lambda: self._is_announced(entry, node, topic))  # noqa: B023 - called at once
                        assert {epoch for at, epoch, _ in node.heard if at == topic} == {page.epoch}
                assert {topic for topic, _, _ in two.heard} == set(topics)
                assert {topic for topic, _, _ in three.heard} == {topics[0]}
                assert one.heard == []

        self.run(test())

    def _is_announced(self, entry: LogEntry, node: ContractStore, topic: str) -> bool:
        """Return whether a node was told of an entry. For a large entry, it can be told to read the log."""
        for announced in node.announced(topic):
            if announced is None:
                if len(entry.payload) > LARGE:
                    return True
            elif announced.offset == entry.offset:
                assert announced == entry._replace(prev=announced.prev)
                assert self.has_gaps or announced.prev == entry.prev
                return True
        return False

    def test_nothing_is_announced_after_unsubscribe(self) -> None:
        async def test() -> None:
            async with self.nodes(2) as (one, two):
                topic, other = self.topic(), self.topic()
                await two.store.subscribe([topic, other])
                for _ in range(20):
                    await one.store.append(topic, drafts(1), KEEP)
                two.store.unsubscribe([topic, self.topic("unknown")])
                two.store.unsubscribe([topic])
                before = len(two.announced(topic))
                for at in (topic, other, other):
                    await one.store.append(at, drafts(1), KEEP)
                if one.store.announces:
                    await self.until(lambda: len(two.announced(other)) == 2)
                assert len(two.announced(topic)) == before
                await two.store.subscribe([topic])
                last = await one.store.append(topic, drafts(1), KEEP)
                if one.store.announces:
                    await self.until(lambda: len(two.announced(topic)) == before + 1)
                    entry = two.announced(topic)[-1]
                    assert entry is not None
                    assert entry.offset == last.places[0][0]

        self.run(test())

    def test_announcements_come_again_after_a_restart(self) -> None:
        async def test() -> None:
            async with self.nodes(2) as (one, two):
                topic = self.topic()
                await two.store.subscribe([topic])
                await self.restart()
                if not one.store.announces:
                    return

                async def append() -> bool | None:
                    await one.store.append(topic, drafts(1), KEEP)
                    return bool(two.announced(topic)) or None

                await self.until_not_none(append)

        self.run(test())
