"""The engine that loads an endpoint with the Python client."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, cast

from msgspec import Raw

from ..client import Client, ClientError, Closed, Promise, PushRefused, RemoteChannel
from ..client.frames import Received
from ..client.once import open_once
from ..client.options import TransportName, Vsn
from ..errors import BennuError
from ..message import PHX_REPLY
from .plan import AT_ONCE, DRAIN, PATIENCE, BenchPlan, stamp_time
from .result import BenchProgress, BenchResult

__all__ = ["PythonEngine"]

LOOK: Final = 0.25
"""Seconds between two progresses."""

QUIET: Final = 2.0
"""Seconds of silence after which nothing is waited for, if nothing is known to be missing."""

BURST: Final = 64
"""Late pushes that are sent before anything else runs."""


class PythonEngine:
    """Runs a plan.

    Args:
        plan: The plan.
        tell: Gets the progress, four times a second.
    """

    name = "Python"

    def __init__(self, plan: BenchPlan, tell: Callable[[BenchProgress], None]) -> None:
        self.result = BenchResult(self.name)
        self.plan = plan
        self.members: Counter[str] = Counter()
        self._tell = tell
        self._began = 0.0
        self._clients: list[_BenchClient] = []
        self._replies: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> BenchResult:
        """Run the plan, and return the result.

        Args:
            stop: Ends the run early when it is set.
        """
        self._began = _clock()
        interrupted = asyncio.ensure_future(stop.wait())
        try:
            await self._phase("opening", self._open(), interrupted)
            self.result.opening = _clock() - self._began
            self._began = _clock()
            await self._phase("load", self._load(), interrupted)
            self.result.seconds = _clock() - self._began
            await self._phase("draining", self._drain(), interrupted)
            self.result.is_whole = not stop.is_set()
        finally:
            interrupted.cancel()
            for task in self._replies:
                task.cancel()
            for start in range(0, len(self._clients), AT_ONCE):
                await asyncio.gather(
                    *(one.close() for one in self._clients[start : start + AT_ONCE])
                )
        return self.result

    async def _phase(self, name: str, work: Any, interrupted: asyncio.Future[Any]) -> None:
        """Do a part of the run, until it ends or is interrupted, and tell of the progress."""
        task = asyncio.ensure_future(work)
        pending: set[asyncio.Future[Any]] = {task}
        while pending and not interrupted.done():
            self._tell(BenchProgress(name, _clock() - self._began, self.result.counts))
            await asyncio.wait(
                (task, interrupted), timeout=LOOK, return_when=asyncio.FIRST_COMPLETED
            )
            pending = set() if task.done() else {task}
        if interrupted.done():
            task.cancel()
            await asyncio.wait((task,))
        else:
            task.result()

    async def _open(self) -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def open_one(number: int) -> None:
            async with places:
                client = _BenchClient(self, number)
                self._clients.append(client)
                await client.open()

        async with asyncio.TaskGroup() as group:
            for number in range(self.plan.clients):
                group.create_task(open_one(number))

    async def _load(self) -> None:
        plan = self.plan
        senders = [client for client in self._clients if client.is_ready]
        senders.sort(key=lambda client: client.number)
        self.result.planned = planned = plan.planned(len(senders))
        total = plan.rate * len(senders)
        before, after = plan.around_stamp()
        sent = 0
        counts = self.result.counts
        began = _clock()
        while (
            sent < planned
            and counts.lost < len(senders)
            and _clock() - began < plan.seconds + DRAIN
        ):
            elapsed = _clock() - began
            for _ in range(BURST):
                if sent >= planned or sent / total > elapsed:
                    break
                self._push(senders[sent % len(senders)], before, after)
                sent += 1
            await asyncio.sleep(max(sent / total - (_clock() - began), 0))

    def _push(self, client: _BenchClient, before: str, after: str) -> None:
        counts = self.result.counts
        if not client.is_ready:
            counts.skipped += 1
            return
        at = time.monotonic_ns()
        text = f"{before}{self.plan.stamp(client.number, at)}{after}"
        try:
            promise = client.push(Raw(text.encode()))
        except BennuError:  # its channel has just ended
            counts.skipped += 1
            return
        counts.pushed += 1
        counts.expected += self.members[client.topic]
        task = asyncio.create_task(self._await(promise, at))
        self._replies.add(task)
        task.add_done_callback(self._replies.discard)

    async def _await(self, promise: Promise[Any], at: int) -> None:
        try:
            await promise
        except PushRefused as error:
            self.result.counts.refused += 1
            self.result.refusal = self.result.refusal or str(error)
        except ClientError:
            pass  # it stays unanswered
        else:
            self.result.counts.replied += 1
            self.result.reply.add(_since(at))

    async def _drain(self) -> None:
        counts = self.result.counts
        began = quiet = _clock()
        last = -1
        while _clock() - began < DRAIN:
            if counts.is_complete(hears=self.plan.hears):
                return
            if counts.replied + counts.refused + counts.heard != last:
                quiet = _clock()
            last = counts.replied + counts.refused + counts.heard
            if not counts.misses(hears=self.plan.hears) and _clock() - quiet > QUIET:
                return
            await asyncio.sleep(0.02)


class _BenchClient:
    """One connection of a run."""

    def __init__(self, engine: PythonEngine, number: int) -> None:
        plan = engine.plan
        self.number = number
        self.topic = plan.topic_of(number)
        self.is_ready = False
        self._engine = engine
        self._mark = plan.mark.encode()
        self._room: RemoteChannel | None = None
        self._closing: asyncio.Task[None] | None = None
        self._client = Client(
            plan.url,
            params=plan.params,
            auth_token=plan.token,
            vsn=cast("Vsn", plan.vsn),
            transport=cast("TransportName", plan.transport),
            timeout=PATIENCE,
            buffer=0,
        )
        self._client.on_close(self._lost)
        if plan.hears:
            self._client.on_message(self._took)

    async def open(self) -> None:
        """Connect, and join. A failure is counted."""
        result, plan = self._engine.result, self._engine.plan
        began = time.monotonic_ns()
        try:
            await open_once(self._client)
            result.counts.opened += 1
            result.connect.add(_since(began))
            if plan.topic is not None:
                self._room = self._client.channel(self.topic)
                self._room.on_error(self._crashed)
                self._room.on_close(self._ended)
                began = time.monotonic_ns()
                await self._room.join(retry=False)
                result.counts.joined += 1
                result.join.add(_since(began))
        except BennuError as error:
            result.counts.failed += 1
            result.failure = result.failure or str(error)
            await self._client.close()
            return
        self.is_ready = True
        self._engine.members[self.topic] += 1

    def push(self, payload: Any) -> Promise[Any]:
        """Push, or send a heartbeat."""
        plan = self._engine.plan
        patience = plan.seconds + DRAIN + PATIENCE  # the run ends before
        if self._room is None:
            return self._client.ping(patience)
        return self._room.push(plan.event, payload, timeout=patience)

    async def close(self) -> None:
        """Close the connection."""
        self.is_ready = False
        if self._closing is not None:
            await self._closing
        await self._client.close()

    def _took(self, message: Received) -> None:
        if message.event != PHX_REPLY:
            at = stamp_time(self._mark, bytes(message.payload))
            if at is not None:
                self._engine.result.counts.heard += 1
                self._engine.result.delivery.add(_since(at))

    def _lost(self, closed: Closed) -> None:
        self._end(f"the connection has ended with code {closed.code} {closed.reason}".rstrip())

    def _crashed(self, payload: Any) -> None:
        self._end(f"the channel has crashed: {payload}")

    def _ended(self) -> None:
        self._end("the server has closed the channel")

    def _end(self, why: str) -> None:
        """Take no further part."""
        if self.is_ready:
            self.is_ready = False
            self._engine.members[self.topic] -= 1
            result = self._engine.result
            result.counts.lost += 1
            result.failure = result.failure or why
            self._closing = asyncio.create_task(self._client.close())  # else it would connect again


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _since(at: int) -> float:
    """Return the microseconds since a time."""
    return (time.monotonic_ns() - at) / 1000
