"""The connection of a client, which is made again whenever it is lost.

Theory of operation
-------------------
One task runs for the life of a client: it connects, reads messages until the connection ends, waits, and connects again.
Everything else runs in its turns, or in timers: heartbeats, joins, pushes. A transport can have one more task, while it
writes. So 5,000 clients are 5,000 tasks when they are idle.

The fallback is that of phoenix.js (protocol document, §5.6): if the WebSocket fails before it ever worked, or does not
open in time, or opens and carries nothing, then the client polls from then on. A WebSocket works when it has answered a
ping. After that the client stays with WebSockets: a server that restarts does not make its clients poll.
"""

from __future__ import annotations

import asyncio
from itertools import count
from random import random
from typing import Any, Final

from msgspec import Raw

from ..errors import BennuError, DecodeError
from ..logs.printable import printable
from ..message import ABNORMAL, HEARTBEAT, PHOENIX
from .errors import ConnectFailed
from .listeners import Listeners
from .options import ClientOptions
from .pings import Pings
from .promise import Promise
from .pulse import Beat, Pulse
from .states import Cause, ChannelState, ConnectionState, reconnects
from .topic_link import LOG, TopicLink
from .transport import ClientTransport, Closed, TransportClosed

__all__ = ["CLOSE", "ERROR", "MESSAGE", "OPEN", "PersistentConnection"]

OPEN: Final = "open"
CLOSE: Final = "close"
ERROR: Final = "error"
MESSAGE: Final = "message"

NORMAL: Final = 1000

_LIVE: Final = (ChannelState.JOINING, ChannelState.JOINED)
_NOTHING: Final = Raw(b"{}")


