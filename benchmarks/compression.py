"""Measures what compression costs and saves: a compressed and an uncompressed broadcast on the same server.

    python -m benchmarks.compression [--conns 1000] [--sizes 1000 2000] [--runs 5]

For each size of message, the program measures a delivery with and without compression: CPU time of the server
and bytes on the wire. It also estimates the least cost of a delivery if each connection had its own
compressor, which is one more call of zlib.
"""

import argparse
import json
import random
import selectors
import shlex
import socket
import sys
import time
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from statistics import median

from benchmarks.measure import running, scheduled

BENNU = f"{shlex.quote(sys.executable)} -m bennu run benchmarks.endpoint:endpoint --port {{port}} --log-level warning"
MASK = b"\0\0\0\0"
PATIENCE = 30.0
WORDS = (  # noqa: SIM905 - a list would fill half of the file
    "the of and a to in is you that it he was for on are as with his they at be this have from or one had by"
    " word but not what all were we when your can said there use an each which she do how their if will up"
).split()


def message(size: int) -> bytes:
    """Return a broadcast like that of a chat: half text, half JSON around the text."""
    rng = random.Random(size)
    rows: list[dict[str, object]] = []
    while len(json.dumps(rows)) < size:
        said = " ".join(rng.choice(WORDS) for _ in range(rng.randrange(3, 30)))
        rows.append({"id": rng.randrange(10**9), "author": rng.choice(WORDS), "said": said})
    payload = {"t": "0", "body": json.dumps(rows)}
    return json.dumps(["1", None, "room:1", "new_msg", payload], separators=(",", ":")).encode()


class Member:
    """A joined connection that counts received bytes."""

    def __init__(self, port: int, path: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(
            f"GET {path}/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n".encode()
        )
        self._expect(b"\r\n\r\n")
        self.send(b'["1","1","room:1","phx_join",{}]')
        self._expect(b'"response":{}}]')
        self.socket.setblocking(False)
        self.received = 0

    def _expect(self, end: bytes) -> None:
        got = b""
        while not got.endswith(end):
            more = self.socket.recv(4096)
            assert more, got
            got += more

    def send(self, data: bytes) -> None:
        head = bytes((0x81, 0xFE)) + len(data).to_bytes(2, "big")
        if len(data) < 126:
            head = bytes((0x81, 0x80 | len(data)))
        self.socket.sendall(head + MASK + data)

    def take(self) -> None:
        """Read and count all bytes that have arrived."""
        try:
            while data := self.socket.recv(1 << 18):
                self.received += len(data)
        except BlockingIOError:
            return
        raise ConnectionError("the server has closed a connection")


@contextmanager
def crowd(port: int, path: str, count: int) -> Generator[list[Member], None, None]:
    members = [Member(port, path) for _ in range(count)]
    try:
        yield members
    finally:
        for member in members:
            member.socket.close()


def deliver(members: list[Member], data: bytes, rounds: int) -> int:
    """Broadcast `rounds` times, each time after all members got the last one; return the bytes of a delivery."""
    with selectors.DefaultSelector() as selector:
        for member in members:
            selector.register(member.socket, selectors.EVENT_READ, member)
            member.received = 0
        members[0].send(data)
        wait(selector, members, lambda: members[0].received > 0)
        size = members[0].received
        for number in range(1, rounds + 1):
            wait(selector, members, lambda: all(m.received == size * number for m in members))  # noqa: B023
            if number < rounds:
                members[0].send(data)
    return size


def wait(
    selector: selectors.BaseSelector, members: list[Member], condition: Callable[[], bool]
) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        for key, _ in selector.select(timeout=1):
            key.data.take()
        if time.monotonic() > deadline:
            counts = {member.received for member in members}
            raise TimeoutError(f"messages were lost: {sorted(counts)}")


def compressor_cost(data: bytes) -> float:
    """Return the CPU microseconds that an existing compressor takes for a message."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
    times = []
    for _ in range(20):
        begun = time.process_time()
        for _ in range(100):
            compressor.compress(data)
            compressor.flush(zlib.Z_FULL_FLUSH)
        times.append((time.process_time() - begun) * 1e6 / 100)
    return median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--conns", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 2000, 8000])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    print(
        "| message | bytes of a delivery | CPU of a delivery | with a compressor each, at least |"
    )
    print("|---|---|---|---|")
    with running(BENNU, 0) as (port, pids):
        for size in options.sizes:
            report(port, pids, size, options)


def report(port: int, pids: list[int], size: int, options: argparse.Namespace) -> None:
    data = message(size)
    costs: dict[str, list[float]] = {"/socket": [], "/deflate": []}
    sizes: dict[str, int] = {}
    for run in range(options.runs):
        for path, found in costs.items():
            with crowd(port, path, options.conns) as members:
                deliver(members, data, 3)
                begun, _ = scheduled(pids)
                sizes[path] = deliver(members, data, options.rounds)
                spent = scheduled(pids)[0] - begun
            found.append(spent * 1e6 / options.rounds / options.conns)
            print(f"  {size} {path} run {run + 1}: {found[-1]:.2f} us", file=sys.stderr)
    plain, packed = (median(found) for found in costs.values())
    each = plain + compressor_cost(data)
    print(
        f"| {sizes['/socket']:,} bytes | {sizes['/deflate'] / sizes['/socket']:.2f} x"
        f" | {packed / plain:.2f} x | {each / plain:.1f} x |"
    )


if __name__ == "__main__":
    main()
