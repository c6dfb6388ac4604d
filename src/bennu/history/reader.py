"""Reads the histories of topics for server code: ``endpoint.history(...)`` and ``self.history(...)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..errors import DefinitionError, StoreUnavailable
from ..store.store import Page
from .page import HistoryPage, PastEntries
from .position import Position
from .reading import MAX_LIMIT, read_back, read_forth
from .run import ReadRequest

if TYPE_CHECKING:
    from .history import History
    from .logs import Logs

__all__ = ["DEFAULT_LIMIT", "AnyPosition", "ChannelHistory", "HistoryOwner", "LogReader"]

DEFAULT_LIMIT = 100
"""Entries of a page, if the caller says nothing."""

AnyPosition = Position | str | Mapping[str, Any] | None
"""A position, its text ``"17:k3"``, or the object that a client sends."""


NOWHERE: Final = Position("", 0)
"""Where a log stands that does not exist. Its first epoch is a later one."""


class LogReader:
    """Reads the histories of an endpoint.

    Args:
        logs: The logs; None if no topic has history.
    """

    def __init__(self, logs: Logs | None) -> None:
        self._logs = logs

    def has_history(self, topic: str) -> bool:
        """Return whether a topic has history."""
        return self._logs is not None and self._logs.history_of(topic) is not None

    async def entries(
        self,
        method: str,
        topic: str,
        since: AnyPosition,
        before: AnyPosition,
        limit: int,
        floor: float | None = None,
    ) -> PastEntries:
        """Return a part of the history of a topic, not decoded; see ``Endpoint.history``.

        Args:
            method: What the user has called, for errors.
            topic: The topic.
            since: The position after which the entries begin; None for the newest entries.
            before: The position before which the entries end.
            limit: The most entries.
            floor: Milliseconds since 1970: older entries are left out.
        """
        logs, history = self._expect_history(method, topic)
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_LIMIT:  # pyright: ignore[reportUnnecessaryIsInstance] - users give anything
            raise ValueError(
                f"{method}(limit=...) is a whole number from 1 to {MAX_LIMIT}, got {limit!r}: read the next page with"
                " since=page[-1].position, or before=page[0].position"
            )
        start = None if since is None else Position.of(since)
        end = None if before is None else Position.of(before)

        async def read(request: ReadRequest) -> Page:
            return await logs.read(topic, request, history)

        if start is None:
            return await read_back(read, end, limit, floor)
        return await read_forth(read, start, end, limit, floor)

    async def position(self, method: str, topic: str) -> Position:
        """Return the position of the newest entry of a topic; see ``Endpoint.position``."""
        logs, history = self._expect_history(method, topic)
        return await logs.position(topic, history)

    async def standing(self, topic: str) -> Position | None:
        """Return a position of which every later entry is newer than this call; None if the store does not answer.

        It is no newer than the newest entry. Nothing is made for a topic of which the store knows nothing: a client whose
        join is refused later must not fill the store.
        """
        logs = self._logs
        if logs is None or not logs.guard.is_up:
            return None
        log = logs.topics.get(topic)
        if log is not None and log.gate.epoch:
            return Position(log.gate.epoch, log.gate.last)
        try:
            heads = await logs.guard.call(logs.store.heads, (topic,))
        except StoreUnavailable:
            return None
        head = heads.get(topic)
        return NOWHERE if head is None else Position(*head)

    def _expect_history(self, method: str, topic: str) -> tuple[Logs, History]:
        logs = self._logs
        history = None if logs is None else logs.history_of(topic)
        if logs is None or history is None:
            raise DefinitionError(
                f"{method} of {topic!r}",
                expected="a topic with history",
                got="a topic whose channel has none",
                write="history = History(size=1000) in the class of the channel",
            )
        return logs, history


class HistoryOwner(Protocol):
    """A channel, as its ``history`` sees it."""

    @property
    def topic(self) -> str:
        """The topic."""
        ...


class ChannelHistory:
    """Reads the history of a channel's topic. ``self.history`` is one.

    Args:
        agent: The channel.
    """

    __slots__ = ("_agent",)

    def __init__(self, agent: Any) -> None:
        self._agent = agent

    async def __call__(
        self, *, since: AnyPosition = None, before: AnyPosition = None, limit: int = DEFAULT_LIMIT
    ) -> HistoryPage:
        """Return broadcasts of the past of this topic, the oldest first.

        What the client may not read (``history_floor``) is left out.

        Args:
            since: A :class:`~bennu.Position`, its text (``"17:k3"``), or the object that a client has. The page has the
                oldest entries after it. Default: None, the newest entries.
            before: Such a position. The page has only entries before it.
            limit: The most entries, from 1 to 1,000. Default: 100. A page can have fewer entries; an empty page is the
                end.

        Raises:
            NotJoined: The join has not succeeded yet: write it in ``after_join``. Or the channel has ended.
            DefinitionError: The channel has no history.
            DecodeError: ``since`` or ``before`` is no position.
            ValueError: ``limit`` is out of its bounds.
            StoreUnavailable: The store does not answer.
            WrongThread: The call comes from another thread or event loop than the endpoint's. There write
                ``self.sync.history(...)``.

        Example:
            ``page = await self.history(limit=50)``
            ``older = await self.history(before=page[0].position, limit=50)``
        """
        past: PastEntries = await self._agent._server.read_history(since, before, limit)
        return past.decoded()
