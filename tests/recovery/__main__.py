"""Cuts connections, kills nodes and restarts the store, while clients talk in topics with history.

    scripts/recovery                            # all stores, two minutes each
    scripts/recovery redis --seed 7 --seconds 30
    scripts/recovery --clients 100 --topics 10 --rate 50
    scripts/recovery redis --phoenix phoenix --phoenix phoenix-1.7   # pages with stock clients, in Node
    scripts/recovery redis --plain              # topics without history: the accounts name every loss

Connections are cut at random all the time. Every few seconds a node is killed and started again, or the server of the store
is restarted or paused. At the end everything comes to rest. Then each client must have taken every entry of its topics,
once and in order, without its own. ``recovered: false`` is allowed only if the store itself has lost its log: a store in
memory with its node, or a Redis that is not trusted after a restart. Every message that was confirmed must have been seen.

The exit status is 0 if all this is so.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

from ..faults.fleet import Worker
from .faults import CUTS, FAULT_EVERY, pause_store
from .page import LAST, Page
from .plain_run import PlainRun
from .proxy import Proxy
from .record import Verdict, judge
from .stores import STORES, StoreSetup
from .talkers import Talkers

__all__ = ["main"]

TOPICS_EACH: Final = 3
"""Topics of each client."""

PATIENCE: Final = 40.0
"""Seconds within which everything comes to rest."""

BACKLOG: Final = 120.0
"""Seconds within which a slow store has appended what was said."""


class Run:
    """One run on one store.

    Args:
        setup: The store, which runs.
        options: The command line.
    """

    def __init__(self, setup: StoreSetup, options: argparse.Namespace) -> None:
        self._setup = setup
        self._options = options
        self._random = Random(options.seed)
        self._topics = [f"room:{number}" for number in range(options.topics)]
        self._workers = setup.workers()
        self._pages: list[Page] = []
        self._groups: list[Talkers] = []
        self._speakers: list[tuple[Talkers, str, str]] = []
        self._proxy = Proxy(lambda: self._living().port, self._random)
        self._last: Page | None = None
        self._confirmed: dict[str, str] = {}
        self._own: dict[str, str] = {}
        self._said = 0
        self.faults: Counter[str] = Counter()

    async def run(self) -> Verdict:
        """Run it all, and judge."""
        try:
            return await self._run()
        finally:
            await asyncio.gather(*[one.stop() for one in self._all()])
            await self._proxy.stop()
            await asyncio.gather(
                *[worker.stop() for worker in self._workers if not worker.is_killed]
            )

    async def _run(self) -> Verdict:
        await asyncio.gather(*[worker.start() for worker in self._workers])
        await self._start_clients()
        last = self._last = self._page("last", self._topics)
        await self._until(lambda: all(one.is_joined for one in self._all()), "join")
        chaos = [asyncio.create_task(one()) for one in (self._talk, self._cut)]
        await self._break(time.monotonic() + self._options.seconds)
        for task in chaos:
            if task.done():
                task.result()
            task.cancel()
        await asyncio.wait(chaos)
        await asyncio.gather(*[worker.until_ready() for worker in self._workers])
        await self._until(lambda: all(one.is_joined for one in self._all()), "the last join")
        await self._come_to_rest(last)
        records = [record for one in self._all() for record in one.records]
        return judge(records, last.heads(), self._confirmed, self._own)

    async def _come_to_rest(self, last: Page) -> None:
        """Say a last message in each topic, and wait until all have taken it.

        A slow store still has messages to append that were said before. What comes behind a last message needs another one.
        """
        end = time.monotonic() + BACKLOG
        while True:
            for topic in self._topics:
                while not await last.say_last(topic):
                    await asyncio.sleep(0.2)
            try:
                await self._until(
                    lambda: all(one.is_at_end for one in self._all()), "the last message"
                )
            except AssertionError:
                if time.monotonic() > end:
                    raise
            else:
                return

    async def _start_clients(self) -> None:
        names = [
            (
                f"client-{number}",
                self._random.sample(self._topics, min(TOPICS_EACH, len(self._topics))),
            )
            for number in range(self._options.clients)
        ]
        packages = self._options.phoenix
        if not packages:
            self._pages = [self._page(name, topics) for name, topics in names]
            return
        url = await self._proxy.start()
        for number, package in enumerate(packages):
            pages = names[number :: len(packages)]
            group = Talkers(package, pages, LAST)
            self._groups.append(group)
            self._speakers += [(group, name, topic) for name, topics in pages for topic in topics]
            await group.start(url)

    def _all(self) -> list[Page | Talkers]:
        return [*self._pages, *self._groups, *([] if self._last is None else [self._last])]

    def _page(self, name: str, topics: list[str]) -> Page:
        page = Page(
            name, topics, lambda: self._living().url, Random(f"{self._options.seed} {name}")
        )
        page.start()
        return page

    def _living(self) -> Worker:
        living = [worker for worker in self._workers if not worker.is_killed]
        return self._random.choice(living or self._workers)

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                late = [page.state() for page in self._pages if not page.is_at_end][:5]
                logs = "\n".join(
                    f"node {one.number}: {line}"
                    for one in self._workers
                    for line in one.lines[-15:]
                )
                raise AssertionError(f"not at rest after {PATIENCE:g} s: {what}; {late}\n{logs}")
            await asyncio.sleep(0.1)

    # The load and the faults.

    async def _talk(self) -> None:
        began = time.monotonic()
        while True:
            due = (time.monotonic() - began) * self._options.rate - self._said
            for _ in range(int(due)):
                await self._say()
            await asyncio.sleep(0.02)

    async def _say(self) -> None:
        self._said += 1
        message = f"m{self._said}"
        event = "say_to_others" if self._random.random() < 0.3 else "say"
        if self._speakers:
            group, name, topic = self._random.choice(self._speakers)
            await group.say(name, topic, event, message, self._note(name, topic, event, message))
            return
        page = self._random.choice(self._pages)
        chosen = page.choose()
        if chosen is not None:
            done = self._note(page.name, chosen, event, message)
            await page.say(chosen, event, message, done)

    def _note(self, name: str, topic: str, event: str, message: str) -> Callable[[bool], object]:
        """Note who says what. Return what is called when the node has answered."""
        if event == "say_to_others":
            self._own[message] = name

        def done(is_ok: bool) -> None:
            if is_ok:
                self._confirmed[message] = topic

        return done

    async def _cut(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            self.faults["connections cut"] += self._proxy.cut(CUTS * 0.2)
            for page in self._pages:
                if self._random.random() < CUTS * 0.2:
                    page.cut()
                    self.faults["connections cut"] += 1

    async def _break(self, end: float) -> None:
        """Break something, and mend it, again and again until a time."""
        kinds: list[Callable[[], Awaitable[None]]] = [self._kill_node]
        if self._setup.server is not None:
            kinds += [self._restart_store, self._pause_store]
        turn = 0
        while (left := end - time.monotonic()) > 0:
            pause = self._random.uniform(0.5, 1.5) * FAULT_EVERY
            await asyncio.sleep(min(pause, left))
            if pause < left:
                await kinds[turn % len(kinds)]()
                turn += 1

    async def _kill_node(self) -> None:
        worker = self._random.choice(self._workers)
        worker.kill()
        self.faults["nodes killed"] += 1
        await asyncio.sleep(self._random.uniform(0.2, 2.0))
        await worker.start_again()

    async def _restart_store(self) -> None:
        self.faults["store restarted"] += 1
        await asyncio.to_thread(self._setup.server.restart)

    async def _pause_store(self) -> None:
        self.faults["store paused"] += 1
        await pause_store(self._setup.server)


def main() -> None:
    """Run the chosen stores, and print a table."""
    parser = argparse.ArgumentParser(
        prog="scripts/recovery", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("stores", nargs="*", metavar="STORE", help=", ".join(STORES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--topics", type=int, default=50)
    parser.add_argument("--rate", type=int, default=200, help="messages a second")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument(
        "--phoenix",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="clients with this npm package, in Node",
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="topics without history: does the accounting name every loss?",
    )
    options = parser.parse_args()
    unknown = [name for name in options.stores if name not in STORES]
    if unknown:
        parser.error(f"no such store: {', '.join(unknown)}; the stores are {', '.join(STORES)}")
    if options.plain:
        raise SystemExit(_run_plainly(options))
    failed = False
    print("| store | faults | confirmed | entries | taken | recovered | not recovered | |")
    print("|---|---|---:|---:|---:|---:|---|---|", flush=True)
    for name in options.stores or STORES:
        print(f"{name} …", file=sys.stderr, flush=True)
        with STORES[name]() as setup:
            run = Run(setup, options)
            verdict = asyncio.run(run.run())
        missed = {reason: count for reason, count in verdict.missed.items() if reason != "new"}
        if missed and not setup.may_lose:
            verdict.wrong.append(f"clients were told that entries are lost: {missed}")
        failed = failed or bool(verdict.wrong)
        print(
            f"| {name} | {_words(run.faults)} | {verdict.published:,} | {verdict.entries:,} | {verdict.taken:,}"
            f" | {verdict.recovered:,} | {_words(missed) or '0'} | {'wrong' if verdict.wrong else 'as promised'} |",
            flush=True,
        )
        for sentence in verdict.wrong[:20]:
            print(f"  {sentence}", file=sys.stderr, flush=True)
    raise SystemExit(failed)


def _run_plainly(options: argparse.Namespace) -> bool:
    """Run without history, and print a table. Return whether something is wrong."""
    failed = False
    print(
        "| bus | faults | said | lost by the bus | due | own | dropped | delivered | taken | lost by cuts | |"
    )
    print("|---|---|---:|---:|---:|---:|---|---:|---:|---:|---|", flush=True)
    for name in options.stores or ("redis", "postgresql", "sqlite", "jetstream"):
        with STORES[name]() as setup:
            run = PlainRun(setup, options)
            verdict = asyncio.run(run.run())
        failed = failed or bool(verdict.wrong)
        print(
            f"| {setup.pubsub.partition('://')[0]} | {_words(run.faults)} | {verdict.said:,} | {verdict.lost:,} | {verdict.due:,}"
            f" | {verdict.own:,} | {_words(verdict.dropped) or '0'} | {verdict.delivered:,} | {verdict.taken:,}"
            f" | {verdict.in_flight:,} | {'wrong' if verdict.wrong else 'all named'} |",
            flush=True,
        )
        for sentence in verdict.wrong[:20]:
            print(f"  {sentence}", file=sys.stderr, flush=True)
    return failed


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items())


if __name__ == "__main__":
    main()
