"""What a message costs that several nodes hear, and what nodes cost that hear nothing.

One process publishes over an adapter, and n others hear it, without an endpoint. *Burst*: many messages in a loop. *One a
turn*: the publisher waits for a turn of its event loop after each message, as a server does between the messages of its
clients. *Idle*: the CPU of a node for each second in which nobody publishes.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import uvloop

from benchmarks.bus import bus
from benchmarks.measure import ROOT, with_descendants
from bennu.bus.address import adapter_for

from .nodes import cpu_seconds

__all__ = ["SIZES", "measure_fan", "table_of_fan"]

SIZES: Final = (1, 4, 16)
"""The numbers of nodes that hear."""

BURST: Final = 20_000
SINGLE: Final = 4_000
SILENCE: Final = 4.0

DATA: Final = b"x" * 200


async def hear(address: str) -> None:
    """Run a node that hears a topic, until its standard input ends. It says when it has heard all messages of a load."""
    adapter = adapter_for(address)
    heard = 0

    def receive(node: str, topic: str, data: bytes) -> None:
        nonlocal heard
        heard += 1
        if heard in (BURST, BURST + SINGLE):
            print(heard, flush=True)

    await adapter.start(receive, lambda loss: print(loss, file=sys.stderr))
    await adapter.subscribe(["fan"])
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await adapter.stop()


@contextmanager
def hearers(address: str, count: int) -> Generator[list[subprocess.Popen[str]], None, None]:
    """Run nodes that hear."""
    command = [sys.executable, "-m", "benchmarks.cluster.fan", address]
    pipe = subprocess.PIPE
    running = [
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        for _ in range(count)
    ]
    try:
        yield running
    finally:
        for one in running:
            one.communicate()


async def wait(running: list[subprocess.Popen[str]]) -> None:
    """Wait for a line of each node."""
    for one in running:
        assert one.stdout is not None
        assert await asyncio.to_thread(one.stdout.readline), "a node has ended"


async def publish(
    address: str, running: list[subprocess.Popen[str]], servers: list[int]
) -> dict[str, float]:
    """Publish, and return the microseconds of each process for each message."""
    await wait(running)
    adapter = adapter_for(address)
    await adapter.start(lambda *message: None, print)
    await adapter.confirm()
    nodes = [one.pid for one in running]
    brokers = [pid for server in servers for pid in with_descendants(server)]
    found: dict[str, float] = {}

    def spent() -> tuple[float, float, float]:
        return cpu_seconds([os.getpid()]), cpu_seconds(nodes) / len(nodes), cpu_seconds(brokers)

    for name, count in (("burst", BURST), ("single", SINGLE)):
        then = spent()
        for _ in range(count):
            await adapter.publish("fan", DATA)
            if name == "single":
                await asyncio.sleep(0)
        await wait(running)
        for who, before, after in zip(
            ("publisher", "hearer", "broker"), then, spent(), strict=True
        ):
            found[f"{name}: {who}"] = (after - before) / count * 1e6
    then, begun = spent(), time.monotonic()
    await asyncio.sleep(SILENCE)
    found["idle"] = (spent()[1] - then[1]) / (time.monotonic() - begun) * 1e6
    await adapter.stop()
    return found


def measure_fan(kind: str) -> dict[int, dict[str, float]]:
    """Return the figures of a bus, by the number of nodes that hear."""
    found = {}
    before = set(with_descendants(os.getpid()))
    with bus(kind) as address:
        servers = [pid for pid in with_descendants(os.getpid()) if pid not in before]
        for size in SIZES:
            with hearers(address, size) as running:
                found[size] = uvloop.run(publish(address, running, servers))
            print(f"fan {kind} {size}: {found[size]}", file=sys.stderr)
    return found


COLUMNS: Final = (
    "burst: publisher",
    "burst: broker",
    "single: publisher",
    "single: hearer",
    "single: broker",
    "idle",
)


def table_of_fan(found: dict[str, dict[int, dict[str, float]]]) -> str:
    """Return a table: one row for each bus and size."""
    head = "bus | nodes that hear | burst: publisher, µs | broker, µs | one a turn: publisher, µs"
    head += " | each hearer, µs | broker, µs | idle: each node, µs a second"
    lines = [f"| {head} |", "|---|---:|---:|---:|---:|---:|---:|---:|"]
    for kind, sizes in found.items():
        for size, one in sizes.items():
            # ipc:// has no broker.
            cells = [
                "" if kind == "ipc" and "broker" in name else f"{one[name]:,.1f}"
                for name in COLUMNS
            ]
            lines.append(f"| `{kind}://` | {size} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    uvloop.run(hear(sys.argv[1]))
