"""What a message over ``ipc://`` costs, beside the same bytes over a raw socketpair.

    python -m benchmarks.bus            # a table, in about half a minute
    python -m benchmarks.bus --loop uvloop --size 1000

Two processes: one publishes, the other one hears. CPU is user and system time of one process, per message. A *hop* is
half of the time in which a message goes to the other process and comes back, with nothing else to do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from bennu.bus import IPCAdapter

BURST = 100_000
PINGS = 5_000
RAW_BATCH = 200


def cpu() -> float:
    """Return the CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# The bus.


async def hear(directory: str, _: int) -> None:
    """Run the process that hears."""
    adapter = IPCAdapter(directory, "hearer")
    done = asyncio.Event()
    begun = 0.0
    answers: set[asyncio.Task[Any]] = set()

    def receive(node: str, topic: str, data: bytes) -> None:
        nonlocal begun
        match topic:
            case "ping":
                task = asyncio.ensure_future(adapter.publish("pong", data))
                answers.add(task)
                task.add_done_callback(answers.discard)
            case "begin":
                begun = cpu()
            case "end":
                print(json.dumps(cpu() - begun), flush=True)
            case "stop":
                done.set()

    await adapter.start(receive, print)
    await adapter.subscribe(["burst", "ping", "begin", "end", "stop"])
    print("ready", flush=True)
    await done.wait()
    await adapter.stop()


async def measure_bus(loop: str, size: int) -> dict[str, float]:
    """Return the cost of publishing to one process that hears."""
    with tempfile.TemporaryDirectory(prefix="bennu-") as directory:
        path = str(Path(directory) / "bus")
        command = ["-m", "benchmarks.bus", "--hear", path, "--loop", loop]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        await process.stdout.readline()
        adapter = IPCAdapter(path, "publisher")
        pong = asyncio.Event()
        await adapter.start(lambda *message: pong.set(), print)
        await adapter.subscribe(["pong"])
        data = b"x" * size

        begun = cpu()
        for _ in range(BURST):
            await adapter.publish("nobody", data)
        unheard = cpu() - begun

        await adapter.publish("begin", b"")
        begun, start = cpu(), time.perf_counter()
        for _ in range(BURST):
            await adapter.publish("burst", data)
        await adapter.confirm()
        took, used = time.perf_counter() - start, cpu() - begun
        await adapter.publish("end", b"")
        hearer = float(await process.stdout.readline())

        await adapter.publish("begin", b"")
        begun = cpu()
        for _ in range(BURST // 10):
            await adapter.publish("burst", data)
            await asyncio.sleep(0)
        await adapter.confirm()
        single = cpu() - begun
        await adapter.publish("end", b"")
        single_hearer = float(await process.stdout.readline())

        hops = []
        for _ in range(PINGS):
            pong.clear()
            start = time.perf_counter()
            await adapter.publish("ping", data)
            await pong.wait()
            hops.append((time.perf_counter() - start) / 2)
        await adapter.publish("stop", b"")
        await adapter.stop()
        await process.wait()
    return {
        "nobody hears: µs": unheard / BURST * 1e6,
        "burst: publisher µs": used / BURST * 1e6,
        "burst: hearer µs": hearer / BURST * 1e6,
        "burst: messages/s": BURST / took,
        "one a turn: publisher µs": single / (BURST // 10) * 1e6,
        "one a turn: hearer µs": single_hearer / (BURST // 10) * 1e6,
        **percentiles(hops),
    }


# The same bytes over a socketpair, with blocking calls and nothing else: the floor.


def measure_raw(size: int) -> dict[str, float]:
    """Return the cost of the same bytes over a socketpair."""
    ours, theirs = socket.socketpair()
    frame = b"x" * (size + 12)
    child = os.fork()
    if child == 0:
        ours.close()
        raw_hear(theirs, len(frame))
        os._exit(0)
    theirs.close()

    def burst(data: bytes, count: int) -> tuple[float, float]:
        begun = cpu()
        for _ in range(count):
            ours.sendall(data)
        answer = json.loads(ours.recv(100))
        return cpu() - begun, answer

    batched = burst(frame * RAW_BATCH, BURST // RAW_BATCH)
    single = burst(frame, BURST)
    hops = []
    for _ in range(PINGS):
        start = time.perf_counter()
        ours.sendall(frame)
        ours.recv(1 << 16)
        hops.append((time.perf_counter() - start) / 2)
    ours.close()
    os.waitpid(child, 0)
    return {
        "burst: publisher µs": batched[0] / BURST * 1e6,
        "burst: hearer µs": batched[1] / BURST * 1e6,
        "one a turn: publisher µs": single[0] / BURST * 1e6,
        "one a turn: hearer µs": single[1] / BURST * 1e6,
        **percentiles(hops),
    }


def raw_hear(connection: socket.socket, length: int) -> None:
    """Run the other end of the socketpair."""
    for _ in range(2):
        begun, left = cpu(), BURST * length
        while left:
            left -= len(connection.recv(1 << 16))
        connection.sendall(json.dumps(cpu() - begun).encode())
    while data := connection.recv(1 << 16):
        connection.sendall(data)


def percentiles(hops: list[float]) -> dict[str, float]:
    """Return the median and the 99th percentile, in microseconds."""
    quantiles = statistics.quantiles(hops, n=100)
    return {"hop: p50 µs": quantiles[49] * 1e6, "hop: p99 µs": quantiles[98] * 1e6}


def table(columns: dict[str, dict[str, float]]) -> str:
    """Return a Markdown table."""
    rows = list(dict.fromkeys(row for column in columns.values() for row in column))
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in rows:
        cells = [
            f"{column[row]:,.0f}"
            if column.get(row, 0) >= 1000
            else f"{column[row]:.2f}"
            if row in column
            else ""
            for column in columns.values()
        ]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, or be the process that hears."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", choices=["asyncio", "uvloop"])
    parser.add_argument("--size", type=int, default=200, help="bytes of a message; default 200")
    parser.add_argument("--hear", metavar="DIRECTORY", help=argparse.SUPPRESS)
    options = parser.parse_args()
    runs: dict[str, Callable[[Coroutine[Any, Any, Any]], Any]] = {
        "asyncio": asyncio.run,
        "uvloop": uvloop.run,
    }
    if options.hear:
        runs[options.loop](hear(options.hear, options.size))
        return
    columns = {"raw socketpair": measure_raw(options.size)}
    for name in [options.loop] if options.loop else runs:
        columns[f"ipc://, {name}"] = runs[name](measure_bus(name, options.size))
    print(table(columns))


if __name__ == "__main__":
    main()