class PersistentConnection:
    """The connection of one client.

    Args:
        options: The options.

    Attributes:
        state: Its state.
        told: The callbacks for :data:`OPEN`, :data:`CLOSE`, :data:`ERROR` and :data:`MESSAGE`.
    """

    __slots__ = (
        "_beat_timer",
        "_error",
        "_fallback_timer",
        "_falls_back",
        "_first",
        "_is_stopping",
        "_links",
        "_lost_early",
        "_may_fall_back",
        "_opener",
        "_options",
        "_pings",
        "_pulse",
        "_refs",
        "_task",
        "_transport",
        "_tries",
        "_watched",
        "state",
        "told",
    )

    def __init__(self, options: ClientOptions) -> None:
        self.state = ConnectionState.CLOSED
        self.told = Listeners(LOG, options.buffer, lambda: None)
        self._options = options
        self._links: dict[str, list[TopicLink]] = {}
        self._refs = count(1)
        self._pulse = Pulse()
        self._pings = Pings()
        self._task: asyncio.Task[None] | None = None
        self._transport: ClientTransport | None = None
        self._beat_timer: asyncio.TimerHandle | None = None
        self._fallback_timer: asyncio.TimerHandle | None = None
        self._tries = 0
        self._opener = options.open_first
        self._may_fall_back = options.open_fallback is not None  # until a WebSocket answers a ping
        self._falls_back = False
        self._watched: str | None = None  # the ref of this ping
        self._lost_early: Closed | None = None
        self._is_stopping = False
        self._first: Promise[None] = Promise(_none)  # the next time that the connection is open
        self._error: Exception | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is an open connection."""
        return self.state is ConnectionState.OPEN

    # Start and end.

    def start(self) -> None:
        """Connect, and connect again whenever that is needed. A second call has no effect."""
        if self._task is None:
            self._is_stopping = False
            self._first = Promise(_none)
            self._error = None
            self.state = ConnectionState.CONNECTING
            self._task = asyncio.create_task(self._run())

    async def opened(self, timeout: float) -> None:  # noqa: ASYNC109 - it says what was waited for
        """Wait until the connection is open.

        Raises:
            ConnectRefused: The server refused the first connect.
            ConnectFailed: It was not open in time.
        """
        self.start()
        if self.is_open:
            return
        if self._first.is_done:  # an earlier connection was lost, or an earlier connect was refused
            self._first = Promise(_none)
        try:
            async with asyncio.timeout(timeout):
                await self._first
        except TimeoutError:
            if isinstance(self._error, ConnectFailed):
                raise self._error from None
            raise ConnectFailed(
                f"{self._options.url} has not answered within {timeout:g} s"
            ) from self._error

    async def close(self, code: int, reason: str) -> None:
        """Send what waits, close, and end. A second call has no effect."""
        task, self._task = self._task, None
        self._is_stopping = True
        for links in tuple(self._links.values()):
            for link in tuple(links):
                await link.close()
        self._stop_timers()
        self.state = ConnectionState.CLOSED
        if self._transport is not None:
            await self._transport.close(code, reason)
        elif task is not None:
            task.cancel()
        if task is not None:
            await asyncio.wait((task,))
        self._first.fail(ConnectFailed("the client was closed before its connection was open"))
        await self.told.close(self._options.timeout)

    # What channels call.

    def next_ref(self) -> str:
        """Return the next ref."""
        return str(next(self._refs))

    def send(self, join_ref: str | None, ref: str, topic: str, event: str, payload: Any) -> None:
        """Send a message on the open connection.

        Raises:
            EncodeError: The payload can't be written.
        """
        assert self._transport is not None, "there is no connection"  # noqa: S101 - all callers ask
        self._transport.send(self._options.serializer.encode(join_ref, ref, topic, event, payload))

    def rejoin_delay(self, tries: int) -> float:
        """Return the seconds before the next join of a channel."""
        return self._options.rejoin.delay(tries, random())  # noqa: S311 - spreads clients over time

    def add(self, link: TopicLink) -> None:
        """Pass the messages of a topic on to a channel."""
        self._links.setdefault(link.topic, []).append(link)

    def remove(self, link: TopicLink) -> None:
        """Forget a channel."""
        links = self._links.get(link.topic, [])
        if link in links:
            links.remove(link)
        if not links:
            self._links.pop(link.topic, None)

    def leave_others(self, link: TopicLink) -> None:
        """Leave the other channels of a topic: a server knows one for each connection."""
        for other in tuple(self._links.get(link.topic, ())):
            if other is not link and other.state in _LIVE:
                _ = other.leave(None)

    def report(self, error: Exception) -> None:
        """Tell the callbacks for errors."""
        if isinstance(error, BennuError):
            LOG.debug("%s", error)
        else:
            LOG.error("Connecting to %s failed", str(self._options.url), exc_info=error)
        self.told.call(ERROR, error)

    def ping(self, timeout: float) -> Promise[float]:
        """Send a ping. The promise is kept with the seconds until the answer."""
        if not self.is_open:
            promise: Promise[float] = Promise(float)
            promise.fail(ConnectFailed("there is no connection, so nothing can be pinged"))
            return promise
        ref = self.next_ref()
        self.send(None, ref, PHOENIX, HEARTBEAT, _NOTHING)
        return self._pings.begin(ref, timeout)

    # The task.

    async def _run(self) -> None:
        options = self._options
        while not self._is_stopping:
            closed: Closed | None = None
            try:
                transport = await self._connect()
            except Exception as error:  # noqa: BLE001 - told to the callbacks: the application's functions run here
                self._failed(error)
            else:
                closed = await self._serve(transport)
            if self._is_stopping or (closed is not None and not self._goes_on(closed)):
                break
            self.state = ConnectionState.CONNECTING
            if self._falls_back:
                self._falls_back = False
                continue
            delay = options.reconnect.delay(self._tries, random())  # noqa: S311 - spreads clients over time
            self._tries += 1
            await asyncio.sleep(delay)
        self.state = ConnectionState.CLOSED
        if not self._is_stopping:
            self._task = None
            for links in tuple(self._links.values()):
                for link in tuple(links):
                    link.tell(Cause.SHUT)

    async def _connect(self) -> ClientTransport:
        options = self._options
        target = await options.target()
        if self._may_fall_back:
            try:
                async with asyncio.timeout(options.fallback_after):
                    return await self._opener(target)
            except (ConnectFailed, TimeoutError) as error:
                self._replace_opener(printable(error) or "the WebSocket did not open in time")
        return await self._opener(target)

    async def _serve(self, transport: ClientTransport) -> Closed:
        """Read messages until the connection ends. Return how it ended."""
        self._transport = transport
        self._lost_early = None
        closed = Closed(ABNORMAL, "")
        try:
            self._open()
            while True:
                self._take(await transport.receive())
        except TransportClosed as error:
            closed = error.closed
        except BaseException as error:
            transport.drop(NORMAL, "")
            if not isinstance(error, Exception):
                raise
            LOG.exception("A message of %s could not be handled", str(self._options.url))
        finally:
            self._transport = None
            self._stop_timers()
        if not self._is_stopping:
            self.state = ConnectionState.CONNECTING
        if self._lost_early is None:
            self._lose("connection_closed")
        closed = self._lost_early or closed
        self.told.call(CLOSE, closed)
        return closed

    def _goes_on(self, closed: Closed) -> bool:
        return self._lost_early is not None or reconnects(closed.code)

    def _open(self) -> None:
        self.state = ConnectionState.OPEN
        self._tries = 0
        self._error = None
        self._begin_interval()
        for links in tuple(self._links.values()):
            for link in tuple(links):
                link.tell(Cause.OPENED)
        self._watch_primary()
        self._first.keep(None)
        self.told.call(OPEN, _NOTHING)

    def _failed(self, error: Exception) -> None:
        self._error = error
        is_final = not isinstance(error, ConnectFailed) or error.is_final
        if is_final:
            self._first.fail(error)
        self.report(error)

    def _lose(self, reason: str) -> None:
        for links in tuple(self._links.values()):
            for link in tuple(links):
                link.lost(reason)
        self._pings.lose()

    def _take(self, data: str | bytes) -> None:
        try:
            message = self._options.serializer.decode(data)
        except DecodeError as error:
            self.report(error)
            return
        ref = message.ref
        if self._pulse.heard(ref):
            self._begin_interval()
        self._pings.heard(ref)
        if self._watched is not None and ref == self._watched:
            self._primary_works()
        for link in tuple(self._links.get(message.topic, ())):
            link.receive(message)
        self.told.call(MESSAGE, message)

    # Heartbeats, pings, and the fallback.

    def _begin_interval(self) -> None:
        if self._beat_timer is not None:
            self._beat_timer.cancel()
        if self._transport is not None and self._transport.beats:
            loop = asyncio.get_running_loop()
            self._beat_timer = loop.call_later(self._options.heartbeat, self._beat)

    def _beat(self) -> None:
        ref = self.next_ref()
        if self._pulse.due(ref) is Beat.SEND:
            self.send(None, ref, PHOENIX, HEARTBEAT, _NOTHING)
            self._beat_timer = asyncio.get_running_loop().call_later(
                self._options.heartbeat, self._beat
            )
        else:
            self._give_up("heartbeat timeout", "heartbeat_timeout")

    def _give_up(self, text: str, reason: str) -> None:
        """End a connection that does not answer."""
        transport = self._transport
        assert transport is not None, "its timers end with the connection"  # noqa: S101
        self._lost_early = Closed(NORMAL, text)
        self.state = ConnectionState.CONNECTING
        self._stop_timers()
        transport.drop(NORMAL, text)
        self._lose(reason)

    def _watch_primary(self) -> None:
        if self._may_fall_back:
            loop = asyncio.get_running_loop()
            self._fallback_timer = loop.call_later(self._options.fallback_after, self._fall_back)
            ref = self._watched = self.next_ref()
            self.send(None, ref, PHOENIX, HEARTBEAT, _NOTHING)

    def _primary_works(self) -> None:
        self._may_fall_back = False
        self._watched = None
        if self._fallback_timer is not None:
            self._fallback_timer.cancel()

    def _fall_back(self) -> None:
        self._replace_opener("the WebSocket does not answer a ping")
        self._falls_back = True
        self._give_up("no answer to a ping", "connection_error")

    def _replace_opener(self, why: str) -> None:
        assert self._options.open_fallback is not None, "there is something to fall back to"  # noqa: S101
        LOG.info("Polling %s from now on: %s", str(self._options.url), why)
        self._may_fall_back = False
        self._opener = self._options.open_fallback

    def _stop_timers(self) -> None:
        for timer in (self._beat_timer, self._fallback_timer):
            if timer is not None:
                timer.cancel()
        self._beat_timer = self._fallback_timer = None
        self._pulse = Pulse()


def _none(value: Any) -> None:
    del value
