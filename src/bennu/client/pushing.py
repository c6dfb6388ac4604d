"""The pushes of one channel, with their timers and results."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import BennuError
from ..message import OK
from .errors import PushLost, PushRefused, PushTimeout
from .frames import json_of, payload_of
from .promise import Promise
from .pushes import Pushes

__all__ = ["Pushing"]

Transmit = Callable[[str, Any], str]
"""Sends an event and a payload for the present join. Returns the ref, or raises EncodeError."""


class _Sending:
    """A push."""

    __slots__ = ("event", "payload", "promise", "ref", "timeout", "timer")

    def __init__(self, event: str, payload: Any, promise: Promise[Any], timeout: float) -> None:
        self.event = event
        self.payload = payload
        self.promise = promise
        self.timeout = timeout
        self.ref: str | None = None
        self.timer: asyncio.TimerHandle | None = None

    @property
    def was_sent(self) -> bool:
        """Whether it was sent."""
        return self.ref is not None

    def settle(self) -> Promise[Any]:
        """Stop the timer, and return the promise."""
        if self.timer is not None:
            self.timer.cancel()
        return self.promise


class Pushing:
    """The pushes of one channel.

    Args:
        topic: The topic, for errors.
        transmit: Sends one.
    """

    __slots__ = ("_pushes", "_topic", "_transmit")

    def __init__(self, topic: str, transmit: Transmit) -> None:
        self._topic = topic
        self._transmit = transmit
        self._pushes: Pushes[_Sending] = Pushes()

    def push(
        self,
        event: str,
        payload: Any,
        read: Callable[[Any], Any],
        timeout: float,
        *,
        is_joined: bool,
    ) -> Promise[Any]:
        """Send a push; or keep it, if the channel is not joined.

        Raises:
            EncodeError: The payload can't be written.
            BufferFull: Too many pushes wait for the join.
        """
        sending = _Sending(event, payload_of(payload), Promise(read), timeout)
        if is_joined:
            self._send(sending)
        else:
            self._pushes.hold(sending)
        loop = asyncio.get_running_loop()
        sending.timer = loop.call_later(timeout, self._be_late, sending)
        return sending.promise

    def release(self) -> None:
        """Send what waited for the join."""
        for sending in self._pushes.release():
            try:
                self._send(sending)
            except BennuError as error:
                sending.settle().fail(error)

    def lose(self) -> None:
        """Fail what was sent and has no reply."""
        self._lose(self._pushes.lose())

    def drop(self) -> None:
        """Fail everything."""
        self._lose([*self._pushes.lose(), *self._pushes.release()])

    def answer(self, ref: object, status: str, response: Any) -> None:
        """Take a reply, if one of these pushes waits for it."""
        sending = self._pushes.answered(ref)
        if sending is None:
            return
        promise = sending.settle()
        if status == OK:
            promise.keep(response)
        else:
            value = json_of(response)
            promise.fail(PushRefused(self._topic, sending.event, status, value))

    def _send(self, sending: _Sending) -> None:
        sending.ref = self._transmit(sending.event, sending.payload)
        self._pushes.sent(sending.ref, sending)

    def _be_late(self, sending: _Sending) -> None:
        self._pushes.expire(sending, sending.ref)
        sending.promise.fail(
            PushTimeout(self._topic, sending.event, sending.timeout, was_sent=sending.was_sent)
        )

    def _lose(self, lost: Iterable[_Sending]) -> None:
        for sending in lost:
            sending.settle().fail(
                PushLost(self._topic, sending.event, sending.timeout, was_sent=sending.was_sent)
            )
