"""The store in memory: the contract, and its times by a clock of the tests."""

from __future__ import annotations

import pytest

from bennu.store import Claim, ClaimState, Head, MemoryStore, Page, Retention, Store
from bennu.testing.contract_store import KEEP, PLENTY, draft, drafts, offsets
from bennu.testing.store_contract import StoreContract


class TestMemoryStore(StoreContract):
    """All nodes of a test are one store, as all endpoints of a process can share one."""

    brief = 0.05

    @pytest.fixture(autouse=True)
    def data(self) -> None:
        self.memory = MemoryStore()

    def store(self) -> Store:
        return self.memory


class Clock:
    """Seconds since 1970, which the test moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock)


async def read(store: Store, topic: str, retention: Retention = KEEP) -> Page:
    return await store.read(topic, 0, 1000, PLENTY, retention)


def test_it_says_what_it_is(store: MemoryStore) -> None:
    assert store.name == "memory://"
    assert not store.is_shared
    assert not store.announces


async def test_a_log_is_forgotten_after_its_record_time(store: MemoryStore, clock: Clock) -> None:
    week = Retention(10, None, 604_800.0)
    before = await store.append("t", drafts(3), week)
    clock.now += 604_799
    assert await store.heads(["t"]) == {"t": Head(before.epoch, 3)}
    clock.now += 1
    assert await store.heads(["t"]) == {}
    after = await store.append("t", drafts(1), week)
    assert after.epoch != before.epoch
    assert after.places == [(1, 0)]


async def test_a_read_prolongs_the_record_time(store: MemoryStore, clock: Clock) -> None:
    week = Retention(10, None, 604_800.0)
    before = await read(store, "t", week)
    for _ in range(3):
        clock.now += 600_000
        assert await read(store, "t", week) == before
    clock.now += 604_800
    assert (await read(store, "t", week)).epoch != before.epoch


async def test_forgotten_logs_take_no_memory(store: MemoryStore, clock: Clock) -> None:
    """Also behind a log that is read again and again: a log that is used moves to the end."""
    hour = Retention(10, None, 3600.0)
    await store.append("used", drafts(1), hour)
    for number in range(100):
        await store.append(f"t:{number}", drafts(1), hour)
    for _ in range(60):
        clock.now += 100
        await read(store, "used", hour)
    assert list(await store.heads(["used", "t:0", "t:99"])) == ["used"]
    clock.now -= 6000  # a log that was only hidden would be there again
    assert list(await store.heads(["used", "t:0", "t:10"])) == ["used"]


async def test_an_entry_is_trimmed_when_its_time_is_over(store: MemoryStore, clock: Clock) -> None:
    minute = Retention(10, 60.0, 3600.0)
    first, second = draft(), draft()
    await store.append("t", [first._replace(time=round(clock.now * 1000))], minute)
    clock.now += 30
    await store.append("t", [second._replace(time=round(clock.now * 1000))], minute)
    clock.now += 30
    assert offsets((await read(store, "t", minute)).entries) == [1, 2]
    clock.now += 0.001
    assert offsets((await read(store, "t", minute)).entries) == [2]
    clock.now += 60
    page = await read(store, "t", minute)
    assert (page.newest, page.entries) == (2, [])


async def test_the_id_of_a_draft_is_kept_for_two_minutes(store: MemoryStore, clock: Clock) -> None:
    [one] = drafts(1)
    await store.append("t", [one], KEEP)
    clock.now += 119.9
    assert (await store.append("t", [one], KEEP)).places == [(1, 0)]
    clock.now += (
        120.1  # counted from the first append, and forgotten after twice the time at the latest
    )
    assert (await store.append("t", [one], KEEP)).places == [(2, 1)]


async def test_the_ids_of_a_busy_log_are_kept_for_two_minutes(
    store: MemoryStore, clock: Clock
) -> None:
    """The first period ends while later appends go on."""
    many = drafts(241)
    for second in range(241):
        await store.append("t", [many[second]], KEEP)
        if second >= 119:
            early = many[second - 119]
            assert (await store.append("t", [early], KEEP)).places == [(second - 118, second - 119)]
        clock.now += 1


async def test_a_claim_is_renewed_and_expires(store: MemoryStore, clock: Clock) -> None:
    new, running = Claim(ClaimState.NEW), Claim(ClaimState.RUNNING)
    assert await store.claim("k", "a", 10) == new
    clock.now += 9
    assert await store.claim("k", "a", 10) == new
    clock.now += 9
    assert await store.claim("k", "b", 10) == running
    clock.now += 1
    assert not await store.settle("k", "a", b"late", 10)
    await store.release("k", "a")
    assert await store.claim("k", "b", 10) == new
    assert await store.settle("k", "b", b"value", 100)
    clock.now += 99
    assert await store.claim("k", "a", 10) == Claim(ClaimState.SETTLED, b"value")
    clock.now += 1
    assert await store.claim("k", "a", 10) == new
