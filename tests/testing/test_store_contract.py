"""The contract of stores holds for stores of each kind, and finds faults.

``tests/store`` runs it on the stores of Bennu.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest

from bennu.errors import EncodeError
from bennu.store import (
    UNKNOWN,
    Appended,
    Claim,
    ClaimState,
    Draft,
    Head,
    Page,
    Retention,
    Store,
)
from bennu.testing.store_contract import StoreContract

from .facades import AnnouncingFacade, Facade, GapsFacade, Shared

KEEP = Retention(1000, None, 86_400.0)


class OnFacades(StoreContract):
    """All stores of a test share one store in memory."""

    brief = 0.05
    kind: type[Facade] = Facade

    @pytest.fixture(autouse=True)
    def data(self) -> None:
        self.shared = Shared()

    def store(self) -> Store:
        return self.kind(self.shared)


class TestAnnouncing(OnFacades):
    """A store that announces, and begins new epochs after losses."""

    kind = AnnouncingFacade

    async def restart(self) -> None:
        self.shared.lose_everything()

    async def lose_newest(self) -> None:
        self.shared.lose_everything()


class TestGaps(OnFacades):
    """A store whose offsets have gaps."""

    kind = GapsFacade
    has_gaps = True


class LimitedFacade(Facade):
    """A store that refuses large payloads, and knows of no entry what was before it."""

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        if any(len(draft.payload) > 5000 for draft in drafts):
            raise EncodeError("the draft is too large")
        epoch, places = await super().append(topic, drafts, retention)
        return Appended(epoch, [(offset, UNKNOWN) for offset, _ in places])


class TestLimited(OnFacades):
    """A store with a limit of its payloads."""

    kind = LimitedFacade
    largest = 5000
    too_large = 5001
    has_gaps = True


# Faults. Each must be found by the test that is named beside it.


class ForgetsIds(Facade):
    """Appends a repeated draft again."""

    count = 0

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        ForgetsIds.count += 1
        new = [draft._replace(id=f"{draft.id} {self.count}") for draft in drafts]
        return await super().append(topic, new, retention)

    async def read(self, *args: Any) -> Page:
        page = await super().read(*args)
        entries = [entry._replace(id=entry.id.split()[0]) for entry in page.entries]
        return page._replace(entries=entries)


class UsesUpOffsets(Facade):
    """A suppressed repeat uses up an offset."""

    seen: set[str]

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        self.seen = self.__dict__.get("seen") or set()
        for draft in drafts:
            if draft.id in self.seen:
                await super().append(topic, [draft._replace(id=draft.id + "!")], retention)
            self.seen.add(draft.id)
        return await super().append(topic, drafts, retention)

    async def read(self, *args: Any) -> Page:
        page = await super().read(*args)
        return page._replace(entries=[one for one in page.entries if not one.id.endswith("!")])


class ShowsLaterFirst(Facade):
    """A reader can see an entry before an earlier one, as with the sequence of a database."""

    reads = 0

    async def read(self, *args: Any) -> Page:
        page = await super().read(*args)
        self.reads += 1
        if self.reads % 5 == 0:
            return page._replace(entries=[*page.entries[:-2], *page.entries[-1:]])
        return page


class ReadsInTwoSteps(Facade):
    """Reads the entries after the newest offset."""

    async def read(
        self, topic: str, after: int, limit: int, max_bytes: int, retention: Retention
    ) -> Page:
        head = (await super().read(topic, after, 1, 1, retention)).newest
        await asyncio.sleep(0)
        page = await super().read(topic, after, limit, max_bytes, retention)
        return page._replace(newest=head)


class MakesEpochsTwice(Facade):
    """Two nodes that meet an unknown topic both make its epoch."""

    async def read(self, topic: str, *args: Any) -> Page:
        is_known = topic in await self.memory.heads([topic])
        await asyncio.sleep(0)
        if not is_known:
            await self.memory.reset(topic)
        return await super().read(topic, *args)


class SaysCut(Facade):
    """Says that a page is cut when it is exactly full."""

    async def read(
        self, topic: str, after: int, limit: int, max_bytes: int, retention: Retention
    ) -> Page:
        page = await super().read(topic, after, limit, max_bytes, retention)
        return page._replace(is_cut=len(page.entries) == limit)


class IgnoresBytes(Facade):
    """Takes no notice of the bytes of a page."""

    async def read(
        self, topic: str, after: int, limit: int, max_bytes: int, retention: Retention
    ) -> Page:
        return await super().read(topic, after, limit, 1 << 40, retention)


class KeepsOneMore(Facade):
    """Trims one entry too late."""

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        return await super().append(topic, drafts, retention._replace(size=retention.size + 1))


class FiltersByAge(Facade):
    """Leaves out each entry that is too old, wherever it is."""

    async def read(
        self, topic: str, after: int, limit: int, max_bytes: int, retention: Retention
    ) -> Page:
        keep = retention._replace(ttl=None)
        page = await super().read(topic, after, limit, max_bytes, keep)
        if retention.ttl is None:
            return page
        newest = max((entry.time for entry in page.entries), default=0)
        young = [one for one in page.entries if one.time > newest - retention.ttl * 1000]
        return page._replace(entries=young)


class ForgetsEmptyLogs(Facade):
    """Forgets a log when its last entry is trimmed, as AnyCable's broker in memory does."""

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        page = await self.memory.read(topic, 0, 1, 1, retention)
        if not page.entries:
            await self.memory.reset(topic)
        return await super().append(topic, drafts, retention)


