"""The route of a request to the session that its token names, on this node or on another node."""

from __future__ import annotations

import asyncio
import secrets

from ...longpoll import LongPoll
from ...message import Encoded
from ...protocol.longpoll import Status
from .messages import Answer, Arrived, Ended, Expired, Polled, Posted, Progress, Taken
from .remote import Correspondence
from .session import Session
from .tokens import SessionName

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
    """The route to a session on another node: questions and answers.

    Args:
        letters: Sends the questions, and gets the answers.
        name: The session.
        options: The socket's options of long polling.

    Attributes:
        topic: The name of the session.
        news: After a :meth:`take` that found nothing: done when the next :meth:`take` can find something.
    """

    is_busy = False  # only the session's node knows it

    def __init__(self, letters: Correspondence, name: SessionName, options: LongPoll) -> None:
        self._letters = letters
        self._name = name
        self.topic = name.topic
        self._options = options
        self._ref = secrets.token_hex(8)
        self._is_waiting = False
        self._rest: list[bytes] = []
        self._taken: asyncio.Future[Taken]
        self._progress: asyncio.Queue[Status | None] = asyncio.Queue()
        self.news: asyncio.Future[None]
        letters.expect(self._ref, self._receive)

    async def take(self) -> bytes | None:
        """Return the messages, and wait for news if there are none; None if no session answers."""
        if self._rest:
            return self._rest[0] or None
        loop = asyncio.get_running_loop()
        self.news, self._taken = loop.create_future(), loop.create_future()
        self._is_waiting = True
        self._letters.ask(self._name, Polled(self._ref))
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
        self._letters.ask(self._name, Posted(self._ref, messages))
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
        """Tell the session that this poll no longer waits, and expect no more answers."""
        self._letters.forget(self._ref)
        if self._is_waiting:
            self._letters.ask(self._name, Expired(self._ref))

    def _receive(self, answer: Answer) -> None:
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
                pass  # a second answer to a question

    def _wake(self) -> None:
        if not self.news.done():
            self.news.set_result(None)


Route = LocalSession | RemoteSession
"""The two kinds of routes: both have ``take``, ``post``, ``close``, ``news``, ``topic`` and ``is_busy``."""
