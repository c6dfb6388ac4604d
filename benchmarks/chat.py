"""The chat demo under load: many people in several rooms, on two workers.

    python -m benchmarks.chat                                   1,000 people in 20 rooms, for 10 minutes
    python -m benchmarks.chat --people 100 --rooms 5 --seconds 30

Each person writes once in 10 s, at a moment of their own. The numbers:

- delivery: from the push to the moment when the last person in the room has the message;
- reply: from the push to its reply;
- lost: messages that a person in the room did not get, or got twice;
- memory: the resident sets of the server's processes, at the start and at the end.

The clients run in this process. On a machine with two cores they take their part of the time that is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any, Final

from argon2 import PasswordHasher

from bennu.client import Client
from bennu.phoenix import token
from bennu.testing import running
from bennu_demos.chat.app import make
from bennu_demos.chat.login import SALT

EVERY: Final = 10.0
"""Seconds between two messages of a person."""

RUNNING: Final = re.compile(r"running on http://127\.0\.0\.1:(\d+)")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


async def enrol(database: Path, people: int, rooms: int, seconds: int) -> list[str]:
    """Make the rooms and the accounts, and return the tokens of the sockets."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    async with running(make(database, hasher=quick)) as endpoint:
        chat = endpoint.state
        for number in range(rooms):
            await chat.rooms.add_open(f"bench-{number}")
        tokens = []
        for number in range(people):
            person, _ = await chat.accounts.sign_up(f"Person {number}", "correct horse")
            data = [person.id, person.login_id, int(time.time()) + seconds]
            tokens.append(token.sign(chat.secret, SALT, data, max_age=seconds))
    return tokens


def memory_of(pid: int) -> dict[int, float]:
    """Return the megabytes of a process and of its children."""
    found = {}
    for one in (pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())):
        with suppress(FileNotFoundError):
            found[one] = int(Path(f"/proc/{one}/statm").read_text().split()[1]) * PAGE / 2**20
    return found


class Load:
    """The messages of a run: when each was sent, and who has it.

    Args:
        members: The number of people in each room.
    """

    def __init__(self, members: Counter[str]) -> None:
        self._members = members
        self.sent: dict[str, tuple[str, float]] = {}
        self.got: Counter[str] = Counter()
        self.last: dict[str, float] = {}
        self.replies: list[float] = []
        self.problems: Counter[str] = Counter()

    def heard(self, message: dict[str, Any]) -> None:
        """Note that somebody has got a message."""
        self.got[message["key"]] += 1
        self.last[message["key"]] = time.monotonic()

    async def say(self, name: str, channel: Any, key: str) -> None:
        """Send a message."""
        began = time.monotonic()
        self.sent[key] = (name, began)
        try:
            await channel.push(
                "message", {"body": "A message of a usual length, more or less.", "key": key}
            )
        except Exception as problem:  # noqa: BLE001 - the run goes on, and counts it
            self.problems[type(problem).__name__] += 1
        else:
            self.replies.append(time.monotonic() - began)

    def is_complete(self) -> bool:
        """Return whether everybody has every message."""
        return all(self.got[key] >= self._members[name] for key, (name, _) in self.sent.items())

    def report(self) -> None:
        """Print the numbers."""
        lost = sum(abs(self._members[name] - self.got[key]) for key, (name, _) in self.sent.items())
        delivery = [
            self.last[key] - began for key, (_, began) in self.sent.items() if key in self.last
        ]
        for name, seconds in (("delivery", delivery), ("reply", self.replies)):
            cuts = quantiles(seconds, n=1000)
            print(
                f"{name:9} p50 {cuts[499] * 1e3:8.1f} ms   p99 {cuts[989] * 1e3:8.1f} ms   "
                f"max {max(seconds) * 1e3:8.1f} ms"
            )
        copies = sum(self._members[name] for name, _ in self.sent.values())
        print(f"lost      {lost} of {copies:,} copies of {len(self.sent):,} messages")
        if self.problems:
            print(f"problems  {dict(self.problems)}")


async def run(options: argparse.Namespace, port: int, tokens: list[str], pid: int) -> None:
    """Connect the people, let them write, and report."""
    names = [f"bench-{number % options.rooms}" for number in range(options.people)]
    load = Load(Counter(names))
    random = Random(options.seed)
    async with AsyncExitStack() as stack:
        channels = []
        for name, signed in zip(names, tokens, strict=True):
            client = Client(f"ws://127.0.0.1:{port}/socket", auth_token=signed, timeout=60)
            await stack.enter_async_context(client)
            channel = client.channel(f"room:{name}")
            channel.on("message", load.heard)
            await channel.join()
            channels.append(channel)
        before = memory_of(pid)
        print(f"{len(channels):,} people in {options.rooms} rooms", flush=True)
        end = time.monotonic() + options.seconds

        async def write(number: int) -> None:
            at = time.monotonic() + random.uniform(0, EVERY)
            count = 0
            while at < end:
                await asyncio.sleep(at - time.monotonic())
                await load.say(names[number], channels[number], f"bench-{number:06}-{count:06}")
                at, count = at + EVERY, count + 1

        await asyncio.gather(*(write(number) for number in range(options.people)))
        with suppress(TimeoutError):
            async with asyncio.timeout(30):
                while not load.is_complete():  # noqa: ASYNC110 - nobody tells when the last copy has come
                    await asyncio.sleep(0.1)
        after = memory_of(pid)
    load.report()
    grown = ", ".join(f"{before.get(one, 0):.0f} to {now:.0f} MB" for one, now in after.items())
    print(f"memory    {grown}")


async def main(options: argparse.Namespace) -> None:
    """Start the chat, and load it."""
    with TemporaryDirectory(prefix="chat-") as folder:
        database = Path(folder) / "chat.db"
        tokens = await enrol(database, options.people, options.rooms, options.seconds + 3600)
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bennu", "run", "bennu_demos.chat.app:app", "--port", "0"),
            *("--workers", str(options.workers), "--no-access-log", "--log-level", "info"),
            env={
                **os.environ,
                "CHAT_DATABASE": str(database),
                "CHAT_PER_ADDRESS": str(2 * options.people),
                "CHAT_HOSTS": "127.0.0.1",
            },
            stderr=asyncio.subprocess.PIPE,
        )
        assert server.stderr is not None
        try:
            async for line in server.stderr:
                if found := RUNNING.search(line.decode()):
                    break
            else:
                raise SystemExit("the server did not start")
            reading = asyncio.create_task(server.stderr.read())
            await run(options, int(found[1]), tokens, server.pid)
        finally:
            if server.returncode is None:
                server.terminate()
                await server.wait()
        for logged in (await reading).decode().splitlines():
            if "ERROR" in logged:
                print(logged)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--rooms", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(main(parser.parse_args()))