class KeepsItsEpoch(Facade):
    """Numbers from 1 again in the same epoch after a reset or a loss."""

    async def append(self, *args: Any) -> Appended:
        return (await super().append(*args))._replace(epoch="same")

    async def read(self, *args: Any) -> Page:
        return (await super().read(*args))._replace(epoch="same")

    async def heads(self, topics: Collection[str]) -> Mapping[str, Head]:
        heads = await super().heads(topics)
        return {topic: head._replace(epoch="same") for topic, head in heads.items()}


class NoEpochAtFirst(Facade):
    """Makes no epoch at a read."""

    async def read(self, topic: str, *args: Any) -> Page:
        if topic not in await self.memory.heads([topic]):
            return Page("", 0, [], is_cut=False)
        return await super().read(topic, *args)


class HeadsOfUnknownTopics(Facade):
    """Says where unknown topics stand."""

    async def heads(self, topics: Collection[str]) -> Mapping[str, Head]:
        return {topic: Head("", 0) for topic in topics} | dict(await super().heads(topics))


class TidiesTopics(Facade):
    """Takes similar topics for one."""

    async def append(self, topic: str, *args: Any) -> Appended:
        return await super().append(unicodedata.normalize("NFC", topic.strip().lower()), *args)

    async def read(self, topic: str, *args: Any) -> Page:
        return await super().read(unicodedata.normalize("NFC", topic.strip().lower()), *args)


class TextSender(Facade):
    """Keeps a sender in 63 bits."""

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        new = [draft._replace(sender=min(draft.sender, 2**63 - 1)) for draft in drafts]
        return await super().append(topic, new, retention)


class MixesAnswers(Facade):
    """After a cancelled call, the next one gets its answer."""

    answers: list[Page]

    async def read(self, *args: Any) -> Page:
        self.answers = self.__dict__.get("answers") or []
        self.answers.append(await super().read(*args))
        await asyncio.sleep(0)
        return self.answers.pop(0)


class ClaimsInTwoSteps(Facade):
    """Two claims at the same time both find the key free."""

    taken: dict[str, str]

    async def claim(self, key: str, owner: str, seconds: float) -> Claim:
        found = await self.memory.claim(key, "probe", 1e-9)
        await asyncio.sleep(0.001)
        if found.state is ClaimState.NEW:
            await self.memory.claim(key, owner, seconds)
        return found


class RefusesItsOwner(Facade):
    """Does not know the owner of a claim again."""

    count = 0

    async def claim(self, key: str, owner: str, seconds: float) -> Claim:
        RefusesItsOwner.count += 1
        return await super().claim(key, f"{owner} {self.count}", seconds)


class OneOwner(Facade):
    """Lets everybody settle and release."""

    async def claim(self, key: str, owner: str, seconds: float) -> Claim:
        found = await super().claim(key, "all", 0.001)
        await super().claim(key, "all", seconds)
        return found

    async def settle(self, key: str, owner: str, value: bytes, seconds: float) -> bool:
        return await super().settle(key, "all", value, seconds)

    async def release(self, key: str, owner: str) -> None:
        await super().release(key, "all")


class NeverExpires(Facade):
    """Keeps claims for ever."""

    async def claim(self, key: str, owner: str, seconds: float) -> Claim:
        return await super().claim(key, owner, 1e6)


class ValuesExpireEarly(Facade):
    """A value lives as long as its claim would have."""

    async def settle(self, key: str, owner: str, value: bytes, seconds: float) -> bool:
        return await super().settle(key, owner, value, min(seconds, 0.05))


class AnnouncesEverySecond(AnnouncingFacade):
    """Loses announcements."""

    def hear(self, topic: str, page: Page) -> None:
        super().hear(topic, page._replace(entries=page.entries[::2]))


