"""The watch over the bus: when a node counts as cut off, and when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bennu.bus import MemoryNetwork
from bennu.logs.log import Log
from bennu.pubsub.bus_watch import EVERY, LIMIT, BusWatch
from bennu.telemetry import BusCutOff, BusRestored, Telemetry
from bennu.testing.clock import advance, running_loop, settle

from ..support.hostile_adapter import HostileAdapter
from .hearing import hostile


class Watched:
    """A node whose bus is watched.

    Attributes:
        watch: The watch, not started.
        adapter: The adapter that the watch asks.
        events: What telemetry has told.
    """

    def __init__(self, adapter: HostileAdapter) -> None:
        telemetry = Telemetry()
        self.adapter = adapter
        self.events: list[object] = []
        telemetry.attach(self.events.append, BusCutOff, BusRestored)
        self.watch = BusWatch("one", adapter.confirm, telemetry, Log())

    def is_up(self) -> bool:
        """Return whether the node hears the bus."""
        return self.watch.is_up

    def told(self) -> list[type]:
        """Return the classes of the events since the last call."""
        told = [type(event) for event in self.events]
        self.events.clear()
        return told


@asynccontextmanager
async def watched(*, start: bool = True) -> AsyncIterator[Watched]:
    before = asyncio.all_tasks()
    adapter = hostile(MemoryNetwork(), "one")
    await adapter.start(lambda *_: None, lambda _: None)
    one = Watched(adapter)
    if start:
        await one.watch.start(1)
        assert one.told() == [BusRestored]
    yield one
    await one.watch.stop()
    adapter.release()
    await settle()
    assert asyncio.all_tasks() <= before
    await adapter.stop()


def hang(seconds: float) -> None:
    """Let the event loop hang: nothing else runs while the time passes."""
    running_loop().clock.hang(seconds)


async def test_a_node_that_hears_the_bus_is_up() -> None:
    """It asks once a second, and tells nothing."""
    async with watched() as one:
        assert one.is_up()
        before = one.adapter.calls["confirm"]
        await advance(100)
        assert one.is_up()
        assert one.watch.silence == 0
        assert one.told() == []
        assert one.adapter.calls["confirm"] - before == pytest.approx(100 / EVERY, abs=2)


async def test_a_node_is_cut_off_after_three_seconds(caplog: pytest.LogCaptureFixture) -> None:
    """An outage of an hour is two lines in the log and two events, however often it is asked meanwhile."""
    async with watched() as one:
        await advance(10)
        one.adapter.hangs.add("confirm")
        await advance(LIMIT - 0.1)
        assert one.is_up()
        await advance(EVERY + 0.2)
        assert not one.is_up()
        assert one.watch.silence == pytest.approx(LIMIT + EVERY, abs=0.2)
        await advance(3600)
        [cut] = one.events
        assert isinstance(cut, BusCutOff)
        assert cut.silence == pytest.approx(LIMIT + EVERY, abs=0.2)
        assert one.told() == [BusCutOff]
        one.adapter.release()
        await advance(EVERY + 0.1)
        assert one.is_up()
        [restored] = one.events
        assert isinstance(restored, BusRestored)
        assert restored.silence == pytest.approx(3604, abs=5)
        assert one.told() == [BusRestored]
        down, up = (record.getMessage() for record in caplog.records)
        assert "has not heard the bus for 4.0 s" in down
        assert "hears the bus again, after 36" in up


async def test_a_second_outage_is_told_like_the_first(caplog: pytest.LogCaptureFixture) -> None:
    async with watched() as one:
        for _ in range(2):
            one.adapter.hangs.add("confirm")
            await advance(10)
            assert not one.is_up()
            one.adapter.release()
            await advance(10)
            assert one.is_up()
            assert one.told() == [BusCutOff, BusRestored]
        assert len(caplog.records) == 4


async def test_a_confirmation_that_comes_late_but_comes_is_enough() -> None:
    """A slow bus is no broken bus."""
    async with watched() as one:
        for _ in range(10):
            one.adapter.hangs.add("confirm")
            await advance(LIMIT)
            one.adapter.release()
            await settle()
            assert one.is_up()
        assert one.told() == []


@pytest.mark.parametrize("error", [OSError("no route"), asyncio.CancelledError("not by us")])
async def test_a_confirm_that_raises_counts_as_one_that_does_not_come(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """One exception is no outage. The traceback is logged once in an outage."""
    async with watched() as one:
        one.adapter.raises["confirm"] = error
        await advance(EVERY + 0.1)
        del one.adapter.raises["confirm"]
        await advance(10)
        assert one.told() == []
        assert len(caplog.records) == 1
        one.adapter.raises["confirm"] = error
        await advance(LIMIT + EVERY)
        assert one.told() == [BusCutOff]
        await advance(100)
        assert one.told() == []
        del one.adapter.raises["confirm"]
        await advance(EVERY)
        assert one.told() == [BusRestored]
        assert len(caplog.records) == 4


@pytest.mark.parametrize("seconds", [3.1, 3.5, 3.9, 4.1, 60.0])
async def test_an_event_loop_that_hangs_is_no_outage(seconds: float) -> None:
    """The answer came while nothing ran. It is read before the node counts as cut off."""
    async with watched() as one:
        one.adapter.hangs.add("confirm")
        await advance(EVERY + 0.1)  # the look has begun
        for _ in range(3):
            hang(seconds)
            await settle()
            assert one.is_up()
        one.adapter.release()
        await advance(EVERY)
        assert one.is_up()
        assert one.told() == []


async def test_an_outage_is_noticed_though_the_event_loop_hangs_too() -> None:
    """Seconds in which the event loop runs count."""
    async with watched() as one:
        one.adapter.hangs.add("confirm")
        hang(60)
        await advance(LIMIT + EVERY + 0.1)
        assert one.told() == [BusCutOff]


async def test_a_bus_that_is_down_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    """The start waits for a second. The node is cut off, and up as soon as the bus is there."""
    async with watched(start=False) as one:
        one.adapter.hangs.add("confirm")
        await one.watch.start(1)
        assert running_loop().time() == 1
        assert not one.is_up()
        assert one.told() == [BusCutOff]
        await advance(0.1)
        one.adapter.release()
        await advance(EVERY + LIMIT)
        assert one.is_up()
        assert one.told() == [BusRestored]
        assert len(caplog.records) == 2


async def test_a_stop_while_it_asks() -> None:
    """Neither the watch nor what it asked goes on."""
    async with watched() as one:
        one.adapter.hangs.add("confirm")
        await advance(EVERY + 0.1)
        await one.watch.stop()
        calls = one.adapter.calls["confirm"]
        await advance(100)
        assert one.adapter.calls["confirm"] == calls
        assert one.told() == []
        await one.watch.stop()


async def test_a_start_that_is_cancelled() -> None:
    """The stop ends what was asked."""
    async with watched(start=False) as one:
        one.adapter.hangs.add("confirm")
        starting = asyncio.create_task(one.watch.start(1))
        await settle()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting


async def test_a_confirm_that_ignores_its_cancellation_is_not_asked_again() -> None:
    """A hundred of them would pile up in an hour. The stop does not wait for it for ever."""
    over = asyncio.Event()
    asked = 0

    async def confirm() -> None:
        nonlocal asked
        asked += 1
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue

    telemetry = Telemetry()
    watch = BusWatch("one", confirm, telemetry, Log())
    await watch.start(1)
    await advance(100)
    assert asked == 1
    begun = running_loop().time()
    await watch.stop()
    assert running_loop().time() - begun == LIMIT
    over.set()
    await settle()
