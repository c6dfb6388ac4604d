"""The nodes as processes, their clients, and the load."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.frames import PHX_REPLY, decode_v2, encode_v2, joining, pushing

from .ledger import Ledger

__all__ = ["Fleet", "Worker"]

ROOT: Final = Path(__file__).parents[2]
RUNNING: Final = re.compile(r"running on http://[^:]+:(\d+)")
PATIENCE: Final = 60.0
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Worker:
    """One node: its process, and its clients.

    Args:
        number: Its number.
        address: The address of its bus.
        prefix: What stands before the command: to run it in a network namespace.
        host: The address on which it listens.
        app: The endpoint.
        environment: More variables.

    Attributes:
        node: The name of the node.
        port: Its port.
        peak: The most bytes of memory that were seen.
        first: The bytes of memory at the begin.
        lines: The lines of its log.
        is_killed: Whether the script has killed it.
    """

    def __init__(
        self,
        number: int,
        address: str,
        prefix: Sequence[str] = (),
        host: str = "127.0.0.1",
        app: str = "tests.faults.app:endpoint",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.number = number
        self.node = ""
        self.port = 0
        self.peak = self.first = 0
        self.lines: list[str] = []
        self.is_killed = False
        self.host = host
        self._app = app
        self._environment = {"BENNU_PUBSUB": address, **(environment or {})}
        self._prefix = prefix
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process
        self._reading: asyncio.Task[None]
        self._control: ClientConnection | None = None

    async def start(self) -> None:
        """Start the process, and wait until its node is ready."""
        self._process = await asyncio.create_subprocess_exec(
            *(*self._prefix, sys.executable, "-m", "bennu", "run", self._app),
            *("--host", self.host, "--port", "0", "--no-access-log"),
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self._environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        listens: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(listens))
        self.port = await asyncio.wait_for(listens, PATIENCE)
        self._control = await connect(f"{self.url}/control/websocket", ping_interval=None)
        await self.until_ready()
        self.node = (await self.state())["node"]
        self.first = self.peak = self._memory()

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"ws://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the node."""
        return self._process.pid

    async def state(self) -> dict[str, Any]:
        """Return what the node says of itself."""
        return dict(json.loads(await self._ask("state")))

    async def hang(self) -> None:
        """Make the event loop hang for ten seconds, and wait until it goes on."""
        await self._ask("hang")

    async def _ask(self, question: str) -> str | bytes:
        assert self._control is not None, "the node is not started"
        async with self._lock:
            await self._control.send(question)
            return await self._control.recv()

    async def until_ready(self) -> None:
        """Wait until the node is ready."""
        async with asyncio.timeout(PATIENCE):
            while not (await self.state())["ready"]:
                await asyncio.sleep(0.05)

    def kill(self) -> None:
        """End the process with SIGKILL."""
        self.is_killed = True
        self._process.kill()

    async def start_again(self) -> None:
        """Start a process in the place of a killed one."""
        await self._process.wait()
        await self._reading
        await self.start()
        self.is_killed = False

    async def stop(self) -> None:
        """End the process."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        await self._process.wait()
        await self._reading
        if self._control is not None:
            await self._control.close()

    def sample(self) -> None:
        """Look at the memory."""
        with suppress(OSError):
            self.peak = max(self.peak, self._memory())

    def _memory(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE

    async def _read(self, listens: asyncio.Future[int]) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            text = line.decode(errors="replace").rstrip()
            self.lines.append(text)
            found = RUNNING.search(text)
            if found is not None and not listens.done():
                listens.set_result(int(found[1]))
        if not listens.done():
            listens.set_exception(AssertionError("\n".join(self.lines)))


class Client:
    """A client that hears all topics, and enters what it hears into the ledger."""

    def __init__(self, name: str, worker: Worker, ledger: Ledger) -> None:
        self.name = name
        self.worker = worker
        self.is_closed = False
        self._ledger = ledger
        self._websocket: ClientConnection
        self._task: asyncio.Task[None]
        self._joined = 0

    async def start(self, topics: Sequence[str]) -> None:
        """Connect, and join the topics."""
        url = f"{self.worker.url}/socket/websocket?vsn=2.0.0"
        self._websocket = await connect(url, ping_interval=None, max_queue=None)
        for topic in topics:
            await self._websocket.send(encode_v2(joining("1", topic)))
        self._task = asyncio.create_task(self._hear())
        async with asyncio.timeout(PATIENCE):
            while self._joined < len(topics):
                await asyncio.sleep(0.01)

    async def publish(self, topic: str, count: int, size: int) -> None:
        """Ask for broadcasts."""
        request = {"count": count, "size": size}
        with suppress(ConnectionClosed):
            await self._websocket.send(encode_v2(pushing("1", None, topic, "publish", request)))

    async def stop(self) -> None:
        """Disconnect."""
        await self._websocket.close()
        await self._task

    async def _hear(self) -> None:
        try:
            async for frame in self._websocket:
                _, _, topic, event, payload = decode_v2(frame)
                if event == "message":
                    self._ledger.receive(self.name, payload["node"], topic, payload["n"])
                elif event == PHX_REPLY:
                    self._joined += payload["status"] == "ok"
        except ConnectionClosed:
            pass
        finally:
            self.is_closed = True


class Fleet:
    """All nodes, their clients, and the load.

    Args:
        workers: The nodes, not started.
        seed: Chooses the load.
        clients: Clients of each node.
        topics: The number of topics.
        rate: Broadcasts a second of each node.
        size: Bytes of each.

    Attributes:
        ledger: What clients received.
        workers: The nodes.
    """

    def __init__(
        self,
        workers: list[Worker],
        seed: int,
        *,
        rate: int,
        size: int,
        clients: int = 5,
        topics: int = 4,
    ) -> None:
        self.ledger = Ledger()
        self.workers = workers
        self._random = Random(seed)
        self._each = clients
        self._topics = [f"load:{number}" for number in range(topics)]
        self._rate = rate
        self._size = size
        self._clients: list[Client] = []
        self._load: asyncio.Task[None] | None = None
        self._memory: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the nodes and the clients."""
        await asyncio.gather(*[worker.start() for worker in self.workers])
        async with asyncio.timeout(PATIENCE):
            names = {worker.node for worker in self.workers}
            for worker in self.workers:
                while set((await worker.state())["nodes"]) != names:
                    await asyncio.sleep(0.05)
        for worker in self.workers:
            for number in range(self._each):
                client = Client(f"client {number}", worker, self.ledger)
                client.name = f"{worker.number}/{number}"
                await client.start(self._topics)
                self._clients.append(client)
        self._memory = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """End everything."""
        if self._memory is not None:
            self._memory.cancel()
        await self.end_load()
        await asyncio.gather(*[client.stop() for client in self._clients])
        await asyncio.gather(*[worker.stop() for worker in self.workers])

    # The load.

    def begin_load(self) -> None:
        """Publish from all nodes that live, until :meth:`end_load`."""
        self._load = asyncio.create_task(self._publish())

    async def end_load(self) -> None:
        """Stop publishing."""
        if self._load is not None:
            self._load.cancel()
            with suppress(asyncio.CancelledError):
                await self._load
            self._load = None

    async def _publish(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            for client in self._clients[:: self._each]:
                if not client.worker.is_killed:
                    count = max(1, self._rate // 20)
                    await client.publish(self._random.choice(self._topics), count, self._size)

    async def _watch(self) -> None:
        while True:
            for worker in self.workers:
                worker.sample()
            await asyncio.sleep(0.2)

    # What came of it.

    @property
    def living(self) -> list[Worker]:
        """The nodes that were not killed."""
        return [worker for worker in self.workers if not worker.is_killed]

    @property
    def closed(self) -> int:
        """The number of clients of living nodes that were disconnected."""
        return sum(client.is_closed for client in self._clients if not client.worker.is_killed)

    def clients(self) -> Mapping[str, list[str]]:
        """Return the clients of each living node."""
        return {
            worker.node: [one.name for one in self._clients if one.worker is worker]
            for worker in self.living
        }

    async def states(self) -> dict[str, dict[str, Any]]:
        """Return what each living node says of itself."""
        return {worker.node: await worker.state() for worker in self.living}