class AnnouncesToAll(AnnouncingFacade):
    """Does not look at subscriptions."""

    def hear(self, topic: str, page: Page) -> None:
        self.topics.add(topic)
        super().hear(topic, page)


class AnnouncesWrongPrev(AnnouncingFacade):
    """Announces entries without what was before them."""

    def hear(self, topic: str, page: Page) -> None:
        super().hear(topic, page._replace(entries=[one._replace(prev=0) for one in page.entries]))


FAULTS: list[tuple[type[Facade], str]] = [
    (ForgetsIds, "test_a_repeated_draft_is_appended_once"),
    (ForgetsIds, "test_a_draft_that_several_nodes_append_is_appended_once"),
    (ForgetsIds, "test_a_cancelled_append_can_be_repeated"),
    (ForgetsIds, "test_a_trimmed_draft_is_not_appended_again"),
    (UsesUpOffsets, "test_a_repeated_draft_is_appended_once"),
    (UsesUpOffsets, "test_a_draft_that_comes_twice_in_one_append_is_appended_once"),
    (ShowsLaterFirst, "test_appends_of_several_nodes_get_one_order"),
    (ReadsInTwoSteps, "test_a_read_sees_one_moment"),
    (MakesEpochsTwice, "test_one_new_topic_gets_one_epoch"),
    (SaysCut, "test_a_page_ends_at_its_limit"),
    (IgnoresBytes, "test_a_page_ends_at_its_number_of_bytes"),
    (KeepsOneMore, "test_the_size_trims_the_oldest"),
    (FiltersByAge, "test_clocks_that_differ_make_no_hole"),
    (ForgetsEmptyLogs, "test_a_log_without_entries_keeps_its_epoch_and_its_newest_offset"),
    (KeepsItsEpoch, "test_a_reset_begins_a_new_epoch"),
    (KeepsItsEpoch, "test_each_topic_has_its_own_log"),
    (KeepsItsEpoch, "test_a_read_sees_one_moment"),
    (NoEpochAtFirst, "test_a_read_begins_the_epoch"),
    (HeadsOfUnknownTopics, "test_the_heads_of_many_topics"),
    (TidiesTopics, "test_each_topic_has_its_own_log"),
    (TextSender, "test_all_fields_of_an_entry_are_kept"),
    (MixesAnswers, "test_a_cancelled_append_can_be_repeated"),
    (ClaimsInTwoSteps, "test_of_claims_at_the_same_time_one_gets_the_key"),
    (RefusesItsOwner, "test_the_first_claim_gets_the_key"),
    (RefusesItsOwner, "test_a_claim_can_be_renewed"),
    (OneOwner, "test_only_the_owner_settles_or_releases"),
    (NeverExpires, "test_a_claim_expires"),
    (ValuesExpireEarly, "test_a_value_expires"),
    (AnnouncesEverySecond, "test_every_append_is_announced_to_the_nodes_that_have_subscribed"),
    (AnnouncesToAll, "test_every_append_is_announced_to_the_nodes_that_have_subscribed"),
    (AnnouncesToAll, "test_nothing_is_announced_after_unsubscribe"),
    (AnnouncesWrongPrev, "test_every_append_is_announced_to_the_nodes_that_have_subscribed"),
]


class Faulty(OnFacades):
    """The contract on a store with a fault. Its name hides it from pytest."""

    patience = 0.5

    def __init__(self, kind: type[Facade]) -> None:
        self.kind = kind
        self.shared = Shared()


@pytest.mark.parametrize(("kind", "test"), FAULTS, ids=lambda one: getattr(one, "__name__", one))
def test_the_contract_finds_a_fault(kind: type[Facade], test: str) -> None:
    with pytest.raises((AssertionError, TimeoutError)):
        getattr(Faulty(kind), test)()


class Losing(Faulty):
    """Loses the newest entries, and keeps the epoch: as a failover to a replica that lagged."""

    def __init__(self) -> None:
        super().__init__(KeepsItsEpoch)
        self.topics = list[str]()

    def topic(self, name: str = "") -> str:
        self.topics.append(super().topic(name))
        return self.topics[-1]

    async def lose_newest(self) -> None:
        await self.shared.lose_newest(self.topics, 3)

    async def restart(self) -> None:
        self.shared.lose_everything()


def test_the_contract_finds_a_store_that_loses_entries_and_keeps_the_epoch() -> None:
    with pytest.raises(AssertionError):
        Losing().test_lost_entries_begin_a_new_epoch()
    with pytest.raises(AssertionError):
        Losing().test_a_restart_keeps_everything_or_begins_a_new_epoch()
    Faulty(Facade).test_lost_entries_begin_a_new_epoch()
