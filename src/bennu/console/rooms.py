"""The channels of a console: joins, pushes, presences."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ..client import Client, PushRefused, PushTimeout, RemoteChannel
from ..client.states import ChannelState, ConnectionState
from .commands import Command, CommandError
from .completion import Completer
from .happenings import (
    Happening,
    PresenceShown,
    PushMade,
    PushReplied,
    TopicClosed,
    TopicJoined,
    TopicLeft,
    TopicsShown,
    TopicState,
    TopicTroubled,
)

__all__ = ["ConsoleRooms", "clock", "now", "since"]


class ConsoleRooms:
    """The channels of a console.

    Args:
        tell: Gets all that happens.
        completer: Remembers topics and events.

    Attributes:
        client: The client; None while there is no connection, and nothing that connects again.
    """

    def __init__(self, tell: Callable[[Happening], None], completer: Completer) -> None:
        self.client: Client | None = None
        self._tell = tell
        self._completer = completer
        self._rooms: dict[str, RemoteChannel] = {}

    def connected(self) -> Client:
        """Return the client.

        Raises:
            CommandError: There is none.
        """
        if self.client is None or self.client.state is ConnectionState.CLOSED:
            raise CommandError("there is no connection: write connect")
        return self.client

    def forget(self) -> None:
        """Forget the client and its channels."""
        self.client = None
        self._rooms.clear()

    async def join(self, command: Command) -> None:
        """Join a topic."""
        client = self.connected()
        topic = command.topic
        found = self._rooms.get(topic)
        if found is not None and found.state is not ChannelState.CLOSED:
            raise CommandError(f"{topic} was joined before: write leave {topic} first")
        room = client.channel(topic, command.payload)
        _ = room.presence  # it must listen from the join on
        began = clock()
        joins = 0

        def joined(response: Any) -> None:
            nonlocal joins
            joins += 1
            ms = since(began) if joins == 1 else None
            self._tell(
                TopicJoined(at=now(), topic=topic, ms=ms, again=joins > 1, response=response)
            )

        def troubled(payload: Any) -> None:
            if joins:  # a failure of the first join is raised
                self._tell(TopicTroubled(at=now(), topic=topic, payload=payload))

        def closed() -> None:
            if joins and self._rooms.get(topic) is room:
                self._tell(TopicClosed(at=now(), topic=topic))

        room.on_join(joined)
        room.on_error(troubled)
        room.on_close(closed)
        self._rooms[topic] = room
        try:
            await room.join(retry=False)
        except BaseException:
            del self._rooms[topic]
            if room.state is not ChannelState.CLOSED:
                _ = room.leave()
            raise
        self._completer.topics[topic] = None

    async def leave(self, command: Command) -> None:
        """Leave a topic."""
        room = self._room(command.topic)
        del self._rooms[command.topic]
        self._completer.topics.pop(command.topic, None)
        began = clock()
        await room.leave()
        self._tell(TopicLeft(at=now(), topic=command.topic, ms=since(began)))

    async def push(self, command: Command) -> None:
        """Push an event, and wait for its reply."""
        room = self._room(command.topic)
        began = clock()
        self._completer.saw(command.topic, command.event)
        try:
            response = await room.push(command.event, command.payload)
        except PushRefused as refused:
            self._replied(command, refused.status, refused.response, began)
            raise
        except PushTimeout as error:
            raise CommandError(
                f"{error}. If none is expected, write send in place of push"
            ) from error
        self._replied(command, "ok", response, began)

    def _replied(self, command: Command, status: str, response: Any, began: float) -> None:
        self._tell(
            PushReplied(
                at=now(),
                topic=command.topic,
                event=command.event,
                status=status,
                ms=since(began),
                response=response,
            )
        )

    async def send(self, command: Command) -> None:
        """Push an event, and wait for nothing."""
        _ = self._room(command.topic).push(command.event, command.payload)
        self._completer.saw(command.topic, command.event)
        self._tell(PushMade(at=now(), topic=command.topic, event=command.event))

    async def presence(self, command: Command) -> None:
        """Show who is in a topic."""
        state = self._room(command.topic).presence.state
        presences = {key: list(one["metas"]) for key, one in state.items()}
        self._tell(PresenceShown(at=now(), topic=command.topic, presences=presences))

    async def topics(self, command: Command) -> None:
        """Show the topics that were joined."""
        del command
        topics = [TopicState(topic, room.state.value) for topic, room in self._rooms.items()]
        self._tell(TopicsShown(at=now(), topics=topics))

    def _room(self, topic: str) -> RemoteChannel:
        self.connected()
        room = self._rooms.get(topic)
        if room is None:
            raise CommandError(f"{topic} is not joined: write join {topic}")
        return room


def now() -> datetime:
    """Return the time in the time zone of the machine."""
    return datetime.now(UTC).astimezone()


def clock() -> float:
    """Return the time of the event loop."""
    return asyncio.get_running_loop().time()


def since(began: float) -> float:
    """Return the milliseconds since a time of the event loop, to a microsecond."""
    return round((clock() - began) * 1000, 3)
