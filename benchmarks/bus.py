"""What a message over a bus costs, beside the same bytes over a raw socketpair.

    python -m benchmarks.bus                                # ipc://, a table, in about half a minute
    python -m benchmarks.bus --bus redis --bus redis+cluster --bus nats --bus postgresql
    python -m benchmarks.bus --bus redis://cache:6379 --loop uvloop --size 1000

Two processes: one publishes, the other one hears. CPU is user and system time of one process, per message. A *hop* is
half of the time in which a message goes to the other process and comes back, with nothing else to do. A bus without an
address is started for the measurement: its servers are those of tests/support/brokers, on this host. Their CPU is
shown too, as far as they are children of this process.
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
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import uvloop

from bennu.bus import Loss
from bennu.bus.address import adapter_for, without_password
from tests.support.brokers.nats import nats_cluster, nats_server
from tests.support.brokers.postgresql import postgresql
from tests.support.brokers.redis import redis_cluster, redis_sentinels, redis_server

BURST = 100_000
PINGS = 5_000
RAW_BATCH = 200
TICKS: Final = os.sysconf("SC_CLK_TCK")


@contextmanager
def bus(name: str) -> Iterator[str]:
    """Run a bus, and yield its address. A name that is an address is yielded as it is."""
    with tempfile.TemporaryDirectory(prefix="bennu-") as directory:
        match name:
            case "ipc":
                yield f"ipc://{directory}/bus"
            case "redis":
                with redis_server() as server:
                    yield server.address
            case "redis+sentinel":
                with redis_sentinels() as sentinels:
                    yield sentinels.address
            case "redis+cluster":
                with redis_cluster() as cluster:
                    yield cluster.address
            case "nats":
                with nats_server(Path(directory)) as nats:
                    yield nats.address
            case "nats+cluster":
                with nats_cluster(Path(directory)) as servers:
                    yield servers.address
            case "postgresql":
                with postgresql() as database:
                    yield database.address
            case _:
                yield name


def cpu() -> float:
    """Return the CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cpu_of_children(*but: int) -> float:
    """Return the CPU seconds of all processes that this process has started, but some, and that live."""
    parents: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = Path(f"/proc/{name}/stat").read_text()
            except OSError:
                continue  # it has ended
            fields = stat.rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(name))
            seconds[int(name)] = (int(fields[11]) + int(fields[12])) / TICKS
    found, total = [os.getpid()], 0.0
    while found:
        children = [one for one in parents.get(found.pop(), []) if one not in but]
        found += children
        total += sum(seconds[one] for one in children)
    return total


# The bus.


async def hear(address: str) -> None:
    """Run the process that hears. It counts the messages of a burst, and says what they have cost."""
    adapter = adapter_for(address, "hearer")
    done = asyncio.Event()
    begun, left = 0.0, 0
    answers: set[asyncio.Task[Any]] = set()

    def answer(topic: str, data: bytes) -> None:
        task = asyncio.ensure_future(adapter.publish(topic, data))
        answers.add(task)
        task.add_done_callback(answers.discard)

    def receive(node: str, topic: str, data: bytes) -> None:
        match topic:
            case "burst":
                count(1)
            case "ping":
                answer("pong", data)
            case "begin":
                nonlocal begun, left
                begun, left = cpu(), int(data)
                answer("pong", data)
            case "stop":
                done.set()

    def count(messages: int) -> None:
        nonlocal left
        left -= messages
        if left == 0:
            print(json.dumps(cpu() - begun), flush=True)

    def lost(loss: Loss) -> None:
        print(loss, file=sys.stderr)
        count(loss.count or 0)

    await adapter.start(receive, lost)
    await adapter.subscribe(["burst", "ping", "begin", "stop"])
    print("ready", flush=True)
    await done.wait()
    await adapter.stop()


async def measure_bus(address: str, loop: str, size: int) -> dict[str, float]:
    """Return the cost of publishing to one process that hears."""
    command = ["-m", "benchmarks.bus", "--hear", address, "--loop", loop]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    adapter = adapter_for(address, "publisher")
    pong = asyncio.Event()
    await adapter.start(lambda *message: pong.set(), print)
    await adapter.subscribe(["pong"])
    data = b"x" * size
    await adapter.confirm()

    async def call(topic: str, content: bytes) -> None:
        pong.clear()
        await adapter.publish(topic, content)
        await pong.wait()

    async def burst(count: int, *, alone: bool) -> tuple[float, float, float, float]:
        """Return the seconds, and the CPU of the publisher, the hearer and the broker."""
        stdout = process.stdout
        assert stdout is not None
        await call("begin", b"%d" % count)
        broker = cpu_of_children(process.pid)
        begun, start = cpu(), time.perf_counter()
        for _ in range(count):
            await adapter.publish("burst", data)
            if alone:
                await asyncio.sleep(0)
        await adapter.confirm()
        used = cpu() - begun
        hearer = float(await stdout.readline())
        took = time.perf_counter() - start
        return took, used, hearer, cpu_of_children(process.pid) - broker

    begun = cpu()
    for _ in range(BURST):
        await adapter.publish("nobody", data)
    await adapter.confirm()
    unheard = cpu() - begun
    together = await burst(BURST, alone=False)
    single = await burst(BURST // 10, alone=True)
    hops = []
    for _ in range(PINGS):
        start = time.perf_counter()
        await call("ping", data)
        hops.append((time.perf_counter() - start) / 2)
    await adapter.publish("stop", b"")
    await adapter.stop()
    await process.wait()
    results = {"nobody hears: µs": unheard / BURST * 1e6}
    for name, count, values in (("burst", BURST, together), ("one a turn", BURST // 10, single)):
        for who, seconds in zip(("publisher", "hearer", "broker"), values[1:], strict=True):
            if who != "broker" or seconds:
                results[f"{name}: {who} µs"] = seconds / count * 1e6
    return {**results, "burst: messages/s": BURST / together[0], **percentiles(hops)}


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
    parser.add_argument(
        "--bus",
        action="append",
        help="ipc, redis, redis+sentinel, redis+cluster, nats, nats+cluster, postgresql, or an address; default ipc",
    )
    parser.add_argument("--hear", metavar="ADDRESS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    runs: dict[str, Callable[[Coroutine[Any, Any, Any]], Any]] = {
        "asyncio": asyncio.run,
        "uvloop": uvloop.run,
    }
    if options.hear:
        runs[options.loop](hear(options.hear))
        return
    columns = {"raw socketpair": measure_raw(options.size)}
    for kind in options.bus or ["ipc"]:
        shown = f"{kind}://" if "://" not in kind else without_password(kind)
        for name in [options.loop] if options.loop else runs:
            with bus(kind) as address:
                columns[f"{shown}, {name}"] = runs[name](measure_bus(address, name, options.size))
    print(table(columns))


if __name__ == "__main__":
    main()
