"""What a message of a publisher costs over ``ipc://``: one thread publishes, another process hears.

    python -m benchmarks.publisher          # a table, in some seconds

*Confirmed*: each call waits until the other process has the message. *Unconfirmed*: ``confirm=False`` for all, and one
``confirm()`` at the end.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

from bennu import BlockingPublisher, Publisher
from bennu.bus import IPCAdapter
from bennu.pubsub.envelope import TOPICS

COUNT = 5_000
PAYLOAD = {"text": "x" * 150}
RUNS = 3


def cpu() -> float:
    """Return the CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def hear(directory: str, ready: Any, end: Any) -> None:
    """Run the process that hears."""

    async def run() -> None:
        adapter = IPCAdapter(directory, "hearer")
        await adapter.start(lambda node, topic, data: None, lambda loss: None)
        await adapter.subscribe([TOPICS + "room:1"])
        ready.set()
        await asyncio.to_thread(end.wait)
        await adapter.stop()

    asyncio.run(run())


async def publish(address: str, *, confirm: bool) -> None:
    """Publish with the asynchronous publisher."""
    async with Publisher(address) as publisher:
        for _ in range(COUNT):
            await publisher.broadcast("room:1", "news", PAYLOAD, confirm=confirm)


def publish_blocking(address: str, *, confirm: bool) -> None:
    """Publish with the blocking publisher."""
    with BlockingPublisher(address) as publisher:
        for _ in range(COUNT):
            publisher.broadcast("room:1", "news", PAYLOAD, confirm=confirm)


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Return the median microseconds of time and CPU for a message."""
    times, costs = [], []
    for _ in range(RUNS):
        begun, used = time.perf_counter(), cpu()
        work()
        times.append((time.perf_counter() - begun) / COUNT * 1e6)
        costs.append((cpu() - used) / COUNT * 1e6)
    return statistics.median(times), statistics.median(costs)


def main() -> None:
    """Print the table."""
    context = multiprocessing.get_context("spawn")
    ready, end = context.Event(), context.Event()
    with tempfile.TemporaryDirectory(prefix="bennu-") as directory:
        hearer = context.Process(target=hear, args=(directory, ready, end))
        hearer.start()
        ready.wait()
        address = f"ipc://{directory}"
        print("| | µs a message | CPU of the publisher, µs |\n|---|---|---|")
        for name, confirm in (("confirmed", True), ("unconfirmed", False)):
            for kind, work in (
                (
                    "Publisher",
                    lambda confirm=confirm: asyncio.run(publish(address, confirm=confirm)),
                ),
                (
                    "BlockingPublisher",
                    lambda confirm=confirm: publish_blocking(address, confirm=confirm),
                ),
            ):
                spent, cost = measure(work)
                print(f"| `{kind}`, {name} | {spent:,.0f} | {cost:,.0f} |")
        end.set()
        hearer.join()


if __name__ == "__main__":
    main()
