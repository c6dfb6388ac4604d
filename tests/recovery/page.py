"""A page: a client with the rules of the page's helper (recovery on the wire, docs/recovery.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from random import Random
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from tests.support.frames import PHX_ERROR, PHX_REPLY, Frame, decode_v2, encode_v2, joining, pushing

from .link import Link
from .record import Record, Seen

__all__ = ["LAST", "Page"]

LAST = "last-"
"""What the last message of a topic begins with."""

PATIENCE = 10.0
"""Seconds for an answer."""


class _Topic:
    """What a page knows of one topic."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.epoch = ""
        self.offset = 0
        self.join_ref = ""
        self.is_joined = False
        self.is_at_end = False


class Page:
    """A client that joins topics, and joins them again for as long as it lives.

    Args:
        name: Its name.
        topics: The topics.
        url: Returns the address of a node that lives.
        random: Chooses.
    """

    def __init__(
        self, name: str, topics: Sequence[str], url: Callable[[], str], random: Random
    ) -> None:
        self.name = name
        self._random = random
        self._token = f"{name:-<16}"
        self._refs = map(str, count(1))
        self._topics = {topic: _Topic(Record(name, topic)) for topic in topics}
        self._waiting: dict[str, Callable[[bool], object]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._link = Link(lambda: f"{url()}/socket", self._talk, self._lost, random, max_queue=None)
        self.start = self._link.start
        self.stop = self._link.stop
        self.cut = self._link.cut

    @property
    def records(self) -> list[Record]:
        """What it has seen."""
        return [topic.record for topic in self._topics.values()]

    @property
    def is_joined(self) -> bool:
        """Whether it has joined all its topics."""
        return all(topic.is_joined for topic in self._topics.values())

    @property
    def is_at_end(self) -> bool:
        """Whether it has joined, and has taken the last message of each topic."""
        return all(topic.is_joined and topic.is_at_end for topic in self._topics.values())

    def state(self) -> str:
        """Return where it stands, for a message of failure."""
        places = [
            f"{name} {'joined' if topic.is_joined else 'not joined'} at {topic.offset}:{topic.epoch}"
            for name, topic in self._topics.items()
        ]
        return f"{self.name}: {', '.join(places)}"

    def heads(self) -> dict[str, tuple[str, int]]:
        """Return where it stands in each topic."""
        return {name: (topic.epoch, topic.offset) for name, topic in self._topics.items()}

    def choose(self) -> str | None:
        """Return one of the topics that it has joined; None if there is none."""
        joined = [name for name, topic in self._topics.items() if topic.is_joined]
        return self._random.choice(joined) if joined else None

    async def say(
        self, topic: str, event: str, message: str, done: Callable[[bool], object]
    ) -> None:
        """Say something in a topic.

        Args:
            topic: The topic.
            event: ``say`` or ``say_to_others``.
            message: What the message says of itself.
            done: Called with whether the node has confirmed it; never called if the connection ends.
        """
        if self._link.websocket is None:
            return
        ref = next(self._refs)
        self._waiting[ref] = done
        with suppress(WebSocketException):
            payload = {"id": message}
            await self._send(pushing(self._topics[topic].join_ref, ref, topic, event, payload))

    async def say_last(self, topic: str) -> bool:
        """Say the last message of a topic. Return whether the node has confirmed it."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def done(is_ok: bool) -> None:
            if not answer.done():
                answer.set_result(is_ok)

        await self.say(topic, "say", f"{LAST}{topic}-{next(self._refs)}", done)
        try:
            async with asyncio.timeout(PATIENCE):
                return await answer
        except TimeoutError:
            return False

    # The connection.

    async def _talk(self, websocket: ClientConnection) -> None:
        for name in self._topics:
            await self._join(name)
        async for frame in websocket:
            await self._take(decode_v2(frame))

    def _lost(self) -> None:
        self._waiting.clear()
        for topic in self._topics.values():
            topic.is_joined = False

    async def _send(self, frame: Frame) -> None:
        assert self._link.websocket is not None, "the page is not connected"
        await self._link.websocket.send(encode_v2(frame))

    async def _join(self, name: str) -> None:
        topic = self._topics[name]
        topic.is_joined = False
        topic.join_ref = next(self._refs)
        asked: dict[str, Any] = {"client": self._token}
        if topic.epoch:
            asked |= {"epoch": topic.epoch, "offset": topic.offset}
        await self._send(joining(topic.join_ref, name, {"recovery": asked}))

    def _join_later(self, name: str) -> None:
        """Join again, as phoenix.js does after an error."""

        async def join() -> None:
            await asyncio.sleep(self._random.uniform(0.2, 1.0))
            with suppress(WebSocketException, AssertionError):
                await self._join(name)

        task = asyncio.create_task(join())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, frame: Frame) -> None:
        join_ref, ref, name, event, payload = frame
        if event == PHX_REPLY and ref in self._waiting:
            self._waiting.pop(ref)(payload["status"] == "ok")
            return
        topic = self._topics.get(name)
        if topic is None or join_ref not in (None, topic.join_ref):
            return
        if event == PHX_REPLY:
            if ref == topic.join_ref:
                self._joined(name, topic, payload)
        elif event == PHX_ERROR:
            topic.is_joined = False
            self._join_later(name)
        elif event == "said" and ref is not None:
            offset, _, epoch = ref.partition(":")
            if topic.is_joined and epoch == topic.epoch and int(offset) > topic.offset:
                topic.offset = int(offset)
                topic.is_at_end = payload["id"].startswith(LAST)
                topic.record.take(Seen(epoch, topic.offset, payload["id"]))

    def _joined(self, name: str, topic: _Topic, payload: Any) -> None:
        if payload["status"] != "ok":
            self._join_later(name)
            return
        answer = payload["response"]["recovery"]
        if answer["recovered"]:
            assert (topic.epoch, topic.offset) == (answer["epoch"], answer["offset"])
            topic.record.recovered += 1
        else:
            topic.record.missed[answer["reason"]] += 1
            topic.epoch, topic.offset = answer["epoch"], answer["offset"]
            topic.record.begin(topic.epoch, topic.offset)
        topic.is_joined = True
