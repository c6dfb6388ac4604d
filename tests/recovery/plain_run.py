"""A run without history. The nodes live; connections are cut, clients pause, and the server of the bus is restarted and paused."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, Final

from .faults import CUTS, FAULT_EVERY, pause_store
from .plain import Listener, PlainVerdict, judge_plain
from .stores import StoreSetup

__all__ = ["PlainRun"]

WITNESS: Final = "witness"

SLOW_TOPICS: Final = 3
SLOW_CLIENTS: Final = 4
"""Clients of each slow topic on each node."""

SLOW_SIZE: Final = 60_000
"""Bytes of a message in a slow topic: the buffers of the system hold a few megabytes."""

SLOW_PART: Final = 0.15
"""The part of the messages that goes to slow topics."""

PATIENCE: Final = 60.0
"""Seconds within which everything comes to rest."""


class PlainRun:
    """One run on one bus.

    Args:
        setup: The bus, which runs. Its store is not used.
        options: The command line.
    """

    def __init__(self, setup: StoreSetup, options: argparse.Namespace) -> None:
        self._setup = setup
        self._options = options
        self._random = Random(options.seed)
        self._plain = [f"plain:{number}" for number in range(options.topics)]
        self._slow = [f"slow:{number}" for number in range(SLOW_TOPICS)]
        self._workers = setup.workers()
        self._cut: list[Listener] = []
        self._paused: list[Listener] = []
        self._witnesses: list[Listener] = []
        self._sent = 0
        self.faults: Counter[str] = Counter()

    async def run(self) -> PlainVerdict:
        """Run it all, and judge."""
        try:
            return await self._run()
        finally:
            await asyncio.gather(*[one.stop() for one in self._all()])
            await asyncio.gather(*[worker.stop() for worker in self._workers])

    async def _run(self) -> PlainVerdict:
        await asyncio.gather(*[worker.start() for worker in self._workers])
        self._start_clients()
        await self._until(lambda: all(one.is_joined for one in self._all()), "the joins")
        tasks = [
            asyncio.create_task(one()) for one in (self._talk, self._cut_some, self._pause_some)
        ]
        await self._break(time.monotonic() + self._options.seconds)
        for task in tasks:
            if task.done():
                task.result()
            task.cancel()
        await asyncio.wait(tasks)
        for one in self._paused:
            one.resume()
        await self._until(lambda: all(one.is_joined for one in self._all()), "the last joins")
        return await self._verdict()

    def _all(self) -> list[Listener]:
        return [*self._cut, *self._paused, *self._witnesses]

    def _start_clients(self) -> None:
        random, options = self._random, self._options
        for number in range(options.clients):
            worker = self._workers[number % len(self._workers)]
            topics = random.sample(self._plain, min(3, len(self._plain)))
            name = f"client-{number}."
            self._cut.append(
                Listener(name, worker, topics, Random(f"{options.seed} {name}"), "/socket")
            )
        for worker in self._workers:
            for number, topic in enumerate(self._slow * SLOW_CLIENTS):
                name = f"slow-{worker.number}-{number}."
                self._paused.append(Listener(name, worker, [topic], random, "/slow"))
            name = f"{WITNESS}-{worker.number}."
            self._witnesses.append(
                Listener(name, worker, [*self._plain, *self._slow], random, "/socket")
            )
        for one in self._all():
            one.start()

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"after {PATIENCE:g} s: {what}") from None

    # What happens.

    async def _talk(self) -> None:
        began = time.monotonic()
        while True:
            due = (time.monotonic() - began) * self._options.rate - self._sent
            for _ in range(int(due)):
                self._sent += 1
                is_slow = self._random.random() < SLOW_PART
                one = self._random.choice(self._witnesses if is_slow else self._cut)
                topic = self._random.choice(self._slow if is_slow else [*one.topics])
                event = "say_to_others" if not is_slow and self._random.random() < 0.3 else "say"
                await one.say(topic, event, SLOW_SIZE if is_slow else 20)
            await asyncio.sleep(0.02)

    async def _cut_some(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            for one in self._cut:
                if self._random.random() < CUTS * 0.2:
                    one.cut()
                    self.faults["connections cut"] += 1

    async def _pause_some(self) -> None:
        while True:
            some = self._random.sample(self._paused, len(self._paused) // 2)
            for one in some:
                one.pause()
            self.faults["clients paused"] += len(some)
            await asyncio.sleep(self._random.uniform(10, 20))
            for one in some:
                one.resume()
            await asyncio.sleep(self._random.uniform(2, 5))

    async def _break(self, end: float) -> None:
        turn = 0
        while (left := end - time.monotonic()) > 0:
            pause = self._random.uniform(0.5, 1.5) * FAULT_EVERY
            await asyncio.sleep(min(pause, left))
            if pause >= left or self._setup.server is None:
                continue
            if turn % 2:
                self.faults["bus paused"] += 1
                await pause_store(self._setup.server)
            else:
                self.faults["bus restarted"] += 1
                await asyncio.to_thread(self._setup.server.restart)
            turn += 1

    # What came of it.

    async def _verdict(self) -> PlainVerdict:
        """Judge, again and again until all is as it should be, or the patience ends: frames and marks are still under way."""
        end = time.monotonic() + PATIENCE
        while True:
            states = {worker.number: await worker.state() for worker in self._workers}
            said = Counter[str]()
            for state in states.values():
                said.update(state["said"])
            accounts: dict[int, Any] = {
                number: state["accounts"] for number, state in states.items()
            }
            visits = [visit for one in self._all() for visit in one.visits]
            verdict = judge_plain(visits, accounts, said, WITNESS)
            if not verdict.wrong or time.monotonic() > end:
                return verdict
            await asyncio.sleep(0.5)
