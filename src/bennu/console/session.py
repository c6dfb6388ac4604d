"""Does what the commands say, with a client, and tells what happens."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from ..client import Client, Closed, JoinRefused, PushRefused
from ..client.frames import Received, json_of
from ..client.longpoll import open_longpoll
from ..client.once import open_once
from ..client.options import ClientKeywords
from ..client.recovery import place_of
from ..client.states import reconnects
from ..client.transport import OpenTransport
from ..client.websocket import open_websocket
from ..errors import BennuError, DecodeError
from ..message import PHOENIX, is_reserved
from .commands import COMMANDS, Command, CommandError
from .completion import MOST_NAMES, Completer
from .frame_tap import read_frame, tapped
from .happenings import (
    CommandFailed,
    ConnectionLost,
    ConnectionOpened,
    EventCame,
    FrameShown,
    Happening,
    HelpShown,
    PingAnswered,
    Troubled,
    WaitEnded,
    WatchChosen,
)
from .rooms import ConsoleRooms, clock, now, since

__all__ = ["OPENERS", "ConsoleSession"]

OPENERS: Final[dict[str, OpenTransport]] = {"websocket": open_websocket, "longpoll": open_longpoll}

PATIENCE: Final = 10.0
"""Seconds of a ``wait`` for an event, if the command names none."""


class ConsoleSession:
    """One console: a client, its channels, and what is shown of them.

    Args:
        url: The URL of the socket.
        tell: Gets all that happens, in order.
        transport: What opens the connection.
        options: More options of the client.

    Attributes:
        completer: The topics and events that the console has seen.
        url: The URL of the socket.

    Raises:
        DefinitionError: The URL or an option has a wrong value. (Raised by ``connect``.)
    """

    def __init__(
        self,
        url: str,
        tell: Callable[[Happening], None],
        *,
        transport: OpenTransport = open_websocket,
        options: ClientKeywords | None = None,
    ) -> None:
        self.completer = Completer()
        self.url = url
        self._tell = tell
        self._options: ClientKeywords = {**(options or {})}
        self._options["transport"] = tapped(transport, self._saw_frame)
        self._client: Client | None = None
        self._rooms = ConsoleRooms(tell, self.completer)
        self._watched = "events"
        self._began = 0.0
        self._was_open = False
        self._is_closing = False
        self._trouble = ""
        self._unclaimed: Counter[tuple[str, str]] = Counter()
        self._news = asyncio.Event()
        self._deeds: dict[str, Callable[[Command], Awaitable[None]]] = {
            "connect": self._connect,
            "disconnect": self._disconnect,
            "help": self._help,
            "join": self._rooms.join,
            "leave": self._rooms.leave,
            "ping": self._ping,
            "presence": self._rooms.presence,
            "push": self._rooms.push,
            "send": self._rooms.send,
            "topics": self._rooms.topics,
            "wait": self._wait,
            "watch": self._watch,
        }

    @property
    def is_open(self) -> bool:
        """Whether there is an open connection."""
        return self._client is not None and self._client.is_open

    async def execute(self, command: Command, line: str = "") -> bool:
        """Do what a command says. Return whether it has succeeded.

        Args:
            command: The command. ``quit`` has no effect here.
            line: The line, for a report of its failure. Default: the name of the command.
        """
        deed = self._deeds.get(command.name)
        if deed is None:
            return True
        try:
            await deed(command)
        except PushRefused:
            return False  # its reply is shown
        except JoinRefused as error:
            reason = f"the join of {command.topic} was refused"
            self.fail(line or command.name, reason, error.response)
            return False
        except BennuError as error:
            self.fail(line or command.name, str(error))
            return False
        return True

    def fail(self, line: str, reason: str, response: Any = None) -> None:
        """Tell of a line that failed."""
        self._tell(CommandFailed(at=now(), command=line, reason=reason, response=response))

    async def close(self) -> None:
        """Close the connection. What was pushed is sent before."""
        client, self._client = self._client, None
        self._rooms.forget()
        if client is not None:
            self._is_closing = True
            await client.close()
            self._is_closing = False

    # The connection.

    async def _connect(self, command: Command) -> None:
        await self.close()
        if command.params is not None:
            self._options["params"] = command.params
        client = Client(self.url, **self._options)
        client.on_open(self._opened)
        client.on_close(self._lost)
        client.on_error(self._troubled)
        client.on_message(self._took)
        self._began = clock()
        self._was_open = False
        self._trouble = ""
        self._is_closing = True  # a failure is raised, and not told of by the callbacks too
        try:
            await open_once(client)
        except BaseException:
            await client.close()
            raise
        finally:
            self._is_closing = False
        self._client = client
        self._rooms.client = client

    async def _disconnect(self, command: Command) -> None:
        del command
        if self._client is None:
            raise CommandError("there is no connection to close")
        await self.close()
        self._tell(ConnectionLost(at=now(), code=1000, reason="", again=False))

    def _opened(self) -> None:
        ms = None if self._was_open else since(self._began)
        self._tell(ConnectionOpened(at=now(), url=self.url, ms=ms, again=self._was_open))
        self._was_open = True
        self._trouble = ""

    def _lost(self, closed: Closed) -> None:
        if not self._is_closing:
            again = reconnects(closed.code)
            self._tell(
                ConnectionLost(at=now(), code=closed.code, reason=closed.reason, again=again)
            )

    def _troubled(self, error: Exception) -> None:
        reason = str(error)
        if not self._is_closing and reason != self._trouble:  # each try fails for the same reason
            self._trouble = reason
            self._tell(Troubled(at=now(), reason=reason))

    # What comes.

    def _took(self, message: Received) -> None:
        topic, event = message.topic, message.event
        if topic == PHOENIX or is_reserved(event):
            return
        self.completer.saw(topic, event)
        if (topic, event) in self._unclaimed or len(self._unclaimed) < MOST_NAMES:
            self._unclaimed[topic, event] += 1
            self._news.set()
        if self._watched == "events":
            place = place_of(message.ref)
            position = None if place is None else str(place)
            payload = json_of(message.payload)
            self._tell(
                EventCame(at=now(), topic=topic, event=event, payload=payload, position=position)
            )

    def _saw_frame(self, is_sent: bool, data: str | bytes) -> None:
        if self._watched != "frames":
            return
        size = len(data if isinstance(data, bytes) else data.encode(errors="replace"))
        try:
            seen = read_frame(data, self._options.get("vsn", "2.0.0"), is_sent=is_sent)
        except DecodeError:
            return  # the client tells of it
        self._tell(
            FrameShown(
                at=now(),
                is_sent=is_sent,
                size=size,
                join_ref=seen.join_ref,
                ref=seen.ref,
                topic=seen.topic,
                event=seen.event,
                payload=json_of(seen.payload),
            )
        )

    # The others.

    async def _wait(self, command: Command) -> None:
        began = clock()
        if not command.event:
            await asyncio.sleep(command.seconds or 0)
            self._tell(WaitEnded(at=now(), topic="", event="", ms=since(began)))
            return
        wanted = command.topic, command.event
        seconds = PATIENCE if command.seconds is None else command.seconds
        try:
            async with asyncio.timeout(seconds):
                while not self._unclaimed[wanted]:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise CommandError(
                f"no {command.event} has come on {command.topic} within {seconds:g} s"
            ) from None
        self._unclaimed[wanted] -= 1
        self._tell(WaitEnded(at=now(), topic=command.topic, event=command.event, ms=since(began)))

    async def _ping(self, command: Command) -> None:
        del command
        self._tell(PingAnswered(at=now(), ms=round(await self._rooms.connected().ping() * 1000, 3)))

    async def _watch(self, command: Command) -> None:
        self._watched = command.choice
        self._tell(WatchChosen(at=now(), choice=command.choice))

    async def _help(self, command: Command) -> None:
        if command.choice:
            found = COMMANDS[command.choice]
            rows = [(found.usage, found.text), ("for example", found.example)]
        else:
            rows = [(one.usage, one.text) for one in COMMANDS.values()]
        self._tell(HelpShown(at=now(), rows=rows))
