"""A node that is a process: ``python -m tests.bus.ipc.node DIRECTORY NAME MAX_QUEUE PATIENCE``.

It reads commands from its standard input, a list of a name and arguments as JSON in each line, and answers each with a
line of JSON. Messages are numbers: what it hears is a list of numbers by topic.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import defaultdict
from typing import Any

from bennu.bus import IPCAdapter, Loss
from bennu.errors import NotStarted

__all__: list[str] = []


class Node:
    """The node, and its commands."""

    def __init__(self, adapter: IPCAdapter) -> None:
        self.adapter = adapter
        self.heard: defaultdict[str, list[int]] = defaultdict(list)
        self.losses: list[list[Any]] = []
        self.published = 0

    def receive(self, node: str, topic: str, data: bytes) -> None:
        self.heard[topic].append(int(data.split()[0]))

    def lost(self, loss: Loss) -> None:
        self.losses.append([loss.node, loss.topic, loss.count, loss.reason.text])

    async def start(self) -> None:
        await self.adapter.start(self.receive, self.lost)

    async def subscribe(self, *topics: str) -> None:
        await self.adapter.subscribe(topics)

    async def publish(self, topic: str, count: int, size: int = 0) -> None:
        """Publish numbers that continue those before."""
        for _ in range(count):
            self.published += 1
            await self.adapter.publish(topic, b"%d " % self.published + b"x" * size)

    async def confirm(self) -> None:
        await self.adapter.confirm()

    async def state(self) -> dict[str, Any]:
        nodes = sorted(self.adapter.nodes())
        return {"heard": self.heard, "losses": self.losses, "nodes": nodes}

    async def stop(self) -> None:
        await self.adapter.stop()

    async def fork(self) -> dict[str, Any]:
        """Make a child that lives until it is killed. Say how a call ends in the child."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                self.adapter.nodes()
                text = "no error"
            except NotStarted as error:
                text = str(error)
            os.write(write, text.encode())
            os.closerange(0, 3)  # whoever waits for the parent waits for these
            os.close(write)
            signal.alarm(60)  # a test that fails does not kill it
            signal.pause()
        os.close(write)
        said = b""
        while part := os.read(read, 4096):
            said += part
        os.close(read)
        return {"child": child, "error": said.decode()}


async def main(directory: str, name: str, max_queue: str, patience: str) -> None:
    """Obey until the input ends."""
    adapter = IPCAdapter(directory, name, max_queue=int(max_queue), patience=float(patience))
    node = Node(adapter)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command, *arguments = json.loads(line)
        answer = await getattr(node, command)(*arguments)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    await adapter.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
