"""Nodes that are processes: killed, stopped by a signal, and forked."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bennu.bus.ipc.adapter import CONFIRM
from bennu.pubsub.bus_watch import LIMIT

from .paths import short_directory
from .processes import process

pytestmark = pytest.mark.clock("real")


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as path:
        yield path / "bus"


def sockets(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def test_a_killed_process_is_noticed_at_once(directory: Path) -> None:
    """Its last messages arrive as far as they had left, its tail is unknown, and its socket is removed."""
    async with process(directory, "one") as one, process(directory, "two") as two:
        await one("subscribe", "t")
        await two("publish", "t", 100)
        await two("confirm")
        await two.kill()
        state = await one.until(lambda state: state["losses"])
        assert state["losses"] == [["two", None, None, "tail"]]
        assert state["nodes"] == []
        assert state["heard"] == {"t": list(range(1, 101))}
        assert sockets(directory) == {"one.sock"}
        await one("publish", "t", 1)
        async with process(directory, "two") as again:
            await again("publish", "t", 1)
            state = await one.until(lambda state: len(state["heard"]["t"]) == 101)
            assert len(state["losses"]) == 1


async def test_a_node_that_stops_says_farewell(directory: Path) -> None:
    async with process(directory, "one") as one, process(directory, "two") as two:
        await one("subscribe", "t")
        await two("publish", "t", 100, 10_000)
        await two("stop")
        state = await one.until(lambda state: not state["nodes"])
        assert state["losses"] == []
        assert state["heard"]["t"] == list(range(1, 101))
        assert sockets(directory) == {"one.sock"}


async def test_a_node_that_hangs_for_a_short_time_loses_nothing(directory: Path) -> None:
    """Publishers wait for it, and go on when it reads again."""
    async with (
        process(directory, "one", max_queue=50_000) as one,
        process(directory, "two") as two,
    ):
        await two("subscribe", "t")
        two.signal(signal.SIGSTOP)
        await one("publish", "t", 10, 1000)
        two.signal(signal.SIGCONT)
        await one("publish", "t", 1000, 10_000)
        state = await two.until(lambda state: len(state["heard"]["t"]) == 1010)
        assert state["heard"]["t"] == list(range(1, 1011))
        assert state["losses"] == []
        assert (await one("state"))["losses"] == []


async def test_a_node_that_hangs_does_not_cut_off_the_others(directory: Path) -> None:
    """``confirm`` waits for it once, and for less time than that after which a node counts as cut off."""
    assert CONFIRM < LIMIT
    async with (
        process(directory, "one", patience=1000) as one,
        process(directory, "two") as two,
        process(directory, "three") as three,
    ):
        await three("subscribe", "t")
        two.signal(signal.SIGSTOP)
        await one("publish", "t", 10)
        await one("confirm")
        assert (await three("state"))["heard"] == {"t": list(range(1, 11))}
        for _ in range(10):
            await one("confirm")
        two.signal(signal.SIGCONT)
        await two("confirm")


async def test_a_node_that_hangs_is_cut_off_and_counts_what_it_missed(directory: Path) -> None:
    """Others get everything. Delivered plus missed is what was published, exactly."""
    async with (
        process(directory, "one", max_queue=50_000, patience=0.5) as one,
        process(directory, "two") as two,
        process(directory, "three") as three,
    ):
        for node in (two, three):
            await node("subscribe", "t", "u")
        two.signal(signal.SIGSTOP)
        await one("publish", "t", 1000, 10_000)
        await one("publish", "u", 10, 10)
        await one("confirm")
        state = await three("state")
        assert state["heard"] == {"t": list(range(1, 1001)), "u": list(range(1001, 1011))}
        assert state["losses"] == []

        two.signal(signal.SIGCONT)
        state = await two.until(lambda state: len(state["losses"]) == 2)
        missed = {topic: count for _, topic, count, _ in state["losses"]}
        assert {(node, reason) for node, _, _, reason in state["losses"]} == {("one", "gap")}
        assert missed["t"] + len(state["heard"]["t"]) == 1000
        assert missed["u"] == 10
        assert "u" not in state["heard"]
        heard = state["heard"]["t"]
        assert heard == list(range(1, len(heard) + 1))

        state = await one.until(lambda state: sum(one[2] for one in state["losses"]) > 10)
        said = {(node, reason) for node, _, _, reason in state["losses"]}
        assert said == {("two", "cut")}
        assert sum(one[2] for one in state["losses"]) == missed["t"] + missed["u"]

        await one("publish", "t", 1)
        state = await two.until(lambda state: state["heard"]["t"][-1] == 1011)
        assert len(state["losses"]) == 2


async def test_a_child_does_not_keep_the_connections_of_its_parent(directory: Path) -> None:
    """The parent's death is noticed, though its child lives. A call in the child says what to do."""
    async with process(directory, "one") as one, process(directory, "two") as two:
        await one("subscribe", "t")
        await two("subscribe", "t")
        forked = await two("fork")
        try:
            assert "is a fork" in forked["error"]
            await two("publish", "t", 1)
            await one("publish", "t", 1)
            await one.until(lambda state: state["heard"])
            await two.until(lambda state: state["heard"])  # the parent's connections live
            await two.kill()
            os.kill(forked["child"], 0)
            state = await one.until(lambda state: state["losses"])
            assert state["nodes"] == []
            assert sockets(directory) == {"one.sock"}
        finally:
            os.kill(forked["child"], signal.SIGKILL)


