"""The route of a request to the session that its token names, in this process or in another process."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from ...longpoll import LongPoll
from ...message import Encoded
from ...protocol.longpoll import Status
from ...pubsub import PubSub
from .messages import Arrived, Ended, Expired, Polled, Posted, Progress, Taken
from .session import Session

__all__ = ["LocalSession", "RemoteSession", "Route"]


class LocalSession:
    """The route to a session in this process.

    Args:
        session: The session.
        topic: The session's topic.

    Attributes:
        topic: As given.
        news: After a :meth:`take` that found nothing: done when the next :meth:`take` can find something.
    """

    def __init__(self, session: Session, topic: str) -> None:
        self.topic = topic
        self._session = session
        self._rest: bytes | None = None
        self.news: asyncio.Future[None]

    @property
    def is_busy(self) -> bool:
        """Whether the session can't accept a post at the moment."""
        return self._session.is_busy

    async def take(self) -> bytes | None:
        """Return the messages, and wait for news if there are none; None if the session has ended."""
        if self._rest is not None:
            return self._rest or None
        self.news = asyncio.get_running_loop().create_future()
        return self._session.take(self)

    def wake(self, rest: bytes | None) -> None:
        """Wake this poll. The session calls this.

        Args:
            rest: None if messages wait; the last messages if the session has ended.
        """
        self._rest = rest
        if not self.news.done():
            self.news.set_result(None)

    async def post(self, messages: list[Encoded]) -> Status:
        """Make the session handle messages, one after another."""
        return await self._session.post(messages)

    async def close(self) -> None:
        """Stop waiting for news."""
        self._session.expire(self)


class RemoteSession:
    """The route to a session in another process: questions and answers on the session's topic.

    Args:
        pubsub: The endpoint's PubSub, which passes messages between the processes.
        topic: The session's topic.
        options: The socket's options of long polling.

    Attributes:
        topic: As given.
        news: After a :meth:`take` that found nothing: done when the next :meth:`take` can find something.
    """

    is_busy = False  # only the session's process knows it

    def __init__(self, pubsub: PubSub, topic: str, options: LongPoll) -> None:
        self._pubsub = pubsub
        self.topic = topic
        self._options = options
        self._ref = secrets.token_hex(8)
        self._is_waiting = False
        self._rest: list[bytes] = []
        self._taken: asyncio.Future[Taken]
        self._progress: asyncio.Queue[Status | None] = asyncio.Queue()
        self.news: asyncio.Future[None]
        self._answers = pubsub.listen(topic, self._receive, owner=self)

    async def take(self) -> bytes | None:
        """Return the messages, and wait for news if there are none; None if no session answers."""
        if self._rest:
            return self._rest[0] or None
        loop = asyncio.get_running_loop()
        self.news, self._taken = loop.create_future(), loop.create_future()
        self._is_waiting = True
        await self._ask(Polled(self._ref))
        try:
            async with asyncio.timeout(self._options.pubsub_timeout):
                taken = await self._taken
        except TimeoutError:
            return None
        if self._rest:
            return self._rest[0] or None
        self._is_waiting = not taken.messages
        return taken.messages

    async def post(self, messages: list[Encoded]) -> Status:
        """Make the session handle messages. The session answers before each message, and at the end."""
        await self._ask(Posted(self._ref, messages))
        patience, late = self._options.pubsub_timeout, Status.GONE
        while True:
            try:
                async with asyncio.timeout(patience):
                    status = await self._progress.get()
            except TimeoutError:
                return late
            if status is not None:
                return status
            patience = self._options.window + self._options.pubsub_timeout
            late = Status.TIMEOUT

    async def close(self) -> None:
        """Tell the session that this poll no longer waits."""
        self._answers.cancel()
        if self._is_waiting:
            await self._ask(Expired(self._ref))

    async def _ask(self, question: Any) -> None:
        await self._pubsub.broadcast_from(self, self.topic, question)

    def _receive(self, answer: Any) -> None:
        match answer:
            case Taken(self._ref) if not self._taken.done():
                self._taken.set_result(answer)
            case Ended(self._ref, rest):
                self._rest.append(rest)
                self._is_waiting = False
                if not self._taken.done():
                    self._taken.set_result(Taken(self._ref, rest))
                self._wake()
            case Arrived(self._ref):
                self._wake()
            case Progress(self._ref, status):
                self._progress.put_nowait(status)
            case _:
                pass  # an answer to another request

    def _wake(self) -> None:
        if not self.news.done():
            self.news.set_result(None)


Route = LocalSession | RemoteSession
"""The two kinds of routes: both have ``take``, ``post``, ``close``, ``news``, ``topic`` and ``is_busy``."""
