"""How a request reaches the session that its token names: in this process, or in whichever has it."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Protocol

from ...longpoll import LongPoll
from ...message import Encoded
from ...protocol.longpoll import Status
from ...pubsub import PubSub
from .messages import Arrived, Ended, Expired, Polled, Posted, Progress, Taken
from .session import Session

__all__ = ["Elsewhere", "Here", "Way"]


class Way(Protocol):
    """One request's way to its session.

    Attributes:
        topic: The session's.
        news: After a :meth:`take` that found nothing: done when it is time for the next.
    """

    topic: str
    news: asyncio.Future[None]

    async def take(self) -> bytes | None:
        """Return what is there, and wait for news if that is nothing; None if there is no session."""
        ...

    async def post(self, messages: list[Encoded]) -> Status:
        """Have messages handled, one after another."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether it is known to take no more posts just now."""
        ...

    async def close(self) -> None:
        """Wait for news no more."""
        ...


class Here:
    """The way to a session in this process."""

    def __init__(self, session: Session, topic: str) -> None:
        self.topic = topic
        self._session = session
        self._rest: bytes | None = None
        self.news: asyncio.Future[None]

    @property
    def is_busy(self) -> bool:
        """Whether it takes no more posts just now."""
        return self._session.is_busy

    async def take(self) -> bytes | None:
        """Take what is there."""
        if self._rest is not None:
            return self._rest or None
        self.news = asyncio.get_running_loop().create_future()
        return self._session.take(self)

    def tell(self, rest: bytes | None) -> None:
        """Learn of news: the session calls it."""
        self._rest = rest
        if not self.news.done():
            self.news.set_result(None)

    async def post(self, messages: list[Encoded]) -> Status:
        """Have the session handle them."""
        return await self._session.post(messages)

    async def close(self) -> None:
        """Wait no more."""
        self._session.expire(self)


class Elsewhere:
    """The way to a session in another process.

    Args:
        pubsub: What joins the processes.
        topic: The session's.
        options: Of the socket.
    """

    is_busy = False

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
        self._answers = pubsub.listen(topic, self._heard, owner=self)

    async def take(self) -> bytes | None:
        """Ask what is there."""
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
        """Ask for them to be handled; the session says at each that it is at it."""
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
        """Say that nobody waits any more."""
        self._answers.cancel()
        if self._is_waiting:
            await self._ask(Expired(self._ref))

    async def _ask(self, question: Any) -> None:
        await self._pubsub.broadcast_from(self, self.topic, question)

    def _heard(self, answer: Any) -> None:
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
                pass  # other requests are answered here too

    def _wake(self) -> None:
        if not self.news.done():
            self.news.set_result(None)