async def test_every_message_is_delivered_or_counted(directory: Path) -> None:
    """A node hangs again and again, under the load of two others."""
    async with (
        process(directory, "one", max_queue=50_000, patience=0.2) as one,
        process(directory, "two", max_queue=50_000, patience=0.2) as two,
        process(directory, "three", max_queue=50_000, patience=0.2) as three,
    ):
        for node in (one, two, three):
            await node("subscribe", "of one", "of three")
        for _ in range(3):
            two.signal(signal.SIGSTOP)
            await asyncio.gather(
                one("publish", "of one", 200, 10_000), three("publish", "of three", 200, 10_000)
            )
            two.signal(signal.SIGCONT)
            await asyncio.gather(
                one("publish", "of one", 20, 10_000), three("publish", "of three", 20, 10_000)
            )

        def is_whole(state: dict[str, Any]) -> bool:
            for topic in ("of one", "of three"):
                missed = sum(count for _, at, count, _ in state["losses"] if at == topic)
                if missed + len(state["heard"].get(topic, ())) != 660:
                    return False
            return True

        state = await two.until(is_whole)
        assert {reason for _, _, _, reason in state["losses"]} == {"gap"}
        for heard in state["heard"].values():
            assert heard == sorted(set(heard))  # in order, and none twice
        assert (await one("state"))["heard"] == {"of three": list(range(1, 661))}
        assert (await three("state"))["heard"] == {"of one": list(range(1, 661))}


async def test_a_publisher_that_is_killed_under_load_leaves_the_beginning(directory: Path) -> None:
    """What arrived is what was published first, whole and in order."""
    async with process(directory, "one") as one, process(directory, "two") as two:
        await one("subscribe", "t")
        publishing = asyncio.create_task(two("publish", "t", 1_000_000, 1000))
        await one.until(lambda state: state["heard"])
        await two.kill()
        with pytest.raises(AssertionError, match="has ended"):
            await publishing
        state = await one.until(lambda state: not state["nodes"])
        heard = state["heard"]["t"]
        assert heard == list(range(1, len(heard) + 1))
        assert state["losses"] == [["two", None, None, "tail"]]


async def test_publishers_do_not_wait_for_a_killed_process(directory: Path) -> None:
    """The process hangs with a full queue, and is killed. Nothing is reported: no living process missed a message."""
    async with process(directory, "one", max_queue=50_000) as one:
        async with process(directory, "two") as two:
            await two("subscribe", "t")
            two.signal(signal.SIGSTOP)
            publishing = asyncio.create_task(one("publish", "t", 1000, 10_000))
            await two.kill()
            await publishing
        state = await one.until(lambda state: not state["nodes"])
        assert state["losses"] == []
