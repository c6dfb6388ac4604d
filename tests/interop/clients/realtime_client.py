"""Supabase's Python client, which a test runs in its own environment.

    python realtime_client.py basics|recovery <url of the server>

It prints a line of JSON for each step.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from typing import Any

from realtime import (  # type: ignore[import-not-found] # it is not in the environment that is checked
    AsyncRealtimeChannel,
    AsyncRealtimeClient,
    RealtimeAcknowledgementStatus,
    RealtimeSubscribeStates,
)


def report(step: str, value: Any = None) -> None:
    sys.stdout.write(json.dumps({"step": step, "value": value}) + "\n")
    sys.stdout.flush()


class Statuses:
    """The states of a channel's subscription, in order."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str] = asyncio.Queue()

    def __call__(self, status: RealtimeSubscribeStates, error: Exception | None) -> None:
        self._queue.put_nowait(status.value if error is None else f"{status.value}: {error}")

    async def next(self) -> str:
        return await self._queue.get()


async def reply(channel: AsyncRealtimeChannel, event: str) -> list[Any]:
    """Push an event; return the status of its reply, and the response that the client shows."""
    replied: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
    push = await channel.push(event, {"text": "hi"})
    for status in (RealtimeAcknowledgementStatus.Ok, RealtimeAcknowledgementStatus.Error):
        push.receive(
            status, lambda response, status=status: replied.set_result([status.value, response])
        )
    status, response = await replied
    return [status, response if isinstance(response, dict) else {}]


class Heartbeats(logging.Handler):
    """Reads in the client's log that the server answered a heartbeat."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.answered = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text.startswith("receive:") and '"topic":"phoenix"' in text and '"ok"' in text:
            self.answered.set()


async def basics(url: str) -> None:
    logger = logging.getLogger("realtime")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(heartbeats := Heartbeats())
    ann, bob = AsyncRealtimeClient(url, "anon-key"), AsyncRealtimeClient(url, "anon-key")
    await ann.connect()
    await heartbeats.answered.wait()
    report("heartbeat")

    refused = Statuses()
    private: Any = {"config": {"broadcast": {}, "private": True}}
    secret = ann.channel("secret", private)
    await secret.subscribe(refused)
    report("refused", await refused.next())
    await ann.remove_channel(secret)
    await ann.set_auth("user-jwt")
    allowed = Statuses()
    await ann.channel("secret", private).subscribe(allowed)
    report("allowed", await allowed.next())

    both: Any = {"config": {"broadcast": {"self": True, "ack": True}, "private": False}}
    statuses, others = Statuses(), Statuses()
    anns, bobs = ann.channel("lobby", both), bob.channel("lobby")
    heard: dict[str, asyncio.Queue[Any]] = {"ann": asyncio.Queue(), "bob": asyncio.Queue()}
    anns.on_broadcast("said", heard["ann"].put_nowait)
    bobs.on_broadcast("said", heard["bob"].put_nowait)
    await anns.subscribe(statuses)
    await bobs.subscribe(others)
    report("subscribed", [await statuses.next(), await others.next()])

    await anns.send_broadcast("said", {"text": "from ann"})
    report("from ann", [await heard["ann"].get(), await heard["bob"].get()])
    await bobs.send_broadcast("said", {"text": "from bob"})
    report("from bob", await heard["ann"].get())
    report("echo", await reply(bobs, "echo"))
    report("fail", await reply(bobs, "fail"))
    report("bob's own", heard["bob"].qsize())

    await anns.unsubscribe()
    report("unsubscribed", await statuses.next())
    await bobs.send_broadcast("close", {})
    report("closed by the server", await others.next())
    await ann.close()
    await bob.close()


async def recovery(url: str) -> None:
    client = AsyncRealtimeClient(url, "anon-key", params={"user": f"python-{os.getpid()}"})
    config: Any = {"config": {"broadcast": {"self": True, "ack": False}, "private": False}}
    channel = client.channel("lobby", config)
    statuses = Statuses()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    channel.on_broadcast("said", heard.put_nowait)
    await channel.subscribe(statuses)
    report("subscribed", await statuses.next())
    for event in ("disconnect", "crash"):
        await channel.send_broadcast(event, {})
        report(event, [await statuses.next(), await statuses.next()])
        await channel.send_broadcast("said", {"after": event})
        report(f"after {event}", await heard.get())
    await client.close()


if __name__ == "__main__":
    scenario = {"basics": basics, "recovery": recovery}[sys.argv[1]]
    asyncio.run(scenario(f"{sys.argv[2]}/realtime/v1"))
