"""The contract of stores: logs, in their normal life. :mod:`bennu.testing.store_contract` says how to use it."""

from __future__ import annotations

import string

import pytest

from ..errors import EncodeError
from ..store.entry import Draft, LogEntry
from ..store.store import Head, Page, Retention
from .contract_store import KEEP, PLENTY, StoreHooks, draft, drafts, offsets

__all__ = ["LogTests"]

EPOCH_CHARACTERS = set(string.ascii_letters + string.digits + "_-")
"""The characters of an epoch. It stands in frames, behind a colon."""

ODD_TOPICS = [
    "",
    " ",
    "a b",
    "a  b",
    "*",
    ">",
    "a.b.*",
    ".",
    "a.",
    "{a}",
    "a/b\\c'd\"e",
    "%s[]%00",
    "ä:日本:🐦",
    "a\u0308",
    "\r\n\t",
    "A B",
]
"""Topics that a store could take for a pattern, for a path, for code or for each other."""


class LogTests(StoreHooks):
    """Tests of logs: order, dedupe, pages, trimming, epochs."""

    # What an append returns, and a read finds.

    def test_what_was_appended_is_read(self) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                topic, written = self.topic(), drafts(5)
                first = await one.append(topic, written[:1], KEEP)
                second = await one.append(topic, written[1:], KEEP)
                assert first.epoch == second.epoch
                places = [*first.places, *second.places]
                for store in (one, two):
                    page = await self.read(store, topic, 0, 1000, PLENTY, KEEP)
                    assert page.epoch == first.epoch
                    assert not page.is_cut
                    assert page.newest == places[-1][0]
                    assert offsets(page.entries) == [offset for offset, _ in places]
                    assert [_draft_of(entry) for entry in page.entries] == written
                    self.check_follows(page.entries, 0)
                last = 0
                for offset, prev in places:
                    assert self.is_prev(prev, last)
                    last = offset

        self.run(test())

    def test_all_fields_of_an_entry_are_kept(self) -> None:
        async def test() -> None:
            async with self.stores(1) as (store,):
                topic = self.topic()
                written = [
                    Draft(
                        "!~" * 32,
                        "ä:日本:🐦 '\"\\%s",
                        b'{"a":"\\u0000 \xf0\x9f\x90\xa6"}',
                        2**64 - 1,
                        0,
                    ),
                    draft(b"{}", event=""),
                    draft(b'{"a":\r\n1}', event="e" * 65_535, sender=1),
                    draft(b'{"a":"%s"}' % (b"x" * (self.largest - 8)), sender=2**63),
                ]
                for one in written:
                    await store.append(topic, [one], KEEP)
                page = await self.read(store, topic, 0, 10, PLENTY, KEEP)
                assert [_draft_of(entry) for entry in page.entries] == written

        self.run(test())

    def test_a_draft_that_is_too_large_appends_nothing(self) -> None:
        async def test() -> None:
            if self.too_large is None:
                return
            async with self.stores(1) as (store,):
                topic = self.topic()
                before = await store.append(topic, drafts(1), KEEP)
                with pytest.raises(EncodeError):
                    await store.append(topic, [draft(), draft(b"x" * self.too_large)], KEEP)
                page = await self.read(store, topic, 0, 10, PLENTY, KEEP)
                assert (page.epoch, page.newest) == (before.epoch, before.places[0][0])
                assert len(page.entries) == 1

        self.run(test())

    def test_64_drafts_are_appended_at_once(self) -> None:
        async def test() -> None:
            async with self.stores(1) as (store,):
                topic, written = self.topic(), drafts(64)
                appended = await store.append(topic, written, KEEP)
                page = await self.read_all(store, topic)
                assert [_draft_of(entry) for entry in page.entries] == written
                assert [offset for offset, _ in appended.places] == offsets(page.entries)

        self.run(test())

    @pytest.mark.parametrize("name", [*ODD_TOPICS, "x" * 60_000])
    def test_any_text_is_a_topic(self, name: str) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                topic = self.topic(name)
                appended = await one.append(topic, drafts(2), KEEP)
                page = await self.read(two, topic, 0, 10, PLENTY, KEEP)
                assert page.epoch == appended.epoch
                assert len(page.entries) == 2
                assert await one.heads([topic]) == {topic: Head(page.epoch, page.newest)}
                await one.reset(topic)
                assert (await self.read(two, topic, 0, 10, PLENTY, KEEP)).entries == []

        self.run(test())

    def test_each_topic_has_its_own_log(self) -> None:
        async def test() -> None:
            async with self.stores(1) as (store,):
                start = self.topic()
                names = [*ODD_TOPICS, "x" * 60_000, "x" * 60_000 + "y", "x" * 59_999 + "y"]
                topics = [start + name for name in names]
                for number, topic in enumerate(topics, 1):
                    await store.append(topic, drafts(number % 5 + 1), KEEP)
                for number, topic in enumerate(topics, 1):
                    page = await self.read(store, topic, 0, 100, PLENTY, KEEP)
                    assert len(page.entries) == number % 5 + 1
                    assert self.has_gaps or page.newest == number % 5 + 1
                if not self.has_gaps:  # so a position of one topic is none of another
                    heads = await store.heads(topics)
                    assert len({head.epoch for head in heads.values()}) == len(topics)

        self.run(test())

    # Once.

    def test_a_repeated_draft_is_appended_once(self) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                topic, written = self.topic(), drafts(4)
                first = await one.append(topic, written[:2], KEEP)
                for store in (one, two):
                    again = await store.append(topic, written[:2], KEEP)
                    assert again.epoch == first.epoch
                    assert [place[0] for place in again.places] == [
                        place[0] for place in first.places
                    ]
                mixed = await two.append(topic, [written[2], written[0], written[3]], KEEP)
                assert mixed.places[1][0] == first.places[0][0]
                page = await self.read_all(
                    one, topic
                )  # a repeat that used up an offset left a hole
                assert [entry.id for entry in page.entries] == [one.id for one in written]
                assert page.newest == mixed.places[2][0]

        self.run(test())

    def test_a_draft_that_comes_twice_in_one_append_is_appended_once(self) -> None:
        async def test() -> None:
            async with self.stores(1) as (store,):
                topic, (one, two) = self.topic(), drafts(2)
                appended = await store.append(topic, [one, two, one, two], KEEP)
                found = [offset for offset, _ in appended.places]
                assert found[:2] == found[2:]
                page = await self.read_all(store, topic)
                assert [entry.id for entry in page.entries] == [one.id, two.id]

        self.run(test())

    def test_a_trimmed_draft_is_not_appended_again(self) -> None:
        async def test() -> None:
            async with self.stores(1) as (store,):
                topic, written, small = self.topic(), drafts(6), Retention(2, None, 86_400.0)
                first = await store.append(topic, written, small)
                again = await store.append(topic, written[:1], small)
                assert again.places[0][0] == first.places[0][0]
                page = await self.read(store, topic, 0, 10, PLENTY, small)
                assert [entry.id for entry in page.entries] == [one.id for one in written[4:]]

        self.run(test())

    # Pages.

    def test_a_page_ends_at_its_limit(self) -> None:
        async def test() -> None:
            async with self.stores(1) as (store,):
                topic = self.topic()
                await store.append(topic, drafts(7), KEEP)
                everything = (await self.read_all(store, topic)).entries
                for limit in range(1, 10):
                    page = await self.read(store, topic, 0, limit, PLENTY, KEEP)
                    assert page.entries == everything[:limit]
                    assert page.is_cut == (limit < 7)
                    assert page.newest == everything[-1].offset
                    assert (await self.read_all(store, topic, limit=limit)).entries == everything
                for index, entry in enumerate(everything):
                    page = await self.read(store, topic, entry.offset, 3, PLENTY, KEEP)
                    assert page.entries == everything[index + 1 : index + 4]
                    assert page.is_cut == (index + 4 < 7)

        self.run(test())

    def test_a_page_ends_at_its_number_of_bytes(self) -> None:
        async def test() -> None:
            async with self.stores(1) as (store,):
                topic = self.topic()
                await store.append(topic, [draft(b"x" * 10) for _ in range(6)], KEEP)
                for max_bytes, count in [(1, 1), (10, 1), (11, 2), (20, 2), (59, 6), (60, 6)]:
                    page = await self.read(store, topic, 0, 100, max_bytes, KEEP)
                    assert len(page.entries) == count, max_bytes
                    assert page.is_cut == (count < 6)

        self.run(test())

    def test_nothing_is_above_the_newest(self) -> None:
        async def test() -> None:
            async with self.stores(1) as (store,):
                topic = self.topic()
                appended = await store.append(topic, drafts(3), KEEP)
                newest = appended.places[-1][0]
                for after in (newest, newest + 1, newest + 1000, 2**53 - 1):
                    page = await self.read(store, topic, after, 10, PLENTY, KEEP)
                    assert page == Page(appended.epoch, newest, [], is_cut=False)

        self.run(test())

    # Trimming.

    def test_the_size_trims_the_oldest(self) -> None:
        async def test() -> None:
            async with self.stores(1) as (store,):
                topic, five = self.topic(), Retention(5, None, 86_400.0)
                epochs, ids, last = set[str](), list[str](), 0
                for count in (1, 3, 1, 1, 4, 64, 2):
                    written = drafts(count)
                    ids += [one.id for one in written]
                    appended = await store.append(topic, written, five)
                    assert self.is_prev(appended.places[0][1], last)
                    last = appended.places[-1][0]
                    page = await self.read(store, topic, 0, 100, PLENTY, five)
                    assert [entry.id for entry in page.entries] == ids[-5:]
                    assert page.newest == last == page.entries[-1].offset
                    self.check_follows(page.entries[1:], page.entries[0].offset)
                    assert self.has_gaps or page.entries[0].prev == page.entries[0].offset - 1
                    epochs |= {appended.epoch, page.epoch}
                assert len(epochs) == 1

        self.run(test())

    def test_the_ttl_trims_the_oldest(self) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                topic, hour = self.topic(), Retention(100, 3600.0, 86_400.0)
                await one.append(topic, drafts(3, age=4000), hour)
                appended = await one.append(topic, drafts(2, age=3000), hour)
                page = await self.read(two, topic, 0, 100, PLENTY, hour)
                assert offsets(page.entries) == [offset for offset, _ in appended.places]
                assert (page.epoch, page.newest) == (appended.epoch, appended.places[-1][0])
                page = await self.read(two, topic, 0, 1, PLENTY, hour)
                assert offsets(page.entries) == [appended.places[0][0]]
                assert page.is_cut

        self.run(test())

    def test_clocks_that_differ_make_no_hole(self) -> None:
        """An entry can be older than the entry before it, by the clocks of two publishers."""

        async def test() -> None:
            async with self.stores(1) as (store,):
                topic, hour = self.topic(), Retention(100, 3600.0, 86_400.0)
                ages = [5000, 10, 5000, 20, 5000]
                for age in ages:
                    await store.append(topic, drafts(1, age=age), hour)
                page = await self.read(store, topic, 0, 100, PLENTY, hour)
                assert len(page.entries) == 4  # only the oldest entries are trimmed
                assert page.entries[-1].offset == page.newest
                self.check_follows(page.entries[1:], page.entries[0].offset)

        self.run(test())

    def test_a_log_without_entries_keeps_its_epoch_and_its_newest_offset(self) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                topic, hour = self.topic(), Retention(100, 3600.0, 864_000.0)
                before = await one.append(topic, drafts(4, age=4000), hour)
                newest = before.places[-1][0]
                for store in (one, two, one):
                    for after in (0, newest):
                        page = await self.read(store, topic, after, 100, PLENTY, hour)
                        assert page == Page(before.epoch, newest, [], is_cut=False)
                assert await two.heads([topic]) == {topic: Head(before.epoch, newest)}
                later = await two.append(topic, drafts(1), hour)
                assert later.epoch == before.epoch
                assert later.places[0][0] > newest
                page = await self.read(one, topic, newest, 100, PLENTY, hour)
                assert offsets(page.entries) == [later.places[0][0]]

        self.run(test())

    # Epochs.

    def test_a_read_begins_the_epoch(self) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                topic = self.topic()
                page = await self.read(one, topic, 17, 10, PLENTY, KEEP)
                assert page == Page(page.epoch, 0, [], is_cut=False)
                assert 1 <= len(page.epoch) <= 32
                assert set(page.epoch) <= EPOCH_CHARACTERS
                assert await self.read(two, topic, 0, 10, PLENTY, KEEP) == page
                assert await one.heads([topic]) == {topic: Head(page.epoch, 0)}
                assert (await two.append(topic, drafts(1), KEEP)).epoch == page.epoch

        self.run(test())

    def test_a_reset_begins_a_new_epoch(self) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                topic, other = self.topic(), self.topic()
                epochs = list[str]()
                kept = await one.append(other, drafts(1), KEEP)
                for _ in range(3):
                    appended = await one.append(topic, drafts(3), KEEP)
                    assert self.is_prev(appended.places[0][1], 0)
                    epochs.append(appended.epoch)
                    await two.reset(topic)
                    page = await self.read(one, topic, 0, 10, PLENTY, KEEP)
                    assert page == Page(page.epoch, 0, [], is_cut=False)
                    epochs.append(page.epoch)
                    await one.reset(topic)
                assert len(set(epochs)) == 6
                await one.reset(self.topic("unknown"))
                page = await self.read(two, other, 0, 10, PLENTY, KEEP)
                assert (page.epoch, len(page.entries)) == (kept.epoch, 1)

        self.run(test())

    def test_the_heads_of_many_topics(self) -> None:
        async def test() -> None:
            async with self.stores(2) as (one, two):
                topics = [self.topic() for _ in range(300)]
                expected = dict[str, Head]()
                for number, topic in enumerate(topics[::10], 1):
                    appended = await one.append(topic, drafts(number % 3 + 1), KEEP)
                    expected[topic] = Head(appended.epoch, appended.places[-1][0])
                assert await two.heads(topics) == expected
                assert await two.heads(topics[::10]) == expected
                assert await two.heads([]) == {}
                await two.reset(topics[0])
                del expected[topics[0]]
                assert await one.heads(topics) == expected

        self.run(test())


def _draft_of(entry: LogEntry) -> Draft:
    """Return the draft of an entry."""
    return Draft(*entry[2:])
