"""One channel of a client: its state, its timers, and its pushes.

:class:`~bennu.client.channel.RemoteChannel` is what an application sees of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from msgspec import Raw

from ..errors import DecodeError, NotJoined
from ..logs.log import Log
from ..message import OK, PHX_CLOSE, PHX_ERROR, PHX_JOIN, PHX_LEAVE, PHX_REPLY, expect_event
from .errors import ChannelClosed, JoinRefused, JoinTimeout
from .frames import Received, answer_of, json_of, payload_of
from .listeners import Listeners
from .loader import Recovery
from .promise import Promise
from .pushing import Pushing
from .recovery import KEY
from .states import Cause, ChannelState, Effect, transition

if TYPE_CHECKING:
    from .persistent import PersistentConnection

__all__ = ["CLOSED", "ERRORED", "JOINED", "LOG", "TopicLink"]

LOG: Final = Log("bennu.client")

JOINED: Final = "joined"
ERRORED: Final = "errored"
CLOSED: Final = "closed"


class TopicLink:
    """One channel.

    Args:
        connection: The client's connection.
        topic: The topic.
        params: Returns the payload of a join.
        timeout: Seconds for a reply, unless a call says another time.
        buffer: The most events that wait for ``async`` callbacks.

    Attributes:
        state: Its state.
        join_ref: The ref of its present join; None without one.
        was_joined: Whether ``join`` was called.
        recovery: What it does about messages that it missed; None if nothing.
        listeners: The callbacks and iterators for its events.
        told: The callbacks for its own changes: :data:`JOINED`, :data:`ERRORED`, :data:`CLOSED`.
    """

    __slots__ = (
        "_attempt_timeout",
        "_connection",
        "_deadline",
        "_failure",
        "_is_first",
        "_join",
        "_leave_ref",
        "_leaving",
        "_params",
        "_pushes",
        "_response",
        "_retries",
        "_retry_after",
        "_timer",
        "_tries",
        "join_ref",
        "listeners",
        "recovery",
        "state",
        "timeout",
        "told",
        "topic",
        "was_joined",
    )

    def __init__(
        self,
        connection: PersistentConnection,
        topic: str,
        params: Callable[[], Any],
        timeout: float,
        buffer: int,
    ) -> None:
        self.state = ChannelState.CLOSED
        self.topic = topic
        self.timeout = timeout
        self.join_ref: str | None = None
        self.was_joined = False
        self.recovery: Recovery | None = None
        self.listeners = Listeners(LOG, buffer, self._overflowed)
        self.told = Listeners(LOG, buffer, lambda: None)
        self._connection = connection
        self._params = params
        self._pushes = Pushing(topic, self._transmit)
        self._attempt_timeout = timeout
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._tries = 0
        self._retries = True
        self._is_first = True
        self._retry_after = 0.0
        self._join: Promise[Any] | None = None
        self._leaving: Promise[None] | None = None
        self._leave_ref: str | None = None
        self._failure: Exception | None = None
        self._response: Any = Raw(b"{}")

    # What the application calls.

    def join(
        self, read: Callable[[Any], Any], timeout: float | None, *, retries: bool
    ) -> Promise[Any]:
        """Join, and join again whenever that is needed."""
        if self.was_joined:
            raise NotJoined(
                f"{self.topic!r} was joined before: a channel joins again by itself. After leave() make a new one:"
                " client.channel(...)"
            )
        self.was_joined = True
        self._retries = retries
        self._attempt_timeout = self.timeout if timeout is None else timeout
        self._join = promise = Promise(read)
        self._connection.leave_others(self)
        self._connection.add(self)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._attempt_timeout, self._join_is_late)
        self.tell(Cause.JOIN)
        return promise

    def push(
        self, event: str, payload: Any, read: Callable[[Any], Any], timeout: float | None
    ) -> Promise[Any]:
        """Send a push, or keep it until the channel has joined."""
        expect_event(event)
        if not self.was_joined:
            raise NotJoined(
                f"{event!r} can't be pushed to {self.topic!r}, which was not joined: write `await room.join()` before"
            )
        if self.state in (ChannelState.CLOSED, ChannelState.LEAVING):
            raise ChannelClosed(
                f"{event!r} can't be pushed to {self.topic!r}, which is closed: make a new one by client.channel(...)"
            )
        return self._pushes.push(
            event,
            payload,
            read,
            self.timeout if timeout is None else timeout,
            is_joined=self.state is ChannelState.JOINED,
        )

    def leave(self, timeout: float | None) -> Promise[None]:
        """Leave. The promise is kept when the channel is closed."""
        if self._leaving is None:
            self._leaving = Promise(_nothing)
            self._attempt_timeout = self.timeout if timeout is None else timeout
            self.tell(Cause.LEAVE)
        return self._leaving

    # What the connection calls.

    def tell(self, cause: Cause) -> None:
        """Take a cause: go into the next state, and do what follows."""
        state, effects = transition(self.state, cause)
        self.state = state
        for effect in effects:
            self._do(effect)
            if self.state is not state:
                return  # a callback has left the channel, or closed the client
        if state is ChannelState.ERRORED:
            self.join_ref = None  # what comes of the former join is outdated

    def receive(self, message: Received) -> None:
        """Take a message of the topic, unless it belongs to a former join."""
        if message.join_ref and message.join_ref != self.join_ref:
            return
        event = message.event
        if event == PHX_REPLY:
            self._reply(message)
        elif event == PHX_ERROR:
            self._response = message.payload
            self.tell(Cause.CRASHED)
        elif event == PHX_CLOSE:
            self.tell(Cause.ENDED)
        elif self.state not in (ChannelState.CLOSED, ChannelState.LEAVING):
            if self.recovery is not None:
                self.recovery.take(message, is_joined=self.state is ChannelState.JOINED)
            else:
                self.listeners.emit(message)

    def lost(self, reason: str) -> None:
        """Take the end of the connection."""
        self._response = Raw(b'{"source":"transport","reason":"%b"}' % reason.encode())
        self.tell(Cause.LOST)

    async def close(self) -> None:
        """End what runs for the application. Callbacks for the end of the channel can still run."""
        self.tell(Cause.SHUT)
        await self.listeners.close()
        await self.told.close(self.timeout)

    # Replies.

    def _reply(self, message: Received) -> None:
        try:
            status, response = answer_of(message)
        except DecodeError as error:
            self._connection.report(error)
            return
        ref = message.ref
        if ref is not None and ref == self._leave_ref:
            self._leave_ref = None
            self.tell(Cause.LEFT)
        elif ref is not None and ref == self.join_ref and self.state is ChannelState.JOINING:
            self._take_join(status, response)
        else:
            self._pushes.answer(ref, status, response)

    def _take_join(self, status: str, response: Any) -> None:
        if status == OK:
            self._response = response
            self._tries = 0
            if self.recovery is not None:
                self.recovery.joined(json_of(response))
            self.tell(Cause.ACCEPTED)
            return
        value = json_of(response)
        self._failure = JoinRefused(self.topic, value)
        self._response = response
        wait = value.get("retry_after_ms") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - any JSON
        self._retry_after = float(wait) / 1000 if isinstance(wait, int | float) else 0.0
        self.tell(Cause.REFUSED)

    # Effects.

    def _do(self, effect: Effect) -> None:
        match effect:
            case Effect.SEND_JOIN:
                self._send_join()
            case Effect.SEND_LEAVE:
                self._send_leave()
            case Effect.TIME_JOIN:
                self._start(self._attempt_timeout, Cause.JOIN_TIMEOUT)
            case Effect.TIME_LEAVE:
                self._start(self._attempt_timeout, Cause.LEFT)
            case Effect.TIME_REJOIN:
                self._wait_to_rejoin()
            case Effect.STOP_TIMER:
                self._stop_timer()
            case Effect.SEND_PUSHES:
                self._pushes.release()
            case Effect.LOSE_PUSHES:
                self._pushes.lose()
            case Effect.DROP_PUSHES:
                self._pushes.drop()
            case Effect.TELL_JOINED:
                self._settle_join(None)
                self._is_first = False
                self.told.call(JOINED, self._response)
            case Effect.TELL_REFUSED:
                self._settle_join(self._failure)
                self.told.call(ERRORED, self._response)
            case Effect.TELL_TIMEOUT:
                self._join_is_late()
                self.told.call(ERRORED, Raw(b'{"reason":"timeout"}'))
            case Effect.TELL_ERROR:
                self.told.call(ERRORED, self._response)
            case Effect.TELL_CLOSED:
                self._tell_closed()

    def _send_join(self) -> None:
        connection = self._connection
        if not connection.is_open:
            return
        connection.leave_others(self)
        self.join_ref = ref = connection.next_ref()
        try:
            payload = self._params()
            if self.recovery is not None:
                payload = {**json_of(payload_of(payload)), KEY: self.recovery.ask()}
            connection.send(ref, ref, self.topic, PHX_JOIN, payload_of(payload))
        except Exception as error:
            LOG.exception("The parameters of the join of %r failed", self.topic)
            self._failure = error
            self.tell(Cause.REFUSED)

    def _send_leave(self) -> None:
        if self._connection.is_open and self.join_ref is not None:
            ref = self._leave_ref = self._connection.next_ref()
            self._connection.send(self.join_ref, ref, self.topic, PHX_LEAVE, Raw(b"{}"))

    def _transmit(self, event: str, payload: Any) -> str:
        ref = self._connection.next_ref()
        self._connection.send(self.join_ref, ref, self.topic, event, payload)
        return ref

    def _wait_to_rejoin(self) -> None:
        if self._is_first and not self._retries:
            _ = self.leave(None)
            return
        if self._connection.is_open:
            delay = max(self._connection.rejoin_delay(self._tries), self._retry_after)
            self._tries += 1
            self._retry_after = 0.0
            self._start(delay, Cause.REJOIN)

    def _start(self, delay: float, cause: Cause) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_time, cause)

    def _on_time(self, cause: Cause) -> None:
        self._timer = None
        self.tell(cause)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Results.

    def _settle_join(self, error: Exception | None) -> None:
        promise, self._join = self._join, None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if promise is None:
            return
        if error is None:
            promise.keep(self._response)
        else:
            promise.fail(error)

    def _join_is_late(self) -> None:
        is_open = self._connection.is_open
        self._settle_join(JoinTimeout(self.topic, self._attempt_timeout, is_open=is_open))

    def _tell_closed(self) -> None:
        self._connection.remove(self)
        self._settle_join(ChannelClosed(f"{self.topic!r} was closed before it had joined"))
        if self.recovery is not None:
            self.recovery.close()
        if self._leaving is not None:
            self._leaving.keep(None)
        self.told.call(CLOSED, Raw(b"{}"))
        self.listeners.end()

    def _overflowed(self) -> None:
        if self.recovery is not None:
            self.recovery.overflowed()


def _nothing(value: Any) -> None:
    del value
